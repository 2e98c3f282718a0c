"""A statement of PostgreSQL over system tables, made one of DuckDB over the catalog's own database.

The tree is rewritten in place, and the type of every column is found on the way: DuckDB does not know oid from bigint,
nor name from text, and clients ask. What is not known here is refused: nothing reaches the database that is not on a
list of this package.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from dpsql.doors.serve.catalog.build import PLACES, Built
from dpsql.doors.serve.catalog.names import NOTHING, called, folded
from dpsql.doors.serve.catalog.pg_types import INT8, UNKNOWN, common
from dpsql.doors.serve.catalog.scope import Columns, Scope, Source, shape_columns
from dpsql.doors.serve.catalog.shapes import shapes
from dpsql.doors.serve.failure import Failure

_OF_SELECT = {"with_", "from_", "joins", "expressions", "kind", "hint", "locks", "operation_modifiers"}
_TAKEN = _OF_SELECT | {"where", "group", "having", "order", "limit", "offset", "distinct", "windows"}
_OF_TABLE = {"this", "db", "catalog", "alias", "ordinality", "joins", "only"}


def unknown_tables(tree: exp.Query) -> tuple[int, int]:
    """How many tables of a statement are the system's, and how many are not."""
    named = {folded(cte.args["alias"].this) for cte in tree.find_all(exp.CTE)}
    system = other = 0
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Func):
            continue
        if place(table) is not None:
            system += 1
        elif table.args.get("db") or folded(table.this) not in named:
            other += 1
    return system, other


def place(table: exp.Table) -> tuple[str, str] | None:
    """The system table that a name means."""
    schema = folded(table.args.get("db")) or "pg_catalog"
    key = (schema, folded(table.this))
    return key if key in shapes() else None


