"""Released and public blocks below the noise: they become feeds, whose rows an earlier stage binds as parameters.

What a feed holds is released or public, so a later question may read it like a public table. Nothing else is known of
it when the query is planned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from dpsql import scalars
from dpsql.copied import copied
from dpsql.expression import BIGINT, DOUBLE, INTEGER, Kind, Ref, Scalar, SqlType
from dpsql.lower.around import Apart, names_row, over_nothing, reads_around, taken_apart
from dpsql.lower.context import Context, Describe, Env, Origin
from dpsql.lower.exists import marked, plain_conjuncts, plain_tests
from dpsql.lower.joins import Group, Outer
from dpsql.lower.rows import Rows, derived, separated
from dpsql.lower.scope import Visible
from dpsql.lower.sources import aggregated, has_aggregate, one_group, one_row, origin_of
from dpsql.parse import refusal, unwrapped
from dpsql.program import Ask, Feed
from dpsql.relation import Fed

_HIDDEN = "\0fed"       # the table name of columns that stand for subqueries: no analyst can write it
_BELOW = ("where", "group")
_COUNTS = ("count", "units", "distinct")


@dataclass(frozen=True, slots=True)
class Stages:
    """How a block below the noise reads what is released or public: `open` lowers a block whose rows may be shown, as
    a stage of its own, and `describe` types it."""

    context: Context
    open: Callable[[exp.Query, Context, Env], exp.Query]
    describe: Describe

    def fed_rows(self, query: exp.Query, env: Env, place: exp.Expr) -> Rows:
        """The rows of a released or public block, for a later question to join."""
        feed, names = self._feed(query, env, place)
        fed = self._fed(feed, names)
        return Rows(Group((fed,)), tuple(Visible(None, c.name, Ref(c)) for c in fed.columns))

    def embedded(self, select: exp.Select, rows: Rows, env: Env) -> tuple[exp.Select, Rows]:
        """A block without subqueries below the noise: each is a column now, and `rows` shows it.

        Those of HAVING and of the select items, outside aggregates, belong to the finish and stay where a block groups.
        """
        if any(select.find_all(exp.Subquery, exp.Exists)):
            select = copied(select)
            plain_tests(select, _parts(select), self.context, env)
            for subquery in [found for part in _parts(select) for found in _subqueries(part)]:
                column, rows = self._column(subquery, rows, plain_conjuncts(select, rows), env)
                subquery.replace(column)
        return marked(select, _parts, rows, self.context, env)

    def _column(
        self, subquery: exp.Subquery, rows: Rows, known: tuple[Scalar, ...], env: Env,
    ) -> tuple[exp.Column, Rows]:
        """The column that stands for a scalar subquery, and the rows that show it."""
        query = unwrapped(subquery)
        assert isinstance(query, exp.Query), "a subquery holds a query"
        read = reads_around(query, self.context, env)
        if isinstance(query, exp.Select) and read:
            scalar, rows = self._each(query, read, rows, known, env, subquery)
        elif origin_of(query, self.context, env) is Origin.OWNED:
            raise refusal(
                "this subquery would give a value of a single person's row", subquery,
                "aggregate it (AVG, COUNT, ...), or join the table by the person's key",
            )
        else:
            scalar = self._single(query, env, subquery)
        name = f"s{len(rows.scope) + 1}"
        column = exp.column(exp.to_identifier(name, True), table=exp.to_identifier(_HIDDEN, True))
        column.this.meta.update({key: value for node in subquery.walk() for key, value in node.meta.items()
                                 if key in ("start", "end")})
        return column, Rows(rows.group, (*rows.scope, Visible(_HIDDEN, name, scalar, hidden=True)))

    def _single(self, query: exp.Query, env: Env, place: exp.Expr) -> Scalar:
        """One released value, the same for every row."""
        if not one_row(query):
            raise _several(place)
        feed, _ = self._feed(query, env, place, single=True)
        if len(feed.types) != 1:
            raise refusal("a subquery used as a value selects one column", place)
        return scalars.fed(f"{feed.name}_c1", feed.types[0])

    def _each(
        self, query: exp.Select, read: list[exp.Column], rows: Rows, known: tuple[Scalar, ...], env: Env,
        place: exp.Expr,
    ) -> tuple[Scalar, Rows]:
        """The value of a subquery for each of the rows it reads, and the rows with what shows it."""
        if len(query.expressions) != 1:
            raise refusal("a subquery used as a value selects one column", place)
        apart = taken_apart(query, read, rows, self.context, env, known)
        if aggregated(query) and origin_of(apart.query, self.context, apart.env) is not Origin.OWNED:
            return self._looked_up(query, apart, rows, place)
        inner = derived(apart.query, self.context, apart.env, place)
        if not one_row(query) and not names_row(inner, apart.width, self.context):
            raise _several(place)
        inner = over_nothing(inner, query, apart.width) if one_group(query) else separated(inner, self.context, place)
        *keys, value = (v.scalar for v in inner.scope)
        on = apart.on(keys, place)
        return value, Rows(Group((Outer(rows.group, inner.group, on, apart.copied),)), rows.scope)

    def _looked_up(self, query: exp.Select, apart: Apart, rows: Rows, place: exp.Expr) -> tuple[Scalar, Rows]:
        """The value of a correlated subquery: a row of its feed, found by the values it correlates with."""
        if not one_row(query):
            raise _several(place)
        feed, names = self._feed(apart.query, apart.env, place, unique=apart.width)
        fed = self._fed(feed, names)
        shown = tuple(Visible(None, column.name, Ref(column)) for column in fed.columns)
        found = Rows(Group((fed,)), shown)
        found = over_nothing(found, query, apart.width) if one_group(query) else found
        *keys, value = (v.scalar for v in found.scope)
        return value, Rows(Group((Outer(rows.group, found.group, apart.on(keys, place)),)), rows.scope)

    def _fed(self, feed: Feed, names: tuple[str, ...]) -> Fed:
        columns = tuple(
            self.context.fresh(name, type_, f"c{i + 1}")
            for i, (name, type_) in enumerate(zip(names, feed.types, strict=True))
        )
        return Fed(feed.name, columns, columns[: feed.unique])

    def _feed(
        self, query: exp.Query, env: Env, place: exp.Expr, *, unique: int = 0, single: bool = False,
    ) -> tuple[Feed, tuple[str, ...]]:
        """A new feed of a block, its columns cast to types the next stage computes with; and the block's names."""
        body, context = self.open(query, self.context, env), self.context
        text = body.sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE)
        described = self.describe(text, [(ask.name, _nominal(ask)) for ask in context.asks])
        types = []
        for name, type_ in described:
            if type_ is None or type_.kind is Kind.INTERVAL:
                raise refusal(f"the column {name} has a type that is not supported here", place, "CAST it")
            types.append(_bound_type(type_))
        feed = Feed(
            f"fed_{len(context.feeds) + 1}", len(context.asks), _typed(body, tuple(types)), tuple(types), unique,
            single, tuple(context.public),
        )
        context.feeds.append(feed)
        return feed, tuple(name for name, _ in described)


