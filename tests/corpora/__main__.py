"""Other people's queries: `python -m tests.corpora FOLDER [tpch|smartnoise|dpsqlplus|attacks ...]`

FOLDER holds `tpch/`, `smartnoise/`, `dpsqlplus_queries.json` and `attacks.json`. A table for each: how many queries get
the verdict of the corpus, and every one that does not, with what dpsql says of it. Exits with 1 when something is
answered that must not be, or answered wrongly, or when a query of TPC-H or an attack gets another verdict.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.corpora import attacks, dpsqlplus, smartnoise, tpch

CORPORA = {"tpch": tpch.show, "smartnoise": smartnoise.show, "dpsqlplus": dpsqlplus.show, "attacks": attacks.show}


def main() -> int:
    """Print the tables; 1 when one of them holds a mistake of ours."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpora", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("only", nargs="*", help=f"of {', '.join(CORPORA)}")
    options = parser.parse_args()
    wrong = 0
    for name in options.only or CORPORA:
        print(f"\n== {name}", flush=True)
        with TemporaryDirectory() as made:
            wrong += CORPORA[name](options.folder, Path(made))
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
