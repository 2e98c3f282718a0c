"""Options of the whole suite: pytest reads them from the topmost conftest only."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# CI repeats the same examples, so that a red run is the change's; elsewhere each run searches anew.
# No example has a deadline: a busy machine is no failure.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write what dpsql explain prints today into the grammar pages",
    )