def _several(place: exp.Expr) -> Exception:
    return refusal(
        "this subquery may give several rows where one value is needed", place,
        "aggregate it without GROUP BY, or add LIMIT 1",
    )


def _parts(select: exp.Select) -> list[exp.Expr]:
    """The expressions of a block that are computed below the noise."""
    parts = [part for name in _BELOW if (part := select.args.get(name)) is not None]
    shown = [*select.expressions, select.args.get("having"), select.args.get("order"), select.args.get("qualify")]
    if not aggregated(select):
        return parts + [part for part in shown if part is not None]
    keys = [item for i, item in enumerate(select.expressions) if _is_key(i, item, select)]
    return parts + keys + [
        call for part in shown if part is not None for call in part.find_all(exp.AggFunc, exp.Filter)
        if not isinstance(call.parent, exp.Filter) and call.find_ancestor(exp.Query) is select
    ]


def _is_key(index: int, item: exp.Expr, select: exp.Select) -> bool:
    """Whether a select item is grouped by: by its text, its position, its alias or ALL."""
    group = select.args.get("group")
    if group is None or has_aggregate(item):
        return False
    inner = item.this if isinstance(item, exp.Alias) else item
    return bool(group.args.get("all")) or any(
        node in (inner, exp.Literal.number(index + 1))
        or (isinstance(node, exp.Column) and not node.table and node.name.lower() == item.alias.lower() != "")
        for node in group.expressions
    )


def _subqueries(part: exp.Expr) -> list[exp.Subquery]:
    """The scalar subqueries of an expression, not those inside others, and not the lists of IN and EXISTS."""
    if isinstance(part, exp.Subquery) and isinstance(unwrapped(part), exp.Query):
        return [part]
    found: list[exp.Subquery] = []
    waiting = [part]
    while waiting:
        node = waiting.pop()
        for child in node.iter_expressions():
            if isinstance(child, exp.Subquery) and isinstance(unwrapped(child), exp.Query):
                if not (isinstance(node, exp.In | exp.Exists | exp.Any | exp.All)):
                    found.append(child)
            elif not isinstance(child, exp.Query):
                waiting.append(child)
    return found


def _nominal(ask: Ask) -> tuple[tuple[str, str], ...]:
    """A released table before its noise is planned: its keys as they are, its measures as numbers that leave room."""
    keys = [(key.name, "INTEGER" if key.scalar.type.kind is Kind.NULL else str(key.scalar.type)) for key in ask.keys]
    measures = []
    for i, measure in enumerate(ask.measures):
        plain = measure.arg is None or measure.arg.type.numeric or measure.arg.type.kind is Kind.BOOLEAN
        type_ = BIGINT if measure.family in _COUNTS else DOUBLE if plain or measure.arg is None else measure.arg.type
        measures += [(f"a{i + 1}{end}", str(type_)) for end in ("", "_low", "_high")]
    return (*keys, *measures)


def _bound_type(type_: SqlType) -> SqlType:
    """A type that holds the value and leaves room for arithmetic; a bare NULL is an integer."""
    if type_.kind is Kind.NULL:
        return INTEGER
    return DOUBLE if type_.kind is Kind.INTEGER and type_.width == 128 else type_


def _typed(body: exp.Query, types: tuple[SqlType, ...]) -> exp.Query:
    """The block as a table of c1, c2, ... of exactly these types; what does not fit is NULL."""
    names = [f"c{i + 1}" for i in range(len(types))]
    alias = exp.TableAlias(this=exp.to_identifier("fed", True), columns=[exp.to_identifier(n, True) for n in names])
    return exp.Select(
        expressions=[
            exp.alias_(exp.TryCast(
                this=exp.column(exp.to_identifier(name, True), table=exp.to_identifier("fed", True)),
                to=exp.DataType.build(str(type_), dialect="duckdb"), safe=True,
            ), name, quoted=True) for name, type_ in zip(names, types, strict=True)
        ],
        from_=exp.From(this=exp.Subquery(this=body, alias=alias)),
    )
