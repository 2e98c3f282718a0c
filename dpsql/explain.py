"""explain: a plan in words and SQL, for people and for the grammar pages. Touches no data."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import sqlglot

from dpsql.noise import laplace, selection
from dpsql.plan import Plan, Statement
from dpsql.relation import CapGroups, Project, Relation


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a query would do: bounds of every question, the SQL that would run, the finish, the cost."""

    bounds: str
    rewritten: str
    finish: str
    cost: str
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        warnings = "".join(f"\nwarning: {warning}" for warning in self.warnings)
        if not self.bounds:
            return f"public tables only: exact and free\n\nfinish\n{_indented(self.finish)}{warnings}"
        return (
            f"{self.bounds}\n\nrewritten\n{_indented(self.rewritten)}\n\nfinish\n{_indented(self.finish)}\n\n"
            f"{self.cost}{warnings}"
        )


def explain(plan: Plan) -> Explanation:
    """The explanation of a plan. Pure."""
    cost = f"cost: epsilon {show(plan.cost.epsilon)}, delta {show(plan.cost.delta)}"
    return Explanation(
        "\n".join(_bounds(statement) for statement in plan.statements),
        "\n;\n".join(_pretty(statement.sql) for statement in plan.statements),
        _pretty(plan.finish), cost, plan.warnings,
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
        event = statement.events[i]
        users = ", ".join(
            f"a{j + 1} {measure.family.upper()}" for j, measure in enumerate(question.ask.measures)
            if i in question.uses[j]
        )
        linf = Fraction(statement.sensitivities[i], statement.groups) * partial.unit
        name = f"  p{i + 1} ({users}): at most {show(linf)} per unit and group"
        if event is None:
            lines.append(f"{name}, released by the selection")
        else:
            margin = laplace.quantile(event.scale) * partial.unit
            lines.append(
                f"{name}, noise scale {show(event.scale * partial.unit)}, 95 % within ±{show(margin)}"
            )
    return "\n".join(lines)


def _groups(statement: Statement) -> str:
    if statement.domain is not None:
        return f"{len(statement.domain)} public, all shown"
    event = statement.selection
    assert event is not None, "private groups are selected"
    asked = (event.epsilon, event.delta, statement.groups, statement.min_units)
    half, most = (selection.expected_visible(*asked, probability=p) for p in (0.5, 0.95))
    return f"private, shown by chance: half of those with {half} units, 95 % of those with {most}"


def _limits(statement: Statement) -> str:
    cap = _cap(statement.question.guarded)
    groups = f"{statement.groups} group{'s' * (statement.groups != 1)} ({'capped' if cap else 'by the facts'})"
    rows, capped = statement.question.rows, statement.question.capped
    return f"{groups}, {rows} row{'s' * (rows != 1)} a group ({'scaled down above' if capped else 'by the facts'})"


def _cap(relation: Relation) -> CapGroups | None:
    while isinstance(relation, Project):
        relation = relation.source
    return relation if isinstance(relation, CapGroups) else None


def _pretty(sql: str) -> str:
    return sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


