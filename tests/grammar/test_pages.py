"""Every case of the grammar pages prints what its page says, and answers what plain SQL would."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from pages import Case, cases, rewrite

from dpsql.answer import Answer
from dpsql.errors import QueryError
from dpsql.session import Session

HUGE = 1e9           # epsilon: noise is then far below one in every count
RARE = 10            # half 95 % intervals of Laplace noise: passed with probability e^-30
LOOSE = 1e-6         # relative; a few cents of noise, and the grid of DOUBLE, are below it

ORDERED = re.compile(r"ORDER BY[^)]*$")     # of the query itself, not of a window

CASES = cases()
Row = Sequence[Any]


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_prints(case: Case, clinic: Session, request: pytest.FixtureRequest) -> None:
    printed = _printed(case, clinic)
    assert ("text refused" in printed) == case.refused, "\n".join(_lines(printed))
    if request.config.getoption("--rewrite"):
        rewrite(case, printed)
    elif printed != case.printed:
        old, new = (_lines(blocks) for blocks in (case.printed, printed))
        pytest.fail("\n".join(difflib.unified_diff(old, new, "page", "today", lineterm="")), pytrace=False)


ANSWERED = [case for case in CASES if not case.refused]


@pytest.mark.parametrize("case", ANSWERED, ids=[case.id for case in ANSWERED])
def test_equals_plain_sql(case: Case, clinic: Session, plain: duckdb.DuckDBPyConnection) -> None:
    sql, params = case.blocks["sql query"], _params(case)
    asked = json.loads(case.blocks.get("json ask", "{}"))
    asked = {name: value for name, value in asked.items() if name not in ("epsilon", "delta", "error")}
    answer = clinic.query(sql, params=params, epsilon=HUGE, fresh=True, **asked)
    found = plain.execute(case.blocks.get("sql plain", sql), params if "sql plain" not in case.blocks else None)
    names = tuple(item[0] for item in found.description or ())
    assert answer.columns == names
    rows = found.fetchall()
    if not ORDERED.search(sql):
        answer, rows = _sorted(answer), sorted(rows, key=_order)
    assert len(answer.rows) == len(rows), f"{answer.rows} against {rows}"
    for mine, ends, theirs in zip(answer.rows, answer.intervals, rows, strict=True):
        assert all(map(_close, mine, ends, theirs)), f"{mine} within {ends} against {theirs}"


def _printed(case: Case, clinic: Session) -> dict[str, str]:
    try:
        explained = clinic.explain(
            case.blocks["sql query"], params=_params(case), **json.loads(case.blocks.get("json ask", "{}"))
        )
    except QueryError as error:
        return {"text refused": str(error)}
    blocks = {"sql finish": explained.finish}
    if explained.bounds:
        rewritten = {"sql rewritten": explained.rewritten} if explained.rewritten else {}
        blocks = {"text bounds": explained.bounds, **rewritten, **blocks}
    return blocks


def _params(case: Case) -> Any:
    return json.loads(case.blocks["json params"]) if "json params" in case.blocks else None


def _lines(blocks: dict[str, str]) -> list[str]:
    return [line for name, text in blocks.items() for line in (f"```{name}", *text.split("\n"), "```")]


def _sorted(answer: Answer) -> Answer:
    pairs = sorted(zip(answer.rows, answer.intervals, strict=True), key=lambda pair: _order(pair[0]))
    return type(answer)(
        answer.columns, answer.types, tuple(row for row, _ in pairs), tuple(ends for _, ends in pairs),
        answer.noisy, answer.cost,
    )


def _order(row: Row) -> list[str]:
    """An order that noise far below a thousandth does not disturb."""
    return [f"{float(value):.2g}" if isinstance(value, float | Decimal) else str(value) for value in row]


def _close(mine: Any, ends: tuple[Any, Any] | None, theirs: Any) -> bool:
    if not isinstance(theirs, float | Decimal) or isinstance(mine, int):
        return bool(mine == theirs)
    if mine is None or math.isnan(theirs):
        return mine is None or math.isnan(mine)
    half = 0.0 if ends is None else float(ends[1] - ends[0]) / 2
    return abs(float(mine) - float(theirs)) <= RARE * half + LOOSE * abs(float(theirs))
