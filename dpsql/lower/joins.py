"""FROM and WHERE: joined sources as groups of inner-joined items, with outer joins kept as items of their own."""

from __future__ import annotations

from dataclasses import dataclass

from dpsql.expression import Column, Scalar, columns_of
from dpsql.relation import Scan, columns_out


@dataclass(frozen=True, slots=True)
class Barrier:
    """Computed columns that must exist before an outer join may turn them NULL."""

    source: Group
    items: tuple[tuple[Column, Scalar], ...]


@dataclass(frozen=True, slots=True)
class Outer:
    """A LEFT JOIN: every row of `left`, null-extended where no row of `right` satisfies `on`."""

    left: Group
    right: Group
    on: tuple[Scalar, ...]


Item = Scan | Outer | Barrier


@dataclass(frozen=True, slots=True)
class Group:
    """All combinations of rows of the items for which every conjunct is true."""

    items: tuple[Item, ...]
    conjuncts: tuple[Scalar, ...] = ()


def joined(left: Group, right: Group, conjuncts: tuple[Scalar, ...] = ()) -> Group:
    """The inner join of two groups is one group."""
    return Group(left.items + right.items, left.conjuncts + right.conjuncts + conjuncts)


def filtered(group: Group, conjunct: Scalar) -> Group:
    """The group with one more condition, moved below an outer join when it reads only the preserved side.

    A row of the preserved side that fails it would fail for each of its matches and for its null extension alike, so
    the rows are the same; below, it can say whose the rows are.
    """
    read = frozenset(column.id for column in columns_of(conjunct))
    for i, item in enumerate(group.items):
        if isinstance(item, Outer) and read and read <= ids(item.left):
            moved = Outer(filtered(item.left, conjunct), item.right, item.on)
            return Group((*group.items[:i], moved, *group.items[i + 1:]), group.conjuncts)
    return Group(group.items, (*group.conjuncts, conjunct))


def ids(group: Group) -> frozenset[int]:
    """The ids of the columns that a group shows."""
    return frozenset(column.id for item in group.items for column in item_columns(item))


def item_columns(item: Item) -> tuple[Column, ...]:
    """The columns that an item shows."""
    match item:
        case Scan():
            return columns_out(item)
        case Outer(left, right, _):
            return tuple(column for part in (left, right) for each in part.items for column in item_columns(each))
        case Barrier(_, items):
            return tuple(column for column, _ in items)


