"""choose: the statement that runs, once the bounds that a question left open are chosen from exact counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from dpsql.bound import Question
from dpsql.derive import derive
from dpsql.domain import Group
from dpsql.engines.base import Rows
from dpsql.errors import InternalError
from dpsql.noise.gain import most_gained
from dpsql.noise.search import USUAL, beyond, clipped, needed, search
from dpsql.probe import LIMITS, Probe, Rungs, capped_at, clipped_at, kept_counted, values_counted
from dpsql.release import inside, named, steps
from dpsql.sensitivity import groups_touched
from dpsql.statement import Opening, Statement, statement
from dpsql.tabulate import kept_at
from dpsql.tally import countings, tallies

Run = Callable[[str, frozenset[str]], Rows]
Row = tuple[object, ...]

LOST = 8, 1000      # below so many steps, or such a part of one, a search of undeclared values found nothing
SMALL = 100         # below, a size of undeclared values may be chosen for want of people; of counts below USUAL


def choose(planned: Statement, run: Run) -> tuple[Statement, Rows]:
    """The statement with its bounds chosen, and the exact rows of its totals.

    Theorem: what is chosen is differentially private with the searches' events of the statement, and the rest of its
    events cover the statement returned.
    Proof: exact counts reach the outcome through `search` and `most_gained` alone; one unit adds to them what
    `groups_counted`, `values_counted` and `kept_counted` say, at most C = the cap that is printed, or the number of
    groups counted. The statement returned
    is a function of the question and of what was chosen; it is derived again, and what it costs is compared here.
    Needs: `dpsql.noise.search.search_event`; `dpsql.noise.gain.gain_event`; `dpsql.noise.scheme.promised`.
    Source: design.md, section 4, Bounds nobody had to guess.
    """
    opening = planned.opening
    if opening is None:
        return planned, run(planned.sql, planned.params) if planned.sql else Rows((), [])
    question, probe = planned.question, opening.probe
    counts, groups = run(opening.sql, opening.params) if opening.sql else Rows((), []), probe.groups
    if probe.cap is not None:
        groups = probe.cap[_place([(row[0], row[1]) for row in counts.values], probe.cap, 1, probe, 1)]
        question = capped_at(question, groups)
        if probe.searched:
            counts = run(*values_counted(question, probe, opening.catalog))
    assert groups is not None, "a cap is known or searched"
    rows = inside(planned, counts.values) if probe.keyed and probe.searched else counts.values
    keys = len(question.keys) if probe.keyed else 0
    chosen = {
        i: _place(
            [(row[keys + at], row[-1]) for row in rows], _rungs(probe, i), groups, probe, question.partials[i].whole
        ) for at, i in enumerate(probe.searched)
    }
    most = [_rungs(probe, i)[chosen[i]] if i in chosen else None for i in range(len(question.partials))]
    question = _kept(planned, clipped_at(question, most), opening, run)
    closed = replace(_closed(planned, opening, question), needs=_needs(question, most, groups, probe))
    if probe.keyed and probe.searched:
        return closed, Rows(("exact",), _totals(closed, probe, rows, chosen))
    return closed, run(closed.sql, closed.params) if closed.sql else Rows((), [])


def _kept(planned: Statement, question: Question, opening: Opening, run: Run) -> Question:
    """The question with the limits on rows of its tables chosen, from what each of them counts."""
    tables, keys = list(question.tables), len(question.keys)
    for i in opening.probe.tables:
        table, counts = tables[i], [0] * len(LIMITS)
        groups = groups_touched(table.keys, planned.domain, derive(table.guarded, opening.catalog))
        found = run(*kept_counted(table, opening.catalog)).values
        for row in found if planned.domain is None else inside(planned, found):
            place, many = row[keys:]
            assert isinstance(place, int) and isinstance(many, int), "a place and a count"
            counts[place] += many
        place = most_gained(counts, LIMITS, groups, opening.probe.width)
        # twice as many: noise doubles, but what a limit may lose unseen is worth a dozen times the noise
        tables[i] = kept_at(table, LIMITS[min(place + 1, len(LIMITS) - 1)])
    return replace(question, tables=tuple(tables))


def _needs(question: Question, most: Sequence[int | None], groups: int, probe: Probe) -> tuple[float, ...]:
    """How many contributions must be seen in the totals before the size chosen for a partial tells how much they add.

    A small size is chosen for small numbers, but also for want of people. At a size of undeclared values that few data
    have no number suffices; at one that is ordinary, as many as it takes to find one so much larger.
    """
    steps, part = LOST
    found = [0.0] * len(most)
    for i, (partial, t) in enumerate(zip(question.partials, most, strict=True)):
        if t is None:
            continue
        reach = SMALL if partial.loose else USUAL
        lost = partial.whole > 1 and t < max(steps, partial.whole // part)
        if t < reach * (partial.whole if partial.loose else _rungs(probe, i)[0]):
            found[i] = math.inf if lost else needed(groups, probe.width, reach)
    return tuple(found)


def _rungs(probe: Probe, i: int) -> Rungs:
    rungs = probe.rungs[i]
    assert rungs is not None, "a search has a ladder"
    return rungs


def _place(
    found: Sequence[tuple[object, object]], rungs: Rungs, groups: int, probe: Probe, whole: int,
) -> int:
    """The place chosen on a ladder, from (place, contributions there); a row without a place is none's."""
    counts = [0] * len(rungs)
    for place, many in found:
        if isinstance(place, int) and isinstance(many, int):
            counts[place] += many
    return search(beyond(counts), rungs, groups, probe.width, whole)


