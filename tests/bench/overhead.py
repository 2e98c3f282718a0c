"""What dpsql costs: python -m tests.bench.overhead [--scale 1] [--database tpch.duckdb]

For ten TPC-H queries (one of them on DECIMAL and on DOUBLE columns): engine time as a ratio to plain DuckDB and to SQL
bounded by hand, all in this run with two threads; planning (a new text, a repeated text), ledger, noise and finish
apart; peak memory of each variant's own process, what dpsql held before the query (Python, libraries, opening), and the
ratio to SQL by hand of what the queries took above that. Variants take turns, and the least of all runs is shown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench.queries import QUERIES, Query

ROOT = Path(__file__).parents[2]
HEADER = (
    f"{'query':12}{'plain':>8}{'hand':>8}{'dpsql':>8}{'/plain':>8}{'/hand':>8}{'new':>8}{'again':>8}{'ledger':>8}"
    f"{'noise':>8}{'finish':>8}{'groups':>8}{'MB plain':>10}{'hand':>7}{'dpsql':>7}{'/hand':>7}{'held':>6}{'above':>7}"
)


def main() -> int:
    """Measures and prints one line per query, then the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="TPC-H scale factor (default: 1)")
    parser.add_argument("--database", type=Path, help="a TPC-H database (default: made once, in the temporary folder)")
    parser.add_argument("--times", type=int, default=5, help="runs per measurement (default: 5)")
    parser.add_argument("--rounds", type=int, default=2, help="turns of each variant (default: 2)")
    parser.add_argument("--only", help="only queries whose name contains this")
    options = parser.parse_args()
    queries = [query for query in QUERIES if options.only is None or options.only.lower() in query.name.lower()]
    print("times in ms; plain, hand and dpsql are engine time; new and again are planning\n")
    print(HEADER)
    found = []
    for query in queries:
        file = database(options.scale, double=True) if query.double else options.database or database(options.scale)
        found.append(measure(query, file, options.times, options.rounds))
        print(line(query, found[-1]), flush=True)
    if found:
        new, again = (statistics.median(1000 * one["dpsql"][name] for one in found) for name in ("new", "repeated"))
        print(f"\nplanning, median: {new:.1f} ms new, {again:.2f} ms again")
    return 0


def measure(query: Query, file: Path, times: int, rounds: int) -> dict[str, dict[str, Any]]:
    """Every variant of one query, in turns, each time in a process of its own: the least of each number."""
    texts = {"plain": query.sql, "hand": query.hand, "dpsql": query.sql}
    turns = [{variant: worker(variant, file, sql, times) for variant, sql in texts.items()} for _ in range(rounds)]
    return {
        variant: {name: min(turn[variant][name] for turn in turns) for name in turns[0][variant]} for variant in texts
    }


def worker(variant: str, file: Path, sql: str, times: int) -> dict[str, Any]:
    """What one process of `worker.py` measured. CalledProcessError when it failed; its error is on standard error."""
    command = [sys.executable, "-m", "tests.bench.worker", variant, str(file), str(times)]
    done = subprocess.run(command, input=sql, stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def line(query: Query, found: dict[str, dict[str, Any]]) -> str:
    """One row of the table."""
    plain, hand, ours = found["plain"], found["hand"], found["dpsql"]
    times = (plain["engine"], hand["engine"], ours["engine"])
    parts = (ours["new"], ours["repeated"], ours["ledger"], ours["noise"], ours["finish"])
    return (
        f"{query.name:12}" + "".join(f"{1000 * value:8.1f}" for value in times)
        + f"{ours['engine'] / plain['engine']:8.2f}{ours['engine'] / hand['engine']:8.2f}"
        + "".join(f"{1000 * value:8.2f}" for value in parts) + f"{ours['groups']:8d}"
        + f"{plain['peak']:10.0f}{hand['peak']:7.0f}{ours['engine_peak']:7.0f}{ours['engine_peak'] / hand['peak']:7.2f}"
        + f"{ours['held']:6.0f}{(ours['engine_peak'] - ours['held']) / max(1.0, hand['peak'] - hand['held']):7.2f}"
    )


def database(scale: float, *, double: bool = False) -> Path:
    """The TPC-H database of that scale in the temporary folder, made when it is not there."""
    file = Path(tempfile.gettempdir()) / f"dpsql-tpch-{scale:g}{'-double' if double else ''}.duckdb"
    if not file.exists():
        command = [sys.executable, str(ROOT / "examples" / "tpch" / "make.py"), "--scale", str(scale), str(file)]
        subprocess.run([*command, "--double"] if double else command, check=True, stdout=subprocess.DEVNULL)
    return file


if __name__ == "__main__":
    raise SystemExit(main())
