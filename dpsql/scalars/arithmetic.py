"""Rows of arithmetic: operators are widened until no value of their arguments overflows, else they stand in TRY."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from dpsql.expression import BIGINT, DOUBLE, HUGEINT, INTEGER, NULL, Call, Kind, Lit, Scalar, SqlType
from dpsql.interval import Interval, between
from dpsql.scalars import intervals
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.ranges import enforced
from dpsql.scalars.rows import Ranges, Row, Taken, add
from dpsql.scalars.sql import function, operator, tight
from dpsql.scalars.unify import FAST_DIGITS, MAX_DIGITS, as_decimal, cast, common, decimal

_WIDER = (BIGINT, HUGEINT)


def outside(rule: intervals.Rule) -> Callable[[Call, Ranges], bool]:
    """Whether the exact result may leave the type, which raises."""

    def raises(call: Call, ranges: Ranges) -> bool:
        return call.type.kind is not Kind.DOUBLE and not rule(call, ranges).within(_reached(call.type))

    return raises


def _reached(type_: SqlType) -> Interval:
    """What arithmetic gives without raising; DuckDB's HUGEINT product refuses the lowest value, -2^127, itself."""
    return between(1 - (1 << 127), (1 << 127) - 1) if type_ == HUGEINT else type_.range


def _numeric(name: str, args: Sequence[Scalar]) -> SqlType:
    for arg in args:
        if not arg.type.numeric and arg.type != NULL:
            raise ScalarError(f"{name} takes numbers, not {arg.type}", hint=_hint(arg.type))
    type_ = common(args)
    return INTEGER if type_ == NULL else type_


def _hint(type_: SqlType) -> str | None:
    if type_.kind is Kind.BOOLEAN:
        return "write CAST(... AS INTEGER)"
    return "write CAST(... AS DOUBLE)" if type_.kind is Kind.VARCHAR else None


def widened(rule: intervals.Rule, args: Sequence[Scalar], type_: SqlType, *, places: int = 0) -> Taken:
    """Integers: the smallest type from `type_` up that holds every exact result; HUGEINT when none does.

    The last `places` arguments are literals that keep their type.
    """
    ranges = tuple(enforced(arg) for arg in args)
    for wide in (type_, *(wide for wide in _WIDER if wide.width > type_.width)):
        type_ = wide
        if rule(Call("", tuple(args), wide), ranges).within(wide.range):
            break
    count = len(args) - places
    return (*(cast(arg, type_) for arg in args[:count]), *args[count:]), type_


def _decimals(args: Sequence[Scalar]) -> list[Scalar]:
    """Integers as DECIMAL; a small literal stays as it is, for DuckDB reads it as DECIMAL(10, 0) itself."""
    return [arg if isinstance(arg, Lit) and arg.type == INTEGER else cast(arg, as_decimal(arg.type)) for arg in args]


def _sum_type(left: SqlType, right: SqlType) -> SqlType:
    scale = max(left.scale, right.scale)
    return decimal(max(left.width - left.scale, right.width - right.scale) + scale + 1, scale)


def _additive(name: str, rule: intervals.Rule) -> Callable[[tuple[Scalar, ...]], Taken]:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        type_ = _numeric(name, args)
        if type_.kind is Kind.INTEGER:
            return widened(rule, args, type_)
        if type_.kind is Kind.DOUBLE:
            return tuple(cast(arg, DOUBLE) for arg in args), DOUBLE
        left, right = _decimals(args)
        result = _sum_type(as_decimal(left.type), as_decimal(right.type))
        if result.width <= MAX_DIGITS:
            return (left, right), result
        widest = decimal(MAX_DIGITS, result.scale)
        return (cast(left, widest), cast(right, widest)), widest

    return takes


def _product_type(left: SqlType, right: SqlType) -> SqlType:
    """DuckDB's: digits and decimals add up; factors of 64 bits stay in 64 bits, with a check for overflow."""
    width, scale = left.width + right.width, left.scale + right.scale
    if width > FAST_DIGITS >= max(left.width, right.width) and scale < FAST_DIGITS:
        width = FAST_DIGITS
    return decimal(min(width, MAX_DIGITS), scale)


def _product(args: tuple[Scalar, ...]) -> Taken:
    type_ = _numeric("*", args)
    if type_.kind is Kind.INTEGER:
        return widened(intervals.multiplied, args, type_)
    if type_.kind is Kind.DECIMAL:
        left, right = _decimals(args)
        result = _product_type(as_decimal(left.type), as_decimal(right.type))
        if result.scale <= MAX_DIGITS:
            exact = enforced(left) * enforced(right)
            if result.width == FAST_DIGITS and not exact.within(result.range):
                left = cast(left, decimal(FAST_DIGITS + 1, as_decimal(left.type).scale))
                result = _product_type(left.type, as_decimal(right.type))
            return (left, right), result
    return tuple(cast(arg, DOUBLE) for arg in args), DOUBLE


