"""How many rows and how many groups one unit can have."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from dpsql.expression import Scalar
from dpsql.facts.base import Facts
from dpsql.facts.keys import Ids, covers
from dpsql.facts.ranges import stated
from dpsql.interval import ANY, Interval
from dpsql.relation import Fold, JoinKind, Over, Place, Quantile, SetKind

NEVER_NULL = (
    Fold.ROWS, Fold.COUNT, Fold.DISTINCT, Place.ROW_NUMBER, Place.RANK, Place.DENSE_RANK, Place.PERCENT_RANK,
    Place.CUME_DIST, Place.NTILE,
)


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


def fixed_rows(rows: Facts, fixed: Ids) -> int | None:
    """The most rows that one unit owns, when the columns `fixed` have one value per unit among them.

    Theorem: one, when some grouped set is fixed by the unit; else what is known of the rows already.
    Proof: two rows of a unit would agree on the whole set, which no two rows share, NULL being equal to NULL.
    Needs: `fixed` holds of the same rows; a conjunct `column = literal` fixes its column in the rows that pass.
    Source: design.md, section 3, Fixed by unit.
    """
    if rows.owner is not None and any(grouped <= fixed for grouped in rows.grouped):
        return 1
    return rows.rows_per_unit


def combined_rows(left: Facts, right: Facts, kind: SetKind) -> int | None:
    """The most rows of a UNION, INTERSECT or EXCEPT that one unit owns; None when nothing bounds them.

    Theorem: the sum of both sides' bounds for UNION, the left side's for EXCEPT, the smaller one for INTERSECT.
    Proof: each row of a unit in the result is one of its rows on a side; in INTERSECT it stands on both, in EXCEPT on
    the left.
    Needs: the owner of the result is the owner of both private sides (`combined_owner`).
    Source: design.md, section 3, Unique.
    """
    match kind:
        case SetKind.EXCEPT:
            return left.rows_per_unit
        case SetKind.INTERSECT:
            return min((n for n in (left.rows_per_unit, right.rows_per_unit) if n is not None), default=None)
        case _:
            known = left.rows_per_unit is not None and right.rows_per_unit is not None
            return (left.rows_per_unit or 0) + (right.rows_per_unit or 0) if known else None


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


def listed_groups(listed: Sequence[tuple[object, ...]], keys: Sequence[Ids], fixed: Ids) -> int:
    """The most of the groups `listed` that the rows of one unit are in; `keys` are the columns each key is made of.

    Theorem: it is the number of different values that the groups listed take in the keys not fixed by the unit.
    Proof: a key made of fixed columns alone has one value in all of the unit's rows. So two groups that the unit is in
    agree in all of those keys, and differ in the others.
    Needs: rows in other groups are dropped; `fixed` holds of the rows.
    Source: design.md, section 4: L0 is at most the product of public domains.
    """
    free = [place for place, columns in enumerate(keys) if not columns <= fixed]
    return max(1, len({tuple(group[place] for place in free) for group in listed}))


def rows_per_group(facts: Facts, keys: Ids) -> int | None:
    """The most rows that a unit has for each value of `keys`; None when nothing bounds them.

    Theorem: it is 1 where `one_row_per_group` says so, at most rows_per_unit, and at most the limit of a CapRows
    printed below on the owner and some of these keys.
    Proof: rows that agree on the owner and all keys agree on the owner and some of them, and of such CapRows keeps at
    most `limit`.
    Needs: the facts of the guarded relation, whose CapRows is printed; the owner is not NULL.
    Source: design.md, section 4.
    """
    if one_row_per_group(facts, keys):
        return 1
    owner = frozenset({facts.owner.id} if facts.owner is not None else ())
    found = [limit for held, limit in facts.held.items() if held <= keys | owner]
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


def folded_interval(fold: Fold | Quantile, scalar: Scalar | None, rows: Facts) -> Interval:
    """What is believed of a fold over rows of these facts. Beliefs choose clips; no sensitivity rests on them.

    What is taken from the rows keeps their range, counts are not negative, and a sum has the sign of its rows.
    """
    if scalar is None or fold in NEVER_NULL:
        return Interval(Fraction(0), None)
    one = stated(scalar, rows.intervals)
    if fold is not Fold.SUM:
        return one
    return Interval(
        Fraction(0) if one.low is not None and one.low >= 0 else None,
        Fraction(0) if one.high is not None and one.high <= 0 else None,
    )


def window_interval(over: Over, rows: Facts) -> Interval:
    """What is believed of a window function over rows of these facts: as of the fold, or of the row it looks at."""
    if not isinstance(over.function, Place):
        return folded_interval(over.function, over.args[0] if over.args else None, rows)
    if over.function in NEVER_NULL:
        return Interval(Fraction(0), None)
    bounds = [stated(arg, rows.intervals) for arg in over.args]
    return bounds[0] if len(bounds) == 1 else ANY
