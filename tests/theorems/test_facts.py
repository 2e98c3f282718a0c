"""What `derive` says of every relation of every plan, against what it holds in databases that try to break it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from small_queries import plan_of, relations, texts
from small_worlds import EXAMPLES, MODES, Database, Rows, World, bag, databases, without, world

from dpsql.derive import Known, derive
from dpsql.expression import Lit, Ref
from dpsql.facts.base import Facts
from dpsql.facts.keys import covers, equated, joined_fixed, joined_unique, pinned
from dpsql.facts.public import Listed, Looked, public_domain
from dpsql.facts.ranges import never_null
from dpsql.facts.stability import groups_per_unit, joined_rows, one_row_per_group
from dpsql.plan import Plan
from dpsql.relation import Filter, Join, JoinKind, Project, Relation, columns_out
from dpsql.render import render

CASES = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
Check = Callable[[World, Plan, Database, int], None]
Table = list[dict[int, object]]


def attacked(check: Check) -> Callable[[], None]:
    """A test that runs `check` over random plans, databases and units."""

    @CASES
    @given(st.data(), texts(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
    def attack(data: Any, text: str, mode: str, unit: int) -> None:
        plan = plan_of(text, mode)
        assume(plan is not None and plan.statements)
        database, here = data.draw(databases(mode)), world(mode)
        here.load(database)
        check(here, plan, database, unit)

    return attack


def every_relation(plan: Plan) -> Iterator[Relation]:
    """Every relation of a plan's first question, before and after the guards, its further statements' too."""
    question = plan.statements[0].question
    for root in (question.ask.rows, question.guarded, *(table.guarded for table in question.tables)):
        yield from relations(root)


def _joins(plan: Plan, here: World) -> Iterator[tuple[Join, Facts, Facts, tuple[frozenset[int], frozenset[int]]]]:
    for relation in every_relation(plan):
        if isinstance(relation, Join):
            left, right = (derive(side, here.catalog) for side in (relation.left, relation.right))
            yield relation, left, right, (_ids(relation.left), _ids(relation.right))


def _ids(relation: Relation) -> frozenset[int]:
    return frozenset(column.id for column in columns_out(relation))


def _table(here: World, relation: Relation) -> Table:
    ids = [column.id for column in columns_out(relation)]
    return [dict(zip(ids, row, strict=True)) for row in here.rows(relation)]


def _by_owner(table: Table, facts: Facts) -> dict[object, Table]:
    assert facts.owner is not None
    found: dict[object, Table] = defaultdict(list)
    for row in table:
        if row[facts.owner.id] is not None:
            found[row[facts.owner.id]].append(row)
    return found


def _repeats(table: Table, ids: frozenset[int], nulls: bool) -> bool:
    values = [tuple(row[id_] for id_ in sorted(ids)) for row in table]
    counted = Counter(value for value in values if nulls or None not in value)
    return any(count > 1 for count in counted.values())


def check_owner(here: World, plan: Plan, database: Database, unit: int) -> None:
    """Removing a unit removes exactly the rows that the proved owner says are its own."""
    owned = [(r, f.owner) for r in every_relation(plan) if (f := derive(r, here.catalog)).owner is not None]
    before = [bag(_without_owner(here.rows(relation), relation, owner, unit)) for relation, owner in owned]
    here.load(without(database, unit))
    assert before == [bag(here.rows(relation)) for relation, _ in owned]


def _without_owner(rows: Rows, relation: Relation, owner: Any, unit: int) -> Rows:
    place = [column.id for column in columns_out(relation)].index(owner.id)
    return [row for row in rows if row[place] != unit]


test_theorem_joined_owner = attacked(check_owner)


def check_covers(here: World, plan: Plan, database: Database, unit: int) -> None:
    """A side that is covered multiplies no row of the other."""
    for join, left, right, ids in _joins(plan, here):
        inner = Join(join.left, join.right, JoinKind.INNER, join.on)
        if covers(right, ids[0], join.on):
            assert len(here.rows(inner)) <= len(here.rows(join.left))
        if covers(left, ids[1], join.on):
            assert len(here.rows(inner)) <= len(here.rows(join.right))


test_theorem_covers = attacked(check_covers)


def check_unique(here: World, plan: Plan, database: Database, unit: int) -> None:
    """What is unique does not repeat, in joins and everywhere; what a GROUP BY made unique not even as NULL."""
    for join, left, right, ids in _joins(plan, here):
        for unique in joined_unique(left, right, join.kind, join.on, ids):
            assert not _repeats(_table(here, join), unique, nulls=False)
    for relation in every_relation(plan):
        facts, table = derive(relation, here.catalog), _table(here, relation)
        assert not any(_repeats(table, unique, nulls=False) for unique in facts.unique)
        assert not any(_repeats(table, unique, nulls=True) for unique in facts.grouped)


test_theorem_joined_unique = attacked(check_unique)


def check_fixed(here: World, plan: Plan, database: Database, unit: int) -> None:
    """A fixed column has one value per unit."""
    for join, left, right, ids in _joins(plan, here):
        facts = derive(join, here.catalog)
        if facts.owner is not None:
            assert joined_fixed(left, right, join.kind, join.on, ids) <= facts.fixed
    for relation in every_relation(plan):
        facts = derive(relation, here.catalog)
        if facts.owner is not None:
            for rows in _by_owner(_table(here, relation), facts).values():
                assert all(len({row[id_] for row in rows}) == 1 for id_ in facts.fixed & _ids(relation))


test_theorem_joined_fixed = attacked(check_fixed)


def check_conjuncts(here: World, plan: Plan, database: Database, unit: int) -> None:
    """What a filter's conjuncts pin has one value, what they make equal to what is fixed has one per unit."""
    for relation in every_relation(plan):
        if isinstance(relation, Filter):
            facts, table = derive(relation, here.catalog), _table(here, relation)
            shown, below = _ids(relation), derive(relation.source, here.catalog)
            assert all(len({row[id_] for row in table}) <= 1 for id_ in pinned(relation.conjuncts) & shown)
            for rows in _by_owner(table, facts).values() if facts.owner is not None else ():
                assert all(len({row[id_] for row in rows}) == 1
                           for id_ in equated(below.fixed, relation.conjuncts) & shown)


