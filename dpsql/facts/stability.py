"""How many rows and how many groups one unit can have."""

from __future__ import annotations

from dpsql.expression import Scalar
from dpsql.facts.base import Facts
from dpsql.facts.keys import Ids, covers
from dpsql.relation import JoinKind


def joined_rows(
    left: Facts, right: Facts, kind: JoinKind, on: tuple[Scalar, ...], ids: tuple[Ids, Ids],
) -> int | None:
    """The most rows of the join that one unit owns; None when nothing bounds them.

    Theorem: joining on the other side's unique set keeps a side's bound; two private sides with bounds a and b have at
    most a*b joined rows a unit (LEFT: max(1, b) for each left row).
    Proof: each row then matches at most once (`covers`); otherwise a unit's rows pair only with its own.
    Needs: the join's owner is proved (`joined_owner`).
    Source: design.md, section 3, Unique.
    """
    bounds: list[int] = []
    if left.rows_per_unit is not None and covers(right, ids[0], on):
        bounds.append(left.rows_per_unit)
    if kind is JoinKind.INNER and right.rows_per_unit is not None and covers(left, ids[1], on):
        bounds.append(right.rows_per_unit)
    if left.rows_per_unit is not None and right.rows_per_unit is not None:
        bounds.append(left.rows_per_unit * max(1, right.rows_per_unit))
    return min(bounds) if bounds else None


def groups_per_unit(facts: Facts, keys: Ids) -> int | None:
    """The most distinct values of `keys` that the rows of one unit take; None when nothing bounds them.

    Theorem: columns fixed by the unit take one value together; a CapGroups on exactly these keys printed below bounds
    them by its limit; rows_per_unit bounds them too.
    Proof: by definition of `fixed`; CapGroups keeps at most `limit` rows per owner; each row shows one value.
    Needs: the facts of the guarded relation, whose CapGroups is printed.
    Source: design.md, section 4.
    """
    if keys <= facts.fixed:
        return 1
    found = [limit for capped, limit in facts.caps.items() if keys <= capped | facts.fixed]
    if facts.rows_per_unit is not None:
        found.append(facts.rows_per_unit)
    return min(found) if found else None


def one_row_per_group(facts: Facts, keys: Ids) -> bool:
    """Whether a unit has at most one row for each value of `keys`.

    Theorem: it does when a unit has one row at most, or when within the owner and the keys lies some grouped set, or
    some unique set whose columns, the owner aside, are never NULL.
    Proof: two rows of a unit in a group would agree on the owner and the keys, hence on the set. An enforced or
    verified key lets rows with a NULL in it repeat, and they would fall into one group.
    Needs: verified or enforced keys; the owner is not NULL, which makes it a unit.
    Source: design.md, section 4, collapse.
    """
    if facts.owner is None:
        return False
    if facts.rows_per_unit == 1:
        return True
    shown = keys | {facts.owner.id}
    loose = facts.nullable - {facts.owner.id}
    return any(grouped <= shown for grouped in facts.grouped) or any(
        unique <= shown and unique.isdisjoint(loose) for unique in facts.unique
    )
