"""Integer arithmetic that only dpsql writes: the grid, and the bounding of one unit's sums. No analyst reaches it.

A guard is composed of ordinary rows where their rules prove it total, and is a row of its own where they cannot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from dpsql.errors import InternalError
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, INTEGER, TINYINT, Call, Kind, Lit, Scalar, SqlType
from dpsql.interval import Interval, between, point
from dpsql.scalars.clamps import clamp
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.ranges import enforced
from dpsql.scalars.rows import MACROS, Ranges, Row, Taken, add, call
from dpsql.scalars.sql import cast_sql, literal, tight
from dpsql.scalars.unify import FAST_DIGITS, cast, decimal

GRID_LIMIT = 1 << 62       # steps one row or one unit may carry (safety.md, section 5)
MAX_DECIMALS = 19          # of a DECIMAL that is taken apart into steps


def _need(held: bool, what: str) -> None:
    if not held:
        raise InternalError(what)


def _whole(lit: Scalar) -> int:
    _need(isinstance(lit, Lit) and type(lit.value) is int, "a guard takes an integer constant here")
    assert isinstance(lit, Lit) and isinstance(lit.value, int)
    return lit.value


# Composed guards --------------------------------------------------------------------------------------------------


def steps(value: Scalar) -> Scalar:
    """An INTEGER itself; a DECIMAL as the integer x * 10^scale, exactly: BIGINT where that fits, else HUGEINT.

    ScalarError for more than 19 decimals. Where x * 10^scale leaves the DECIMAL's 38 digits, the whole part and the
    fraction are scaled apart; each then fits, since |x| < 10^(38-scale).
    """
    if value.type.kind is Kind.INTEGER:
        return value
    _need(value.type.kind is Kind.DECIMAL, "DOUBLE goes through the grid")
    scale = value.type.scale
    if scale == 0:
        return cast(value, _fitting(enforced(value)))
    if scale > MAX_DECIMALS:
        raise ScalarError(f"a DECIMAL with {scale} decimals cannot be summed", hint="write CAST(... AS DOUBLE)")
    factor = 10**scale
    product = enforced(value) * point(factor)
    if product.within(decimal(FAST_DIGITS, scale).range) and value.type.width <= FAST_DIGITS:
        return cast(call("*", value, Lit(Decimal(factor), decimal(scale + 1, 0))), _fitting(product))
    huge = cast(call("trunc", value), HUGEINT)
    whole = call("*", huge, Lit(factor, HUGEINT))
    part = call("*", call("%", value, Lit(1, INTEGER)), Lit(Decimal(factor), decimal(scale + 1, 0)))
    return call("+", whole, cast(part, HUGEINT))


def _fitting(interval: Interval) -> SqlType:
    return BIGINT if interval.within(BIGINT.range) else HUGEINT


def clip(total: Scalar, low: Scalar, high: Scalar) -> Scalar:
    """A unit's total as BIGINT in [low, high]; NULL counts as 0, before the clip, so that nothing passes it."""
    bottom, top = _whole(low), _whole(high)
    _need(bottom <= top and max(abs(bottom), abs(top)) <= GRID_LIMIT, "a clip beyond 2^62 steps")
    present = call("coalesce", cast(total, HUGEINT), Lit(0, HUGEINT))
    return cast(clamp(present, between(bottom, top)), BIGINT)


def coalesce0(value: Scalar) -> Scalar:
    """The value, 0 for NULL."""
    return call("coalesce", value, cast(Lit(0, INTEGER), value.type))


def one_if(condition: Scalar) -> Scalar:
    """1 where the condition holds, 0 where it does not or is NULL."""
    return call("case", condition, Lit(1, INTEGER), Lit(0, INTEGER))


def plain_zero(value: Scalar) -> Scalar:
    """A DOUBLE without the sign of zero."""
    zero = Lit(0.0, DOUBLE)
    return call("case", call("=", value, zero), zero, value)


MACROS.update(steps=steps, clip=clip, coalesce0=coalesce0, one_if=one_if, plain_zero=plain_zero)


# Guards with a proof of their own ---------------------------------------------------------------------------------


def _scale(node: Call) -> Fraction:
    return Fraction(2) ** _whole(node.args[1])


