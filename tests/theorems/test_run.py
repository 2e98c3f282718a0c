"""A later statement knows of the data what was released before it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch
from small_queries import plan_of

from dpsql import run as running
from dpsql.engines.base import Rows
from dpsql.engines.scratch import Scratch
from dpsql.plan import Plan
from dpsql.release import ReleasedTable
from dpsql.statement import Statement

TEXTS = (
    "SELECT COUNT(*) FROM orders o WHERE v > (SELECT AVG(v) FROM orders o)",
    "SELECT COUNT(*) FROM units WHERE grp IN (SELECT grp FROM units GROUP BY grp HAVING COUNT(*) > 2)",
)
Call = tuple[str, tuple[tuple[str, object], ...]]


def calls(plan: Plan, rows: list[Any], noisy: list[tuple[object, ...]]) -> tuple[list[Call], list[object]]:
    """What an engine of these rows is asked, and the salts, when the first table is released as `noisy`."""
    asked: list[Call] = []
    salts: list[object] = []

    class Recorder:
        def run(self, sql: str, params: Mapping[str, object]) -> Rows:
            salts.extend(value for name, value in params.items() if name == "salt")
            asked.append((sql, tuple(sorted(item for item in params.items() if item[0] != "salt"))))
            return Rows(("secret",), list(rows))

    def released(statement: Statement, *tables: Rows) -> ReleasedTable:
        return ReleasedTable(statement.question.ask.name, statement.released, tuple(noisy))

    scratch = Scratch([], lambda table: None)
    with MonkeyPatch.context() as patch:
        patch.setattr(running, "release", released)
        running.run(plan, Recorder(), scratch)  # type: ignore[arg-type]
    scratch.close()
    return asked, salts


@settings(max_examples=10, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 99))), st.lists(st.tuples(st.integers(0, 99))), st.integers(3, 50))
def test_theorem_run(one: list[Any], other: list[Any], value: int) -> None:
    for text in TEXTS:
        plan = plan_of(text, "keyed")
        assert plan is not None and len(plan.statements) == 2
        names = [name for name, _ in plan.statements[0].released]
        noisy: list[tuple[object, ...]] = [tuple("a" if name == "k1" else value for name in names)]
        first, salts = calls(plan, one, noisy)
        second, more = calls(plan, other, noisy)
        assert first == second and len(first) == 2
        assert len({*salts, *more}) == len(salts) + len(more)       # each query and question has its own
        third, _ = calls(plan, one, [])
        assert third[0] == first[0] and third[1] != first[1]
