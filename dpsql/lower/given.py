"""What SUM and AVG of whole numbers give where their dialect's type is not DuckDB's: another `/` follows from it."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from dpsql.expression import BIGINT, Kind, Scalar, SqlType
from dpsql.scalars.marks import GIVES
from dpsql.scalars.rows import call
from dpsql.scalars.unify import cast

NUMERIC = SqlType(Kind.DECIMAL, 38, 0)
_SHORT = (exp.Length, exp.StrPosition)      # 32 bits in Postgres, 64 in DuckDB

Build = Callable[[exp.Expr], Scalar]


def given(aggregate: exp.Expr, build: Build) -> SqlType | None:
    """The type of an aggregate in its dialect; None where it is DuckDB's.

    Postgres gives a NUMERIC for the SUM of a BIGINT, and so a fraction when it is divided; SQL Server cuts the AVG of
    whole numbers.
    """
    match aggregate.meta.get(GIVES):
        case "numeric" if _wide(aggregate.this, build):
            return NUMERIC
        case "whole" if build(aggregate.this).type.kind is Kind.INTEGER:
            return BIGINT
    return None


def as_given(value: Scalar, type_: SqlType | None) -> Scalar:
    """The value of an aggregate as its dialect gives it."""
    if type_ is None:
        return value
    return cast(call("trunc", value) if type_ == BIGINT else value, type_)


def written_as_given(column: exp.Expr, type_: SqlType | None) -> exp.Expr:
    """A released column as its dialect gives it."""
    if type_ is None:
        return column
    return exp.cast(exp.Trunc(this=column) if type_ == BIGINT else column, str(type_), copy=False)


def _wide(node: exp.Expr, build: Build) -> bool:
    """Whether whole numbers have 64 bits in Postgres, where arithmetic does not widen them."""
    match node:
        case exp.Paren() | exp.Neg() | exp.Abs():
            return _wide(node.this, build)
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.Mod():
            return _wide(node.this, build) or _wide(node.expression, build)
        case exp.Coalesce():
            return any(_wide(each, build) for each in (node.this, *node.expressions))
        case exp.Case():
            branches = [branch.args["true"] for branch in node.args["ifs"]]
            return any(_wide(each, build) for each in (*branches, node.args.get("default")) if each is not None)
        case _:
            type_ = build(node).type
            return type_.kind is Kind.INTEGER and type_.width >= BIGINT.width and not isinstance(node, _SHORT)
