"""Relations as dpsql understands them: the only thing `render` prints. Frozen data; each node checks itself.

Rows flow upwards: a Scan reads one table, the others transform their source. CapGroups is a guard: analysis believes
it because it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from dpsql.expression import Column, Scalar


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of one table of the policy, restricted to the columns that are read."""

    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Fed:
    """The rows of an earlier stage, released and so public; they come as parameters, one list a column.

    `columns` are named as the feed's. `unique` are columns of which no two rows share a value: the session checks it
    before the statement runs.
    """

    feed: str
    columns: tuple[Column, ...]
    unique: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Values:
    """Rows that stand in the query's text; no column is read."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Scalar, ...], ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """Each row of `source` once for every value in its `list`; none for a NULL or an empty one."""

    source: Relation
    list: Scalar
    column: Column


@dataclass(frozen=True, slots=True)
class Project:
    """New columns computed row by row."""

    source: Relation
    items: tuple[tuple[Column, Scalar], ...]

    def __post_init__(self) -> None:
        assert len({column.id for column, _ in self.items}) == len(self.items), "a column is defined twice"


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows for which every conjunct is true."""

    source: Relation
    conjuncts: tuple[Scalar, ...]


class JoinKind(Enum):
    """INNER keeps matches; LEFT keeps every row of the left side, null-extended where nothing matches."""

    INNER = "INNER"
    LEFT = "LEFT"


@dataclass(frozen=True, slots=True)
class Join:
    """Pairs of rows for which every conjunct of `on` is true (none: all pairs)."""

    left: Relation
    right: Relation
    kind: JoinKind
    on: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """The rows of `source`, each with a BOOLEAN: whether some row of `inner` makes every conjunct of `on` true."""

    source: Relation
    inner: Relation
    on: tuple[Scalar, ...]
    column: Column


class SetKind(Enum):
    """How two relations become one: as lists of rows (ALL), or as sets."""

    UNION_ALL = "UNION ALL"
    UNION = "UNION"
    INTERSECT = "INTERSECT"
    EXCEPT = "EXCEPT"


@dataclass(frozen=True, slots=True)
class Combined:
    """The rows of two relations side by side; each item is a column and what it shows of the left and of the right."""

    left: Relation
    right: Relation
    kind: SetKind
    items: tuple[tuple[Column, Column, Column], ...]

    def __post_init__(self) -> None:
        assert all(out.type == left.type == right.type for out, left, right in self.items), "types differ"


class Fold(Enum):
    """How the rows of one group become one value: each a function of the set of rows, whatever their order."""

    ROWS = "COUNT(*)"
    COUNT = "COUNT"
    DISTINCT = "COUNT(DISTINCT)"
    SUM = "SUM"         # of INTEGER and DECIMAL only: doubles add up differently in every order
    MIN = "MIN"
    MAX = "MAX"
    MEDIAN = "MEDIAN"


@dataclass(frozen=True, slots=True)
class Quantile:
    """The fold QUANTILE_DISC: the smallest value that at least this fraction of the rows does not pass."""

    fraction: Decimal

    def __post_init__(self) -> None:
        assert 0 <= self.fraction <= 1, "a quantile lies between 0 and 1"


class Place(Enum):
    """Window functions that speak of a row's place among those of its partition."""

    ROW_NUMBER = "ROW_NUMBER"
    RANK = "RANK"
    DENSE_RANK = "DENSE_RANK"
    PERCENT_RANK = "PERCENT_RANK"
    CUME_DIST = "CUME_DIST"
    NTILE = "NTILE"
    LAG = "LAG"
    LEAD = "LEAD"
    FIRST_VALUE = "FIRST_VALUE"
    LAST_VALUE = "LAST_VALUE"


@dataclass(frozen=True, slots=True)
class Sorted:
    """One column of an ORDER BY."""

    column: Column
    descending: bool = False
    nulls_first: bool = False


class Places(Enum):
    """What the ends of a frame count: rows, groups of peers, or the distance of values."""

    ROWS = "ROWS"
    GROUPS = "GROUPS"
    RANGE = "RANGE"


class Excluded(Enum):
    """What a frame leaves out around the current row: itself, its peers, or both."""

    ROW = "CURRENT ROW"
    TIES = "TIES"
    GROUP = "GROUP"