def _totals(closed: Statement, probe: Probe, rows: Sequence[Row], chosen: dict[int, int]) -> list[Row]:
    """The rows that the closed statement's SQL would give: keys, totals of the clipped partials, units.

    Theorem: they are.
    Proof: `clipped` for the partials searched, from the rows of their own rungs; the others, and the units, come from
    the row of a group that has no rung.
    Needs: rungs compared exactly, `values_counted`.
    Source: design.md, section 4.
    """
    question = closed.question
    keys, many = len(question.keys), len(probe.searched)
    bought = [i for i, same in enumerate(closed.constant) if not same]
    first = keys + many
    whole: dict[Group, Row] = {}
    sums: dict[tuple[int, Group], tuple[list[int], list[int]]] = {}
    for row in rows:
        group = named(row[:keys])
        at = next((at for at in range(many) if row[keys + at] is not None), None)
        if at is None:
            whole[group] = row
            continue
        i, place = probe.searched[at], row[keys + at]
        assert isinstance(place, int), "a rung is a place"
        rungs = _rungs(probe, i)
        total, sign = sums.setdefault((i, group), ([0] * len(rungs), [0] * len(rungs)))
        total[place] += steps(row[first + bought.index(i)], question.totals[i].type.scale)
        sign[place] += steps(row[first + len(bought) + at], 0)
    found: list[Row] = []
    for group, row in whole.items():
        totals: list[object] = list(row[first : first + len(bought)])
        for i, place in chosen.items():
            total, sign = sums.get((i, group), ([], []))
            totals[bought.index(i)] = clipped(total, sign, _rungs(probe, i), place)
        found.append((*row[:keys], *totals, row[-1]))
    return found


def _closed(planned: Statement, opening: Opening, question: Question) -> Statement:
    """The statement of the question as it is now; InternalError where it costs more than was promised."""
    made = statement(
        question, planned.domain, opening.catalog, opening.rest, opening.prefer, quality=opening.quality)
    if planned.tallies:
        part = sum((event.epsilon for tally in planned.tallies for event in tally.spent()), Fraction(0))
        found = countings(question, opening.probe.searched)
        made = replace(made, tallies=tallies(found, planned.domain, opening.catalog, part))
    left = planned.spent()[len(opening.probe.events):]
    for amount in ("epsilon", "delta", "rho", "slack"):
        if sum(getattr(event, amount) for event in made.spent()) > sum(getattr(event, amount) for event in left):
            raise InternalError("a statement costs more than was promised before its bounds were chosen")
    return replace(made, level=planned.level)
