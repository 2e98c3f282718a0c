"""How a filter narrows what is believed of a column, and which columns it leaves without NULL. Beliefs choose clips; no
sensitivity rests on them, but whether an owner may be NULL is proved."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction

from dpsql.expression import DATE, TIMESTAMP, Call, Column, Kind, Lit, Ref, Scalar, SqlType, columns_of
from dpsql.interval import ANY, Interval, point
from dpsql.scalars.ranges import bounds, days, of_literal
from dpsql.scalars.rows import interval_of

_DATED = (DATE, TIMESTAMP)
YEARS = Interval(Fraction(-719_162), Fraction(2_932_896))     # the years 1 to 9999, in days since 1970
_TEXTUAL = (Kind.VARCHAR, Kind.LIST)
_FAR = 1 << 15          # as far as no text or list reaches, but the type of an answer about it
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def stated(scalar: Scalar, intervals: Mapping[int, Interval]) -> Interval:
    """What is believed of an expression, its ends unknown where they come from mere types: of columns nobody declared,
    or of functions of texts. Half of such a range would change them."""
    whole = bounds(scalar, lambda column: intervals.get(column.id, ANY))
    known = isinstance(scalar, Ref) and intervals.get(scalar.column.id, ANY).finite     # then its type adds no end
    if known or whole == ANY or not isinstance(scalar, Ref | Call):
        return whole
    half = _halved(scalar, intervals)
    return Interval(whole.low if whole.low == half.low else None, whole.high if whole.high == half.high else None)


def _halved(scalar: Scalar, intervals: Mapping[int, Interval]) -> Interval:
    """The range of an expression, were every mere type half as wide."""
    match scalar:
        case Ref(column):
            known = intervals.get(column.id, ANY)
            typed = YEARS if column.type in _DATED else column.range
            return known.meet(column.range).meet(Interval(
                typed.low / 2 if known.low is None and typed.low is not None else None,
                typed.high / 2 if known.high is None and typed.high is not None else None,
            ))
        case Lit():
            return of_literal(scalar)
        case Call(_, args):
            ranges = tuple(_halved(arg, intervals) for arg in args)
            return _halved_ends(scalar, ranges, interval_of(scalar, ranges), intervals)


def _halved_ends(
    call: Call, ranges: tuple[Interval, ...], found: Interval, intervals: Mapping[int, Interval]
) -> Interval:
    """The range of a call, half of it where only the type of its answer says how far it goes."""
    read = [(arg, range_) for arg, range_ in zip(call.args, ranges, strict=True) if not isinstance(arg, Lit)]
    if read and all(arg.type.kind in _TEXTUAL and range_ == ANY for arg, range_ in read):
        written = [_number(arg) for arg in call.args]
        ends = [end / 2 if end is not None and abs(end) >= _FAR and end not in written else end
                for end in (found.low, found.high)]
    elif _wide(call.type) and any(_typed(column, intervals) for column in columns_of(call)):
        whole = call.type.range
        ends = [end / 2 if end is not None and end in (whole.low, whole.high) else end
                for end in (found.low, found.high)]
    else:
        return found
    return Interval(*ends)


def _wide(type_: SqlType) -> bool:
    return type_.kind is Kind.DECIMAL or type_.width >= 64


def _typed(column: Column, intervals: Mapping[int, Interval]) -> bool:
    """Whether a column is a number of which an end is known from its type alone."""
    return column.type.numeric and not intervals.get(column.id, ANY).finite


def narrowed(intervals: Mapping[int, Interval], conjuncts: Iterable[Scalar]) -> dict[int, Interval]:
    """The intervals after a filter: `x < 24`, `x BETWEEN a AND b`, `x = c`, `x IN (...)` narrow x. Strict ends stay."""
    result = dict(intervals)
    for conjunct in conjuncts:
        for column, interval in _limits(conjunct):
            result[column.id] = interval.meet(result.get(column.id, ANY))
    return result


def never_null(conjuncts: Iterable[Scalar]) -> frozenset[int]:
    """Columns that are not NULL in any row that passes: bare operands of a comparison or of IS NOT NULL.

    Theorem: in no row for which every conjunct is true one of them is NULL. A DOUBLE may still be NaN.
    Proof: a comparison, IN, BETWEEN or LIKE of NULL is NULL, and a cast of NULL is NULL; neither is true. An AND is
    true when all of its parts are, an OR only when one of them is.
    Needs: the conjuncts are printed; of IN, BETWEEN and LIKE the first operand alone counts.
    Source: SQL.
    """
    return frozenset().union(*map(_there, conjuncts))


def _there(condition: Scalar) -> frozenset[int]:
    match condition:
        case Call("and", args):
            return never_null(args)
        case Call("or", args):
            return frozenset.intersection(*map(_there, args))
        case Call(name, args) if name in {*_MIRRORED, "<>", "is_not_null", "in", "between", "like"}:
            both = name in _MIRRORED or name == "<>"
            return frozenset(column.id for arg in args[: 2 if both else 1] if (column := _cast_column(arg)))
        case _:
            return frozenset()


def _limits(conjunct: Scalar) -> Iterator[tuple[Column, Interval]]:
    if not isinstance(conjunct, Call):
        return
    match conjunct.name, conjunct.args:
        case "and", args:
            for arg in args:
                yield from _limits(arg)
        case ("<" | "<=" | ">" | ">=" | "=") as operator, (left, right):
            yield from _compared(operator, left, right)
            yield from _compared(_MIRRORED[operator], right, left)
        case "between", (value, low, high):
            yield from _compared(">=", value, low)
            yield from _compared("<=", value, high)
        case "in", (value, *options):
            numbers = [_number(option) for option in options]
            column = _column(value)
            if column and numbers and None not in numbers:
                known = [number for number in numbers if number is not None]
                yield column, Interval(min(known), max(known))


def _compared(operator: str, left: Scalar, right: Scalar) -> Iterator[tuple[Column, Interval]]:
    column, number = _column(left), _number(right)
    if column is None or number is None:
        return
    match operator:
        case "<" | "<=":
            yield column, Interval(None, number)
        case ">" | ">=":
            yield column, Interval(number, None)
        case "=":
            yield column, point(number)


def _column(scalar: Scalar) -> Column | None:
    """The column under any numeric casts, and DATE as TIMESTAMP; what a cast rounds away, the clip holds anyway."""
    while isinstance(scalar, Call) and scalar.name == "cast" and _keeps_order(scalar.args[0].type, scalar.type):
        scalar = scalar.args[0]
    return scalar.column if isinstance(scalar, Ref) and (scalar.type.numeric or scalar.type in _DATED) else None


def _keeps_order(source: SqlType, to: SqlType) -> bool:
    return (source.numeric and to.numeric) or (source, to) == (DATE, TIMESTAMP)


def _cast_column(scalar: Scalar) -> Column | None:
    """The column under any casts: where it is NULL they are."""
    while isinstance(scalar, Call) and scalar.name == "cast":
        scalar = scalar.args[0]
    return scalar.column if isinstance(scalar, Ref) else None


def _number(scalar: Scalar) -> Fraction | None:
    """The number that a literal is; of a date or a moment its days since 1970."""
    while isinstance(scalar, Call) and scalar.name == "cast" and (scalar.type.numeric or scalar.type == TIMESTAMP):
        scalar = scalar.args[0]
    if isinstance(scalar, Lit) and isinstance(scalar.value, datetime.date) and scalar.type in _DATED:
        return days(scalar.value)
    if isinstance(scalar, Lit) and isinstance(scalar.value, int | Decimal | float) and scalar.type.numeric:
        return Fraction(scalar.value) if math.isfinite(scalar.value) else None
    return None
