"""tally: how much was cut, where that is bought: noisy counts of contributions, and of those that a guard changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from dpsql import scalars
from dpsql.bound import Question
from dpsql.budget.events import Event
from dpsql.catalog import Catalog
from dpsql.derive import derive
from dpsql.domain import Group
from dpsql.expression import BIGINT, INTEGER, Column, Lit, Ref, Scalar
from dpsql.noise.laplace import laplace_event
from dpsql.probe import cap_of, prove_single
from dpsql.relation import Aggregate, CapGroups, CapRows, Fold, Project, Relation, columns_out
from dpsql.render import render_with
from dpsql.sensitivity import groups_touched

QUALITY = Fraction(1, 10)   # of a question's epsilon, where its quality is bought
PAIRS = "pairs of a person and a group"
CHANGED = 3                 # parts for each count of what was changed, against one for all: a share is mostly small


class Guard(Enum):
    """A guard that may leave out part of what people add."""

    GROUPS = "the cap on groups"
    ROWS = "the scaling down of many rows"
    SIZE = "the clip of a partial"
    KEPT = "the limit on the rows of a table"


@dataclass(frozen=True, slots=True)
class Cut:
    """One guard of a question; `place` is that of the partial (SIZE) or the table (KEPT)."""

    guard: Guard
    place: int = 0


@dataclass(frozen=True, slots=True)
class Counting:
    """What a tally counts: `rows`, one for each owner and group, show owner, keys and a flag for each of the `cuts`."""

    cuts: tuple[Cut, ...]
    rows: Relation
    owner: Column
    keys: tuple[Column, ...]        # none: each row is a person


@dataclass(frozen=True, slots=True)
class Tally:
    """A statement that counts contributions, all and those that each of `cuts` changed, and the noise of the counts.

    Rows come as (keys, a count for each cut, all); `keys` is 0 unless groups are public and have no cap: there rows of
    other groups are passed over. `whose` says what is counted: people, or PAIRS.
    """

    cuts: tuple[Cut, ...]
    sql: str
    params: frozenset[str]
    keys: int
    whose: str
    changed: Event
    every: Event

    def spent(self) -> tuple[Event, ...]:
        """An event for each count."""
        return (*(self.changed for _ in self.cuts), self.every)


@dataclass(frozen=True, slots=True)
class Share:
    """The noisy share of contributions that one guard of a question changed, with its interval, all within [0, 1]."""

    cut: Cut
    whose: str          # of people, or PAIRS
    value: float
    low: float
    high: float


def tallies(
    found: Sequence[Counting], domain: tuple[Group, ...] | None, catalog: Catalog, epsilon: Fraction,
    promise: bool = False,
) -> tuple[Tally, ...]:
    """The tallies of what `countings` found, all together for `epsilon`.

    As a `promise`, where bounds are open, with events that never cost less. Raises InternalError when a bound is not
    proved.
    """
    part = epsilon / max(1, sum(CHANGED * len(each.cuts) + 1 for each in found))
    return tuple(_tally(each, domain, catalog, part, promise) for each in found)


def countings(question: Question, searched: Sequence[int]) -> list[Counting]:
    """What there is to count, where clips of partials are `searched`; nothing where facts alone bound what a unit adds.
    """
    found = [_people(cap)] if (cap := cap_of(question.guarded)) is not None else []
    if (pairs := _pairs(question, searched)) is not None:
        found.append(pairs)
    tables = ((Cut(Guard.KEPT, i), table.guarded) for i, table in enumerate(question.tables))
    return found + [_kept(cut, rows) for cut, rows in tables if isinstance(rows, CapRows)]


def _tally(
    of: Counting, domain: tuple[Group, ...] | None, catalog: Catalog, part: Fraction, promise: bool,
) -> Tally:
    """The statement and the noise of one counting.

    Theorem: removing a unit lowers each count by at most the sensitivity of its event, and raises none.
    Proof: flags are 0 or 1. Where people are counted, rows are one for each owner. Else they are one for each owner and
    group, as the guarded rows are, and a unit has at most `groups_touched` of those that count: all of its groups where
    a cap or facts bound them, groups of the domain where that does, for there others are passed over. The flags of a
    row are functions of it alone.
    Needs: no owner is NULL, and one row for each owner and group, as derived, or InternalError.
    Source: design.md, section 4.
    """
    prove_single(of.rows, of.owner, of.keys, catalog)
    groups = groups_touched(of.keys, domain, derive(of.rows, catalog))
    keys = () if domain is None or cap_of(of.rows) is not None else of.keys
    changed, every = (
        Event.laplace(1, 1 / epsilon) if promise else laplace_event(groups, epsilon)
        for epsilon in (CHANGED * part, part)
    )
    sums = [(Column(-600 - i, f"cut{i + 1}", BIGINT), Fold.SUM, Ref(_flag(i))) for i in range(len(of.cuts))]
    every_row: tuple[Column, Fold, Scalar | None] = (Column(-699, "every", BIGINT), Fold.ROWS, None)
    sql, params = render_with(Aggregate(of.rows, keys, (*sums, every_row)), catalog)
    return Tally(of.cuts, sql, params, len(keys), PAIRS if of.keys else "people", changed, every)


def _people(cap: CapGroups) -> Counting:
    """People, and those who are in more groups than the cap leaves."""
    n = Column(-501, "groups", BIGINT)
    touched = Aggregate(cap.source, (cap.owner,), ((n, Fold.ROWS, None),))
    rows = _flagged(touched, (cap.owner,), [_above(Ref(n), cap.limit)])
    return Counting((Cut(Guard.GROUPS),), rows, cap.owner, ())


def _pairs(question: Question, searched: Sequence[int]) -> Counting | None:
    """Contributions, and those that were scaled down for their many rows, or clipped."""
    guarded = question.guarded
    assert isinstance(guarded, Project), "the partials are computed last"
    stated = (i for i, partial in enumerate(question.partials) if partial.within is not None)
    places, printed = (*searched, *stated), dict(guarded.items)
    cuts = [Cut(Guard.SIZE, i) for i in places]
    flags = [scalars.call("<>", question.values[i], printed[question.totals[i]]) for i in places]
    rows = guarded.source
    if question.scaled and question.many is not None:
        assert isinstance(rows, Project), "partials are scaled just below their clips"
        rows = Project(rows.source, (*rows.items, (question.many, Ref(question.many))))
        cuts, flags = [Cut(Guard.ROWS), *cuts], [_above(Ref(question.many), question.rows or 0), *flags]
    if not cuts:
        return None
    owner = columns_out(guarded)[0]
    return Counting(tuple(cuts), _flagged(rows, (owner, *question.keys), flags), owner, question.keys)


def _kept(cut: Cut, cap: CapRows) -> Counting:
    """Contributions to a table, and those with more rows than it keeps."""
    n = Column(-503, "n", BIGINT)
    same = (cap.owner, *cap.keys)
    rows = Aggregate(cap.source, same, ((n, Fold.ROWS, None),))
    return Counting((cut,), _flagged(rows, same, [_above(Ref(n), cap.limit)]), cap.owner, cap.keys)


def _flagged(rows: Relation, same: tuple[Column, ...], flags: Sequence[Scalar]) -> Project:
    """Rows that show owner and keys, and a flag of each: whether that holds."""
    items = [(_flag(i), scalars.call("one_if", flag)) for i, flag in enumerate(flags)]
    return Project(rows, (*((column, Ref(column)) for column in same), *items))


def _above(count: Scalar, limit: int) -> Scalar:
    return scalars.call(">", count, Lit(limit, BIGINT))


def _flag(i: int) -> Column:
    return Column(-520 - i, f"flag{i + 1}", INTEGER)