@dataclass(frozen=True, slots=True)
class Frame:
    """The rows a window looks at, from `start` to `end`: how far after the current one (None: without end)."""

    places: Places
    start: int | Decimal | None
    end: int | Decimal | None
    excluded: Excluded | None = None

    @property
    def bare(self) -> bool:
        """Whether it begins and ends at the current row or at the ends of its partition."""
        return {self.start, self.end} <= {None, 0}


@dataclass(frozen=True, slots=True)
class Over:
    """One window function. Which rows come first among peers of `order` is left to chance."""

    function: Place | Fold | Quantile
    args: tuple[Scalar, ...]
    partition: tuple[Column, ...]
    order: tuple[Sorted, ...]
    frame: Frame | None

    @property
    def chosen(self) -> bool:
        """Whether its value may depend on which of several peers comes first."""
        peers = (Place.RANK, Place.DENSE_RANK, Place.PERCENT_RANK, Place.CUME_DIST)
        if isinstance(self.function, Place):
            return self.function not in peers
        frame = self.frame
        return frame is not None and frame.places is Places.ROWS and (frame.start, frame.end) != (None, None)


@dataclass(frozen=True, slots=True)
class Window:
    """The rows of `source`, each with more columns that are computed over rows near it."""

    source: Relation
    items: tuple[tuple[Column, Over], ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One row per combination of `keys`; each item folds a scalar over the rows (None with Fold.ROWS).

    With `sets`, rows for every set of keys instead, the other keys NULL: only for what is counted last.
    """

    source: Relation
    keys: tuple[Column, ...]
    items: tuple[tuple[Column, Fold | Quantile, Scalar | None], ...]
    sets: tuple[tuple[Column, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class CapGroups:
    """At most `limit` rows per `owner`, chosen by a keyed hash of owner and `keys` (the salt is a parameter).

    With `repeats` a group may have several rows: the rows of at most `limit` groups stay, all of them.
    """

    source: Relation
    owner: Column
    keys: tuple[Column, ...]
    limit: int
    repeats: bool = False

    def __post_init__(self) -> None:
        assert self.limit >= 1, "a cap of no groups answers nothing"


@dataclass(frozen=True, slots=True)
class CapRows:
    """At most `limit` rows per `owner` and `keys`, chosen by a keyed hash of all columns.

    The source shows nothing but `owner`, `keys` and `cell`, so rows that tie are equal: it does not matter which stay.
    `rank`, if there, shows the place of a row among them, from 1: below a smaller limit just the rows up to it stay.
    """

    source: Relation
    owner: Column
    keys: tuple[Column, ...]
    cell: Column
    limit: int
    rank: Column | None = None

    def __post_init__(self) -> None:
        assert self.limit >= 1, "a cap of no rows answers nothing"


Relation = (
    Scan | Fed | Values | Parts | Project | Filter | Join | Mark | Combined | Aggregate | Window | CapGroups | CapRows
)


def sources_of(relation: Relation) -> tuple[Relation, ...]:
    """The relations a relation reads directly, in order."""
    match relation:
        case Scan() | Fed() | Values():
            return ()
        case Join(left, right, _, _) | Combined(left, right, _, _):
            return (left, right)
        case Mark(source, inner, _, _):
            return (source, inner)
        case _:
            return (relation.source,)


def tables_of(relation: Relation) -> tuple[str, ...]:
    """Every table a relation reads, in order, repeats left out."""
    if isinstance(relation, Scan):
        return (relation.table,)
    return tuple(dict.fromkeys(table for source in sources_of(relation) for table in tables_of(source)))


def columns_out(relation: Relation) -> tuple[Column, ...]:
    """The columns a relation shows to what stands above it."""
    match relation:
        case Scan(_, columns) | Fed(_, columns, _):
            return columns
        case Project(_, items):
            return tuple(column for column, _ in items)
        case Combined(_, _, _, items):
            return tuple(column for column, _, _ in items)
        case Filter(source, _) | CapGroups(source, _, _, _, _):
            return columns_out(source)
        case CapRows(source, _, _, _, _, rank):
            return (*columns_out(source), *((rank,) if rank is not None else ()))
        case Join(left, right, _, _):
            return columns_out(left) + columns_out(right)
        case Values(columns, _):
            return columns
        case Mark(source, _, _, column) | Parts(source, _, column):
            return (*columns_out(source), column)
        case Window(source, windows):
            return columns_out(source) + tuple(column for column, _ in windows)
        case Aggregate(_, keys, items):
            return keys + tuple(column for column, _, _ in items)
