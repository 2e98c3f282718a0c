"""Whose a joined row is."""

from __future__ import annotations

from collections.abc import Iterable

from dpsql.errors import InternalError
from dpsql.expression import Column, Scalar
from dpsql.facts.base import Facts, Pending
from dpsql.facts.equalities import equal_pairs, same
from dpsql.relation import JoinKind


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


def _completes(pending: Pending | None, on: Iterable[Scalar], other: frozenset[int]) -> bool:
    """Whether the condition equates the path's column with its key, read from the path's table on the other side."""
    if pending is None:
        return False
    return any(
        _steps(pending, a, b, other) or _steps(pending, b, a, other) for a, b in equal_pairs(on)
    )


def _steps(pending: Pending, a: Column, b: Column, other: frozenset[int]) -> bool:
    return a.id == pending.column.id and b.id in other and (b.table, b.source) == (pending.table, pending.key)
