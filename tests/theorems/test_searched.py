"""Bounds that are searched: what one unit moves in the counts, and that the totals at any choice are SQL's own."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_queries import texts
from small_worlds import EXAMPLES, MODES, PUB, Database, World, databases, without, world
from test_guards import check_groups, check_sensitivities

from dpsql import choose as choosing
from dpsql import probe
from dpsql.budget.events import Cost
from dpsql.choose import choose
from dpsql.derive import derive
from dpsql.engines.base import Rows
from dpsql.errors import InternalError, QueryError
from dpsql.noise import search
from dpsql.noise.scheme import Cell, promised
from dpsql.pipeline import planned
from dpsql.plan import Plan
from dpsql.policy import ColumnPolicy, Limits
from dpsql.probe import SEARCHES
from dpsql.release import inside, steps
from dpsql.render import render_with
from dpsql.sensitivity import groups_touched
from dpsql.statement import Statement
from dpsql.tabulate import kept_at, tabulated

CASES = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
DELTA = Fraction(1, 100)


@cache
def open_world(mode: str, ranges: bool) -> World:
    """The small world under a policy that sets no limits, and perhaps declares no range."""
    here = world(mode)
    tables = {
        name: replace(table, max_rows_per_group=None, columns={
            column: rules if ranges else replace(rules, range=None) for column, rules in table.columns.items()
            if ranges or rules != ColumnPolicy(rules.range)
        })
        for name, table in here.catalog.policy.tables.items()
    }
    policy = replace(here.catalog.policy, limits=Limits(), tables=tables)
    return World(here.connection, replace(here.catalog, policy=policy))


@cache
def open_plan(text: str, mode: str, ranges: bool, delta: Fraction = DELTA) -> Plan | None:
    here = open_world(mode, ranges)
    try:
        return planned(text, here.catalog, Cost(Fraction(1), delta), here.public, here.typed)
    except QueryError:
        return None


def runner(here: World, planned: Statement) -> Any:
    assert planned.opening is not None
    values = {**probe.parameters(planned.opening.probe), "salt": "salt"}
    return lambda sql, params: Rows(("x",), here.connection.execute(sql, {p: values[p] for p in params}).fetchall())


def counts(here: World, planned: Statement, database: Database) -> list[tuple[list[int], int]]:
    """For every search of the first statement: how many contributions pass each rung, and C."""
    here.load(database)
    opening = planned.opening
    assert opening is not None
    run, of = runner(here, planned), opening.probe
    found, units = run(opening.sql, opening.params) if opening.sql else Rows((), []), []
    if of.cap is not None:
        units = [(_beyond([(row[0], row[1]) for row in found.values], len(of.cap)), 1)]
        of = replace(of, groups=2)
        if of.searched:
            found = run(*probe.values_counted(probe.capped_at(planned.question, 2), of, here.catalog))
    assert of.groups is not None
    rows = inside(planned, found.values) if of.keyed else found.values
    keys = len(planned.question.keys) if of.keyed else 0
    return units + [
        (_beyond([(row[keys + at], row[-1]) for row in rows], len(of.rungs[i] or ())), of.groups)
        for at, i in enumerate(of.searched)
    ]


def _beyond(found: list[tuple[Any, Any]], rungs: int) -> list[int]:
    counted = [0] * rungs
    for place, many in found:
        if place is not None:
            counted[place] += many
    return search.beyond(counted)


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.booleans(), st.sampled_from([1, 2, 3]))
def test_theorem_groups_counted(data: Any, text: str, mode: str, ranges: bool, unit: int) -> None:
    """Removing a unit lowers every count, by at most C: the groups it touches, or one where units are counted."""
    plan = open_plan(text, mode, ranges)
    assume(plan is not None and plan.statements and plan.statements[0].opening is not None)
    assert plan is not None
    here, database = open_world(mode, ranges), data.draw(databases(mode))
    pairs = zip(*(counts(here, plan.statements[0], each) for each in (database, without(database, unit))), strict=True)
    for (before, most), (after, _) in pairs:
        assert all(0 <= a - b <= most for a, b in zip(before, after, strict=True))


test_theorem_values_counted = test_theorem_groups_counted


def kept(here: World, planned: Statement, database: Database) -> list[tuple[list[int], int]]:
    """For every table whose limit on rows is open: its total below each limit, and C."""
    here.load(database)
    opening, found = planned.opening, []
    assert opening is not None
    question = planned.question if opening.probe.cap is None else probe.capped_at(planned.question, 2)
    for i in opening.probe.tables:
        table, totals = question.tables[i], [0] * len(probe.LIMITS)
        rows = runner(here, planned)(*probe.kept_counted(table, here.catalog)).values
        for *key, place, many in inside(planned, rows) if planned.domain is not None else rows:
            assert len(key) == len(question.keys)
            totals[place] += many
        groups = groups_touched(table.keys, planned.domain, derive(table.guarded, here.catalog))
        found.append((list(accumulate(totals)), groups))
    return found


KEPT = ("COUNT(DISTINCT {})", "HISTOGRAM({}, [0, 2])")


@CASES
@given(st.data(), st.sampled_from(KEPT), st.sampled_from(MODES), st.sampled_from(["", "kind", "grp", "kind, grp"]),
       st.sampled_from(["v", "d", "o.o", "n"]), st.sampled_from([1, 2, 3]))
def test_theorem_kept_counted(data: Any, what: str, mode: str, by: str, value: str, unit: int) -> None:
    """Below every limit X a unit adds between 0 and C X; and at that limit the statement that runs counts the same."""
    keys = by.split(", ") if by else []
    text = f"SELECT {', '.join([*keys, what.format(value)])} FROM units JOIN orders o USING (u)"
    plan = open_plan(text + f" GROUP BY {by}" * bool(by), mode, True)
    assume(plan is not None and plan.statements[0].opening is not None)
    assert plan is not None
    here, database, (planned,) = open_world(mode, True), data.draw(databases(mode)), plan.statements
    pairs = zip(kept(here, planned, database), kept(here, planned, without(database, unit)), strict=True)
    for (before, groups), (after, _) in pairs:
        assert all(0 <= a - b <= groups * limit for a, b, limit in zip(before, after, probe.LIMITS, strict=True))
    here.load(database)
    for (totals, _), i in zip(kept(here, planned, database), planned.opening.probe.tables, strict=True):
        question = planned.question if planned.opening.probe.cap is None else probe.capped_at(planned.question, 2)
        for place in (0, 1):
            table = kept_at(question.tables[i], probe.LIMITS[place])
            rows = runner(here, planned)(*render_with(tabulated(table), here.catalog)).values
            inside = [row for row in rows if planned.domain is None or row[: len(keys)] in planned.domain]
            assert sum(row[-1] for row in inside) == totals[place]


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.booleans(), st.sampled_from([1, 2, 3]))
def test_theorem_choose(data: Any, text: str, mode: str, ranges: bool, unit: int) -> None:
    """Whatever is chosen: the totals are those of the SQL with that clip, and hold their sensitivities."""
    plan = open_plan(text, mode, ranges)
    assume(plan is not None and plan.statements and plan.statements[0].opening is not None)
    assert plan is not None
    here, database, (opened, *_) = open_world(mode, ranges), data.draw(databases(mode)), plan.statements
    here.load(database)
    chosen = data.draw(st.lists(st.integers(0, 10**6), min_size=16, max_size=16))
    closed, rows = _chosen(here, opened, chosen)
    again = here.connection.execute(closed.sql, dict.fromkeys(closed.params, "salt")).fetchall() if closed.sql else []
    assert closed.opening is None
    assert _exact(closed, rows.values) == _exact(closed, again)
    check_sensitivities(here, closed, database, unit)
    check_groups(here, closed, database, unit)


test_theorem__totals = test_theorem_choose


def _chosen(here: World, opened: Statement, places: list[int]) -> tuple[Statement, Rows]:
    left = iter(places)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choosing, "search", lambda above, rungs, groups, width, whole: next(left) % min(len(rungs), 40))
        return choose(opened, runner(here, opened))


def _exact(statement: Statement, rows: list[tuple[Any, ...]]) -> dict[str, list[int]]:
    """Totals in steps and units by group, of public keys those that are public; groups of nobody left out."""
    keys = len(statement.question.keys)
    bought = [total for total, same in zip(statement.question.totals, statement.constant, strict=True) if not same]
    found = {}
    for row in rows:
        values = [steps(value, total.type.scale) for value, total in zip(row[keys:-1], bought, strict=True)]
        if (statement.domain is None or row[:keys] in statement.domain) and row[-1]:
            found[str(row[:keys])] = [*values, row[-1]]
    return found


TEXTS = (
    "SELECT COUNT(*) FROM orders", "SELECT SUM(v), SUM(d), AVG(v) FROM orders", "SELECT SUM(x), AVG(x) FROM units",
    "SELECT grp, COUNT(*), SUM(q) FROM units JOIN orders USING (u) JOIN items USING (o) GROUP BY grp",
    "SELECT kind, COUNT(*), SUM(v) FROM orders GROUP BY kind",
    "SELECT kind, COUNT(DISTINCT u) FROM orders GROUP BY kind",
    "SELECT STDDEV(v), CORR(v, d) FROM orders", "SELECT kind, VAR_POP(d) FROM orders GROUP BY kind",
    "SELECT kind, MEDIAN(v), COUNT(*) FROM orders WHERE v BETWEEN 0 AND 9 GROUP BY kind",
    "SELECT COUNT(DISTINCT v), SUM(v) FROM orders",
    "SELECT kind, COUNT(DISTINCT v), COUNT(*) FROM orders GROUP BY kind",
)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_every_shape_is_searched(text: str, ranges: bool) -> None:
    """The queries the theorems speak of are searched indeed, in one scan where groups are public or there is one."""
    plan = open_plan(text, "loose", ranges)
    assert plan is not None
    opening = plan.statements[0].opening
    assert opening is not None
    assert opening.probe.keyed == ("GROUP BY kind" not in text)
    assert (opening.probe.cap is not None) == ("GROUP BY kind" in text)
    assert sum(event.epsilon for event in plan.statements[0].spent()) <= 1
    assert sum(event.epsilon for event in opening.probe.events) == SEARCHES
    assert any("chosen privately" in warning for warning in plan.warnings)


def test_noise_is_what_is_better_for_the_groups_chosen() -> None:
    """Few groups a unit: Laplace noise; many: Gaussian, which grows with the root of their number. Either is paid."""
    plan = open_plan("SELECT kind, COUNT(*) FROM orders GROUP BY kind", "loose", True)
    assert plan is not None
    (opened,), here = plan.statements, open_world("loose", True)
    here.load({"units": [], "orders": [], "items": [], "pub": PUB["loose"]})
    for place, gaussian in ((0, False), (39, True)):
        closed, _ = _chosen(here, opened, [place, 0])
        assert all(noise is None or noise.gaussian == gaussian for noise in closed.noises)
    (either,) = [event for event in opened.spent() if event.mechanism == "either"]
    assert either.epsilon == 1 - SEARCHES and either.rho == max(
        sum(event.rho for event in promised([Cell(1)], either.epsilon, Fraction(1, 100), 1, name))
        for name in ("laplace", "gaussian"))


def test_noise_is_settled_where_any_number_of_groups_takes_the_same() -> None:
    """Gaussian for ten measures, which is better for one group a unit and so for all: less rho than either way."""
    sums = ", ".join(f"SUM(v + {i})" for i in range(10))
    plan = open_plan(f"SELECT kind, {sums} FROM orders GROUP BY kind", "loose", True)
    assert plan is not None
    (opened,) = plan.statements
    assert opened.opening is not None and opened.opening.prefer == "gaussian"
    assert not any(event.mechanism == "either" for event in opened.spent())


def test_without_delta_noise_is_laplace() -> None:
    plan = open_plan("SELECT SUM(v), COUNT(*) FROM orders", "loose", True, Fraction(0))
    assert plan is not None and plan.statements[0].opening is not None
    assert plan.statements[0].opening.prefer == "laplace"
    assert not any(event.mechanism == "gaussian" for event in plan.statements[0].spent())


@pytest.mark.parametrize("text", TEXTS)
def test_a_question_that_costs_more_than_promised_is_refused(text: str) -> None:
    """Mutant: the promise leaves out a part. InternalError, before any noise is drawn."""
    plan = open_plan(text, "loose", True)
    assert plan is not None
    here, opened = open_world("loose", True), plan.statements[0]
    assert opened.opening is not None
    small = replace(opened, opening=replace(opened.opening, rest=Cost(Fraction(2), DELTA)))
    with pytest.raises(InternalError, match="more than was promised"):
        _chosen(here, small, [0] * 16)


def test_one_unit_of_many_rows_is_one_contribution() -> None:
    here, plan = open_world("loose", True), open_plan("SELECT SUM(v) FROM orders", "loose", True)
    assert plan is not None
    many: Database = {
        "units": [], "items": [], "pub": [], "orders": [(i, 1, "a", 1, "1.00", 1, None) for i in range(20)],
    }
    ((above, most),) = counts(here, plan.statements[0], many)
    assert above[0] == most == 1


@pytest.mark.parametrize("text", [TEXTS[0], TEXTS[4]])
def test_rows_that_are_not_single_are_never_counted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: no collapse is proved; planning stops."""
    here = open_world("loose", True)
    monkeypatch.setattr(probe, "one_row_per_group", lambda facts, keys: False)
    with pytest.raises(InternalError, match="several rows"):
        planned(text, here.catalog, Cost(Fraction(1), DELTA), here.public, here.typed)
