"""The audit table: for every query and every worst unit the epsilon that was charged, and the lower bound on it that
outputs prove at 99.9 %. `python -m tests.audit [RUNS]`; exits with 1 when a bound passes its charge.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from cases import WORST, audited

RUNS = 2_000        # draws of each side


def main(runs: int = RUNS) -> int:
    """Print the table, each unit in a process of its own; the number of bounds above their charge."""
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found, wrong = map(sum, zip(*pool.map(audited, WORST, repeat(runs)), strict=True))
    print(f"{found} audits, {wrong} bounds above their claim")
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(*map(int, sys.argv[1:])), 1))