test_theorem_equated = attacked(check_conjuncts)
test_theorem_pinned = attacked(check_conjuncts)


def check_nullable(here: World, plan: Plan, database: Database, unit: int) -> None:
    """What is said never to be NULL is not: after a filter, and everywhere."""
    for relation in every_relation(plan):
        facts, table = derive(relation, here.catalog), _table(here, relation)
        if isinstance(relation, Filter):
            assert not never_null(relation.conjuncts) & facts.nullable
        assert all(row[id_] is not None for id_ in _ids(relation) - facts.nullable for row in table)


test_theorem_never_null = attacked(check_nullable)


def check_rows(here: World, plan: Plan, database: Database, unit: int) -> None:
    """No unit has more rows than `rows_per_unit`."""
    for join, left, right, ids in _joins(plan, here):
        facts = derive(join, here.catalog)
        assert facts.rows_per_unit == joined_rows(left, right, join.kind, join.on, ids)
    for relation in every_relation(plan):
        facts = derive(relation, here.catalog)
        if facts.owner is not None and facts.rows_per_unit is not None:
            found = _by_owner(_table(here, relation), facts).values()
            assert all(len(rows) <= facts.rows_per_unit for rows in found)


test_theorem_joined_rows = attacked(check_rows)


def check_groups_per_unit(here: World, plan: Plan, database: Database, unit: int) -> None:
    """No unit takes more values of the keys, nor of any single column, than the facts say."""
    question = plan.statements[0].question
    for relation in (question.ask.rows, question.guarded):
        facts = derive(relation, here.catalog)
        wanted = [frozenset({column.id}) for column in columns_out(relation)]
        if relation is question.guarded:
            wanted.append(frozenset(key.id for key in question.keys))
        for rows in _by_owner(_table(here, relation), facts).values():
            for keys in wanted:
                most = groups_per_unit(facts, keys)
                assert most is None or len({tuple(row[id_] for id_ in sorted(keys)) for row in rows}) <= most


test_theorem_groups_per_unit = attacked(check_groups_per_unit)


def check_one_row(here: World, plan: Plan, database: Database, unit: int) -> None:
    """Where one row per unit and group is proved, of the rows asked and of the guarded ones, there is no second."""
    question = plan.statements[0].question
    asked = frozenset(key.scalar.column.id for key in question.ask.keys if isinstance(key.scalar, Ref))
    for relation, keys in ((question.ask.rows, asked), (question.guarded, frozenset(k.id for k in question.keys))):
        facts = derive(relation, here.catalog)
        if one_row_per_group(facts, keys):
            for rows in _by_owner(_table(here, relation), facts).values():
                assert not _repeats(rows, keys, nulls=True)


test_theorem_one_row_per_group = attacked(check_one_row)


def check_domain(here: World, plan: Plan, database: Database, unit: int) -> None:
    """Public groups are the same without the unit, and what is called enforced holds every key there is."""
    ask, statement = plan.statements[0].question.ask, plan.statements[0]
    domain = public_domain(ask.rows, tuple(key.scalar for key in ask.keys), here.catalog) if ask.keys else None
    for part in domain or ():
        if isinstance(part, Listed) and part.enforced:
            key = statement.question.keys[part.key]
            shown = Project(ask.rows, ((key, ask.keys[part.key].scalar),)) if _public_free(ask.rows) else None
            found = here.run(render(shown, here.catalog)) if shown is not None else []
            assert {row[0] for row in found} <= set(part.values)
    kept = statement.params or all(
        isinstance(part, Looked) or (isinstance(part, Listed) and part.enforced) for part in domain or ()
    )
    if domain is not None and statement.domain is not None and kept and statement.sql:  # `release` passes over others
        keys = len(ask.keys)
        rows = here.run(statement.sql, statement.params)
        assert {row[:keys] for row in rows} <= set(statement.domain)


def _public_free(relation: Relation) -> bool:
    """Whether it can be printed as it stands."""
    return not isinstance(relation, Filter) or bool(relation.conjuncts)


test_theorem_public_domain = attacked(check_domain)


def test_a_literal_key_is_its_own_domain() -> None:
    plan = plan_of("SELECT 1, COUNT(*) FROM orders o GROUP BY 1", "loose")
    assert plan is not None
    assert plan.statements[0].domain == ((1,),)
    assert plan.statements[0].question.ask.keys[0].scalar == Lit(1, plan.statements[0].question.keys[0].type)


def check_remembered(here: World, plan: Plan, database: Database, unit: int) -> None:
    """What is remembered of a relation is what is derived of it alone, and never of one that is only equal."""
    known: Known = {}
    for relation in every_relation(plan):
        assert derive(relation, here.catalog, known) == derive(relation, here.catalog)
        assert derive(relation, here.catalog, known) is derive(relation, here.catalog, known)
        assert all(key == id(kept) for key, (kept, _) in known.items())
        again = replace(relation)
        assert again == relation and derive(again, here.catalog, known) is not derive(relation, here.catalog, known)


test_remembered = attacked(check_remembered)
