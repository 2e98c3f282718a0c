"""Integer arithmetic that only dpsql writes: the grid, and the bounding of one unit's sums. No analyst reaches it.

A guard is composed of ordinary rows where their rules prove it total, and is a row of its own where they cannot.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from fractions import Fraction

from sqlglot import exp

from dpsql.errors import InternalError
from dpsql.expression import BIGINT, DATE, DOUBLE, HUGEINT, INTEGER, TIME, VARCHAR, Call, Kind, Lit, Scalar, SqlType
from dpsql.interval import ANY, Interval, between, point
from dpsql.scalars.clamps import clamp
from dpsql.scalars.ranges import enforced
from dpsql.scalars.rows import MACROS, Ranges, Row, Taken, add, always, call
from dpsql.scalars.sql import cast_sql, literal, tight
from dpsql.scalars.unify import FAST_DIGITS, cast, decimal

GRID_LIMIT = 1 << 62       # steps one row or one unit may carry (safety.md, section 5)


def _need(held: bool, what: str) -> None:
    if not held:
        raise InternalError(what)


def _whole(lit: Scalar) -> int:
    _need(isinstance(lit, Lit) and type(lit.value) is int, "a guard takes an integer constant here")
    assert isinstance(lit, Lit) and isinstance(lit.value, int)
    return lit.value


def fed(parameter: str, type_: SqlType) -> Scalar:
    """One released value of an earlier stage, bound as the parameter of that name."""
    return Call("fed", (Lit(parameter, VARCHAR),), type_)


def _fed_sql(node: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    name = node.args[0]
    _need(isinstance(name, Lit) and isinstance(name.value, str), "a feed has a name")
    assert isinstance(name, Lit)
    return cast_sql(exp.Placeholder(this=str(name.value)), node.type)


def _fed_takes(args: tuple[Scalar, ...]) -> Taken:
    raise InternalError("a released value is typed by its stage")


add(Row("fed", _fed_takes, _fed_sql, nulls=always, guard=True))


# Composed guards --------------------------------------------------------------------------------------------------


def clip(total: Scalar, low: Scalar, high: Scalar) -> Scalar:
    """A unit's total within `low` and `high` steps (of its last digit, if DECIMAL), in a small type for adding up."""
    bottom, top = _whole(low), _whole(high)
    _need(bottom <= top and max(abs(bottom), abs(top)) <= GRID_LIMIT, "a clip beyond 2^62 steps")
    scale = total.type.scale
    within = between(Fraction(bottom, 10**scale), Fraction(top, 10**scale))
    clamped = clamp(total, within)
    if total.type.kind is Kind.INTEGER:
        return cast(clamped, BIGINT)
    _need(total.type.kind is Kind.DECIMAL, "DOUBLE goes through the grid")
    small = decimal(FAST_DIGITS, scale) if scale <= FAST_DIGITS else total.type
    return cast(clamped, small) if within.within(small.range) else clamped


def one_if(condition: Scalar) -> Scalar:
    """1 where the condition holds, 0 where it does not or is NULL."""
    return call("case", condition, Lit(1, INTEGER), Lit(0, INTEGER))


def plain_zero(value: Scalar) -> Scalar:
    """A DOUBLE without the sign of zero."""
    zero = Lit(0.0, DOUBLE)
    return call("case", call("=", value, zero), zero, value)


def plain_date(value: Scalar) -> Scalar:
    """A DATE or TIMESTAMP of the years 1 to 9999, a TIME before 24:00:00, which Python can hold; NULL for any other."""
    low, high = datetime.datetime.min, datetime.datetime.max
    ends = [end.date() if value.type == DATE else end.time() if value.type == TIME else end for end in (low, high)]
    inside = call("between", value, *(Lit(end, value.type) for end in ends))
    return call("case", inside, value, Lit(None, value.type))


MACROS.update(plain_date=plain_date, clip=clip, one_if=one_if, plain_zero=plain_zero)


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
    if total.type.kind is Kind.DECIMAL:
        return (total, cast(rows, DOUBLE), cast(limit, DOUBLE)), total.type
    return (cast(total, HUGEINT), cast(rows, HUGEINT), cast(limit, HUGEINT)), HUGEINT


def _shrink_sql(node: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """s R / n where n > R, else s: towards zero for integers; a DECIMAL through DOUBLE, rounded, NULL if it left.

    Total for integers, whatever s is: with m = greatest(n, R), s = q m + r, |r| < m and r of the sign of s,
    s R / m = q R + r R / m, and the first is an integer of that sign, so that truncation concerns the second alone;
    |q R| <= |s| because R <= m, |r R| < m R < 2^126 for n and R of 63 bits, and m >= 1. Which digits a DECIMAL loses
    is a function of this unit's row alone, and the clip above bounds what is left.
    """
    total, rows, limit = args
    larger = exp.Greatest(this=rows.copy(), expressions=[limit.copy()], ignore_nulls=True)
    over = exp.GT(this=tight(rows), expression=limit)
    if node.type.kind is Kind.DECIMAL:
        product = exp.Mul(this=cast_sql(total.copy(), DOUBLE), expression=limit.copy())
        shrunk = cast_sql(exp.Div(this=exp.Paren(this=product), expression=larger), node.type, fails=True)
    else:
        shrunk = _integer_share(total, larger, limit)
    return exp.Case(ifs=[exp.If(this=over, true=shrunk)], default=total)


def _integer_share(total: exp.Expr, larger: exp.Expr, limit: exp.Expr) -> exp.Expr:
    quotient = exp.Paren(this=exp.IntDiv(this=tight(total.copy()), expression=larger))
    rest = exp.Paren(this=exp.Mod(this=tight(total.copy()), expression=larger.copy()))
    scaled = exp.Paren(this=exp.Mul(this=rest, expression=limit.copy()))
    part = exp.Paren(this=exp.IntDiv(this=scaled, expression=larger.copy()))
    return exp.Add(this=exp.Paren(this=exp.Mul(this=quotient, expression=limit.copy())), expression=part)


def _shrink_range(node: Call, ranges: Ranges) -> Interval:
    """Towards zero, or rounded by less than a unit of the last digit that a DOUBLE keeps: no bound is claimed."""
    return ANY if node.type.kind is Kind.DECIMAL else ranges[0].hull(point(0))


add(
    Row("grid", _grid, _grid_sql, _grid_range, guard=True),
    Row("shrink", _shrink, _shrink_sql, _shrink_range, guard=True),
)
