"""warn: what an analyst should know of an answer, from the plan and from released numbers alone.

How many groups were withheld is never said, for that depends on the data.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from decimal import Decimal

from dpsql.aggregates import Kept
from dpsql.answer import Clipped
from dpsql.bound import Question
from dpsql.catalog import Catalog
from dpsql.derive import Known, derive
from dpsql.expression import Call, Lit, Ref, Scalar
from dpsql.noise import quantile
from dpsql.noise.search import LOOSE, USUAL, needed, passing
from dpsql.probe import cap_of
from dpsql.relation import CapRows, Filter, Fold, Project, Relation
from dpsql.side import Side
from dpsql.statement import Statement
from dpsql.tally import PAIRS, Cut, Guard, Share

BUY = "quality buys one"
RANGE = "a range of the column"


def warn(statements: Sequence[Statement], catalog: Catalog, known: Known) -> tuple[str, ...]:
    """What the plan tells before anything runs; `known` is what `derive` remembers. Pure."""
    found: dict[str, None] = {}
    for statement in statements:
        told = (*_private(statement), *_outside(statement, catalog), *_capped(statement),
                *_single(statement, catalog, known), *_rows(statement), *_inside(statement))
        found |= dict.fromkeys(told)
    return (*found, *_searched(statements), *_held(statements))


def _private(statement: Statement) -> list[str]:
    """Private groups, and how few people a group has when its own noise decides whether it is shown."""
    if statement.chosen is None:
        return []
    told, opening = "groups are private: those with few people are not shown", statement.opening
    if statement.chosen.bit:            # what is released does not decide
        return [told]
    few = "few" if opening is not None and opening.probe.groups is None else f"fewer than {statement.chosen.visible()}"
    return [f"{told}; one of {few} people is shown only if noise adds to its number, "
            "perhaps more than the interval says"]


def notice(names: Sequence[str], rows: Sequence[Sequence[object]], ends: Sequence[Sequence[object]]) -> tuple[str, ...]:
    """What the released numbers tell: columns most of whose values are smaller than their own error."""
    small = []
    for i, name in enumerate(names):
        pairs = [(row[i], pair) for row, each in zip(rows, ends, strict=True) if isinstance(pair := each[i], tuple)]
        drowned = sum(_wider(value, *pair) for value, pair in pairs)
        if 2 * drowned > len(pairs):
            small.append(name)
    whose = "its" if len(small) == 1 else "their"
    return () if not small else (
        f"the noise of {_listed(small)} is larger than {whose} values: ask about more people, or with more epsilon",)


def cut(planned: Statement, closed: Statement, unseen: frozenset[int]) -> tuple[str, ...]:
    """What was chosen for a statement, and how much was cut at most: from what its searches released, and their law.

    `unseen` are the partials whose size too few people spoke for.
    """
    if planned.opening is None:
        return ()
    of, found = planned.opening.probe, []
    sure, counted = f"with {100 * planned.level:g} %", _counted(closed)
    if of.cap is not None and closed.groups < of.cap[-1] and Cut(Guard.GROUPS) not in counted:
        most = passing(of.cap, closed.groups, 1, of.width, planned.level)
        found.append(f"a person counts in at most {_number(closed.groups, 'group')}, as chosen privately: {sure} at "
                     f"most {most} people are in more, and some of theirs are left out")
    cuts = [(i, rungs, closed.sensitivities[i] // closed.groups) for i in of.searched if (rungs := of.rungs[i])]
    partials = planned.question.partials
    each, who = ("a person and group", PAIRS) if planned.question.keys else (
        "a person", "people")
    sizes = {i: f"{_users(planned, i)} at {_size(planned, i, t):.6g}" for i, _, t in cuts}
    if lost := [i for i in sorted(unseen) if closed.needs[i] == math.inf]:
        names = dict.fromkeys(_users(planned, i) for i in lost)
        found.append(f"no size was found for {', '.join(names)}, which was cut to almost 0: all that people add "
                     "is nearly 0, or they are too few, and what is shown means nothing and has no interval; declare a "
                     "range, or ask with more epsilon")
    few = {loose: [sizes[i] for i in sorted(unseen.difference(lost)) if partials[i].loose == loose]
           for loose in (False, True)}
    found += [
        f"what {each} adds was cut, {', '.join(some)}, and people are too few to find out whether it is more: what is "
        f"shown may be far too small{', and has no interval' * loose}" for loose, some in few.items() if some
    ]
    if cuts := [(i, rungs, t) for i, rungs, t in cuts if i not in unseen and rungs[0] <= t < rungs[-1]]:
        most = max(
            passing(rungs, t, closed.groups, of.width, planned.level, partials[i].whole) for i, rungs, t in cuts
        )
        told = "" if counted.issuperset(Cut(Guard.SIZE, i) for i, _, _ in cuts) else (
            f"what {each} adds was cut where it was chosen privately, {', '.join(sizes[i] for i, _, _ in cuts)}: "
            f"{sure} at most {most} {who} had more{' of each' * (len(cuts) > 1)}; ")
        found.append(f"{told}intervals are of the noise alone, and where some had far more than the cut the true "
                     f"number lies outside{_above(planned, [i for i, _, _ in cuts])}")
    return (*found, *_left_out(closed, of.tables, ", as chosen privately"))


def clipped(closed: Statement, found: Sequence[Share]) -> tuple[Clipped, ...]:
    """The noisy shares of what was cut, in words."""
    return tuple(
        Clipped(share.whose, _what(closed, share.cut), share.value, share.low, share.high, closed.level)
        for share in found
    )


def _what(closed: Statement, cut: Cut) -> str:
    """What of a contribution a guard changed."""
    match cut.guard:
        case Guard.GROUPS:
            cap = cap_of(closed.question.guarded)
            assert cap is not None, "a cap was counted"
            return f"are in more than {_number(cap.limit, 'group')}, and some of theirs are left out"
        case Guard.ROWS:
            return f"have more than {_number(closed.question.rows or 0, 'row')}, and are scaled down to that"
        case Guard.SIZE:
            size = _size(closed, cut.place, closed.sensitivities[cut.place] // closed.groups)
            return f"add more to {_users(closed, cut.place)} than {size:.6g}, where they are cut"
        case Guard.KEPT:
            side = closed.sides[cut.place]
            some = _number(_kept(side.table.guarded) or 0, _one(side))
            return f"have more than {some} in {_lookups(closed, side)}, and some of these are left out"


def _counted(statement: Statement) -> frozenset[Cut]:
    """The guards whose noisy shares are bought, which say more than that there are such guards."""
    return frozenset(cut for tally in statement.tallies for cut in tally.cuts)


def _above(statement: Statement, cut: Sequence[int]) -> str:
    """The totals that a cut only makes smaller: of what is never negative."""
    question = statement.question
    pairs = zip(question.ask.measures, question.uses, strict=True)
    found = dict.fromkeys(
        measure.family.upper() for measure, uses in pairs for i in uses
        if measure.family in ("count", "sum") and i in cut and question.partials[i].low >= 0
    )
    return f", above the interval of {'/'.join(found)}" if found else ""


def _users(statement: Statement, i: int) -> str:
    """The aggregates that take a partial: of one that counts, but COUNT itself, the rows."""
    question = statement.question
    counted = question.partials[i].fold in (Fold.ROWS, Fold.COUNT)
    pairs = zip(question.ask.measures, question.uses, strict=True)
    names = dict.fromkeys(measure.family.upper() for measure, uses in pairs if i in uses)
    return "/".join(f"rows of {name}" if counted and name != "COUNT" else name for name in names)


def _size(statement: Statement, i: int, t: int) -> float:
    partial = statement.question.partials[i]
    return float((t + partial.first) * partial.unit)


def _capped(statement: Statement) -> list[str]:
    """A cap that may leave out part of a person's groups."""
    cap = cap_of(statement.question.guarded)
    if cap is None or statement.opening is not None or Cut(Guard.GROUPS) in _counted(statement):
        return []
    domain = statement.domain
    most = _number(cap.limit, "group") if domain is None else f"{cap.limit} of the {len(domain)} groups"
    return [f"a person counts in at most {most}: of people in more, some groups are left out"]


