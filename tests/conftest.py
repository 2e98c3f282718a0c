"""Options of the whole suite: pytest reads them from the topmost conftest only."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write what dpsql explain prints today into the grammar pages",
    )
