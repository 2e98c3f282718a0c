"""The theorems of relations that stay owned, attacked over every construct that makes one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from owned_sources import OWNED
from small_queries import plan_of, texts
from small_worlds import EXAMPLES, MODES, Database, World, databases, world
from test_facts import (
    check_conjuncts,
    check_fixed,
    check_groups_per_unit,
    check_nullable,
    check_one_row,
    check_owner,
    check_rows,
    check_unique,
    every_relation,
)
from test_guards import check_groups, check_sensitivities

from dpsql.derive import derive
from dpsql.errors import InternalError
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, Column, Ref
from dpsql.facts.base import Facts
from dpsql.facts.order import require_exact_fold, require_frame, require_order
from dpsql.facts.ownership import require_by_unit
from dpsql.facts.stability import combined_rows, fixed_rows
from dpsql.plan import Plan
from dpsql.relation import (
    Aggregate,
    Combined,
    Excluded,
    Fed,
    Filter,
    Fold,
    Frame,
    Join,
    JoinKind,
    Over,
    Place,
    Places,
    Quantile,
    Relation,
    SetKind,
    Sorted,
    Window,
)

CASES = settings(max_examples=max(5, EXAMPLES // 4), deadline=None, suppress_health_check=list(HealthCheck))
Check = Callable[[World, Plan, Database, int], None]


def attacked(*checks: Check, sources: dict[str, tuple[tuple[str, ...], ...]] = OWNED) -> Callable[[], None]:
    """A test that runs `checks` over random plans of these sources, databases and units; the last may load others."""

    @CASES
    @given(st.data(), texts(sources), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
    def attack(data: Any, text: str, mode: str, unit: int) -> None:
        plan = plan_of(text, mode)
        assume(plan is not None and plan.statements)
        database, here = data.draw(databases(mode)), world(mode)
        here.load(database)
        for check in checks:
            check(here, plan, database, unit)

    return attack


def check_fixed_rows(here: World, plan: Plan, database: Database, unit: int) -> None:
    """A filter's rows per unit are those of its theorem."""
    for relation in every_relation(plan):
        if isinstance(relation, Filter):
            facts = derive(relation, here.catalog)
            below = derive(relation.source, here.catalog)
            assert facts.owner is None or facts.rows_per_unit == fixed_rows(below, facts.fixed)


def check_combined_rows(here: World, plan: Plan, database: Database, unit: int) -> None:
    """The rows per unit of UNION, INTERSECT and EXCEPT are those of their theorem."""
    for relation in every_relation(plan):
        if isinstance(relation, Combined) and (facts := derive(relation, here.catalog)).owner is not None:
            left, right = (derive(side, here.catalog) for side in (relation.left, relation.right))
            assert facts.rows_per_unit == combined_rows(left, right, relation.kind)


def check_distances(here: World, plan: Plan, database: Database, unit: int) -> None:
    """What removing the unit changes, against the sensitivities and the number of groups."""
    check_sensitivities(here, plan.statements[0], database, unit)
    check_groups(here, plan.statements[0], database, unit)


_MARKS = {source: shown for source, shown in OWNED.items() if any("SELECT" in text for text in shown[2])}
_SETS = {source: shown for source, shown in OWNED.items() if re.search("UNION|INTERSECT|EXCEPT|FULL", source)}
_WINDOWS = {source: shown for source, shown in OWNED.items() if "OVER" in source}

test_theorem_require_marked = attacked(check_owner, sources=_MARKS)
test_theorem_combined_owner = attacked(check_owner, sources=_SETS)
test_theorem_combined_rows = attacked(check_combined_rows, check_rows, sources=_SETS)
test_theorem_fixed_rows = attacked(check_fixed_rows, check_rows, sources=_WINDOWS)
test_facts = attacked(
    check_unique, check_fixed, check_conjuncts, check_nullable, check_groups_per_unit, check_one_row, check_rows,
    check_owner,
)
test_distances = attacked(check_distances)


@pytest.mark.parametrize("mode", MODES)
def test_most_sources_are_answered(mode: str) -> None:
    """The attack is not on refusals."""
    answered = [source for source in OWNED if plan_of(f"SELECT COUNT(*) FROM {source}", mode) is not None]
    assert len(answered) >= len(OWNED) - (3 if mode == "keyed" else 8), set(OWNED) - set(answered)


