"""The worlds and the measures are those of the theorems, the clinic that of the grammar pages."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from dpsql import pipeline

for folder in ("theorems", "grammar"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

from tests.grammar.conftest import clinic  # noqa: E402, F401


@pytest.fixture(scope="module", autouse=True)
def no_clock() -> Iterator[None]:
    """What is drawn must not depend on how fast this machine plans; `tests.attacks.test_limits` looks after that,
    in the same process perhaps, so it ends with each file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "planning", nullcontext)
        yield
