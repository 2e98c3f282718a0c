"""What an aggregate family states: the partials one unit adds, and how noisy totals of them become a column.

A family is a file with a `Family`; `FAMILIES` in `__init__` lists them. Sensitivity, noise, cost and SQL follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dpsql.expression import Scalar, SqlType
from dpsql.program import Measure
from dpsql.relation import Fold


@dataclass(frozen=True, slots=True)
class Partial:
    """One integer a unit adds to a group: `fold` over `row` for each of its rows, counted in steps of `unit`.

    One row adds between `low` and `high` steps. Fold.MAX is a flag: the whole unit adds at most `high`. `centre` says
    that `row` is `2 x - centre` for a number x, in half steps of it.
    """

    fold: Fold
    row: Scalar | None
    low: int
    high: int
    unit: Fraction = Fraction(1)
    centre: int | None = None


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric expression made exact: `row` is INTEGER or DECIMAL or already on the grid, between `low` and `high`
    steps of `unit` each; `type` is the SQL type of a released sum of it."""

    row: Scalar
    low: int
    high: int
    unit: Fraction
    type: SqlType


@dataclass(frozen=True, slots=True)
class Given:
    """What a family may ask when it states its partials."""

    number: Callable[[Scalar], Number]        # raises QueryError without a finite range
    nullable: Callable[[Scalar], bool]
    siblings: frozenset[Measure]              # the other measures of the question: what can be shared


@dataclass(frozen=True, slots=True)
class Noisy:
    """A released partial: one integer per group, its noise scale in steps, and the value of a step."""

    values: Sequence[int]
    scale: Fraction
    unit: Fraction


@dataclass(frozen=True, slots=True)
class Released:
    """A released column: values with the ends of their 95 % intervals."""

    values: Sequence[object]
    lows: Sequence[object]
    highs: Sequence[object]


@dataclass(frozen=True, slots=True)
class Family:
    """One family of aggregates.

    `partials` states what is bought, `type` the SQL type of the released column, `finish` turns the noisy partials, in
    the order stated, into the column.
    """

    partials: Callable[[Measure, Given], tuple[Partial, ...]]
    type: Callable[[Measure, Given], SqlType]
    finish: Callable[[tuple[Partial, ...], tuple[Noisy, ...], SqlType], Released]
