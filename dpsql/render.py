"""render: a relation to SQL text. Only relations are printed, never the analyst's tree; the text is parsed again and
must give back the very tree that was printed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from dpsql import scalars
from dpsql.catalog import Catalog
from dpsql.errors import InternalError
from dpsql.expression import Column, Scalar, columns_of
from dpsql.relation import Aggregate, CapGroups, Filter, Fold, Join, Project, Relation, Scan, columns_out

Names = dict[int, Callable[[], exp.Expr]]   # each use of a column is a node of its own


def render(relation: Relation, catalog: Catalog, *, order: bool = False, public: bool = False) -> str:
    """The SQL of a relation in DuckDB's dialect: every name quoted and qualified, every output named, no comments.

    A CapGroups reads its salt from the statement's parameter `$1`. With `order`, rows come ordered by all columns.
    `public` prints tables as the finish's database names them (without the database). Raises InternalError when the
    text does not parse back to what was printed.
    """
    printer = _Printer(catalog, public)
    shown = columns_out(relation)
    select = printer.select(relation, frozenset(column.id for column in shown))
    if order:
        select.set("order", exp.Order(expressions=[
            exp.Ordered(this=_name(column.name), nulls_first=False) for column in shown
        ]))
    return checked(select)


def checked(tree: exp.Expr) -> str:
    """The text of a tree, once it has been parsed again and compared. Raises InternalError when they differ."""
    text = tree.sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE)
    try:
        again = sqlglot.parse(text, read="duckdb")
    except (SqlglotError, RecursionError):
        raise InternalError("the printed SQL does not parse") from None
    if len(again) != 1 or again[0] != tree:
        raise InternalError("the printed SQL does not mean what was understood")
    return text


@dataclass(slots=True)
class _Printer:
    """Names the sources of one statement t1, t2, ... in the order they are printed."""

    catalog: Catalog
    public: bool
    sources: int = field(default=0)

    def select(self, relation: Relation, needed: frozenset[int]) -> exp.Select:
        """A SELECT that shows the needed columns of a relation under their names."""
        match relation:
            case Project(source, items):
                kept = [(column, scalar) for column, scalar in items if column.id in needed]
                select, names = self._body(source, _read(scalar for _, scalar in kept))
                select.set("expressions", [_as(scalars.to_sql(s, _by(names)), c) for c, s in kept] or [_one()])
                return select
            case Aggregate():
                return self._aggregate(relation, needed)
            case CapGroups():
                return self._cap(relation, needed)
            case Scan() | Filter() | Join():
                select, names = self._body(relation, needed)
                shown = [column for column in columns_out(relation) if column.id in needed]
                select.set("expressions", [_as(names[column.id](), column) for column in shown] or [_one()])
                return select
            case _:
                assert_never(relation)

    def _aggregate(self, aggregate: Aggregate, needed: frozenset[int]) -> exp.Select:
        items = [item for item in aggregate.items if item[0].id in needed]
        read = _read(scalar for _, _, scalar in items if scalar is not None)
        select, names = self._body(aggregate.source, read | {key.id for key in aggregate.keys})
        shown = [_as(names[key.id](), key) for key in aggregate.keys if key.id in needed]
        shown += [_as(_fold(fold, scalar, names), column) for column, fold, scalar in items]
        select.set("expressions", shown or [_one()])
        if aggregate.keys:
            select.set("group", exp.Group(expressions=[names[key.id]() for key in aggregate.keys]))
        return select

    def _cap(self, cap: CapGroups, needed: frozenset[int]) -> exp.Select:
        """The first `limit` groups of each owner in the order of a keyed hash, ties broken by the keys themselves."""
        inside = needed | {cap.owner.id} | {key.id for key in cap.keys}
        source, names = self._body(cap.source, inside)
        shown = [column for column in columns_out(cap.source) if column.id in inside]
        hashed = exp.Anonymous(this="HASH", expressions=[
            exp.Placeholder(this="1"), names[cap.owner.id](), *(names[key.id]() for key in cap.keys)
        ])
        order = [hashed, *(names[key.id]() for key in cap.keys)]
        rank = exp.Window(
            this=exp.RowNumber(), partition_by=[names[cap.owner.id]()], over="OVER",
            order=exp.Order(expressions=[exp.Ordered(this=node, nulls_first=False) for node in order]),
        )
        source.set("expressions", [
            *(_as(names[column.id](), column) for column in shown), exp.alias_(rank, "rank", quoted=True),
        ])
        alias = self._alias()
        select = exp.Select(expressions=[
            _as(_name(column.name, alias), column) for column in shown if column.id in needed
        ])
        select.set("from_", exp.From(this=_subquery(source, alias)))
        within = exp.LTE(this=_name("rank", alias), expression=exp.Literal.number(cap.limit))
        select.set("where", exp.Where(this=within))
        return select

    def _body(self, relation: Relation, needed: frozenset[int]) -> tuple[exp.Select, Names]:
        """A SELECT without items whose FROM and WHERE give a relation's rows, and the names of its columns there."""
        conjuncts: tuple[Scalar, ...] = ()
        while isinstance(relation, Filter):
            conjuncts = relation.conjuncts + conjuncts
            relation = relation.source
        select = exp.Select()
        names: Names = {}
        joins: list[exp.Join] = []
        first = self._source(relation, needed | _read(conjuncts), names, joins)
        select.set("from_", exp.From(this=first))
        if joins:
            select.set("joins", joins)
        if conjuncts:
            select.set("where", exp.Where(this=_all(conjuncts, names)))
        return select, names

    def _source(
        self, relation: Relation, needed: frozenset[int], names: Names, joins: list[exp.Join],
    ) -> exp.Expr:
        """The first source of a left-deep join; the others go to `joins`, their columns' names to `names`."""
        if isinstance(relation, Join):
            inside = needed | _read(relation.on)
            first = self._source(relation.left, inside, names, joins)
            right = self._leaf(relation.right, inside, names)
            condition = _all(relation.on, names) if relation.on else exp.Boolean(this=True)
            kind = {"side": "LEFT"} if relation.kind.value == "LEFT" else {"kind": "INNER"}
            joins.append(exp.Join(this=right, on=condition, **kind))
            return first
        return self._leaf(relation, needed, names)

    def _leaf(self, relation: Relation, needed: frozenset[int], names: Names) -> exp.Expr:
        alias = self._alias() if isinstance(relation, Scan) else None
        if isinstance(relation, Scan):
            assert alias is not None
            for column in relation.columns:
                names[column.id] = partial(_stored, column, alias)
            path = self.catalog.table(relation.table).path
            parts = [exp.to_identifier(part, True) for part in (path[1:] if self.public else path)]
            table = exp.Table(this=parts[-1], db=parts[-2], alias=exp.TableAlias(this=exp.to_identifier(alias, True)))
            if len(parts) == 3:
                table.set("catalog", parts[0])
            return table
        shown = [column for column in columns_out(relation) if column.id in needed]
        inner = self.select(relation, frozenset(column.id for column in shown))
        alias = self._alias()
        seen: set[str] = set()      # DuckDB takes "a" and "A" for one name, quoted or not, and the first one wins
        for item, column in zip(inner.expressions, shown, strict=bool(shown)):
            name = column.name
            while name.lower() in seen:
                name = f"{name}_{column.id}"
            seen.add(name.lower())
            if name != column.name:
                item.set("alias", exp.to_identifier(name, True))
            names[column.id] = partial(_name, name, alias)
        return _subquery(inner, alias)

    def _alias(self) -> str:
        self.sources += 1
        return f"t{self.sources}"


