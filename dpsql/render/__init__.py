"""render: a relation to SQL text. Only relations are printed, never the analyst's tree; the text is parsed again and
must give back the very tree that was printed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import assert_never

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from dpsql import scalars
from dpsql.catalog import Catalog
from dpsql.copied import copied
from dpsql.errors import InternalError
from dpsql.expression import Call, Column, Ref, Scalar, columns_of
from dpsql.limits import check_printed, tick
from dpsql.relation import (
    Aggregate,
    CapGroups,
    CapRows,
    Combined,
    Fed,
    Filter,
    Join,
    Mark,
    Parts,
    Project,
    Relation,
    Scan,
    SetKind,
    Values,
    Window,
    columns_out,
)
from dpsql.render.functions import Names, by, fold_sql, over_sql
from dpsql.schema import TableSchema, quote
from dpsql.trial import tried


def render(relation: Relation, catalog: Catalog, *, order: bool = False, public: bool = False) -> str:
    """The SQL of a relation in DuckDB's dialect: every name quoted and qualified, every output named, no comments.

    A CapGroups reads its salt from the parameter `$salt`, a Fed each column from `$feed_column`. With `order`, rows
    come ordered by all columns. `public` prints tables as the finish's database names them (without the database).
    Raises InternalError when the text does not parse back to what was printed.
    """
    return _said(_tree(relation, catalog, order, public))


def render_with(relation: Relation, catalog: Catalog) -> tuple[str, frozenset[str]]:
    """The SQL of a relation as `render` gives it, and the names of the parameters that stand in it."""
    tree = _tree(relation, catalog, False, False)
    params = frozenset(str(node.this) for node in tree.find_all(exp.Placeholder))
    return _said(tree), params


def _tree(relation: Relation, catalog: Catalog, order: bool, public: bool) -> exp.Select:
    printer = _Printer(catalog, public)
    shown = columns_out(relation)
    select = printer.select(relation, frozenset(column.id for column in shown))
    if order:
        select.set("order", exp.Order(expressions=[
            exp.Ordered(this=_name(column.name), nulls_first=False) for column in shown
        ]))
    return select


def checked(tree: exp.Expr, read: str | None = None) -> str:
    """The text of a tree, once it has been parsed again and compared. Raises InternalError when they differ.

    `read` is a text that was parsed to this very tree: where the tree prints as that, it need not be parsed again.
    """
    return _said(copied(tree), read)


def _said(tree: exp.Expr, read: str | None = None) -> str:
    """As `checked`, of a tree that nobody needs any longer: printing may change it, so what it meant is kept before."""
    tick()
    meant = type(tree), hash(tree)      # as sqlglot compares two trees: all nodes and arguments are in the hash
    text = tree.sql("duckdb", copy=False, comments=False, unsupported_level=ErrorLevel.RAISE)
    tick()
    check_printed(text)
    if text == read:
        return text
    try:
        again = meaning(text)
    except SqlglotError:
        raise InternalError("the printed SQL does not parse") from None
    if again != meant:
        raise InternalError("the printed SQL does not mean what was understood")
    return text


@lru_cache(maxsize=256)
def meaning(text: str) -> tuple[type[exp.Expr], int] | None:
    """What a text says once it is parsed, which an equal tree says too; None for anything but one statement.

    Remembered, for the parser has no memory. Raises SqlglotError for what does not parse.
    """
    trees = tried(sqlglot.parse, text, "duckdb")
    tree = trees[0] if len(trees) == 1 else None
    return None if tree is None else (type(tree), hash(tree))


@dataclass(slots=True)
class _Printer:
    """Names the sources of one statement t1, t2, ... in the order they are printed."""

    catalog: Catalog
    public: bool
    sources: int = field(default=0)

    def select(self, relation: Relation, needed: frozenset[int]) -> exp.Select:
        """A SELECT that shows the needed columns of a relation under their names."""
        tick()
        match relation:
            case Project(source, items):
                kept = [(column, scalar) for column, scalar in items if column.id in needed]
                select, names = self._body(source, _read(scalar for _, scalar in kept))
                select.set("expressions", [_as(scalars.to_sql(s, by(names)), c) for c, s in kept] or [_one()])
                return select
            case Aggregate():
                return self._aggregate(relation, needed)
            case Window():
                return self._window(relation, needed)
            case CapGroups() | CapRows():
                return self._cap(relation, needed)
            case Parts():
                return self._parts(relation, needed)
            case Scan() | Fed() | Values() | Filter() | Join() | Mark() | Combined():
                if isinstance(relation, Mark):
                    select, names = self._body(relation.source, needed | _read(relation.on))
                    names[relation.column.id] = partial(self._exists, relation, names)
                else:
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
        shown += [_as(fold_sql(fold, scalar, names), column) for column, fold, scalar in items]
        select.set("expressions", shown or [_one()])
        if aggregate.sets:
            sets = [_grouped([names[key.id]() for key in keys]) for keys in aggregate.sets]
            select.set("group", exp.Group(expressions=[exp.GroupingSets(expressions=sets)]))
        elif aggregate.keys:
            select.set("group", exp.Group(expressions=[names[key.id]() for key in aggregate.keys]))
        return select

    def _cap(self, cap: CapGroups | CapRows, needed: frozenset[int]) -> exp.Select:
        """The first `limit` of each owner in the order of a keyed hash, ties broken by the hashed columns themselves.

        A CapGroups ranks groups, a CapRows the rows in each group of an owner.
        """
        function: exp.Expr
        if isinstance(cap, CapRows):
            within, ranked, function = cap.keys, (*cap.keys, cap.cell), exp.RowNumber()
        else:
            within, ranked, function = (), cap.keys, exp.DenseRank() if cap.repeats else exp.RowNumber()
        inside = needed | {cap.owner.id} | {column.id for column in ranked}
        source, names = self._body(cap.source, inside)
        shown = [column for column in columns_out(cap.source) if column.id in inside]
        hashed = exp.Anonymous(this="HASH", expressions=[
            exp.Placeholder(this="salt"), names[cap.owner.id](), *(names[column.id]() for column in ranked)
        ])
        order = [hashed, *(names[column.id]() for column in ranked)]
        rank = exp.Window(
            this=function, partition_by=[names[column.id]() for column in (cap.owner, *within)], over="OVER",
            order=exp.Order(expressions=[exp.Ordered(this=node, nulls_first=False) for node in order]),
        )
        source.set("expressions", [
            *(_as(names[column.id](), column) for column in shown), exp.Alias(this=rank, alias=_quoted("rank")),
        ])
        alias = self._alias()
        select = exp.Select(expressions=[
            _as(_name(column.name, alias), column) for column in shown if column.id in needed
        ])
        if isinstance(cap, CapRows) and cap.rank is not None and cap.rank.id in needed:
            select.append("expressions", _as(_name("rank", alias), cap.rank))
        select.set("from_", exp.From(this=_subquery(source, alias)))
        first = exp.LTE(this=_name("rank", alias), expression=exp.Literal.number(cap.limit))
        select.set("where", exp.Where(this=first))
        return select

    def _body(self, relation: Relation, needed: frozenset[int]) -> tuple[exp.Select, Names]:
        """A SELECT without items whose FROM and WHERE give a relation's rows, and the names of its columns there."""
        conjuncts: tuple[Scalar, ...] = ()
        names: Names = {}
        while isinstance(relation, Filter) or (isinstance(relation, Mark) and _tested(relation, needed, conjuncts)):
            if isinstance(relation, Filter):
                conjuncts = relation.conjuncts + conjuncts
            else:
                names[relation.column.id] = partial(self._exists, relation, names)
                needed |= _read(relation.on)
            relation = relation.source
        select = exp.Select()
        joins: list[exp.Join] = []
        first = self._source(relation, needed | _read(conjuncts), names, joins)
        select.set("from_", exp.From(this=first))
        if joins:
            select.set("joins", joins)
        if conjuncts:
            select.set("where", exp.Where(this=_all(conjuncts, names)))
        return select, names

    def _parts(self, parts: Parts, needed: frozenset[int]) -> exp.Select:
        select, names = self._body(parts.source, needed | _read([parts.list]))
        each = exp.Explode(this=scalars.to_sql(parts.list, by(names)))
        shown = [_as(names[c.id](), c) for c in columns_out(parts.source) if c.id in needed]
        select.set("expressions", [*shown, _as(each, parts.column)])
        return select

    def _window(self, window: Window, needed: frozenset[int]) -> exp.Select:
        items = [(column, over) for column, over in window.items if column.id in needed]
        read = _read(arg for _, over in items for arg in over.args)
        keys = {key.id for _, over in items for key in (*over.partition, *(each.column for each in over.order))}
        select, names = self._body(window.source, needed | read | keys)
        shown = [_as(names[c.id](), c) for c in columns_out(window.source) if c.id in needed]
        select.set("expressions", [*shown, *(_as(over_sql(over, names), column) for column, over in items)] or [_one()])
        return select

    def _exists(self, mark: Mark, names: Names) -> exp.Expr:
        """EXISTS over the inner rows, which may read the columns of `names`."""
        select, inside = self._body(mark.inner, _read(mark.on))
        select.set("expressions", [_one()])
        if mark.on:
            where = select.args.get("where")
            within = _all(mark.on, {**names, **inside}, where.this if where is not None else None)
            select.set("where", exp.Where(this=within))
        return exp.Exists(this=select)

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
        if isinstance(relation, Scan):
            alias = self._alias()
            table = self.catalog.table(relation.table)
            for column in relation.columns:
                names[column.id] = partial(self._base, table, column, alias)
            parts = [_quoted(part) for part in (table.path[1:] if self.public else table.path)]
            node = exp.Table(this=parts[-1], db=parts[-2], alias=exp.TableAlias(this=_quoted(alias)))
            if len(parts) == 3:
                node.set("catalog", parts[0])
            return node
        if isinstance(relation, Combined):
            return self._combined(relation, names)
        if isinstance(relation, Values):
            return self._values(relation, names)
        shown = [column for column in columns_out(relation) if column.id in needed]
        if isinstance(relation, Parts) and relation.column not in shown:
            shown.append(relation.column)     # it is what makes the rows
        if isinstance(relation, Fed):
            shown = shown or list(relation.columns[:1])
            inner = _fed(relation, shown)
        else:
            inner = self.select(relation, frozenset(column.id for column in shown))
        alias = self._alias()
        seen: set[str] = set()      # DuckDB takes "a" and "A" for one name, quoted or not, and the first one wins
        for item, column in zip(inner.expressions, shown, strict=bool(shown)):
            name = column.name
            while name.lower() in seen:
                name = f"{name}_{column.id}"
            seen.add(name.lower())
            if name != column.name:
                item.set("alias", _quoted(name))
            names[column.id] = partial(_name, name, alias)
        return _subquery(inner, alias)

    def _values(self, values: Values, names: Names) -> exp.Expr:
        rows = [exp.Tuple(expressions=[scalars.to_sql(scalar, by({})) for scalar in row]) for row in values.rows]
        alias = self._alias()
        shown = [f"v{i + 1}" for i in range(len(values.columns))]
        for name, column in zip(shown, values.columns, strict=True):
            names[column.id] = partial(_name, name, alias)
        return exp.Values(expressions=rows, alias=exp.TableAlias(
            this=_quoted(alias), columns=[_quoted(name) for name in shown],
        ))

    def _base(self, table: TableSchema, column: Column, alias: str) -> exp.Expr:
        """A base column, as dpsql reads it; the finish's database holds what was read."""
        stored = table.column(column.source) if column.source is not None else None
        assert stored is not None, "a scan shows stored columns"
        if self.public or (text := stored.read(alias)) == f"{quote(alias)}.{quote(stored.name)}":
            return _name(stored.name, alias)
        return _reading(text).copy()

    def _combined(self, combined: Combined, names: Names) -> exp.Expr:
        """Both sides with all their columns in the same places: in a set, each one tells rows apart."""
        shown = [(out, replace(out, name=f"u{i + 1}")) for i, (out, _, _) in enumerate(combined.items)]
        sides = [
            self.select(Project(side, tuple(
                (column, Ref(item[place])) for (_, column), item in zip(shown, combined.items, strict=True)
            )), frozenset(column.id for _, column in shown))
            for place, side in ((1, combined.left), (2, combined.right))
        ]
        node = {SetKind.INTERSECT: exp.Intersect, SetKind.EXCEPT: exp.Except}.get(combined.kind, exp.Union)
        both = node(this=sides[0], expression=sides[1], distinct=combined.kind is not SetKind.UNION_ALL)
        alias = self._alias()
        for out, column in shown:
            names[out.id] = partial(_name, column.name, alias)
        return _subquery(both, alias)

    def _alias(self) -> str:
        self.sources += 1
        return f"t{self.sources}"


