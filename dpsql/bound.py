"""bound: inserts the guards that make a question's sensitivity true. Not trusted: `plan` derives the result again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from dpsql import scalars
from dpsql.aggregates import FAMILIES, ROWS, TABLED, UNITS, Given, Lookup, Partial
from dpsql.catalog import Catalog
from dpsql.expression import BIGINT, HUGEINT, INTEGER, Column, Kind, Lit, Ref, Scalar, SqlType
from dpsql.facts.base import Facts
from dpsql.facts.public import Domain
from dpsql.guard import Ids, Setting, capped, shown
from dpsql.interval import between
from dpsql.number import cells, coarse, number, product
from dpsql.parse import refusal
from dpsql.program import Ask, Measure
from dpsql.relation import Aggregate, Fold, Project, Relation
from dpsql.scalars.unify import FAST_DIGITS
from dpsql.tabulate import Tabulated, tabulate

MAX_STEPS = 1 << 62       # one unit's partial is at most this many steps (design, section 4)
MANY_ROWS = 1 << 24       # of one unit in one group: the top of a ladder, where the policy sets no limit


@dataclass(frozen=True, slots=True)
class Question:
    """A bounded question: one row per unit and group, showing owner, keys and clipped partials.

    `uses` gives for each measure the places of its partials. `rows` is the most rows a unit adds to a group (None: that
    is open); `many` counts them where the statement scales down units with more (else facts prove it). `ladders` gives
    base and top of what is still to be chosen of a partial, `values` the partials before their clips; `open_groups`
    says that the cap on groups is to be chosen too (`probe`). `tables` are further statements, for
    measures that need single rows; `lookups` gives for each measure what it takes from them, if it does.
    """

    ask: Ask
    guarded: Relation
    keys: tuple[Column, ...]
    totals: tuple[Column, ...]
    partials: tuple[Partial, ...]
    uses: tuple[tuple[int, ...], ...]
    types: tuple[SqlType, ...]
    rows: int | None
    many: Column | None
    values: tuple[Scalar, ...]
    ladders: tuple[tuple[int, int] | None, ...]
    open_groups: bool
    tables: tuple[Tabulated, ...] = ()
    lookups: tuple[Lookup | None, ...] = ()

    @property
    def capped(self) -> bool:
        """Whether units with many rows are scaled down."""
        return self.many is not None

    @property
    def scaled(self) -> bool:
        """Whether that changes a partial: flags stay as they are."""
        return self.capped and any(partial.fold is not Fold.MAX for partial in self.partials)


def bound(
    ask: Ask, facts: Facts, domain: Domain | None, groups: Sequence[tuple[object, ...]] | None, catalog: Catalog,
) -> Question:
    """The question with its guards: rows outside the domain dropped, collapse, group cap, row cap, clip.

    `groups` lists the public domain (None for private keys). Raises QueryError when an aggregate has no
    finite range.
    """
    setting = Setting(ask, facts, domain, groups, catalog, Ids())
    alone = setting.alone
    partials, uses = _measured(setting)
    if setting.row_limit is None and facts.rows_per_unit is None and setting.private and not alone:
        partials = tuple(replace(partial, first=True) if partial == ROWS else partial for partial in partials)
    wanted = (partial.row for partial in partials if partial.row is not None)
    rows, owner, keys, rows_of = shown(setting, wanted, "x")
    limit = 1 if alone else setting.row_limit
    known = facts.rows_per_unit is not None and (limit is None or facts.rows_per_unit <= limit)
    cap = None if alone or known else limit
    most = limit if cap is not None or alone else facts.rows_per_unit
    if alone:
        folded, values, count = rows, _unfolded(partials, rows_of), None
    else:
        folded, values, count = _collapse(rows, owner, keys, partials, rows_of, setting.ids)
    folded = capped(folded, owner, keys, setting)
    same = (owner, *keys)
    if cap is not None:
        assert count is not None, "rows are counted where they are limited"
        folded, values = _scaled(folded, same, partials, values, count, cap, setting)
    ladders = tuple(_ladder(value, partial, most) for value, partial in zip(values, partials, strict=True))
    clips = zip(values, partials, ladders, strict=True)
    clipped = [_clip(value, partial, most, ladder, setting.ask) for value, partial, ladder in clips]
    totals = tuple(setting.ids.proved(f"p{i + 1}", value) for i, value in enumerate(clipped))
    kept = tuple((column, Ref(column)) for column in same)
    guarded = Project(folded, (*kept, *zip(totals, clipped, strict=True)))
    tables, lookups = tabulate(setting, tuple(
        TABLED[measure.family].lookup(measure, given) if measure.family in TABLED else None
        for measure, given in _givens(setting)
    ))
    types = tuple((FAMILIES | TABLED)[measure.family].type(measure) for measure in ask.measures)
    return Question(
        ask, guarded, keys, totals, partials, uses, types, most, count if cap is not None else None, tuple(values),
        ladders, setting.open_groups, tables, lookups,
    )


def _givens(setting: Setting) -> list[tuple[Measure, Given]]:
    """Each measure with what its family may ask."""
    siblings = frozenset(setting.ask.measures)
    return [(measure, _given(setting, place, siblings))
            for measure, place in zip(setting.ask.measures, setting.ask.places, strict=True)]


def _given(setting: Setting, place: exp.Expr, siblings: frozenset[Measure]) -> Given:
    facts = setting.facts
    many = 1 if not setting.ask.keys else None if setting.groups is None else len(setting.groups)
    return Given(
        lambda scalar: number(scalar, facts, place),
        lambda scalar: coarse(scalar, facts, place),
        lambda one, other: product(one, other, place),
        lambda scalar: cells(scalar, facts, place, many),
        lambda scalar: scalars.nullable(scalar, lambda column: column.id in facts.nullable),
        siblings,
    )


def _measured(setting: Setting) -> tuple[tuple[Partial, ...], tuple[tuple[int, ...], ...]]:
    """The distinct partials of all measures (the same one asked twice is bought once), and who uses which.

    Where a unit has one row in a group, its rows are its units.
    """
    bought: list[Partial] = []
    uses: list[tuple[int, ...]] = []
    for measure, given in _givens(setting):
        family = FAMILIES.get(measure.family)
        partials = family.partials(measure, given) if family is not None else ()
        stated = tuple(UNITS if setting.alone and partial == ROWS else partial for partial in partials)
        bought += [partial for partial in stated if partial not in bought]
        uses.append(tuple(bought.index(partial) for partial in stated))
    return tuple(bought), tuple(uses)


def _collapse(
    shown: Relation, owner: Column, keys: tuple[Column, ...], partials: tuple[Partial, ...],
    rows_of: dict[Scalar, Column], ids: Ids,
) -> tuple[Relation, list[Scalar], Column]:
    """One row per unit and group, with its rows counted and each partial folded."""
    count = ids.fresh("n", BIGINT)
    items: dict[tuple[Fold, Scalar | None], Column] = {(Fold.ROWS, None): count}
    for partial in partials:
        if partial.row is not None and (partial.fold, partial.row) not in items:
            type_ = _folded_type(partial.fold, rows_of[partial.row].type)
            items[partial.fold, partial.row] = ids.fresh(f"f{len(items)}", type_)
    listed = tuple(
        (column, fold, Ref(rows_of[row]) if row is not None else None) for (fold, row), column in items.items()
    )
    values: list[Scalar] = [Ref(items[partial.fold, partial.row]) for partial in partials]
    beyond = [
        scalars.call("-", value, Lit(1, BIGINT)) if partial.first else value
        for value, partial in zip(values, partials, strict=True)
    ]
    return Aggregate(shown, (owner, *keys), listed), beyond, count


def _folded_type(kind: Fold, row: SqlType) -> SqlType:
    if kind is Fold.SUM:
        return SqlType(Kind.DECIMAL, 38, row.scale) if row.kind is Kind.DECIMAL else HUGEINT
    return row if kind is Fold.MAX else BIGINT


def _unfolded(partials: tuple[Partial, ...], rows_of: dict[Scalar, Column]) -> list[Scalar]:
    """The same folds over the single row that a unit has in a group."""
    values: list[Scalar] = []
    for partial in partials:
        row = Ref(rows_of[partial.row]) if partial.row is not None else None
        if partial.fold is Fold.COUNT and row is not None:
            values.append(_one_if_there(row))
        else:
            values.append(Lit(1, INTEGER) if row is None else row)
    return values


def _one_if_there(row: Scalar) -> Scalar:
    return scalars.call("one_if", scalars.call("is_not_null", row))


def _scaled(
    source: Relation, same: tuple[Column, ...], partials: tuple[Partial, ...], values: list[Scalar], count: Column,
    most: int, setting: Setting,
) -> tuple[Relation, list[Scalar]]:
    """The partials of a unit scaled down above `most` rows, so that means stay means."""
    limit, ids = Lit(most, BIGINT), setting.ids
    scaled = [
        scalars.call("shrink", value, Ref(count), limit) if partial.fold in (Fold.SUM, Fold.COUNT) else value
        for value, partial in zip(values, partials, strict=True)
    ]
    columns = [ids.fresh(f"r{i + 1}", value.type) for i, value in enumerate(scaled)]
    kept = tuple((column, Ref(column)) for column in same)
    return Project(source, (*kept, *zip(columns, scaled, strict=True))), [Ref(column) for column in columns]


def _ladder(value: Scalar, partial: Partial, most: int | None) -> tuple[int, int] | None:
    """Base and top of what a unit may add to a partial, in steps, where neither policy nor facts bound it tightly.

    The base is the most that one row adds, or a step where nobody said; the top what can still be added up.
    """
    if partial.within is not None or partial.fold is Fold.MAX or (most is not None and not partial.loose):
        return None
    row = max(-partial.low, partial.high, 1)
    top = 10**FAST_DIGITS - 1 if value.type.kind is Kind.DECIMAL else MAX_STEPS
    rows = MANY_ROWS if most is None else most
    return (1, min(top, row * rows)) if partial.loose else (min(row, top), min(top, row * rows))


def _clip(
    value: Scalar, partial: Partial, most: int | None, ladder: tuple[int, int] | None, ask: Ask,
) -> Scalar:
    """The value held within what one unit may add, if that is known."""
    if ladder is not None:
        return clip(value, partial, ladder[1])
    if partial.within is not None:
        low, high = (max(-MAX_STEPS, min(MAX_STEPS, end)) for end in partial.within)
        return _within(value, low, max(low, high))
    times = 1 if partial.fold is Fold.MAX or most is None else most
    largest = max(-partial.low, partial.high) * times
    if largest > MAX_STEPS:
        raise refusal(
            "the declared range and the row limit together are too large to add up exactly", ask.places[0],
            "ask for fewer decimals: ROUND or CAST to a coarser DECIMAL",
        )
    return _within(value, min(0, partial.low * times), max(0, partial.high * times))


def clip(value: Scalar, partial: Partial, most: int) -> Scalar:
    """A unit's value of a partial held within `most` steps either way, or above 0 where it is never below."""
    return _within(value, -most if partial.low < 0 else 0, most if partial.high > 0 else 0)


def _within(value: Scalar, low: int, high: int) -> Scalar:
    """A value whose own form proves the range is left as it is."""
    step = Fraction(1, 10**value.type.scale)
    if scalars.enforced(value).within(between(low * step, high * step)):
        return value
    return scalars.call("clip", value, Lit(low, HUGEINT), Lit(high, HUGEINT))
