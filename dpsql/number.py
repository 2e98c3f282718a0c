"""number: a numeric expression as exact steps within a clip chosen from what is believed of it."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from sqlglot import exp

from dpsql import scalars
from dpsql.aggregates import Cells, Number, summed
from dpsql.expression import BIGINT, DATE, DOUBLE, INTEGER, TIMESTAMP, VARCHAR, Kind, Lit, Scalar, SqlType
from dpsql.facts.base import Facts
from dpsql.facts.ranges import YEARS, stated
from dpsql.interval import ANY, Interval
from dpsql.parse import refusal
from dpsql.scalars.unify import FAST_DIGITS, cast

GRID_BITS = 40            # a DOUBLE is at most 2^40 steps a row: its grid error is far below any noise
COARSE_BITS = 24          # of a number that is squared: 2^24 steps from end to end, 2^48 squared, 2^62 for 2^13 rows
CELLS_BITS, GROUPED_BITS = 20, 12    # of the grids that quantiles are chosen from: of all groups together, of one
LONGEST = 400_000         # days that are told apart by their seconds; in more, minutes are
FREE_BITS = 34            # of a grid of minutes over all times
GROUPED_POWER = 9         # places of a doubling in groups: 2^9, or .14 % each
DOUBLE_OCTAVES = (-64, 192)
LOOSE_BITS, LOOSE_PLACES = 40, 20    # a DOUBLE without a stated range is summed up to 2^40, in steps of 2^-20
SQUARE_BITS, SQUARE_PLACES = 50, 10  # its square, or its product with another, up to 2^50, in steps of 2^-10
_DATED = (DATE, TIMESTAMP)
LARGEST = 10**300         # of a DOUBLE that is summed: sums and their noise stay finite
LARGEST_SQUARED = 10**150


def number(scalar: Scalar, facts: Facts, place: exp.Expr) -> Number:
    """The expression as it is summed. Where no finite range is stated it is `loose`: as wide as can be summed exactly.

    Raises QueryError at `place` when the range is too large.
    """
    known = _stated(scalar, facts)
    believed = known if known is not None else _widest(scalar, facts)
    loose = known is None
    if scalar.type.kind is Kind.DOUBLE:
        bits = LOOSE_BITS + LOOSE_PLACES if loose else GRID_BITS
        return replace(_on_grid(scalar, believed, believed.magnitude, bits, place), loose=loose)
    row = scalar if scalars.enforced(scalar).within(believed) else scalars.clamp(scalar, believed)
    unit = Fraction(1, 10**scalar.type.scale)
    low, high = (end / unit for end in believed.ends)
    return Number(row, math.floor(low), math.ceil(high), unit, summed(scalar.type), loose)


def coarse(scalar: Scalar, facts: Facts, place: exp.Expr) -> Number:
    """The expression as it is squared: an integer with at most about 2^24 steps between the ends of its range.

    Without a stated range it is as `number` has it, and its squares are `product`s. Raises QueryError as that.
    """
    believed = _stated(scalar, facts)
    if believed is None:
        return number(scalar, facts, place)
    low, high = believed.ends
    if scalar.type.kind is Kind.INTEGER and high - low <= 1 << COARSE_BITS:
        return number(scalar, facts, place)
    if believed.magnitude > LARGEST_SQUARED:
        raise refusal("the range is too large to square", place, "declare a smaller one, or divide first")
    double = scalar if scalar.type == DOUBLE else cast(scalar, DOUBLE)
    return _on_grid(double, believed, high - low, COARSE_BITS, place)


def product(one: Scalar, other: Scalar, place: exp.Expr) -> Number:
    """The product of two expressions of which at least one has no stated range, as it is summed: `loose`."""
    most = 1 << SQUARE_BITS
    value = scalars.call("*", *(each if each.type == DOUBLE else cast(each, DOUBLE) for each in (one, other)))
    to = Interval(Fraction(0 if one == other else -most), Fraction(most))
    return replace(_on_grid(value, to, to.magnitude, SQUARE_BITS + SQUARE_PLACES, place), loose=True)


def _powers(scalar: Scalar, within: Interval, bits: int) -> Cells:
    """A number of any size by the logarithm of its size: 0, and 2^(i / doubling) of the smallest, either way."""
    finest, largest = _octaves(scalar.type)
    power = max(GROUPED_POWER, bits - 8)
    double = scalar if scalar.type == DOUBLE else cast(scalar, DOUBLE)
    size = scalars.clamp(scalars.call("abs", double), Interval(Fraction(2) ** finest, Fraction(2) ** largest))
    octave = scalars.call("/", scalars.call("ln", size), Lit(math.log(2), DOUBLE))
    above = scalars.call("-", octave, Lit(float(finest), DOUBLE))
    above = scalars.clamp(above, Interval(Fraction(0), Fraction(largest - finest)))
    up = scalars.call("grid", above, Lit(power, INTEGER))
    down = scalars.call("-", Lit(0, BIGINT), up)
    row = scalars.call("case", scalars.call("<", double, Lit(0.0, DOUBLE)), down, up)
    most = (largest - finest) << power
    least = 0 if within.low is not None and within.low >= 0 else -most
    return Cells(row, least, most, Fraction(2) ** finest, scalar.type, 1 << power)


def _octaves(type_: SqlType) -> tuple[int, int]:
    """The powers of two between which the sizes of a type lie; a DOUBLE beyond them stands at the end."""
    match type_.kind:
        case Kind.DOUBLE:
            return DOUBLE_OCTAVES
        case Kind.DECIMAL:
            return -(10**type_.scale).bit_length() - 1, (10 ** (type_.width - type_.scale)).bit_length()
        case _:
            return -1, type_.width - 1


def cells(scalar: Scalar, facts: Facts, place: exp.Expr, groups: int | None) -> Cells:
    """The expression on a public grid of at most 2^20 values, for a choice among them; fewer for many `groups`.

    2^20 are shared by public groups, but each has 2^12, and so has one of private groups (None).
    Numbers of few steps, and dates, keep their own values; others the nearest of the grid; moments are cut to the
    second, minute, hour or day. Where nobody stated a range the grid is the type's: all values of a narrow one, of
    another 0 and powers of 2^(1/4096) either way; every day, or minute. Raises QueryError as `number`.
    """
    bits = GROUPED_BITS if groups is None else max(GROUPED_BITS, CELLS_BITS - (max(1, groups) - 1).bit_length())
    if scalar.type.kind in (Kind.DATE, Kind.TIMESTAMP):
        return _days(scalar, facts, bits)
    believed = _stated(scalar, facts)
    steps = 10**scalar.type.scale
    if believed is None:
        whole = _widest(scalar, facts)
        if scalar.type.kind is Kind.DOUBLE or (whole.ends[1] - whole.ends[0]) * steps >= 1 << CELLS_BITS:
            return _powers(scalar, whole, bits)
        believed = whole
        bits = CELLS_BITS
    low, high = believed.ends
    if scalar.type.kind is not Kind.DOUBLE and (high - low) * steps < 1 << bits:
        found = number(scalar, facts, place)
        return Cells(found.row, found.low, found.high, found.unit, scalar.type)
    double = scalar if scalar.type == DOUBLE else cast(scalar, DOUBLE)
    found = _on_grid(double, believed, high - low, bits, place)
    return Cells(found.row, found.low, found.high, found.unit, scalar.type)


def _days(scalar: Scalar, facts: Facts, bits: int) -> Cells:
    """Dates by the day; moments by the finest unit that keeps the grid small. `release` moves rows into the range."""
    believed = scalars.bounds(scalar, lambda c: facts.intervals.get(c.id, ANY))
    low, high = (end if known is None else max(YEARS.ends[0], min(YEARS.ends[1], known))
                 for known, end in zip((believed.low, believed.high), YEARS.ends, strict=True))
    if scalar.type.kind is Kind.DATE:
        return Cells(scalar, math.floor(low), math.ceil(high), Fraction(1), scalar.type)
    if high - low > LONGEST:
        bits = FREE_BITS
    name, unit = next((name, unit) for name, unit in _UNITS if (high - low) / unit < (1 << bits) or name == "day")
    row = scalars.call("date_trunc", Lit(name, VARCHAR), scalar)
    return Cells(row, math.floor(low / unit), math.floor(high / unit), unit, scalar.type)


_UNITS = (
    ("second", Fraction(1, 86_400)), ("minute", Fraction(1, 1440)), ("hour", Fraction(1, 24)), ("day", Fraction(1)),
)


def _stated(scalar: Scalar, facts: Facts) -> Interval | None:
    """The range of an expression, where it is one that somebody stated."""
    believed = stated(scalar, facts.intervals)
    return believed if believed.finite else None


def _widest(scalar: Scalar, facts: Facts) -> Interval:
    """As far as an expression can be summed in exact steps, within what is known of it; dates are of 9,999 years."""
    match scalar.type.kind:
        case Kind.DOUBLE:
            most = Fraction(1 << LOOSE_BITS)
        case Kind.DECIMAL:
            most = Fraction(10**FAST_DIGITS - 1, 10**scalar.type.scale)
        case _:
            most = Fraction(1 << 62)
    known = scalars.bounds(scalar, lambda c: facts.intervals.get(c.id, YEARS if c.type in _DATED else ANY))
    low, high = (max(-most, min(most, end)) for end in (
        -most if known.low is None else known.low, most if known.high is None else known.high,
    ))
    return Interval(low, high)


def _on_grid(scalar: Scalar, to: Interval, reach: Fraction, bits: int, place: exp.Expr) -> Number:
    """A DOUBLE in steps of 2^-k, k so that `reach` is about 2^bits of them and no value more than 2^60."""
    magnitude = to.magnitude
    if magnitude > LARGEST:
        raise refusal("the range is too large to add up", place, "declare a smaller one, or divide first")
    power = min(bits - _log2(reach), 60 - _log2(magnitude))
    power = max(-980, min(980, power))
    row = scalars.call("grid", scalars.clamp(scalar, to), Lit(power, INTEGER))
    low, high = scalars.enforced(row).ends
    return Number(row, math.floor(low), math.ceil(high), 1 / Fraction(2) ** power, DOUBLE)


def _log2(value: Fraction) -> int:
    return max(-900, math.ceil(math.log2(value))) if float(value) else -900
