"""Rows of dates and moments. Arithmetic is on the years 1 to 9999 of a column (others become NULL), so it is total."""

from __future__ import annotations

import datetime
from calendar import monthrange
from collections.abc import Callable, Sequence
from fractions import Fraction

from sqlglot import exp

from dpsql.expression import (
    BIGINT,
    DATE,
    INTEGER,
    INTERVAL,
    TIMESTAMP,
    VARCHAR,
    Call,
    Kind,
    Lit,
    Scalar,
)
from dpsql.interval import Interval, between, point
from dpsql.scalars import intervals
from dpsql.scalars.clamps import clamp
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.moments import fits, windowed
from dpsql.scalars.ranges import DAY_MICROS, enforced
from dpsql.scalars.rows import REDIRECTS, Ranges, Row, Sql, Taken, Takes, add, always
from dpsql.scalars.sql import cast_sql, function, named, tight
from dpsql.scalars.unify import cast, decimal
from dpsql.scalars.units import LONGEST, parts, unit_of

_DATED = (Kind.DATE, Kind.TIMESTAMP)


def dated(name: str, arg: Scalar) -> Scalar:
    """An argument that is a date or a moment. ScalarError for any other."""
    if arg.type.kind not in (*_DATED, Kind.NULL):
        raise ScalarError(f"{name} takes a date, not {arg.type}", hint="write CAST(... AS DATE)")
    return cast(arg, DATE) if arg.type.kind is Kind.NULL else arg


def moment(scalar: Scalar) -> Scalar:
    """A date as a TIMESTAMP at midnight; NULL outside the years 1 to 9999 for a bare column."""
    return cast(windowed(scalar), TIMESTAMP)


def overflows(rule: intervals.Rule) -> Callable[[Call, Ranges], bool]:
    """Whether the day reached may be no value of the type."""
    return lambda call, ranges: not fits(rule(call, ranges), call.type.kind)


# date + days, moment + interval, date - date ------------------------------------------------------------------------


def _redirected(sign: str) -> Callable[[tuple[Scalar, ...]], str | None]:
    def rule(args: tuple[Scalar, ...]) -> str | None:
        kinds = [arg.type.kind for arg in args]
        if len(kinds) != 2 or not {Kind.DATE, Kind.TIMESTAMP, Kind.INTERVAL} & set(kinds):
            return None
        if Kind.INTERVAL in kinds:
            return f"interval_{sign}"
        if sign == "-" and kinds[0] in _DATED and kinds[1] in _DATED:
            return "days_between"
        return f"days_{sign}"

    return rule


REDIRECTS["+"] = [_redirected("+")]
REDIRECTS["-"] = [_redirected("-")]


