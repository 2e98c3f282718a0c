"""What the dates of other dialects become in DuckDB's: units, weeks, differences, formats."""

from __future__ import annotations

import datetime

from sqlglot import exp

from dpsql.dialects import formats
from dpsql.dialects.rules import POSTGRES, SPARK, TRINO, Rule, added, whole
from dpsql.dialects.templates import made
from dpsql.parse import refusal, written
from dpsql.scalars.marks import NUMERALS, STAYS

_SUNDAY_FIRST = {"mysql", "bigquery", "tsql"} | SPARK       # DAYOFWEEK is 1 on Sunday there; 0 in DuckDB
_OTHER_WEEKS = {"mysql", "bigquery", "tsql"}                # weeks start on Sunday there
_NUMERALS = {                                               # + and - take dates as numbers there
    "mysql": "DATEDIFF(a, b) counts days, and d + INTERVAL 1 DAY moves a date",
    "sqlite": "julianday(a) - julianday(b) counts days, and date(d, '+1 day') moves a date",
}
_ELAPSED = TRINO | SPARK                                    # a difference counts whole units that passed there
_UNITS = {
    "MM": "MONTH", "MON": "MONTH", "YYYY": "YEAR", "YY": "YEAR", "Y": "YEAR", "Q": "QUARTER", "QQ": "QUARTER",
    "DD": "DAY", "HH": "HOUR", "MI": "MINUTE", "SS": "SECOND", "ISOWEEK": "WEEK", "ISO_WEEK": "WEEK", "WW": "WEEK",
    "WK": "WEEK", "WEEKISO": "WEEK", "DAYOFWEEKISO": "ISODOW", "DAYOFWEEK_ISO": "ISODOW", "EPOCH_SECOND": "EPOCH",
    "MS": "MILLISECOND", "IW": "WEEK", "DW": "DAYOFWEEK",
}
_ISO = ("ISOWEEK", "ISO_WEEK", "WEEKISO", "IW")
_WEEKS = "weeks between"        # what a number of weeks counts
_BEGINS = {"MONTH": {"day": 1}, "QUARTER": {"day": 1}, "YEAR": {"month": 1, "day": 1}}
_TICKS = {"0": "to_seconds", "3": "to_milliseconds", "6": "to_microseconds"}
_FRACTIONS = {"MILLISECOND": 1000, "MICROSECOND": 1_000_000}
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


def _week_start(date: exp.Expr, first: int, stays: bool) -> exp.Expr:
    """The last day `first` that is not after a moment: moved so far that its weeks start on Monday, and back."""
    days = (1 - first) % 7
    if not days:
        return _of_its_type(exp.TimestampTrunc(this=date, unit=exp.Var(this="WEEK")), stays)
    ahead, back = (exp.Interval(this=exp.Literal.string(str(n)), unit=exp.Var(this="DAY")) for n in (days, -days))
    moved = exp.paren(_of_its_type(exp.Add(this=date, expression=ahead), stays), copy=False)
    start = _of_its_type(exp.TimestampTrunc(this=moved, unit=exp.Var(this="WEEK")), stays)
    return exp.paren(_of_its_type(exp.Add(this=start, expression=back), stays), copy=False)


def _of_its_type(node: exp.Expr, stays: bool) -> exp.Expr:
    """A node that gives a DATE for a DATE, if it does."""
    node.meta[STAYS] = stays
    return node


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
    if isinstance(of, exp.Anonymous):
        return _age(node, of, unit)
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
    if unit == "YEAR_MONTH":
        return made("year(d) * 100 + month(d)", d=of)
    found = exp.Extract(this=exp.Var(this=unit), expression=of)
    if unit in _FRACTIONS and dialect not in POSTGRES:      # of its second, not of its minute
        return made(f"x % {_FRACTIONS[unit]}", x=found)
    return found


