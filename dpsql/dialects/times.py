"""What the dates of other dialects become in DuckDB's: units, weeks, differences, formats."""

from __future__ import annotations

from sqlglot import exp

from dpsql.dialects import formats
from dpsql.dialects.rules import POSTGRES, SPARK, TRINO, Rule, whole
from dpsql.parse import refusal, written

_SUNDAY_FIRST = {"mysql", "bigquery", "tsql"} | SPARK       # DAYOFWEEK is 1 on Sunday there; 0 in DuckDB
_OTHER_WEEKS = {"mysql", "bigquery", "tsql"}                # weeks start on Sunday there
_ELAPSED = TRINO | SPARK                                    # a difference counts whole units that passed there
_UNITS = {
    "MM": "MONTH", "MON": "MONTH", "YYYY": "YEAR", "YY": "YEAR", "Y": "YEAR", "Q": "QUARTER", "QQ": "QUARTER",
    "DD": "DAY", "HH": "HOUR", "MI": "MINUTE", "SS": "SECOND", "ISOWEEK": "WEEK", "ISO_WEEK": "WEEK", "WW": "WEEK",
    "WK": "WEEK", "WEEKISO": "WEEK", "DAYOFWEEKISO": "ISODOW", "DW": "DAYOFWEEK",
}
_ISO = ("ISOWEEK", "ISO_WEEK", "WEEKISO")
_SMALL = {"HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND"}


_DAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")


def _unit(node: exp.Expr, dialect: str, name: str = "unit") -> str:
    """The unit of a node in DuckDB's spelling. A week may start on another day there: `_first`."""
    unit = node.args.get(name)
    if unit is None:
        return "DAY"
    unit = unit.unnest()
    text = "WEEK" if isinstance(unit, exp.WeekStart) else unit.name.upper()
    return _UNITS.get(text, text).removesuffix("S") if text != "SS" else "SECOND"


def _first(node: exp.Expr, dialect: str, name: str = "unit") -> int:
    """The day on which the weeks of a node start, Sunday being 0; 1 also where it speaks of no weeks."""
    unit = node.args.get(name)
    unit = None if unit is None else unit.unnest()
    if isinstance(unit, exp.WeekStart):
        day = unit.this.name.upper()
        if day not in _DAYS:
            raise refusal(f"{day} is no day of the week", node)
        return _DAYS.index(day)
    plain = unit is not None and _unit(node, dialect, name) == "WEEK" and unit.name.upper() not in _ISO
    return 0 if plain and dialect in _OTHER_WEEKS else 1


def _iso(node: exp.Expr, dialect: str) -> bool:
    """Whether EXTRACT numbers the weeks as DuckDB does. QueryError for SQL Server, where week 1 holds the first day."""
    unit = node.args["this"].unnest()
    if dialect not in _OTHER_WEEKS or unit.name.upper() in _ISO:
        return not isinstance(unit, exp.WeekStart)
    if dialect == "tsql":
        raise refusal("weeks of tsql are numbered from the first of January", node, "write ISO_WEEK, or count days")
    return False


def _week_start(date: exp.Expr, first: int) -> exp.Expr:
    """The last day `first` that is not after a moment: moved so far that its weeks start on Monday, and back."""
    days, week = (1 - first) % 7, exp.Var(this="WEEK")
    if not days:
        return exp.TimestampTrunc(this=date, unit=week)
    ahead, back = (exp.Interval(this=exp.Literal.string(str(n)), unit=exp.Var(this="DAY")) for n in (days, -days))
    moved = exp.paren(exp.Add(this=date, expression=ahead), copy=False)
    return exp.paren(exp.Add(this=exp.TimestampTrunc(this=moved, unit=week), expression=back), copy=False)


