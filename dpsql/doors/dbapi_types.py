"""The DB-API's type objects and constructors, and the description of a column."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterable
from dataclasses import dataclass

Description = list[tuple[str, str, None, None, int | None, int | None, None]]


@dataclass(frozen=True, slots=True, eq=False)
class TypeObject:
    """A family of SQL types; equal to the type code (the SQL type's name) of every column of that family."""

    names: frozenset[str]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeObject):
            return self.names == other.names
        return isinstance(other, str) and other.split("(")[0] in self.names

    def __hash__(self) -> int:
        return hash(self.names)


STRING = TypeObject(frozenset({"VARCHAR"}))
BINARY = TypeObject(frozenset({"BLOB"}))
NUMBER = TypeObject(
    frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "FLOAT", "DOUBLE", "BOOLEAN"})
)
DATETIME = TypeObject(frozenset({"DATE", "TIME", "TIMESTAMP"}))
ROWID = TypeObject(frozenset())

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:
    """The local date of a number of seconds since the epoch."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """The local time of day of a number of seconds since the epoch."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """The local date and time of a number of seconds since the epoch."""
    return Timestamp(*time.localtime(ticks)[:6])


def description(columns: Iterable[tuple[str, str]]) -> Description:
    """Seven facts a column, of which name, type code (the SQL type) and a DECIMAL's precision and scale are set."""
    return [(name, type_, None, None, *_digits(type_), None) for name, type_ in columns]


def _digits(type_: str) -> tuple[int | None, int | None]:
    """Precision and scale of a DECIMAL."""
    if not type_.startswith("DECIMAL("):
        return None, None
    precision, scale = type_[len("DECIMAL(") : -1].split(",")
    return int(precision), int(scale)
