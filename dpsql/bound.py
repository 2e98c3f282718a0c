"""bound: inserts the guards that make a question's sensitivity true. Not trusted: `plan` derives the result again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlglot import exp

from dpsql import scalars
from dpsql.aggregates import FAMILIES, ROWS, UNITS, Given, Number, Partial
from dpsql.catalog import Catalog
from dpsql.expression import (
    BIGINT,
    DOUBLE,
    HUGEINT,
    INTEGER,
    Column,
    Kind,
    Lit,
    Ref,
    Scalar,
    SqlType,
    Value,
    columns_of,
)
from dpsql.facts.base import Facts
from dpsql.facts.public import Domain, Listed, plain
from dpsql.facts.stability import groups_per_unit, one_row_per_group
from dpsql.hoist import hoisted
from dpsql.interval import ANY, Interval, between
from dpsql.parse import refusal
from dpsql.program import Ask, Measure
from dpsql.relation import Aggregate, CapGroups, Filter, Fold, Project, Relation, tables_of

GRID_BITS = 40            # a DOUBLE is at most 2^40 steps a row: its grid error is far below any noise
LARGEST = 10**300         # of a DOUBLE that is summed: sums and their noise stay finite
MAX_STEPS = 1 << 62       # one unit's partial is at most this many steps (design, section 4)


@dataclass(frozen=True, slots=True)
class Question:
    """A bounded question: one row per unit and group, showing owner, keys and clipped partials.

    `uses` gives for each measure the places of its partials. `rows` is the most rows a unit adds to a group; `capped`
    says that the statement scales down units with more (else facts prove it).
    """

    ask: Ask
    guarded: Relation
    keys: tuple[Column, ...]
    totals: tuple[Column, ...]
    partials: tuple[Partial, ...]
    uses: tuple[tuple[int, ...], ...]
    types: tuple[SqlType, ...]
    rows: int
    capped: bool


@dataclass(slots=True)
class _Ids:
    last: int

    def fresh(self, name: str, type_: SqlType) -> Column:
        self.last += 1
        return Column(self.last, name, type_)

    def proved(self, name: str, scalar: Scalar) -> Column:
        """A column that keeps the range its expression proves; `derive` checks it."""
        interval = scalars.enforced(scalar)
        return replace(self.fresh(name, scalar.type), proved=interval if interval.finite else None)


def bound(ask: Ask, facts: Facts, domain: Domain | None, groups: int | None, catalog: Catalog) -> Question:
    """The question with its guards: rows outside the domain dropped, collapse, group cap, row cap, clip.

    `groups` is the size of the public domain (None for private keys). Raises QueryError when an aggregate has no
    finite range.
    """
    assert facts.owner is not None, "a question is asked of owned rows"
    ids = _Ids(1_000_000)
    alone = one_row_per_group(facts, frozenset(_plain_ids(ask)))
    partials, uses, types = _measured(ask, facts, alone)
    shown, owner, keys, rows_of = _shown(_with_owner(ask, facts), facts.owner, ask, partials, ids)
    limit = 1 if alone else _row_limit(ask.rows, catalog)
    cap = None if alone or (facts.rows_per_unit is not None and facts.rows_per_unit <= limit) else limit
    most = limit if cap is not None or alone else facts.rows_per_unit
    assert most is not None
    if alone:
        folded, values, count = shown, _unfolded(partials, rows_of), None
    else:
        folded, values, count = _collapse(shown, owner, keys, partials, rows_of, ids)
    if _needs_cap(ask, facts, groups, catalog):
        inside = _in_domain(folded, keys, domain or ())
        folded = CapGroups(inside, owner, keys, catalog.policy.limits.max_groups)
    guarded, totals = _clipped(folded, (owner, *keys), partials, values, count if cap else None, most, ask, ids)
    return Question(ask, guarded, keys, totals, partials, uses, types, most, cap is not None)


def _measured(
    ask: Ask, facts: Facts, alone: bool,
) -> tuple[tuple[Partial, ...], tuple[tuple[int, ...], ...], tuple[SqlType, ...]]:
    """The distinct partials of all measures (the same one asked twice is bought once), and who uses which.

    Where a unit has one row in a group, its rows are its units.
    """
    bought: list[Partial] = []
    uses: list[tuple[int, ...]] = []
    types: list[SqlType] = []
    for measure, place in zip(ask.measures, ask.places, strict=True):
        family = FAMILIES[measure.family]
        given = Given(
            lambda scalar, place=place, measure=measure: number(scalar, facts, place, measure),  # type: ignore[misc]
            lambda scalar: scalars.nullable(scalar, lambda c: c.id in facts.nullable),
            frozenset(ask.measures),
        )
        stated = tuple(UNITS if alone and p == ROWS else p for p in family.partials(measure, given))
        bought += [partial for partial in stated if partial not in bought]
        uses.append(tuple(bought.index(partial) for partial in stated))
        types.append(family.type(measure, given))
    return tuple(bought), tuple(uses), tuple(types)


def number(scalar: Scalar, facts: Facts, place: exp.Expr, measure: Measure) -> Number:
    """A numeric expression as exact steps within a clip chosen from what is believed of it.

    Raises QueryError at `place` when no finite range is known, naming the columns to declare.
    """
    believed = scalars.bounds(scalar, lambda c: facts.intervals.get(c.id, ANY))
    loose = _loose(scalar, facts)
    if not believed.finite or _rests_on(scalar, facts, loose, believed) or _only_typed(scalar, facts, believed):
        raise _unbounded(loose, place, measure)
    within = scalars.enforced(scalar).within(believed)
    if scalar.type.kind is Kind.DOUBLE:
        if believed.magnitude > LARGEST:
            raise refusal("the range is too large to add up", place, "declare a smaller one, or divide first")
        return _on_grid(scalars.clamp(scalar, believed), believed.magnitude)
    row = scalar if within else scalars.clamp(scalar, believed)
    unit = Fraction(1, 10**scalar.type.scale)
    low, high = (end / unit for end in believed.ends)
    released = SqlType(Kind.DECIMAL, 38, scalar.type.scale) if scalar.type.kind is Kind.DECIMAL else HUGEINT
    return Number(row, math.floor(low), math.ceil(high), unit, released)


def _on_grid(clamped: Scalar, magnitude: Fraction) -> Number:
    """Steps of 2^-k, k so that the largest magnitude is about 2^GRID_BITS of them."""
    power = GRID_BITS - (max(-900, math.ceil(math.log2(magnitude))) if float(magnitude) else -900)
    power = max(-980, min(980, power))
    row = scalars.call("grid", clamped, Lit(power, INTEGER))
    low, high = scalars.enforced(row).ends
    return Number(row, math.floor(low), math.ceil(high), 1 / Fraction(2) ** power, DOUBLE)


def _loose(scalar: Scalar, facts: Facts) -> list[Column]:
    """The numeric columns an expression reads of which only the type is known."""
    return [
        c for c in dict.fromkeys(columns_of(scalar))
        if c.type.numeric and c.table and not facts.intervals.get(c.id, ANY).finite
    ]


def _rests_on(scalar: Scalar, facts: Facts, loose: list[Column], believed: Interval) -> bool:
    """Whether the bounds come from the mere types of these columns: half the type's range would change them."""

    def halved(column: Column) -> Interval:
        if column not in loose or not column.type.range.finite:
            return facts.intervals.get(column.id, ANY)
        low, high = column.type.range.ends
        return Interval(low / 2, high / 2)

    return scalars.bounds(scalar, halved) != believed


