"""Aggregates of the analyst's text: which family answers them, and of what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import BOOLEAN, DOUBLE, INTEGER, VARCHAR, Call, Kind, Lit, Ref, Scalar
from dpsql.interval import Interval
from dpsql.lower.context import check_args
from dpsql.parse import refusal, written
from dpsql.program import Measure
from dpsql.scalars.finish import WINDOWS
from dpsql.scalars.logic import truth
from dpsql.scalars.unify import cast

_ANSWERED = (
    "COUNT, SUM, AVG, MIN, MAX, MEDIAN, QUANTILE, VARIANCE, STDDEV, COVAR, CORR, REGR are answered"
)

_ONE: dict[type[exp.Expr], str] = {
    exp.Sum: "sum", exp.Avg: "avg", exp.VariancePop: "var_pop", exp.Variance: "var_samp",
    exp.StddevPop: "stddev_pop", exp.StddevSamp: "stddev_samp", exp.Stddev: "stddev_samp",
}
_TWO: dict[type[exp.Expr], str] = {
    exp.CovarPop: "covar_pop", exp.CovarSamp: "covar_samp", exp.Corr: "corr", exp.RegrSlope: "regr_slope",
    exp.RegrIntercept: "regr_intercept", exp.RegrR2: "regr_r2", exp.RegrCount: "regr_count",
    exp.RegrAvgx: "regr_avgx", exp.RegrAvgy: "regr_avgy", exp.RegrSxx: "regr_sxx", exp.RegrSyy: "regr_syy",
    exp.RegrSxy: "regr_sxy",
}

_ORDERED: dict[type[exp.Expr], str] = {
    exp.Min: "min", exp.Max: "max", exp.Median: "quantile_cont", exp.PercentileCont: "quantile_cont",
    exp.PercentileDisc: "quantile_disc", exp.Quantile: "quantile_disc", exp.ApproxQuantile: "quantile_disc",
}
_ORDERED_KINDS = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.DATE, Kind.TIMESTAMP)

Build = Callable[[exp.Expr], Scalar]


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
    if isinstance(node, exp.WithinGroup):
        return Aggregated(node, None)
    return Aggregated(node, None) if isinstance(node, exp.AggFunc) else None


_WAYS: dict[tuple[type[exp.Expr], ...], str] = {
    (exp.LogicalAnd, exp.LogicalOr): "COUNT_IF(x) and COUNT(x) say how many are true, and of how many",
    (exp.Mode,): "SELECT x, COUNT(*) AS n ... GROUP BY x ORDER BY n DESC LIMIT 1 gives the most frequent",
    (exp.AnyValue, exp.First, exp.Last): "add it to GROUP BY, or take MIN or MAX of it",
    (exp.ArgMax, exp.ArgMin): "GROUP BY and aggregate in a derived table first: then it is answered",
    (exp.ArrayAgg, exp.GroupConcat): "GROUP BY it: the values that many people share are listed",
}


def read(aggregate: Aggregated, node: exp.Expr, build: Build, owners: frozenset[int]) -> Measure:
    """The measure of an aggregate. Raises QueryError for one that is not answered."""
    measure, bounds = _read(aggregate, node, build, owners), aggregate.call.meta.get("bounds")
    if bounds is None:
        return measure
    if bounds.per_group and measure.family in ("sum", "count"):
        return replace(measure, within=(bounds.low, bounds.high))
    if measure.family not in _ONE.values() or measure.arg is None:
        raise refusal("bounds of contribution stand in COUNT, SUM, AVG, VARIANCE and STDDEV", node)
    return replace(measure, arg=scalars.clamp(measure.arg, Interval(bounds.low, bounds.high)))


def _read(aggregate: Aggregated, node: exp.Expr, build: Build, owners: frozenset[int]) -> Measure:
    call, condition = aggregate.call, _condition(aggregate, build)
    if isinstance(call, exp.Count):
        return _count(call, condition, build, owners)
    if isinstance(call, exp.ApproxDistinct):
        check_args(call, {"this"})
        return _distinct(call, [call.this], condition, build, owners)
    if isinstance(call, exp.CountIf):
        check_args(call, {"this"})
        both = condition_of(call.this, build)
        both = both if condition is None else scalars.call("and", condition, both)
        return Measure("count", _when(both, Lit(1, INTEGER)))
    if type(call) in _ONE:
        check_args(call, {"this"})
        return Measure(_ONE[type(call)], _where(condition, _number(call, call.this, build)))
    if type(call) in _TWO:
        check_args(call, {"this", "expression"})
        first, second = (_number(call, side, build) for side in (call.this, call.expression))
        return Measure(_TWO[type(call)], _where(condition, first), (second,))
    if type(call) in _ORDERED or isinstance(call, exp.WithinGroup):
        return _quantile(call, condition, build)
    raise _unanswered(call, node)


def _condition(aggregate: Aggregated, build: Build) -> Scalar | None:
    return None if aggregate.where is None else condition_of(aggregate.where, build)


def condition_of(node: exp.Expr, build: Build) -> Scalar:
    """A condition that is given to an aggregate. Raises QueryError for what is none."""
    try:
        return truth(build(node))
    except scalars.ScalarError as error:
        raise refusal(error.reason, node, error.hint) from None


def conditioned(aggregate: Aggregated, build: Build, value: Scalar) -> Scalar:
    """A value where the FILTER of the aggregate holds, else NULL."""
    return _where(_condition(aggregate, build), value)


def _unanswered(call: exp.Expr, node: exp.Expr) -> Exception:
    """Why an aggregate is refused, and what to ask instead."""
    name = written(call).upper()
    if type(call).__name__ in WINDOWS:
        return refusal(f"{name} is a window function", node, f"write {name}(...) OVER (PARTITION BY ... ORDER BY ...)")
    if isinstance(call, exp.Grouping):
        return refusal("GROUPING says which level a group is of, and there is one", node, "write GROUP BY ROLLUP (...)")
    way = next((way for kinds, way in _WAYS.items() if isinstance(call, kinds)), None)
    if way is not None:
        return refusal(f"{name} is not answered privately: a single person may decide it", node, way)
    return refusal(f"{name} is not answered privately", node, _ANSWERED)


def _count(call: exp.Count, condition: Scalar | None, build: Build, owners: frozenset[int]) -> Measure:
    if isinstance(call.this, exp.Distinct):
        return _distinct(call, call.this.expressions, condition, build, owners)
    if call.expressions:
        raise refusal("COUNT takes one expression, or *", call, "COUNT_IF(a IS NOT NULL AND b IS NOT NULL)")
    check_args(call, {"this", "big_int"})
    whole = call.this is None or isinstance(call.this, exp.Star)
    counted = None if whole else build(call.this)
    if isinstance(counted, Lit) and counted.value is not None:
        counted = None
    if condition is None:
        return Measure("count", counted)
    return Measure("count", _when(condition, Lit(1, INTEGER) if counted is None else counted))


def _number(call: exp.Expr, node: exp.Expr, build: Build) -> Scalar:
    """A numeric argument, clamped to its declared range; for SUM a condition counts as 1 or 0."""
    name = written(call).upper()
    if isinstance(node, exp.Distinct):
        raise refusal(
            f"{name}(DISTINCT ...) is not answered: whose value counts depends on everybody else's", call,
            f"leave DISTINCT out, or {name} over a derived table that has each value once per person",
        )
    value = build(node)
    if value.type == BOOLEAN and isinstance(call, exp.Sum):
        return cast(value, INTEGER)
    if not value.type.numeric:
        dated = value.type.kind in (Kind.DATE, Kind.TIMESTAMP)
        raise refusal(
            f"{name} needs a number, and this is {value.type}", node,
            "take a part of it, or date_diff" if dated else "CAST it to a number",
        )
    if value.type.scale > STEPS:
        raise refusal(f"{name} of so many decimals is too large to add up exactly", node,
                      "ask for fewer: ROUND or CAST to a coarser DECIMAL")
    if isinstance(value, Ref) and value.column.declared is not None:
        value = scalars.clamp(value, value.column.declared)
    return value


def _quantile(call: exp.Expr, condition: Scalar | None, build: Build) -> Measure:
    """MIN, MAX and the quantiles, whose fraction is a literal; WITHIN GROUP may count from the largest."""
    descending = False
    if isinstance(call, exp.WithinGroup):
        function, (ordered,) = call.this, call.expression.expressions
        argument, fraction = ordered.this, function.this
        descending = bool(ordered.args.get("desc"))
        check_args(function, {"this"})
    else:
        function, argument = call, call.this
        fraction = call.args.get("expression") or call.args.get("quantile")
        _check_extreme(call)
        check_args(call, {"this", "expression", "quantile"})
    name = written(function).upper()
    if type(function) not in _ORDERED or isinstance(argument, exp.Distinct):
        raise refusal(f"{name} is not answered privately", call, _ANSWERED)
    value = build(argument)
    if value.type.kind not in _ORDERED_KINDS:
        raise refusal(
            f"{name} of {value.type} would show a stored value", argument,
            "group by it, or COUNT_IF a condition" if value.type == BOOLEAN else "group by it and count",
        )
    if isinstance(value, Ref) and value.type.numeric and value.column.declared is not None:
        value = scalars.clamp(value, value.column.declared)
    value = _where(condition, value)
    if isinstance(function, exp.Min | exp.Max):
        return Measure(_ORDERED[type(function)], value)
    stated = Decimal("0.5") if isinstance(function, exp.Median) else _fraction(fraction, call, build)
    fraction_ = 1 - stated if descending else stated
    if fraction_ in (0, 1):
        return Measure("max" if fraction_ else "min", value)
    return Measure(_ORDERED[type(function)], value, (Lit(fraction_.normalize(), DOUBLE),))


def _check_extreme(call: exp.Expr) -> None:
    """MIN and MAX take one argument: of n they would be lists of stored values."""
    if isinstance(call, exp.Min | exp.Max) and any(value for key, value in call.args.items() if key != "this"):
        name = written(call).upper()
        raise refusal(
            f"{name} with a second argument returns stored values", call,
            f"ask {name} of one expression; GREATEST and LEAST compare several of one row",
        )


def _fraction(node: exp.Expr | None, call: exp.Expr, build: Build) -> Decimal:
    """The literal fraction of a quantile."""
    stated = build(node) if node is not None else None
    number = stated.value if isinstance(stated, Lit) and stated.type.numeric else None
    if isinstance(number, int | float | Decimal) and 0 <= number <= 1:
        fraction = Decimal(str(number))
        if -fraction.as_tuple().exponent <= DIGITS:  # type: ignore[operator]
            return fraction
    raise refusal(
        f"a quantile takes one literal from 0 to 1, of at most {DIGITS} digits", node or call,
        "write the number out, as in QUANTILE_CONT(x, 0.25)",
    )


DIGITS = 6      # of the fraction of a quantile
STEPS = 18      # decimals at most: of one more, not even 1 is a BIGINT of steps


def _distinct(
    call: exp.Expr, options: list[exp.Expr], condition: Scalar | None, build: Build, owners: frozenset[int],
) -> Measure:
    """COUNT(DISTINCT x): of the owner's own column the units, of any other the values."""
    if len(options) != 1:
        raise refusal("COUNT(DISTINCT ...) takes one expression", call, "write COUNT(DISTINCT (a, b))")
    tuple_ = isinstance(options[0], exp.Tuple)
    counted = stated = _as_one([build(each) for each in options[0].expressions]) if tuple_ else build(options[0])
    while isinstance(counted, Call) and counted.name == "cast" and _keeps_apart(counted):
        counted = counted.args[0]
    if isinstance(counted, Ref) and counted.column.id in owners:
        return Measure("units", None if condition is None else _when(condition, Lit(1, INTEGER)))
    if stated.type.kind in (Kind.INTERVAL, Kind.NULL):
        raise refusal(f"COUNT(DISTINCT ...) of {stated.type} is not answered", call)
    return Measure("distinct", _where(condition, stated))


def _as_one(values: list[Scalar]) -> Scalar:
    """One text for several values, another one where one of them is another; NULL is as good as any, as in the engine.

    A digest has 32 characters whatever it is of; two values of one digest would be counted once.
    """
    texts = (cast(scalars.call("plain_zero", value) if value.type == DOUBLE else value, VARCHAR) for value in values)
    digests = (scalars.call("coalesce", scalars.call("md5", text), Lit("", VARCHAR)) for text in texts)
    return scalars.call("concat_ws", Lit(",", VARCHAR), *digests)


def _keeps_apart(cast: Call) -> bool:
    """Whether a cast gives different values to different ones."""
    source, to = cast.args[0].type, cast.type
    wider = to.kind is Kind.INTEGER and source.width <= to.width
    return source.kind is Kind.INTEGER and (wider or to.kind is Kind.VARCHAR)


def _where(condition: Scalar | None, value: Scalar) -> Scalar:
    return value if condition is None else _when(condition, value)


def _when(condition: Scalar, value: Scalar) -> Scalar:
    return scalars.call("case", condition, value, Lit(None, value.type))