def _age(node: exp.Expr, age: exp.Expr, unit: str) -> exp.Expr:
    """The years of Postgres' AGE, or the months beyond them."""
    if unit not in ("YEAR", "MONTH") or len(age.expressions) != 2:
        raise refusal("of AGE the years and months are read, between two dates", node)
    later, earlier = (_moment(each) for each in age.expressions)
    more = "date_sub('month', b, a) % 12"
    return made("date_sub('year', b, a)" if unit == "YEAR" else more, a=later, b=earlier)


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
    unit, stays = _unit(node, dialect), dialect not in POSTGRES
    if dialect == "oracle" and node.args["unit"].name.upper() in ("WW", "W", "D", "DY", "DAY"):
        raise refusal("this unit of oracle starts on a day of its own", node, "IW is the week that starts on Monday")
    if written(node).upper() == "TRUNC" and dialect in SPARK:       # Spark's gives a DATE
        node.set("this", exp.cast(node.this, "DATE", copy=False))
    if unit == "WEEK":
        return _week_start(node.this, _first(node, dialect), stays)
    return _of_its_type(exp.TimestampTrunc(this=node.this, unit=exp.Var(this=unit)), stays and unit not in _SMALL)


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
        later, earlier = (_week_start(each, _first(node, dialect), False) for each in (later, earlier))
        days = exp.DateDiff(this=later, expression=earlier, unit=exp.Var(this="DAY"))
        weeks = exp.paren(exp.IntDiv(this=days, expression=exp.Literal.number(7)), copy=False)
        weeks.meta[_WEEKS] = (node.this.copy(), node.expression.copy(), unit)
        return weeks
    return exp.DateDiff(this=later, expression=earlier, unit=exp.Var(this=unit))


def moved(node: exp.Expr, dialect: str) -> exp.Expr:
    """date + n units, of the type of the date. A day's number may be computed; months and hours are literals."""
    if (start := _started(node, dialect)) is not None:
        return start
    count, unit = node.expression, _unit(node, dialect)
    if isinstance(count, exp.Interval):
        count, unit = count.this, _unit(count, dialect)
    unit = "MONTH" if isinstance(node, exp.AddMonths) else unit
    down = isinstance(node, (exp.DateSub, exp.DatetimeSub, exp.TimestampSub))
    date = _moment(node.this)
    stays = node.args.get("return_type") is None            # redshift's gives a moment
    if isinstance(node, exp.TsOrDsAdd) and stays:
        date = exp.cast(date, "DATE", copy=False)
    length = whole(count)
    if length is not None:
        step: exp.Expr = exp.Interval(
            this=exp.Literal.string(str(-length if down else length)), unit=exp.Var(this=unit))
        found: exp.Expr = exp.Add(this=date, expression=step)
    elif unit == "DAY":
        found = (exp.Sub if down else exp.Add)(this=date, expression=exp.paren(count, copy=False))
    else:
        raise refusal(f"{unit}S are added by a literal number only", count, "write the number, or add days")
    found = exp.paren(_of_its_type(found, stays and unit not in _SMALL), copy=False)
    if node.args.get("preserve_end_of_month") or (dialect == "redshift" and written(node).upper() == "ADD_MONTHS"):
        return made("CASE WHEN CAST(d AS DATE) = last_day(d) THEN last_day(m) ELSE m END", d=date, m=found)
    return found


def _started(node: exp.Expr, dialect: str) -> exp.Expr | None:
    """T-SQL's DATEADD(month, DATEDIFF(month, 0, d), 0): the first moment of the month of d. Day 0 may be another."""
    units, unit = node.expression, _unit(node, dialect)
    if dialect != "tsql" or not isinstance(node, exp.DateAdd) or not isinstance(units, exp.DateDiff | exp.Paren):
        return None
    plain = (units.this, units.args.get("expression"), _unit(units, dialect))
    later, earlier, counted = units.meta.get(_WEEKS, plain)
    zero, base = _day_of(earlier), _day_of(node.this)
    if zero is None or zero != base or counted != unit or zero != zero.replace(**_BEGINS.get(unit, {})):
        return None
    if unit == "WEEK":                      # its weeks start on Sunday: from a Monday on, they end on one
        return made("date_trunc('week', d + INTERVAL 1 DAY)", d=later) if zero.weekday() == 0 else None
    first = unit != "QUARTER" or zero.month % 3 == 1
    return exp.TimestampTrunc(this=later, unit=exp.Var(this=unit)) if first else None


