"""The worlds and the measures are those of the theorems, the clinic that of the grammar pages."""

from __future__ import annotations

import sys
from pathlib import Path

for folder in ("theorems", "grammar"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))

from tests.grammar.conftest import clinic  # noqa: E402, F401
