"""Aggregates and window functions of a finish: what each takes and gives, so that no value makes one raise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from sqlglot import exp

from dpsql import scalars
from dpsql.aggregates import MOST_STEPS, summed
from dpsql.expression import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    HUGEINT,
    NULL,
    TIMESTAMP,
    Kind,
    Scalar,
    SqlType,
)
from dpsql.interval import between
from dpsql.lower.alike import refused_at
from dpsql.lower.extents import framed
from dpsql.lower.given import as_given, given
from dpsql.parse import refusal, written
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.logic import truth
from dpsql.scalars.moments import windowed
from dpsql.scalars.unify import cast, common

if TYPE_CHECKING:
    from dpsql.lower.total import Block

_ADDED = 1 << 100               # steps of the values that are added up, where they might be more than released ones
MAX_OFFSET = 1_000_000          # places of LAG, LEAD, NTILE, NTH_VALUE and of frames
_ROWS = between(0, 1 << 62)
_MOST_ROWS = 1 << 40            # that add up to a sum: more take hours, whatever is joined with whatever
_SPAN = "span"                  # in the meta of an aggregate: what its value lies in

Taken = tuple[tuple[Scalar, ...], SqlType]
Rule = Callable[[tuple[Scalar, ...]], Taken]


def _numeric(arg: Scalar) -> Scalar:
    if arg.type.numeric or arg.type == NULL:
        return arg
    raise ScalarError(f"a number is expected here, not {arg.type}", hint="write CAST(... AS DOUBLE)")


def _narrow(arg: Scalar) -> Scalar:
    """A number of which a million rows add up within 128 bits: released ones do, larger ones are cut."""
    if arg.type != HUGEINT and not (arg.type.kind is Kind.DECIMAL and arg.type.width > 28):
        return arg
    step = 10**arg.type.scale
    if scalars.enforced(arg).within(between(Fraction(-MOST_STEPS, step), Fraction(MOST_STEPS, step))):
        return arg
    return scalars.clamp(arg, between(Fraction(-_ADDED, step), Fraction(_ADDED, step)))


def _sum(args: tuple[Scalar, ...]) -> Taken:
    (arg,) = args
    if arg.type == BOOLEAN:
        return args, HUGEINT
    return (_narrow(_numeric(arg)),), summed(arg.type)


def _reals(args: tuple[Scalar, ...]) -> Taken:
    return tuple(_narrow(_numeric(arg)) for arg in args), DOUBLE


def _same(args: tuple[Scalar, ...]) -> Taken:
    return args[:1], args[0].type


def _beside(args: tuple[Scalar, ...]) -> Taken:
    return args, args[0].type


def _middle(args: tuple[Scalar, ...]) -> Taken:
    """A value between two: they are subtracted, wide ones as DOUBLE and dates within the years 1 to 9999."""
    (arg,) = args
    if arg.type in (DATE, TIMESTAMP):
        return (windowed(arg),), TIMESTAMP
    arg = _numeric(arg)
    if arg.type.kind is Kind.DECIMAL and arg.type.width <= 28:
        return (arg,), arg.type
    return (cast(arg, DOUBLE) if arg.type.kind is Kind.DECIMAL or arg.type == HUGEINT else arg,), DOUBLE


def _counted(args: tuple[Scalar, ...]) -> Taken:
    return args, BIGINT


def _truths(gives: SqlType) -> Rule:
    return lambda args: (tuple(truth(arg) for arg in args), gives)


_FOLDS: dict[str, Rule] = {
    "Avg": _reals, "Sum": _sum, "Count": _counted,
    "CountIf": _truths(HUGEINT), "LogicalAnd": _truths(BOOLEAN), "LogicalOr": _truths(BOOLEAN),
    "Median": _middle, "PercentileCont": _middle, "ArgMax": _beside, "ArgMin": _beside,
    **dict.fromkeys(("Max", "Min", "Mode", "PercentileDisc"), _same),
    **dict.fromkeys(("Corr", "CovarPop", "CovarSamp", "RegrSlope", "RegrIntercept", "RegrR2", "Stddev", "StddevPop",
                     "StddevSamp", "Variance", "VariancePop"), _reals),
}
_PLACES = {
    "RowNumber": BIGINT, "Rank": BIGINT, "DenseRank": BIGINT, "Ntile": BIGINT, "PercentRank": DOUBLE,
    "CumeDist": DOUBLE,
}
_VALUES = ("FirstValue", "LastValue", "NthValue", "Lag", "Lead")
_VALUED = (                                                                       # give what they take
    *_VALUES, "ArgMax", "ArgMin", "Max", "Min", "Mode", "PercentileDisc", "Filter", "WithinGroup",
)
_QUANTILES = (exp.PercentileCont, exp.PercentileDisc)


def _name(node: exp.Expr) -> str:
    return type(node).__name__


def is_fold(node: exp.Expr) -> bool:
    """Whether a node is an aggregate, with what stands behind it."""
    return isinstance(node, exp.Filter | exp.WithinGroup | exp.AnonymousAggFunc) or _name(node) in _FOLDS


def folded(node: exp.Expr, block: Block) -> Scalar:
    """An aggregate in total form."""
    copied, type_ = _fold(node, block)
    counted = type_ == BIGINT and _name(node) not in _VALUED
    value = block.opaque(copied, type_, _ROWS if counted else copied.meta.get(_SPAN))
    return as_given(value, given(_call(node), block.value))


def _call(node: exp.Expr) -> exp.Expr:
    """An aggregate without what stands behind it."""
    return _call(node.this) if isinstance(node, exp.Filter | exp.WithinGroup) else node


def _fold(node: exp.Expr, block: Block) -> tuple[exp.Expr, SqlType]:
    match node:
        case exp.AnonymousAggFunc() if len(node.expressions) == 1:
            of = block.value(node.expressions[0])
            shown = exp.AnonymousAggFunc(this=node.this, expressions=[block.sql(of)])
            return shown, SqlType(Kind.MAP, parts=(of.type, BIGINT))
        case exp.AnonymousAggFunc():
            raise refusal("HISTOGRAM takes one value here", node, "GROUP BY a CASE, or width_bucket")
        case exp.Filter():
            inner, type_ = _fold(node.this, block)
            where = exp.Where(this=block.condition(node.expression.this))
            filtered = exp.Filter(this=inner, expression=where)
            filtered.meta.update(inner.meta)
            return filtered, type_
        case exp.WithinGroup():
            ordered = node.expression.expressions[0]
            (arg,), type_ = _taken(node.this, [ordered.this], block)
            _require_fraction(node.this, node.this.this)
            order = exp.Ordered(this=block.sql(arg), **{k: v for k, v in ordered.args.items() if k != "this"})
            return exp.WithinGroup(this=node.this.copy(), expression=exp.Order(expressions=[order])), type_
    rest = {key: value for key, value in node.args.items() if key not in ("this", "expression", "expressions")}
    if rest.pop("count", None) is not None:
        raise refusal(f"{written(node).upper()} of several values gives a list", node, "leave the second argument out")
    if isinstance(node.this, exp.Star | None):
        return node.copy(), BIGINT
    if isinstance(node, _QUANTILES):
        _require_fraction(node, node.expression)
        (arg,), type_ = _taken(node, [node.this], block)
        return node.__class__(this=block.sql(arg), expression=node.expression.copy(), **rest), type_
    return _plain(node, rest, block)


def _plain(node: exp.Expr, rest: dict[str, object], block: Block) -> tuple[exp.Expr, SqlType]:
    """f(x), f(x, y), f(DISTINCT x)."""
    distinct = isinstance(node.this, exp.Distinct)
    given = list(node.this.expressions) if distinct else [node.this, *(
        [node.expression] if isinstance(node.expression, exp.Expr) else []), *node.expressions]
    if isinstance(node, exp.Count) and len(given) == 1 and isinstance(given[0], exp.Tuple):
        given = list(given[0].expressions)
        cells: list[exp.Expr] = [exp.Tuple(expressions=[block.sql(block.value(each)) for each in given])]
        type_ = BIGINT
    else:
        args, type_ = _taken(node, given, block)
        cells = [block.sql(arg) for arg in args]
    if distinct:
        return node.__class__(this=exp.Distinct(expressions=cells), **rest), type_
    keys = ("this", *(("expression",) if isinstance(node.expression, exp.Expr) else ()))
    more = {"expressions": cells[len(keys):]} if cells[len(keys):] else {}
    made = node.__class__(**dict(zip(keys, cells, strict=False)), **more, **rest)
    if isinstance(node, exp.Sum) and type_ != DOUBLE:
        low, high = scalars.enforced(args[0]).ends if args[0].type.numeric else (0, 1)
        made.meta[_SPAN] = between(min(0, low) * _MOST_ROWS, max(0, high) * _MOST_ROWS)
    return made, type_


def _taken(node: exp.Expr, given: Sequence[exp.Expr], block: Block) -> Taken:
    if _name(node) not in _FOLDS:
        raise refusal("FILTER stands behind an aggregate, and this is none", node, "write CASE, or WHERE")
    with refused_at(given[0]):
        return _FOLDS[_name(node)](tuple(block.value(each) for each in given))


def _require_fraction(node: exp.Expr, given: exp.Expr | None) -> None:
    if not isinstance(given, exp.Literal) or given.is_string or not 0 <= float(given.this) <= 1:
        raise refusal(f"{written(node).upper()} takes a literal fraction from 0 to 1", given or node)


# Windows ------------------------------------------------------------------------------------------------------------


def placed(node: exp.Window, block: Block) -> Scalar:
    """A window function in total form: its places and frames are literals."""
    function = node.this
    if (name := _name(function)) in _PLACES or name in _VALUES:
        shown, type_ = _place(function, block)
    elif is_fold(function):
        shown, type_ = _fold(function, block)
    else:
        raise refusal(f"{written(function)} is not admitted as a window function", function)
    partition = [block.sql(block.value(each)) for each in node.args.get("partition_by") or ()]
    order, spec = node.args.get("order"), node.args.get("spec")
    rest = {key: value for key, value in node.args.items() if key not in ("this", "partition_by", "order")}
    keys = [] if order is None else [_ordered(each, block.value(each.this), block) for each in order.expressions]
    if spec is not None and _reaches(spec):
        value, rest["spec"] = _measured(node, spec, [] if order is None else order.expressions, block)
        keys = [_ordered(each, value, block) for each in order.expressions] if order is not None else []
    window = exp.Window(this=shown, partition_by=partition, order=exp.Order(expressions=keys) if keys else None, **rest)
    counted = type_ == BIGINT and name not in _VALUED
    value = block.opaque(window, type_, _ROWS if counted else shown.meta.get(_SPAN))
    return as_given(value, given(_call(function), block.value))


def _ordered(node: exp.Expr, value: Scalar, block: Block) -> exp.Expr:
    return exp.Ordered(this=block.sql(value), **{key: each for key, each in node.args.items() if key != "this"})


def _place(node: exp.Expr, block: Block) -> tuple[exp.Expr, SqlType]:
    name = _name(node)
    if name in _PLACES:
        if name == "Ntile":
            _require_place(node, node.this, 1)
        return node.copy(), _PLACES[name]
    offset, default = node.args.get("offset"), node.args.get("default")
    if offset is not None:
        _require_place(node, offset, 1 if name == "NthValue" else 0)
    values = [block.value(each) for each in (node.this, default) if each is not None]
    with refused_at(node):
        type_ = common(values)
        cells = [block.sql(cast(value, type_)) for value in values]
    rest = {"default": cells[1]} if len(cells) > 1 else {}
    if offset is not None:
        rest["offset"] = offset.copy()
    return node.__class__(this=cells[0], **rest), type_


def _require_place(node: exp.Expr, given: exp.Expr | None, least: int) -> None:
    if not isinstance(given, exp.Literal) or not given.is_int or not least <= int(given.this) <= MAX_OFFSET:
        raise refusal(
            f"{written(node).upper()} takes a literal number from {least} to {MAX_OFFSET}", given or node,
            "a computed one might be negative",
        )


def _reaches(spec: exp.Expr) -> bool:
    """Whether a frame is of RANGE and reaches a distance. Refuses places that might raise."""
    ends = [end for end in (spec.args.get("start"), spec.args.get("end")) if isinstance(end, exp.Expr)]
    if ends and str(spec.args.get("kind")).upper() == "RANGE":
        return True
    for end in ends:
        if not isinstance(end, exp.Literal) or end.is_string or float(end.this) > MAX_OFFSET:
            raise refusal("a frame reaches a literal number of rows", end, "a computed one might be negative")
    return False


def _measured(
    node: exp.Window, spec: exp.Expr, order: list[exp.Expr], block: Block,
) -> tuple[Scalar, exp.Expr]:
    """What is ordered by under a distance, in numbers that it cannot overflow, and the frame in these."""
    keys = [block.value(each.this) for each in order]
    wide = [cast(key, DOUBLE) if key.type.numeric else key for key in keys]
    ((value, _, _),), frame = framed(node, tuple((key, False, False) for key in wide))
    assert frame is not None, "a frame with a distance is one"
    shown = spec.copy()
    for name, distance in (("start", frame.start), ("end", frame.end)):
        if distance:
            number = exp.Literal.number(f"{abs(distance):f}" if isinstance(distance, Decimal) else abs(distance))
            shown.set(name, exp.Cast(this=number, to=exp.DataType.build(str(value.type), dialect="duckdb")))
    return value, shown
