"""Aggregates of the analyst's text: which family answers them, and of what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import INTEGER, Call, Kind, Lit, Ref, Scalar
from dpsql.lower.context import check_args
from dpsql.parse import refusal, written
from dpsql.program import Measure

_LATER = "COUNT, SUM and AVG are answered"


@dataclass(frozen=True, slots=True)
class Aggregated:
    """An aggregate call and its FILTER."""

    call: exp.Expr
    where: exp.Expr | None


def measured(node: exp.Expr) -> Aggregated | None:
    """The aggregate that a node is; None for anything else."""
    if isinstance(node, exp.Filter):
        condition = node.expression
        return Aggregated(node.this, condition.this if isinstance(condition, exp.Where) else condition)
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        return measured(node.this)
    return Aggregated(node, None) if isinstance(node, exp.AggFunc) else None


def read(
    aggregate: Aggregated, node: exp.Expr, build: Callable[[exp.Expr], Scalar], owners: frozenset[int],
) -> Measure:
    """The measure of an aggregate. Raises QueryError for one that is not answered."""
    call = aggregate.call
    condition = build(aggregate.where) if aggregate.where is not None else None
    if condition is not None and str(condition.type) not in ("BOOLEAN", "NULL"):
        raise refusal("FILTER takes a condition", node)
    match call:
        case exp.Count() if isinstance(call.this, exp.Distinct):
            return _distinct(call, condition, build, owners)
        case exp.Count():
            check_args(call, {"this", "big_int"})
            whole = call.this is None or isinstance(call.this, exp.Star)
            counted = None if whole else build(call.this)
            if isinstance(counted, Lit) and counted.value is not None:
                counted = None
            if condition is None:
                return Measure("count", counted)
            return Measure("count", _when(condition, Lit(1, INTEGER) if counted is None else counted))
        case exp.CountIf():
            check_args(call, {"this"})
            both = build(call.this)
            both = both if condition is None else scalars.call("and", condition, both)
            return Measure("count", _when(both, Lit(1, INTEGER)))
        case exp.Sum() | exp.Avg():
            check_args(call, {"this"})
            return _moment(call, condition, build)
        case _:
            raise refusal(f"{written(call).upper()} is not answered privately", node, _LATER)


def _moment(call: exp.Expr, condition: Scalar | None, build: Callable[[exp.Expr], Scalar]) -> Measure:
    family = "sum" if isinstance(call, exp.Sum) else "avg"
    if isinstance(call.this, exp.Distinct):
        raise refusal(f"{family.upper()}(DISTINCT ...) is not answered", call, _LATER)
    value = build(call.this)
    if not value.type.numeric:
        dated = value.type.kind in (Kind.DATE, Kind.TIMESTAMP)
        raise refusal(
            f"{family.upper()} needs a number, and this is {value.type}", call.this,
            "take a part of it, or date_diff" if dated else "CAST it to a number",
        )
    if isinstance(value, Ref) and value.column.declared is not None:
        value = scalars.clamp(value, value.column.declared)
    return Measure(family, value if condition is None else _when(condition, value))


def _distinct(
    call: exp.Count, condition: Scalar | None, build: Callable[[exp.Expr], Scalar], owners: frozenset[int],
) -> Measure:
    options = call.this.expressions
    counted = build(options[0]) if len(options) == 1 else None
    while isinstance(counted, Call) and counted.name == "cast" and _keeps_apart(counted):
        counted = counted.args[0]
    if not (isinstance(counted, Ref) and counted.column.id in owners):
        raise refusal(
            "COUNT(DISTINCT ...) is answered for the column that names the person only", call,
            "COUNT(DISTINCT <the unit>), or group by the column and count",
        )
    return Measure("units", None if condition is None else _when(condition, Lit(1, INTEGER)))


def _keeps_apart(cast: Call) -> bool:
    """Whether a cast gives different values to different ones."""
    source, to = cast.args[0].type, cast.type
    wider = to.kind is Kind.INTEGER and source.width <= to.width
    return source.kind is Kind.INTEGER and (wider or to.kind is Kind.VARCHAR)


def _when(condition: Scalar, value: Scalar) -> Scalar:
    return scalars.call("case", condition, value, Lit(None, value.type))