def _reached(value: Scalar, interval: Interval, factor: Fraction) -> None:
    _need(isinstance(value, Call) and value.name == "clamp", "the grid needs a clamp below it, which removes NaN")
    product = interval * point(factor)
    _need(product.finite and product.magnitude <= GRID_LIMIT, "the grid's range passes 2^62 steps")


def _grid(args: tuple[Scalar, ...]) -> Taken:
    value, power = args
    _need(value.type == DOUBLE, "only DOUBLE goes through the grid")
    _reached(value, enforced(value), Fraction(2) ** _whole(power))
    return args, BIGINT


def _grid_range(node: Call, ranges: Ranges) -> Interval:
    """Rounding to an integer is monotone and keeps integers; the grid's ends need not be integers."""
    low, high = (ranges[0] * point(_scale(node))).ends
    return between(math.floor(low), math.ceil(high))


def _grid_sql(node: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """Multiplying by a power of two is exact (below 2^62), so the cast rounds once, to even, and cannot overflow."""
    _reached(node.args[0], ranges[0], _scale(node))
    factor = literal(Lit(float(_scale(node)), DOUBLE))
    return cast_sql(exp.Mul(this=tight(args[0]), expression=factor), BIGINT)


def _shrink(args: tuple[Scalar, ...]) -> Taken:
    total, rows, limit = args
    _need(_whole(limit) >= 1, "a unit keeps at least one row")
    return (cast(total, HUGEINT), cast(rows, HUGEINT), cast(limit, HUGEINT)), HUGEINT


def _shrink_sql(node: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """s R / n towards zero where n > R, else s.

    Total: with m = greatest(n, R), s = q m + r, |r| < m and r of the sign of s,
    s R / m = q R + r R / m, and the first is an integer of that sign, so that truncation concerns the second alone;
    |q R| <= |s| because R <= m, |r R| < m R < 2^126 for n and R of 63 bits, and m >= 1.
    """
    total, rows, limit = args
    larger = exp.Greatest(this=rows.copy(), expressions=[limit.copy()], ignore_nulls=True)
    quotient = exp.Paren(this=exp.IntDiv(this=tight(total.copy()), expression=larger))
    rest = exp.Paren(this=exp.Mod(this=tight(total.copy()), expression=larger.copy()))
    whole = exp.Mul(this=quotient, expression=limit.copy())
    scaled = exp.Paren(this=exp.Mul(this=rest, expression=limit.copy()))
    part = exp.IntDiv(this=scaled, expression=larger.copy())
    shrunk = exp.Add(this=exp.Paren(this=whole), expression=exp.Paren(this=part))
    over = exp.GT(this=tight(rows), expression=limit)
    return exp.Case(ifs=[exp.If(this=over, true=shrunk)], default=total)


def _shrink_range(node: Call, ranges: Ranges) -> Interval:
    """Towards zero."""
    return ranges[0].hull(point(0))


def _linear(args: tuple[Scalar, ...]) -> Taken:
    total, rows, twice_middle = args
    _need(abs(_whole(twice_middle)) <= 2 * GRID_LIMIT, "a middle beyond 2^62 steps")
    return (cast(total, HUGEINT), cast(rows, HUGEINT), cast(twice_middle, HUGEINT)), HUGEINT


def _linear_range(node: Call, ranges: Ranges) -> Interval:
    return point(2) * ranges[0] - ranges[2] * ranges[1]


def _linear_sql(node: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """2 s - m n.

    Total for s a sum of n values of at most 2^62 steps, |m| <= 2^63 and n < 2^60 rows (more than any engine holds):
    |2 s| < 2^123 and |m n| < 2^123.
    """
    total, rows, twice_middle = args
    double = exp.Mul(this=literal(Lit(2, TINYINT)), expression=tight(total))
    return exp.Sub(this=exp.Paren(this=double), expression=exp.Paren(
        this=exp.Mul(this=twice_middle, expression=tight(rows))))


add(
    Row("grid", _grid, _grid_sql, _grid_range, guard=True),
    Row("shrink", _shrink, _shrink_sql, _shrink_range, guard=True),
    Row("linear", _linear, _linear_sql, _linear_range, guard=True),
)
