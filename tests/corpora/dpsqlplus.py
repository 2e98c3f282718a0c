"""DPSQL+'s queries, over tables made of the columns that each of them names; its prefix says who is protected.

Its validator never looks at columns: a query that plain DuckDB does not bind either is counted apart.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from tests.corpora.worlds import TableOf, listed, owned, verdict

PRIVATE = re.compile(
    r"ALTER\s+PRIVATE_TABLE\s+([\w.]+)\s+OPTIONS\s*\(\s*PRIVACY_UNIT_COLUMN\s*=\s*(?:\w+\.)?(\w+)\s*\)\s*;", re.I
)
CLAUSE = re.compile(r"PRIVATE_QUERY\s+OPTIONS\s*\([^)]*\)", re.I)
BOUNDS = re.compile(r"\b(SUM|AVG|STDDEV|VARIANCE|COUNT)\(\s*(\w+)\s*,\s*[\d.]+\s*,\s*[\d.]+\s*\)", re.I)
ROWS = 200


def show(folder: Path, made: Path) -> int:
    """Print every query with another verdict; how many are refused that theirs answers and DuckDB binds."""
    found: Counter[str] = Counter()
    queries = json.loads((folder / "dpsqlplus_queries.json").read_text())
    for number, query in enumerate(queries):
        private = {table.lower(): unit.lower() for table, unit in PRIVATE.findall(query["sql"])}
        sql = BOUNDS.sub(r"\1(\2)", CLAUSE.sub("", PRIVATE.sub("", query["sql"]))).strip().rstrip(";")
        world = made / str(number)
        world.mkdir()
        with owned(world, _tables(sql, private), ROWS) as session:
            mine, refused = verdict(session, sql, "spark")
        if (mine == "refuse") == (query["verdict"] == "rejected"):
            found["the same verdict"] += 1
            continue
        fault = _unbound(world, sql) if refused else None
        kind = "answered, theirs refused" if not refused else "REFUSED, THEIRS ANSWERED"
        if fault:
            kind = "refused, and no SQL that binds"
        found[kind] += 1
        listed(f"{number}: {query['verdict']} {query['note']}{f'; DuckDB: {fault}' if fault else ''}", sql, refused)
    print(f"{len(queries)} queries: {', '.join(f'{many} {kind}' for kind, many in found.items())}")
    return found["REFUSED, THEIRS ANSWERED"]


def _tables(sql: str, private: dict[str, str]) -> dict[str, TableOf]:
    """The tables that a query names, each with all columns that it names."""
    try:
        tree = sqlglot.parse_one(sql, read="spark")
    except sqlglot.ParseError:
        return {table: TableOf({unit: "BIGINT"}, unit, {}) for table, unit in private.items()}
    ctes = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    used = {identifier.name.lower() for join in tree.find_all(exp.Join) for identifier in join.args.get("using") or ()}
    columns = {column.name.lower() for column in tree.find_all(exp.Column)} | used | {*private.values(), "v"}
    types = dict.fromkeys(sorted(columns - {"", "*"}), "BIGINT")
    names = {f"{table.db}.{table.name}".lstrip(".").lower() for table in tree.find_all(exp.Table)} - ctes
    return {name: TableOf(types, private.get(name), _ranges(types, private.get(name))) for name in names}


def _ranges(types: dict[str, str], unit: str | None) -> dict[str, tuple[float, float]]:
    return {name: (0, 100) for name in types if unit and name != unit}


def _unbound(world: Path, sql: str) -> str | None:
    """What plain DuckDB says of a query that it does not bind."""
    with duckdb.connect(str(world / "world.duckdb"), read_only=True) as plain:
        try:
            text = sqlglot.transpile(sql, read="spark", write="duckdb", unsupported_level=sqlglot.ErrorLevel.IGNORE)[0]
            plain.execute(f"EXPLAIN {text}")
        except (duckdb.Error, sqlglot.ParseError) as error:
            return str(error).splitlines()[0][:120]
    return None
