"""release: exact rows in, noisy columns out. The only step that sees exact values; they are dropped here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from dpsql.aggregates import FAMILIES, Noisy
from dpsql.engines.base import Rows
from dpsql.noise import laplace, selection
from dpsql.plan import Statement

Group = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class ReleasedTable:
    """A noisy table: its name, columns with SQL types, and rows. Every measure has its 95 % interval beside it.

    The columns are the keys, the measures, and for measure `a1` the ends `a1_low` and `a1_high`.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[object, ...], ...]


def release(statement: Statement, rows: Rows) -> ReleasedTable:
    """Adds the planned noise to every group that is released.

    Public groups are all released, those without rows with totals of 0; private ones are chosen by the selection.
    Theorem: the released table is differentially private with the events of the statement.
    Proof: exact totals reach the answer through `laplace.sample` (added to every released cell) and
    `selection.select` alone; which groups are listed is public or the selection's own output; groups come in key
    order, not in the engine's; the rest is post-processing. Without selected groups the noise of a private group is
    drawn only for groups shown, which the selection's event already covers.
    Needs: the statement's sensitivities; rows unique by key.
    Source: design.md, section 5.
    """
    keys = len(statement.question.keys)
    exact = _exact(statement, rows)
    groups, units = _chosen(statement, exact)
    totals = _totals(statement, groups, exact)
    noisy = tuple(
        _noisy(statement, i, values, units) for i, values in enumerate(totals)
    )
    columns = list(statement.columns)
    cells: list[Sequence[object]] = [[group[i] for group in groups] for i in range(keys)]
    ends: list[Sequence[object]] = []
    for i, (measure, uses) in enumerate(zip(statement.question.ask.measures, statement.question.uses, strict=True)):
        partials = tuple(statement.question.partials[use] for use in uses)
        type_ = statement.question.types[i]
        released = FAMILIES[measure.family].finish(partials, tuple(noisy[use] for use in uses), type_)
        cells.append(released.values)
        ends += [released.lows, released.highs]
        columns += [(f"a{i + 1}_low", str(type_)), (f"a{i + 1}_high", str(type_))]
    return ReleasedTable(
        statement.question.ask.name, tuple(columns), tuple(zip(*cells, *ends, strict=True)) if columns else ()
    )


def _exact(statement: Statement, rows: Rows) -> dict[Group, list[int]]:
    """Per group its totals in steps, then its units; SUM over no rows is NULL, and counts as 0."""
    keys = len(statement.question.keys)
    totals = zip(statement.question.totals, statement.constant, strict=True)
    scales = [*(column.type.scale for column, same in totals if not same), 0]
    return {
        row[:keys]: [_steps(value, scale) for value, scale in zip(row[keys:], scales, strict=True)]
        for row in rows.values
    }


def _steps(value: object, scale: int) -> int:
    match value:
        case int():
            return value
        case Decimal():
            numerator, denominator = value.as_integer_ratio()
            return int(numerator * 10**scale // denominator)
        case _:
            assert value is None, "totals are exact numbers"
            return 0


def _chosen(statement: Statement, exact: dict[Group, list[int]]) -> tuple[list[Group], list[int]]:
    """The groups that are released, in key order, and for private ones their noisy unit counts."""
    if statement.domain is not None:
        return list(statement.domain), []
    event = statement.selection
    assert event is not None, "private groups are selected"
    ordered = sorted(exact, key=_order)
    shown = selection.select(
        [exact[group][-1] for group in ordered], event.epsilon, event.delta, statement.groups, statement.min_units
    )
    kept = [(group, count) for group, count in zip(ordered, shown, strict=True) if count is not None]
    return [group for group, _ in kept], [count for _, count in kept]


def _order(group: Group) -> tuple[tuple[bool, object], ...]:
    """Keys sort by value, NULL last, NaN before it."""
    return tuple((True, 1) if key is None else (True, 0) if key != key else (False, key) for key in group)


def _totals(statement: Statement, groups: list[Group], exact: dict[Group, list[int]]) -> list[list[int]]:
    """The exact total of each partial in each released group."""
    nothing = [0] * (len(statement.constant) - sum(statement.constant) + 1)
    found = [exact.get(group, nothing) for group in groups]
    totals, place = [], 0
    for constant in statement.constant:
        totals.append([row[-1 if constant else place] for row in found])
        place += not constant
    return totals


def _noisy(statement: Statement, index: int, exact: list[int], units: list[int]) -> Noisy:
    event = statement.events[index]
    partial = statement.question.partials[index]
    if event is None:
        assert statement.selection is not None, "a partial without an event is the selection's own count"
        return Noisy(units, Fraction(statement.groups) / statement.selection.epsilon, partial.unit)
    noise = laplace.sample(event.scale, len(exact))
    return Noisy([value + z for value, z in zip(exact, noise, strict=True)], event.scale, partial.unit)
