"""Public values of keys by the calendar, or between the ends that the query or the policy gives."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

from dpsql import scalars
from dpsql.expression import DATE, TIMESTAMP, Call, Column, Kind, Lit, Ref, Scalar, Value
from dpsql.facts.ranges import narrowed
from dpsql.interval import ANY

MAX_DAYS = 10_300     # of a span that is walked day by day: 28 years
MAX_HOURS = 1_000     # and by the hour
MAX_SPANS = 100       # that ORs leave
MAX_LISTED = 1_000    # values of one key
MAX_WHOLE = 100       # values of a whole number

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_TICK = datetime.timedelta(microseconds=1)
_HOUR = datetime.timedelta(hours=1)
_DAY = datetime.timedelta(days=1)

Span = tuple[datetime.datetime, datetime.datetime]
_EVER: Span = (datetime.datetime.min, datetime.datetime.max)

OfDay = Callable[[datetime.date], Value]

_OF_DAY: dict[str, OfDay] = {
    "year": lambda d: d.year, "quarter": lambda d: (d.month + 2) // 3, "month": lambda d: d.month,
    "day": lambda d: d.day, "dow": lambda d: d.isoweekday() % 7, "isodow": lambda d: d.isoweekday(),
    "doy": lambda d: d.timetuple().tm_yday, "week": lambda d: d.isocalendar()[1],
    "isoyear": lambda d: d.isocalendar()[0], "yearweek": lambda d: d.isocalendar()[0] * 100 + d.isocalendar()[1],
    "decade": lambda d: d.year // 10, "century": lambda d: (d.year - 1) // 100 + 1,
    "dayname": lambda d: scalars.DAY_NAMES[d.weekday()], "monthname": lambda d: scalars.MONTH_NAMES[d.month - 1],
}
_YEARLESS = {"quarter", "month", "day", "dow", "isodow", "doy", "dayname", "monthname"}
_EVERY_CALENDAR = datetime.datetime(2000, 1, 1), datetime.datetime(2027, 12, 31)     # 28 years
_STARTS: dict[str, Callable[[datetime.date], datetime.date]] = {
    "day": lambda d: d, "week": lambda d: d - datetime.timedelta(days=d.weekday()),
    "month": lambda d: d.replace(day=1), "quarter": lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1),
    "year": lambda d: d.replace(month=1, day=1),
    "decade": lambda d: d.replace(year=max(1, d.year // 10 * 10), month=1, day=1),
}
_FORMATS: dict[str, Callable[[datetime.date], str]] = {
    "%Y": lambda d: f"{d.year:04}", "%m": lambda d: f"{d.month:02}", "%d": lambda d: f"{d.day:02}",
    "%y": lambda d: f"{d.year % 100:02}", "%j": lambda d: f"{d.timetuple().tm_yday:03}",
    "%A": lambda d: scalars.DAY_NAMES[d.weekday()], "%a": lambda d: scalars.DAY_NAMES[d.weekday()][:3],
    "%B": lambda d: scalars.MONTH_NAMES[d.month - 1], "%b": lambda d: scalars.MONTH_NAMES[d.month - 1][:3],
}


def spanned(
    key: Scalar, conditions: Iterable[Scalar], nullable: Callable[[Scalar], bool],
) -> tuple[Value, ...] | None:
    """The values of a key of time, or of a whole number, between public ends; None where they are not known.

    Rows may hold others (an infinite date, a date outside its declared range): the caller drops them. NULL is among
    the values when the column may be NULL.
    """
    conditions = tuple(conditions)
    found, missing = None, key
    taken = _dated(key)
    if taken is not None:
        found, missing = _of_time(key, *taken, conditions), Ref(taken[0])
    if found is None:
        found = _whole(key, conditions)
    if found is None or len(found) > MAX_LISTED:
        return None
    return (*found, None) if nullable(missing) else found


def together(
    keys: Sequence[Scalar], conditions: Iterable[Scalar],
) -> Iterator[tuple[tuple[int, ...], tuple[tuple[Value, ...], ...]]]:
    """Places of keys that depend on the day of one column, and the combinations they take on the days of its span.

    Year and month from June 2023 to May 2024 are twelve combinations, not two times twelve. NULL is not among them.
    """
    conditions = tuple(conditions)
    found: dict[Column, dict[int, OfDay]] = {}
    for place, key in enumerate(keys):
        column, of_day = _dated(key) or (None, None)
        if column is not None and of_day is not None:
            found.setdefault(column, {})[place] = of_day
    for column, of_days in found.items():
        spans = _spans(column, conditions)
        if spans is None and all(isinstance(key := keys[i], Call) and key.name in _YEARLESS for i in of_days):
            spans = [_EVERY_CALENDAR]
        days = _days(spans) if spans is not None and len(of_days) > 1 else None
        if days is not None:
            values = dict.fromkeys(tuple(of_day(day) for of_day in of_days.values()) for day in days)
            yield tuple(of_days), tuple(values)


def _days(spans: list[Span]) -> Iterator[datetime.date] | None:
    """The days of spans; None where they are too many to walk."""
    counts = [(last.date() - first.date()).days + 1 for first, last in spans]
    if sum(counts) > MAX_DAYS:
        return None
    return (first.date() + i * _DAY for (first, _), count in zip(spans, counts, strict=True) for i in range(count))


def _of_time(
    key: Scalar, column: Column, of_day: OfDay | None, conditions: tuple[Scalar, ...],
) -> tuple[Value, ...] | None:
    spans = _spans(column, conditions)
    if spans is None:
        return scalars.few_values(key)
    if of_day is None:
        hours = sum((last - first) / _HOUR + 1 for first, last in spans)
        return tuple(dict.fromkeys(_hours(spans))) if hours <= MAX_HOURS else None
    if (days := _days(spans)) is None:
        return scalars.few_values(key)
    return tuple(dict.fromkeys(of_day(day) for day in days))


def _hours(spans: list[Span]) -> Iterator[datetime.datetime]:
    for first, last in spans:
        hour = first.replace(minute=0, second=0, microsecond=0)
        while hour <= last:
            yield hour
            hour += _HOUR


def _dated(key: Scalar) -> tuple[Column, OfDay | None] | None:
    """The date column a key depends on, and its value on a given day (None: it takes more than the day)."""
    match key:
        case Ref(column) if column.type == DATE:
            return column, lambda day: day
        case Call("cast", (inner,), type_) if type_ == DATE:
            base = _base(inner)
            return None if base is None else (base, lambda day: day)
        case Call("date_trunc", (Lit(str(unit)), inner)):
            base, start = _base(inner), _STARTS.get(unit)
            if base is None or (start is None and unit != "hour"):
                return None
            return base, None if start is None else lambda day: datetime.datetime.combine(start(day), datetime.time())
        case Call("strftime", (inner, Lit(str(text)))):
            base, written = _base(inner), _written(text)
            return None if base is None or written is None else (base, written)
        case Call(name, (inner,)):
            base = _base(inner)
            return (base, _OF_DAY[name]) if base is not None and name in _OF_DAY else None
        case _:
            return None


def _written(text: str) -> OfDay | None:
    pieces: list[Callable[[datetime.date], str]] = []
    place = 0
    while place < len(text):
        letter = text[place : place + (2 if text[place] == "%" else 1)]
        if letter.startswith("%") and letter not in _FORMATS:
            return None
        pieces.append(_FORMATS.get(letter) or (lambda day, letter=letter: letter))     # type: ignore[misc]
        place += len(letter)
    return lambda day: "".join(piece(day) for piece in pieces)


def _base(scalar: Scalar) -> Column | None:
    """The date column under casts between dates and moments, and the window of years 1 to 9999."""
    while isinstance(scalar, Call) and scalar.name in ("cast", "window") and scalar.type in (DATE, TIMESTAMP):
        scalar = scalar.args[0]
    return scalar.column if isinstance(scalar, Ref) and scalar.column.type in (DATE, TIMESTAMP) else None


def _spans(column: Column, conditions: tuple[Scalar, ...]) -> list[Span] | None:
    """The spans that the conditions and the declared range leave to a column, in order; None where one has no end."""
    found = [_EVER]
    if column.declared is not None and column.declared.finite:
        low, high = column.declared.ends
        found = [(_moment(low), _moment(high) + (_DAY - _TICK if column.type == DATE else _TICK * 0))]
    found = sorted(_met([found, *(_allowed(column, condition) for condition in conditions)]))
    ends = all(first > _EVER[0] and last < _EVER[1] for first, last in found)
    return found if found and ends and len(found) <= MAX_SPANS else None


def _allowed(column: Column, condition: Scalar) -> list[Span]:
    """The spans in which a condition can be true."""
    match condition:
        case Call("or", args):
            return [span for arg in args for span in _allowed(column, arg)]
        case Call("and", args):
            return _met([_allowed(column, arg) for arg in args])
        case _:
            lows, highs = ([moment for of, moment in _limits(column, (condition,)) if of == side] for side in (1, -1))
            return [(max(lows, default=_EVER[0]), min(highs, default=_EVER[1]))]


def _met(each: list[list[Span]]) -> list[Span]:
    """What lies in a span of each list."""
    found = [_EVER]
    for spans in each:
        found = [(max(a, c), min(b, d)) for a, b in found for c, d in spans if max(a, c) <= min(b, d)]
        if len(found) > MAX_SPANS:
            return [_EVER]      # more is allowed than that: rows elsewhere have groups of nobody
    return found


def _moment(days: Fraction) -> datetime.datetime:
    return datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=int(days * 86_400_000_000))


def _limits(column: Column, conditions: tuple[Scalar, ...]) -> Iterator[tuple[int, datetime.datetime]]:
    """Lower (1) and upper (-1) ends, both included."""
    for condition in conditions:
        match condition:
            case Call("between", (value, Lit() as low, Lit() as high)) if _base(value) == column:
                yield from _ends(">=", low, value)
                yield from _ends("<=", high, value)
            case Call(("<" | "<=" | ">" | ">=" | "=") as sign, (value, Lit() as end)) if _base(value) == column:
                yield from _ends(sign, end, value)
            case Call(("<" | "<=" | ">" | ">=" | "=") as sign, (Lit() as end, value)) if _base(value) == column:
                yield from _ends(_MIRRORED[sign], end, value)
            case _:
                continue


def _ends(sign: str, end: Lit, value: Scalar) -> Iterator[tuple[int, datetime.datetime]]:
    """A moment cut to a date is compared by days, so an upper end holds the whole day."""
    point = end.value
    if not isinstance(point, datetime.date):
        return
    whole = value.type == DATE
    start = point if isinstance(point, datetime.datetime) else datetime.datetime.combine(point, datetime.time())
    try:
        after = start + (_DAY if whole else _TICK)
        if sign in (">", ">=", "="):
            yield 1, after if sign == ">" else start
        if sign in ("<", "<=", "="):
            yield -1, (start if sign == "<" else after) - _TICK
    except OverflowError:
        return


def _whole(key: Scalar, conditions: tuple[Scalar, ...]) -> tuple[Value, ...] | None:
    """The number of a bucket, or a column of whole numbers that the query holds between two of them."""
    if key.type.kind is not Kind.INTEGER or not isinstance(key, Ref):
        return scalars.few_values(key)
    interval = narrowed({}, conditions).get(key.column.id, ANY)
    if not interval.finite:
        return None
    low, high = (math.ceil(interval.ends[0]), math.floor(interval.ends[1]))
    return tuple(range(low, high + 1)) if 0 <= high - low < MAX_WHOLE else None
