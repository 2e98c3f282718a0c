"""statement: one question as it runs. Bounds are derived again from the guarded rows, noise is set from those alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

from dpsql.aggregates import MAX_COUNT_NOISE, MAX_NOISE
from dpsql.bound import Question
from dpsql.budget.events import Cost, Event
from dpsql.catalog import Catalog
from dpsql.derive import Known, derive
from dpsql.domain import Group
from dpsql.expression import BIGINT, Column, Ref
from dpsql.noise.scheme import USUAL, Cell, Chosen, Noise, Scheme, promised, scheme
from dpsql.parse import refusal
from dpsql.probe import SEARCHES, Probe, capped_at, counted, kept_counted, probe, values_counted
from dpsql.relation import Aggregate, Fold
from dpsql.render import render_with
from dpsql.sensitivity import constant, groups_touched, magnitudes
from dpsql.side import Side, side
from dpsql.tally import Tally

ROUNDS = 20                 # of weighing measures against each other
FINEST = 1 << 10            # worths are whole multiples of 1 / FINEST


@dataclass(frozen=True, slots=True)
class Opening:
    """What a statement still leaves open: the searches, the SQL that counts for them, and what is left for totals.

    `prefer` is the mechanism that the totals will have, whatever is chosen; None: the better one for what is chosen.
    `quality` says that quantiles buy intervals too.
    """

    probe: Probe
    sql: str
    params: frozenset[str]
    rest: Cost
    prefer: str | None
    catalog: Catalog
    quality: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One question as it runs: its SQL, its noise, and what the released table will look like.

    Rows come as (keys, one total per partial that is not a constant, units). `constant` marks partials that every
    unit sets to 1: their total is the number of units. `groups` is L0, the groups one unit may touch. `domain`
    lists the public groups (None: private keys, chosen by `chosen`). `params` are what the SQL takes: the salt, and
    released values of earlier stages. `noises` are in the order of the partials; one that is None is released by
    the choice of groups itself. `events` are what totals, choice and searches cost. `sql` is empty where no total
    and no choice of groups is needed. `sides` count single rows. `needs` says of each partial how many
    contributions must be seen for its interval to be given (`dpsql.choose`); empty: no matter. `tallies` count what
    was cut, where that is bought. With an `opening`, sensitivities, noises and SQL hold for the widest bounds that may
    be chosen, and `dpsql.choose` gives the statement that runs.
    """

    question: Question
    sql: str
    params: frozenset[str]
    groups: int
    sensitivities: tuple[int, ...]
    constant: tuple[bool, ...]
    noises: tuple[Noise | None, ...]
    chosen: Chosen | None
    events: tuple[Event, ...]
    domain: tuple[Group, ...] | None
    sides: tuple[Side, ...] = ()
    opening: Opening | None = None
    level: float = USUAL        # the confidence of its intervals
    needs: tuple[float, ...] = ()
    tallies: tuple[Tally, ...] = ()

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The released table's columns and their SQL types: keys, then measures."""
        keys = [(column.name, _shown_type(column)) for column in self.question.keys]
        return (*keys, *((f"a{i + 1}", str(type_)) for i, type_ in enumerate(self.question.types)))

    @property
    def released(self) -> tuple[tuple[str, str], ...]:
        """`columns`, then for each measure the ends of its interval, `a1_low` and `a1_high`."""
        ends = [(f"a{i + 1}_{end}", str(t)) for i, t in enumerate(self.question.types) for end in ("low", "high")]
        return (*self.columns, *ends)

    def spent(self) -> tuple[Event, ...]:
        """Every event of this statement."""
        looked = (event for side in self.sides for choice in side.choices for event in choice.events)
        return (*self.events, *looked, *(event for tally in self.tallies for event in tally.spent()))


Bought = tuple[tuple[Noise | None, ...], Chosen | None, tuple[Event, ...]]


def statement(
    question: Question, domain: tuple[Group, ...] | None, catalog: Catalog, share: Cost, prefer: str | None = None,
    known: Known | None = None, quality: bool = False,
) -> Statement:
    """The statement of a bounded question for its share of the cost; `domain` lists its public groups.

    Of Laplace and Gaussian noise the better is taken, or what `prefer` names; `known` is what `derive` remembers. With
    `quality` quantiles buy intervals.
    Raises QueryError when the share is too small for any answer, InternalError when a bound is not proved.
    """
    facts = derive(question.guarded, catalog, known)
    groups = groups_touched(question.keys, domain, facts)
    found = magnitudes(question, facts)
    same = tuple(constant(question, total) for total in question.totals)
    try:
        searches = probe(question, groups, domain is not None, share.epsilon)
        if searches is None:
            bought, sides = _bought(question, domain, found, same, groups, catalog, share, prefer, quality)
            opening = None
        else:
            opening, bought, sides = _opened(question, domain, searches, found, same, catalog, share, prefer, quality)
    except (ValueError, OverflowError):     # a scale beyond doubles
        raise _too_small(question) from None
    sql, params = _total(question, same, catalog) if question.partials or domain is None else ("", frozenset())
    return Statement(
        question, sql, params, groups, tuple(groups * most for most in found), same, *bought,
        domain if question.keys else ((),), sides, opening,
    )


