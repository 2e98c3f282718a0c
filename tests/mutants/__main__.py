"""The kill table: every guard, the mutant made of it, the check that kills it. `python -m tests.mutants`; exits with 1
when a mutant survives or a check fails on dpsql as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "theorems"), str(HERE.parent)]

import pytest  # noqa: E402
from guards import MUTANTS, Mutant  # noqa: E402


def killed(mutant: Mutant) -> str | None:
    """How the check fails on the mutant; None when it passes: the mutant survives."""
    with pytest.MonkeyPatch.context() as patch:
        mutant.mutate(patch)
        try:
            mutant.check()
        except (Exception, pytest.fail.Exception) as failure:
            return type(failure).__name__
    return None


def main() -> int:
    """Print the table; the number of survivors and of checks that fail on dpsql."""
    wrong = 0
    for check in dict.fromkeys(mutant.check for mutant in MUTANTS):
        check()
    for mutant in MUTANTS:
        how = killed(mutant)
        wrong += how is None
        print(f"{'killed' if how else 'SURVIVES':8} {mutant.name[:100]:100} {mutant.killer} ({how})", flush=True)
    print(f"{len(MUTANTS) - wrong} of {len(MUTANTS)} mutants killed")
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(), 1))
