"""tabulate: further statements of a question, for measures that need single rows instead of totals.

Each shows owner, keys and a cell, so many rows per unit and group at most; `statement` counts them by group and cell.
Not trusted: `statement` derives the result again.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpsql import scalars
from dpsql.aggregates import Kept, Lookup
from dpsql.expression import Column, Ref, Scalar
from dpsql.facts.public import plain
from dpsql.guard import Setting, capped, shown
from dpsql.relation import Aggregate, CapRows, Filter, Fold, Relation

_EXTREMES = (Kept.SMALLEST, Kept.LARGEST)       # a unit with one row has no other


@dataclass(frozen=True, slots=True)
class Tabulated:
    """One statement: guarded rows that show owner, keys and cell, and what is taken from their counts."""

    kept: Kept
    guarded: Relation
    keys: tuple[Column, ...]
    cell: Column
    lookups: tuple[Lookup, ...]


def tabulate(
    setting: Setting, lookups: tuple[Lookup | None, ...],
) -> tuple[tuple[Tabulated, ...], tuple[Lookup | None, ...]]:
    """The statements that the lookups need, one for each cell and what is kept of a unit's rows, and the lookups."""
    wanted: dict[tuple[Kept, Scalar], dict[Lookup, None]] = {}
    for lookup in lookups:
        if lookup is not None:
            kept = Kept.ROWS if setting.alone and lookup.kept in _EXTREMES else lookup.kept
            wanted.setdefault((kept, lookup.cell), {})[lookup] = None
    return tuple(_tabulated(setting, kept, cell, tuple(found)) for (kept, cell), found in wanted.items()), lookups


def _tabulated(setting: Setting, kept: Kept, cell: Scalar, lookups: tuple[Lookup, ...]) -> Tabulated:
    rows, owner, keys, columns = shown(setting, (plain(cell),), "c")
    (column,) = columns.values()
    if kept in _EXTREMES:
        return _extreme(setting, kept, (rows, owner, keys, column), lookups)
    if kept is Kept.DISTINCT and not setting.alone:
        rows = Aggregate(rows, (owner, *keys, column), ())
    rows = capped(rows, owner, keys, setting, repeats=not setting.alone)
    rows = Filter(rows, (scalars.call("is_not_null", Ref(column)),))
    most = setting.facts.rows_per_unit
    if not setting.alone and (most is None or most > setting.rows_kept):
        rows = CapRows(rows, owner, keys, column, setting.rows_kept)
    return Tabulated(kept, rows, keys, column, lookups)


def _extreme(
    setting: Setting, kept: Kept, start: tuple[Relation, Column, tuple[Column, ...], Column],
    lookups: tuple[Lookup, ...],
) -> Tabulated:
    """The smallest or largest cell of each unit and group."""
    rows, owner, keys, column = start
    best = setting.ids.fresh("best", column.type)
    fold = Fold.MIN if kept is Kept.SMALLEST else Fold.MAX
    rows, column = Aggregate(rows, (owner, *keys), ((best, fold, Ref(column)),)), best
    rows = Filter(capped(rows, owner, keys, setting), (scalars.call("is_not_null", Ref(column)),))
    return Tabulated(kept, rows, keys, column, lookups)
