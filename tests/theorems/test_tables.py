"""What one unit changes in the statements that count single rows, measured on neighbours."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_queries import plan_of, texts
from small_worlds import EXAMPLES, MODES, Database, Rows, World, databases, plain, without, world

from dpsql.aggregates import Kept
from dpsql.derive import derive
from dpsql.facts.stability import rows_per_group
from dpsql.relation import columns_out
from dpsql.render import render_with
from dpsql.side import Side
from dpsql.statement import Statement
from dpsql.tabulate import tabulated

CASES = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
Counts = Counter[tuple[object, ...]]


def counts(here: World, side: Side, statement: Statement, database: Database) -> Counts:
    """The counts of a side by key and cell, or by key where distinct cells are counted; released groups only."""
    here.load(database)
    keys, found = len(side.table.keys), Counter[tuple[object, ...]]()
    # of rows near a rank alone, the privacy is that of all rows: what is chosen is the same
    sql, params = render_with(tabulated(side.table), here.catalog) if side.near else (side.sql, side.params)
    for *key, count in here.run(sql, params):
        if statement.domain is None or tuple(key[:keys]) in statement.domain:
            assert isinstance(count, int)
            found[tuple(map(plain, key))] += count
    return found


def check_rows_counted(here: World, statement: Statement, database: Database, unit: int) -> None:
    """Counts fall, by at most `rows` in all in a group, in at most `groups` groups."""
    for side in statement.sides:
        before, after = (counts(here, side, statement, each) for each in (database, without(database, unit)))
        assert not after - before
        by_group: Counts = Counter()
        keys = len(side.table.keys)
        for key, fallen in (before - after).items():
            by_group[key[:keys]] += fallen
        assert len(by_group) <= side.groups
        assert all(fallen <= side.rows for fallen in by_group.values())


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
def test_theorem_rows_counted(data: Any, text: str, mode: str, unit: int) -> None:
    plan = plan_of(text, mode)
    assume(plan is not None and plan.statements and plan.statements[0].sides)
    assert plan is not None
    check_rows_counted(world(mode), plan.statements[0], data.draw(databases(mode)), unit)


@CASES
@given(st.data(), texts(), st.sampled_from(MODES))
def test_theorem_rows_per_group(data: Any, text: str, mode: str) -> None:
    """No unit has more rows for one value of the keys than the facts of the guarded rows say."""
    plan = plan_of(text, mode)
    assume(plan is not None and plan.statements and plan.statements[0].sides)
    assert plan is not None
    here = world(mode)
    here.load(data.draw(databases(mode)))
    for side in plan.statements[0].sides:
        facts, shown = derive(side.table.guarded, here.catalog), columns_out(side.table.guarded)
        assert facts.owner is not None
        most = rows_per_group(facts, frozenset(key.id for key in side.table.keys))
        wanted = [i for i, column in enumerate(shown) if column in (facts.owner, *side.table.keys)]
        held = Counter(tuple(row[i] for i in wanted) for row in here.rows(side.table.guarded))
        assert most is not None and max(held.values(), default=0) <= most


def test_a_unit_keeps_whole_groups_the_same_in_every_statement() -> None:
    """The groups that the cap keeps of a unit are those of the totals: salt, owner and keys choose them alone."""
    here, plan = world("loose"), plan_of("SELECT kind, COUNT(*), MEDIAN(v) FROM orders o GROUP BY kind", "loose")
    assert plan is not None
    statement, = plan.statements
    orders: Rows = [(i, u, kind, 1, "1.00", 1, None) for u in range(40) for i, kind in enumerate("abcd")]
    here.load({"units": [], "orders": orders, "items": [], "pub": []})
    totals = {row[0]: row[-1] for row in here.run(statement.sql, statement.params)}
    side, = statement.sides
    assert side.table.kept is Kept.ROWS
    assert {row[0]: row[-1] for row in here.run(side.sql, side.params)} == totals
    assert sum(totals.values()) == 80  # type: ignore[arg-type]
