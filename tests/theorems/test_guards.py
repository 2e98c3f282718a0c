"""The sensitivities of whole plans against measured distances between neighbours. Exact: the noise comes last."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_queries import plan_of, texts
from small_worlds import EXAMPLES, MODES, Database, Rows, World, databases, plain, without, world

from dpsql.probe import cap_of
from dpsql.statement import Statement

CASES = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def totals(here: World, statement: Statement, database: Database) -> dict[tuple[object, ...], list[int]]:
    """Per group the total of every partial, then the units; of public keys only the groups that are released."""
    if not statement.sql:       # a question of sides alone
        return {}
    here.load(database)
    keys = len(statement.question.keys)
    rows: Rows = here.run(statement.sql, statement.params)
    found: dict[tuple[object, ...], list[int]] = {}
    for row in rows:
        exact, values = [], iter([int(value or 0) for value in row[keys:]])  # type: ignore[call-overload]
        units = int(row[-1])  # type: ignore[call-overload]
        exact = [units if constant else next(values) for constant in statement.constant]
        key = tuple(map(plain, row[:keys]))
        assert key not in found, "a group is printed twice"
        if statement.domain is None or not keys or row[:keys] in statement.domain:
            found[key] = [*exact, units]
    return found


def changes(here: World, statement: Statement, database: Database, unit: int) -> list[list[int]]:
    """What removing `unit` changes, group by group: every partial, then the units."""
    before, after = (totals(here, statement, each) for each in (database, without(database, unit)))
    nothing = [0] * (len(statement.constant) + 1)
    pairs = [(before.get(key, nothing), after.get(key, nothing)) for key in before.keys() | after.keys()]
    return [[a - b for a, b in zip(left, right, strict=True)] for left, right in pairs if left != right]


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
def test_theorem__statement(data: Any, text: str, mode: str, unit: int) -> None:
    """L1 distance of each partial over all groups within its sensitivity."""
    plan = plan_of(text, mode)
    assume(plan is not None and plan.statements)
    check_sensitivities(world(mode), plan.statements[0], data.draw(databases(mode)), unit)


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
def test_theorem_constant(data: Any, text: str, mode: str, unit: int) -> None:
    """A total that is the number of units changes by one at most, in every group."""
    plan = plan_of(text, mode)
    assume(plan is not None and any(plan.statements[0].constant))
    statement = plan.statements[0]
    for row in changes(world(mode), statement, data.draw(databases(mode)), unit):
        assert all(abs(value) <= 1 for value, same in zip(row, statement.constant, strict=False) if same)


def check_sensitivities(here: World, statement: Statement, database: Database, unit: int) -> None:
    changed = changes(here, statement, database, unit)
    for place, sensitivity in enumerate(statement.sensitivities):
        assert sum(abs(row[place]) for row in changed) <= sensitivity


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
def test_theorem_groups_touched(data: Any, text: str, mode: str, unit: int) -> None:
    """L0, and at most one unit more or less in each group."""
    plan = plan_of(text, mode)
    assume(plan is not None and plan.statements)
    check_groups(world(mode), plan.statements[0], data.draw(databases(mode)), unit)


def check_groups(here: World, statement: Statement, database: Database, unit: int) -> None:
    changed = changes(here, statement, database, unit)
    assert len(changed) <= statement.groups
    assert all(0 <= row[-1] <= 1 for row in changed)


test_theorem_listed_groups = test_theorem_groups_touched


def test_a_unit_is_in_the_groups_of_its_own_fixed_keys() -> None:
    """Several values of `grp`, of which a unit has one, times two kinds: two groups, and no cap."""
    text = "SELECT grp, kind, COUNT(*) FROM units JOIN orders o USING (u) WHERE kind IN ('a', 'b') GROUP BY grp, kind"
    for mode, capped in (("keyed", False), ("loose", True)):
        plan = plan_of(text, mode)
        assert plan is not None
        (statement,) = plan.statements
        assert statement.domain is not None and statement.groups == 2 < len(statement.domain)
        assert (cap_of(statement.question.guarded) is not None) == capped


@CASES
@given(st.data(), texts(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
def test_theorem_magnitudes(data: Any, text: str, mode: str, unit: int) -> None:
    """Linf: what one unit changes of one partial in one group."""
    plan = plan_of(text, mode)
    assume(plan is not None and plan.statements)
    check_magnitudes(world(mode), plan.statements[0], data.draw(databases(mode)), unit)


def check_magnitudes(here: World, statement: Statement, database: Database, unit: int) -> None:
    for row in changes(here, statement, database, unit):
        for place, sensitivity in enumerate(statement.sensitivities):
            assert abs(row[place]) * statement.groups <= sensitivity
