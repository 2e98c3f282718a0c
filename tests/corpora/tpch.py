"""The 22 queries of TPC-H as they are written: verdicts, and at epsilon 1e9 the answers of plain DuckDB (scale 0.1)."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from dpsql.answer import Answer
from dpsql.errors import QueryError
from dpsql.session import Session
from tests.bench.overhead import ROOT, database
from tests.corpora.worlds import POLICY, listed, paid

HUGE, CAPS = 1e9, 2000      # epsilon; groups of one customer and rows in each, more than anybody has
CLOSE, HALVES = 2e-6, 10    # relative; half intervals that noise may pass
Row = tuple[Any, ...]
Ends = tuple[tuple[Any, Any] | None, ...]


def show(folder: Path, made: Path) -> int:
    """Print each query's verdict and how its rows compare; how many are not as they should be."""
    verdicts = json.loads((folder / "tpch" / "verdicts.json").read_text())
    rules = (ROOT / "examples" / "tpch" / "policy.toml").read_text().partition("[tables.customer]")[2]
    rules = rules.replace("max_rows_per_group = 200", f"max_rows_per_group = {CAPS}")
    (made / "policy.toml").write_text(POLICY.format(unit="customer", caps=CAPS) + f"[tables.customer]{rules}")
    file = database(0.1)
    wrong = 0
    print("query  verdict   rows  plain  alike  empty  withheld")
    with Session(file, made / "policy.toml", made / "ledger") as session, duckdb.connect() as plain:
        plain.execute(f"ATTACH '{file}' AS tpch (READ_ONLY); USE tpch")
        for name, expected in verdicts.items():
            sql = (folder / "tpch" / f"{name}.sql").read_text()
            try:
                answer = session.query(sql, epsilon=HUGE, fresh=True)
            except QueryError as refused:
                if expected["verdict"] != "refuse":
                    wrong += 1
                    listed(f"{name}: {expected['verdict']}", sql, refused)
                else:
                    print(f"{name:5}  refuse  {refused.reason[:90]}")
                continue
            right = paid(answer) == expected["verdict"] and _compared(name, answer, plain.execute(sql).fetchall())
            wrong += not right
    print(f"{len(verdicts)} queries, {wrong} with another verdict or other rows")
    return wrong


def _compared(name: str, answer: Answer, plain: list[Row]) -> bool:
    """Whether every row of an answer is one of plain SQL, or an empty public group; prints what was found."""
    left, empty, other = list(plain), 0, []
    for row, ends in zip(answer.rows, answer.intervals, strict=True):
        same = next((i for i, theirs in enumerate(left) if _same(row, ends, theirs)), None)
        if same is not None:
            del left[same]
        elif _empty(row, ends, plain):
            empty += 1
        else:
            other.append(row)
    alike = len(plain) - len(left)
    print(f"{name:5}  {paid(answer):7}{len(answer.rows):7}{len(plain):7}{alike:7}{empty:7}{len(left):10}")
    for row in other:
        print(f"    not a row of plain SQL: {row}")
    return not other and bool(alike)


def _empty(row: Row, ends: Ends, plain: list[Row]) -> bool:
    """Whether a row is a public group that plain SQL does not show, with a number that may well be 0."""
    keys = [place for place, end in enumerate(ends) if end is None]
    shown = any(all(_close(row[place], None, theirs[place]) for place in keys) for theirs in plain)
    return not shown and any(end is not None and float(end[0]) <= 0 <= float(end[1]) for end in ends)


def _same(row: Row, ends: Ends, theirs: Row) -> bool:
    return len(row) == len(theirs) and all(map(_close, row, ends, theirs))


def _close(mine: Any, ends: tuple[Any, Any] | None, theirs: Any) -> bool:
    if not isinstance(mine, int | float | Decimal) or not isinstance(theirs, int | float | Decimal):
        return bool(mine == theirs)
    half = (float(ends[1]) - float(ends[0])) / 2 if ends else 0.0
    return math.isclose(mine, theirs, rel_tol=CLOSE, abs_tol=HALVES * half + 1e-9)