def _fed(fed: Fed, shown: list[Column]) -> exp.Select:
    """Released rows as parallel lists, unnested side by side."""
    return exp.Select(expressions=[
        _as(exp.Explode(this=exp.cast(
            exp.Placeholder(this=f"{fed.feed}_{column.source}"), f"{column.type}[]", dialect="duckdb",
        )), column) for column in shown
    ])


def _grouped(keys: list[exp.Expr]) -> exp.Expr:
    return exp.Paren(this=keys[0]) if len(keys) == 1 else exp.Tuple(expressions=keys)


@lru_cache(maxsize=1024)
def _reading(text: str) -> exp.Expr:
    return sqlglot.parse_one(text, read="duckdb")


def _tested(mark: Mark, needed: frozenset[int], conjuncts: tuple[Scalar, ...]) -> bool:
    """Whether a mark is only tested by whole conjuncts, where EXISTS may stand in its place (inside TRY it may not)."""
    bare = [conjunct for conjunct in conjuncts if _bare(conjunct) == mark.column]
    return mark.column.id not in needed | _read(each for each in conjuncts if each not in bare)


def _bare(conjunct: Scalar) -> Column | None:
    match conjunct:
        case Ref(column) | Call("not", (Ref(column),)):
            return column
        case _:
            return None


