"""The range of a scalar's value, and whether it can be NULL: structural, sound, rounded outwards."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from dpsql.expression import DOUBLE, Call, Column, Lit, Ref, Scalar
from dpsql.interval import ANY, Interval, point
from dpsql.limits import tick
from dpsql.scalars.rows import ROWS, interval_of

EPOCH = datetime.datetime(1970, 1, 1)
DAY_MICROS = 86_400_000_000
KEPT = 4096     # scalars whose range is remembered: it is asked anew for every part of a growing expression
_proved: dict[int, tuple[Scalar, Interval]] = {}    # by identity, which the scalar kept here makes its own


def bounds(scalar: Scalar, of: Callable[[Column], Interval]) -> Interval:
    """All values `scalar` takes when it is neither NULL nor NaN, given the ranges of the columns.

    Sound for every row: each row of the table states the range of its function. ANY when nothing is known.
    """
    match scalar:
        case Ref(column):
            return of(column).meet(column.range)
        case Lit():
            return of_literal(scalar)
        case Call(_, args):
            return interval_of(scalar, tuple(bounds(arg, of) for arg in args))


def of_literal(literal: Lit) -> Interval:
    """The point that a number, a date or a moment is; ANY for any other literal."""
    match literal.value:
        case bool() | None | str():
            return ANY
        case float() as value:
            return _point(value) if math.isfinite(value) else ANY
        case int() | Decimal() as value:
            return _point(value)
        case datetime.date() as value:
            return point(days(value))
        case _:
            return ANY


@lru_cache(maxsize=KEPT)
def _point(value: int | Decimal | float) -> Interval:
    return point(Fraction(value))


def days(value: datetime.date) -> Fraction:
    """A date or a moment as days since 1970, the number that the rules of date arithmetic bound."""
    if isinstance(value, datetime.datetime):
        since = value - EPOCH
        return Fraction(since.days) + Fraction(since.seconds * 10**6 + since.microseconds, DAY_MICROS)
    return Fraction((value - EPOCH.date()).days)


def enforced(scalar: Scalar) -> Interval:
    """What the expression proves alone: columns have the range of their type, only printed clamps narrow it."""
    if isinstance(scalar, Ref):
        return scalar.column.range
    if isinstance(scalar, Lit):
        return of_literal(scalar)
    found = _proved.get(id(scalar))
    if found is None or found[0] is not scalar:
        tick()
        found = scalar, interval_of(scalar, tuple(enforced(arg) for arg in scalar.args))
        if len(_proved) >= KEPT:
            _proved.clear()
        _proved[id(scalar)] = found
    return found[1]


def nullable(scalar: Scalar, of: Callable[[Column], bool]) -> bool:
    """Whether the value can be NULL (for DOUBLE: or NaN), given which columns can. False only when proved."""
    match scalar:
        case Ref(column):
            stored_nan = column.type == DOUBLE and column.table is not None
            return stored_nan or of(column)
        case Lit():
            value = scalar.value
            return value is None or (isinstance(value, float) and math.isnan(value))
        case Call(name, args):
            row, ranges = ROWS[name], tuple(enforced(arg) for arg in args)
            return row.raises(scalar, ranges) or row.nulls(scalar, tuple(nullable(arg, of) for arg in args), ranges)
