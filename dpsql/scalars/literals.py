"""Constants of the query's text: how DuckDB types them, and their conversion to another type while planning."""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from math import isfinite

from dpsql.expression import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    HUGEINT,
    INTEGER,
    TIME,
    TIMESTAMP,
    VARCHAR,
    Call,
    Kind,
    Lit,
    Scalar,
    SqlType,
)
from dpsql.scalars.errors import ScalarError
from dpsql.schema import INSTANT

_EXACT = Context(prec=120)
_MAX_DIGITS = 38
_LONGEST = 60     # characters of a number; HUGEINT and DECIMAL have 39 digits
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)
_DATE = r"\s*(\d{4})-(\d{1,2})-(\d{1,2})"
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,6})\d*)?)?"
_COMPACT = re.compile(r"\d{8}")
_MOMENT = re.compile(rf"{_DATE}(?:[ T]{_CLOCK})?\s*", re.ASCII)
_TIME = re.compile(rf"\s*{_CLOCK}\s*", re.ASCII)
_INSTANT = re.compile(r"(\s*[\d-]+(?:[ T][\d:.]+)?) ?(?:Z|UTC|([+-])(\d{1,2})(?::?(\d{2}))?)?\s*", re.ASCII)
_UNUSUAL = ("nan", "inf", "infinity", "-inf", "-infinity", "+inf", "+infinity")
_TRUE, _FALSE = ("true", "t", "1", "yes", "y"), ("false", "f", "0", "no", "n")


def number(text: str, *, negative: bool = False) -> Lit:
    """A number as written: INTEGER, BIGINT or HUGEINT, DECIMAL with a point, DOUBLE with an exponent."""
    sign = "-" if negative else ""
    if len(text) > _LONGEST:
        raise ScalarError(f"a number has at most {_LONGEST} characters")
    if text.count(".") > 1:
        raise ScalarError(f"{text} is no number")
    if "e" in text.lower():
        return Lit(_finite(float(sign + text)), DOUBLE)
    if "." not in text:
        return _integer(int(sign + text))
    whole, _, fraction = text.partition(".")
    digits = len(whole) + len(fraction)
    if digits > _MAX_DIGITS:
        return Lit(_finite(float(sign + text)), DOUBLE)
    return Lit(Decimal(sign + text), SqlType(Kind.DECIMAL, max(digits, 1), len(fraction)))


def _integer(value: int) -> Lit:
    for type_ in (INTEGER, BIGINT, HUGEINT):
        if holds(type_, value):
            return Lit(value, type_)
    raise ScalarError("this number is too large", hint="write it with an exponent, as 1e40, for a DOUBLE")


def holds(type_: SqlType, value: int | Decimal) -> bool:
    """Whether an exact number lies in the type's range."""
    low, high = type_.range.ends
    return low <= value <= high


def _finite(value: float) -> float:
    if not isfinite(value):
        raise ScalarError("this number is too large")
    return value


def fold(literal: Lit, to: SqlType) -> Scalar:
    """A literal converted to `to` as the engine would. ScalarError when it has no such value."""
    value = literal.value
    if value is None or literal.type == to:
        return Lit(value, to)
    match value:
        case bool():
            folded = _from_number(int(value), to) if to != VARCHAR else Lit("true" if value else "false", VARCHAR)
        case int() | Decimal():
            folded = _from_number(value, to)
        case str() if literal.type == VARCHAR:
            folded = _from_text(value, to)
        case datetime.datetime():
            folded = Lit(value.date(), DATE) if to == DATE else Lit(value.time(), TIME) if to == TIME else None
        case datetime.date():
            folded = Lit(datetime.datetime.combine(value, datetime.time()), TIMESTAMP) if to == TIMESTAMP else None
        case float():
            folded = Call("cast", (literal,), to) if to.numeric or to == VARCHAR else None
        case _:
            folded = None
    if folded is None and to == VARCHAR and literal.type.kind is not Kind.INTERVAL:
        return Call("cast", (literal,), to)
    if folded is None:
        raise ScalarError(f"this {literal.type} is no {to}")
    return folded