def _held(statements: Sequence[Statement]) -> list[str]:
    """Declared ranges that what is added up is held within: a value outside is moved."""
    rows = (partial.row for statement in statements for partial in statement.question.partials)
    ends = dict.fromkeys(found for row in rows if row is not None for found in _clamps(row))
    shown = ", ".join(f"{name} {low} to {high}" for name, low, high in ends)
    return [f"values outside a declared range count as its nearest end: {shown}"] if shown else []


def _clamps(scalar: Scalar) -> Iterator[tuple[str, object, object]]:
    """The columns that a scalar holds within their declared ranges, with the ends."""
    match scalar:
        case Call("clamp", (Ref(column), Lit(low), Lit(high))) if column.declared is not None:
            yield column.source or column.name, _end(low), _end(high)
        case Call(_, args):
            for arg in args:
                yield from _clamps(arg)


def _end(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _outside(statement: Statement, catalog: Catalog) -> list[str]:
    """Rows that no public group takes, and the group of NULL, which is listed whether or not anybody is in it."""
    found = []
    for i, key in enumerate(statement.question.ask.keys if statement.domain is not None else ()):
        assert statement.domain is not None
        there = {group[i] for group in statement.domain}
        column = key.scalar.column if isinstance(key.scalar, Ref) else None
        stored = column is not None and column.table is not None and column.source is not None
        listed = catalog.column(str(column.table), str(column.source)).values if column is not None and stored else None
        if column is not None and listed is not None and len(there - {None}) >= len(listed):
            null = "NULL or " if column.nullable and None not in there else ""
            found.append(f"rows whose {column.name} is {null}none of its {len(listed)} declared values are in no group")
        if None in there and not isinstance(key.scalar, Lit):
            found.append("a group of NULL is shown whether or not anybody is in it")
    return found


def _rows(statement: Statement) -> list[str]:
    """A limit on rows that may leave out part of what a person has in a group."""
    question, found = statement.question, []
    if question.scaled and Cut(Guard.ROWS) not in _counted(statement):
        found.append(f"a person counts with at most {_number(question.rows or 0, 'row')}{_in_group(question)}: people "
                     "with more are scaled down to that")
    stated = [i for i, side in enumerate(statement.sides) if not side.table.open]
    return [*found, *_left_out(statement, stated)]


def _left_out(statement: Statement, sides: Sequence[int], how: str = "") -> list[str]:
    """The limits on the rows that sides count, where they have any whose share is not bought."""
    each, bought = _in_group(statement.question), _counted(statement)
    limits = [
        f"{_number(limit, _one(side))}{each} in {_lookups(statement, side)}" for i in sides
        if (limit := _kept((side := statement.sides[i]).table.guarded)) is not None and Cut(Guard.KEPT, i) not in bought
    ]
    return [f"a person counts with at most {_listed(limits)}{how}: of people with more, some are left out"
            ] if limits else []


def _one(side: Side) -> str:
    return "distinct value" if side.table.kept is Kept.DISTINCT else "row"


def _in_group(question: Question) -> str:
    return " in a group" if question.keys else ""


def _kept(relation: Relation) -> int | None:
    """The limit of a cap on rows."""
    while isinstance(relation, Project | Filter):
        relation = relation.source
    return relation.limit if isinstance(relation, CapRows) else None


def _lookups(statement: Statement, side: Side) -> str:
    """The aggregates that a side serves."""
    question, served = statement.question, set(side.table.lookups)
    pairs = zip(question.ask.measures, question.lookups, strict=True)
    names = (measure.family.upper() for measure, lookup in pairs if lookup in served)
    said = {"DISTINCT": "COUNT(DISTINCT)", "QUANTILE_CONT": "quantiles", "QUANTILE_DISC": "quantiles"}
    return "/".join(dict.fromkeys(said.get(name, name) for name in names))


def _searched(statements: Sequence[Statement]) -> list[str]:
    """Bounds that are chosen privately, which takes people: fewer, and the answer is clipped hard."""
    people, cures = 0, dict[str, None]()
    for statement in statements:
        if statement.opening is None:
            continue
        of, partials = statement.opening.probe, statement.question.partials
        sums = [needed(of.groups or 1, of.width, LOOSE if partials[i].loose else USUAL, partials[i].whole)
                for i in of.searched]
        rows = [math.ceil(1.5 * needed(of.groups or 1, of.width, USUAL))] * bool(of.tables)
        caps = [needed(1, of.width, USUAL)] * (of.cap is not None)
        people = max([people, *sums, *rows, *caps])
        many = statement.question.rows is None or bool(of.tables)
        ranges = any(partials[i].loose for i in of.searched)
        cures |= dict.fromkeys(["max_groups"] * bool(caps) + ["max_rows_per_group"] * many
                               + [RANGE] * ranges)
    return [
        f"how much one person counts is chosen privately: below about {people} people an answer may be far too small"
        f"{', and the owner can declare ' * bool(cures)}{_listed(list(cures))}"
        f"{', or the query hold values within one by LEAST and GREATEST' * (RANGE in cures)}"
    ] if people else []


def _single(statement: Statement, catalog: Catalog, known: Known) -> list[str]:
    """Groups that hold one row, by a key that is known to hold."""
    ask = statement.question.ask
    keys = frozenset(key.scalar.column.id for key in ask.keys if isinstance(key.scalar, Ref))
    facts = derive(ask.rows, catalog, known)
    if not any(unique <= keys for unique in facts.unique | facts.grouped):
        return []
    return ["each group is a single person's: the noise hides it"]


def _inside(statement: Statement) -> list[str]:
    """How near a chosen value is: by rank, for what lies between ranks is private; extremes keep away from the ends."""
    found, reach = [], 0
    for side in statement.sides:
        who = "rows" if side.table.kept is Kept.ROWS else "people"
        for choice in side.choices:
            rank, grid = choice.rank, choice.lookups[0].grid
            if rank is None or grid is None:
                continue
            bare = choice.spread is None
            if statement.opening is not None and statement.opening.probe.groups is None:
                # ranks are known once groups are
                found += [f"quantiles, MIN and MAX have no interval; {BUY}"] * bare
            elif rank.margin is None or rank.margin < 2:
                reach = max(reach, bare * math.ceil(quantile.reach(rank, grid.places)))
            else:
                name, way, last = ("MIN", "below", "lowest") if rank.fraction * 2 < 1 else ("MAX", "above", "highest")
                count = math.ceil(rank.margin)
                found.append(f"{name} is a value with about {count} {who} {way} it: the very {last} is one person's")
    if reach:
        found.append(f"a quantile has no interval: with 95 % at most {reach} rows lie between it and the true one; "
                     f"{BUY}")
    return found


def _wider(value: object, low: object, high: object) -> bool:
    numbers = (value, low, high)
    if not all(isinstance(number, int | float | Decimal) and number == number for number in numbers):
        return False
    return float(high) - float(low) > 2 * abs(float(value))  # type: ignore[arg-type]


def _number(count: int, word: str) -> str:
    return f"{count} {word}{'s' * (count != 1)}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1])] * (len(names) > 1) + list(names[-1:]))
