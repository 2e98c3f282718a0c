"""Scalars as DuckDB's SQL. What could raise is wrapped in TRY here, at the very node, whoever built the expression."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from decimal import Decimal

from sqlglot import exp

from dpsql.expression import DOUBLE, INTEGER, Call, Column, Kind, Lit, Ref, Scalar, SqlType
from dpsql.limits import tick
from dpsql.scalars.ranges import enforced
from dpsql.scalars.rows import ROWS, Ranges, Sql


def to_sql(scalar: Scalar, column: Callable[[Column], exp.Expr]) -> exp.Expr:
    """The expression to print. Total: no value of any column makes it raise.

    Needs ieee_floating_point_ops=true and integer_division=false (the defaults), and statistics_propagation disabled:
    DuckDB 2.0 fails to plan the comparison of a text with a CASE or a split_part that statistics turn into NULL, which
    they do when all values of a column are NULL. Everything else is total under the default settings too.

    `column` gives the (qualified, quoted) SQL of a column. The text parses back to an equal tree.
    """
    tick()
    return _print(scalar, column)


def _print(scalar: Scalar, column: Callable[[Column], exp.Expr]) -> exp.Expr:
    match scalar:
        case Ref(found):
            return column(found)
        case Lit():
            return literal(scalar)
        case Call(name, args):
            row, ranges = ROWS[name], tuple(enforced(arg) for arg in args)
            node = row.sql(scalar, [_print(arg, column) for arg in args], ranges)
            return exp.Try(this=node) if row.raises(scalar, ranges) else node


_NAMES = {
    "TINYINT": exp.DType.TINYINT, "SMALLINT": exp.DType.SMALLINT, "INTEGER": exp.DType.INT, "BIGINT": exp.DType.BIGINT,
    "HUGEINT": exp.DType.INT128, "BOOLEAN": exp.DType.BOOLEAN, "DOUBLE": exp.DType.DOUBLE, "VARCHAR": exp.DType.TEXT,
    "DATE": exp.DType.DATE, "TIMESTAMP": exp.DType.TIMESTAMPNTZ, "TIME": exp.DType.TIME,
}


def _data_type(type_: SqlType) -> exp.DataType:
    if type_.kind is Kind.LIST:
        return exp.DataType(this=exp.DType.ARRAY, expressions=[_data_type(type_.parts[0])], nested=True)
    if type_.kind is not Kind.DECIMAL:
        return exp.DataType(this=_NAMES[str(type_)], nested=False)
    params = [exp.DataTypeParam(this=exp.Literal.number(number)) for number in (type_.width, type_.scale)]
    return exp.DataType(this=exp.DType.DECIMAL, expressions=params, nested=False)


def cast_sql(expression: exp.Expr, to: SqlType, *, fails: bool = False) -> exp.Expr:
    """CAST, or TRY_CAST where a value may not fit."""
    data_type = _data_type(to)
    if fails:
        return exp.TryCast(this=expression, to=data_type, safe=True)
    return exp.Cast(this=expression, to=data_type)


def literal(lit: Lit) -> exp.Expr:
    """A constant, with its cast unless DuckDB gives the bare text that very type."""
    value, type_ = lit.value, lit.type
    match value:
        case None:
            return exp.null() if type_.kind is Kind.NULL else cast_sql(exp.null(), type_)
        case bool():
            return exp.Boolean(this=value)
        case int():
            return _integer(value, type_)
        case Decimal():
            return _decimal(value, type_)
        case float():
            return _double(value)
        case str() if type_.kind is Kind.INTERVAL:
            count, unit = value.split()
            return exp.Interval(this=exp.Literal.string(count), unit=exp.Var(this=unit))
        case str():
            return exp.Literal.string(value)
        case datetime.datetime():
            return cast_sql(exp.Literal.string(value.isoformat(sep=" ")), type_)
        case datetime.date() | datetime.time():
            return cast_sql(exp.Literal.string(value.isoformat()), type_)
        case _:
            raise AssertionError(f"no literal of type {type_}")


def _signed(text: str) -> exp.Expr:
    if text.startswith("-"):
        return exp.Neg(this=exp.Literal.number(text[1:]))
    return exp.Literal.number(text)


def _integer(value: int, type_: SqlType) -> exp.Expr:
    if type_ == INTEGER and abs(value) < 1 << 31:
        return _signed(str(value))
    if abs(value) >= 1 << 62:
        return cast_sql(exp.Literal.string(str(value)), type_)
    return cast_sql(_signed(str(value)), type_)


def _decimal(value: Decimal, type_: SqlType) -> exp.Expr:
    text = format(value, f".{type_.scale}f")
    digits = len(text.removeprefix("-").replace(".", ""))
    if type_.scale and digits == type_.width:
        return _signed(text)
    return cast_sql(_signed(text), type_)


def _double(value: float) -> exp.Expr:
    """As text, which is converted with one rounding; small whole numbers read better bare."""
    if value == int(value) and abs(value) < 1 << 53 and not (value == 0 and math.copysign(1, value) < 0):
        return cast_sql(_signed(str(int(value))), DOUBLE)
    return cast_sql(exp.Literal.string(repr(value)), DOUBLE)


def tight(expression: exp.Expr) -> exp.Expr:
    """In parentheses, unless it holds together by itself."""
    if isinstance(expression, (exp.Binary, exp.Unary, exp.Between, exp.In, exp.Interval, exp.Escape, exp.Case)) \
            and not isinstance(expression, (exp.Paren, exp.Dot)):
        return exp.Paren(this=expression)
    return expression


def chained(expression: exp.Expr, kind: type[exp.Expr]) -> exp.Expr:
    """The left operand of a left-associative operator needs no parentheses when it is the same operator."""
    return expression if type(expression) is kind else tight(expression)


def operator(kind: type[exp.Expr]) -> Sql:
    """`a op b`."""
    return lambda call, args, ranges: kind(this=chained(args[0], kind), expression=tight(args[1]))


def compared(kind: type[exp.Expr]) -> Sql:
    """`a op b` for operators that do not chain."""
    return lambda call, args, ranges: kind(this=tight(args[0]), expression=tight(args[1]))


def function(kind: type[exp.Expr], *keys: str, **fixed: object) -> Sql:
    """A function sqlglot knows, its arguments under `keys` (`this` when none is given)."""
    order = keys or ("this",)

    def printed(call: Call, args: list[exp.Expr], ranges: Ranges) -> exp.Expr:
        return kind(**dict(zip(order, args, strict=False)), **fixed)

    return printed  # type: ignore[return-value]


def named(name: str) -> Sql:
    """A function that sqlglot keeps by name."""
    return lambda call, args, ranges: exp.Anonymous(this=name, expressions=list(args))
