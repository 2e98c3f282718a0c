"""The row of casts: one for CAST and TRY_CAST, since a value that does not fit becomes NULL in either."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from uuid import UUID

from sqlglot import exp

from dpsql.expression import DOUBLE, TIME, TIMESTAMP, VARCHAR, Call, Kind, Lit, Scalar, SqlType
from dpsql.interval import ANY, Interval, between, point
from dpsql.scalars import intervals
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.literals import fold, instant
from dpsql.scalars.moments import fits
from dpsql.scalars.rows import Ranges, Row, Taken, add, always
from dpsql.scalars.sql import cast_sql
from dpsql.scalars.unify import NUMBERS, cast
from dpsql.schema import INSTANT, READ_AS

_TEXTUAL = (Kind.VARCHAR, Kind.NULL)
_DATED = (Kind.DATE, Kind.TIMESTAMP)


def _explicit(args: tuple[Scalar, ...]) -> Taken:
    raise AssertionError("casts are made by unify.cast")


def _rounded(call: Call, ranges: Ranges) -> Interval:
    """Rounding to the target's grid moves a number by at most one step."""
    to, interval = call.type, ranges[0]
    source = call.args[0].type
    if source.kind is Kind.BOOLEAN:
        return between(0, 1)
    if _redated(source, to):
        return interval if to == TIMESTAMP else interval - between(0, 1)
    if not to.numeric or not source.numeric:
        return ANY
    if to.kind is Kind.DOUBLE:
        return _doubled(interval, source)
    step = Fraction(1, 10**to.scale)
    if source.kind is not Kind.DOUBLE and source.scale <= to.scale:
        step = Fraction(0)
    low = None if interval.low is None else interval.low - step
    high = None if interval.high is None else interval.high + step
    return Interval(low, high)


def _redated(source: SqlType, to: SqlType) -> bool:
    """Whether a date is read as a moment, or a moment as its date."""
    return source.kind in _DATED and to.kind in _DATED and source.kind is not to.kind


def _doubled(interval: Interval, source: SqlType) -> Interval:
    """Integers of 64 bits are rounded once; wider ones and decimals by several steps, which keep the sign."""
    if source.kind is Kind.DOUBLE:
        return interval
    if source.kind is Kind.INTEGER and source.width <= 64:
        return intervals.nearest(interval)
    wider = interval.doubles()
    positive = interval.low is not None and interval.low >= 0
    return Interval(Fraction(0), wider.high) if positive and interval.low == 0 else wider


def cast_fails(call: Call, ranges: Ranges) -> bool:
    """Whether a value may not fit: text, a moment outside its range, a number outside the target or not finite."""
    source, to = call.args[0].type, call.type
    if to.kind in _TEXTUAL or source == to or source.kind is Kind.BOOLEAN:
        return False
    if _redated(source, to):
        return to == TIMESTAMP and not fits(ranges[0], Kind.TIMESTAMP)
    if source.kind is Kind.VARCHAR or to == TIME:      # an infinite moment has no time of day
        return True
    if to.kind is Kind.DOUBLE or (to.kind is Kind.BOOLEAN and source.kind is Kind.INTEGER):
        return False
    if to.kind is Kind.BOOLEAN or source.kind is Kind.DOUBLE:   # NaN fits no integer, however narrow the range
        return True
    return not _rounded(call, ranges).within(to.range)


def _sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return cast_sql(args[0], call.type, fails=cast_fails(call, ranges))


def _nulls(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    return any(nulls) or cast_fails(call, ranges)



# Types that are read as another: a value is cast to such a type, and on to the one that stands for it.
_FITTING = {"FLOAT": ANY, **{name: between(0, (1 << bits) - 1) for name, bits in (
    ("UTINYINT", 8), ("USMALLINT", 16), ("UINTEGER", 32), ("UBIGINT", 64))}}
STAND_INS = (*_FITTING, "UUID", INSTANT)


def through(scalar: Scalar, name: str) -> Scalar:
    """A value as the type of that name, one of STAND_INS. ScalarError where the engine knows no such cast."""
    if isinstance(scalar, Lit) and scalar.value is not None:
        return stored(scalar, name)
    to = READ_AS[name]
    if name == INSTANT and scalar.type.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.NULL):
        return cast(scalar, to)
    number = name in _FITTING and scalar.type.kind in (*NUMBERS, Kind.VARCHAR)
    if scalar.type.kind is not Kind.NULL and not number and not (name == "UUID" and scalar.type == VARCHAR):
        raise ScalarError(f"{scalar.type} cannot be cast to {name}", hint=f"write CAST(... AS {to})")
    return Call("through", (scalar, Lit(name, VARCHAR)), to)


def stored(literal: Lit, name: str) -> Scalar:
    """A literal as a column of that type holds it. ScalarError when it holds no such value."""
    to, value = READ_AS[name], literal.value
    if name == INSTANT and isinstance(value, str):
        return instant(value)
    if name == "UUID" and isinstance(value, str):
        try:
            return Lit(str(UUID(value)), VARCHAR)
        except ValueError:
            raise ScalarError(f"'{value}' is no UUID") from None
    folded = fold(literal, to)
    if name in _FITTING and isinstance(folded, Lit) and isinstance(folded.value, int | float):
        try:
            if not point(Fraction(folded.value)).within(_FITTING[name]):
                raise OverflowError
            return folded if to != DOUBLE else Lit(struct.unpack("<f", struct.pack("<f", folded.value))[0], DOUBLE)
        except OverflowError:
            raise ScalarError(f"this {literal.type} is no {name}") from None
    return folded


def _name(call: Call) -> str:
    name = call.args[1]
    assert isinstance(name, Lit) and isinstance(name.value, str)
    return name.value


def _through_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    to = exp.DataType.build(_name(call), dialect="duckdb")
    return cast_sql(exp.TryCast(this=args[0], to=to, safe=True), call.type)


def _through_range(call: Call, ranges: Ranges) -> Interval:
    """A FLOAT has 24 bits: rounding to it moves a number by at most 2^-24 of it, or by 2^-150."""
    if call.type != DOUBLE:
        return _rounded(call, ranges).meet(_FITTING.get(_name(call), ANY))
    source = call.args[0].type
    low, high = _ends(_doubled(ranges[0], source)) if source.numeric else (None, None)
    return Interval(None if low is None else low - _near(low), None if high is None else high + _near(high))


def _ends(interval: Interval) -> tuple[Fraction | None, Fraction | None]:
    return interval.low, interval.high


def _near(end: Fraction) -> Fraction:
    return abs(end) / (1 << 24) + Fraction(1, 1 << 149)


add(
    Row("cast", _explicit, _sql, _rounded, _nulls, value=True),
    Row("through", _explicit, _through_sql, _through_range, always, value=True),
)
