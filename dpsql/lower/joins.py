"""FROM and WHERE: joined sources as groups of inner-joined items, with outer joins kept as items of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from dpsql.expression import Column, Scalar, columns_of
from dpsql.relation import Fed, Relation, Scan, Values, columns_out


@dataclass(frozen=True, slots=True)
class Block:
    """A derived table that is a relation of its own, and whose its rows are (None: public)."""

    relation: Relation
    owner: Column | None


@dataclass(frozen=True, slots=True)
class Outer:
    """A LEFT JOIN: every row of `left`, null-extended where no row of `right` satisfies `on`.

    `own` says that `on` finds rows which were made of the left row itself, so that they have its owner.
    """

    left: Group
    right: Group
    on: tuple[Scalar, ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class Exists:
    """A column of a group: whether some row of `inner` satisfies `on`, which reads the columns of both.

    `of_null` says that it is asked only because a value of IN may be NULL; `own` as of Outer.
    """

    column: Column
    inner: Group
    on: tuple[Scalar, ...]
    place: exp.Expr
    of_null: bool = False
    own: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """A column of a group, and a row for each value in a list of the row's own."""

    column: Column
    list: Scalar
    place: exp.Expr


Item = Scan | Fed | Values | Outer | Block


@dataclass(frozen=True, slots=True)
class Group:
    """All combinations of rows of the items for which every conjunct is true.

    `marks` are more columns, in order: of tests whether other rows match, and of the parts of a text.
    """

    items: tuple[Item, ...]
    conjuncts: tuple[Scalar, ...] = ()
    marks: tuple[Exists | Split, ...] = ()


def joined(left: Group, right: Group, conjuncts: tuple[Scalar, ...] = ()) -> Group:
    """The inner join of two groups is one group."""
    return Group(left.items + right.items, left.conjuncts + right.conjuncts + conjuncts, left.marks + right.marks)


def filtered(group: Group, conjunct: Scalar) -> Group:
    """The group with one more condition, moved below an outer join when it reads only the preserved side.

    A row of the preserved side that fails it would fail for each of its matches and for its null extension alike, so
    the rows are the same; below, it can say whose the rows are.
    """
    read = frozenset(column.id for column in columns_of(conjunct))
    for i, item in enumerate(group.items):
        if isinstance(item, Outer) and read and read <= ids(item.left):
            moved = replace(item, left=filtered(item.left, conjunct))
            return replace(group, items=(*group.items[:i], moved, *group.items[i + 1:]))
    return replace(group, conjuncts=(*group.conjuncts, conjunct))


def ids(group: Group) -> frozenset[int]:
    """The ids of the columns that a group shows."""
    return frozenset(column.id for column in group_columns(group))


def group_columns(group: Group) -> tuple[Column, ...]:
    """The columns that a group shows."""
    shown = tuple(column for item in group.items for column in item_columns(item))
    return shown + tuple(mark.column for mark in group.marks)


def item_columns(item: Item) -> tuple[Column, ...]:
    """The columns that an item shows."""
    match item:
        case Scan() | Fed() | Values():
            return columns_out(item)
        case Outer(left, right, _, _):
            return group_columns(left) + group_columns(right)
        case Block(relation, _):
            return columns_out(relation)
