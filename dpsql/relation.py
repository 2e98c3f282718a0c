"""Relations as dpsql understands them: the only thing `render` prints. Frozen data; each node checks itself.

Rows flow upwards: a Scan reads one table, the others transform their source. CapGroups is a guard: analysis believes
it because it is printed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dpsql.expression import Column, Scalar


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of one table of the policy, restricted to the columns that are read."""

    table: str
    columns: tuple[Column, ...]


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


class Fold(Enum):
    """How a collapse folds the rows of one unit and group into one number."""

    ROWS = "COUNT(*)"
    COUNT = "COUNT"
    SUM = "SUM"
    MAX = "MAX"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One row per combination of `keys`; each item folds a scalar over the rows (None with Fold.ROWS)."""

    source: Relation
    keys: tuple[Column, ...]
    items: tuple[tuple[Column, Fold, Scalar | None], ...]


@dataclass(frozen=True, slots=True)
class CapGroups:
    """At most `limit` rows per `owner`, chosen by a keyed hash of owner and `keys` (the salt is a parameter)."""

    source: Relation
    owner: Column
    keys: tuple[Column, ...]
    limit: int

    def __post_init__(self) -> None:
        assert self.limit >= 1, "a cap of no groups answers nothing"


Relation = Scan | Project | Filter | Join | Aggregate | CapGroups


def tables_of(relation: Relation) -> tuple[str, ...]:
    """Every table a relation reads, in order, repeats left out."""
    match relation:
        case Scan(table, _):
            return (table,)
        case Join(left, right, _, _):
            return tuple(dict.fromkeys(tables_of(left) + tables_of(right)))
        case _:
            return tables_of(relation.source)


def columns_out(relation: Relation) -> tuple[Column, ...]:
    """The columns a relation shows to what stands above it."""
    match relation:
        case Scan(_, columns):
            return columns
        case Project(_, items):
            return tuple(column for column, _ in items)
        case Filter(source, _) | CapGroups(source, _, _, _):
            return columns_out(source)
        case Join(left, right, _, _):
            return columns_out(left) + columns_out(right)
        case Aggregate(_, keys, items):
            return keys + tuple(column for column, _, _ in items)
