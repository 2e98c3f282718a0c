"""Rows of numeric functions. With ieee_floating_point_ops a bad argument gives NaN or an infinity, never an error."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from sqlglot import exp

from dpsql.expression import BIGINT, BOOLEAN, DOUBLE, INTEGER, TINYINT, Call, Kind, Lit, Scalar, SqlType
from dpsql.interval import Interval, between, point
from dpsql.scalars import intervals
from dpsql.scalars.arithmetic import outside, widened
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.rows import Ranges, Row, Sql, Taken, Takes, add, always, strict
from dpsql.scalars.sql import function, named, operator, tight
from dpsql.scalars.unify import MAX_DIGITS, cast, common, decimal

MAX_PLACES = 18     # decimals (or tens) that ROUND and TRUNC take
MAX_SHIFT = 64      # bits


def numeric(name: str, arg: Scalar) -> SqlType:
    """The type of a numeric argument. ScalarError for any other."""
    if arg.type.numeric:
        return arg.type
    if arg.type.kind is Kind.NULL:
        return INTEGER
    hint = "write CAST(... AS DOUBLE)" if arg.type.kind is Kind.VARCHAR else None
    raise ScalarError(f"{name} takes a number, not {arg.type}", hint=hint)


def _doubles(name: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        for arg in args:
            numeric(name, arg)
        return tuple(cast(arg, DOUBLE) for arg in args), DOUBLE

    return takes


def _places(name: str, args: tuple[Scalar, ...]) -> int:
    if len(args) == 1:
        return 0
    places = args[1].value if isinstance(args[1], Lit) else None
    if type(places) is not int or abs(places) > MAX_PLACES:
        raise ScalarError(f"{name} takes a literal number of digits, at most {MAX_PLACES}")
    return places


def _rounding(name: str) -> Takes:
    """DECIMAL keeps its digits and the asked decimals; ROUND to tens may need one digit more."""

    def takes(args: tuple[Scalar, ...]) -> Taken:
        type_, places = numeric(name, args[0]), _places(name, args)
        value = cast(args[0], type_)
        rest = (Lit(places, INTEGER),) if len(args) > 1 else ()
        if type_.kind is Kind.INTEGER:
            taken, wide = widened(intervals.stepped(True, True), (value, *rest), type_, places=1)
            return (taken[0], *rest), wide
        if type_.kind is Kind.DOUBLE:
            return (value, *rest), type_
        if places < 0 and type_.scale == 0:
            if type_.width == MAX_DIGITS:
                raise ScalarError(f"{name} of {type_} to tens is not admitted", hint="write CAST(... AS DOUBLE)")
            value = cast(value, decimal(type_.width + 1, 0))
        return (value, *rest), decimal(value.type.width, max(0, min(places, type_.scale)))

    return takes


def _whole(name: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        type_ = numeric(name, args[0])
        if type_.kind is Kind.DECIMAL:
            return args, decimal(type_.width, 0)
        return (cast(args[0], DOUBLE),), DOUBLE

    return takes


def _tested(name: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        numeric(name, args[0])
        return (cast(args[0], DOUBLE),), BOOLEAN

    return takes


def _sign(args: tuple[Scalar, ...]) -> Taken:
    return (cast(args[0], numeric("sign", args[0])),), TINYINT


def _bits(name: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        type_ = common(args)
        if type_.kind is not Kind.INTEGER:
            raise ScalarError(f"{name} takes integers, not {type_}")
        return tuple(cast(arg, type_) for arg in args), type_

    return takes


def _shifted(args: tuple[Scalar, ...]) -> Taken:
    type_, places = common(args[:1]), args[1].value if isinstance(args[1], Lit) else None
    if type_.kind is not Kind.INTEGER or type(places) is not int or not 0 <= places < MAX_SHIFT:
        raise ScalarError(f">> takes an integer and a literal below {MAX_SHIFT}")
    return (cast(args[0], type_), Lit(places, INTEGER)), type_


def _divisor(args: tuple[Scalar, ...]) -> Taken:
    """DuckDB knows the function for BIGINT and HUGEINT; it takes absolute values first, which may overflow."""
    type_ = common(args)
    if type_.kind is not Kind.INTEGER:
        raise ScalarError(f"gcd takes integers, not {type_}")
    return widened(_largest, args, type_ if type_.width >= BIGINT.width else BIGINT)


def _largest(call: Call, ranges: Ranges) -> Interval:
    return intervals.magnitude(call, (ranges[0].hull(ranges[1]),)).hull(point(0))


def _counted(args: tuple[Scalar, ...]) -> Taken:
    type_ = common(args)
    if type_.kind is not Kind.INTEGER or type_.width > BIGINT.width:
        raise ScalarError(f"bit_count takes integers of at most 64 bits, not {type_}")
    return (cast(args[0], type_),), TINYINT


def _nothing(args: tuple[Scalar, ...]) -> Taken:
    return (), DOUBLE


def _domain(low: Fraction, *, inclusive: bool = True) -> Callable[[Call, tuple[bool, ...], Ranges], bool]:
    """NaN outside the domain, which starts at `low`."""

    def nulls(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
        bottom = ranges[-1].low
        return any(nulls) or bottom is None or bottom < low or (bottom == low and not inclusive)

    return nulls


def _rounded_sql(kind: type[exp.Expr]) -> Sql:
    def printed(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
        return kind(this=args[0], decimals=args[1]) if len(args) > 1 else kind(this=args[0])

    return printed


def _log_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.Log(this=args[0]) if len(args) == 1 else exp.Log(this=args[0], expression=args[1])


def _plain(name: str, kind: type[exp.Expr], rule: intervals.Rule = intervals.unbounded,
           nulls: Callable[[Call, tuple[bool, ...], Ranges], bool] = always) -> Row:
    return Row(name, _doubles(name), function(kind), rule, nulls, nodes=(f"{kind.__name__} this",), value=True)


_ZERO = Fraction(0)
_ROOT = intervals.rising(math.sqrt, floor=_ZERO, low=0.0)

add(
    Row("round", _rounding("round"), _rounded_sql(exp.Round), intervals.stepped(True, True),
        raises=outside(intervals.stepped(True, True)), nodes=("Round this decimals?",), value=True),
    Row("trunc", _rounding("trunc"), _rounded_sql(exp.Trunc), intervals.stepped(False, False),
        raises=outside(intervals.stepped(False, False)), nodes=("Trunc this decimals?",), value=True),
    Row("floor", _whole("floor"), function(exp.Floor), intervals.stepped(True, False), nodes=("Floor this",),
        value=True),
    Row("ceil", _whole("ceil"), function(exp.Ceil), intervals.stepped(False, True), nodes=("Ceil this",), value=True),
    Row("sign", _sign, function(exp.Sign), intervals.fixed(-1, 1), nodes=("Sign this",), value=True),
    _plain("sqrt", exp.Sqrt, _ROOT, _domain(_ZERO)),
    _plain("cbrt", exp.Cbrt, nulls=strict),
    _plain("ln", exp.Ln, intervals.rising(math.log, low=0.0), _domain(_ZERO)),
    _plain("exp", exp.Exp, intervals.rising(math.exp, floor=_ZERO), strict),
    _plain("sin", exp.Sin, intervals.fixed(-1, 1)), _plain("cos", exp.Cos, intervals.fixed(-1, 1)),
    _plain("tan", exp.Tan), _plain("asin", exp.Asin, intervals.fixed(-2, 2)),
    _plain("acos", exp.Acos, intervals.fixed(-1, 4)), _plain("atan", exp.Atan, intervals.fixed(-2, 2), strict),
    _plain("sinh", exp.Sinh), _plain("cosh", exp.Cosh), _plain("tanh", exp.Tanh, intervals.fixed(-1, 1), strict),
    _plain("asinh", exp.Asinh), _plain("acosh", exp.Acosh), _plain("atanh", exp.Atanh), _plain("cot", exp.Cot),
    _plain("degrees", exp.Degrees), _plain("radians", exp.Radians),
    Row("log10", _doubles("log"), _log_sql, intervals.rising(math.log10, low=0.0), _domain(_ZERO),
        nodes=("Log this",), value=True),
    Row("log", _doubles("log"), _log_sql, intervals.unbounded, always, nodes=("Log this expression",), value=True),
    Row("power", _doubles("power"), function(exp.Pow, "this", "expression"), intervals.powered, always,
        nodes=("Pow this expression",), value=True),
    Row("atan2", _doubles("atan2"), function(exp.Atan2, "this", "expression"), intervals.fixed(-4, 4), always,
        nodes=("Atan2 this expression",), value=True),
    Row("pi", _nothing, function(exp.Pi), intervals.fixed(3, 4), nodes=("Pi",)),
    Row("isnan", _tested("isnan"), function(exp.IsNan), nodes=("IsNan this",)),
    Row("isinf", _tested("isinf"), function(exp.IsInf), nodes=("IsInf this",)),
    Row("even", _doubles("even"), named("EVEN"), lambda call, ranges: ranges[0] + between(-2, 2), names=("even",),
        value=True),
    Row("gcd", _divisor, named("GCD"), _largest, raises=outside(_largest), names=("gcd", "greatest_common_divisor"),
        arity=2, value=True),
    Row("isfinite", _tested("isfinite"), named("ISFINITE"), names=("isfinite",)),
    Row("&", _bits("&"), operator(exp.BitwiseAnd), nodes=("BitwiseAnd this expression",), value=True),
    Row("|", _bits("|"), operator(exp.BitwiseOr), nodes=("BitwiseOr this expression",), value=True),
    Row("xor", _bits("xor"), function(exp.BitwiseXor, "this", "expression"), nodes=("BitwiseXor this expression",),
        value=True),
    Row("~", _bits("~"), lambda call, args, ranges: exp.BitwiseNot(this=tight(args[0])), nodes=("BitwiseNot this",),
        value=True),
    Row(">>", _shifted, operator(exp.BitwiseRightShift), nodes=("BitwiseRightShift this expression",), value=True),
    Row("bit_count", _counted, named("BIT_COUNT"), intervals.fixed(0, 64), names=("bit_count",), value=True),
)
