"""Aggregates over the rows of one person: folds that give the same value in whatever order the rows come."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, INTEGER, Column, Kind, Lit, Ref, Scalar, SqlType
from dpsql.facts.ranges import narrowed
from dpsql.interval import ANY, Interval, between
from dpsql.lower.context import Context, check_args
from dpsql.lower.given import as_given, given
from dpsql.lower.measures import Aggregated, condition_of
from dpsql.parse import refusal, written
from dpsql.relation import Fold, Quantile, Relation, columns_out
from dpsql.scalars.clamps import declared
from dpsql.scalars.unify import cast

GRID_BITS = 40                        # steps of a DOUBLE's range; squared and added up they stay below 2^127
SQUARED_BITS = 47                     # at most of them: 2^31 squares stay below 2^127
FINE_BITS, WIDEST = 60, between(-(1 << 40), 1 << 40)    # of a larger range, and of a DOUBLE whose range nobody stated
LARGEST = between(-(1 << 95), 1 << 95)     # of an integer that is added up: 2^31 rows of it stay below 2^127
LARGEST_DIGITS = 28                   # of a DECIMAL that is added up: 10^10 rows of it keep 38 digits
_KNOWN = "COUNT, SUM, AVG, MIN, MAX, BOOL_AND, BOOL_OR, VARIANCE, STDDEV, MEDIAN and QUANTILE_DISC are"
_SPREAD = (exp.Variance, exp.VariancePop, exp.Stddev, exp.StddevPop, exp.StddevSamp)

Build = Callable[[exp.Expr], Scalar]
Range = Callable[[Scalar], Interval]


@dataclass(slots=True)
class Folds:
    """The folds of one grouped block, each computed once. `range` gives what is believed of an expression."""

    context: Context
    range: Range
    found: dict[tuple[Fold | Quantile, Scalar | None], Column] = field(default_factory=dict)

    def of(self, fold: Fold | Quantile, scalar: Scalar | None, type_: SqlType) -> Scalar:
        """The column of a fold."""
        if (fold, scalar) not in self.found:
            self.found[fold, scalar] = self.context.fresh(f"f{len(self.found) + 1}", type_)
        return Ref(self.found[fold, scalar])


def believed(relation: Relation, conjuncts: tuple[Scalar, ...]) -> Range:
    """What is believed of expressions over rows that satisfy `conjuncts`: the declared ranges, narrowed."""
    declared_ranges = {c.id: c.declared for c in columns_out(relation) if c.declared is not None}
    known = narrowed(declared_ranges, conjuncts)
    return lambda scalar: scalars.bounds(scalar, lambda column: known.get(column.id, ANY))


def folded(aggregate: Aggregated, node: exp.Expr, build: Build, folds: Folds) -> Scalar:
    """The value of an aggregate over the rows of one group. Raises QueryError for one that depends on their order."""
    call = aggregate.call.this if isinstance(aggregate.call, exp.WithinGroup) else aggregate.call
    condition = None if aggregate.where is None else condition_of(aggregate.where, build)

    def argument(inner: exp.Expr) -> Scalar:
        value = declared(build(inner))
        return value if condition is None else _when(condition, value)

    match call:
        case exp.Count():
            return _count(call, condition, build, folds)
        case exp.CountIf():
            check_args(call, {"this"})
            return folds.of(Fold.COUNT, _when(condition_of(call.this, build), argument(exp.Literal.number(1))), BIGINT)
        case exp.Min() | exp.Max() | exp.LogicalAnd() | exp.LogicalOr():
            return _extreme(call, argument, folds)
        case exp.Sum() | exp.Avg() | exp.Median():
            return as_given(_moment(call, _number(call, argument), folds), given(call, build))
        case _ if isinstance(call, _SPREAD):
            return _spread(call, _number(call, argument), folds)
        case exp.Quantile() | exp.PercentileDisc():
            return _quantile(call, argument, folds)
        case _:
            raise refusal(
                f"{written(call).upper()} over the rows of one person is not answered: it may depend on their order",
                node, f"{_KNOWN} answered",
            )


def plain(value: Scalar) -> Scalar:
    """A DOUBLE without the sign of zero, which grouped and folded rows would show by chance."""
    if value.type != DOUBLE or isinstance(value, Lit):
        return value
    within = scalars.enforced(value)
    shown = scalars.call("plain_zero", value)
    return scalars.clamp(shown, within) if within.finite else shown


def proved(column: Column, scalar: Scalar) -> Column:
    """A column with the range that the expression it shows proves by itself."""
    interval = scalars.enforced(scalar)
    return replace(column, proved=interval if interval.finite else None)


def _count(call: exp.Count, condition: Scalar | None, build: Build, folds: Folds) -> Scalar:
    check_args(call, {"this", "big_int"})
    one = Lit(1, INTEGER)
    if isinstance(call.this, exp.Distinct):
        if len(call.this.expressions) != 1:
            raise refusal("COUNT(DISTINCT ...) counts one expression", call)
        value = plain(build(call.this.expressions[0]))
        return folds.of(Fold.DISTINCT, value if condition is None else _when(condition, value), BIGINT)
    if call.this is None or isinstance(call.this, exp.Star):
        return folds.of(Fold.ROWS, None, BIGINT) if condition is None else \
            folds.of(Fold.COUNT, _when(condition, one), BIGINT)
    value = build(call.this)
    return folds.of(Fold.COUNT, value if condition is None else _when(condition, value), BIGINT)


def _extreme(call: exp.Expr, argument: Build, folds: Folds) -> Scalar:
    """MIN and MAX, of conditions too: BOOL_AND is true when the least of them is."""
    check_args(call, {"this"})
    value = plain(argument(call.this))
    logical = isinstance(call, exp.LogicalAnd | exp.LogicalOr)
    if value.type.kind in (Kind.INTERVAL, Kind.NULL) or (logical and value.type.kind is not Kind.BOOLEAN):
        raise refusal(f"{written(call).upper()} takes no {value.type}", call.this)
    return folds.of(Fold.MIN if isinstance(call, exp.Min | exp.LogicalAnd) else Fold.MAX, value, value.type)


def _number(call: exp.Expr, argument: Build) -> Scalar:
    check_args(call, {"this"})
    if isinstance(call.this, exp.Distinct):
        raise refusal(f"{written(call).upper()}(DISTINCT ...) is not answered", call, f"{_KNOWN} answered")
    value = argument(call.this)
    if value.type.kind is Kind.BOOLEAN:
        value = cast(value, INTEGER)
    if not value.type.numeric:
        raise refusal(f"{written(call).upper()} needs a number, and this is {value.type}", call.this)
    return value


def _moment(call: exp.Expr, value: Scalar, folds: Folds) -> Scalar:
    if isinstance(call, exp.Median):
        return folds.of(Fold.MEDIAN, plain(cast(value, DOUBLE)), DOUBLE)
    row, step = _steps(value, folds)
    total = folds.of(Fold.SUM, row, _summed(row.type))
    if isinstance(call, exp.Sum):
        return total if step is None else scalars.call("*", cast(total, DOUBLE), step)
    mean = scalars.call("/", cast(total, DOUBLE), cast(folds.of(Fold.COUNT, row, BIGINT), DOUBLE))
    mean = mean if step is None else scalars.call("*", mean, step)
    within = scalars.enforced(value)
    return scalars.clamp(mean, within) if within.finite else mean


def _spread(call: exp.Expr, value: Scalar, folds: Folds) -> Scalar:
    """From the count, the sum and the sum of squares of an integer near its middle, exact until the last step."""
    believed = folds.range(value)
    if not believed.finite:
        raise _unbounded(call)
    bits = GRID_BITS
    if value.type.kind is not Kind.DOUBLE and not believed.within(WIDEST):      # else small whole numbers were lost
        bits, most = SQUARED_BITS, (1 << SQUARED_BITS - 1) / Fraction(10**value.type.scale)
        believed = between(*(max(-most, min(most, end)) for end in believed.ends))
    row, step = _grid(scalars.clamp(cast(value, DOUBLE), believed), believed, bits)
    low, high = scalars.enforced(row).ends
    centred = scalars.call("-", row, Lit(math.floor((low + high) / 2), BIGINT))
    n = cast(folds.of(Fold.COUNT, row, BIGINT), DOUBLE)
    s1 = cast(folds.of(Fold.SUM, centred, HUGEINT), DOUBLE)
    s2 = cast(folds.of(Fold.SUM, scalars.call("*", centred, centred), HUGEINT), DOUBLE)
    zero = Lit(0.0, DOUBLE)
    over = scalars.call("greatest", zero, scalars.call("-", s2, scalars.call("/", scalars.call("*", s1, s1), n)))
    population = isinstance(call, exp.VariancePop | exp.StddevPop)
    rest = n if population else scalars.call("-", n, Lit(1.0, DOUBLE))
    variance = scalars.call("/", over, rest)
    squared = scalars.call("*", scalars.call("*", variance, step), step)
    if isinstance(call, exp.Stddev | exp.StddevPop | exp.StddevSamp):
        squared = scalars.call("sqrt", squared)
    enough = scalars.call(">=", n, Lit(1.0 if population else 2.0, DOUBLE))
    return scalars.call("case", enough, squared, Lit(None, DOUBLE))


def _quantile(call: exp.Expr, argument: Build, folds: Folds) -> Scalar:
    """QUANTILE_DISC(x, p), or PERCENTILE_DISC(p) WITHIN GROUP (ORDER BY x)."""
    group = call.parent if isinstance(call.parent, exp.WithinGroup) else None
    if group is not None:
        (ordered,) = group.expression.expressions
        if ordered.args.get("desc"):
            raise refusal("WITHIN GROUP is ordered upwards here", ordered, "take 1 minus the fraction")
        inner, fraction = ordered.this, call.this
    else:
        inner, fraction = call.this, call.args.get("quantile") or call.args.get("expression")
    if not isinstance(fraction, exp.Literal) or fraction.is_string or not 0 <= Decimal(fraction.name) <= 1:
        raise refusal("the fraction is a literal between 0 and 1", call)
    value = plain(argument(inner))
    if value.type.kind in (Kind.INTERVAL, Kind.NULL, Kind.BOOLEAN):
        raise refusal(f"a quantile takes no {value.type}", inner)
    return folds.of(Quantile(Decimal(fraction.name)), value, value.type)


def _steps(value: Scalar, folds: Folds) -> tuple[Scalar, Scalar | None]:
    """A number as it is added up: exact, and never so large that the total could overflow; and its step, if scaled."""
    if value.type.kind is Kind.DOUBLE:
        believed = folds.range(value)
        stated = believed if believed.finite else WIDEST
        bits = GRID_BITS if believed.finite and believed.within(WIDEST) else FINE_BITS
        return _grid(scalars.clamp(value, stated), stated, bits)
    scale = value.type.scale
    top = Fraction(10**LARGEST_DIGITS - 1, 10**scale)
    most = between(-top, top) if value.type.kind is Kind.DECIMAL else LARGEST
    return (value if scalars.enforced(value).within(most) else scalars.clamp(value, most)), None


def _grid(value: Scalar, believed: Interval, bits: int = GRID_BITS) -> tuple[Scalar, Scalar]:
    """A DOUBLE as a whole number of steps 2^-k, such that its range is about 2^bits of them, and the step."""
    magnitude = believed.magnitude
    power = bits - (max(-900, math.ceil(math.log2(magnitude))) if float(magnitude) else -900)
    power = max(-980, min(980, power))
    return scalars.call("grid", value, Lit(power, INTEGER)), Lit(2.0**-power, DOUBLE)


def _summed(type_: SqlType) -> SqlType:
    return SqlType(Kind.DECIMAL, 38, type_.scale) if type_.kind is Kind.DECIMAL else HUGEINT


def _unbounded(call: exp.Expr) -> Exception:
    return refusal(
        f"{written(call).upper()} of a DOUBLE needs a finite range, and none is known of this expression", call,
        "the owner can declare one, or bound it here: LEAST(GREATEST(x, 0), 100)",
    )


def _when(condition: Scalar, value: Scalar) -> Scalar:
    return scalars.call("case", condition, value, Lit(None, value.type))
