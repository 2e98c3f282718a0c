"""What an aggregate family states: the partials one unit adds, and how noisy totals of them become a column.

A family is a file with a `Family`; `FAMILIES` in `__init__` lists them. Sensitivity, noise, cost and SQL follow.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from dpsql.expression import DOUBLE, HUGEINT, Kind, Scalar, SqlType
from dpsql.noise.scheme import USUAL, Noise
from dpsql.program import Measure
from dpsql.relation import Fold


@dataclass(frozen=True, slots=True)
class Partial:
    """One integer a unit adds to a group: `fold` over `row` for each of its rows, counted in steps of `unit`.

    One row adds between `low` and `high` steps. Fold.MAX is a flag: the whole unit adds at most `high`. `centre` says
    that what is summed is `(row + centre) * unit`: `2 x - centre` for a number x in half steps of it. `about` is the
    number around which squares are taken.
    """

    fold: Fold
    row: Scalar | None
    low: int
    high: int
    unit: Fraction = Fraction(1)
    centre: int | None = None
    about: Fraction = Fraction(0)
    loose: bool = False     # nobody stated a range: `low` and `high` are the ends of what can be computed
    within: tuple[int, int] | None = None     # what the query lets one unit add to a group
    first: bool = False     # a unit's first row is left out: the choice of groups releases how many units there are

    @property
    def whole(self) -> int:
        """The steps in one, where nobody stated a range: few numbers are smaller (`dpsql.noise.search`). Else 1."""
        return max(1, round(1 / self.unit)) if self.loose else 1


def allowed(measure: Measure, unit: Fraction = Fraction(1)) -> tuple[int, int] | None:
    """The steps that the query itself lets one unit add to a group."""
    if measure.within is None:
        return None
    return math.ceil(measure.within[0] / unit), math.floor(measure.within[1] / unit)


MAX_COUNT_NOISE = 1 << 56   # scale of the noise of a BIGINT: beyond it a draw might leave the type (exp(-64) and less)
MAX_NOISE = 1 << 100        # likewise for DECIMAL(38) and HUGEINT
MOST_COUNTED, MOST_STEPS = (1 << 62) - 1, 1 << 107      # so a count with its noise stays within these, or a total


def summed(type_: SqlType) -> SqlType:
    """The type of a sum: what a million million values of a type add up to fits."""
    match type_.kind:
        case Kind.DOUBLE:
            return DOUBLE
        case Kind.DECIMAL:
            return SqlType(Kind.DECIMAL, 38, type_.scale)
        case _:
            return HUGEINT


@dataclass(frozen=True, slots=True)
class Number:
    """A numeric expression made exact: `row` is INTEGER or DECIMAL or already on the grid, between `low` and `high`
    steps of `unit` each; `type` is the SQL type of a released sum of it."""

    row: Scalar
    low: int
    high: int
    unit: Fraction
    type: SqlType
    loose: bool = False     # as of a Partial


@dataclass(frozen=True, slots=True)
class Given:
    """What a family may ask when it states its partials."""

    number: Callable[[Scalar], Number]        # raises QueryError where none can be summed
    coarse: Callable[[Scalar], Number]        # with few steps, to be squared, unless it is loose
    product: Callable[[Scalar, Scalar], Number]      # of two, where one of them is loose
    cells: Callable[[Scalar], Cells]          # places of a grid, dates too; QueryError without a finite range
    nullable: Callable[[Scalar], bool]
    siblings: frozenset[Measure]              # the other measures of the question: what can be shared


@dataclass(frozen=True, slots=True)
class Noisy:
    """A released partial: one integer per group, its noise, and the value of a step.

    Intervals lie around `values`; `best`, if there, are nearer to the truth and within the intervals.
    """

    values: Sequence[int]
    noise: Noise
    unit: Fraction
    level: float = USUAL     # the confidence of intervals
    best: Sequence[int] | None = None

    @property
    def shown(self) -> Sequence[int]:
        """The numbers to show."""
        return self.values if self.best is None else self.best

    @property
    def margin(self) -> int:
        """The half-width of its interval, in steps."""
        return self.noise.reach(self.level)

    @property
    def scale(self) -> Fraction:
        """The noise's scale or sigma, in steps."""
        return self.noise.steps


@dataclass(frozen=True, slots=True)
class Released:
    """A released column: values with the ends of their intervals."""

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
    type: Callable[[Measure], SqlType]
    finish: Callable[[tuple[Partial, ...], tuple[Noisy, ...], SqlType], Released]


@dataclass(frozen=True, slots=True)
class Cells:
    """A public grid of values: the places `low` to `high`, place i being the number i * `unit`.

    Dates and moments are numbers of days since 1970. `row` gives the place of a row, as itself or as a value of the
    grid; `type` is that of the expression. With `doubling`, so many places up the number is twice as large: place i is
    unit * 2^(i / doubling), place -i its negative, and place 0 is 0.
    """

    row: Scalar
    low: int
    high: int
    unit: Fraction
    type: SqlType
    doubling: int | None = None

    @property
    def places(self) -> int:
        """How many values a choice may take."""
        return self.high - self.low + 1


class Kept(Enum):
    """What of a unit's rows in a group is looked at: distinct values, all rows, all by bin, or one end of them."""

    DISTINCT = "distinct value"
    ROWS = "row"
    BINS = "row in all bins"
    SMALLEST = "smallest value"
    LARGEST = "largest value"


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a measure takes from a table of single rows: the number of distinct `cell`s, of those that are `bin`, or a
    value at a fraction of the rows, on the grid. Rows whose cell is NULL are left out."""

    kept: Kept
    cell: Scalar
    grid: Cells | None = None
    fraction: Fraction | None = None
    bin: int | None = None


@dataclass(frozen=True, slots=True)
class Tabled:
    """A family that needs single rows, not totals: what it looks up, and the SQL type of the released column."""

    lookup: Callable[[Measure, Given], Lookup]
    type: Callable[[Measure], SqlType]
