"""bound: inserts the guards that make a question's sensitivity true. Not trusted: `plan` derives the result again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from dpsql import scalars
from dpsql.aggregates import FAMILIES, Given, Number, Partial
from dpsql.catalog import Catalog
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, INTEGER, Column, Kind, Lit, Ref, Scalar, SqlType, columns_of
from dpsql.facts.base import Facts
from dpsql.facts.public import Domain, Listed
from dpsql.facts.stability import groups_per_unit, one_row_per_group
from dpsql.interval import ANY, between
from dpsql.parse import refusal
from dpsql.program import Ask, Measure
from dpsql.relation import Aggregate, CapGroups, Filter, Fold, Join, Project, Relation, Scan

GRID_BITS = 40            # a DOUBLE is at most 2^40 steps a row: its grid error is far below any noise
MAX_STEPS = 1 << 62       # one unit's partial is at most this many steps (design, section 4)


@dataclass(frozen=True, slots=True)
class Question:
    """A bounded question: one row per unit and group, showing owner, keys and clipped partials.

    `uses` gives for each measure the places of its partials. `rows` is the cap on rows per unit and group that is
    printed (None when facts make it needless).
    """

    ask: Ask
    guarded: Relation
    keys: tuple[Column, ...]
    totals: tuple[Column, ...]
    partials: tuple[Partial, ...]
    uses: tuple[tuple[int, ...], ...]
    types: tuple[SqlType, ...]
    rows: int | None


@dataclass(slots=True)
class _Ids:
    last: int

    def fresh(self, name: str, type_: SqlType) -> Column:
        self.last += 1
        return Column(self.last, name, type_)


def bound(ask: Ask, facts: Facts, domain: Domain | None, groups: int | None, catalog: Catalog) -> Question:
    """The question with its guards: rows outside the domain dropped, collapse, group cap, row cap, clip.

    `groups` is the size of the public domain (None for private keys). Raises QueryError when an aggregate has no
    finite range.
    """
    assert facts.owner is not None, "a question is asked of owned rows"
    ids = _Ids(1_000_000)
    partials, uses, types = _measured(ask, facts)
    kept = _kept(ask, facts, domain)
    shown, owner, keys, rows_of = _shown(kept, facts.owner, ask, partials, ids)
    alone = one_row_per_group(facts, frozenset(_source_ids(ask.keys)))
    limit = 1 if alone else _row_limit(ask.rows, catalog)
    cap = None if alone or (facts.rows_per_unit is not None and facts.rows_per_unit <= limit) else limit
    most = limit if cap is not None or alone else facts.rows_per_unit
    assert most is not None
    if alone:
        folded, fold_of, count = shown, _unfolded(partials, rows_of), None
    else:
        folded, fold_of, count = _collapse(shown, owner, keys, partials, rows_of, ids)
    capped = _capped(folded, owner, keys, ask, facts, groups, catalog)
    guarded, totals = _clipped(capped, (owner, *keys), partials, fold_of, count if cap else None, most, ask, ids)
    return Question(ask, guarded, keys, totals, partials, uses, types, cap)


def _measured(ask: Ask, facts: Facts) -> tuple[tuple[Partial, ...], tuple[tuple[int, ...], ...], tuple[SqlType, ...]]:
    """The distinct partials of all measures (the same one asked twice is bought once), and who uses which."""
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
        stated = family.partials(measure, given)
        bought += [partial for partial in stated if partial not in bought]
        uses.append(tuple(bought.index(partial) for partial in stated))
        types.append(family.type(measure, given))
    return tuple(bought), tuple(uses), tuple(types)


def number(scalar: Scalar, facts: Facts, place: exp.Expr, measure: Measure) -> Number:
    """A numeric expression as exact steps within a clip chosen from what is believed of it.

    Raises QueryError at `place` when no finite range is known, naming the columns to declare.
    """
    believed = scalars.bounds(scalar, lambda c: facts.intervals.get(c.id, ANY))
    if not believed.finite:
        raise _unbounded(scalar, facts, place, measure)
    within = scalars.enforced(scalar).within(believed)
    if scalar.type.kind is Kind.DOUBLE:
        return _on_grid(scalars.clamp(scalar, believed), believed.magnitude)
    row = scalar if within else scalars.clamp(scalar, believed)
    unit = Fraction(1, 10**scalar.type.scale)
    low, high = (end / unit for end in believed.ends)
    released = SqlType(Kind.DECIMAL, 38, scalar.type.scale) if scalar.type.kind is Kind.DECIMAL else HUGEINT
    return Number(row, math.floor(low), math.ceil(high), unit, released)


def _on_grid(clamped: Scalar, magnitude: Fraction) -> Number:
    """Steps of 2^-k, k so that the largest magnitude is about 2^GRID_BITS of them."""
    power = GRID_BITS - max(-900, math.ceil(math.log2(magnitude)) if magnitude else 0)
    power = max(-980, min(980, power))
    row = scalars.call("grid", clamped, Lit(power, INTEGER))
    low, high = scalars.enforced(row).ends
    return Number(row, math.floor(low), math.ceil(high), 1 / Fraction(2) ** power, DOUBLE)


def _unbounded(scalar: Scalar, facts: Facts, place: exp.Expr, measure: Measure) -> Exception:
    loose = [
        c for c in dict.fromkeys(columns_of(scalar))
        if c.type.numeric and c.table and not facts.intervals.get(c.id, ANY).finite
    ]
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


def _kept(ask: Ask, facts: Facts, domain: Domain | None) -> Relation:
    """The rows that have an owner and, for public keys, a key value of the domain."""
    assert facts.owner is not None
    conjuncts: list[Scalar] = []
    if facts.owner.id in facts.nullable:
        conjuncts.append(scalars.call("is_not_null", Ref(facts.owner)))
    for part in domain or ():
        if isinstance(part, Listed) and not part.enforced:
            key = ask.keys[part.key].scalar
            conjuncts.append(scalars.call("in", key, *(Lit(value, key.type) for value in part.values)))
    if not conjuncts:
        return ask.rows
    if isinstance(ask.rows, Filter):
        return Filter(ask.rows.source, (*ask.rows.conjuncts, *conjuncts))
    return Filter(ask.rows, tuple(conjuncts))


def _shown(
    kept: Relation, owner: Column, ask: Ask, partials: tuple[Partial, ...], ids: _Ids,
) -> tuple[Relation, Column, tuple[Column, ...], dict[Scalar, Column]]:
    """Owner, keys and the distinct row expressions of the partials, as columns."""
    shown = ids.fresh("owner", owner.type)
    keys = tuple(ids.fresh(key.name, key.scalar.type) for key in ask.keys)
    wanted = dict.fromkeys(partial.row for partial in partials if partial.row is not None)
    rows_of = {row: ids.fresh(f"x{i + 1}", row.type) for i, row in enumerate(wanted)}
    items: list[tuple[Column, Scalar]] = [(shown, Ref(owner))]
    items += [(column, _plain(key.scalar)) for column, key in zip(keys, ask.keys, strict=True)]
    items += [(column, row) for row, column in rows_of.items()]
    return Project(kept, tuple(items)), shown, keys, rows_of


def _plain(key: Scalar) -> Scalar:
    """A DOUBLE key without the sign of zero: -0.0 and 0.0 are one group, and its printed form must not tell whose."""
    return scalars.call("plain_zero", key) if key.type == DOUBLE else key


def _source_ids(keys: tuple[object, ...]) -> list[int]:
    scalars_ = [getattr(key, "scalar", None) for key in keys]
    return [scalar.column.id for scalar in scalars_ if isinstance(scalar, Ref)]


def _row_limit(rows: Relation, catalog: Catalog) -> int:
    """The most rows per unit and group that any owned table of the question admits."""
    limits = catalog.policy.limits
    return max(
        (catalog.rules(table).max_rows_per_group or limits.max_rows_per_group)
        for table in _tables(rows) if not catalog.rules(table).public
    )


def _tables(relation: Relation) -> list[str]:
    match relation:
        case Scan(table, _):
            return [table]
        case Join(left, right, _, _):
            return _tables(left) + _tables(right)
        case _:
            return _tables(relation.source)


def _collapse(
    shown: Relation, owner: Column, keys: tuple[Column, ...], partials: tuple[Partial, ...],
    rows_of: dict[Scalar, Column], ids: _Ids,
) -> tuple[Relation, list[Fold_], Column]:
    """One row per unit and group, with its rows counted and each partial folded."""
    count = ids.fresh("n", BIGINT)
    items: dict[tuple[Fold, Scalar | None], Column] = {(Fold.ROWS, None): count}

    def fold(kind: Fold, row: Scalar | None) -> Column:
        if (kind, row) not in items:
            assert row is not None
            items[kind, row] = ids.fresh(f"f{len(items)}", _folded_type(kind, rows_of[row].type))
        return items[kind, row]

    folds = [
        (fold(p.fold, p.row), fold(Fold.COUNT, p.row) if p.centre is not None else None) for p in partials
    ]
    listed = tuple(
        (column, kind, Ref(rows_of[row]) if row is not None else None) for (kind, row), column in items.items()
    )
    columns: list[Fold_] = [
        (Ref(total), Ref(counted) if counted is not None else None) for total, counted in folds
    ]
    return Aggregate(shown, (owner, *keys), listed), columns, count


Fold_ = tuple[Scalar, Scalar | None]


def _folded_type(kind: Fold, row: SqlType) -> SqlType:
    if kind is Fold.SUM:
        return SqlType(Kind.DECIMAL, 38, row.scale) if row.kind is Kind.DECIMAL else HUGEINT
    return row if kind is Fold.MAX else BIGINT


def _unfolded(partials: tuple[Partial, ...], rows_of: dict[Scalar, Column]) -> list[Fold_]:
    """The same folds over the single row that a unit has in a group."""
    folds: list[Fold_] = []
    for partial in partials:
        row = Ref(rows_of[partial.row]) if partial.row is not None else None
        there: Scalar = Lit(1, INTEGER) if row is None else _one_if_there(row)
        if partial.fold in (Fold.ROWS, Fold.COUNT):
            folds.append((there, None))
        else:
            assert row is not None
            folds.append((row, there if partial.centre is not None else None))
    return folds


def _one_if_there(row: Scalar) -> Scalar:
    return scalars.call("one_if", scalars.call("is_not_null", row))


def _capped(
    folded: Relation, owner: Column, keys: tuple[Column, ...], ask: Ask, facts: Facts, groups: int | None,
    catalog: Catalog,
) -> Relation:
    """The group cap, left out where facts or the size of the domain already keep a unit within it."""
    limit = catalog.policy.limits.max_groups
    if not keys or (groups is not None and groups <= limit):
        return folded
    if all(isinstance(key.scalar, Ref | Lit) for key in ask.keys):
        known = groups_per_unit(facts, frozenset(_source_ids(ask.keys)))
        if known is not None and known <= limit:
            return folded
    return CapGroups(folded, owner, keys, limit)


def _clipped(
    source: Relation, same: tuple[Column, ...], partials: tuple[Partial, ...], folds: list[Fold_],
    count: Column | None, most: int, ask: Ask, ids: _Ids,
) -> tuple[Relation, tuple[Column, ...]]:
    """The integers a unit adds, a layer a step: exact steps and centring, scaling of units with too many rows, clip."""
    kept = tuple((column, Ref(column)) for column in same)
    values = [_in_steps(partial, fold) for partial, fold in zip(partials, folds, strict=True)]

    def layer(below: Relation, name: str, rest: tuple[tuple[Column, Scalar], ...] = ()) -> Relation:
        items: list[tuple[Column, Scalar]] = []
        for i, value in enumerate(values):
            if not isinstance(value, Ref | Lit):
                column = ids.fresh(f"{name}{i + 1}", value.type)
                items.append((column, value))
                values[i] = Ref(column)
            elif isinstance(value, Ref) and value.column not in {column for column, _ in (*rest, *items)}:
                items.append((value.column, value))
        return Project(below, (*kept, *rest, *items))

    if any(not isinstance(value, Ref | Lit) for value in values):
        source = layer(source, "s", ((count, Ref(count)),) if count is not None else ())
    if count is not None:
        for i, partial in enumerate(partials):
            if partial.fold is not Fold.MAX:
                values[i] = scalars.call("shrink", values[i], Ref(count), Lit(most, BIGINT))
        source = layer(source, "r")
    clipped = [_clip(value, partial, most, ask) for value, partial in zip(values, partials, strict=True)]
    totals = tuple(ids.fresh(f"p{i + 1}", value.type) for i, value in enumerate(clipped))
    return Project(source, (*kept, *zip(totals, clipped, strict=True))), totals


def _in_steps(partial: Partial, fold: Fold_) -> Scalar:
    total, counted = fold
    steps = scalars.call("steps", total)
    if partial.centre is None:
        return steps
    assert counted is not None, "a centred sum counts its rows"
    return scalars.call("linear", steps, counted, Lit(partial.centre, HUGEINT))


def _clip(value: Scalar, partial: Partial, most: int, ask: Ask) -> Scalar:
    """The value held within what one unit may add; a value whose own form proves it is left as it is."""
    times = 1 if partial.fold is Fold.MAX else most
    low, high = min(0, partial.low * times), max(0, partial.high * times)
    if max(-low, high) > MAX_STEPS:
        raise refusal(
            "the declared range and the row limit together are too large to add up exactly", ask.places[0],
            "ask for fewer decimals: ROUND or CAST to a coarser DECIMAL",
        )
    proved = scalars.enforced(value).within(between(low, high)) and not scalars.nullable(value, lambda _: True)
    return value if proved else scalars.call("clip", value, Lit(low, HUGEINT), Lit(high, HUGEINT))
