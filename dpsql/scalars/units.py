"""Units of time as an analyst writes them, and interval literals."""

from __future__ import annotations

import re

from dpsql.expression import INTERVAL, Lit
from dpsql.scalars.errors import ScalarError

_ALIASES = {
    "microsecond": "us usec usecs usecond useconds micros microseconds", "millisecond": "ms msec msecs milliseconds",
    "second": "s sec secs seconds", "minute": "m min mins minutes", "hour": "h hr hrs hours",
    "day": "d days dayofmonth", "week": "w weeks weekofyear", "month": "mon mons months", "quarter": "quarters",
    "year": "y yr yrs years", "decade": "dec decs decades", "century": "cent c centuries",
    "dow": "dayofweek weekday", "isodow": "", "doy": "dayofyear", "epoch": "", "isoyear": "", "yearweek": "",
    "millennium": "mil millenniums millennia", "era": "",
}
_UNITS = {alias: unit for unit, aliases in _ALIASES.items() for alias in (unit, *aliases.split())}

# interval units in terms of the three that DuckDB stores
_STORED = {
    "microsecond": (1, "MICROSECOND"), "millisecond": (10**3, "MICROSECOND"), "second": (10**6, "MICROSECOND"),
    "minute": (60 * 10**6, "MICROSECOND"), "hour": (3600 * 10**6, "MICROSECOND"), "day": (1, "DAY"),
    "week": (7, "DAY"), "month": (1, "MONTH"), "quarter": (3, "MONTH"), "year": (12, "MONTH"),
    "decade": (120, "MONTH"), "century": (1200, "MONTH"),
}
LONGEST = {"MICROSECOND": 10_000 * 366 * 86_400 * 10**6, "DAY": 10_000 * 366, "MONTH": 10_000 * 12}   # 10,000 years
_PART = re.compile(r"\s*([+-]?\d+)\s*([a-zA-Z]+)\s*")


def unit_of(text: str, allowed: frozenset[str]) -> str:
    """The unit that a spelling means. ScalarError when it is none of `allowed`."""
    unit = _UNITS.get(text.strip().lower())
    if unit is None or unit not in allowed:
        raise ScalarError(f"'{text}' is no unit here", hint="use one of " + ", ".join(sorted(allowed)))
    return unit


def interval(text: str, unit: str | None) -> Lit:
    """An INTERVAL literal: one whole number of one unit, or several of units that add up to one stored unit."""
    whole = f"{text} {unit}" if unit is not None else text
    total: dict[str, int] = {}
    place = 0
    while place < len(whole):
        found = _PART.match(whole, place)
        if found is None:
            raise ScalarError(f"'{text}' is no interval", hint="write a whole number of a unit, as INTERVAL '3' MONTH")
        factor, stored = _STORED[unit_of(found.group(2), frozenset(_STORED))]
        total[stored] = total.get(stored, 0) + factor * int(found.group(1))
        place = found.end()
    if len(total) != 1:
        raise ScalarError("an interval of months and days together is not admitted", hint="add them one by one")
    (stored, count), = total.items()
    if abs(count) > LONGEST[stored]:
        raise ScalarError("an interval has at most 10,000 years")
    return Lit(f"{count} {stored}", INTERVAL)


def parts(literal: Lit) -> tuple[int, str]:
    """The count and stored unit (MONTH, DAY or MICROSECOND) of an interval literal."""
    count, _, unit = str(literal.value).partition(" ")
    return int(count), unit


def scaled(literal: Lit, times: int) -> Lit:
    """An interval literal so many times as long. ScalarError beyond 10,000 years."""
    count, unit = parts(literal)
    if abs(count * times) > LONGEST[unit]:
        raise ScalarError("an interval has at most 10,000 years")
    return Lit(f"{count * times} {unit}", INTERVAL)
