"""The clamp: a value moved into a range, which thereby is proved. No text of an analyst reaches it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from dpsql.expression import DOUBLE, Call, Kind, Lit, Ref, Scalar, SqlType
from dpsql.interval import Interval
from dpsql.scalars.rows import Ranges, Row, Taken, add
from dpsql.scalars.sql import cast_sql, literal, tight

GRID_LIMIT = 1 << 62     # steps one row or one unit may carry: safety.md, section 5
_DOUBLE_TOP = Fraction(1.7976931348623157e308)


def clamp(scalar: Scalar, to: Interval) -> Scalar:
    """`scalar` moved into `to`, rounded outwards to what its type can hold. NULL stays NULL, NaN becomes NULL."""
    low, high = _low(scalar.type, to.low), _high(scalar.type, to.high)
    if low.value is None and high.value is None and scalar.type != DOUBLE:
        return scalar
    return Call("clamp", (scalar, low, high), scalar.type)


def declared(scalar: Scalar) -> Scalar:
    """A bare column clamped to the range its policy declares; anything else as it is."""
    if isinstance(scalar, Ref) and scalar.type.numeric and scalar.column.declared is not None:
        return clamp(scalar, scalar.column.declared)
    return scalar


def _low(type_: SqlType, end: Fraction | None) -> Lit:
    if end is None:
        return Lit(None, type_)
    if type_ == DOUBLE:
        near = _double(end)
        return Lit(near if Fraction(near) <= end else math.nextafter(near, -math.inf), DOUBLE)
    bottom, top = type_.range.ends
    step = 10**type_.scale
    steps = math.floor(end * step)
    return Lit(None, type_) if steps <= bottom * step else _exact(min(steps, int(top * step)), type_)


def _high(type_: SqlType, end: Fraction | None) -> Lit:
    mirrored = _low(type_, None if end is None else -end)
    if mirrored.value is None:
        return mirrored
    assert isinstance(mirrored.value, (int, float, Decimal))
    return Lit(-mirrored.value, type_)


def _double(end: Fraction) -> float:
    return float(max(-_DOUBLE_TOP, min(_DOUBLE_TOP, end)))


def _exact(steps: int, type_: SqlType) -> Lit:
    value = Decimal(steps).scaleb(-type_.scale) if type_.kind is Kind.DECIMAL else steps
    return Lit(value, type_)


def _clamped(call: Call, ranges: Ranges) -> Interval:
    low, high = ranges[1].low, ranges[2].high
    return ranges[0].meet(Interval(low if call.args[1] != Lit(None, call.type) else None, high))


def _clamp_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """CASE is the fastest form; a copy of the value stands in each branch."""
    subject = args[0]
    low, high = (bound for bound in call.args[1:] if isinstance(bound, Lit))
    ifs = []
    if call.type == DOUBLE:
        nothing = cast_sql(exp.null(), DOUBLE)
        ifs.append(exp.If(this=exp.IsNan(this=subject.copy()), true=nothing))
    if low.value is not None:
        ifs.append(exp.If(this=exp.LT(this=tight(subject.copy()), expression=literal(low)), true=literal(low)))
    if high.value is not None:
        ifs.append(exp.If(this=exp.GT(this=tight(subject.copy()), expression=literal(high)), true=literal(high)))
    return exp.Case(ifs=ifs, default=subject)


def _clamp_nulls(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    return nulls[0]


def _written(args: tuple[Scalar, ...]) -> Taken:
    raise AssertionError("clamps are made by guards.clamp")


add(Row("clamp", _written, _clamp_sql, _clamped, _clamp_nulls, guard=True))