def _only_typed(scalar: Scalar, facts: Facts, believed: Interval) -> bool:
    """Whether the bounds are the ends of a wide type and nobody declared them: such noise is of no use to anybody."""
    whole = scalar.type.range
    wide = scalar.type.kind is Kind.DECIMAL or scalar.type.width >= 64
    declared = all(facts.intervals.get(c.id, ANY).finite for c in columns_of(scalar))
    return whole.finite and wide and not declared and (believed.low == whole.low or believed.high == whole.high)


def _unbounded(loose: list[Column], place: exp.Expr, measure: Measure) -> Exception:
    name = measure.family.upper()
    if not loose:
        return refusal(
            f"{name} needs a finite range, and none is known of this expression", place,
            "bound it, as in LEAST(GREATEST(x, 0), 100)",
        )
    named = " and ".join(f"{c.table}.{c.source}" for c in loose)
    first = loose[0]
    return refusal(
        f"{name} needs a finite range, and none is declared for {named}", place,
        f"the owner can declare [tables.{first.table}] columns.{first.source} = {{ range = [low, high] }}, or bound it "
        "here: LEAST(GREATEST(x, 0), 100), or WHERE x BETWEEN 0 AND 100",
    )


def _with_owner(ask: Ask, facts: Facts) -> Relation:
    """The rows that have an owner."""
    assert facts.owner is not None, "a question is asked of owned rows"
    if facts.owner.id not in facts.nullable:
        return ask.rows
    there = scalars.call("is_not_null", Ref(facts.owner))
    if isinstance(ask.rows, Filter):
        return Filter(ask.rows.source, (*ask.rows.conjuncts, there))
    return Filter(ask.rows, (there,))


def _in_domain(folded: Relation, keys: tuple[Column, ...], domain: Domain) -> Relation:
    """The groups of a public domain, before a cap could choose others; without a cap `release` passes over those."""
    conjuncts = tuple(
        _among(keys[part.key], part.values) for part in domain if isinstance(part, Listed) and not part.enforced
    )
    return Filter(folded, conjuncts) if conjuncts else folded


