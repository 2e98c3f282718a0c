"""tabulate: further statements of a question, for measures that need single rows instead of totals.

Each shows owner, keys and a cell, so many rows per unit and group at most; `statement` counts them by group and cell.
Not trusted: `statement` derives the result again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from dpsql import scalars
from dpsql.aggregates import Kept, Lookup
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, Column, Lit, Ref, Scalar
from dpsql.facts.public import plain
from dpsql.guard import Setting, capped, shown
from dpsql.relation import Aggregate, CapRows, Filter, Fold, Over, Relation, Sorted, Window
from dpsql.scalars.unify import cast

MOST_KEPT = 1 << 14     # rows of a unit and group, where single rows are counted and nobody limits them
_EXTREMES = (Kept.SMALLEST, Kept.LARGEST)       # a unit with one row has no other


@dataclass(frozen=True, slots=True)
class Tabulated:
    """One statement: guarded rows that show owner, keys and cell, and what is taken from their counts.

    `open` says that the limit on rows is still to be chosen: until then it is the largest.
    """

    kept: Kept
    guarded: Relation
    keys: tuple[Column, ...]
    cell: Column
    lookups: tuple[Lookup, ...]
    open: bool = False

    @property
    def bought(self) -> tuple[tuple[Lookup, ...], ...]:
        """The lookups that one event buys together: all bins, or each alone."""
        return (self.lookups,) if self.kept is Kept.BINS else tuple((lookup,) for lookup in self.lookups)


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
    if setting.alone or (most is not None and most <= setting.rows_kept):
        return Tabulated(kept, rows, keys, column, lookups)
    searched = setting.row_limit is None and kept in (Kept.DISTINCT, Kept.BINS)
    rows = CapRows(rows, owner, keys, column, MOST_KEPT if searched else setting.rows_kept)
    return Tabulated(kept, rows, keys, column, lookups, searched)


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


def tabulated(table: Tabulated) -> Aggregate:
    """The rows of a table by group and cell, or its distinct cells by group."""
    cells = (*table.keys, table.cell)
    if table.kept is Kept.DISTINCT:
        return Aggregate(Aggregate(table.guarded, cells, ()), table.keys, (_COUNT,))
    return Aggregate(table.guarded, cells, (_COUNT,))


def ranked(table: Tabulated, rank: Column) -> Relation:
    """What a table counts, each with the smallest limit on rows at which it counts: distinct cells, or rows."""
    cap = table.guarded
    assert isinstance(cap, CapRows), "a limit that is open stands last"
    rows = replace(cap, rank=rank)
    if table.kept is not Kept.DISTINCT:
        return rows
    first = replace(rank, id=rank.id - 1)
    return Aggregate(rows, (*table.keys, table.cell), ((first, Fold.MIN, Ref(rank)),))


def kept_at(table: Tabulated, limit: int) -> Tabulated:
    """The table with its limit on rows chosen."""
    assert isinstance(table.guarded, CapRows), "a limit that is open stands last"
    return replace(table, guarded=replace(table.guarded, limit=limit), open=False)


def nearest(table: Tabulated, ranks: Sequence[tuple[Fraction, int]]) -> Filter:
    """The rows of `tabulated` so many rows from any of these fractions, with the rows up to each cell and all in the
    group beside them.

    Doubles count to 2^53 exactly, and a row more on either side is harmless.
    """
    all_rows = Over(Fold.SUM, (Ref(_COUNT[0]),), table.keys, (), None)
    upto = replace(all_rows, order=(Sorted(table.cell),))
    rows, last, whole = (cast(Ref(column), DOUBLE) for column in (_COUNT[0], _UPTO, _WHOLE))
    first = scalars.call("-", last, rows)
    near = []
    for fraction, rows_away in ranks:
        aim, most = scalars.call("*", whole, _double(fraction)), _double(rows_away + 1)
        ends = (scalars.call(">=", last, scalars.call("-", aim, most)),
                scalars.call("<=", first, scalars.call("+", aim, most)))
        near.append(scalars.call("and", *ends))
    windows = Window(tabulated(table), ((_UPTO, upto), (_WHOLE, all_rows)))
    return Filter(windows, (near[0] if len(near) == 1 else scalars.call("or", *near),))


_COUNT: tuple[Column, Fold, Scalar | None] = (Column(-1, "n", BIGINT), Fold.ROWS, None)
_UPTO, _WHOLE = Column(-2, "upto", HUGEINT), Column(-3, "whole", HUGEINT)


def _double(number: Fraction | int) -> Lit:
    return Lit(float(number), DOUBLE)
