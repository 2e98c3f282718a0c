"""How much was cut, where that is bought: what one unit moves in the counts, and how the shares come from them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_queries import texts
from small_worlds import EXAMPLES, MODES, PUB, Database, World, databases, without, world
from test_searched import _chosen, open_world

from dpsql.budget.events import Cost
from dpsql.engines.base import Rows
from dpsql.errors import QueryError
from dpsql.noise.scheme import Noise
from dpsql.pipeline import planned
from dpsql.plan import Plan
from dpsql.release import shares
from dpsql.statement import Statement
from dpsql.tally import CHANGED, PAIRS, QUALITY, Guard

CASES = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def measured_plan(text: str, here: World) -> Plan | None:
    try:
        return planned(
            text, here.catalog, Cost(Fraction(1), Fraction(1, 100)), here.public, here.typed, quality=True)
    except QueryError:
        return None


def closed(text: str, mode: str, opened: bool, ranges: bool, places: list[int]) -> tuple[World, Statement] | None:
    """The first statement of a query with its bounds chosen at `places`, where they are open."""
    here = open_world(mode, ranges) if opened else world(mode)
    plan = measured_plan(text, here)
    if plan is None or not plan.statements or not plan.statements[0].tallies:
        return None
    statement = plan.statements[0]
    if statement.opening is None:
        return here, statement
    here.load({"units": [], "orders": [], "items": [], "pub": PUB[mode]})
    return here, _chosen(here, statement, places)[0]


def counted(here: World, statement: Statement, database: Database) -> list[list[int]]:
    """For each tally its counts, of released groups alone."""
    here.load(database)
    found = []
    for tally in statement.tallies:
        rows = here.run(tally.sql, tally.params)
        kept = [row[tally.keys:] for row in rows if not tally.keys or row[: tally.keys] in (statement.domain or ())]
        found.append([sum(int(row[i] or 0) for row in kept)  # type: ignore[call-overload]
                      for i in range(len(tally.cuts) + 1)])
    return found


def check_tallies(here: World, statement: Statement, database: Database, unit: int) -> None:
    """Each count falls, by at most what its noise is scaled for; what was changed is no more than all."""
    before, after = (counted(here, statement, each) for each in (database, without(database, unit)))
    for tally, left, right in zip(statement.tallies, before, after, strict=True):
        events = [*[tally.changed] * len(tally.cuts), tally.every]
        assert all(0 <= a - b <= event.sensitivity for a, b, event in zip(left, right, events, strict=True))
        assert all(event.scale * event.epsilon >= event.sensitivity for event in events)
        assert max(left[:-1]) <= left[-1]


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.booleans(), st.booleans(), st.sampled_from([1, 2, 3]))
def test_theorem__tally(data: Any, text: str, mode: str, opened: bool, ranges: bool, unit: int) -> None:
    found = closed(text, mode, opened, ranges, data.draw(st.lists(st.integers(0, 10**6), min_size=16, max_size=16)))
    assume(found is not None)
    assert found is not None
    check_tallies(*found, data.draw(databases(mode)), unit)


TEXTS = {       # the guards that count, besides what a unit adds: its clips where they are searched, else its rows
    "SELECT COUNT(*), SUM(v) FROM orders": [["adds"]],
    "SELECT grp, SUM(v) FROM units JOIN orders USING (u) GROUP BY grp": [["adds"]],
    "SELECT kind, COUNT(*), AVG(v) FROM orders GROUP BY kind": [["GROUPS"], ["adds"]],
    "SELECT v, MEDIAN(d) FROM orders GROUP BY v": [["GROUPS"], ["KEPT"]],
    "SELECT kind, COUNT(DISTINCT v) FROM orders GROUP BY kind": [["GROUPS"], ["KEPT"]],
    "SELECT HISTOGRAM(v, [1, 2]), SUM(d) FROM orders": [["adds"], ["KEPT"]],
}


@pytest.mark.parametrize("opened", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_every_guard_is_counted(text: str, opened: bool) -> None:
    """The guards that the theorem speaks of occur; what is bought costs its part of the question's epsilon."""
    here = open_world("loose", True) if opened else world("loose")
    plan = measured_plan(text, here)
    assert plan is not None
    (statement,) = plan.statements
    adds = [Guard.SIZE.name] * len(statement.question.partials) if opened else [Guard.ROWS.name]
    assert [[cut.guard.name for cut in tally.cuts] for tally in statement.tallies] == [
        adds if names == ["adds"] else names for names in TEXTS[text]]
    bought = [event.epsilon for tally in statement.tallies for event in tally.spent()]
    assert 0.999 * QUALITY < sum(bought) <= QUALITY
    assert sum(event.epsilon for event in statement.spent()) <= 1
    assert all(abs(tally.changed.epsilon / tally.every.epsilon - CHANGED) < 1e-6 for tally in statement.tallies)