def _days(sign: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        date, count = args if args[0].type.kind in _DATED or sign == "-" else args[::-1]
        if date.type != DATE or count.type.kind not in (Kind.INTEGER, Kind.NULL):
            raise ScalarError(f"{args[0].type} {sign} {args[1].type} is not admitted",
                              hint="add an INTERVAL, or whole days to a DATE")
        return (windowed(date), _count(count)), DATE

    return takes


def _count(count: Scalar) -> Scalar:
    """Days as INTEGER below 10^9 in size, NULL beyond."""
    if enforced(count).within(between(-(10**9), 10**9)):
        return cast(count, INTEGER)
    return cast(cast(count, decimal(9, 0)), INTEGER)


def _interval(sign: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        point, length = args if args[1].type == INTERVAL or sign == "-" else args[::-1]
        if not isinstance(length, Lit) or length.type != INTERVAL or point.type.kind not in _DATED:
            raise ScalarError(f"{args[0].type} {sign} {args[1].type} is not admitted",
                              hint="write a date, a sign, and a literal INTERVAL")
        return (windowed(point), length), TIMESTAMP

    return takes


_PER = {"MONTH": between(28, 31), "DAY": between(1, 1), "MICROSECOND": point(Fraction(1, DAY_MICROS))}      # days


def _moved_takes(args: tuple[Scalar, ...]) -> Taken:
    """A moment and a computed number of stored units, moved into 10,000 years."""
    start, count, unit = args
    if count.type.kind not in (Kind.INTEGER, Kind.NULL):
        raise ScalarError(f"an INTERVAL has a whole number of units, not {count.type}",
                          hint="write CAST(... AS INTEGER)")
    assert isinstance(unit, Lit)
    most = LONGEST[str(unit.value)]
    if not enforced(count).within(between(-most, most)):
        count = clamp(count, between(-most, most))
    return (moment(dated("an INTERVAL", start)), cast(count, BIGINT if most >= 1 << 31 else INTEGER), unit), TIMESTAMP


def _moved_range(call: Call, ranges: Ranges) -> Interval:
    return ranges[0] + ranges[1] * _PER[_unit_var(call, 2).name]


def _moved_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    unit = _unit_var(call, 2).name
    length = exp.ToDays(this=args[1]) if unit == "DAY" else named(f"TO_{unit}S")(call, args[1:2], ranges)
    return exp.Add(this=tight(args[0]), expression=length)


def _moved(args: tuple[Lit, ...], sign: int) -> Scalar:
    """A literal date, some days later."""
    date, count = (arg.value for arg in args)
    if not isinstance(date, datetime.date) or not isinstance(count, int):
        return Lit(None, DATE)
    return cast(shifted(args[0], Lit(f"{count} DAY", INTERVAL), sign), DATE)


def shifted(literal: Lit, length: Lit, sign: int) -> Lit:
    """A literal moved by an interval, as a TIMESTAMP; months keep the day, or take the last of a shorter month."""
    point = literal.value
    if not isinstance(point, datetime.date):
        return Lit(None, TIMESTAMP)
    count, unit = parts(length)
    start = point if isinstance(point, datetime.datetime) else datetime.datetime.combine(point, datetime.time())
    try:
        if unit != "MONTH":
            step = datetime.timedelta(days=count) if unit == "DAY" else datetime.timedelta(microseconds=count)
            return Lit(start + sign * step, TIMESTAMP)
        months = start.year * 12 + start.month - 1 + sign * count
        year, month = months // 12, months % 12 + 1
        day = min(start.day, monthrange(year, month)[1])
        return Lit(start.replace(year=year, month=month, day=day), TIMESTAMP)
    except (ValueError, OverflowError):
        raise ScalarError("this date leaves the years 1 to 9999") from None


def _length(call: Call) -> Interval:
    length = call.args[1]
    assert isinstance(length, Lit)
    return span(length)


def span(length: Lit) -> Interval:
    """The days that an interval literal spans; a month has 28 to 31."""
    count, unit = parts(length)
    if unit == "MONTH":
        ends = sorted((Fraction(28 * count), Fraction(31 * count)))
        return Interval(*ends)
    exact = Fraction(count) if unit == "DAY" else Fraction(count, DAY_MICROS)
    return Interval(exact, exact)


def _longer(call: Call, ranges: Ranges) -> Interval:
    return ranges[0] + _length(call)


def _shorter(call: Call, ranges: Ranges) -> Interval:
    return ranges[0] - _length(call)


def _between(args: tuple[Scalar, ...]) -> Taken:
    if any(arg.type != DATE for arg in args):
        raise ScalarError("the difference of moments is an INTERVAL, which is no number",
                          hint="write date_diff('second', start, end), or compare a - b with an INTERVAL right there")
    return tuple(windowed(arg) for arg in args), BIGINT


def _binary(kind: type[exp.Expr]) -> Sql:
    return lambda call, args, ranges: kind(this=tight(args[0]), expression=args[1] if isinstance(
        args[1], exp.Interval) else tight(args[1]))


# truncation, difference ---------------------------------------------------------------------------------------------

_TRUNC = frozenset((
    "microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade",
    "century",
))
_CENTURY = Fraction(36_525)


def _truncated(args: tuple[Scalar, ...]) -> Taken:
    unit = _unit("date_trunc", args[0], _TRUNC)
    return (unit, moment(dated("date_trunc", args[1]))), TIMESTAMP


def _unit(name: str, arg: Scalar, allowed: frozenset[str]) -> Lit:
    if not isinstance(arg, Lit) or not isinstance(arg.value, str):
        raise ScalarError(f"{name} takes a literal unit")
    return Lit(unit_of(arg.value, allowed), VARCHAR)


def _unit_var(call: Call, place: int = 0) -> exp.Var:
    unit = call.args[place]
    assert isinstance(unit, Lit)
    return exp.Var(this=str(unit.value).upper())


def _truncated_range(call: Call, ranges: Ranges) -> Interval:
    return ranges[1] - between(0, int(_CENTURY))


def _trunc_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.TimestampTrunc(this=args[1], unit=_unit_var(call))


_DIFF = {
    "microsecond": Fraction(DAY_MICROS), "millisecond": Fraction(86_400_000), "second": Fraction(86_400),
    "minute": Fraction(1440), "hour": Fraction(24), "day": Fraction(1), "week": Fraction(1, 7),
    "month": Fraction(1, 28), "quarter": Fraction(1, 84), "year": Fraction(1, 365), "decade": Fraction(1, 3_652),
    "century": Fraction(1, 36_524),
}


def _difference(name: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        if len(args) != 3:
            raise ScalarError(f"{name} takes a unit and two dates")
        unit = _unit(name, args[0], frozenset(_DIFF))
        return (unit, *(moment(dated(name, arg)) for arg in args[1:])), BIGINT

    return takes


def _difference_range(call: Call, ranges: Ranges) -> Interval:
    unit = call.args[0]
    assert isinstance(unit, Lit)
    per_day = _DIFF[str(unit.value)]
    span = ranges[2] - ranges[1]
    low, high = span.low, span.high
    return Interval(None if low is None else min(low, Fraction(0)) * per_day - 1,
                    None if high is None else max(high, Fraction(0)) * per_day + 1)


def _difference_raises(call: Call, ranges: Ranges) -> bool:
    """The engine counts microseconds between them whatever the unit."""
    return not all(fits(interval, Kind.TIMESTAMP) for interval in (*ranges[1:], ranges[2] - ranges[1]))


def _difference_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """Boundaries crossed; the parser says so for every unit but the week, which it would print in another form."""
    unit = _unit_var(call)
    return exp.DateDiff(this=args[2], expression=args[1], unit=unit,
                        date_part_boundary=None if unit.name == "WEEK" else True)


def _bucketed(args: tuple[Scalar, ...]) -> Taken:
    width = args[0]
    if not isinstance(width, Lit) or width.type != INTERVAL or parts(width)[0] <= 0:
        raise ScalarError("time_bucket takes a literal INTERVAL longer than nothing, and a date")
    return (width, moment(dated("time_bucket", args[1]))), TIMESTAMP


def _bucketed_range(call: Call, ranges: Ranges) -> Interval:
    """The start of the bucket that holds the moment."""
    width = call.args[0]
    assert isinstance(width, Lit)
    return ranges[1] - Interval(Fraction(0), span(width).high)


# text ---------------------------------------------------------------------------------------------------------------

_FORMAT = frozenset("aAwdbBmyYHIpMSfgjUWuVG%")     # DuckDB's specifiers without locale or zone
_UNFILLED = frozenset("dmHIMSjy")                  # %-d is written without a leading zero


def _specified(text: str) -> bool:
    """Whether what follows a % starts with a specifier."""
    return text[:1] in _FORMAT or (text[:1] == "-" and text[1:2] in _UNFILLED)


def _format(name: str, arg: Scalar) -> Lit:
    if not isinstance(arg, Lit) or not isinstance(arg.value, str) or not arg.value or len(arg.value) > 100:
        raise ScalarError(f"{name} takes a literal format of at most 100 characters")
    pieces = arg.value.split("%%")
    if any(piece.endswith("%") or any(not _specified(part) for part in piece.split("%")[1:]) for piece in pieces):
        raise ScalarError(f"this format of {name} is not admitted",
                          hint="use % with one of " + " ".join(sorted(_FORMAT)))
    return arg


def _formatted(args: tuple[Scalar, ...]) -> Taken:
    if args[0].type == VARCHAR and args[1].type.kind in _DATED:
        args = args[::-1]           # DuckDB takes them in either order
    return (dated("strftime", args[0]), _format("strftime", args[1])), VARCHAR


def _parsed(args: tuple[Scalar, ...]) -> Taken:
    if args[0].type != VARCHAR:
        raise ScalarError(f"strptime takes text, not {args[0].type}")
    return (args[0], _format("strptime", args[1])), TIMESTAMP


def _last(args: tuple[Scalar, ...]) -> Taken:
    return (windowed(dated("last_day", args[0])),), DATE


def _from_parts(args: tuple[Scalar, ...]) -> Taken:
    if any(arg.type.kind not in (Kind.INTEGER, Kind.NULL) for arg in args):
        raise ScalarError("make_date takes integers: year, month, day")
    return tuple(cast(arg, BIGINT) for arg in args), DATE


def _from_parts_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """Through text: TRY_CAST is total, and no slower where there is no such date (TRY would be, a hundred times)."""
    year, month, day = (cast_sql(arg, VARCHAR) for arg in args)
    dash = exp.Literal.string("-")
    text = year
    for part in (dash, month, dash.copy(), day):
        text = exp.DPipe(this=text, expression=part, safe=True)
    return cast_sql(text, DATE, fails=True)


add(
    Row("days_+", _days("+"), _binary(exp.Add), intervals.added, always, overflows(intervals.added),
        fold=lambda args: _moved(args, 1)),
    Row("days_-", _days("-"), _binary(exp.Sub), intervals.subtracted, always, overflows(intervals.subtracted),
        fold=lambda args: _moved(args, -1)),
    Row("interval_+", _interval("+"), _binary(exp.Add), _longer, always, overflows(_longer),
        fold=lambda args: shifted(args[0], args[1], 1)),
    Row("interval_-", _interval("-"), _binary(exp.Sub), _shorter, always, overflows(_shorter),
        fold=lambda args: shifted(args[0], args[1], -1)),
    Row("moved", _moved_takes, _moved_sql, _moved_range, always, overflows(_moved_range)),
    Row("days_between", _between, _binary(exp.Sub), intervals.subtracted, always),
    Row("date_trunc", _truncated, _trunc_sql, _truncated_range, always, overflows(_truncated_range)),
    Row("date_diff", _difference("date_diff"), _difference_sql, _difference_range, always, _difference_raises),
    Row("date_sub", _difference("date_sub"), named("DATE_SUB"), _difference_range, always, _difference_raises,
        names=("date_sub", "datesub"), arity=3),
    Row("time_bucket", _bucketed, function(exp.DateBin, "this", "expression"), _bucketed_range, always,
        overflows(_bucketed_range), ("DateBin this expression",)),
    Row("last_day", _last, function(exp.LastDay), intervals.unbounded, always,
        lambda call, ranges: not fits(ranges[0], Kind.TIMESTAMP), ("LastDay this",)),
    Row("make_date", _from_parts, _from_parts_sql, intervals.unbounded, always,
        nodes=("DateFromParts year month day",)),
    Row("strftime", _formatted, function(exp.TimeToStr, "this", "format"), nulls=always,
        nodes=("TimeToStr this format",)),
    Row("strptime", _parsed, named("TRY_STRPTIME"), intervals.unbounded, always, nodes=("StrToTime this format",),
        names=("try_strptime",), arity=2),
)
