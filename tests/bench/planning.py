"""What planning costs: python -m tests.bench.planning FOLDER [--database tpch.duckdb] [--times 5]

For each .sql file of a folder, over TPC-H in a fresh session: the first plan, a new text (the least of some, each with
a comment of its own; what was printed before is forgotten), and a repeated one, in milliseconds of this thread's CPU
time; then the medians of what is answered. A refused query is shown with the time its refusal took.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dpsql import render
from dpsql.errors import QueryError
from dpsql.session import Session
from tests.bench.overhead import database
from tests.bench.worker import POLICY

REPEATED = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints one line per query, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="a folder of .sql files over the TPC-H tables")
    parser.add_argument("--database", type=Path, help="a TPC-H database (default: scale 0.1, made once)")
    parser.add_argument("--times", type=int, default=5, help="new texts of each query (default: 5)")
    options = parser.parse_args(arguments)
    print(f"CPU time in ms\n\n{'query':12}{'first':>8}{'new':>8}{'again':>8}")
    answered: list[tuple[float, float, float]] = []
    for file in sorted(options.folder.glob("*.sql")):
        found, refused = measured(options.database or database(0.1), file.read_text(), options.times)
        print(f"{file.stem:12}" + "".join(f"{each:8.2f}" for each in found) + ("  refused" if refused else ""))
        if not refused:
            answered.append(found)
    if answered:
        print(f"\n{'median':12}" + "".join(f"{statistics.median(each):8.2f}" for each in zip(*answered, strict=True)))
    return 0


def measured(file: Path, sql: str, times: int) -> tuple[tuple[float, float, float], bool]:
    """Milliseconds of the first plan, of a new text, of a repeated one; and whether the query is refused."""
    with tempfile.TemporaryDirectory() as folder, Session(file, POLICY, Path(folder) / "x.ledger") as session:
        def attempt(text: str) -> bool:
            render.meaning.cache_clear()
            session._described.cache_clear()
            try:
                session.plan(text, analyst="alice", epsilon=1)
            except QueryError:
                return True
            return False

        first = milliseconds(partial(attempt, sql))
        new = min(milliseconds(partial(attempt, f"{sql}\n-- {i}")) for i in range(times))
        again = min(milliseconds(partial(attempt, sql)) for _ in range(REPEATED))
        return (first, new, again), attempt(sql)


def milliseconds(action: Callable[[], object]) -> float:
    """Milliseconds of CPU time that an action takes this thread."""
    start = time.thread_time()
    action()
    return 1000 * (time.thread_time() - start)


if __name__ == "__main__":
    raise SystemExit(main())