def _all(conjuncts: tuple[Scalar, ...], names: Names, result: exp.Expr | None = None) -> exp.Expr:
    for conjunct in conjuncts:
        printed = _wrapped(scalars.to_sql(conjunct, by(names)))
        result = printed if result is None else exp.And(this=result, expression=printed)
    assert result is not None, "a condition has conjuncts"
    return result


def _wrapped(node: exp.Expr) -> exp.Expr:
    return exp.Paren(this=node) if isinstance(node, exp.Connector | exp.Binary | exp.Predicate | exp.Not) else node


def _read(found: Iterable[Scalar]) -> frozenset[int]:
    return frozenset(column.id for scalar in found for column in columns_of(scalar))


def _as(node: exp.Expr, column: Column) -> exp.Expr:
    return exp.Alias(this=node, alias=_quoted(column.name))


def _name(name: str, table: str | None = None) -> exp.Column:
    return exp.Column(this=_quoted(name), table=_quoted(table) if table else None)


def _quoted(name: str) -> exp.Identifier:
    return exp.Identifier(this=name, quoted=True)


def _one() -> exp.Expr:
    return exp.Alias(this=exp.Literal.number(1), alias=_quoted("one"))


def _subquery(select: exp.Query, alias: str) -> exp.Subquery:
    return exp.Subquery(this=select, alias=exp.TableAlias(this=_quoted(alias)))


