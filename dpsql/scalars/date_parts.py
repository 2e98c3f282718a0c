"""Rows of the parts of dates and moments: the year, the weekday and its name, the seconds since 1970."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from fractions import Fraction

from sqlglot import exp

from dpsql.expression import BIGINT, DATE, DOUBLE, TIME, VARCHAR, Call, Kind, Scalar, SqlType
from dpsql.interval import Interval, between
from dpsql.scalars import intervals
from dpsql.scalars.dates import dated, moment
from dpsql.scalars.moments import fits
from dpsql.scalars.rows import Ranges, Row, Taken, Takes, add, always
from dpsql.scalars.sql import function, named

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
               "November", "December")
_PARTS: dict[str, tuple[int, int, str]] = {   # row: lowest, highest value, the parser's nodes (the first is printed)
    "year": (-5_877_641, 5_881_580, "Year"), "quarter": (1, 4, "Quarter"), "month": (1, 12, "Month"),
    "day": (1, 31, "Day DayOfMonth"), "hour": (0, 23, "Hour"), "minute": (0, 59, "Minute"),
    "second": (0, 59, "Second"), "week": (1, 53, "Week WeekOfYear"), "dow": (0, 6, "DayOfWeek"),
    "isodow": (1, 7, "DayOfWeekIso"), "doy": (1, 366, "DayOfYear"), "decade": (-587_765, 588_158, ""),
    "century": (-58_777, 58_816, ""), "isoyear": (-5_877_641, 5_881_581, ""),
    "yearweek": (-587_764_153, 588_158_153, ""), "millisecond": (0, 59_999, ""), "microsecond": (0, 59_999_999, ""),
    "millennium": (-5_878, 5_882, ""), "era": (0, 1, ""),
}
_OF_MOMENT = (                              # some raise for a DATE while planning
    "hour", "minute", "second", "week", "isoyear", "yearweek", "millisecond", "microsecond",
)
_OF_CLOCK = ("hour", "minute", "second", "millisecond", "microsecond")      # those of a TIME
_BEFORE_1970, _LAST_DAY = datetime.date(1970, 1, 1).toordinal(), datetime.date.max.toordinal()
FEW = 60                                    # parts with no more values are public keys: everyone knows the calendar
PART_UNITS = frozenset((*_PARTS, "epoch"))


def _part(name: str) -> Row:
    low, high, listed = _PARTS[name]
    nodes = listed.split()

    def takes(args: tuple[Scalar, ...]) -> Taken:
        if args[0].type == TIME and name in _OF_CLOCK:
            return args, BIGINT
        point = dated(name, args[0])
        return (moment(point) if name in _OF_MOMENT and point.type == DATE else point,), BIGINT

    printed = _hour_sql if name == "hour" else function(getattr(exp, nodes[0])) if nodes else named(name.upper())
    names = ("weekday",) if name == "dow" else () if nodes else (name,)
    values = tuple(range(low, high + 1)) if high - low < FEW else None
    fixed = intervals.fixed(low, high)
    range_ = _year_range if name == "year" else fixed
    return Row(name, takes, printed, range_, always, nodes=tuple(f"{node} this" for node in nodes),
               names=names, values=None if values is None else lambda call: values)


def _year_range(call: Call, ranges: Ranges) -> Interval:
    """From the year of the first day to that of the last, where they are in Python's calendar."""
    widest = between(*_PARTS["year"][:2])
    low, high = (_year(end) for end in (ranges[0].low, ranges[0].high))
    return widest.meet(Interval(low, high))


def _year(day: Fraction | None) -> Fraction | None:
    ordinal = 0 if day is None else math.floor(day) + _BEFORE_1970
    return Fraction(datetime.date.fromordinal(ordinal).year) if 0 < ordinal <= _LAST_DAY else None


def _hour_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """A TIME may be 24:00:00, whose hour is NULL: 24 is no hour."""
    found: exp.Expr = exp.Hour(this=args[0])
    return exp.Nullif(this=found, expression=exp.Literal.number(24)) if call.args[0].type == TIME else found


def _epoch(args: tuple[Scalar, ...]) -> Taken:
    return (args[0] if args[0].type == TIME else dated("epoch", args[0]),), DOUBLE


def _ticks(name: str) -> Takes:
    return lambda args: ((moment(dated(name, args[0])),), BIGINT)


def _ticks_raise(call: Call, ranges: Ranges) -> bool:
    return not fits(ranges[0], Kind.TIMESTAMP)


def _milliseconds_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.UnixToTime(this=args[0], scale=exp.Literal.number(3))


def _julian(args: tuple[Scalar, ...]) -> Taken:
    return (dated("julian", args[0]),), DOUBLE


def _of_date(name: str, gives: SqlType) -> Takes:
    return lambda args: ((dated(name, args[0]),), gives)


add(
    *(_part(name) for name in _PARTS),
    Row("epoch", _epoch, function(exp.TimeToUnix), intervals.unbounded, always, nodes=("TimeToUnix this",)),
    Row("epoch_ms", _ticks("epoch_ms"), _milliseconds_sql, intervals.unbounded, always, _ticks_raise),
    Row("epoch_us", _ticks("epoch_us"), named("EPOCH_US"), intervals.unbounded, always, _ticks_raise,
        names=("epoch_us",)),
    Row("julian", _julian, named("JULIAN"), intervals.unbounded, always, names=("julian",)),
    Row("dayname", _of_date("dayname", VARCHAR), function(exp.Dayname), nulls=always, nodes=("Dayname this",),
        values=lambda call: DAY_NAMES),
    Row("monthname", _of_date("monthname", VARCHAR), function(exp.Monthname), nulls=always, nodes=("Monthname this",),
        values=lambda call: MONTH_NAMES),
)
