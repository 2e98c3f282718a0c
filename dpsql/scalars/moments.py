"""Dates and moments as numbers of days since 1970, so that the rules of intervals prove date arithmetic total."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlglot import exp

from dpsql.expression import DATE, TIMESTAMP, Call, Kind, Lit, Scalar, size_of
from dpsql.interval import Interval, between
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.ranges import days, enforced
from dpsql.scalars.rows import Ranges, Row, Taken, add, always
from dpsql.scalars.sql import literal, tight

DATE_DAYS = between(-2_147_000_000, 2_147_000_000)         # DuckDB's DATE is 32 bits of days
TIMESTAMP_DAYS = between(-106_751_000, 106_751_000)        # and its TIMESTAMP 64 bits of microseconds
FIRST, LAST = datetime.date(1, 1, 1), datetime.date(9999, 12, 31)


def fits(interval: Interval, kind: Kind) -> bool:
    """Whether every day of the interval is a value of the type."""
    return interval.within(DATE_DAYS if kind is Kind.DATE else TIMESTAMP_DAYS)


NEAR = between(-20_000_000, 20_000_000)     # 54,000 years: no admitted interval leads from there out of a TIMESTAMP
MAX_COPIED = 16                             # nodes
WINDOW = Interval(days(FIRST), days(LAST) + 1)


def windowed(scalar: Scalar) -> Scalar:
    """Dates or moments, NULL outside the years 1 to 9999; as they are where they are proved to be near them.

    The window prints its argument twice, so a large one is refused: nested windows would double it over and over.
    """
    if enforced(scalar).within(NEAR):
        return scalar
    if size_of(scalar) > MAX_COPIED:
        raise ScalarError("this date expression is too large", hint="compute it in a derived table first")
    return Call("window", (scalar,), scalar.type)


def _written(args: tuple[Scalar, ...]) -> Taken:
    raise AssertionError("windows are made by moments.windowed")


def _window_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    if call.type == DATE:
        low, high = Lit(FIRST, DATE), Lit(LAST, DATE)
    else:
        low = Lit(datetime.datetime.combine(FIRST, datetime.time.min), TIMESTAMP)
        high = Lit(datetime.datetime.combine(LAST, datetime.time.max), TIMESTAMP)
    inside = exp.Between(this=tight(args[0].copy()), low=literal(low), high=literal(high))
    return exp.Case(ifs=[exp.If(this=inside, true=args[0])])


add(Row("window", _written, _window_sql, lambda call, ranges: ranges[0].meet(WINDOW), always, guard=True))
