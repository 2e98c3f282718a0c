"""explain: a plan in words and SQL, for people and for the grammar pages. Touches no data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import sqlglot

from dpsql.budget.events import Event
from dpsql.noise import laplace, quantile
from dpsql.noise.normal import normal_reach
from dpsql.noise.scheme import Noise
from dpsql.plan import Plan
from dpsql.probe import LIMITS, cap_of, kept_counted
from dpsql.side import Choice, Side
from dpsql.statement import Opening, Statement
from dpsql.tally import Cut, Guard, Tally


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
        if statement.opening is not None and noise is not None:
            lines.append(f"  p{i + 1} ({users}): {_open(statement, statement.opening, i, noise)}")
        elif noise is None:
            lines.append(f"{name}, released by the selection")
        else:
            margin, kind = noise.reach(statement.level) * partial.unit, "Gaussian noise" if noise.gaussian else "noise"
            scale = show(noise.steps * partial.unit)
            lines.append(f"{name}, {kind} scale {scale}, {_sure(statement)} within ±{show(margin)}")
    lines += [line for i, side in enumerate(statement.sides) for line in _side(f"t{i + 1}", side, statement)]
    lines += [_shares(tally) for tally in statement.tallies]
    return "\n".join(lines)


def _open(statement: Statement, opening: Opening, i: int, noise: Noise) -> str:
    """A partial of which something is still to be chosen: t, what a unit adds, or C, the groups it touches."""
    partial, rungs = statement.question.partials[i], opening.probe.rungs[i]
    linf = Fraction(statement.sensitivities[i], statement.groups) * partial.unit
    miss = 1 - statement.level
    kind, reach = ("Gaussian noise", normal_reach(miss / 2)) if noise.gaussian else ("noise", -math.log(miss))
    free = "" if opening.probe.cap is None else " sqrt(C)" if noise.gaussian else " C"
    size = noise.steps if rungs is not None else noise.steps * linf
    margin = Fraction(reach * float(size)).limit_denominator(10**6)
    times = f"{' t' if rungs is not None else ''}{free}"
    noisy = f"{kind} scale {show(size)}{times}, {_sure(statement)} within ±{show(margin)}{times}"
    noisy += ", or Laplace noise where that is less" * (opening.prefer is None and bool(free))
    if rungs is None:
        return f"at most {show(linf)} per unit and group, {noisy}"
    ends = f"{show(rungs[0] * partial.unit)} to {show(rungs[-1] * partial.unit)}"
    beyond = " beyond the first row" if partial.first else ""
    return f"at most t per unit and group{beyond}, t chosen from {ends} (epsilon {show(opening.probe.width)}), {noisy}"


def _texts(statement: Statement) -> list[str]:
    opening = statement.opening
    first = [] if opening is None else [sql for sql in (opening.sql, *(
        kept_counted(statement.question.tables[i], opening.catalog)[0] for i in opening.probe.tables)) if sql]
    # then the totals follow from what was counted
    keyed = opening is not None and opening.probe.keyed and bool(opening.probe.searched)
    sides, counted = [side.sql for side in statement.sides], [tally.sql for tally in statement.tallies]
    rest = ("" if keyed else statement.sql, *sides, *counted)
    return [*first, *(sql for sql in rest if sql)]


def _side(name: str, side: Side, statement: Statement) -> Iterator[str]:
    """What is taken from the counts of single rows."""
    one, _, where = side.table.kept.value.partition(" in ")
    rows = f"{side.rows} {one}{'s' * (side.rows != 1)}{' in ' * bool(where)}{where}"
    for choice in side.choices:
        users = ", ".join(
            f"a{j + 1} {measure.family.upper()}" for j, measure in enumerate(statement.question.ask.measures)
            if statement.question.lookups[j] in choice.lookups
        )
        if len(choice.lookups) > 1:
            users = f"{users.split()[0]} to {users.split(', ')[-1]}"
        grid = choice.lookups[0].grid
        if side.table.open and statement.opening is not None:
            yield f"  {name} ({users}): {_open_rows(side, statement, statement.opening, choice.event)}"
            continue
        first = f"  {name} ({users}): at most {rows} per unit and group"
        if choice.rank is None or grid is None:
            margin = laplace.quantile(choice.event.scale, statement.level)
            yield f"{first}, noise scale {show(choice.event.scale)}, {_sure(statement)} within ±{margin}"
        else:
            reach = math.ceil(quantile.reach(choice.rank, grid.places))
            within = f"95 % within {reach} rank{'s' * (reach != 1)} of {_wanted(choice.rank)}"
            yield f"{first}, one of {grid.places} values, {within}{_around(choice, statement.level)}"


def _open_rows(side: Side, statement: Statement, opening: Opening, event: Event) -> str:
    """Rows that are counted by value, where X, how many of a unit, is still to be chosen."""
    times = f"X{' C' if opening.probe.cap is not None else '' if side.groups == 1 else f' {side.groups}'}"
    scale, reach = event.scale, -math.log(1 - statement.level)
    margin = Fraction(reach * float(scale)).limit_denominator(10**6)
    one, _, where = side.table.kept.value.partition(" in ")
    chosen = f"X chosen from {LIMITS[1]} to {LIMITS[-1]} (epsilon {show(opening.probe.width)})"
    return (f"at most X {one}s{' in ' * bool(where)}{where} per unit and group, {chosen}, "
            f"noise scale {show(scale)} {times}, {_sure(statement)} within ±{show(margin)} {times}")


def _shares(tally: Tally) -> str:
    """What is counted to tell how much is cut, where that is bought."""
    cost = sum((event.epsilon for event in tally.spent()), Fraction(0))
    return f"  quality: shares of {tally.whose} changed by {', '.join(map(_guard, tally.cuts))} (epsilon {show(cost)})"


def _guard(cut: Cut) -> str:
    names = {Guard.SIZE: f"the clip of p{cut.place + 1}", Guard.KEPT: f"the limit on the rows of t{cut.place + 1}"}
    return names.get(cut.guard, cut.guard.value)


def _sure(statement: Statement) -> str:
    return f"{100 * statement.level:g} %"


def _around(choice: Choice, level: float) -> str:
    """The interval around a value chosen by rank, where it is bought."""
    if choice.spread is None:
        return ""
    spread, _ = choice.spread
    held = math.ceil(Fraction(spread.aim(level), spread.rank.steps))
    return f"; {100 * level:g} % interval: one of {len(spread.widths)}, some {held} ranks either way"


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
    times = "" if statement.opening is None or statement.opening.probe.cap is None else ", and more as C grows"
    return f"private, shown by chance: half of those with {half} units, 95 % of those with {most}{times}"


def _limits(statement: Statement) -> str:
    cap = cap_of(statement.question.guarded)
    groups = f"{statement.groups} group{'s' * (statement.groups != 1)} ({'capped' if cap else 'by the facts'})"
    if statement.opening is not None and statement.opening.probe.cap is not None:
        groups = f"C groups (capped), C chosen from 1 to {cap.limit if cap else 1} " \
                 f"(epsilon {show(statement.opening.probe.width)})"
    if not statement.question.partials:
        return groups
    rows, capped = statement.question.rows, statement.question.capped
    if rows is None:
        return f"{groups}, any number of rows a group"
    return f"{groups}, {rows} row{'s' * (rows != 1)} a group ({'scaled down above' if capped else 'by the facts'})"


def _pretty(sql: str) -> str:
    return sqlglot.transpile(sql, read="duckdb", write="duckdb", pretty=True)[0]


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


