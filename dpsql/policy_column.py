"""What the policy file declares of one column: a range of numbers or dates, or its public values."""

from __future__ import annotations

import datetime
import struct
from fractions import Fraction

from dpsql.expression import Kind, SqlType
from dpsql.interval import Interval
from dpsql.policy import ColumnPolicy, Literal
from dpsql.policy_node import NUMBERS, Node, kind
from dpsql.schema import INSTANT, ColumnSchema


def column_policy(node: Node, column: ColumnSchema) -> ColumnPolicy:
    """The declarations of a column of a supported type. PolicyError when they are wrong or contradict each other."""
    assert column.type is not None
    column = column.inside
    nodes = node.table(("range", "values", "comment"))
    if not nodes:
        raise node.error("declares nothing: write `range = [low, high]` or `values = [...]`, or remove it")
    range_ = _range(nodes["range"], column) if "range" in nodes else None
    values = _values(nodes["values"], column) if "values" in nodes else None
    if range_ is not None and values is not None:
        for place, value in zip(nodes["values"].items(), values, strict=True):
            dated = isinstance(value, datetime.date)
            assert isinstance(value, int | Fraction | datetime.date)
            exact = _days(value) if isinstance(value, datetime.date) else Fraction(value)
            if not Interval(exact, exact).within(range_):
                shown = "" if dated else f" {range_}"
                raise place.error(f"lies outside the range{shown} declared beside it")
    return ColumnPolicy(range_, values, nodes["comment"].text() if "comment" in nodes else None)


def _range(node: Node, column: ColumnSchema) -> Interval:
    type_ = column.type
    assert type_ is not None
    dated = type_.kind in (Kind.DATE, Kind.TIMESTAMP)
    if not type_.numeric and not dated:
        raise node.error(f"{column.name} is {type_}: only a number or a date has a range; "
                         "declare `values` for a group key")
    ends = node.items()
    if len(ends) != 2:
        raise node.error("must be two dates, [first, last]" if dated else "must be two numbers, [low, high]")
    low, high = (_days(_value(end, column)) if dated else end.number() for end in ends)
    if low > high:
        raise node.error("is reversed: the lower end comes first")
    return Interval(low, high)


def dated(days: Fraction, whole: bool) -> datetime.date:
    """The date (the moment, unless `whole`) that so many days since 1970 are, as a range of dates keeps it."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=int(days * 86_400_000_000))
    return moment.date() if whole else moment


def _days(value: Literal) -> Fraction:
    """A date or a moment as days since 1970, as ranges of dates are kept."""
    assert isinstance(value, datetime.date)
    moment = value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, datetime.time())
    return Fraction((moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1), 86_400_000_000)


def _values(node: Node, column: ColumnSchema) -> tuple[Literal, ...]:
    places = node.items()
    if not places:
        raise node.error("is empty: list the values that groups may have, or remove it")
    values: list[Literal] = []
    for place in places:
        value = _value(place, column)
        if value in values:
            raise place.error("stands here twice")
        values.append(value)
    return tuple(values)


def _value(node: Node, column: ColumnSchema) -> Literal:
    """A value that a column can hold: bool, int, str, date, datetime (by the clock of UTC) or time, Fraction for
    DECIMAL and DOUBLE (there what is nearest to what is written, since rows are compared with it)."""
    value, type_ = node.value, column.type
    assert type_ is not None
    match type_.kind:
        case Kind.BOOLEAN if isinstance(value, bool):
            return value
        case Kind.VARCHAR if isinstance(value, str):
            return value
        case Kind.DATE if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value
        case Kind.TIMESTAMP if isinstance(value, datetime.datetime):
            if value.tzinfo is not None and column.stored != INSTANT:
                raise node.error("has a time zone, the column has none: leave it out")
            return value if value.tzinfo is None else value.astimezone(datetime.UTC).replace(tzinfo=None)
        case Kind.TIME if isinstance(value, datetime.time):
            return value
        case Kind.TIMESTAMP if isinstance(value, datetime.date):
            return datetime.datetime(value.year, value.month, value.day)
        case Kind.INTEGER | Kind.DECIMAL | Kind.DOUBLE if kind(value) in NUMBERS:
            return _number(node, type_, column.stored)
    raise node.error(f"the column is {type_}, this is {kind(value)}")


def _number(node: Node, type_: SqlType, stored: str) -> int | Fraction:
    exact = node.number()
    steps = exact * 10**type_.scale
    if type_.kind is Kind.DOUBLE:
        try:
            nearest = float(exact)
            return Fraction(struct.unpack("<f", struct.pack("<f", nearest))[0] if stored == "FLOAT" else nearest)
        except OverflowError:
            raise node.error(f"is beyond every {stored}") from None
    if steps.denominator != 1 or not Interval(exact, exact).within(type_.range):
        raise node.error(f"is no value of a column of type {type_}")
    return int(exact) if type_.kind is Kind.INTEGER else exact