def _day_of(node: exp.Expr | None) -> datetime.date | None:
    """The day that a literal means in T-SQL: 0, '19000101' or '1900-01-01'."""
    while isinstance(node, exp.Cast | exp.TimeStrToTime | exp.Paren):
        node = node.this
    text = node.this if isinstance(node, exp.Literal) and node.is_string else "1900-01-01" * (whole(node) == 0)
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def _stays(node: exp.Expr, dialect: str) -> exp.Expr:
    """A DATE and an interval of days or longer are a DATE there."""
    if dialect in SPARK | TRINO | {"mysql"} and isinstance(node.expression, exp.Interval):
        node.meta[STAYS] = _unit(node.expression, dialect) not in _SMALL
    node.meta[NUMERALS] = _NUMERALS.get(dialect)
    return added(node, dialect) if isinstance(node, exp.Add) else node


def _last_day(node: exp.Expr, dialect: str) -> exp.Expr:
    """LAST_DAY of a month, a quarter or a year."""
    unit = _unit(node, dialect) if node.args.get("unit") is not None else "MONTH"
    if unit == "MONTH":
        return exp.LastDay(this=node.this)
    if unit not in ("QUARTER", "YEAR"):
        raise refusal(f"the last day of a {unit.lower()} is not read", node, "MONTH, QUARTER and YEAR are")
    more = {"QUARTER": "2 MONTH", "YEAR": "11 MONTH"}[unit]
    return made(f"last_day(date_trunc('{unit.lower()}', d) + INTERVAL {more})", d=node.this)


def _next_day(node: exp.Expr, dialect: str) -> exp.Expr:
    name = node.expression.unnest()
    found = [i for i, day in enumerate(_DAYS) if isinstance(name, exp.Literal) and len(name.this) > 1
             and day.startswith(name.this.upper())]
    if not found:
        raise refusal("NEXT_DAY takes the name of a day", node)
    day = exp.Literal.number((found[0] - 1) % 7 + 1)
    return made("CAST(d AS DATE) + CAST((n - isodow(d) + 6) % 7 + 1 AS INTEGER)", d=node.this, n=day)


def _months_between(node: exp.Expr, dialect: str) -> exp.Expr:
    """Whole months where both are the same day, or the last, of a month; else with days in 31 parts."""
    moments = {name: exp.cast(_moment(side), "TIMESTAMP") for name, side in (("a", node.this), ("b", node.expression))}
    whole_months = "(year(a) - year(b)) * 12 + month(a) - month(b)"
    in_days = "day({0}) - 1 + (hour({0}) * 3600 + minute({0}) * 60 + second({0})) / 86400"
    found = made(
        f"CASE WHEN day(a) = day(b) OR (CAST(a AS DATE) = last_day(a) AND CAST(b AS DATE) = last_day(b)) "
        f"THEN CAST({whole_months} AS DOUBLE) "
        f"ELSE {whole_months} + ({in_days.format('a')} - ({in_days.format('b')})) / 31 END", **moments)
    return exp.Round(this=found, decimals=exp.Literal.number(8)) if dialect in SPARK else found


def _seconds(node: exp.Expr, dialect: str) -> exp.Expr:
    """Seconds since 1970."""
    return made("CAST(floor(epoch(x)) AS BIGINT)", x=node.this)


def _seconds_of_text(node: exp.Expr, dialect: str) -> exp.Expr:
    """UNIX_TIMESTAMP(x) of a moment; of a text, in the format given."""
    moment = _read(exp.StrToTime(this=node.this, format=node.args["format"]), dialect) \
        if formats.RAW in node.meta else node.this
    return made("CAST(floor(epoch(x)) AS BIGINT)", x=moment)


def _days_since(node: exp.Expr, dialect: str) -> exp.Expr:
    return made("date_diff('day', DATE '1970-01-01', x)", x=node.this)


def _iso_year(node: exp.Expr, dialect: str) -> exp.Expr:
    return made("isoyear(x)", x=node.this)


def _as_date(node: exp.Expr, dialect: str) -> exp.Expr:
    if node.args.get("format"):
        return _read(node, dialect)
    if isinstance(node.parent, exp.DateDiff) and node.parent.args.get("unit") is not None:
        return _moment(node.this)       # the parser's, and right for a difference in days alone
    return exp.cast(node.this, "DATE", copy=False)