@pytest.mark.parametrize("epsilon", [
    Fraction(1), Fraction(181397390371, 350 * 10**9), Fraction(2278134854899, 5 * 10**11)])
def test_tallies_cost_no_more_than_promised(epsilon: Fraction) -> None:
    """Whatever scales are rounded to: a promise of rounded ones was a hair too small for these epsilons."""
    here, text = open_world("loose", True), "SELECT v, MEDIAN(d) FROM orders GROUP BY v"
    plan = planned(text, here.catalog, Cost(epsilon, Fraction(1, 100)), here.public, here.typed, quality=True)
    (statement,) = plan.statements
    here.load({"units": [], "orders": [], "items": [], "pub": PUB["loose"]})
    for place in range(4):
        chosen, _ = _chosen(here, statement, [place] * 16)
        paid, promised = ([event for tally in each.tallies for event in tally.spent()] for each in (chosen, statement))
        assert sum(event.rho for event in paid) <= sum(event.rho for event in promised)
        assert sum(event.epsilon for event in paid) <= sum(event.epsilon for event in promised) == epsilon * QUALITY


def test_nothing_is_bought_where_nothing_is_cut() -> None:
    """Facts alone bound what a unit adds here: all of the epsilon is for the totals."""
    text = "SELECT COUNT(*), SUM(n) FROM units"
    plain = planned(text, world("keyed").catalog, Cost(Fraction(1), Fraction(1, 100)), world("keyed").public,
                    world("keyed").typed)
    plan = measured_plan(text, world("keyed"))
    assert plan is not None and [each.tallies for each in plan.statements] == [()]
    assert [each.noises for each in plan.statements] == [each.noises for each in plain.statements]
    assert any("nothing" in warning for warning in plan.warnings)


@CASES
@given(st.integers(0, 50), st.integers(0, 50), st.integers(-600, 600), st.integers(-600, 600))
def test_theorem_shares(cut: int, more: int, shift: int, drift: int) -> None:
    """Shares hang on the counts plus noise alone, and lie with their intervals in [0, 1], in order."""
    plan = measured_plan("SELECT grp, COUNT(*) FROM units JOIN orders USING (u) GROUP BY grp", world("loose"))
    assert plan is not None
    (statement,) = plan.statements
    (tally,) = statement.tallies
    assert tally.keys == 1, "groups are public, and few"
    drawn: list[tuple[Noise, int]] = []

    def shifted(self: Noise, exact: list[int]) -> list[int]:
        drawn.append((self, len(exact)))
        return [value + (shift if len(drawn) % 2 else drift) for value in exact]

    def found(rows: list[tuple[object, ...]]) -> object:
        drawn.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Noise, "added", shifted)
            shown = shares(statement, [Rows(("k", "cut", "every"), rows)])
        scales = [(Noise(False, tally.changed.scale), len(tally.cuts)), (Noise(False, tally.every.scale), 1)]
        assert drawn == scales
        for share in shown:
            assert 0 <= share.low <= share.value <= share.high <= 1 and not str(share.value).startswith("-")
            assert share.cut in tally.cuts and share.whose == PAIRS
        return shown

    # of public groups alone, however they are split
    one = found([("a", cut, cut + more), ("outside", 7, 9)])
    assert one == found([("b", cut, cut), ("a", 0, more), (None, 3, 3)])
