"""plan: derives the guarded questions again, and sets noise and cost from those facts alone. Pure."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from fractions import Fraction

from dpsql import scalars
from dpsql.bound import Question, bound
from dpsql.budget.events import FREE, Cost, Event
from dpsql.catalog import Catalog
from dpsql.derive import Known, derive
from dpsql.domain import Group, Reader, combinations, with_public_ranges
from dpsql.errors import InternalError
from dpsql.expression import Call, Lit, Ref
from dpsql.facts.base import Facts
from dpsql.facts.public import public_domain
from dpsql.noise.scheme import USUAL
from dpsql.parse import refusal
from dpsql.plan_form import plan_form
from dpsql.program import Ask, Measure, Program
from dpsql.statement import Statement, statement
from dpsql.tally import QUALITY, countings, tallies
from dpsql.warn import warn

UNCUT = "no cap or limit leaves anything out here, so nothing is spent on telling how much"
MOST_NUMBERS = 4        # of a question, in how epsilon is divided: none gets more than twice what another gets


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will happen: statements, finish, cost. `key` identifies it for replays.

    `feeds` is the SQL of the program's feeds.
    """

    statements: tuple[Statement, ...]
    finish: str
    program: Program
    cost: Cost
    key: str
    warnings: tuple[str, ...]
    feeds: tuple[str, ...] = ()

    @property
    def events(self) -> tuple[Event, ...]:
        """What all of its statements spend."""
        return tuple(event for statement in self.statements for event in statement.spent())

    def to_json(self) -> str:
        """The plan's stable form as text; `PlanForm.from_json` reads it. It can be kept and compared, not run."""
        return plan_form(self).to_json()


def plan(
    program: Program, catalog: Catalog, ask: Cost, reader: Reader, prefer: str | None = None, level: float = USUAL,
    quality: bool = False,
) -> Plan:
    """The plan of a program for the epsilon and delta of `ask`; `prefer` names its noise, "laplace" or "gaussian";
    `level` is the confidence of intervals; with `quality` parts of epsilon buy what tells how much was cut, and the
    intervals of quantiles.

    Raises QueryError for a question that cannot be answered under the policy, InternalError when a bound is not proved.
    """
    if not program.asks:
        return Plan((), program.sql, program, FREE, "", ())
    known: Known = {}
    bounded = [_question(each, catalog, reader, known) for each in program.asks]
    selecting = [question for question, domain in bounded if question.keys and domain is None]
    if selecting and ask.delta == 0:
        raise _needs_delta(selecting[0])
    shares = _shares(bounded, ask)
    statements = tuple(
        _stated(question, domain, catalog, share, prefer, known, quality, level)
        for (question, domain), share in zip(bounded, shares, strict=True)
    )
    events = [event for each in statements for event in each.spent()]
    cost = Cost(ask.epsilon, sum((event.delta for event in events), Fraction(0))) if events else FREE
    if sum(e.epsilon for e in events) > cost.epsilon or cost.delta > ask.delta:
        raise InternalError("the events of a plan cost more than was asked for")
    feeds = tuple(feed.sql for feed in program.feeds)
    key = _key(statements, (*feeds, program.sql), cost, catalog)
    told = warn(statements, catalog, known)
    if quality and not any(each.tallies for each in statements):
        told = (*told, UNCUT)
    return Plan(statements, program.sql, program, cost, key, told, feeds)


def _stated(
    question: Question, domain: tuple[Group, ...] | None, catalog: Catalog, share: Cost, prefer: str | None,
    known: Known, quality: bool, level: float,
) -> Statement:
    """The statement of a question for its share of the cost, with tallies of what it may cut, if these are bought."""
    searched = [i for i, ladder in enumerate(question.ladders) if ladder is not None]
    found = countings(question, searched) if quality else []
    part = share.epsilon * QUALITY if found else Fraction(0)
    made = statement(question, domain, catalog, Cost(share.epsilon - part, share.delta), prefer, known, quality)
    return replace(made, level=level, tallies=tallies(found, domain, catalog, part, made.opening is not None))


