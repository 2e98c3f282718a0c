"""The owner's policy: one TOML file, read into frozen data. Numbers are exact (Decimal in the file, Fraction here)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from fractions import Fraction

from dpsql.interval import Interval

MOST_DAYS = 36_525    # of a period: a century

Literal = bool | int | str | Fraction | datetime.date | datetime.datetime | datetime.time


@dataclass(frozen=True, slots=True)
class Budget:
    """A total: epsilon and delta."""

    epsilon: Fraction
    delta: Fraction


@dataclass(frozen=True, slots=True)
class Limits:
    """What one unit may contribute to one query, in groups and in rows per group, and the minimum frequency rule.

    Where the owner does not say (None), every query chooses for itself, by a private search.
    """

    max_groups: int | None = None
    max_rows_per_group: int | None = None
    min_units: int = 1


@dataclass(frozen=True, slots=True)
class ColumnPolicy:
    """What the owner declares of a column: a range (enforced by a clamp) or its public values (others dropped).

    `comment` is for people alone.
    """

    range: Interval | None = None
    values: tuple[Literal, ...] | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class OwnerPath:
    """`column -> table.key`: the foreign key that defines whose a row is."""

    column: str
    table: str
    key: str


@dataclass(frozen=True, slots=True)
class TablePolicy:
    """One table: public, or carrying the unit, or owned through a path."""

    name: str
    public: bool = False
    unit: str | None = None
    owner: OwnerPath | None = None
    keys: tuple[tuple[str, ...], ...] = ()
    max_rows_per_group: int | None = None
    columns: dict[str, ColumnPolicy] = field(default_factory=dict)   # by the schema's spelling
    comment: str | None = None                                       # for people alone


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole policy. `analysts` is None when the policy names none; a delta left out is the budget's."""

    version: str
    unit: str
    budget: Budget
    query: Budget
    limits: Limits
    tables: dict[str, TablePolicy]            # by the schema's key of the table
    analysts: dict[str, Budget] | None = None
    ledger: str | None = None
    refresh_days: int | None = None           # budgets count anew every so many days; None: never
