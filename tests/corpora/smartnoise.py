"""SmartNoise's own queries over the tables that its metadata declares.

Its `parse/` queries it only parses: many would show people's rows, which it refuses later itself. Its SQL is a mixture
of dialects: what another dialect reads, by our own hint, is asked in that one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from dpsql.errors import QueryError
from dpsql.session import Session
from tests.corpora.worlds import TableOf, listed, owned, verdict

TYPES = {"string": "VARCHAR", "int": "BIGINT", "float": "DOUBLE", "boolean": "BOOLEAN", "datetime": "TIMESTAMP"}
ROWS = 2000
UNDECLARED = re.compile("there is no (table|column)")


def show(folder: Path, made: Path) -> int:
    """Print every query with another verdict; how many are answered that would reveal people's rows."""
    queries = json.loads((folder / "smartnoise" / "smartnoise_queries.json").read_text())
    found: Counter[str] = Counter()
    with owned(made, _tables(folder / "smartnoise" / "meta"), ROWS) as session:
        for query in queries:
            mine, refused = _asked(session, query["sql"])
            theirs = query["expected_at_stage"]
            if (mine == "refuse") == (theirs == "reject"):
                found["the same verdict"] += 1
            elif refused and UNDECLARED.match(refused.reason):
                found["name what no metadata declares"] += 1
            else:
                kind = "answered, theirs refused" if mine != "refuse" else "refused, theirs parsed only"
                if theirs == "accept" and query["validate"] == "accept":
                    kind = "REFUSED, THEIRS ANSWERED"
                found[kind] += 1
                listed(f"{query['file']}: {theirs}; validated by theirs: {query['validate']}", query["sql"], refused)
    print(f"{len(queries)} queries: {', '.join(f'{many} {kind}' for kind, many in found.items())}")
    return found["REFUSED, THEIRS ANSWERED"]


def _asked(session: Session, sql: str) -> tuple[str, QueryError | None]:
    """The verdict, in the dialect that our hint names if there is one."""
    mine, refused = verdict(session, sql)
    other = re.search(r'dialect="(\w+)"', refused.hint or "") if refused else None
    return verdict(session, sql, other[1]) if other else (mine, refused)


def _tables(folder: Path) -> dict[str, TableOf]:
    """The tables of all metadata; one that protects rows gets a column `pid` to name their units."""
    tables: dict[str, TableOf] = {}
    for file in sorted(folder.glob("*.yaml")):
        for schemas in yaml.safe_load(file.read_text()).values():
            for schema, declared in schemas.items():
                for name, content in declared.items():
                    tables.setdefault(f"{schema}.{name}".lstrip("."), _table(content))
    return tables


def _table(content: dict[str, Any]) -> TableOf:
    columns = {name: column for name, column in content.items() if isinstance(column, dict)}
    types = {name: TYPES[column["type"]] for name, column in columns.items()}
    unit = next((name for name, column in columns.items() if column.get("private_id")), None)
    if unit is None and content.get("row_privacy"):
        unit, types["pid"] = "pid", "BIGINT"
    ranges = {name: (column["lower"], column["upper"]) for name, column in columns.items() if "lower" in column}
    return TableOf(types, unit, ranges)