def _week_of_year(date: exp.Expr, first: int) -> exp.Expr:
    """How many weeks of the year have begun: those before the first such day are week 0."""
    day = exp.Extract(this=exp.Var(this="DOY"), expression=date)
    since: exp.Expr = exp.Extract(this=exp.Var(this="DOW"), expression=_moment(date.copy()))
    if first:
        ahead = exp.paren(exp.Add(this=since, expression=exp.Literal.number(7 - first)), copy=False)
        since = exp.paren(exp.Mod(this=ahead, expression=exp.Literal.number(7)), copy=False)
    count = exp.Sub(this=exp.Add(this=day, expression=exp.Literal.number(6)), expression=since)
    return exp.paren(exp.IntDiv(this=exp.paren(count, copy=False), expression=exp.Literal.number(7)), copy=False)


def _extracted(node: exp.Expr, dialect: str) -> exp.Expr:
    unit, of = _unit(node, dialect, "this"), node.expression
    if unit == "WEEK" and not _iso(node, dialect):
        return _week_of_year(of, _first(node, dialect, "this"))
    if unit == "DATE":
        return exp.cast(of, "DATE", copy=False)
    if unit in ("DAYOFWEEK", "DOW", "WEEKDAY") and dialect in _SUNDAY_FIRST:
        return _plus_one(exp.Extract(this=exp.Var(this="DOW"), expression=of))
    if unit in ("DAYOFWEEK", "DOW", "DAY_OF_WEEK") and dialect in TRINO:
        unit = "ISODOW"
    if unit == "SECOND" and dialect in POSTGRES:        # with its fraction
        ticks = exp.Extract(this=exp.Var(this="MICROSECOND"), expression=of)
        return exp.paren(exp.Div(this=ticks, expression=exp.Literal.number("1e6"), typed=False, safe=False), copy=False)
    return exp.Extract(this=exp.Var(this=unit), expression=of)


def _plus_one(node: exp.Expr) -> exp.Expr:
    return exp.paren(exp.Add(this=node, expression=exp.Literal.number(1)), copy=False)


def _day_of_week(node: exp.Expr, dialect: str) -> exp.Expr:
    if dialect not in _SUNDAY_FIRST:
        return node
    return _plus_one(exp.DayOfWeek(this=node.this))


def _week(node: exp.Expr, dialect: str) -> exp.Expr:
    mode = whole(node.args.get("mode"))
    if dialect == "mysql" and (mode == 0 or node.args.get("mode") is None):
        return _week_of_year(node.this, 0)
    if dialect in _OTHER_WEEKS and mode != 3:
        raise refusal(f"weeks of {dialect} in this mode are not those of DuckDB", node, "write WEEK(d), or WEEK(d, 3)")
    return exp.Week(this=node.this)


def _truncated(node: exp.Expr, dialect: str) -> exp.Expr:
    if node.args.get("zone"):
        raise refusal("a time zone here is not answered", node, "leave it out: moments are those of the tables")
    unit = _unit(node, dialect)
    if unit == "WEEK":
        return _week_start(node.this, _first(node, dialect))
    return exp.TimestampTrunc(this=node.this, unit=exp.Var(this=unit))


def _moment(node: exp.Expr) -> exp.Expr:
    """A text that stands for a moment, cast; anything else as it is."""
    if isinstance(node, exp.Literal) and node.is_string:
        return exp.cast(node, "TIMESTAMP", copy=False)
    return node


def _between(node: exp.Expr, dialect: str) -> exp.Expr:
    """Boundaries crossed in most dialects; whole units that passed in some, which is another function of DuckDB."""
    unit = _unit(node, dialect)
    later, earlier = _moment(node.this), _moment(node.expression)
    elapsed = isinstance(node, exp.TimestampDiff) or (dialect in _ELAPSED and node.args.get("unit") is not None)
    if elapsed:
        return exp.Anonymous(this="date_sub", expressions=[exp.Literal.string(unit.lower()), earlier, later])
    if unit == "WEEK":                      # DuckDB counts sevens of days, the others starts of weeks
        later, earlier = (_week_start(each, _first(node, dialect)) for each in (later, earlier))
        days = exp.DateDiff(this=later, expression=earlier, unit=exp.Var(this="DAY"))
        return exp.paren(exp.IntDiv(this=days, expression=exp.Literal.number(7)), copy=False)
    return exp.DateDiff(this=later, expression=earlier, unit=exp.Var(this=unit))


