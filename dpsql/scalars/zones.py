"""AT TIME ZONE: between a moment by the clock of UTC, as every instant is read, and one by the clock of a place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from functools import cache
from zoneinfo import available_timezones

from sqlglot import exp

from dpsql.expression import BOOLEAN, TIMESTAMP, VARCHAR, Call, Lit, Ref, Scalar, columns_of
from dpsql.interval import Interval, between
from dpsql.scalars.dates import dated, moment
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.rows import Ranges, Row, Taken, add, always
from dpsql.scalars.sql import tight
from dpsql.schema import INSTANT

_UTC = "UTC"
_SAME = ("utc", "gmt", "z", "etc/utc", "etc/gmt")


def at_zone(node: exp.Expr, visit: Callable[[exp.Expr], Scalar]) -> Scalar:
    """x AT TIME ZONE 'Europe/Paris': of an instant the moment that clocks there show, of such a moment the instant."""
    zone = node.args["zone"].unnest()
    if not isinstance(zone, exp.Literal) or not zone.is_string:
        raise ScalarError("the time zone is a literal", zone)
    value = dated("AT TIME ZONE", visit(node.this))       # a text that is no moment would fail
    name, instant = _zone(zone.this), _is_instant(node.this.unnest(), value)
    if instant is None:
        if name == _UTC:
            return moment(value)
        raise ScalarError("whether this moment has a time zone already is not known here",
                          hint="write AT TIME ZONE beside the column, or CAST(... AS TIMESTAMPTZ) around it")
    return Call("at_zone", (moment(value), Lit(name, VARCHAR), Lit(instant, BOOLEAN)), TIMESTAMP)


def _zone(text: str) -> str:
    """The zone's own spelling."""
    if text.strip().lower() in _SAME:
        return _UTC
    zones = _zones()
    if (found := zones.get(text.lower())) is None:
        near = get_close_matches(text.lower(), zones, 1)
        raise ScalarError(f"'{text}' is no time zone", hint=f"did you mean '{zones[near[0]]}'?" if near else
                          "write 'UTC' or a place, as 'Europe/Paris'")
    return found


@cache
def _zones() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones() if "/" in name}


def _is_instant(node: exp.Expr, value: Scalar) -> bool | None:
    """Whether a value is a TIMESTAMP WITH TIME ZONE for the engine; None where that is not known."""
    if isinstance(node, exp.Cast):
        return bool(node.args["to"].is_type("TIMESTAMPTZ"))
    if isinstance(value, Call) and value.name == "at_zone":
        return value.args[2] == Lit(False, BOOLEAN)
    if isinstance(value, Ref) and value.column.stored is not None:
        return value.column.stored == INSTANT
    stored = {column.stored for column in columns_of(value)}
    return None if stored & {None, INSTANT} else False


def _sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """In the years 1 to 9999 every clock has its moment, within 16 hours of UTC's."""
    value, zone, _ = args
    if call.args[1] == Lit(_UTC, VARCHAR):
        return value
    utc: exp.Expr = exp.Literal.string(_UTC)
    first, second = (utc, zone) if call.args[2] == Lit(True, BOOLEAN) else (zone, utc)
    return exp.AtTimeZone(this=exp.Paren(this=exp.AtTimeZone(this=tight(value), zone=first)), zone=second)


def _range(call: Call, ranges: Ranges) -> Interval:
    return ranges[0] + between(-1, 1)


def _written(args: tuple[Scalar, ...]) -> Taken:
    raise AssertionError("moments are moved by zones.at_zone")


add(Row("at_zone", _written, _sql, _range, always))
