"""The guards of statements that count what was cut, taken out one at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from small_worlds import World
from test_mutants import CAUGHT, KINDS, Patch, order, rows, world
from test_tally import check_tallies, measured_plan

from dpsql import release, tally
from dpsql.engines.base import Rows
from dpsql.noise.scheme import Noise
from dpsql.plan import Plan
from dpsql.relation import Aggregate
from dpsql.statement import Statement
from dpsql.tally import QUALITY, Tally

BY_KIND = "SELECT kind, COUNT(*) FROM orders GROUP BY kind"
BY_GROUP = "SELECT grp, COUNT(*) FROM units JOIN orders USING (u) GROUP BY grp"


def measured(text: str) -> tuple[World, Plan]:
    here = world("loose")
    plan = measured_plan(text, here)
    assert plan is not None
    return here, plan


def check_counts() -> None:
    """What a unit with many rows and groups moves."""
    hostile = rows(orders=[order(i, 1, kind, i) for i, kind in enumerate([*KINDS] * 5)] + [order(90, 2, "a", 3)])
    for text in (BY_KIND, "SELECT kind, MEDIAN(v) FROM orders GROUP BY kind"):
        here, plan = measured(text)
        check_tallies(here, plan.statements[0], hostile, 1)


def check_others() -> None:
    """Groups that are not public are passed over: a unit may be in any number of them."""
    _, plan = measured(BY_GROUP)
    shown = []
    for beside in ([], [("else", 10**9, 10**9), (None, 10**9, 10**9)]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Noise, "added", lambda self, exact: exact)
            shown.append(release.shares(plan.statements[0], [Rows((), [("a", 1, 4), *beside])]))
    assert shown[0] == shown[1]


def check_noise() -> None:
    """Nothing is shown as it is."""
    _, plan = measured(BY_GROUP)
    shown = {release.shares(plan.statements[0], [Rows((), [("a", 1000, 4000)])])[0].value for _ in range(40)}
    assert len(shown) > 20


def check_part() -> None:
    """What is bought is charged, and costs its part."""
    _, plan = measured(BY_KIND)
    (statement,) = plan.statements
    bought = sum(event.epsilon for each in statement.tallies for event in each.spent())
    assert 0.999 * QUALITY < bought <= QUALITY
    assert sum(event.epsilon for event in statement.spent()) - sum(e.epsilon for e in statement.events) == bought
    for each in statement.tallies:
        assert all(event.scale * event.epsilon >= event.sensitivity for event in each.spent())


def one_group_counted(patch: Patch) -> None:
    patch.setattr(tally, "groups_touched", lambda keys, domain, facts: 1)


def people_counted_by_group(patch: Patch) -> None:
    def by_group(source: object, keys: tuple[object, ...], items: object, *sets: object) -> object:
        more = () if len(keys) != 1 else tally.columns_out(source)[1:]      # type: ignore[arg-type]
        return Aggregate(source, (*keys, *more), items, *sets)              # type: ignore[arg-type]

    patch.setattr(tally, "Aggregate", by_group)
    patch.setattr(tally, "prove_single", lambda *args: None)


def others_counted(patch: Patch) -> None:
    patch.setattr(release, "named", lambda key: ())


def no_noise(patch: Patch) -> None:
    patch.setattr(Noise, "added", lambda self, exact: exact)


def half_the_noise(patch: Patch) -> None:
    event = tally.laplace_event
    patch.setattr(tally, "laplace_event", lambda groups, epsilon: replace(
        event(groups, epsilon), scale=event(groups, epsilon).scale / 2))


def one_count_charged(patch: Patch) -> None:
    patch.setattr(Tally, "spent", lambda self: (self.every,))


def nothing_charged(patch: Patch) -> None:
    patch.setattr(Statement, "spent", lambda self: self.events)


MUTANTS: tuple[tuple[Callable[[Patch], None], Callable[[], None]], ...] = (
    (one_group_counted, check_counts), (people_counted_by_group, check_counts), (others_counted, check_others),
    (no_noise, check_noise), (half_the_noise, check_part), (one_count_charged, check_part),
    (nothing_charged, check_part),
)


@pytest.mark.parametrize("check", dict.fromkeys(check for _, check in MUTANTS))
def test_dpsql_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("mutate", "check"), MUTANTS)
def test_mutants_are_caught(mutate: Callable[[Patch], None], check: Callable[[], None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        mutate(patch)
        with pytest.raises(CAUGHT):
            check()