class Translation:
    """One statement's queries; expressions are the business of `Translator`.

    `parameters` are the types of its parameters by number, filled while it is read.
    """

    def __init__(self, built: Built) -> None:
        self.built = built
        self.parameters: dict[int, int] = {}

    def query(self, node: exp.Expr, outer: Scope | None) -> Columns:
        """The columns of a query, which is rewritten."""
        match node:
            case exp.Select():
                return self._select(node, Scope(outer))
            case exp.SetOperation():
                return self._united(node, Scope(outer))
            case exp.Values():
                rows = [[self.value(item, outer or Scope()) for item in row.expressions] for row in node.expressions]
                columns = enumerate(zip(*rows, strict=False), 1)
                return tuple((f"column{i}", common(list(column))) for i, column in columns)
            case exp.Subquery() | exp.Paren():
                scope = Scope(outer)
                self._with(node, scope)
                found = self.query(node.this, scope)
                self._rest(node, scope, {"this", "with_", "alias"})
                return found
            case _:
                raise refuse(node)

    def _select(self, node: exp.Select, scope: Scope) -> Columns:
        for name, given in node.args.items():
            if given and name not in _TAKEN:
                raise Failure("0A000", f"the catalog does not answer {name.strip('_').upper()}")
        node.set("locks", None)
        self._with(node, scope)
        joins = node.args.get("joins") or []
        if node.args.get("from_"):
            self._source(node.args["from_"].this, scope)
        for join in joins:
            self._source(join.this, scope)
        for join in joins:
            if join.args.get("on"):
                self.value(join.args["on"], scope)
        columns = tuple(self._columns(node, scope))
        scope.shown = frozenset(name for name, _ in columns)
        self._rest(node, scope, _OF_SELECT)
        return columns

    def _united(self, node: exp.SetOperation, scope: Scope) -> Columns:
        self._with(node, scope)
        left = self.query(node.this, scope)
        right = self.query(node.expression, scope)
        self._rest(node, scope, {"this", "expression", "with_"})
        return tuple((name, common([one, two])) for (name, one), (_, two) in zip(left, right, strict=False))

    def _with(self, node: exp.Expr, scope: Scope) -> None:
        for cte in node.args["with_"].expressions if node.args.get("with_") else ():
            alias, body = cte.args["alias"], cte.this
            if isinstance(body, exp.SetOperation) and node.args["with_"].args.get("recursive"):
                first = self.query(body.this, scope)            # what the second part may ask
                scope.queries[folded(alias.this)] = renamed(first, alias)
                second = self.query(body.expression, scope)
                found: Columns = tuple(
                    (name, common([one, two])) for (name, one), (_, two) in zip(first, second, strict=False))
            else:
                found = self.query(body, scope)
            scope.queries[folded(alias.this)] = renamed(found, alias)

    def _rest(self, node: exp.Expr, scope: Scope, done: set[str]) -> None:
        """The clauses behind."""
        for name, given in list(node.args.items()):
            for each in given if isinstance(given, list) else [given]:
                if name not in done and isinstance(each, exp.Expr):
                    self._clause(each, scope)

    def _clause(self, node: exp.Expr, scope: Scope) -> None:
        match node:
            case exp.Limit() | exp.Offset() | exp.Fetch():
                inner = node.args.get("expression") or node.args.get("count")
                if inner is not None:
                    self.value(inner, scope, INT8)
            case exp.Where() | exp.Having():
                self.value(node.this, scope)
            case exp.Order() | exp.Group() | exp.Distinct() | exp.Ordered() | exp.Tuple() | exp.Paren():
                if isinstance(node, exp.Group) and (set(node.args) - {"expressions"}):
                    raise refuse(node)
                for child in list(node.iter_expressions()):
                    self._clause(child, scope)
            case exp.Window():
                self._rest(node, scope, {"alias", "this"})
            case exp.Literal() if not node.is_string:
                return
            case exp.Column() if isinstance(node.parent, exp.Ordered) and node.name in scope.shown and not node.table:
                return          # ORDER BY means what is shown first
            case _:
                self.value(node, scope)

    def _columns(self, node: exp.Select, scope: Scope) -> Iterator[tuple[str, int]]:
        for item in list(node.expressions):
            if item.is_star:
                if isinstance(item, exp.Star) and (item.args.get("except_") or item.args.get("replace")):
                    raise refuse(item)
                wanted = folded(item.args.get("table")) if isinstance(item, exp.Column) else ""
                for alias, source in scope.sources.items():
                    yield from source.columns if wanted in ("", alias) else ()
                continue
            name = called(item)
            inner = item.this if isinstance(item, exp.Alias) else item
            if inner is item and name != NOTHING and not isinstance(item, exp.Column):
                holder = exp.Alias(alias=exp.to_identifier(name, quoted=True))
                item.replace(holder)
                holder.set("this", item)
            yield name, self.value(inner, scope)

    def _source(self, node: exp.Expr, scope: Scope) -> None:
        alias = node.args.get("alias")
        match node:
            case exp.Unnest() | exp.Table(this=exp.Func()):
                self.call(node, scope)
                return
            case exp.Table():
                self._table(node, scope)
                for join in node.args.get("joins") or []:       # of brackets: (a JOIN b ON ...)
                    self._source(join.this, scope)
                    if join.args.get("on"):
                        self.value(join.args["on"], scope)
                return
            case exp.Lateral():
                if not isinstance(node.this, exp.Subquery):
                    self.call(node, scope)
                    return
                columns = self.query(node.this, scope)
            case exp.Subquery() if isinstance(node.this, exp.Table):
                self._source(node.this, scope)
                for join in node.args.get("joins") or []:
                    self._source(join.this, scope)
                return
            case exp.Subquery() | exp.Values():
                columns = self.query(node, scope)
            case _:
                raise refuse(node)
        if alias is not None:
            scope.sources[folded(alias.this)] = Source(renamed(columns, alias))
        else:
            scope.sources[f" {len(scope.sources)}"] = Source(columns)

    def _table(self, node: exp.Table, scope: Scope) -> None:
        for name, given in node.args.items():
            if given and name not in _OF_TABLE:
                raise Failure("0A000", f"the catalog does not answer {name.strip('_').upper()} of a table")
        name, alias = folded(node.this), node.args.get("alias")
        called_ = folded(alias.this) if alias is not None else name
        known = None if node.args.get("db") else scope.query(name)
        if known is not None:
            scope.sources[called_] = Source(renamed(known, alias))
            return
        key = place(node)
        if key is None:
            raise Failure("42P01", f'relation "{name[:80]}" does not exist in the catalog')
        shape = shapes()[key]
        node.set("catalog", None)
        node.set("db", exp.to_identifier(PLACES[key[0]], quoted=True))
        node.set("this", exp.to_identifier(name, quoted=True))
        if alias is None:
            node.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True)))
        scope.sources[called_] = Source(renamed(shape_columns(shape), alias), shape)

    def value(self, node: exp.Expr, scope: Scope, wanted: int = UNKNOWN) -> int:
        """The type of an expression, which is rewritten in its place; a parameter there is of the type `wanted`."""
        raise NotImplementedError

    def call(self, node: exp.Expr, scope: Scope) -> None:
        """A function in FROM, which is rewritten."""
        raise NotImplementedError


def renamed(columns: Columns, alias: exp.Expr | None) -> Columns:
    """The columns under the names that AS a(x, y) gives."""
    names = [folded(each) for each in (alias.args.get("columns") or [])] if alias is not None else []
    return tuple((names[i] if i < len(names) else name, oid) for i, (name, oid) in enumerate(columns))


def refuse(node: exp.Expr) -> Failure:
    """What the catalog does not answer."""
    what = str(node.this) if isinstance(node, exp.Anonymous) else node.key.upper()
    return Failure("0A000", f"the catalog does not answer {what[:80]}", hint="ask its tables with plain SELECTs")

