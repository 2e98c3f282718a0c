"""Other people's queries: python -m tests.bench.r2t r2t_queries.json [tpch.duckdb] [--epsilons 0.1,0.8] [--runs 200]

Takes the queries of the race-to-the-top experiments (a JSON list of {src, name, sql, private, truth, rel_err_pct}) and
asks them through `Session.query`, with shipped defaults, no bound declared and a fresh ledger: relative errors in
percent, median, mean and 99th percentile over all runs and groups, beside the mean error the authors published. Scans
are kept between runs, noise and bounds are drawn anew. A query of several private tables is asked once for each that
can be a unit. Their tables `ids`, one unit for rows of two tables, are not part of TPC-H: they are taken out; queries
over graphs are passed over, with a line.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import exp

from dpsql.errors import Error
from dpsql.session import Session
from tests.bench.accuracy import DELTA, Kept
from tests.bench.overhead import database

KEYS = {"nation": "n_nationkey", "region": "r_regionkey", "part": "p_partkey", "supplier": "s_suppkey",
        "customer": "c_custkey", "orders": "o_orderkey"}
OWNERS = {
    "customer": {"orders": "o_custkey -> customer.c_custkey", "lineitem": "l_orderkey -> orders.o_orderkey"},
    "supplier": {"lineitem": "l_suppkey -> supplier.s_suppkey", "partsupp": "ps_suppkey -> supplier.s_suppkey"},
    "orders": {"lineitem": "l_orderkey -> orders.o_orderkey"},
}
HEAD = ('version = "1"\nunit = "{}"\n[budget]\nepsilon = 1e7\ndelta = 0.5\n'
        f"[query]\nepsilon = 1.0\ndelta = {DELTA}\n")


def policy(unit: str) -> str:
    """A policy that says who is protected and whose rows are, and nothing of bounds; other tables are public."""
    parts = [HEAD.format(unit)]
    for table in (*KEYS, "lineitem", "partsupp"):
        owner = OWNERS[unit].get(table)
        said = f'owner = "{owner}"' if owner else f'unit = "{KEYS[table]}"' if table == unit else "public = true"
        keys = f'\nkeys = ["{KEYS[table]}"]' if table in KEYS else ""
        parts.append(f"[tables.{table}]\n{said}{keys}\n")
    return "".join(parts)


def plain(sql: str) -> str:
    """A query without the tables `ids` and their conditions; what it groups by is shown, to tell groups apart."""
    tree = sqlglot.parse_one(sql.rstrip("; "), dialect="duckdb")
    assert isinstance(tree, exp.Select), "they are all SELECTs"
    tables = [tree.args["from_"].this, *(join.this for join in tree.args.get("joins") or ())]
    kept = [table for table in tables if table.name.lower() != "ids"]
    gone = {table.alias_or_name.lower() for table in tables} - {table.alias_or_name.lower() for table in kept}
    where = tree.args.get("where")
    conditions = where.this.flatten() if where is not None and isinstance(where.this, exp.And) else (
        [where.this] if where is not None else [])
    held = [each for each in conditions if not gone & {column.table.lower() for column in each.find_all(exp.Column)}]
    tree.set("from_", exp.From(this=kept[0]))
    tree.set("joins", [exp.Join(this=table) for table in kept[1:]])
    tree.set("where", exp.Where(this=exp.and_(*held)) if held else None)
    by = tree.args.get("group")
    shown = {each.unalias().sql() for each in tree.selects}
    tree.set("expressions", [*tree.selects, *(key for key in by.expressions if key.sql() not in shown)] if by else
             tree.selects)
    return tree.sql(dialect="duckdb")


def units(entry: dict[str, Any]) -> tuple[str, ...]:
    """The tables whose rows can be the unit, by the tables that are read where the authors protect `ids`."""
    said = entry.get("private") or ()
    named = said.split("+") if isinstance(said, str) else list(said)
    found = [name for name in named if name in OWNERS]
    return tuple(found) or tuple(name for name in OWNERS if "ids" in named and f" {name}" in entry["sql"])


def errors(session: Session, truth: dict[tuple[Any, ...], Any], sql: str, keys: list[int], value: int, epsilon: float,
           runs: int) -> tuple[list[float], int, bool]:
    """Relative errors in percent of all runs and groups; the groups shown by the last run; whether it told of a cut."""
    found, shown, told = [], 0, False
    for _ in range(runs):
        answer = session.query(sql, epsilon=epsilon, fresh=True)
        told |= any(" was cut" in each for each in answer.warnings)
        shown = len(answer.rows)
        for row in answer.rows:
            exact = truth.get(tuple(row[i] for i in keys))
            if exact:
                found.append(100 * abs(float(row[value]) / float(exact) - 1))  # type: ignore[arg-type]
    return found, shown, told


def lines(session: Session, unit: str, entry: dict[str, Any], epsilons: list[float], runs: int) -> Iterator[str]:
    """A line an epsilon, or why the query is refused."""
    name = f"{entry['src'][:14]} {entry['name']} ({unit})"
    sql = plain(entry["sql"])
    try:
        session.plan(sql)
        (value,) = (i for i, each in enumerate(sqlglot.parse_one(sql, dialect="duckdb").selects)
                    if each.find(exp.AggFunc))
        exact = session.engine.run(sql, {}).values
        keys = [i for i in range(len(exact[0])) if i != value]
        truth = {tuple(row[i] for i in keys): row[value] for row in exact}
        for epsilon in epsilons:
            found, shown, told = errors(session, truth, sql, keys, value, epsilon, runs)
            published = (entry.get("rel_err_pct") or {}).get(f"{epsilon:g}")
            tail = sorted(found)[int(0.99 * len(found))] if found else float("nan")
            yield (f"{name:36}{epsilon:6g}" + (
                f"{statistics.median(found):11.5f}{statistics.fmean(found):11.5f}{tail:11.5f}" if found else " " * 33
            ) + f"{'-' if published is None else f'{published:.4f}':>11}  {shown} of {len(truth)}{' cut' * told}")
    except Error as error:
        yield f"{name:36} refused: {str(error).splitlines()[0]}"


def main(arguments: list[str] | None = None) -> int:
    """Prints a table of every query over the tables of TPC-H."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("queries", type=Path, help="the JSON list of queries")
    parser.add_argument("database", type=Path, nargs="?", help="TPC-H at scale 1 (default: made once)")
    parser.add_argument("--epsilons", default="0.1,0.8,3.2", help="what each query may cost (default: 0.1,0.8,3.2)")
    parser.add_argument("--runs", type=int, default=200, help="answers to each (default: 200)")
    parser.add_argument("--only", default="", help="only queries whose source, name and unit contain this")
    options = parser.parse_args(arguments)
    epsilons, file = [float(each) for each in options.epsilons.split(",")], options.database or database(1.0)
    entries = json.loads(options.queries.read_text())
    print(f"{'relative error in %':36}{'eps':>6}{'median':>11}{'mean':>11}{'99th':>11}{'published':>11}  groups shown")
    with tempfile.TemporaryDirectory() as folder:
        for unit in OWNERS:
            path = Path(folder) / f"{unit}.toml"
            path.write_text(policy(unit))
            with Session(file, path, Path(folder) / f"{unit}.ledger") as session:
                session.engine = Kept(session.engine)  # type: ignore[assignment]
                for entry in entries:
                    title = f"{entry['src']} {entry['name']} {unit}".lower()
                    if unit in units(entry) and options.only.lower() in title:
                        for line in lines(session, unit, entry, epsilons, options.runs):
                            print(line, flush=True)
    for entry in entries:
        if not units(entry):
            print(f"{entry['src'][:14]} {entry['name']}: passed over, its rows are no unit's of TPC-H")
    return 0


if __name__ == "__main__":
    sys.exit(main())