def _in_zone(node: exp.Expr, dialect: str) -> exp.Expr:
    """AT TIME ZONE, and DATE(x, zone): elsewhere than in Postgres they start from another clock than DuckDB's."""
    zone = node.args.get("zone")
    if zone is not None and dialect not in POSTGRES:
        raise refusal(f"time zones of {dialect} are not read", node, "leave it out: moments are those of the tables")
    return node


def _as_moment(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.cast(node.this, "TIMESTAMP", copy=False)


def _moment_of(node: exp.Expr, dialect: str) -> exp.Expr:
    """TIMESTAMP(x): a moment, of a text or a date."""
    if {key for key, value in node.args.items() if value} - {"this", "with_tz"}:
        raise refusal("TIMESTAMP takes one argument here", node, "add an INTERVAL")
    return exp.cast(node.this, "TIMESTAMP", copy=False)


def _from_parts(node: exp.Expr, dialect: str) -> exp.Expr:
    """A moment of its year, month, day, hour, minute and second."""
    parts = {key: node.args[key] for key in ("year", "month", "day", "hour", "min", "sec")}
    rest = [value for key, value in node.args.items() if key not in parts and value is not None]
    if any(whole(value) != 0 for value in rest):
        raise refusal("a moment is made of whole seconds here", node, "leave fractions and zones out")
    return made("CAST(make_date(year, month, day) AS TIMESTAMP) + INTERVAL (hour * 3600 + min * 60 + sec) SECOND",
                **parts)


def _read(node: exp.Expr, dialect: str) -> exp.Expr:
    if isinstance(node, exp.ParseDatetime) and dialect in TRINO:
        return exp.StrToTime(this=node.this, format=formats.plain(node, "spark"))
    found = exp.StrToTime(this=node.this, format=formats.plain(node, dialect))
    moment = isinstance(node, exp.StrToTime | exp.ParseDatetime) or (dialect in ("mysql", "oracle") and _hours(found))
    return found if moment else exp.cast(found, "DATE", copy=False)


def _hours(node: exp.StrToTime) -> bool:
    """Whether a moment is read, not a day."""
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


def _of_ticks(node: exp.Expr, dialect: str) -> exp.Expr:
    """TIMESTAMP_SECONDS, _MILLIS and _MICROS of BigQuery, whose moments are of UTC."""
    unit = _TICKS.get(node.args["scale"].name if node.args.get("scale") else "0")
    if dialect != "bigquery" or unit is None or node.args.get("format"):
        return node
    return made(f"TIMESTAMP '1970-01-01' + {unit}(n)", n=node.this)


RULES: dict[str, Rule] = {
    "Add": _stays, "AddMonths": moved, "AtTimeZone": _in_zone, "Date": _in_zone, "DateAdd": moved,
    "DateDiff": _between, "DateStrToDate": _as_date, "DateSub": moved, "DatetimeAdd": moved, "DatetimeDiff": _between,
    "DatetimeSub": moved, "DatetimeTrunc": _truncated, "DateTrunc": _truncated, "Dayname": _named,
    "DayOfWeek": _day_of_week, "Extract": _extracted, "LastDay": _last_day, "Monthname": _named,
    "MonthsBetween": _months_between, "NextDay": _next_day, "ParseDatetime": _read, "StrToDate": _read,
    "StrToTime": _read, "StrToUnix": _seconds_of_text, "Sub": _stays, "Timestamp": _moment_of, "TimestampAdd": moved,
    "TimestampDiff": _between, "TimestampSub": moved, "TimestampFromParts": _from_parts, "TimestampTrunc": _truncated,
    "TimeStrToTime": _as_moment, "TimeToStr": _written, "ToChar": _written, "TsOrDsAdd": moved,
    "TsOrDsDiff": _between, "TsOrDsToDate": _as_date, "TsOrDsToDatetime": _as_moment, "TsOrDsToTimestamp": _as_moment,
    "UnixDate": _days_since, "UnixSeconds": _seconds, "UnixToTime": _of_ticks, "Week": _week, "YearOfWeek": _iso_year,
    "YearOfWeekIso": _iso_year,
}
