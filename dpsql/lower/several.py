"""Aggregates that give several numbers as one value: quantiles of a list of fractions, and HISTOGRAM over given bins.

Each is several measures, bought together, and an expression of the finish that makes a list or a map of them.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import DOUBLE, INTEGER, Call, Kind, Lit, Scalar
from dpsql.lower.measures import Aggregated, Build, conditioned
from dpsql.parse import HISTOGRAMS, refusal, written
from dpsql.program import Measure
from dpsql.scalars.sql import literal
from dpsql.scalars.unify import cast, merge

MOST = 100          # fractions or bins of one aggregate
_WAY = "write the upper ends of the bins, as in HISTOGRAM(x, [0, 10, 20, 50]), or group by a CASE"
_BINNED = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.DATE, Kind.TIMESTAMP)

Whole = Callable[[Sequence[exp.Expr]], exp.Expr]


@dataclass(frozen=True, slots=True)
class Several:
    """The parts of an aggregate, as further aggregates of the text or as measures, and what makes one value of them."""

    parts: tuple[exp.Expr | Measure, ...]
    whole: Whole


def several(aggregate: Aggregated, node: exp.Expr, build: Build) -> Several | None:
    """The parts of an aggregate that gives a list or a map; None for one that gives a single value."""
    call = aggregate.call
    if isinstance(call, exp.AnonymousAggFunc):
        return _histogram(aggregate, node, build)
    if isinstance(call, exp.ApproxQuantiles):
        return _even(call, node)
    listed = _fractions(call)
    if listed is None:
        return None
    at = list(node.walk()).index(listed)
    parts = []
    for item in _counted(listed.expressions, listed, "fractions"):
        copied = node.copy()
        list(copied.walk())[at].replace(item.copy())
        parts.append(copied)
    return Several(tuple(parts), _list)


def _fractions(call: exp.Expr) -> exp.Array | None:
    """The list of fractions of a quantile."""
    if isinstance(call, exp.WithinGroup):
        given = call.this.this
    elif isinstance(call, exp.Quantile | exp.ApproxQuantile | exp.PercentileCont | exp.PercentileDisc):
        given = call.args.get("expression") or call.args.get("quantile")
    else:
        return None
    return given if isinstance(given, exp.Array) else None


def _even(call: exp.ApproxQuantiles, node: exp.Expr) -> Several:
    """BigQuery's APPROX_QUANTILES(x, n): the smallest value, those at each n-th of the rows, the largest."""
    number = call.expression
    if not isinstance(number, exp.Literal) or not number.is_int or not 1 <= int(number.this) <= MOST:
        raise refusal(f"{written(call).upper()} takes a literal from 1 to {MOST}", number or call)
    many = int(number.this)
    parts = []
    for i in range(many + 1):
        fraction = exp.Literal.number(f"{Decimal(i) / many:.6f}".rstrip("0").rstrip(".") if i else "0")
        one = exp.PercentileDisc(this=call.this.copy(), expression=fraction)
        one.meta.update(call.meta)
        parts.append(exp.Filter(this=one, expression=node.expression.copy()) if isinstance(node, exp.Filter) else one)
    return Several(tuple(parts), _list)


def _counted(items: list[exp.Expr], place: exp.Expr, what: str) -> list[exp.Expr]:
    if not 1 <= len(items) <= MOST:
        raise refusal(f"a list of {what} has 1 to {MOST} of them", place)
    return items


