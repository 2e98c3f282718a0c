"""The audit table: for every query and every worst unit the epsilon that was charged, and the lower bound on it that
outputs prove at 99.9 %. `python -m tests.audit [RUNS]`; exits with 1 when a bound passes its charge.
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent))

from cases import OPEN, OPEN_POLICY, QUERIES, WHOLE, audit, audit_whole, pairs

RUNS, PART = 2_000, 8        # draws of each side; of whole answers an eighth of that


def main(runs: int = RUNS) -> int:
    """Print the table; the number of bounds above their charge."""
    wrong = found = 0
    with TemporaryDirectory() as one, TemporaryDirectory() as other, \
            pairs(Path(one)) as stated, pairs(Path(other), OPEN_POLICY) as opened:
        for worst, pair in stated.items():
            for made in chain(
                (audit(pair, name, worst, runs) for name in QUERIES),
                (audit_whole(pair, name, worst, runs // PART) for name in WHOLE),
                (audit_whole(opened[worst], name, worst, runs // PART) for name in OPEN),
            ):
                above = made.bound > made.epsilon
                found, wrong = found + 1, wrong + above
                print(f"{made.name:24} {made.worst:14} charged {made.epsilon:g}  proved {made.bound:.3f}"
                      f"{'  ABOVE ITS CLAIM' if above else ''}", flush=True)
    print(f"{found} audits, {wrong} bounds above their claim")
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(*map(int, sys.argv[1:])), 1))