def _bought(
    question: Question, domain: tuple[Group, ...] | None, found: list[int], same: tuple[bool, ...], groups: int,
    catalog: Catalog, share: Cost, prefer: str | None, quality: bool,
) -> tuple[Bought, tuple[Side, ...]]:
    """The noise of every partial, the choice of groups, what both cost; and the sides."""
    cells, served = _cells(question, domain, found, same)
    totals, one = _parts(question, len(cells) + (domain is None), share)
    sides = tuple(side(table, domain, catalog, one, None, quality) for table in question.tables)
    if not cells and domain is not None:
        return ((), None, ()), sides
    make = partial(_typed, question, served, totals, share.delta, _least(domain, catalog))
    try:
        made = make(cells, groups, prefer)
    except ValueError:
        if prefer is not None:
            raise
        made = make(cells, groups, "laplace")       # where Gaussian noise was taken, but is too large
    return (_given(made.noises, served), made.chosen, made.events), sides


def _typed(
    question: Question, served: Sequence[bool], epsilon: Fraction, delta: Fraction, least: int | None,
    cells: Sequence[Cell], groups: int, prefer: str | None,
) -> Scheme:
    """The scheme of the cells. ValueError when there is none, or its noise might leave the types of measures."""
    made = scheme(cells, groups, epsilon, delta, least, prefer, _counted(question, served))
    given = _given(made.noises, served)
    for type_, uses in zip(question.types, question.uses, strict=True):
        largest = max((noise.steps for use in uses if (noise := given[use]) is not None), default=Fraction(0))
        if largest > (MAX_COUNT_NOISE if type_ == BIGINT else MAX_NOISE):
            raise ValueError("the noise might leave its type")
    return made


def _opened(
    question: Question, domain: tuple[Group, ...] | None, searches: Probe, found: list[int], same: tuple[bool, ...],
    catalog: Catalog, share: Cost, prefer: str | None, quality: bool,
) -> tuple[Opening, Bought, tuple[Side, ...]]:
    """The searches, and a promise of what comes after them: noise for bounds of one step, events that cost no less.

    ValueError unless there is noise for the widest bounds too: what is charged is never refused for what was chosen.
    """
    rest = Cost(share.epsilon * (1 - SEARCHES), share.delta)
    cells, served = _cells(question, domain, [1] * len(same), same)
    totals, one = _parts(question, len(cells) + (domain is None), rest)
    least, groups, most = _least(domain, catalog), searches.groups, _most_groups(searches, domain)
    sides = tuple(
        side(table, domain, catalog, one, most if groups is None or table.open else None, quality)
        for table in question.tables
    )
    bought: Bought = ((), None, ())
    if cells or domain is None:
        tops = [each if rungs is None else rungs[-1] for each, rungs in zip(found, searches.rungs, strict=True)]
        wide, _ = _cells(question, domain, tops, same)
        make = partial(_typed, question, served, totals, rest.delta, least)
        prefer, made = _settled(partial(make, cells, groups or 1), partial(make, wide, most), prefer, groups is None)
        bought = (_given(made.noises, served), made.chosen, promised(cells, totals, rest.delta, least, prefer))
    sql, params = counted(question, searches, catalog)
    # what is counted after that can be printed, or nothing is charged
    if searches.cap is not None and searches.searched:
        values_counted(capped_at(question, searches.cap[-1]), searches, catalog)
    for i in searches.tables:
        kept_counted(question.tables[i], catalog)
    noises, chosen, events = bought
    opening = Opening(searches, sql, params, rest, prefer, catalog, quality)
    return opening, (noises, chosen, (*searches.events, *events)), sides


def _most_groups(searches: Probe, domain: tuple[Group, ...] | None) -> int:
    """No unit touches more groups, whatever is chosen."""
    if searches.cap is None:
        return searches.groups or 1
    return searches.cap[-1] if domain is None else max(1, min(searches.cap[-1], len(domain)))


