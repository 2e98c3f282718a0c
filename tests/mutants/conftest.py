"""The mutants are caught by the checks of the theorems, which live beside them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "theorems"))
