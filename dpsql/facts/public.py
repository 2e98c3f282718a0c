"""Public values of grouping keys: groups that may be listed without looking at anyone's rows."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from dpsql import scalars
from dpsql.catalog import Catalog
from dpsql.expression import (
    BOOLEAN,
    DATE,
    DOUBLE,
    TIME,
    TIMESTAMP,
    Call,
    Column,
    Kind,
    Lit,
    Ref,
    Scalar,
    SqlType,
    Value,
    columns_of,
    feeds_read,
)
from dpsql.facts.equalities import classes
from dpsql.facts.spans import spanned, together
from dpsql.policy import Literal
from dpsql.relation import (
    Aggregate,
    Fed,
    Filter,
    Join,
    JoinKind,
    Mark,
    Parts,
    Project,
    Relation,
    Scan,
    Values,
    columns_out,
    sources_of,
)


@dataclass(frozen=True, slots=True)
class Listed:
    """One key takes only these values (None among them if NULL is one). `enforced` says the rows can hold no other."""

    key: int
    values: tuple[Value, ...]
    enforced: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """These keys together take only the combinations that a relation of public tables yields, and NULLs if `null`."""

    keys: tuple[int, ...]
    relation: Relation
    null: bool


@dataclass(frozen=True, slots=True)
class Dated:
    """Keys of one date, each of them listed, take only these combinations of their values: the others are no day."""

    keys: tuple[int, ...]
    combinations: tuple[tuple[Value, ...], ...]


Domain = tuple[Listed | Looked | Dated, ...]


def public_domain(
    rows: Relation, keys: tuple[Scalar, ...], catalog: Catalog, nullable: Callable[[Scalar], bool] = lambda _: True,
) -> Domain | None:
    """Where the values of every key come from, if all are public; None when some key's values are private.

    `nullable` says of a key whether it may be NULL in these rows; where not, there is no group of NULL.

    Theorem: the set of combinations this denotes does not depend on owned rows, and every row whose key values are
    outside it is dropped by a printed filter (`enforced` False) or cannot exist.
    Proof: listed values come from the policy, the text, the calendar or a type; combinations looked up from public
    tables under the conditions among public columns alone, which every joined row satisfies; those of one date from the
    calendar between ends of the policy and the text. Releasing every combination, empty ones included, therefore
    reveals nothing by which groups are there, and `release` passes over groups that are none of them.
    Needs: public tables are the same for neighbours; rows are matched by binary equality and others dropped.
    Source: design.md, section 3, Public values.
    """
    lists = dict(_unnested(rows))
    pieces = tuple(_components(rows, catalog))
    conditions = tuple(_conditions(rows))
    extended = frozenset(null_extended(rows))
    found: list[Listed | Looked | Dated] = []
    looked: dict[int, list[tuple[int, Scalar]]] = {}
    for index, key in enumerate(keys):
        listed = _listed(index, key, conditions, extended, catalog, nullable, lists)
        if listed is not None:
            never_null = listed.enforced and not nullable(key)
            values = tuple(value for value in listed.values if not (never_null and value is None))
            found.append(replace(listed, values=values))
            continue
        sought = _sought(key, pieces, conditions)
        if sought is None:
            return None
        place, standing = sought
        looked.setdefault(place, []).append((index, standing))
    for place, wanted in looked.items():
        found.append(pieces[place].combinations(tuple(i for i, _ in wanted), tuple(key for _, key in wanted)))
    return (*found, *_dated(keys, conditions, found))


def _dated(
    keys: tuple[Scalar, ...], conditions: tuple[Scalar, ...], found: list[Listed | Looked | Dated],
) -> list[Dated]:
    """The combinations of listed keys of one date, NULLs together where NULL is listed."""
    values = {part.key: part.values for part in found if isinstance(part, Listed)}
    dated = []
    for places, combinations in together(keys, conditions):
        if values.keys() >= set(places):
            nothing = ((None,) * len(places),) if all(None in values[place] for place in places) else ()
            days = (each for each in combinations if all(v in values[i] for i, v in zip(places, each, strict=True)))
            dated.append(Dated(places, (*days, *nothing)))
    return dated


def _sought(key: Scalar, pieces: tuple[_Piece, ...], conditions: tuple[Scalar, ...]) -> tuple[int, Scalar] | None:
    """The piece that yields a key, or a column of its type that every row has equal to it, as after USING."""
    equal = [key]
    if isinstance(key, Ref):
        equal += [
            Ref(column) for group in classes(conditions) if key.column.id in group
            for column in group.values() if column.type == key.type
        ]
    return next(((i, each) for each in equal for i, piece in enumerate(pieces) if piece.yields(each)), None)


def _listed(
    index: int, key: Scalar, conditions: tuple[Scalar, ...], extended: frozenset[int], catalog: Catalog,
    nullable: Callable[[Scalar], bool], lists: dict[int, Column],
) -> Listed | None:
    """The values of one key that the text, a type or the policy tells; NULL is one more on a null-extended side."""
    if isinstance(key, Lit):
        return Listed(index, (key.value,), True)
    for condition in conditions:
        options = _options(condition, key)
        if options is not None:
            return Listed(index, options, True)
    stored = lists.get(key.column.id, key.column) if isinstance(key, Ref) else None
    if isinstance(key, Ref) and stored is not None and stored.table is not None and stored.source is not None:
        values = catalog.column(stored.table, stored.source).values
        if values is not None:
            null = (None,) if key.column.id in extended else ()
            return Listed(index, (*(_typed(value, key.type) for value in values), *null), False)
    between = spanned(key, conditions, nullable)
    if between is not None:
        return Listed(index, between, False)
    literals = scalars.public_values(key)
    if literals is None:
        return None
    return Listed(index, tuple(dict.fromkeys(literal.value for literal in literals)), True)


def _options(condition: Scalar, key: Scalar) -> tuple[Value, ...] | None:
    """The values that `key = literal` or `key IN (literals)` leaves, no cast between; or the key as condition."""
    if condition in (key, Call("not", (key,), BOOLEAN)):
        return (condition == key,)
    if not isinstance(condition, Call) or condition.name not in ("=", "in"):
        return None
    first, *rest = (_whole(arg) for arg in condition.args)
    if condition.name == "=" and rest[0] == key:
        first, rest = rest[0], [first]
    if first != key or not all(isinstance(option, Lit) and option.type.kind is key.type.kind for option in rest):
        return None
    if key.type.kind is Kind.DOUBLE:
        return None
    values = (option.value for option in rest if isinstance(option, Lit) and option.value is not None)
    return tuple(dict.fromkeys(values))


def _whole(scalar: Scalar) -> Scalar:
    """What substring(x, 1) is: x. The scalars print comparisons of some texts like that."""
    match scalar:
        case Call("substring", (text, Lit(1))):
            return text
        case _:
            return scalar


def _typed(value: Literal, type_: SqlType) -> Value:
    """A policy's literal as a value of the column's type."""
    if isinstance(value, Fraction):
        if type_.kind is Kind.DOUBLE:
            return float(value)
        return Decimal(f"{int(value * 10**type_.scale)}E-{type_.scale}")
    if isinstance(value, int) and not isinstance(value, bool) and type_.kind is Kind.DECIMAL:
        return Decimal(value)
    if type_.kind is Kind.TIMESTAMP and isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime(value.year, value.month, value.day)
    return value


@dataclass(frozen=True, slots=True)
class _Piece:
    """Public sources that conditions connect; `null` when it stands on the null-extended side of an outer join."""

    sources: tuple[Relation, ...]
    conditions: tuple[Scalar, ...]
    null: bool

    def columns(self) -> frozenset[int]:
        return frozenset(column.id for source in self.sources for column in columns_out(source))

    def yields(self, key: Scalar) -> bool:
        """Whether the key reads this piece alone. Computed keys of a null-extended side are left private."""
        read = frozenset(column.id for column in columns_of(key))
        fed = any(True for _ in feeds_read(key))     # not known when a query is planned
        return bool(read) and not fed and read <= self.columns() and (isinstance(key, Ref) or not self.null)

    def combinations(self, indices: tuple[int, ...], keys: tuple[Scalar, ...]) -> Looked:
        relation = self.sources[0]
        for source in self.sources[1:]:
            relation = Join(relation, source, JoinKind.INNER, ())
        if self.conditions:
            relation = Filter(relation, self.conditions)
        columns = tuple(Column(-1 - i, f"k{i + 1}", key.type) for i, key in zip(indices, keys, strict=True))
        shown = Project(relation, tuple(zip(columns, map(plain, keys), strict=True)))
        return Looked(indices, Aggregate(shown, columns, ()), self.null)


def plain(key: Scalar) -> Scalar:
    """A key whose groups are told apart by what is fetched of them, and by nothing else.

    -0.0 and 0.0 are one group, and its printed form must not tell whose; dates and times that Python cannot hold, the
    infinite among them, are NULL.
    """
    if key.type == DOUBLE:
        return scalars.call("plain_zero", key)
    if key.type in (DATE, TIMESTAMP, TIME) and not isinstance(key, Lit):
        return scalars.call("plain_date", key)
    return key


def _unnested(rows: Relation) -> Iterator[tuple[int, Column]]:
    """The columns that show the values of a stored list, and the list."""
    if isinstance(rows, Parts) and isinstance(rows.list, Ref):
        yield rows.column.id, rows.list.column
    for source in sources_of(rows):
        yield from _unnested(source)


def _components(rows: Relation, catalog: Catalog) -> Iterator[_Piece]:
    """The public sources of a relation, those connected by conditions among them together."""
    sources = [(source, null) for source, null in _public_sources(rows, catalog, False)]
    yield from (_Piece((source,), (), True) for source, null in sources if null)
    groups = [_Piece((source,), (), False) for source, null in sources if not null]
    for condition in _conditions(rows):
        if any(True for _ in feeds_read(condition)):
            continue        # fewer rows match than are listed: some public groups are empty
        read = frozenset(column.id for column in columns_of(condition))
        touched = [piece for piece in groups if read & piece.columns()]
        if not touched or not read <= frozenset().union(*(piece.columns() for piece in touched)):
            continue
        merged = _Piece(
            tuple(source for piece in touched for source in piece.sources),
            (*(c for piece in touched for c in piece.conditions), condition), False,
        )
        groups = [*(piece for piece in groups if piece not in touched), merged]
    yield from groups


def _public_sources(relation: Relation, catalog: Catalog, null: bool) -> Iterator[tuple[Relation, bool]]:
    match relation:
        case Scan(table, _):
            if catalog.rules(table).public:
                yield relation, null
        case Values():
            yield relation, null
        case Filter(source, _) | Mark(source, _, _, _):
            yield from _public_sources(source, catalog, null)
        case Join(left, right, JoinKind.INNER, _):
            yield from _public_sources(left, catalog, null)
            yield from _public_sources(right, catalog, null)
        case Join(left, right, JoinKind.LEFT, _):
            yield from _public_sources(left, catalog, null)
            if is_public(right, catalog):
                yield right, True


def is_public(relation: Relation, catalog: Catalog) -> bool:
    """Whether a relation reads public tables only."""
    match relation:
        case Scan(table, _):
            return catalog.rules(table).public
        case Fed():
            return False    # public, but its rows are not known when a query is planned
        case _:
            return all(is_public(source, catalog) for source in sources_of(relation))


def null_extended(relation: Relation) -> Iterator[int]:
    """The ids of the columns that a LEFT JOIN may make NULL."""
    match relation:
        case Join(left, right, kind, _):
            yield from null_extended(left)
            yield from (column.id for column in columns_out(right)) if kind is JoinKind.LEFT else null_extended(right)
        case _:
            for source in sources_of(relation):
                yield from null_extended(source)


def _conditions(relation: Relation) -> Iterator[Scalar]:
    """The conjuncts that every row of a relation satisfies: its filters and inner joins, not those of outer joins."""
    match relation:
        case Filter(source, conjuncts):
            yield from conjuncts
            yield from _conditions(source)
        case Join(left, right, kind, on):
            yield from _conditions(left)
            if kind is JoinKind.INNER:
                yield from on
                yield from _conditions(right)
        case Mark(source, _, _, _):
            yield from _conditions(source)
        case _:
            return
