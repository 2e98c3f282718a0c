"""probe: bounds nobody had to guess. What is counted to choose them, and the question once they are chosen.

A question may leave open how many groups a unit touches (`open_groups`), how much a unit adds to a partial (its
`ladders`), and how many of its rows are counted by value (tables that are `open`). Each is chosen by a private search
over a public ladder. Where the groups are public and need no cap, or
there is one, contributions are counted by group and the totals follow from the counts: one scan. Else they are counted
without the groups, and the statement that adds up runs once the bounds are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from dpsql import scalars
from dpsql.bound import Question, clip
from dpsql.budget.events import Event
from dpsql.catalog import Catalog
from dpsql.derive import derive
from dpsql.errors import InternalError
from dpsql.expression import BIGINT, INTEGER, Column, Lit, Ref, Scalar
from dpsql.facts.stability import one_row_per_group
from dpsql.guard import MOST_GROUPS
from dpsql.noise.gain import doublings, gain_event
from dpsql.noise.search import ladder, search_event
from dpsql.relation import Aggregate, CapGroups, CapRows, Filter, Fold, Project, Relation, columns_out
from dpsql.render import render_with
from dpsql.scalars.rungs import passed, stepped
from dpsql.sensitivity import constant
from dpsql.tabulate import MOST_KEPT, Tabulated, ranked

# Of a question's epsilon, for all its searches together, as design.md, section 4, has it, with a prior that falls by
# the power 5/2 (`search.SLOPE`). `tests.bench.searches` says what others would do: a seventh and the third power have
# up to a third less error where people are few, and the same where they are many.
SEARCHES = Fraction(1, 10)

CAP = "rungs0"               # the parameter with the ladder of the cap; those of partials count from 1
KEPT = "limits"              # the parameter with the limits on rows
LIMITS = doublings(MOST_KEPT)

Rungs = tuple[int, ...]
_UNITS: tuple[Column, Fold, Scalar | None] = (Column(-3, "units", BIGINT), Fold.ROWS, None)


@dataclass(frozen=True, slots=True)
class Probe:
    """The searches of a question, each of `width`.

    `cap` is the ladder of groups per unit, where that is open; `rungs` those of the partials, None where nothing is
    open; `tables` the places of the tables whose limit on rows is open. `keyed` says that contributions are counted by
    group. `groups` is C, the contributions of one unit (None: what is chosen from `cap`). `events` are the searches'
    own.
    """

    width: Fraction
    cap: Rungs | None
    rungs: tuple[Rungs | None, ...]
    keyed: bool
    groups: int | None
    events: tuple[Event, ...]
    tables: tuple[int, ...] = ()

    @property
    def searched(self) -> tuple[int, ...]:
        """The places of the partials that are searched."""
        return tuple(i for i, rungs in enumerate(self.rungs) if rungs is not None)


def probe(question: Question, groups: int, public: bool, epsilon: Fraction) -> Probe | None:
    """The searches of a question for their part of `epsilon`; None where nothing is open.

    `groups` bounds the groups that one unit touches, where that is not open; `public` says that groups are listed, or
    that there is one. ValueError when epsilon is too small.
    """
    rungs = tuple(None if each is None else ladder(*each) for each in question.ladders)
    tables = tuple(i for i, table in enumerate(question.tables) if table.open)
    many = question.open_groups + sum(each is not None for each in rungs) + len(tables)
    if not many:
        return None
    width = epsilon * SEARCHES / many
    fixed = None if question.open_groups else groups
    events = [search_event(fixed or 1, width) for each in rungs if each is not None]
    events += [gain_event(fixed or 1, width) for _ in tables]
    if fixed is not None:
        return Probe(width, None, rungs, public and cap_of(question.guarded) is None, fixed, tuple(events), tables)
    return Probe(width, ladder(1, MOST_GROUPS), rungs, False, None, (search_event(1, width), *events), tables)


def counted(question: Question, of: Probe, catalog: Catalog) -> tuple[str, frozenset[str]]:
    """The SQL that is run first: of groups where they are open, else of what units add; and the parameters it takes."""
    if of.cap is not None:
        return groups_counted(question, of.cap, catalog)
    return values_counted(question, of, catalog) if of.searched else ("", frozenset())


def groups_counted(question: Question, rungs: Rungs, catalog: Catalog) -> tuple[str, frozenset[str]]:
    """The SQL that counts units by how many groups they touch: rows (rung, units); and the parameters it takes.

    Theorem: one unit adds 1 to one rung.
    Proof: the rows counted have an owner that is never NULL, are one for each owner and group below the cap, and are
    grouped by the owner first.
    Needs: that of the rows below the cap, as derived, or InternalError.
    Source: design.md, section 4, with a(t) the units that touch more than t groups.
    """
    cap = cap_of(question.guarded)
    if cap is None:
        raise InternalError("a cap is searched that is not there")
    prove_single(cap.source, cap.owner, cap.keys, catalog)
    n = Column(-1, "groups", BIGINT)
    touched = Aggregate(cap.source, (cap.owner,), ((n, Fold.ROWS, None),))
    placed = _placed(touched, (), [(n, rungs, CAP)])
    return render_with(Aggregate(placed, columns_out(placed), (_UNITS,)), catalog)


def values_counted(question: Question, of: Probe, catalog: Catalog) -> tuple[str, frozenset[str]]:
    """The SQL that counts contributions by rung, for each searched partial; and the parameters it takes.

    Rows are the keys where `keyed`, a rung for each searched partial (all but one NULL), and the contributions; where
    `keyed` between them the totals of all partials that need one, then the sums of signs of those searched, and a row
    a group with every rung NULL.
    Theorem: of each partial, one unit adds 1 to one rung for each group it touches.
    Proof: the guarded rows have one row for each owner and group, and no owner is NULL.
    Needs: that of the guarded rows, as derived, or InternalError.
    Source: design.md, section 4, Bounds nobody had to guess.
    """
    owner = columns_out(question.guarded)[0]
    prove_single(question.guarded, owner, question.keys, catalog)
    keys = question.keys if of.keyed else ()
    shown = (*keys, *(question.totals if of.keyed else ()))
    sizes = {i: stepped(_size(question.totals[i], question.partials[i].low < 0)) for i in of.searched}
    sized = {i: Column(-100 - i, f"size{i + 1}", size.type) for i, size in sizes.items()}
    kept = tuple((column, Ref(column)) for column in shown)
    source = Project(question.guarded, (*kept, *((sized[i], size) for i, size in sizes.items())))
    placed = _placed(source, shown, [(sized[i], of.rungs[i] or (), f"rungs{i + 1}") for i in of.searched])
    places = columns_out(placed)[len(shown):]
    sets = tuple((*keys, place) for place in places)
    if not of.keyed:
        return render_with(Aggregate(placed, places, (_UNITS,), sets), catalog)
    totals = [
        (Column(-300 - i, f"sum{i + 1}", total.type), Fold.SUM, Ref(total))
        for i, total in enumerate(question.totals) if not constant(question, total)
    ]
    signs = [
        (Column(-400 - i, f"sign{i + 1}", BIGINT), Fold.SUM, scalars.call("sign", Ref(question.totals[i])))
        for i in of.searched
    ]
    return render_with(Aggregate(placed, (*keys, *places), (*totals, *signs, _UNITS), (*sets, keys)), catalog)


def kept_counted(table: Tabulated, catalog: Catalog) -> tuple[str, frozenset[str]]:
    """The SQL that counts what a table counts by the limit on rows it takes: rows (keys, place, many); and parameters.

    Theorem: of the groups released, one unit changes the total below a limit X by at most X times `groups_touched`, and
    never lowers it.
    Proof: a row's rank is its place among those of its owner and keys, in an order of its own values. So below X a unit
    has at most X rows in a group, the same ones whatever others have; a distinct cell counts at the least of its ranks.
    Needs: a limit that stands on all rows that are counted; `groups_touched` of its facts.
    Source: `dpsql.noise.gain`.
    """
    rank = Column(-500, "rank", BIGINT)
    rows = ranked(table, rank)
    size = columns_out(rows)[-1]
    placed = _placed(rows, table.keys, [(size, LIMITS, KEPT)])
    return render_with(Aggregate(placed, columns_out(placed), (_UNITS,)), catalog)


def parameters(of: Probe) -> dict[str, object]:
    """The ladders, as the parameters that the counting statements take."""
    named: dict[str, object] = {f"rungs{i + 1}": list(of.rungs[i] or ()) for i in of.searched}
    named |= {KEPT: list(LIMITS)} if of.tables else {}
    return named if of.cap is None else {**named, CAP: list(of.cap)}


def capped_at(question: Question, groups: int) -> Question:
    """The question with its cap on groups chosen."""
    tables = tuple(replace(table, guarded=recapped(table.guarded, groups)) for table in question.tables)
    return replace(question, guarded=recapped(question.guarded, groups), tables=tables, open_groups=False)


def clipped_at(question: Question, most: Sequence[int | None]) -> Question:
    """The question with what a unit may add to its open partials chosen, in steps."""
    guarded = question.guarded
    assert isinstance(guarded, Project), "the partials are computed last"
    tight = {
        total.id: clip(value, partial, steps)
        for total, value, partial, steps in zip(question.totals, question.values, question.partials, most, strict=True)
        if steps is not None
    }
    items = tuple((column, tight.get(column.id, scalar)) for column, scalar in guarded.items)
    closed = tuple(None for _ in question.ladders)
    return replace(question, guarded=replace(guarded, items=items), ladders=closed)


def cap_of(relation: Relation) -> CapGroups | None:
    """The cap on groups of a guarded relation, if it has one: only guards stand above it."""
    while isinstance(relation, Project | Filter | CapRows):
        relation = relation.source
    return relation if isinstance(relation, CapGroups) else None


def recapped(relation: Relation, groups: int) -> Relation:
    """A guarded relation with another limit in its cap on groups."""
    if isinstance(relation, Project | Filter | CapRows):
        return replace(relation, source=recapped(relation.source, groups))
    return replace(relation, limit=groups) if isinstance(relation, CapGroups) else relation


def _placed(source: Relation, shown: Sequence[Column], sizes: Sequence[tuple[Column, Rungs, str]]) -> Relation:
    """Rows with the places of sizes on their ladders, found by halving, a projection a turn; `shown` columns stay.

    A size of NULL, a sum over nothing, stands on the first rung. The last columns have the names given.
    """
    places: list[Scalar] = [Lit(0, INTEGER) for _ in sizes]
    turns = max(len(rungs).bit_length() for _, rungs, _ in sizes)
    for turn in reversed(range(turns)):
        items: list[tuple[Column, Scalar]] = [(column, Ref(column)) for column in shown]
        if turn:
            items += [(size, Ref(size)) for size, _, _ in sizes]
        for i, (size, rungs, name) in enumerate(sizes):
            further = passed(Ref(size), places[i], 1 << turn, name) if 1 << turn <= len(rungs) else places[i]
            interval = scalars.enforced(further)
            column = Column(-1000 - 100 * turn - i, name if not turn else f"{name}_{turn}", INTEGER, proved=interval)
            items.append((column, further))
            places[i] = Ref(column)
        source = Project(source, tuple(items))
    return source


def _size(total: Column, signed: bool) -> Scalar:
    return scalars.call("abs", Ref(total)) if signed else Ref(total)


def prove_single(relation: Relation, owner: Column, keys: tuple[Column, ...], catalog: Catalog) -> None:
    facts = derive(relation, catalog)
    if facts.owner is None or facts.owner.id != owner.id or owner.id in facts.nullable:
        raise InternalError("rows without an owner were about to be counted")
    if not one_row_per_group(facts, frozenset(key.id for key in keys)):
        raise InternalError("a unit may have several rows in a group below the noise")
