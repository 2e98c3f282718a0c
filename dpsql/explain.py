"""explain: a plan in words and SQL, for people and for the grammar pages. Touches no data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import sqlglot

from dpsql.noise import laplace, quantile
from dpsql.plan import Plan
from dpsql.statement import Side, Statement
from dpsql.warn import cap_of


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a query would do: bounds of every question, the SQL that would run, the finish (before it, what earlier
    questions feed to later ones), the cost."""

    bounds: str
    rewritten: str
    finish: str
    cost: str
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        warnings = "".join(f"\nwarning: {warning}" for warning in self.warnings)
        if not self.bounds:
            return f"public tables only: exact and free\n\nfinish\n{_indented(self.finish)}{warnings}"
        rewritten = f"\n\nrewritten\n{_indented(self.rewritten)}" if self.rewritten else ""
        return f"{self.bounds}{rewritten}\n\nfinish\n{_indented(self.finish)}\n\n{self.cost}{warnings}"


def explain(plan: Plan) -> Explanation:
    """The explanation of a plan. Pure."""
    cost = f"cost: epsilon {show(plan.cost.epsilon)}, delta {show(plan.cost.delta)}"
    return Explanation(
        "\n".join(_bounds(statement) for statement in plan.statements),
        "\n;\n".join(_pretty(sql) for statement in plan.statements for sql in _texts(statement)),
        "\n;\n".join(_pretty(sql) for sql in (*plan.feeds, plan.finish)), cost, plan.warnings,
    )


def show(value: Fraction) -> str:
    """A number as people write it; six significant digits."""
    number = float(value)
    if value.denominator == 1:
        return str(value.numerator)
    return f"{number:.0f}" if 1e6 <= abs(number) < 1e15 else f"{number:.6g}"


def _bounds(statement: Statement) -> str:
    question = statement.question
    lines = [f"question {question.ask.name}"]
    if question.keys:
        lines.append(f"  groups: {_groups(statement)}")
    lines.append(f"  per unit: {_limits(statement)}")
    for i, partial in enumerate(question.partials):
        noise = statement.noises[i]
        users = ", ".join(
            f"a{j + 1} {measure.family.upper()}" for j, measure in enumerate(question.ask.measures)
            if i in question.uses[j]
        )
        linf = Fraction(statement.sensitivities[i], statement.groups) * partial.unit
        name = f"  p{i + 1} ({users}): at most {show(linf)} per unit and group"
        if noise is None:
            lines.append(f"{name}, released by the selection")
        else:
            margin, kind = noise.reach() * partial.unit, "Gaussian noise" if noise.gaussian else "noise"
            lines.append(f"{name}, {kind} scale {show(noise.steps * partial.unit)}, 95 % within ±{show(margin)}")
    lines += [line for i, side in enumerate(statement.sides) for line in _side(f"t{i + 1}", side, statement)]
    return "\n".join(lines)


def _texts(statement: Statement) -> list[str]:
    return [sql for sql in (statement.sql, *(side.sql for side in statement.sides)) if sql]


def _side(name: str, side: Side, statement: Statement) -> Iterator[str]:
    """What is taken from the counts of single rows."""
    rows = f"{side.rows} {side.table.kept.value}{'s' * (side.rows != 1)}"
    for choice in side.choices:
        users = ", ".join(
            f"a{j + 1} {measure.family.upper()}" for j, measure in enumerate(statement.question.ask.measures)
            if statement.question.lookups[j] == choice.lookup
        )
        first = f"  {name} ({users}): at most {rows} per unit and group"
        if choice.rank is None or choice.lookup.grid is None:
            margin = laplace.quantile(choice.event.scale)
            yield f"{first}, noise scale {show(choice.event.scale)}, 95 % within ±{margin}"
        else:
            places = choice.lookup.grid.places
            reach = math.ceil(quantile.reach(choice.rank, places))
            within = f"95 % within {reach} rank{'s' * (reach != 1)} of {_wanted(choice.rank)}"
            yield f"{first}, one of {places} values, {within}"


def _wanted(rank: quantile.Rank) -> str:
    if rank.margin is None:
        return f"the fraction {show(rank.fraction)}"
    margin = f"row {math.ceil(rank.margin)} from the"
    return f"{margin} {'first' if rank.fraction < Fraction(1, 2) else 'last'}"


def _groups(statement: Statement) -> str:
    if statement.domain is not None:
        return f"{len(statement.domain)} public, all shown"
    assert statement.chosen is not None, "private groups are selected"
    half, most = (statement.chosen.visible(p) for p in (0.5, 0.95))
    return f"private, shown by chance: half of those with {half} units, 95 % of those with {most}"


def _limits(statement: Statement) -> str:
    cap = cap_of(statement.question.guarded)
    groups = f"{statement.groups} group{'s' * (statement.groups != 1)} ({'capped' if cap else 'by the facts'})"
    if not statement.question.partials:
        return groups
    rows, capped = statement.question.rows, statement.question.capped
    return f"{groups}, {rows} row{'s' * (rows != 1)} a group ({'scaled down above' if capped else 'by the facts'})"


def _pretty(sql: str) -> str:
    return sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


