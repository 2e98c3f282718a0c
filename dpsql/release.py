"""release: exact rows in, noisy columns out. The only step that sees exact values; they are dropped here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from dpsql.aggregates import FAMILIES, Cells, Kept, Lookup, Noisy, Released
from dpsql.aggregates.quantile import ends_at, placed, value_at
from dpsql.aggregates.shrunk import shrunk
from dpsql.answer import Clipped
from dpsql.engines.base import Rows
from dpsql.expression import SqlType
from dpsql.noise import quantile, spread
from dpsql.noise.ratio import ratio_interval
from dpsql.noise.scheme import Noise
from dpsql.side import Choice, Side
from dpsql.statement import Statement
from dpsql.tally import Share

Row = tuple[object, ...]     # keys, totals, units
Looked = tuple[Fraction, list[int], list[tuple[int, int]]]      # noise scale; by group, numbers or places; intervals


@dataclass(frozen=True, slots=True)
class ReleasedTable:
    """A noisy table: its name, columns with SQL types, and rows. Every measure has its interval beside it.

    The columns are the keys, the measures, and for measure `a1` the ends `a1_low` and `a1_high`.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: tuple[tuple[object, ...], ...]
    notes: tuple[str, ...] = ()     # what its bounds were, where they were chosen, and what they cut
    clipped: tuple[Clipped, ...] = ()       # how much that was, where it was bought
    unseen: frozenset[int] = frozenset()        # partials of its question whose size too few people spoke for


def release(statement: Statement, rows: Rows, *tables: Rows) -> ReleasedTable:
    """Adds the planned noise to every group that is released. `tables` are the rows of the statement's sides.

    Public groups are all released, those without rows with totals of 0; private ones are chosen by the selection.
    Theorem: the released table is differentially private with the events of the statement.
    Proof: exact totals reach the answer through `Noise.added` (a draw for every released cell) and `Chosen.shown`
    alone, counts of single rows through `Noise.added`, `quantile.choose` and, for an event of its own, `spread.around`
    (one draw each for every released group); which groups are listed is public or the selection's own output; groups
    come in key order, not in the engine's; the rest is post-processing. Without selected groups the noise of a private
    group is drawn only for groups shown, which the selection's event already covers.
    Needs: the statement's sensitivities; rows unique by key.
    Source: design.md, section 5.
    """
    question = statement.question
    keys = len(question.keys)
    found, units = _chosen(statement, rows.values)
    noisy = tuple(_noisy(statement, i, total, units) for i, total in enumerate(_totals(statement, found)))
    unseen = _unseen(statement, noisy, units)
    lost = {i for i in unseen if question.partials[i].loose}        # how much the cut took is not known at all
    looked = _looked(statement, tables, [named(row[:keys]) for row in found])
    cells: list[Sequence[object]] = [[row[i] for row in found] for i in range(keys)]
    ends: list[Sequence[object]] = []
    for i, (measure, uses) in enumerate(zip(question.ask.measures, question.uses, strict=True)):
        lookup, type_ = question.lookups[i], question.types[i]
        if lookup is None:
            partials = tuple(question.partials[use] for use in uses)
            released = FAMILIES[measure.family].finish(partials, tuple(noisy[use] for use in uses), type_)
            if not lost.isdisjoint(uses):
                released = _bare(released.values)
        else:
            released = _read(looked[lookup], lookup, type_, statement.level)
        cells.append(released.values)
        ends += [released.lows, released.highs]
    return ReleasedTable(
        question.ask.name, statement.released, tuple(zip(*cells, *ends, strict=True)) if cells else (), unseen=unseen,
    )


