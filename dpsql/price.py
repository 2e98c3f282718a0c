"""price: the cheapest plan whose 95 % intervals are as narrow as asked, from public noise scales alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from dpsql.budget.events import Cost
from dpsql.errors import QueryError
from dpsql.plan import Plan
from dpsql.statement import Statement

PLAIN = frozenset({"count", "units", "sum"})    # measures whose interval is the noise's own
TRIES = 14                                      # plans made for one mechanism, each nearer
NEAR, STEP = Fraction(998, 1000), Fraction(1, 250)      # of the least epsilon: near enough, and the first step past it
LEAST, MOST = Fraction(1, 10**9), Fraction(10**6)


def priced(make: Callable[[Cost, str], Plan], ask: Cost, error: Fraction) -> Plan:
    """The plan with the smallest charge whose every released number is within `error`, 19 times in 20.

    `make` plans the query for a cost and a mechanism, "laplace" or "gaussian"; of both, the one that costs less under
    zCDP is taken where there is a delta, else Laplace. `ask` gives the delta. QueryError where no scale is known before
    the data are seen, or none is small enough.
    """
    names = ("laplace", "gaussian") if ask.delta else ("laplace",)
    found = [plan for name in names if (plan := _nearest(make, name, ask, error)) is not None]
    if not found:
        raise QueryError(f"no epsilon gives an error within {float(error):g}", hint="ask for a larger error")
    return min(found, key=lambda plan: sum(event.rho for each in plan.statements for event in each.spent()))


def _nearest(make: Callable[[Cost, str], Plan], name: str, ask: Cost, error: Fraction) -> Plan | None:
    """The plan of one mechanism with the least epsilon found: noise is nearly inverse to epsilon, in whole steps."""
    epsilon, best, below, step = Fraction(1), None, Fraction(0), STEP       # `below` is too little
    for _ in range(TRIES):
        try:
            plan = make(Cost(epsilon, ask.delta), name)
        except QueryError:
            if epsilon >= 1:
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
    families = {measure.family for measure in question.ask.measures}
    if not families <= PLAIN or question.tables:
        raise QueryError("an error can be asked for counts and sums alone", hint="say what the query may cost: epsilon")
    if statement.opening is not None:
        raise QueryError(
            "the noise is not known beforehand, for how much one person counts is chosen from the data",
            hint="declare max_rows_per_group, max_groups and ranges in the policy, or say what the query may cost",
        )
    return max((
        Fraction(noise.reach(statement.level)) * partial.unit
        for noise, partial in zip(
            (statement.chosen.noise if each is None and statement.chosen is not None else each
             for each in statement.noises), question.partials, strict=True)
        if noise is not None
    ), default=Fraction(0))