def _stored(column: Column, alias: str) -> exp.Expr:
    """A base column, read through its total cast where the stored type is one dpsql does not compute with."""
    assert column.source is not None, "a scan shows stored columns"
    name = _name(column.source, alias)
    return exp.cast(name, str(column.type), dialect="duckdb") if column.stored else name


def _fold(fold: Fold, scalar: Scalar | None, names: Names) -> exp.Expr:
    if fold is Fold.ROWS or scalar is None:
        return exp.Count(this=exp.Star(), big_int=True)
    inner = scalars.to_sql(scalar, _by(names))
    match fold:
        case Fold.COUNT:
            return exp.Count(this=inner, big_int=True)
        case Fold.SUM:
            return exp.Sum(this=inner)
        case Fold.MAX:
            return exp.Max(this=inner)
        case _:
            assert_never(fold)


def _all(conjuncts: tuple[Scalar, ...], names: Names) -> exp.Expr:
    printed = [_wrapped(scalars.to_sql(conjunct, _by(names))) for conjunct in conjuncts]
    result = printed[0]
    for each in printed[1:]:
        result = exp.And(this=result, expression=each)
    return result


def _wrapped(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=node) if isinstance(node, exp.Connector | exp.Binary | exp.Predicate | exp.Not) else node


def _by(names: Names) -> Callable[[Column], exp.Expr]:
    return lambda column: names[column.id]()


def _read(found: Iterable[Scalar]) -> frozenset[int]:
    return frozenset(column.id for scalar in found for column in columns_of(scalar))


def _as(node: exp.Expr, column: Column) -> exp.Expr:
    return exp.Alias(this=node, alias=exp.to_identifier(column.name, True))


def _name(name: str, table: str | None = None) -> exp.Column:
    return exp.column(exp.to_identifier(name, True), table=exp.to_identifier(table, True) if table else None)


def _one() -> exp.Expr:
    return exp.alias_(exp.Literal.number(1), "one", quoted=True)


def _subquery(select: exp.Select, alias: str) -> exp.Subquery:
    return exp.Subquery(this=select, alias=exp.TableAlias(this=exp.to_identifier(alias, True)))


