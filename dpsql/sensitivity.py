"""sensitivity: how far one unit can move what a statement counts, from the facts of the guarded rows alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dpsql import scalars
from dpsql.aggregates import Partial
from dpsql.bound import MAX_STEPS, Question
from dpsql.errors import InternalError
from dpsql.expression import Column, Kind, Lit
from dpsql.facts.base import Facts
from dpsql.facts.stability import groups_per_unit, listed_groups, one_row_per_group, rows_per_group
from dpsql.relation import Fold, Project
from dpsql.tabulate import Tabulated

Ids = frozenset[int]


def groups_touched(keys: tuple[Column, ...], domain: Sequence[tuple[object, ...]] | None, facts: Facts) -> int:
    """L0: the most released groups that one unit's rows touch. `domain` lists the public groups, if they are.

    Theorem: it is at most the cap or the fixed columns' bound of the guarded rows, and at most what `listed_groups`
    says of the public groups; without keys it is 1.
    Proof: `groups_per_unit` on the derived facts; only groups of the domain are released.
    Needs: the guarded rows have an owner that is never NULL, or InternalError.
    Source: design.md, section 4.
    """
    if facts.owner is None or facts.owner.id in facts.nullable:
        raise InternalError("rows without an owner were about to be counted")
    if not keys:
        return 1
    listed = None if domain is None else listed_groups(domain, [_ids((key,)) for key in keys], facts.fixed)
    known = [n for n in (groups_per_unit(facts, _ids(keys)), listed) if n is not None]
    if not known:
        raise InternalError("nothing bounds the groups that one unit may touch")
    return max(1, min(known))


def magnitudes(question: Question, facts: Facts) -> list[int]:
    """Linf: the most each partial of one unit can be in one group, in steps.

    Theorem: |p| of one row is at most the magnitude of `enforced(p)`, for the expression p that is printed, and a unit
    has one row in a group.
    Proof: `enforced` uses the types and the clips inside the expression, and the ranges that `derive` proved of the
    columns it reads; facts that are believed play no part. A DECIMAL's steps are its last digit.
    Needs: at most one row per owner and group, and partials that are integers computed by the outermost projection, or
    InternalError.
    Source: design.md, section 4, Integers.
    """
    guarded = question.guarded
    if not one_row_per_group(facts, _ids(question.keys)):
        raise InternalError("a unit may have several rows in a group below the noise")
    if not isinstance(guarded, Project):
        raise InternalError("the partials are not computed last")
    printed = {column.id: scalar for column, scalar in guarded.items}
    found = []
    for total in question.totals:
        scalar = printed[total.id]
        interval = scalars.enforced(scalar)
        if not interval.finite or scalar.type.kind not in (Kind.INTEGER, Kind.DECIMAL):
            raise InternalError("a partial has no clip")
        magnitude = math.ceil(interval.magnitude * 10**scalar.type.scale)
        if magnitude > MAX_STEPS:
            raise InternalError("a partial has no clip")
        found.append(magnitude)
    return found


def rows_counted(table: Tabulated, facts: Facts) -> int:
    """The most that one unit adds to the counts of one group, over all cells together.

    Theorem: removing a unit lowers the counts of rows by cell by at most this many in all, and the number of distinct
    cells by at most this many.
    Proof: `rows_per_group` on the derived facts bounds the unit's rows in a group. Each row stands at one cell; a cell
    disappears only if the unit had a row there; no other unit's rows depend on it, as facts of owned rows say.
    Needs: the owner is never NULL and the rows are bounded, or InternalError.
    Source: design.md, section 4, Aggregates as partials.
    """
    most = rows_per_group(facts, _ids(table.keys))
    if facts.owner is None or most is None:
        raise InternalError("nothing bounds the rows that a unit adds to a group")
    return max(1, most)


def constant(question: Question, total: Column) -> bool:
    """Whether a total is the number of a group's units.

    Theorem: then one unit changes that number by at most 1, which is no more than any noise is set for.
    Proof: the rows that are counted are one for each unit and group (`magnitudes`).
    Needs: the partial is a literal, or the largest of the same literal in each of its rows; sensitivities are at least
    1 (`statement._cells`).
    Source: design.md, section 4, Aggregates as partials.
    """
    assert isinstance(question.guarded, Project)
    scalar = next(scalar for column, scalar in question.guarded.items if column.id == total.id)
    partial: Partial = question.partials[question.totals.index(total)]
    flag = partial.fold is Fold.MAX and isinstance(partial.row, Lit)
    return flag or (isinstance(scalar, Lit) and scalar.value == 1)


def _ids(columns: tuple[Column, ...]) -> Ids:
    return frozenset(column.id for column in columns)