def _moved(node: exp.Expr, dialect: str) -> exp.Expr:
    """date + n units. A day's number may be computed; months and hours are literals."""
    count, unit = node.expression, _unit(node, dialect)
    if isinstance(count, exp.Interval):
        count, unit = count.this, _unit(count, dialect)
    if node.args.get("preserve_end_of_month") or (dialect == "redshift" and written(node).upper() == "ADD_MONTHS"):
        raise refusal(f"ADD_MONTHS of {dialect} keeps the last day of a month, DuckDB does not", node,
                      "write d + INTERVAL '1 month'")
    unit = "MONTH" if isinstance(node, exp.AddMonths) else unit
    down = isinstance(node, (exp.DateSub, exp.DatetimeSub, exp.TimestampSub))
    date = _moment(node.this)
    of_days = isinstance(node, exp.TsOrDsAdd) and node.args.get("return_type") is None      # redshift's give a moment
    if of_days:
        date = exp.cast(date, "DATE", copy=False)
    length = whole(count)
    if length is not None:
        step: exp.Expr = exp.Interval(
            this=exp.Literal.string(str(-length if down else length)), unit=exp.Var(this=unit))
        moved: exp.Expr = exp.paren(exp.Add(this=date, expression=step), copy=False)
    elif unit == "DAY":
        kind = exp.Sub if down else exp.Add
        moved = exp.paren(kind(this=date, expression=exp.paren(count, copy=False)), copy=False)
    else:
        raise refusal(f"{unit}S are added by a literal number only", count, "write the number, or add days")
    return exp.cast(moved, "DATE", copy=False) if of_days and unit not in _SMALL else moved


def _as_date(node: exp.Expr, dialect: str) -> exp.Expr:
    if node.args.get("format"):
        return _read(node, dialect)
    if isinstance(node.parent, exp.DateDiff) and node.parent.args.get("unit") is not None:
        return _moment(node.this)       # the parser's, and right for a difference in days alone
    return exp.cast(node.this, "DATE", copy=False)


def _as_moment(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.cast(node.this, "TIMESTAMP", copy=False)


def _read(node: exp.Expr, dialect: str) -> exp.Expr:
    found = exp.StrToTime(this=node.this, format=formats.plain(node, dialect))
    moment = isinstance(node, exp.StrToTime | exp.ParseDatetime) or (dialect == "mysql" and _hours(found))
    return found if moment else exp.cast(found, "DATE", copy=False)


def _hours(node: exp.StrToTime) -> bool:
    """Whether MySQL reads a moment, not a day."""
    return any(part in node.args["format"].this for part in ("%H", "%I", "%-H", "%-I", "%M", "%S", "%f"))


def _written(node: exp.Expr, dialect: str) -> exp.Expr:
    if node.args.get("format") is None:
        return exp.cast(node.this, "TEXT", copy=False)
    return formats.written(node.this, node, dialect)


def _named(node: exp.Expr, dialect: str) -> exp.Expr:
    if not node.args.get("abbreviated"):
        return node
    letters = "%a" if isinstance(node, exp.Dayname) else "%b"
    return exp.TimeToStr(this=node.this, format=exp.Literal.string(letters))


RULES: dict[str, Rule] = {
    "ParseDatetime": _read, "TsOrDsToDatetime": _as_moment,
    "AddMonths": _moved, "DateAdd": _moved, "DateDiff": _between, "DateSub": _moved, "DateTrunc": _truncated,
    "DatetimeAdd": _moved, "DatetimeDiff": _between, "DatetimeSub": _moved, "DatetimeTrunc": _truncated,
    "DayOfWeek": _day_of_week, "Dayname": _named, "Extract": _extracted, "Monthname": _named, "StrToDate": _read,
    "StrToTime": _read, "TimeStrToTime": _as_moment, "TimeToStr": _written, "TimestampAdd": _moved,
    "TimestampDiff": _between, "TimestampSub": _moved, "TimestampTrunc": _truncated, "ToChar": _written,
    "TsOrDsAdd": _moved,
    "TsOrDsDiff": _between, "TsOrDsToDate": _as_date, "TsOrDsToTimestamp": _as_moment, "Week": _week,
}