def _shares(bounded: list[tuple[Question, tuple[Group, ...] | None]], ask: Cost) -> list[Cost]:
    """What each question may cost: parts of epsilon in proportion to the root of the numbers it buys, equal ones of
    delta.

    The relative error of a question grows with its numbers, over groups that share the rows and measures that share
    its epsilon, and falls with that epsilon: the sum of n/e for a given sum of e is least for e in proportion to the
    root of n (Lagrange). Beyond MOST_NUMBERS it no longer grows, or what a question of one number says, often of all
    rows or within a condition, would say little.
    """
    numbers = [_numbers(question, domain) for question, domain in bounded]
    roots = [math.isqrt(min(MOST_NUMBERS, n) << 20) for n in numbers]
    part = Fraction(1, max(1, sum(n > 0 for n in numbers)))
    return [Cost(ask.epsilon * root / max(1, sum(roots)), ask.delta * part * (root > 0)) for root in roots]


def _numbers(question: Question, domain: tuple[Group, ...] | None) -> int:
    """How many numbers a question buys: totals, lookups and the choice of groups, in each group; 0 if it buys none.

    How many private groups there are nobody knows: as many as matter.
    """
    selecting = bool(question.keys) and domain is None
    totals = len(question.partials) + sum(len(table.bought) for table in question.tables) + selecting
    return totals * (MOST_NUMBERS if domain is None else max(1, len(domain)))


def _question(
    ask: Ask, catalog: Catalog, reader: Reader, known: Known,
) -> tuple[Question, tuple[Group, ...] | None]:
    facts = derive(ask.rows, catalog, known)
    keys = tuple(key.scalar for key in ask.keys)
    domain = public_domain(
        ask.rows, keys, catalog, lambda key: scalars.nullable(key, lambda column: column.id in facts.nullable)
    ) if keys else ()
    groups = None if domain is None else combinations(domain, len(ask.keys), catalog, reader)
    if groups is None:
        domain = None
    ask = replace(ask, measures=tuple(_counted(measure, facts) for measure in ask.measures))
    facts = with_public_ranges(facts, ask, catalog, reader)
    return bound(ask, facts, domain, groups, catalog), groups


def _counted(measure: Measure, facts: Facts) -> Measure:
    """COUNT(DISTINCT x) of rows no two of which share x is COUNT(x), which needs no limit on the rows of a unit."""
    of = measure.arg
    if isinstance(of, Call) and of.name == "case" and len(of.args) == 3 and of.args[2] == Lit(None, of.type):
        of = of.args[1]
    unique = isinstance(of, Ref) and frozenset({of.column.id}) in facts.unique
    return replace(measure, family="count") if measure.family == "distinct" and unique else measure


def _needs_delta(question: Question) -> Exception:
    place = question.ask.places[0] if question.ask.places else None
    return refusal(
        "the groups of this query are private, and choosing which to show needs a delta", place,
        "ask with a delta (query.delta in the policy, or delta=...), or group by columns whose values are public: "
        "declared in the policy, from a public table, or listed with IN",
    )


def _key(statements: tuple[Statement, ...], post: tuple[str, ...], cost: Cost, catalog: Catalog) -> str:
    """Identifies a plan for replays: statements, what is made of their totals, noise, feeds and finish, domain, cost
    and policy version."""
    parts = [catalog.policy.version, *post, str(cost)]
    for each in statements:
        parts += [each.sql, str(each.spent()), str(each.question.partials), str(each.question.uses), str(each.domain)]
        parts += [str((side.sql, side.choices)) for side in each.sides] + [str(each.question.lookups)]
        parts += [tally.sql for tally in each.tallies]
        parts += [measure.family for measure in each.question.ask.measures]
        parts += [str(each.columns), str(each.noises), str(each.chosen)] + [str(each.level)] * (each.level != USUAL)
        if each.opening is not None:
            parts += [each.opening.sql, str(each.opening.probe), str(each.opening.prefer)]
    return hashlib.sha256("\x00".join(f"{len(part)}:{part}" for part in parts).encode()).hexdigest()