def _histogram(aggregate: Aggregated, node: exp.Expr, build: Build) -> Several:
    """HISTOGRAM(x, bins): the rows up to each bound and above the one before; HISTOGRAM_EXACT: those equal to it.

    What stands in no bin is counted under DuckDB's name for it, the largest value of the type, whether or not there
    is any.
    """
    call, exact = aggregate.call, str(aggregate.call.this) == HISTOGRAMS[1]
    name, arguments = written(call).upper(), call.expressions
    if len(arguments) != 2 or not isinstance(arguments[1], exp.Array) or isinstance(arguments[0], exp.Distinct):
        raise refusal(f"{name} without a list of bins would choose them from people's values", call, _WAY)
    if call.meta.get("bounds") is not None:
        raise refusal("bounds of contribution stand in COUNT, SUM, AVG, VARIANCE and STDDEV", node)
    stated = build(arguments[0])
    if stated.type.kind not in _BINNED:
        raise refusal(f"{name} of {stated.type} is not answered", arguments[0], "GROUP BY it, and count")
    items = _counted(arguments[1].expressions, arguments[1], "bins")
    pairs = _in_order([_compared(arguments[0], item, build) for item in items], arguments[1])
    test = "=" if exact else "<="
    branches = [each for i, (value, bin_) in enumerate(pairs)
                for each in (scalars.call(test, value, bin_), Lit(i, INTEGER))]
    keys = _names(stated, [build(item) for item in items], [bin_ for _, bin_ in pairs])
    if len(set(keys)) < len(keys):
        raise refusal("two of these bins are one number in the type of the answer", arguments[1], "leave one out")
    if len(keys) > len(pairs):
        branches += [scalars.call("is_not_null", stated), Lit(len(pairs), INTEGER)]
    cell = conditioned(aggregate, build, scalars.call("case", *branches, Lit(None, INTEGER)))
    parts = tuple(Measure("histogram", cell, (Lit(i, INTEGER),)) for i in range(len(keys)))
    return Several(parts, lambda columns: exp.Map(keys=_list(keys), values=_list(columns)))


def _list(items: Sequence[exp.Expr]) -> exp.Array:
    return exp.Array(expressions=list(items), value_constructor=False)


def _compared(node: exp.Expr, item: exp.Expr, build: Build) -> tuple[Scalar, Lit]:
    """An argument and a bin, both of the type in which they are compared."""
    test = build(exp.LTE(this=node.copy(), expression=item.copy()))
    value, bin_ = test.args if isinstance(test, Call) and len(test.args) == 2 else (None, None)
    if value is None or not isinstance(bin_, Lit) or bin_.value is None or (
        isinstance(bin_.value, float) and not math.isfinite(bin_.value)
    ):
        raise refusal("a bin is a number or a date written out", item, _WAY)
    return value, bin_


def _in_order(pairs: list[tuple[Scalar, Lit]], place: exp.Expr) -> list[tuple[Scalar, Lit]]:
    """The bins from the lowest to the highest, each once."""
    dated = any(bin_.type.kind is Kind.TIMESTAMP for _, bin_ in pairs)

    def size(bin_: Lit) -> Any:
        whole = isinstance(bin_.value, datetime.date) and not isinstance(bin_.value, datetime.datetime)
        return datetime.datetime.fromisoformat(str(bin_.value)) if dated and whole else bin_.value

    try:
        return [pair for _, pair in sorted({size(pair[1]): pair for pair in reversed(pairs)}.items())]
    except TypeError:
        raise refusal("these bins do not go together", place, _WAY) from None


def _names(value: Scalar, items: list[Scalar], bins: list[Lit]) -> list[exp.Expr]:
    """How the map calls the bins, as DuckDB does; the last is what stands in none, if anything can."""
    type_ = value.type
    for item in items:
        if item.type.kind is not Kind.VARCHAR:
            type_ = merge(type_, item.type)
    if type_.kind is Kind.DECIMAL:
        type_ = DOUBLE
    names = [literal(named) for bin_ in bins if isinstance(named := cast(bin_, type_), Lit)]
    if type_.kind is Kind.INTEGER:
        most = (1 << type_.width - 1) - 1
        return names if bins[-1].value == most else [*names, literal(Lit(most, type_))]
    return [*names, exp.Cast(this=exp.Literal.string("infinity"), to=exp.DataType.build(str(type_), dialect="duckdb"))]
