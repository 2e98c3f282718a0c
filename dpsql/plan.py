"""plan: derives the guarded questions again, and sets noise and cost from those facts alone. Pure."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from dpsql import scalars
from dpsql.bound import MAX_STEPS, Question, bound
from dpsql.budget.events import FREE, Cost, Event
from dpsql.catalog import Catalog
from dpsql.derive import derive
from dpsql.errors import InternalError
from dpsql.expression import BIGINT, Column, Kind, Lit, Ref, Scalar
from dpsql.facts.base import Facts
from dpsql.facts.public import Domain, Listed, public_domain
from dpsql.facts.stability import groups_per_unit, one_row_per_group
from dpsql.noise.laplace import laplace_event
from dpsql.noise.selection import selection_event
from dpsql.parse import refusal
from dpsql.program import Ask, Program
from dpsql.relation import Aggregate, CapGroups, Fold, Join, Project, Relation, Scan, tables_of
from dpsql.render import checked, render

MAX_COMBINATIONS = 10_000   # public groups listed, empty ones included; beyond it the keys count as private

MAX_COUNT_NOISE = 1 << 56   # scale of the noise of a BIGINT: beyond it a draw might leave the type (exp(-64) and less)
MAX_NOISE = 1 << 100        # likewise for DECIMAL(38) and HUGEINT

Reader = Callable[[str, tuple[str, ...], int], Sequence[tuple[object, ...]]]
"""Reads public tables only: the rows of a printed statement over the tables named, at most so many."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One question as it runs: its SQL, its noise, and what the released table will look like.

    Rows come as (keys, one total per partial that is not a constant, units). `constant` marks partials that every unit
    sets to 1: their total is the number of units. `groups` is L0, the groups one unit may touch. `domain` lists the
    public groups (None: private keys, chosen by `selection`). `events` are in the order of the partials; a partial
    whose event is None is released by the selection itself.
    """

    question: Question
    sql: str
    salted: bool
    groups: int
    sensitivities: tuple[int, ...]
    constant: tuple[bool, ...]
    events: tuple[Event | None, ...]
    selection: Event | None
    min_units: int
    domain: tuple[tuple[object, ...], ...] | None

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The released table's columns and their SQL types: keys, then measures."""
        keys = [(column.name, _shown_type(column)) for column in self.question.keys]
        return (*keys, *((f"a{i + 1}", str(type_)) for i, type_ in enumerate(self.question.types)))

    @property
    def released(self) -> tuple[tuple[str, str], ...]:
        """`columns`, then for each measure the ends of its interval, `a1_low` and `a1_high`."""
        ends = [(f"a{i + 1}_{end}", str(t)) for i, t in enumerate(self.question.types) for end in ("low", "high")]
        return (*self.columns, *ends)

    def spent(self) -> tuple[Event, ...]:
        """Every event of this statement."""
        events = [event for event in self.events if event is not None]
        return tuple(events if self.selection is None else [self.selection, *events])


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will happen: statements, finish, cost. `key` identifies it for replays."""

    statements: tuple[Statement, ...]
    finish: str
    program: Program
    cost: Cost
    key: str
    warnings: tuple[str, ...]


def plan(program: Program, catalog: Catalog, ask: Cost, reader: Reader) -> Plan:
    """The plan of a program for the epsilon and delta of `ask`.

    Raises QueryError for a question that cannot be answered under the policy, InternalError when a bound is not proved.
    """
    finish = checked(program.finish)
    if not program.asks:
        return Plan((), finish, program, FREE, "", ())
    epsilon = ask.epsilon / len(program.asks)
    bounded = [_question(each, catalog, reader) for each in program.asks]
    private = sum(1 for question, domain in bounded if question.keys and domain is None)
    if private and ask.delta == 0:
        raise _needs_delta(next(q for q, domain in bounded if q.keys and domain is None))
    delta = ask.delta / private if private else Fraction(0)
    statements = tuple(_statement(question, domain, catalog, Cost(epsilon, delta)) for question, domain in bounded)
    cost = Cost(ask.epsilon, ask.delta if private else Fraction(0))
    events = [event for statement in statements for event in statement.spent()]
    if sum(e.epsilon for e in events) > cost.epsilon or sum(e.delta for e in events) > cost.delta:
        raise InternalError("the events of a plan cost more than was asked for")
    key = _key(statements, finish, cost, catalog)
    return Plan(statements, finish, program, cost, key, tuple(_warnings(statements)))


def _question(ask: Ask, catalog: Catalog, reader: Reader) -> tuple[Question, tuple[tuple[object, ...], ...] | None]:
    facts = derive(ask.rows, catalog)
    keys = tuple(key.scalar for key in ask.keys)
    domain = public_domain(ask.rows, keys, catalog, lambda key: _nullable(key, facts)) if keys else ()
    combinations = None if domain is None else _combinations(domain, len(ask.keys), catalog, reader)
    if combinations is None:
        domain = None
    return bound(ask, facts, domain, None if combinations is None else len(combinations), catalog), combinations


def _nullable(key: Scalar, facts: Facts) -> bool:
    return scalars.nullable(key, lambda column: column.id in facts.nullable)


def _combinations(
    domain: Domain, keys: int, catalog: Catalog, reader: Reader,
) -> tuple[tuple[object, ...], ...] | None:
    """Every public group, in key order; None when there are more than MAX_COMBINATIONS."""
    parts: list[tuple[tuple[int, ...], list[tuple[object, ...]]]] = []
    count = 1
    for part in domain:
        if isinstance(part, Listed):
            indices: tuple[int, ...] = (part.key,)
            rows: list[tuple[object, ...]] = [(value,) for value in part.values]
        else:
            indices = part.keys
            sql = render(part.relation, catalog, order=True, public=True)
            rows = list(reader(sql, tables_of(part.relation), MAX_COMBINATIONS + 1))
            nothing = (None,) * len(indices)
            if part.null and nothing not in rows:
                rows.append(nothing)
        parts.append((indices, rows))
        count *= len(rows)
        if count > MAX_COMBINATIONS:
            return None
    found = []
    for choice in product(*(rows for _, rows in parts)):
        values: list[object] = [None] * keys
        for (indices, _), row in zip(parts, choice, strict=True):
            for index, value in zip(indices, row, strict=True):
                values[index] = value
        found.append(tuple(values))
    return tuple(dict.fromkeys(found))      # a group listed twice would be released twice for the price of once


def _statement(
    question: Question, domain: tuple[tuple[object, ...], ...] | None, catalog: Catalog, share: Cost,
) -> Statement:
    facts = derive(question.guarded, catalog)
    groups = _groups(question, domain, facts)
    sensitivities = tuple(groups * most for most in _magnitudes(question, facts))
    constant = tuple(_constant(question, total) for total in question.totals)
    selecting = bool(question.keys) and domain is None
    served = tuple(selecting and is_units for is_units in constant)
    shares = len(question.partials) - sum(served) + selecting
    epsilon = share.epsilon / max(1, shares)
    try:
        events = tuple(
            None if by_selection else laplace_event(max(1, sensitivity), epsilon)
            for sensitivity, by_selection in zip(sensitivities, served, strict=True)
        )
        selection = selection_event(epsilon, share.delta, groups) if selecting else None
    except ValueError:
        raise _too_small(question) from None
    for type_, uses in zip(question.types, question.uses, strict=True):
        largest = max((event.scale for use in uses if (event := events[use]) is not None), default=Fraction(0))
        if largest > (MAX_COUNT_NOISE if type_ == BIGINT else MAX_NOISE):
            raise _too_small(question)
    sql, salted = _total(question, constant, catalog)
    min_units = catalog.policy.limits.min_units
    return Statement(
        question, sql, salted, groups, sensitivities, constant, events, selection, min_units,
        domain if question.keys else ((),),
    )


def _groups(question: Question, domain: tuple[tuple[object, ...], ...] | None, facts: Facts) -> int:
    """L0: the most released groups that one unit's rows touch.

    Theorem: it is at most the cap or the fixed columns' bound of the guarded rows, and at most the number of public
    groups; without keys it is 1.
    Proof: `groups_per_unit` on the derived facts; only groups of the domain are released.
    Needs: the guarded rows have an owner that is never NULL and at most one row per owner and group, or InternalError.
    Source: design.md, section 4.
    """
    keys = frozenset(column.id for column in question.keys)
    if facts.owner is None or facts.owner.id in facts.nullable:
        raise InternalError("rows without an owner were about to be counted")
    if not one_row_per_group(facts, keys):
        raise InternalError("a unit may have several rows in a group below the noise")
    if not keys:
        return 1
    known = [n for n in (groups_per_unit(facts, keys), None if domain is None else len(domain)) if n is not None]
    if not known:
        raise InternalError("nothing bounds the groups that one unit may touch")
    return max(1, min(known))


def _magnitudes(question: Question, facts: Facts) -> list[int]:
    """Linf: the most each partial of one unit can be in one group, in steps.

    Theorem: |p| of one row is at most the magnitude of `enforced(p)`, for the expression p that is printed.
    Proof: `enforced` uses the types and the clips inside the expression, and the ranges that `derive` proved of the
    columns it reads; facts that are believed play no part. A DECIMAL's steps are its last digit.
    Needs: the partial is an integer computed by the outermost projection, or InternalError.
    Source: design.md, section 4, Integers.
    """
    guarded = question.guarded
    if not isinstance(guarded, Project):
        raise InternalError("the partials are not computed last")
    printed = {column.id: scalar for column, scalar in guarded.items}
    magnitudes = []
    for total in question.totals:
        scalar = printed[total.id]
        interval = scalars.enforced(scalar)
        if not interval.finite or scalar.type.kind not in (Kind.INTEGER, Kind.DECIMAL):
            raise InternalError("a partial has no clip")
        magnitude = math.ceil(interval.magnitude * 10**scalar.type.scale)
        if magnitude > MAX_STEPS:
            raise InternalError("a partial has no clip")
        magnitudes.append(magnitude)
    if facts.owner is None:
        raise InternalError("the guarded rows have no owner")
    return magnitudes


def _constant(question: Question, total: Column) -> bool:
    """Whether every unit adds exactly 1 to a group it is in, so that the total is the number of its units."""
    assert isinstance(question.guarded, Project)
    scalar = next(scalar for column, scalar in question.guarded.items if column.id == total.id)
    partial = question.partials[question.totals.index(total)]
    flag = partial.fold is Fold.MAX and isinstance(partial.row, Lit)
    return flag or (isinstance(scalar, Lit) and scalar.value == 1)


def _total(question: Question, constant: tuple[bool, ...], catalog: Catalog) -> tuple[str, bool]:
    """The statement that adds up the partials of all units, and whether it takes the salt."""
    columns = [column for column, same in zip(question.totals, constant, strict=True) if not same]
    items = [(Column(-i - 1, column.name, column.type), Fold.SUM, Ref(column)) for i, column in enumerate(columns)]
    units = (Column(-len(items) - 1, "units", BIGINT), Fold.ROWS, None)
    sql = render(Aggregate(question.guarded, question.keys, (*items, units)), catalog)
    return sql, _salted(question.guarded)


def _salted(relation: Relation) -> bool:
    """Whether a CapGroups, which reads the salt, stands in a relation."""
    match relation:
        case CapGroups():
            return True
        case Scan():
            return False
        case Join(left, right, _, _):
            return _salted(left) or _salted(right)
        case _:
            return _salted(relation.source)


def _shown_type(column: Column) -> str:
    return "INTEGER" if str(column.type) == "NULL" else str(column.type)


def _too_small(question: Question) -> Exception:
    place = question.ask.places[0] if question.ask.places else None
    return refusal("the epsilon or delta asked for is too small for any answer", place, "ask with more")


def _needs_delta(question: Question) -> Exception:
    place = question.ask.places[0] if question.ask.places else None
    return refusal(
        "the groups of this query are private, and choosing which to show needs a delta", place,
        "ask with a delta (query.delta in the policy, or delta=...), or group by columns whose values are public: "
        "declared in the policy, from a public table, or listed with IN",
    )


def _key(statements: tuple[Statement, ...], finish: str, cost: Cost, catalog: Catalog) -> str:
    """Identifies a plan for replays: statements, noise, finish, domain, cost and policy version."""
    parts = [catalog.policy.version, finish, str(cost)]
    for each in statements:
        parts += [each.sql, str(each.spent()), str(each.question.partials), str(each.question.uses), str(each.domain)]
        parts += [str(each.columns), str(each.min_units)]
    return hashlib.sha256("\x00".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()


def _warnings(statements: tuple[Statement, ...]) -> list[str]:
    if any(statement.selection is not None for statement in statements):
        return ["groups are private: those with few people are not shown"]
    return []
