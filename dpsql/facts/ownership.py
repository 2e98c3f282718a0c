"""Whose a joined row is."""

from __future__ import annotations

from collections.abc import Iterable

from dpsql.errors import InternalError
from dpsql.expression import Column, Scalar
from dpsql.facts.base import Facts, Pending
from dpsql.facts.equalities import equal_pairs, same
from dpsql.relation import Combined, JoinKind, SetKind


def joined_owner(
    left: Facts, right: Facts, kind: JoinKind, on: tuple[Scalar, ...], ids: tuple[frozenset[int], frozenset[int]],
) -> tuple[Column | None, Pending | None]:
    """The owner (or pending path) of the rows of a join; `ids` are the column ids of its two sides.

    Theorem: every row of the join is determined by public rows and by rows of the one unit in the returned column, so
    removing a unit removes exactly the join's rows whose owner is that unit.
    Proof: by induction each row of a private side is determined by rows of its owner alone. Private with public: the
    pair has the private side's owner; a LEFT join keeps this when the preserved side is the private one, since a null
    extension depends on public rows only. Two private sides: every pair satisfies `l.owner = r.owner`, directly or
    because the right row's path column equals the key of a row on the left that is `l.owner`'s; so both halves are one
    unit's, and under LEFT whether a left row is null-extended depends on that unit's right rows alone.
    Needs: the equality is a conjunct of the join's own printed condition; a path is completed by an INNER join only.
    Source: design.md, section 3, Owner.
    Raises InternalError when no owner is proved.
    """
    if left.public and right.public:
        return None, None
    if right.public:
        return left.owner, left.pending
    if left.public:
        if kind is JoinKind.LEFT:
            raise InternalError("a null-extended row without an owner was about to be read")
        return right.owner, right.pending
    if left.owner and right.owner and same(on, left.owner, right.owner):
        return left.owner, None
    if kind is JoinKind.INNER and left.owner and _completes(right.pending, on, ids[0]):
        return left.owner, None
    if kind is JoinKind.INNER and right.owner and _completes(left.pending, on, ids[1]):
        return right.owner, None
    raise InternalError("two private relations were joined without a proof that their owners are equal")


def require_marked(source: Facts, inner: Facts, on: tuple[Scalar, ...], shown: frozenset[int]) -> None:
    """Proves that a mark leaves whose rows they are; `shown` are the column ids of its source.

    Theorem: a row of `source` and its mark are determined by public rows and by rows of the row's own unit, so removing
    a unit removes exactly its rows, and changes no mark of another.
    Proof: the rows are those of `source`. With a public `inner`, the mark is a function of the row and of public rows.
    Else each row of `inner` that makes `on` true is a row of the same unit: their owners are equal, or its path's
    column equals the key of the row of the path's table that `source` joined, which is of the unit that owns the row;
    the same unit's rows are there in both databases.
    Needs: the equality is a conjunct of the mark's own printed condition.
    Source: design.md, section 3, Semi and anti joins.
    Raises InternalError when this is not proved.
    """
    if inner.public:
        return
    if source.owner is not None:
        if inner.owner is not None and same(on, source.owner, inner.owner):
            return
        if _completes(inner.pending, on, shown):
            return
    raise InternalError("a row was marked by rows that are not proved to be of the same unit")


def require_by_unit(source: Facts, keys: frozenset[int]) -> None:
    """Proves that rows which are grouped, or looked at together in a window, by these keys are of one unit.

    Theorem: removing a unit removes exactly its groups (its rows, in a window) and changes no value of another's.
    Proof: rows with equal keys have equal owners, so each group holds rows of one unit alone; and those rows are there
    in both databases, or in neither.
    Needs: the owner is one of the printed keys; a value depends on its group's rows alone, and not on their order.
    Source: design.md, section 3, Per-unit aggregates.
    Raises InternalError when the owner is not among the keys.
    """
    if not source.public and (source.owner is None or source.owner.id not in keys):
        raise InternalError("units were mixed below the noise")


def combined_owner(left: Facts, right: Facts, combined: Combined) -> Column | None:
    """The owner of the rows of a UNION, INTERSECT or EXCEPT.

    Theorem: removing a unit removes exactly the rows whose returned column is that unit.
    Proof: a row of UNION is a row of one side; the column shows that side's owner, whichever it is. In UNION, INTERSECT
    and EXCEPT rows are one, or cancel, only when they agree in every column, hence in that one: whether a row stays
    depends on rows of its own unit. A public right side of INTERSECT and EXCEPT is the same in both databases.
    Needs: the owner is a column of the result, in the same place of both sides; no row of UNION is without an owner.
    Source: design.md, section 3, Semi and anti joins.
    Raises InternalError when no owner is proved.
    """
    if left.public and right.public:
        return None
    filtering = combined.kind in (SetKind.INTERSECT, SetKind.EXCEPT)
    for out, of_left, of_right in combined.items:
        if left.owner == of_left and (right.owner == of_right or (right.public and filtering)):
            return out
    raise InternalError("rows of different units were about to be put together")


def _completes(pending: Pending | None, on: Iterable[Scalar], other: frozenset[int]) -> bool:
    """Whether the condition equates the path's column with its key, read from the path's table on the other side."""
    if pending is None:
        return False
    return any(
        _steps(pending, a, b, other) or _steps(pending, b, a, other) for a, b in equal_pairs(on)
    )


def _steps(pending: Pending, a: Column, b: Column, other: frozenset[int]) -> bool:
    return a.id == pending.column.id and b.id in other and (b.table, b.source) == (pending.table, pending.key)