def _settled(
    narrow: Callable[[str | None], Scheme], wide: Callable[[str | None], Scheme], prefer: str | None, free: bool,
) -> tuple[str | None, Scheme]:
    """The mechanism of totals whose bounds are open, and its scheme for the narrowest bounds; each argument makes one.

    It is settled here; but while groups are open (`free`) it may turn on their number, and either is promised (None),
    if a delta allows. Gaussian noise grows with the root of that number, Laplace noise with itself: where it is
    Gaussian for one group, or Laplace for the most, it is so for all. One that serves the widest bounds serves all, for
    noise grows with them. ValueError when none does.
    """
    best = narrow(prefer)
    if free and prefer is None and not best.gaussian and _made(wide, "laplace") is not None:
        found, widest = _made(narrow, "gaussian"), _made(wide, None)
        if found is not None and (widest is None or widest.gaussian):
            return None, found
    first = "gaussian" if best.gaussian else "laplace"
    for name in dict.fromkeys((first, "laplace", "gaussian")) if prefer is None else (first,):
        found = best if name == first else _made(narrow, name)
        if found is not None and _made(wide, name) is not None:
            return name, found
    raise ValueError("no noise for the widest bounds that may be chosen")


def _made(make: Callable[[str | None], Scheme], name: str | None) -> Scheme | None:
    try:
        return make(name)
    except ValueError:
        return None


def _cells(
    question: Question, domain: tuple[Group, ...] | None, found: list[int], same: tuple[bool, ...],
) -> tuple[list[Cell], list[bool]]:
    """The totals that are bought, and which partials the choice of groups serves: those that count its units."""
    served = [domain is None and units for units in same]
    worth = _worths(question)
    return [Cell(max(1, found[i]), worth[i]) for i, by_choice in enumerate(served) if not by_choice], served


def _counted(question: Question, served: Sequence[bool]) -> bool:
    """Whether the answer tells how many units a private group has, by itself or below its other rows."""
    return any(served) or any(partial.first for partial in question.partials)


def _worths(question: Question) -> list[Fraction]:
    """How much the variance of each partial matters, so that the relative errors of the measures balance.

    With noise in proportion to what a unit adds, the squared error of a measure is the sum of c/p over its partials, p
    their shares; c is 1, but 1/4 for the count below a centred sum: an error of it moves the mean by its distance from
    the middle, on average a quarter of the range. Measures with larger errors weigh more until the largest is least.
    """
    measures = [_parts_of(question, uses) for uses in question.uses if uses]
    weights, worths = [1.0] * len(measures), [1.0] * len(question.partials)
    for _ in range(ROUNDS):
        worths = [
            sum(w * part.get(i, 0.0) for w, part in zip(weights, measures, strict=True)) or 1.0
            for i in range(len(question.partials))
        ]
        size = sum(map(math.sqrt, worths))
        errors = [sum(c * size / math.sqrt(worths[i]) for i, c in part.items()) for part in measures]
        before, weights = weights, [w * error / max(errors) for w, error in zip(weights, errors, strict=True)]
        if weights == before:
            break
    return [Fraction(max(1, round(worth / max(worths) * FINEST)), FINEST) for worth in worths]


def _parts_of(question: Question, uses: tuple[int, ...]) -> dict[int, float]:
    centred = any(question.partials[use].centre is not None for use in uses)
    return {use: 0.25 if centred and question.partials[use].centre is None else 1.0 for use in uses}


def _parts(question: Question, many: int, share: Cost) -> tuple[Fraction, Fraction]:
    """The epsilon of `many` totals and the choice of groups together, and of one lookup: equal parts for each."""
    lookups = sum(len(table.bought) for table in question.tables)
    one = share.epsilon / max(1, many + lookups)
    return one * many, one


def _given(noises: Sequence[Noise], served: Sequence[bool]) -> tuple[Noise | None, ...]:
    left = iter(noises)
    return tuple(None if by_choice else next(left) for by_choice in served)


def _least(domain: tuple[Group, ...] | None, catalog: Catalog) -> int | None:
    return catalog.policy.limits.min_units if domain is None else None


def _total(question: Question, same: tuple[bool, ...], catalog: Catalog) -> tuple[str, frozenset[str]]:
    """The statement that adds up the partials of all units, and the parameters it takes."""
    columns = [column for column, one in zip(question.totals, same, strict=True) if not one]
    items = [(Column(-i - 1, column.name, column.type), Fold.SUM, Ref(column)) for i, column in enumerate(columns)]
    units = (Column(-len(items) - 1, "units", BIGINT), Fold.ROWS, None)
    return render_with(Aggregate(question.guarded, question.keys, (*items, units)), catalog)


def _shown_type(column: Column) -> str:
    return "INTEGER" if str(column.type) == "NULL" else str(column.type)


def _too_small(question: Question) -> Exception:
    place = question.ask.places[0] if question.ask.places else None
    return refusal("the epsilon or delta asked for is too small for any answer", place, "ask with more")