def _from_number(value: int | Decimal, to: SqlType) -> Scalar | None:
    match to.kind:
        case Kind.BOOLEAN:
            return Lit(value != 0, BOOLEAN)
        case Kind.DOUBLE:
            return Lit(float(value), DOUBLE)
        case Kind.INTEGER | Kind.DECIMAL:
            step = Decimal(1).scaleb(-to.scale)
            rounded = Decimal(value).quantize(step, ROUND_HALF_UP, _EXACT)
            if not holds(to, rounded):
                raise ScalarError(f"this number does not fit {to}")
            return Lit(int(rounded) if to.kind is Kind.INTEGER else rounded, to)
        case Kind.VARCHAR:
            return Lit(format(value, "f"), VARCHAR) if isinstance(value, Decimal) else Lit(str(value), VARCHAR)
        case _:
            return None


def _from_text(text: str, to: SqlType) -> Scalar:
    problem = ScalarError(f"'{text}' is no {to}", hint=_EXAMPLES.get(to.kind))
    match to.kind:
        case Kind.DATE | Kind.TIMESTAMP:
            moment = _moment(text)
            if moment is None:
                raise problem
            return Lit(moment.date() if to == DATE else moment, to)
        case Kind.TIME:
            found = _TIME.fullmatch(text)
            clock = None if found is None else _clock(*found.groups())
            return Lit(clock, TIME) if clock is not None else _never(problem)
        case Kind.BOOLEAN if text.lower() in _TRUE + _FALSE:
            return Lit(text.lower() in _TRUE, BOOLEAN)
        case Kind.DOUBLE if text.strip().lower() in _UNUSUAL:
            return Call("cast", (Lit(text, VARCHAR),), DOUBLE)
        case Kind.DOUBLE if _NUMBER.fullmatch(text):
            return Lit(_finite(float(text)), DOUBLE)
        case Kind.INTEGER | Kind.DECIMAL if len(text) <= _LONGEST and _NUMBER.fullmatch(text):
            try:
                return _from_number(Decimal(text.strip()), to) or _never(problem)
            except (InvalidOperation, ScalarError):
                raise problem from None
        case _:
            raise problem


def _never(problem: ScalarError) -> Scalar:
    raise problem


_MIXED = "write a number; where texts and numbers shall meet, CAST(... AS VARCHAR) around the numbers"
_EXAMPLES = {
    Kind.INTEGER: _MIXED, Kind.DECIMAL: _MIXED, Kind.DOUBLE: _MIXED,
    Kind.TIME: "write it as '12:30:00'", Kind.DATE: "write it as '1998-09-02'",
    Kind.TIMESTAMP: "write it as '1998-09-02 12:30:00'",
}


def _moment(text: str) -> datetime.datetime | None:
    if _COMPACT.fullmatch(text):        # as SQL Server and others write a day
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(part) for part in found.groups()[:3])
    clock = _clock(*found.groups()[3:])
    try:
        return None if clock is None else datetime.datetime.combine(datetime.date(year, month, day), clock)
    except ValueError:
        return None


def instant(text: str) -> Lit:
    """A text with or without a distance from UTC, as the moment by the clock of UTC."""
    found = _INSTANT.fullmatch(text)
    moment = None if found is None else _moment(found[1])
    try:
        if found is None or moment is None:
            raise OverflowError
        distance = datetime.timedelta(hours=int(found[3] or 0), minutes=int(found[4] or 0))
        return Lit(moment + distance if found[2] == "-" else moment - distance, TIMESTAMP)
    except OverflowError:
        raise ScalarError(f"'{text}' is no {INSTANT}", hint="write it as '1998-09-02 12:30:00+02:00'") from None


def _clock(*parts: str | None) -> datetime.time | None:
    """The time that hours, minutes, seconds and their fraction say."""
    hour, minute, second = (int(part or 0) for part in parts[:3])
    try:
        return datetime.time(hour, minute, second, int((parts[3] or "").ljust(6, "0")))
    except ValueError:
        return None