def _doubles(name: str) -> Callable[[tuple[Scalar, ...]], Taken]:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        _numeric(name, args)
        return tuple(cast(arg, DOUBLE) for arg in args), DOUBLE

    return takes


def _whole_division(args: tuple[Scalar, ...]) -> Taken:
    type_ = _numeric("//", args)
    if type_.kind is Kind.INTEGER:
        return widened(intervals.whole_quotient, args, type_)
    return tuple(cast(arg, DOUBLE) for arg in args), DOUBLE


def _modulo(args: tuple[Scalar, ...]) -> Taken:
    type_ = _numeric("%", args)
    if type_.kind is Kind.INTEGER:   # the engine divides, so the lowest integer % -1 overflows as // does
        return widened(intervals.whole_quotient, args, type_)
    huge = type_.kind is Kind.DECIMAL and any(arg.type == HUGEINT for arg in args)
    if huge and not all(enforced(arg).within(type_.range) for arg in args):   # as DuckDB does for every HUGEINT
        type_ = DOUBLE
    return tuple(cast(arg, type_) for arg in args), type_


def _one(name: str, rule: intervals.Rule) -> Callable[[tuple[Scalar, ...]], Taken]:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        type_ = _numeric(name, args)
        if type_.kind is Kind.INTEGER:
            return widened(rule, args, type_)
        return (cast(args[0], type_),), type_

    return takes


def nonzero(expression: exp.Expr, interval: Interval) -> exp.Expr:
    """A divisor that is NULL instead of zero."""
    low, high = interval.low, interval.high
    if (low is not None and low > 0) or (high is not None and high < 0):
        return tight(expression)
    return exp.Nullif(this=expression, expression=exp.Literal.number(0))


def _over(kind: type[exp.Expr]) -> Callable[[Call, Sequence[exp.Expr], Ranges], exp.Expr]:
    def printed(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
        divisor = nonzero(args[1], ranges[1])
        if kind is exp.Mod and call.type.kind is Kind.DOUBLE:
            divisor = tight(args[1])
        return kind(this=tight(args[0]), expression=divisor)

    return printed


def _quotient_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.Div(this=tight(args[0]), expression=tight(args[1]), typed=False, safe=False)


def _may_be_nan(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    """Infinities of both signs, or one times zero, make NaN."""
    unbounded = call.type.kind is Kind.DOUBLE and not all(interval.finite for interval in ranges)
    return any(nulls) or unbounded


def _zero_divisor(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    low, high = ranges[1].low, ranges[1].high
    away = (low is not None and low > 0) or (high is not None and high < 0)
    return not away or _may_be_nan(call, nulls, ranges)


def _quotient_raises(call: Call, ranges: Ranges) -> bool:
    exact = intervals.whole_quotient(call, ranges)
    return call.type.kind is Kind.INTEGER and not exact.within(_reached(call.type))


add(
    Row("+", _additive("+", intervals.added), operator(exp.Add), intervals.added, _may_be_nan,
        outside(intervals.added), ("Add this expression",), ("add",), 2, value=True),
    Row("-", _additive("-", intervals.subtracted), operator(exp.Sub), intervals.subtracted, _may_be_nan,
        outside(intervals.subtracted), ("Sub this expression",), ("subtract",), 2, value=True),
    Row("*", _product, operator(exp.Mul), intervals.multiplied, _may_be_nan,
        outside(intervals.multiplied), ("Mul this expression",), ("multiply",), 2, value=True),
    Row("/", _doubles("/"), _quotient_sql, intervals.divided, _zero_divisor,
        nodes=("Div this expression",), value=True),
    Row("//", _whole_division, _over(exp.IntDiv), intervals.whole_quotient, _zero_divisor, _quotient_raises,
        ("IntDiv this expression",), ("divide",), 2, value=True),
    Row("%", _modulo, _over(exp.Mod), intervals.remainder, _zero_divisor, _quotient_raises,
        ("Mod this expression",), value=True),
    Row("neg", _one("-", intervals.negated), lambda call, args, ranges: exp.Neg(this=tight(args[0])),
        intervals.negated, raises=outside(intervals.negated), nodes=("Neg this",), value=True),
    Row("abs", _one("abs", intervals.magnitude), function(exp.Abs), intervals.magnitude,
        raises=outside(intervals.magnitude), nodes=("Abs this",), value=True),
)
