"""price: the cheapest plan whose intervals are as narrow as asked, from public noise scales alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from sqlglot import exp

from dpsql.budget.events import Cost
from dpsql.budget.events import priced as charged
from dpsql.budget.filter import part, room
from dpsql.errors import QueryError
from dpsql.noise import laplace
from dpsql.parse import refusal
from dpsql.plan import Plan
from dpsql.policy import Budget
from dpsql.program import Program
from dpsql.statement import Statement

PLAIN = frozenset({"count", "units", "sum", "distinct"})    # measures whose interval is the noise's own
KEEPING = (exp.Paren, exp.Cast, exp.Coalesce, exp.Greatest, exp.Least, exp.Neg, exp.Abs)    # what widens no interval
COST = "say what the query may cost: epsilon"
TRIES = 14                                      # plans made for one mechanism, each nearer
NEAR, STEP = Fraction(998, 1000), Fraction(1, 250)      # of the least epsilon: near enough, and the first step past it
LEAST, MOST = Fraction(1, 10**9), Fraction(10**6)


def priced(make: Callable[[Cost, str], Plan], program: Program, ask: Cost, error: Fraction, budget: Budget) -> Plan:
    """The plan with the smallest charge whose every released number is within `error`, as often as its level says.

    `make` plans the program for a cost and a mechanism, "laplace" or "gaussian", of which the second needs a delta; of
    both, the one that may be asked more often of a fresh `budget` is taken. `ask` gives the delta. QueryError where no
    scale is known before the data are seen, none is small enough, or more than released numbers is asked for.
    """
    _require_plain(program)
    names = ("laplace", "gaussian") if ask.delta else ("laplace",)
    found, refused = list[Plan](), QueryError(
        f"no epsilon gives an error within {float(error):g}", hint="ask for a larger error")
    for name in names:
        try:
            plan = _nearest(make, name, ask, error)
        except QueryError as reason:
            refused = reason
        else:
            found += [plan] if plan is not None else []
    if not found:
        raise refused
    return min(found, key=lambda plan: _dear(plan, budget))


def _dear(plan: Plan, budget: Budget) -> tuple[bool, Fraction]:
    """The part of a fresh budget that a plan takes; last come those that none admits, by their rho."""
    spent = charged(plan.cost, plan.events)
    taken = part(room(budget), spent)
    return (False, taken) if taken is not None else (True, spent.rho)


def _require_plain(program: Program) -> None:
    """QueryError unless what is computed from released numbers is within what they are within.

    Names are looked at, wherever they are from: a key that is called like a number is taken for one.
    """
    items = [item for select in program.finish.find_all(exp.Select) for item in select.expressions]
    noisy = {f"a{i + 1}" for ask in program.asks for i in range(len(ask.measures))}
    while passed := {item.alias.lower() for item in items if _reads(item, noisy)} - noisy - {""}:
        noisy |= passed
    for item in items:
        bare = item.unalias()
        while isinstance(bare, KEEPING) and not any(_reads(each, noisy) for each in bare.expressions):
            bare = bare.this
        if not isinstance(bare, exp.Column | exp.Subquery) and _reads(bare, noisy):
            raise QueryError(
                "an error can be asked for counts and sums as they are released, and this answer computes with them",
                hint=f"ask for them alone and compute afterwards, or {COST}",
            )


def _reads(item: exp.Expr, names: set[str]) -> bool:
    return any(column.name.lower() in names for column in item.find_all(exp.Column))


def _nearest(make: Callable[[Cost, str], Plan], name: str, ask: Cost, error: Fraction) -> Plan | None:
    """The plan of one mechanism with the least epsilon found: noise is nearly inverse to epsilon, in whole steps.

    QueryError for what is refused at any epsilon, or has no scale known beforehand.
    """
    epsilon, best, below, step = Fraction(1), None, Fraction(0), STEP       # `below` is too little
    for _ in range(TRIES):
        try:
            plan = make(Cost(epsilon, ask.delta), name)
        except QueryError:
            if epsilon == 1:
                raise
            if epsilon > 1:
                break
            width = error * 2
        else:
            width = max((_width(statement) for statement in plan.statements), default=Fraction(0))
            if width <= error:
                best = plan
        if width > error:
            below = epsilon
        if best is not None and (best.cost.epsilon == 0 or best.cost.epsilon * NEAR <= below):
            break
        if best is None or not below:
            epsilon = (epsilon * max(width / error, Fraction(1, 1000))).limit_denominator(10**12)
            epsilon, step = epsilon * (1 + step if width > error else 1 - step), step * 2
        else:
            epsilon = Fraction(math.sqrt(best.cost.epsilon * below)).limit_denominator(10**12)
        if not LEAST < epsilon < MOST:
            break
    return best


def _width(statement: Statement) -> Fraction:
    """The largest half-width of a released number of a statement. QueryError where it depends on the data."""
    question = statement.question
    asked = zip(question.ask.measures, question.ask.places, strict=True)
    other = next(((measure.family, place) for measure, place in asked if measure.family not in PLAIN), None)
    if other is not None or (statement.spent() and not question.ask.measures):
        family, place = other or ("", None)
        raise refusal(
            "an error can be asked for counts and sums alone: what else is right to how much, only the data could tell",
            place, f"{'ask for SUM and COUNT in place of AVG, or ' * (family == 'avg')}{COST}",
        )
    if statement.opening is not None:
        raise QueryError(
            "the noise is not known beforehand, for how much one person counts is chosen from the data",
            hint=f"declare max_rows_per_group, max_groups and ranges in the policy, or {COST}",
        )
    widths = [
        Fraction(noise.reach(statement.level)) * partial.unit
        for noise, partial in zip(
            (statement.chosen.noise if each is None and statement.chosen is not None else each
             for each in statement.noises), question.partials, strict=True)
        if noise is not None
    ]
    widths += [Fraction(laplace.quantile(choice.event.scale, statement.level))
               for side in statement.sides for choice in side.choices]
    return max(widths, default=Fraction(0))
