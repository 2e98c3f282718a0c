"""The worlds and the measures are those of the theorems, which live beside this folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "theorems"))
