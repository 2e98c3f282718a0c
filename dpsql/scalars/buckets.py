"""The row of width_bucket: equal buckets between two literals, and one beyond each end."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from math import isfinite

from sqlglot import exp

from dpsql.expression import BIGINT, DOUBLE, INTEGER, Call, Lit, Scalar, Value, size_of
from dpsql.interval import Interval, between
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.moments import MAX_COPIED
from dpsql.scalars.numeric import numeric
from dpsql.scalars.rows import Ranges, Row, Taken, add
from dpsql.scalars.sql import cast_sql, literal, tight
from dpsql.scalars.unify import cast

MAX_BUCKETS = 1000


def _bucketed(args: tuple[Scalar, ...]) -> Taken:
    numeric("width_bucket", args[0])
    low, high = (_end(arg) for arg in args[1:3])
    count = args[3].value if isinstance(args[3], Lit) else None
    if type(count) is not int or not 1 <= count <= MAX_BUCKETS:
        raise ScalarError(f"width_bucket takes a literal number of buckets, at most {MAX_BUCKETS}")
    if not (low < high and isfinite(high - low)):
        raise ScalarError("width_bucket takes a lower end below the upper one")
    if size_of(args[0]) > MAX_COPIED:
        raise ScalarError("this expression is too large", hint="compute it in a derived table first")
    return (cast(args[0], DOUBLE), Lit(low, DOUBLE), Lit(high, DOUBLE), Lit(count, INTEGER)), BIGINT


def _end(arg: Scalar) -> float:
    value = arg.value if isinstance(arg, Lit) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ScalarError("width_bucket takes literal ends", hint="write width_bucket(x, 0, 100, 10)")
    return float(value)


def _bucketed_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """NaN is above every number. Between the ends the share lies in [0, 1], and rounding keeps it there."""
    subject, low, high, count = args
    width = literal(Lit(_end(call.args[2]) - _end(call.args[1]), DOUBLE))
    share = exp.Div(this=exp.Paren(this=exp.Sub(this=tight(subject.copy()), expression=low.copy())), expression=width,
                    typed=False, safe=False)
    steps = exp.Mul(this=share, expression=cast_sql(count.copy(), DOUBLE))
    place = cast_sql(exp.Floor(this=steps), BIGINT, fails=True)
    inside = exp.Least(this=exp.Add(this=place, expression=literal(Lit(1, BIGINT))),
                       expressions=[cast_sql(count.copy(), BIGINT)], ignore_nulls=True)
    ends = (exp.LT(this=tight(subject.copy()), expression=low), cast_sql(exp.Literal.number(0), BIGINT)), (
        exp.GTE(this=tight(subject.copy()), expression=high), cast_sql(exp.Literal.number(_count(call) + 1), BIGINT))
    known = exp.Not(this=exp.Paren(this=exp.Is(this=tight(subject.copy()), expression=exp.null())))
    return exp.Case(ifs=[*(exp.If(this=test, true=value) for test, value in ends), exp.If(this=known, true=inside)])


def _count(call: Call) -> int:
    count = call.args[3]
    assert isinstance(count, Lit) and isinstance(count.value, int)
    return count.value


def _range(call: Call, ranges: Ranges) -> Interval:
    return between(0, _count(call) + 1)


def _strict(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    return nulls[0]


def _values(call: Call) -> tuple[Value, ...]:
    return tuple(range(_count(call) + 2))


add(Row("width_bucket", _bucketed, _bucketed_sql, _range, _strict,
        nodes=("WidthBucket this min_value max_value num_buckets",), value=True, values=_values))
