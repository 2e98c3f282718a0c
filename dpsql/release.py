"""release: exact rows in, noisy columns out. The only step that sees exact values; they are dropped here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from dpsql.aggregates import FAMILIES, Noisy
from dpsql.engines.base import Rows
from dpsql.noise import laplace, selection
from dpsql.plan import Statement

Row = tuple[object, ...]     # keys, totals, units


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
    found, units = _chosen(statement, rows.values)
    noisy = tuple(_noisy(statement, i, total, units) for i, total in enumerate(_totals(statement, found)))
    cells: list[Sequence[object]] = [[row[i] for row in found] for i in range(keys)]
    ends: list[Sequence[object]] = []
    for i, (measure, uses) in enumerate(zip(statement.question.ask.measures, statement.question.uses, strict=True)):
        partials = tuple(statement.question.partials[use] for use in uses)
        type_ = statement.question.types[i]
        released = FAMILIES[measure.family].finish(partials, tuple(noisy[use] for use in uses), type_)
        cells.append(released.values)
        ends += [released.lows, released.highs]
    return ReleasedTable(
        statement.question.ask.name, statement.released, tuple(zip(*cells, *ends, strict=True)) if cells else ()
    )


def _chosen(statement: Statement, rows: Sequence[Row]) -> tuple[list[Row], list[int]]:
    """The rows of the groups that are released, in key order, and for private groups their noisy unit counts.

    Public groups without rows have a row of zeros; rows outside the domain are passed over.
    """
    keys = len(statement.question.keys)
    if statement.domain is not None:
        nothing = (0,) * (len(statement.constant) - sum(statement.constant) + 1)
        exact = {row[:keys]: row[keys:] for row in rows}
        # the domain's own value, not the row's equal one: 0.0 beside -0.0 would tell whether the group is empty
        return [(*group, *exact.get(group, nothing)) for group in statement.domain], []
    event = statement.selection
    assert event is not None, "private groups are selected"
    counts = [row[-1] for row in rows]
    shown = selection.select(counts, event.epsilon, event.delta, statement.groups, statement.min_units)  # type: ignore[arg-type]
    kept = [(row, count) for row, count in zip(rows, shown, strict=True) if count is not None]
    kept.sort(key=_order(keys, [row for row, _ in kept]))
    return [row for row, _ in kept], [count for _, count in kept]


def _order(keys: int, rows: list[Row]) -> Callable[[tuple[Row, int]], Any]:
    """How rows sort: by key, NULL last, NaN before it."""
    if all(value is not None and value == value for row in rows for value in row[:keys]):
        return lambda pair: pair[0][:keys]
    return lambda pair: tuple(
        (True, 1) if key is None else (True, 0) if key != key else (False, key) for key in pair[0][:keys]
    )


def _totals(statement: Statement, found: list[Row]) -> list[list[int]]:
    """The exact total of each partial in each released group, in steps; SUM over no rows is NULL, and counts as 0."""
    totals, place = [], len(statement.question.keys)
    for column, constant in zip(statement.question.totals, statement.constant, strict=True):
        scale = 0 if constant else column.type.scale
        totals.append([_steps(row[-1 if constant else place], scale) for row in found])
        place += not constant
    return totals


def _steps(value: object, scale: int) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        numerator, denominator = value.as_integer_ratio()
        return int(numerator * 10**scale // denominator)
    assert value is None, "totals are exact numbers"
    return 0


def _noisy(statement: Statement, index: int, exact: list[int], units: list[int]) -> Noisy:
    event = statement.events[index]
    partial = statement.question.partials[index]
    if event is None:
        assert statement.selection is not None, "a partial without an event is the selection's own count"
        return Noisy(units, Fraction(statement.groups) / statement.selection.epsilon, partial.unit)
    noise = laplace.sample(event.scale, len(exact))
    return Noisy([value + z for value, z in zip(exact, noise, strict=True)], event.scale, partial.unit)