def _among(key: Column, values: tuple[Value, ...]) -> Scalar:
    listed = scalars.call("in", Ref(key), *(Lit(value, key.type) for value in values if value is not None))
    return scalars.call("or", listed, scalars.call("is_null", Ref(key))) if None in values else listed


def _shown(
    kept: Relation, owner: Column, ask: Ask, partials: tuple[Partial, ...], ids: _Ids,
) -> tuple[Relation, Column, tuple[Column, ...], dict[Scalar, Column]]:
    """Owner, keys and the distinct row expressions of the partials, as columns."""
    shown = ids.fresh("owner", owner.type)
    keys = tuple(ids.fresh(key.name, key.scalar.type) for key in ask.keys)
    wanted = dict.fromkeys(partial.row for partial in partials if partial.row is not None)
    rows_of = {row: ids.proved(f"x{i + 1}", row) for i, row in enumerate(wanted)}
    printed = {row: row for row in rows_of}
    needed = frozenset({owner, *(column for key in ask.keys for column in columns_of(key.scalar))})
    source = hoisted(kept, needed, printed, ids.proved)
    items: list[tuple[Column, Scalar]] = [(shown, Ref(owner))]
    items += [(column, plain(key.scalar)) for column, key in zip(keys, ask.keys, strict=True)]
    items += [(column, printed[row]) for row, column in rows_of.items()]
    return Project(source, tuple(items)), shown, keys, rows_of


def _plain_ids(ask: Ask) -> list[int]:
    """The columns that are keys as they stand; making a key plain may merge its values."""
    shown = [plain(key.scalar) for key in ask.keys]
    return [scalar.column.id for scalar in shown if isinstance(scalar, Ref)]


def _row_limit(rows: Relation, catalog: Catalog) -> int:
    """The most rows per unit and group that any owned table of the question admits."""
    limits = catalog.policy.limits
    return max(
        (catalog.rules(table).max_rows_per_group or limits.max_rows_per_group)
        for table in tables_of(rows) if not catalog.rules(table).public
    )


def _collapse(
    shown: Relation, owner: Column, keys: tuple[Column, ...], partials: tuple[Partial, ...],
    rows_of: dict[Scalar, Column], ids: _Ids,
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
    return Aggregate(shown, (owner, *keys), listed), [Ref(items[p.fold, p.row]) for p in partials], count


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


def _needs_cap(ask: Ask, facts: Facts, groups: int | None, catalog: Catalog) -> bool:
    """Whether groups must be capped: not where facts or the size of the domain already keep a unit within the limit."""
    limit = catalog.policy.limits.max_groups
    if not ask.keys or (groups is not None and groups <= limit):
        return False
    known = groups_per_unit(facts, frozenset(c.id for key in ask.keys for c in columns_of(key.scalar)))
    return known is None or known > limit


def _clipped(
    source: Relation, same: tuple[Column, ...], partials: tuple[Partial, ...], values: list[Scalar],
    count: Column | None, most: int, ask: Ask, ids: _Ids,
) -> tuple[Relation, tuple[Column, ...]]:
    """The partials of a unit: scaled down above `most` rows, so that means stay means, then clipped."""
    kept = tuple((column, Ref(column)) for column in same)
    if count is not None:
        limit = Lit(most, BIGINT)
        scaled = [
            scalars.call("shrink", value, Ref(count), limit) if partial.fold in (Fold.SUM, Fold.COUNT) else value
            for value, partial in zip(values, partials, strict=True)
        ]
        columns = [ids.fresh(f"r{i + 1}", value.type) for i, value in enumerate(scaled)]
        source = Project(source, (*kept, *zip(columns, scaled, strict=True)))
        values = [Ref(column) for column in columns]
    clipped = [_clip(value, partial, most, ask) for value, partial in zip(values, partials, strict=True)]
    totals = tuple(ids.fresh(f"p{i + 1}", value.type) for i, value in enumerate(clipped))
    return Project(source, (*kept, *zip(totals, clipped, strict=True))), totals


def _clip(value: Scalar, partial: Partial, most: int, ask: Ask) -> Scalar:
    """The value held within what one unit may add; a value whose own form proves it is left as it is."""
    times = 1 if partial.fold is Fold.MAX else most
    low, high = min(0, partial.low * times), max(0, partial.high * times)
    if max(-low, high) > MAX_STEPS:
        raise refusal(
            "the declared range and the row limit together are too large to add up exactly", ask.places[0],
            "ask for fewer decimals: ROUND or CAST to a coarser DECIMAL",
        )
    step = Fraction(1, 10**value.type.scale)
    if scalars.enforced(value).within(between(low * step, high * step)):
        return value
    return scalars.call("clip", value, Lit(low, HUGEINT), Lit(high, HUGEINT))
