"""The row of casts: one for CAST and TRY_CAST, since a value that does not fit becomes NULL in either."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from sqlglot import exp

from dpsql.expression import DATE, TIMESTAMP, Call, Kind, Scalar, SqlType
from dpsql.interval import ANY, Interval, between
from dpsql.scalars import intervals
from dpsql.scalars.moments import fits
from dpsql.scalars.rows import Ranges, Row, Taken, add
from dpsql.scalars.sql import cast_sql

_TEXTUAL = (Kind.VARCHAR, Kind.NULL)


def _explicit(args: tuple[Scalar, ...]) -> Taken:
    raise AssertionError("casts are made by unify.cast")


def _rounded(call: Call, ranges: Ranges) -> Interval:
    """Rounding to the target's grid moves a number by at most one step."""
    to, interval = call.type, ranges[0]
    source = call.args[0].type
    if source.kind is Kind.BOOLEAN:
        return between(0, 1)
    if {source, to} == {DATE, TIMESTAMP}:
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
    if {source, to} == {DATE, TIMESTAMP}:
        return to == TIMESTAMP and not fits(ranges[0], Kind.TIMESTAMP)
    if source.kind is Kind.VARCHAR:
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


add(Row("cast", _explicit, _sql, _rounded, _nulls, value=True))