def _unseen(statement: Statement, noisy: Sequence[Noisy], units: Sequence[int]) -> frozenset[int]:
    """The partials that need more contributions than noisy totals show: a total of n times the bound has at least n."""
    if not any(statement.needs):
        return frozenset()
    bounds = [most // statement.groups for most in statement.sensitivities]
    seen = [abs(sum(each.values)) / bound for each, bound in zip(noisy, bounds, strict=True) if bound]
    return frozenset(i for i, need in enumerate(statement.needs) if need > max([*seen, float(sum(units))]))


def shares(statement: Statement, tables: Sequence[Rows]) -> tuple[Share, ...]:
    """How much the guards of a statement cut; `tables` are the rows of its tallies.

    Theorem: it is differentially private with the events of the tallies.
    Proof: each exact count reaches a share through `Noise.added` alone; the rest is post-processing.
    Needs: the sensitivities of `dpsql.tally._tally`.
    Source: design.md, section 5.
    """
    found = []
    for tally, rows in zip(statement.tallies, tables, strict=True):
        counted = inside(statement, rows.values) if tally.keys else rows.values
        *cut, every = (sum(steps(row[tally.keys + i], 0) for row in counted) for i in range(len(tally.cuts) + 1))
        scales = tally.changed.scale, tally.every.scale
        noisy, (many,) = Noise(False, scales[0]).added(cut), Noise(False, scales[1]).added([every])
        # a share lies in [0, 1]: what is moved there is no farther from any such share of `many`
        changed = [sorted((0, some, many))[1] for some in noisy]
        lows, highs = ratio_interval(changed, [many] * len(cut), *scales, 1.0, statement.level)
        for guard, some, low, high in zip(tally.cuts, changed, lows, highs, strict=True):
            least = max(0.0, float(low))
            found.append(Share(guard, tally.whose, some / many if many > 0 else least, least, float(high)))
    return tuple(found)


def inside(statement: Statement, rows: Sequence[Row]) -> list[Row]:
    """The rows of public groups: what stands elsewhere is nobody's to count."""
    keys = len(statement.question.keys)
    assert statement.domain is not None, "counts by group have public groups"
    public = {named(group) for group in statement.domain}
    return [row for row in rows if named(row[:keys]) in public]


def _looked(statement: Statement, tables: Sequence[Rows], groups: list[Row]) -> dict[Lookup, Looked]:
    """For each lookup its noise scale, and by released group a noisy count or the place chosen, with its interval."""
    looked: dict[Lookup, Looked] = {}
    for side, rows in zip(statement.sides, tables, strict=True):
        grid = side.choices[0].lookups[0].grid
        if side.table.kept is Kept.BINS:
            looked |= _bins(side.choices[0], rows.values, groups)
            continue
        if grid is None:
            counts = {named(row[:-1]): row[-1] for row in rows.values}
            exact = [steps(counts.get(group), 0) for group in groups]
            looked |= {
                lookup: (choice.event.scale, Noise(False, choice.event.scale).added(exact), [])
                for choice in side.choices for lookup in choice.lookups
            }
            continue
        histograms = _histograms(side, grid, rows.values, groups)
        for choice in side.choices:
            assert choice.rank is not None, "a value of a grid is chosen by rank"
            places = [quantile.choose(each, grid.low, grid.high, choice.rank) for each in histograms]
            ends = [] if choice.spread is None else [
                spread.around(each, grid.low, grid.high, place, choice.spread[0], statement.level)
                for each, place in zip(histograms, places, strict=True)
            ]
            looked |= dict.fromkeys(choice.lookups, (choice.event.scale, places, ends))
    return looked


def _bins(choice: Choice, rows: Sequence[Row], groups: list[Row]) -> dict[Lookup, Looked]:
    """A noisy count of rows for every bin of every released group, empty ones too."""
    counts = {(named(row[:-2]), row[-2]): row[-1] for row in rows}
    noise = Noise(False, choice.event.scale)
    return {
        lookup: (noise.scale, noise.added([steps(counts.get((group, lookup.bin)), 0) for group in groups]), [])
        for lookup in choice.lookups
    }


def _histograms(side: Side, grid: Cells, rows: Sequence[Row], groups: list[Row]) -> list[quantile.Histogram]:
    """The rows of each group by place."""
    keys = len(side.table.keys)
    index = {group: i for i, group in enumerate(groups)}
    of = np.array([_at(index, row[:keys]) for row in rows], dtype=np.int64)
    cells, *counts = zip(*(row[keys:] for row in rows), strict=True) if rows else ((), (), (), ())
    numbers = np.array([placed(grid, cells), *counts][: 4 if side.near else 2], dtype=np.int64)
    order = np.lexsort((*numbers[2:3], numbers[0], of))     # cells at one place in the order of their rows
    ends = np.searchsorted(of[order], np.arange(len(groups) + 1))
    numbers = numbers[:, order]
    return [_histogram(numbers[:, start:end]) for start, end in pairwise(ends)]


def _at(index: dict[Row, int], key: Row) -> int:
    """The place of a group; -1 for one that is not released."""
    found = index.get(key)
    return index.get(named(key), -1) if found is None else found


def _histogram(numbers: quantile.Integers) -> quantile.Histogram:
    """The histogram of places and rows there, or of those near the ranks wanted, with rows up to each and all.

    Several cells may stand at one place: the ends of the grid.
    """
    places, rows = numbers[0], numbers[1]
    if not places.size:
        return quantile.histogram((), ())
    upto, total = numbers[2:] if len(numbers) > 2 else (np.cumsum(rows), np.sum(rows, keepdims=True))
    first = np.flatnonzero(np.diff(places, prepend=places[0] - 1))
    last = np.append(first[1:], places.size) - 1
    return quantile.Histogram(places[first], (upto - rows)[first], upto[last], int(total[0]))


def _read(found: Looked, lookup: Lookup, type_: SqlType, level: float) -> Released:
    """The released column of a lookup. A value chosen by rank has the interval that was bought, or none: the data
    between ranks are private."""
    scale, values, ends = found
    if lookup.grid is None:
        return FAMILIES["count"].finish((), (Noisy(values, Noise(False, scale), Fraction(1), level),), type_)
    shown = [value_at(place, lookup.grid, type_) for place in values]
    if not ends:
        return _bare(shown)
    pairs = [ends_at(first, last, lookup.grid, type_) for first, last in ends]
    return Released(shown, [low for low, _ in pairs], [high for _, high in pairs])


def _bare(values: Sequence[object]) -> Released:
    """Values without intervals."""
    nothing: list[object] = [None] * len(values)
    return Released(values, nothing, nothing)


def named(key: Row) -> Row:
    """A key that equals itself: NaN has a name, whatever object holds it."""
    return tuple(_NAN if value != value else value for value in key)


_NAN = object()


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
    assert statement.chosen is not None, "private groups are selected"
    shown = statement.chosen.shown([steps(row[-1], 0) for row in rows])
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
        totals.append([steps(row[-1 if constant else place], scale) for row in found])
        place += not constant
    return totals


def steps(value: object, scale: int) -> int:
    if isinstance(value, int):
        return value
    if isinstance(value, Decimal):
        numerator, denominator = value.as_integer_ratio()
        return int(numerator * 10**scale // denominator)
    assert value is None, "totals are exact numbers"
    return 0


def _noisy(statement: Statement, index: int, exact: list[int], units: list[int]) -> Noisy:
    noise, partial = statement.noises[index], statement.question.partials[index]
    if noise is None:
        assert statement.chosen is not None, "a partial without noise is the selection's own count"
        return Noisy(units, statement.chosen.noise, partial.unit, statement.level)
    values = noise.added(exact)
    if not partial.first:
        return Noisy(values, noise, partial.unit, statement.level)
    assert statement.chosen is not None, "the first row of each unit is the selection's own count"
    both = [beyond + first for beyond, first in zip(values, units, strict=True)]
    together = noise.plus(statement.chosen.noise, statement.level)
    near = shrunk(values, units, noise.deviation, together.reach(statement.level))
    best = [beyond + first for beyond, first in zip(near, units, strict=True)]
    return Noisy(both, together, partial.unit, statement.level, best)