def test_every_node_and_window_is_drawn() -> None:
    """The attacks meet every relation but a stage's (`tests.fuzz.measured` has those), every fold, place, set, join."""
    plans = [plan for source in OWNED if (plan := plan_of(f"SELECT COUNT(*) FROM {source}", "keyed")) is not None]
    plans += [plan for source, shown in OWNED.items() for text in shown[2]
              if (plan := plan_of(f"SELECT COUNT(*) FROM {source} WHERE {text}", "keyed")) is not None]
    medians = [f"SELECT {keys[0]}, MEDIAN({numbers[0]}) FROM {source} GROUP BY 1"
               for source, (numbers, keys, _) in OWNED.items()]
    plans += [plan for text in medians if (plan := plan_of(text, "loose")) is not None]
    met = [relation for plan in plans for relation in every_relation(plan)]
    folds: set[object] = {fold for each in met if isinstance(each, Aggregate) for _, fold, _ in each.items}
    windows = {over.function for each in met if isinstance(each, Window) for _, over in each.items}
    assert set(get_args(Relation)) - {type(each) for each in met} == {Fed}
    assert set(Fold) <= folds and set(Fold) | set(Place) <= windows
    assert any(isinstance(fold, Quantile) for fold in folds) and any(isinstance(each, Quantile) for each in windows)
    frames = [o.frame for each in met if isinstance(each, Window) for _, o in each.items if o.frame is not None]
    assert set(Places) == {frame.places for frame in frames} and set(Excluded) <= {frame.excluded for frame in frames}
    assert set(SetKind) == {each.kind for each in met if isinstance(each, Combined)}
    assert set(JoinKind) == {each.kind for each in met if isinstance(each, Join)}


_U, _V, _W = Column(1, "u", BIGINT), Column(2, "v", BIGINT), Column(3, "w", DOUBLE)


def test_theorem_require_by_unit() -> None:
    """The owner is among the keys, or nothing is proved; rows about nobody need none."""
    owned = Facts(owner=_U)
    require_by_unit(owned, frozenset({1, 2}))
    require_by_unit(Facts(), frozenset())
    for facts in (owned, Facts(owner=_V)):
        with pytest.raises(InternalError):
            require_by_unit(facts, frozenset({3}))


def test_theorem_require_exact_fold() -> None:
    """Doubles are not added up; everything else may be folded in any order."""
    for fold in Fold:
        if fold is Fold.SUM:
            with pytest.raises(InternalError):
                require_exact_fold(fold, (Ref(_W),))
        else:
            require_exact_fold(fold, (Ref(_W),))
    require_exact_fold(Fold.SUM, (Ref(_V),))


def test_theorem_require_order() -> None:
    """Where peers may be told apart every shown column is in the order."""
    shown = frozenset({1, 2})
    rows = Frame(Places.ROWS, -1, 0)
    for over in (
        Over(Place.ROW_NUMBER, (), (_U,), (), None), Over(Place.LAG, (Ref(_V),), (_U,), (), None),
        Over(Fold.SUM, (Ref(_V),), (_U,), (), rows), Over(Place.FIRST_VALUE, (Ref(_V),), (_U,), (), None),
    ):
        with pytest.raises(InternalError):
            require_order((over,), shown)
        one = Over(over.function, over.args, over.partition, (Sorted(_V),), over.frame)
        other = Over(Place.ROW_NUMBER, (), (_U,), (Sorted(_V, descending=True),), None)
        rank = Over(Place.RANK, (), (_U,), (Sorted(_V, descending=True),), None)
        require_order((one, one, rank), shown)
        with pytest.raises(InternalError):      # equal rows may be first in one and last in the other, or first in both
            require_order((one, other), shown)
    require_order((Over(Place.RANK, (), (_U,), (), None),), shown)
    require_order((Over(Fold.SUM, (Ref(_V),), (_U,), (), Frame(Places.ROWS, None, None)),), shown)


def test_theorem_require_frame() -> None:
    """A distance is measured where nothing overflows, in one column, and peers are not counted where they are told
    apart."""
    far = Column(4, "o1", HUGEINT, proved=BIGINT.range)
    near = Frame(Places.RANGE, -3, 0)
    for good in (
        Over(Fold.ROWS, (), (_U,), (Sorted(far),), near), Over(Fold.ROWS, (), (_U,), (Sorted(_W),), near),
        Over(Fold.ROWS, (), (_U,), (Sorted(_V),), Frame(Places.GROUPS, -3, 3, Excluded.TIES)),
        Over(Fold.ROWS, (), (_U,), (), Frame(Places.RANGE, None, 0)),
        Over(Fold.ROWS, (), (_U,), (Sorted(_V),), Frame(Places.ROWS, -3, 0, Excluded.ROW)),
    ):
        require_frame(good)
    for bad in (
        Over(Fold.ROWS, (), (_U,), (Sorted(_V),), near),                    # BIGINT may overflow
        Over(Fold.ROWS, (), (_U,), (Sorted(replace(far, proved=None)),), near),
        Over(Fold.ROWS, (), (_U,), (Sorted(far), Sorted(_V)), near),
        Over(Fold.ROWS, (), (_U,), (Sorted(far),), Frame(Places.RANGE, -(1 << 127), 0)),
        Over(Fold.ROWS, (), (_U,), (Sorted(_V),), Frame(Places.ROWS, 1, 0)),
        Over(Fold.ROWS, (), (_U,), (Sorted(_V),), Frame(Places.ROWS, -3, 0, Excluded.TIES)),
        Over(Place.FIRST_VALUE, (Ref(_V),), (_U,), (Sorted(_V),), Frame(Places.GROUPS, -3, 0)),
    ):
        with pytest.raises(InternalError):
            require_frame(bad)
