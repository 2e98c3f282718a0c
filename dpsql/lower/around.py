"""Subqueries that read the rows around them, as queries that do not: their rows say to which rows around they belong.

Where all they ask of those rows is that something equals something, the inner sides say it. Else the subquery also
reads a copy of what it asks of the rows around, one row for each combination of values of one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

from sqlglot import exp

from dpsql import scalars
from dpsql.errors import QueryError
from dpsql.expression import NULL, Column, Lit, Ref, Scalar, SqlType, columns_of, substituted
from dpsql.lower.assemble import assemble
from dpsql.lower.context import Context, Cte, Env, Origin
from dpsql.lower.first import written_out
from dpsql.lower.folds import plain
from dpsql.lower.joins import Block, Group, Item, Outer, Split, item_columns
from dpsql.lower.rows import Rows, build, lower_from
from dpsql.lower.scope import Visible, lookup
from dpsql.lower.sources import aggregated, extended
from dpsql.parse import refusal
from dpsql.relation import Aggregate, Fed, Fold, Project, Scan

KEY = "dpsql_k"         # the first columns of a query that was taken apart; a name nobody else uses
_AROUND = "\0around"    # the name of the copy of the rows around: no analyst can write it

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Apart:
    """A query whose first columns say to which of the rows around it its rows belong: to those of these values.

    `copied` says that it reads a copy of the rows around, whose owner is one more first column.
    """

    query: exp.Select
    env: Env
    around: tuple[Scalar, ...]
    copied: bool

    @property
    def width(self) -> int:
        """How many columns come before those that the query itself selects."""
        return len(self.around) + self.copied

    def on(self, shown: list[Scalar], place: exp.Expr) -> tuple[Scalar, ...]:
        """The condition under which a row of the query, with these first columns, belongs to a row around it."""
        try:
            return tuple(
                scalars.call("is_not_distinct" if self.copied else "=", key, around)
                for key, around in zip(shown[int(self.copied):], self.around, strict=True)
            )
        except scalars.ScalarError as error:
            raise refusal(error.reason, place, error.hint) from None


def reads_around(query: exp.Query, context: Context, env: Env) -> list[exp.Column]:
    """The columns that a query reads of the rows around it, those that its own subqueries read included."""
    if isinstance(query, exp.SetOperation):
        env = extended(query, context, env)
        return [found for side in (query.left, query.right) for found in reads_around(side, context, env)]
    if isinstance(query, exp.Subquery):
        return reads_around(query.this, context, env) if isinstance(query.this, exp.Query) else []
    if not isinstance(query, exp.Select) or query.args.get("from_") is None:
        return []
    probe = context.probe()
    try:
        env = extended(query, probe, env)
        scope = lower_from(query, probe, env).scope
    except QueryError:
        return []           # whatever is wrong is said when the query is read
    names = {item.alias.lower() for item in query.expressions if item.alias}
    return [
        column for part in own_parts(query) for column in read_by(part, probe, env)
        if not lookup(column, scope) and (column.table or column.name.lower() not in names)
    ]


def own_parts(query: exp.Select) -> list[exp.Expr]:
    """What a block computes, its FROM and WITH aside."""
    return [
        part for name, value in query.args.items() if name not in ("from_", "joins", "with_")
        for part in (value if isinstance(value, list) else [value]) if isinstance(part, exp.Expr)
    ]


def read_by(node: exp.Expr, context: Context, env: Env) -> list[exp.Column]:
    """The columns that an expression reads of the rows it stands among, for its subqueries too."""
    if isinstance(node, exp.Query) and not isinstance(node, exp.Subquery):
        return reads_around(node, context, env)
    if isinstance(node, exp.Column):
        return [] if isinstance(node.this, exp.Star) else [node]
    return [found for child in node.iter_expressions() for found in read_by(child, context, env)]


def taken_apart(
    query: exp.Select, read: Sequence[exp.Expr], rows: Rows, context: Context, env: Env, known: tuple[Scalar, ...] = (),
) -> Apart:
    """A SELECT that reads the columns `read` of `rows` around it, as one that does not.

    Of the rows around only those count for which `known` is true.
    """
    places = {id(column): build(column, rows.scope) for column in read}      # QueryError for what is not there either
    copied = query.copy()
    twins = {id(old): new for old, new in zip(query.walk(), copied.walk(), strict=True)}
    pairs = _equalities(copied, {id(twins[id(column)]) for column in read})
    if pairs is not None:
        around = tuple(build(outer, rows.scope) for _, outer in pairs)
        return Apart(_keyed(copied, [inner for inner, _ in pairs]), env, around, copied=False)
    scalars_read = list(dict.fromkeys(places.values()))
    name = f"{_AROUND}{sum(key.startswith(_AROUND) for key in env) + 1}"
    for column in read:
        twin = twins[id(column)]
        found = _column(name, f"c{scalars_read.index(places[id(column)]) + 1}")
        found.this.meta.update({key: value for node in column.walk() for key, value in node.meta.items()
                                if key in ("start", "end")})
        twin.replace(found)
    joins = [*(copied.args.get("joins") or []), exp.Join(this=exp.Table(this=exp.to_identifier(name, True)))]
    copied.set("joins", joins)
    group = replace(rows.group, conjuncts=rows.group.conjuncts + known)
    env = {**env, name: _around(name, group, tuple(scalars_read), query, env)}
    keys = [_column(name, f"c{i}") for i in range(len(scalars_read) + 1)]
    return Apart(_keyed(copied, keys), env, tuple(scalars_read), copied=True)


def _column(table: str, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, True), table=exp.to_identifier(table, True))


def _equalities(query: exp.Select, read: set[int]) -> list[tuple[exp.Expr, exp.Expr]] | None:
    """The inner and outer sides of equalities that are all a query asks of the rows around it; they leave its WHERE."""
    where = query.args.get("where")
    conjuncts = conjunct_nodes(where.this) if where is not None else []
    pairs, rest = [], []
    for each in conjuncts:
        if not _among(each, read):
            rest.append(each)
            continue
        sides = ((each.this, each.expression), (each.expression, each.this)) if isinstance(each, exp.EQ) else ()
        pair = next(((a, b) for a, b in sides if not _among(a, read) and _only(b, read)), None)
        if pair is None:
            return None
        pairs.append(pair)
    if sum(_among(outer, read) for _, outer in pairs) < len(read):
        return None         # something else of the block reads them too
    query.set("where", exp.Where(this=exp.and_(*rest, copy=False)) if rest else None)
    return pairs


def conjunct_nodes(condition: exp.Expr) -> list[exp.Expr]:
    """The conjuncts of a condition as the analyst wrote them, brackets taken off."""
    inner = condition.unnest()
    if isinstance(inner, exp.And):
        return conjunct_nodes(inner.this) + conjunct_nodes(inner.expression)
    return [inner]


def _among(node: exp.Expr, read: set[int]) -> int:
    return sum(id(column) in read for column in node.find_all(exp.Column))


def _only(node: exp.Expr, read: set[int]) -> bool:
    return node.find(exp.Query) is None and all(id(column) in read for column in node.find_all(exp.Column))


def _keyed(query: exp.Select, keys: Sequence[exp.Expr]) -> exp.Select:
    """The query for every value of the keys at once: they are shown first, and groups and windows are within them."""
    width = len(keys)
    for window in [found for part in own_parts(query) for found in _own(part, exp.Window)]:
        window.set("partition_by", [*(key.copy() for key in keys), *(window.args.get("partition_by") or [])])
    if aggregated(query):
        group = query.args.get("group") or exp.Group()
        places = [
            exp.Literal.number(int(node.name) + width) if isinstance(node, exp.Literal) and node.is_int else node
            for node in group.expressions
        ]
        group.set("expressions", [*(key.copy() for key in keys), *places] if not group.args.get("all") else [])
        query.set("group", group)
    _first_rows(query, keys)
    shown = [exp.alias_(key.copy(), f"{KEY}{i + 1}", quoted=True) for i, key in enumerate(keys)]
    query.set("expressions", shown + query.expressions)
    return query


def _own(node: exp.Expr, kind: type[exp.Expr]) -> list[exp.Expr]:
    """The nodes of a kind in an expression, those of its subqueries aside."""
    if isinstance(node, exp.Query):
        return []
    found = [node] if isinstance(node, kind) else []
    return found + [each for child in node.iter_expressions() for each in _own(child, kind)]


def _first_rows(query: exp.Select, keys: Sequence[exp.Expr]) -> None:
    """LIMIT as a condition on the place of a row among those of the same keys."""
    limit, offset, order = (query.args.get(name) for name in ("limit", "offset", "order"))
    if limit is None and offset is None:
        query.set("order", None)
        return
    if query.args.get("distinct"):
        raise refusal("LIMIT and DISTINCT together are not answered in a subquery", limit or offset,
                      "use GROUP BY, and LIMIT around it")
    ordered = [written_out(node, query) for node in order.expressions] if order is not None else []
    place = exp.Window(
        this=exp.RowNumber(), partition_by=[key.copy() for key in keys], over="OVER",
        order=exp.Order(expressions=ordered) if ordered else None,
    )
    skipped, kept = _whole(offset), _whole(limit)
    tests: list[exp.Expr] = []
    if limit is not None:
        tests.append(exp.LTE(this=place.copy(), expression=exp.Literal.number(skipped + kept)))
    if skipped:
        tests.append(exp.GT(this=place.copy(), expression=exp.Literal.number(skipped)))
    if qualify := query.args.get("qualify"):
        tests.append(exp.Paren(this=qualify.this))
    query.set("qualify", exp.Qualify(this=exp.and_(*tests, copy=False)) if tests else None)
    for clause in ("limit", "offset", "order"):
        query.set(clause, None)


def _whole(clause: exp.Expr | None) -> int:
    """The number of rows that LIMIT or OFFSET says."""
    if clause is None:
        return 0
    number = clause.expression
    if not isinstance(number, exp.Literal) or not number.is_int:
        raise refusal("LIMIT in a subquery takes a whole literal", clause)
    return int(number.name)


def _around(name: str, around: Group, read: tuple[Scalar, ...], place: exp.Expr, env: Env) -> Cte:
    """A source of what is read of the rows around: their owner c0, and c1, c2, ..., each combination once."""

    def copied(context: Context) -> Rows:
        table: dict[int, Column] = {}
        group = renewed(_kept(around, read, context), table, context)
        shown = assemble(group, context, place)
        if shown.owner is None:
            raise refusal(
                "a subquery may compare with the rows around it only by equality", place,
                "write inner.column = outer.column, or join the tables",
            )
        items: dict[Column, Scalar] = {shown.owner: Ref(shown.owner)}
        columns = []
        for i, scalar in enumerate(renewed(read, table, context)):
            same = isinstance(scalar, Ref) and plain(scalar) == scalar
            columns.append(scalar.column if isinstance(scalar, Ref) and same else
                           context.fresh(f"c{i + 1}", scalar.type))
            items[columns[-1]] = plain(scalar)
        keys = tuple(items)
        block = Block(Aggregate(Project(shown.relation, tuple(items.items())), keys, ()), shown.owner)
        named = [("c0", shown.owner), *((f"c{i + 1}", column) for i, column in enumerate(columns))]
        return Rows(Group((block,)), tuple(Visible(name, each, Ref(column), hidden=True) for each, column in named))

    return Cte(name, exp.Select(), (), env, Origin.OWNED, copied)


def _kept(group: Group, read: tuple[Scalar, ...], context: Context) -> Group:
    """The part of a group that gives at least every combination of the values read; what narrows it may be left out."""
    used = {column.id for scalar in read for column in columns_of(scalar)}
    marks = tuple(mark for mark in group.marks if isinstance(mark, Split) and mark.column.id in used)
    used |= {column.id for mark in marks for column in columns_of(mark.list)}
    private = [item for item in group.items if _private(item, context)]
    held = [item for item in private if used <= {column.id for column in item_columns(item)}]
    items = (held[0],) if held and not marks else tuple(
        item for item in group.items
        if item in private or not used.isdisjoint(column.id for column in item_columns(item))
    )
    shown = {column.id for item in items for column in item_columns(item)} | {mark.column.id for mark in marks}
    if not used <= shown:
        return group        # one of them stands for a subquery
    conjuncts = tuple(c for c in group.conjuncts if all(column.id in shown for column in columns_of(c)))
    return Group(items, conjuncts, marks)


def _private(item: Item, context: Context) -> bool:
    match item:
        case Scan(table, _):
            return not context.catalog.rules(table).public
        case Block(_, owner):
            return owner is not None
        case Outer(left, right, _, _):
            return any(_private(each, context) for each in left.items + right.items)
        case _:
            return False


def renewed(value: T, table: dict[int, Column], context: Context) -> T:
    """A copy of relations and scalars whose columns have ids of their own; `table` says which is which."""
    found: Any = value
    if isinstance(found, Column):
        if found.id not in table:
            table[found.id] = replace(found, id=context.fresh(found.name, found.type).id)
        found = table[found.id]
    elif isinstance(found, tuple | list | frozenset):
        found = type(found)(renewed(each, table, context) for each in found)
    elif is_dataclass(found) and not isinstance(found, type | SqlType):
        parts = {each.name: getattr(found, each.name) for each in fields(found)}
        found = replace(found, **{name: renewed(part, table, context) for name, part in parts.items()})
    return found  # type: ignore[no-any-return]


def names_row(inner: Rows, width: int, context: Context) -> bool:
    """Whether the first columns of rows say which row it is: they hold a key of their one table."""
    group, items = inner.group, inner.group.items
    if len(items) != 1 or not isinstance(items[0], Scan) or any(isinstance(mark, Split) for mark in group.marks):
        return False
    named = {v.scalar.column.source for v in inner.scope[:width] if isinstance(v.scalar, Ref)}
    return any(set(key) <= named for key in context.catalog.keys.get(items[0].table, ()))


def over_nothing(found: Rows, query: exp.Select, width: int) -> Rows:
    """The rows of an aggregate for each of their first columns, as the null-extended side of a join: where there are
    none, each item is what it is over nothing. COUNT is 0."""
    counts: dict[Scalar, Scalar] = {
        Ref(column): scalars.call("coalesce", Ref(column), Lit(0, column.type))
        for item in found.group.items if isinstance(item, Block) and isinstance(item.relation, Aggregate)
        for column, fold, _ in item.relation.items if fold in (Fold.ROWS, Fold.COUNT, Fold.DISTINCT)
    }
    shown = [replace(v, scalar=substituted(v.scalar, counts)) for v in found.scope]
    if any(isinstance(item, Fed) for item in found.group.items):
        there = scalars.call("is_not_null", found.scope[0].scalar)
        for i, item in enumerate(query.expressions, width):
            nothing = build(of_nothing(item.this if isinstance(item, exp.Alias) else item), ())
            if nothing != Lit(None, NULL):
                shown[i] = replace(shown[i], scalar=scalars.call("case", there, shown[i].scalar, nothing))
    return Rows(found.group, tuple(shown))


def of_nothing(node: exp.Expr) -> exp.Expr:
    """What an expression over aggregates is where there are no rows."""
    if isinstance(node, exp.AggFunc | exp.WithinGroup | exp.Filter):
        counts = node.this if isinstance(node, exp.Filter) else node
        return exp.Literal.number(0) if isinstance(counts, exp.Count | exp.CountIf) else exp.Null()
    copied = node.copy()
    for child in list(copied.iter_expressions()):
        child.replace(of_nothing(child))
    return copied
