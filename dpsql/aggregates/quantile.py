"""MEDIAN, QUANTILE_CONT, QUANTILE_DISC, MIN and MAX: a value of a public grid, chosen by rank (`noise.quantile`).

No stored value is ever released: what is chosen is a place of the grid, near the rank wanted. MIN and MAX look at one
row of each unit, its smallest or largest, which changes nothing of what they mean and bounds a unit at one row.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from dpsql.aggregates.base import Cells, Given, Kept, Lookup, Tabled
from dpsql.aggregates.sum import exactly
from dpsql.expression import DOUBLE, TIMESTAMP, Kind, Lit, SqlType
from dpsql.program import Measure

EPOCH = datetime.datetime(1970, 1, 1)


def _lookup(kept: Kept, fraction: Fraction | None) -> Callable[[Measure, Given], Lookup]:
    """The value at a fraction of the rows; None: the fraction the measure states."""

    def lookup(measure: Measure, given: Given) -> Lookup:
        assert measure.arg is not None, "a quantile has an argument"
        grid = given.cells(measure.arg)
        return Lookup(kept, grid.row, grid, _stated(measure) if fraction is None else fraction)

    return lookup


def _stated(measure: Measure) -> Fraction:
    (stated,) = measure.more
    assert isinstance(stated, Lit) and isinstance(stated.value, int | float | Decimal), "the fraction is a literal"
    return Fraction(str(stated.value))


def _same(measure: Measure) -> SqlType:
    assert measure.arg is not None, "a quantile has an argument"
    return measure.arg.type


def _between(measure: Measure) -> SqlType:
    """The type of what may lie between two values."""
    type_ = _same(measure)
    match type_.kind:
        case Kind.INTEGER:
            return DOUBLE
        case Kind.DATE:
            return TIMESTAMP
        case _:
            return type_


TABLED = {
    "min": Tabled(_lookup(Kept.SMALLEST, Fraction(0)), _same),
    "max": Tabled(_lookup(Kept.LARGEST, Fraction(1)), _same),
    "quantile_cont": Tabled(_lookup(Kept.ROWS, None), _between),
    "quantile_disc": Tabled(_lookup(Kept.ROWS, None), _same),
}


def placed(grid: Cells, cells: Sequence[object]) -> Sequence[int]:
    """The places of what was fetched; a cell outside the grid stands at its end."""
    if grid.row.type.kind is Kind.INTEGER:
        return [min(grid.high, max(grid.low, int(cell))) for cell in cells]  # type: ignore[call-overload]
    places = []
    for cell in cells:
        assert isinstance(cell, datetime.date | Decimal), "a cell is an integer, a decimal or a date"
        number = _days(cell) if isinstance(cell, datetime.date) else Fraction(cell)
        places.append(min(grid.high, max(grid.low, math.floor(number / grid.unit))))
    return places


def value_at(place: int, grid: Cells, type_: SqlType) -> object:
    """The value that a place stands for, in the type of the released column."""
    number = place * grid.unit if grid.doubling is None else _power(place, grid.unit, grid.doubling)
    match type_.kind:
        case Kind.INTEGER:
            return round(_held(number, type_))
        case Kind.DECIMAL:
            return exactly(round(_held(number, type_) * 10**type_.scale), type_.scale)
        case Kind.DATE:
            return (EPOCH + datetime.timedelta(days=int(number))).date()
        case Kind.TIMESTAMP:
            return EPOCH + datetime.timedelta(microseconds=int(number * 86_400_000_000))
        case _:
            return float(number)


def ends_at(first: int, last: int, grid: Cells, type_: SqlType) -> tuple[object, object]:
    """The ends of an interval of places; a place further where one stands for more values than its own."""
    exact = grid.type.kind in (Kind.INTEGER, Kind.DECIMAL) and grid.unit == Fraction(1, 10**grid.type.scale)
    more = 0 if grid.type.kind is Kind.DATE or (exact and grid.doubling is None) else 1
    ends = max(grid.low, first - more), min(grid.high, last + more)
    return value_at(ends[0], grid, type_), value_at(ends[1], grid, type_)


def _power(place: int, unit: Fraction, doubling: int) -> Fraction:
    number = unit * 2 ** (abs(place) // doubling) * Fraction(2.0 ** (abs(place) % doubling / doubling))
    return number if place > 0 else -number if place < 0 else Fraction(0)


def _held(number: Fraction, type_: SqlType) -> Fraction:
    low, high = type_.range.ends
    return max(low, min(high, number))


def _days(value: datetime.date) -> Fraction:
    if isinstance(value, datetime.datetime):
        since = value - EPOCH
        return Fraction(since.days) + Fraction(since.seconds * 10**6 + since.microseconds, 86_400_000_000)
    return Fraction((value - EPOCH.date()).days)
