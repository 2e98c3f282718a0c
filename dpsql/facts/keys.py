"""Uniqueness through joins, and the columns that have one value per unit."""

from __future__ import annotations

from dpsql.expression import Call, Lit, Scalar
from dpsql.facts.base import Facts
from dpsql.facts.equalities import bare_column, classes
from dpsql.relation import JoinKind

Ids = frozenset[int]


def covers(key_side: Facts, others: Ids, on: tuple[Scalar, ...]) -> bool:
    """Whether a row of the other side matches at most one row of `key_side`.

    Theorem: if some unique set of `key_side` is equated column by column with columns of the other side (`others`),
    each row there matches at most one row.
    Proof: two matches would agree on the whole unique set, which no two rows share; NULL matches nothing.
    Needs: the equalities are conjuncts of the join's condition; the key is enforced by the engine or was verified.
    Source: design.md, section 3, Unique.
    """
    equated = {id_ for group in classes(on) if not others.isdisjoint(group) for id_ in group}
    return any(unique <= equated for unique in key_side.unique)


def joined_unique(
    left: Facts, right: Facts, kind: JoinKind, on: tuple[Scalar, ...], ids: tuple[Ids, Ids],
) -> frozenset[Ids]:
    """The sets of columns that no two rows of the join share.

    Theorem: a unique set of one side stays unique when each of its rows matches at most one row of the other.
    Proof: two joined rows that share it come from one row of that side, which matched once. Under LEFT the right
    side's sets are given up, since null-extended rows repeat NULL. Owners are equal, so one may stand for the other.
    Needs: `covers`.
    Source: design.md, section 3, Unique.
    """
    kept: frozenset[Ids] = left.unique if covers(right, ids[0], on) else frozenset()
    if kind is JoinKind.INNER and covers(left, ids[1], on):
        kept |= right.unique
    if left.owner and right.owner and kind is JoinKind.INNER:
        return kept | {_renamed(unique, right.owner.id, left.owner.id) for unique in kept}
    return kept


def joined_fixed(
    left: Facts, right: Facts, kind: JoinKind, on: tuple[Scalar, ...], ids: tuple[Ids, Ids],
) -> Ids:
    """The columns with one value per unit among the rows of the join.

    Theorem: a column fixed by the unit on one private side is fixed in the join; so is a column equated with a fixed
    one, and so are the columns of a public side when its key is equated with fixed columns.
    Proof: all rows of a unit in the join come from its rows on that side, which agree on the column, and every joined
    row satisfies the equalities; equal key values select one public row. The right side of LEFT gives up, since NULL is
    a second value.
    Needs: the owner of the join is the owner of both private sides; `covers`.
    Source: design.md, section 3, Fixed by unit.
    """
    fixed = left.fixed
    if kind is JoinKind.LEFT:
        return fixed
    fixed = equated(fixed | right.fixed, on)
    if right.public and not left.public and covers(right, fixed & ids[0], on):
        fixed |= ids[1]
    if left.public and not right.public and covers(left, fixed & ids[1], on):
        fixed |= ids[0]
    return fixed


def equated(fixed: Ids, conjuncts: tuple[Scalar, ...]) -> Ids:
    """`fixed` and every column that the conjuncts make equal to one of it.

    Theorem: in rows that pass the conjuncts, columns equal to one with one value per unit have one value per unit.
    Proof: two rows of a unit agree on the fixed column, and in each the other equals it; equality is transitive, and
    equal values of these types are the same value (`classes`).
    Needs: `fixed` holds of the rows; the conjuncts are printed.
    Source: design.md, section 3, Fixed by unit.
    """
    return fixed.union(*(group for group in classes(conjuncts) if not fixed.isdisjoint(group)))


def pinned(conjuncts: tuple[Scalar, ...]) -> Ids:
    """The columns that a conjunct `column = literal` leaves one value.

    Theorem: all rows that pass the conjuncts agree on them.
    Proof: each equals the literal, which is not NULL, and equal values of these types are the same value.
    Needs: the conjuncts are printed.
    Source: design.md, section 3, Fixed by unit.
    """
    return frozenset(
        bare.id for conjunct in conjuncts if isinstance(conjunct, Call) and conjunct.name == "="
        for one, other in (conjunct.args, reversed(conjunct.args))
        if isinstance(other, Lit) and other.value is not None and (bare := bare_column(one)) is not None
    )


def _renamed(unique: Ids, old: int, new: int) -> Ids:
    return (unique - {old}) | {new} if old in unique else unique
