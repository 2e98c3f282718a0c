"""Scalar expressions as dpsql understands them: types, columns, and calls of admitted functions. Data only.

The analyst's tree is copied into these at the door (`lower`) and never printed: `render` prints only what stands here.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from functools import cache

from dpsql.interval import ANY, Interval


class Kind(Enum):
    """The families of SQL types that dpsql computes with; every other type is refused."""

    __hash__ = object.__hash__      # of the identity: an Enum hashes its name, and types stand in many sets

    BOOLEAN = "BOOLEAN"
    INTEGER = "INTEGER"
    DECIMAL = "DECIMAL"
    DOUBLE = "DOUBLE"
    VARCHAR = "VARCHAR"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIME = "TIME"
    INTERVAL = "INTERVAL"  # literals only, as an operand of date arithmetic
    NULL = "NULL"          # the type of a bare NULL
    LIST = "LIST"          # of values of one type: a stored column, or released values of a finish
    MAP = "MAP"            # in a finish only, of released values


_INTEGER_NAMES = {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 64: "BIGINT", 128: "HUGEINT"}


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type: `width` is the bits of an INTEGER or the digits of a DECIMAL, `scale` the DECIMAL's decimals, `parts` the
    types of what is in a LIST, or of the keys and values of a MAP."""

    kind: Kind
    width: int = 0
    scale: int = 0
    parts: tuple[SqlType, ...] = ()

    def __str__(self) -> str:
        match self.kind:
            case Kind.INTEGER:
                return _INTEGER_NAMES[self.width]
            case Kind.DECIMAL:
                return f"DECIMAL({self.width}, {self.scale})"
            case Kind.LIST:
                return f"{self.parts[0]}[]"
            case _:
                return str(self.kind.value)

    @property
    def numeric(self) -> bool:
        """Whether SUM and AVG make sense of it."""
        return self.kind in (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)

    @property
    def range(self) -> Interval:
        """Every value the type can hold, NULL and NaN aside; unbounded for DOUBLE and what is no number."""
        if self.kind is Kind.INTEGER:
            return _integers(self.width)
        return _decimals(self.width, self.scale) if self.kind is Kind.DECIMAL else ANY


@cache
def _integers(width: int) -> Interval:
    half = 1 << (width - 1)
    return Interval(Fraction(-half), Fraction(half - 1))


@cache
def _decimals(width: int, scale: int) -> Interval:
    top = Fraction(10**width - 1, 10**scale)
    return Interval(-top, top)


BOOLEAN = SqlType(Kind.BOOLEAN)
TINYINT = SqlType(Kind.INTEGER, 8)
SMALLINT = SqlType(Kind.INTEGER, 16)
INTEGER = SqlType(Kind.INTEGER, 32)
BIGINT = SqlType(Kind.INTEGER, 64)
HUGEINT = SqlType(Kind.INTEGER, 128)
DOUBLE = SqlType(Kind.DOUBLE)
VARCHAR = SqlType(Kind.VARCHAR)
DATE = SqlType(Kind.DATE)
TIMESTAMP = SqlType(Kind.TIMESTAMP)
TIME = SqlType(Kind.TIME)
INTERVAL = SqlType(Kind.INTERVAL)
NULL = SqlType(Kind.NULL)

Value = (bool | int | Decimal | float | str | datetime.date | datetime.datetime | datetime.time | datetime.timedelta
         | None)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one place in one query. Identity is `id`, never the name.

    Base columns also know where they come from (`table`, the catalog's key, and `source`, the catalog's spelling of
    the column), the type the engine stores (`stored`), whether the schema admits NULL, and the policy's declared range,
    which is believed only where a clamp is printed.

    `proved` is the range that the expression of a computed column proves by itself; `derive` checks it where the
    column is defined, so it may excuse a widening or a clip above, as it would inside one expression.
    """

    id: int
    name: str
    type: SqlType
    table: str | None = None
    source: str | None = None
    stored: str | None = None
    nullable: bool = True
    declared: Interval | None = None
    proved: Interval | None = None

    def __hash__(self) -> int:
        """Of the identity alone: ranges are slow to hash, and columns stand in many sets."""
        return self.id

    @property
    def range(self) -> Interval:
        """What every value lies in, NULL and NaN aside: what is proved, or all the type holds."""
        return self.type.range if self.proved is None else self.proved


@dataclass(frozen=True, slots=True)
class Ref:
    """The value of a column in the current row."""

    column: Column

    @property
    def type(self) -> SqlType:
        return self.column.type


@dataclass(frozen=True, slots=True)
class Lit:
    """A constant of the query's text, typed as DuckDB types it."""

    value: Value
    type: SqlType


@dataclass(frozen=True, slots=True)
class Call:
    """An admitted function of `dpsql.scalars`, all arguments already cast to the types it takes."""

    name: str
    args: tuple[Scalar, ...]
    type: SqlType


Scalar = Ref | Lit | Call


def columns_of(scalar: Scalar) -> Iterator[Column]:
    """Every column a scalar reads, in order, repeats included."""
    waiting: list[Scalar] = [scalar]
    while waiting:
        found = waiting.pop()
        if isinstance(found, Ref):
            yield found.column
        elif isinstance(found, Call):
            waiting += reversed(found.args)


def feeds_read(scalar: Scalar) -> Iterator[str]:
    """The parameters of earlier stages that a scalar reads, in order, repeats included (see `Fed`)."""
    if isinstance(scalar, Call):
        if scalar.name == "fed":
            yield str(scalar.args[0].value) if isinstance(scalar.args[0], Lit) else ""
        for arg in scalar.args:
            yield from feeds_read(arg)


def substituted(scalar: Scalar, table: Mapping[Scalar, Scalar]) -> Scalar:
    """A scalar in which what stands in `table` is something else of the same type."""
    if scalar in table:
        return table[scalar]
    if isinstance(scalar, Call):
        return Call(scalar.name, tuple(substituted(arg, table) for arg in scalar.args), scalar.type)
    return scalar


def size_of(scalar: Scalar) -> int:
    """How many nodes a scalar has."""
    return 1 + sum(size_of(arg) for arg in scalar.args) if isinstance(scalar, Call) else 1
