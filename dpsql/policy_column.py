"""What the policy file declares of one column: a range of numbers, or its public values."""

from __future__ import annotations

import datetime
from fractions import Fraction

from dpsql.expression import Kind, SqlType
from dpsql.interval import Interval
from dpsql.policy import ColumnPolicy, Literal
from dpsql.policy_node import NUMBERS, Node, kind
from dpsql.schema import ColumnSchema


def column_policy(node: Node, column: ColumnSchema) -> ColumnPolicy:
    """The declarations of a column of a supported type. PolicyError when they are wrong or contradict each other."""
    assert column.type is not None
    nodes = node.table(("range", "values"))
    if not nodes:
        raise node.error("declares nothing: write `range = [low, high]` or `values = [...]`, or remove it")
    range_ = _range(nodes["range"], column.name, column.type) if "range" in nodes else None
    values = _values(nodes["values"], column.type) if "values" in nodes else None
    if range_ is not None and values is not None:
        for place, value in zip(nodes["values"].items(), values, strict=True):
            assert isinstance(value, (int, Fraction))
            if not Interval(Fraction(value), Fraction(value)).within(range_):
                raise place.error(f"lies outside the range {range_} declared beside it")
    return ColumnPolicy(range_, values)


def _range(node: Node, name: str, type_: SqlType) -> Interval:
    if not type_.numeric:
        raise node.error(f"{name} is {type_}: only a number has a range; declare `values` for a group key")
    ends = node.items()
    if len(ends) != 2:
        raise node.error("must be two numbers, [low, high]")
    low, high = ends[0].number(), ends[1].number()
    if low > high:
        raise node.error("is reversed: the lower end comes first")
    return Interval(low, high)


def _values(node: Node, type_: SqlType) -> tuple[Literal, ...]:
    places = node.items()
    if not places:
        raise node.error("is empty: list the values that groups may have, or remove it")
    values: list[Literal] = []
    for place in places:
        value = _value(place, type_)
        if value in values:
            raise place.error("stands here twice")
        values.append(value)
    return tuple(values)


def _value(node: Node, type_: SqlType) -> Literal:
    """A value that a column of this type can hold: bool, int, str, date or datetime, Fraction for DECIMAL and DOUBLE
    (there the double nearest to what is written, since rows are compared with it)."""
    value = node.value
    match type_.kind:
        case Kind.BOOLEAN if isinstance(value, bool):
            return value
        case Kind.VARCHAR if isinstance(value, str):
            return value
        case Kind.DATE if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            return value
        case Kind.TIMESTAMP if isinstance(value, datetime.datetime):
            if value.tzinfo is not None:
                raise node.error("has a time zone, the column has none: leave it out")
            return value
        case Kind.TIMESTAMP if isinstance(value, datetime.date):
            return datetime.datetime(value.year, value.month, value.day)
        case Kind.INTEGER | Kind.DECIMAL | Kind.DOUBLE if kind(value) in NUMBERS:
            return _number(node, type_)
    raise node.error(f"the column is {type_}, this is {kind(value)}")


def _number(node: Node, type_: SqlType) -> int | Fraction:
    exact = node.number()
    steps = exact * 10**type_.scale
    if type_.kind is Kind.DOUBLE:
        try:
            return Fraction(float(exact))
        except OverflowError:
            raise node.error("is beyond every DOUBLE") from None
    if steps.denominator != 1 or not Interval(exact, exact).within(type_.range):
        raise node.error(f"is no value of a column of type {type_}")
    return int(exact) if type_.kind is Kind.INTEGER else exact
