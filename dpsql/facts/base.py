"""The facts of a relation. Data only; the rules that derive them stand in the files beside this one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dpsql.expression import Column
from dpsql.interval import Interval


@dataclass(frozen=True, slots=True)
class Pending:
    """Owned rows whose owner is still to be joined: `column` refers to `table.key`, the next step of the path."""

    column: Column
    table: str
    key: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What holds of every possible content of a relation.

    `owner` is the column that says whose a row is; a relation is public when it has neither owner nor `pending`.
    `rows_per_unit` bounds the rows of one unit (None: no bound). `unique` holds sets of column ids no two rows share,
    rows with a NULL among them aside; `grouped` those no two rows share even then, NULL being equal to NULL. `fixed`
    are columns with one value per unit. `intervals` are believed, not enforced: they choose clips and carry no
    sensitivity, except where the column was computed by a clip. `nullable` are columns that may be NULL or NaN.
    `caps` bounds the distinct values of a set of columns per unit, `held` the rows of a unit that agree on a set.
    """

    owner: Column | None = None
    pending: Pending | None = None
    rows_per_unit: int | None = None
    unique: frozenset[frozenset[int]] = frozenset()
    fixed: frozenset[int] = frozenset()
    intervals: Mapping[int, Interval] = field(default_factory=dict)
    nullable: frozenset[int] = frozenset()
    caps: Mapping[frozenset[int], int] = field(default_factory=dict)
    grouped: frozenset[frozenset[int]] = frozenset()
    held: Mapping[frozenset[int], int] = field(default_factory=dict)

    @property
    def public(self) -> bool:
        """Whether nothing in it is about a unit."""
        return self.owner is None and self.pending is None


NOTHING = Facts()
