"""EXISTS and IN over rows: each becomes a column that says whether some row of the inner query matches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlglot import exp

from dpsql import scalars
from dpsql.copied import copied
from dpsql.errors import QueryError
from dpsql.expression import BOOLEAN, Column, Kind, Lit, Ref, Scalar, columns_of
from dpsql.facts.ranges import never_null
from dpsql.lower.around import conjunct_nodes, reads_around, taken_apart
from dpsql.lower.context import Context, Env, check_args
from dpsql.lower.joins import Exists, Group, filtered, ids
from dpsql.lower.rows import Rows, build, conjuncts_of, derived, is_star, lower_from
from dpsql.lower.scope import Scope, Visible, expand
from dpsql.lower.sources import aggregated, extended, one_group
from dpsql.output_name import output_name
from dpsql.parse import refusal, unwrapped

_HIDDEN = "\0is"        # the table name of columns that stand for a subquery: no analyst can write it
_COMPARED: dict[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}
_PLAIN = {"expressions", "from_", "joins", "where", "with_", "kind", "distinct", "order", "limit"}


@dataclass(frozen=True, slots=True)
class Inner:
    """The rows of an inner query: those conditions that also read the rows around it are `on`.

    `own` as of `joins.Exists`; `same` says that those rows alone are there whose items equal what IN seeks.
    """

    group: Group
    on: tuple[Scalar, ...]
    items: tuple[Visible, ...]
    own: bool = False
    same: bool = False


def marked(
    select: exp.Select, parts: Callable[[exp.Select], list[exp.Expr]], rows: Rows, context: Context, env: Env,
) -> tuple[exp.Select, Rows]:
    """A block without EXISTS and IN (SELECT ...) in the `parts` that are computed from rows; `rows` shows them."""
    some = select.find(exp.Exists, exp.In, exp.Any, exp.All) is not None
    if not (some and any(True for part in parts(select) for _ in _tests(part))):
        return select, rows
    select = copied(select)
    known = plain_conjuncts(select, rows)
    for node in [found for part in parts(select) for found in _tests(part)]:
        scalar, rows = _scalar(node, rows, known, context, env)
        name = f"m{len(rows.scope) + 1}"
        column = exp.column(exp.to_identifier(name, True), table=exp.to_identifier(_HIDDEN, True))
        column.this.meta.update({
            key: value for inner in node.walk() for key, value in inner.meta.items() if key in ("start", "end")
        })
        rows = Rows(rows.group, (*rows.scope, Visible(_HIDDEN, name, scalar, hidden=True)))
        node.replace(column)
    return select, rows


def plain_tests(select: exp.Select, parts: list[exp.Expr], context: Context, env: Env) -> None:
    """Writes two tests in other words, in place: EXISTS of a block that has one row always, by its HAVING; and tests
    of a UNION that reads the rows around it, by each of its sides."""
    for node in [found for part in parts for found in _tests(part)]:
        query = unwrapped(_query(node) or node)
        asks = isinstance(node, exp.Exists) or (_is_member(node) and not isinstance(node, exp.NEQ))
        if not asks or any(query.args.get(name) for name in ("limit", "offset", "qualify")):
            continue
        if isinstance(node, exp.Exists) and isinstance(query, exp.Select) and one_group(query):
            having = query.args.get("having")
            value = query.copy()
            value.set("expressions", [having.this.copy()] if having is not None else [])
            value.set("having", None)
            node.replace(exp.Coalesce(this=exp.Subquery(this=value), expressions=[exp.false()])
                         if having is not None else exp.true())
        elif isinstance(query, exp.Union) and reads_around(query, context, env):
            node.replace(exp.Paren(this=exp.or_(*(_of_side(node, side) for side in (query.left, query.right)))))


def _of_side(node: exp.Expr, side: exp.Expr) -> exp.Expr:
    """A test of a UNION as one of a side of it."""
    inner = unwrapped(side).copy()
    if isinstance(node, exp.Exists):
        return exp.Exists(this=inner)
    return exp.In(this=node.this.copy(), query=exp.Subquery(this=inner))


def _tests(node: exp.Expr) -> Iterator[exp.Expr]:
    """The outermost EXISTS and IN (SELECT ...) of an expression."""
    if _query(node) is not None:
        yield node
    elif not isinstance(node, exp.Query):
        for child in node.iter_expressions():
            yield from _tests(child)


def plain_conjuncts(select: exp.Select, rows: Rows) -> tuple[Scalar, ...]:
    """The conditions without subqueries that every row satisfies which passes WHERE."""
    where = select.args.get("where")
    plain = [part for part in conjunct_nodes(where.this) if part.find(exp.Query) is None] if where is not None else []
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    found: list[Scalar] = []
    for part in plain:
        with suppress(QueryError):      # whatever is wrong is said later
            found += conjuncts_of(build(part, rows.scope, aliases), part)
    return tuple(found)


def _query(node: exp.Expr) -> exp.Expr | None:
    """The query that EXISTS, IN, = ANY or <> ALL asks; None for any other node."""
    match node:
        case exp.Exists():
            found = node.this
        case exp.In():
            found = node.args.get("query")
        case exp.Binary() if type(node) in _COMPARED and isinstance(node.expression, exp.Any | exp.All):
            found = node.expression.this
        case _:
            return None
    return found if isinstance(found, exp.Query) else None


def _scalar(
    node: exp.Expr, rows: Rows, known: tuple[Scalar, ...], context: Context, env: Env,
) -> tuple[Scalar, Rows]:
    query = _query(node)
    assert query is not None, "only tests of a query come here"
    found = unwrapped(query)
    assert isinstance(found, exp.Query), "a subquery holds a query"
    sought = _fields(node.this) if _is_member(node) else []
    inner = _inner(found, sought, rows, known, context, env)
    if isinstance(node, exp.Exists):
        column, rows = _with(inner, (), rows, node, context)
        return Ref(column), rows
    if not sought:
        return _compared(node, inner, rows, never_null(known), context)
    scalar, rows = _member(node, sought, inner, rows, never_null(known), context)
    return scalars.call("not", scalar) if isinstance(node, exp.NEQ) else scalar, rows


def _is_member(node: exp.Expr) -> bool:
    """Whether a test is IN or NOT IN, in whatever words."""
    if isinstance(node, exp.EQ | exp.NEQ):
        return isinstance(node.expression, exp.Any) is isinstance(node, exp.EQ)
    return isinstance(node, exp.In)


def _compared(
    node: exp.Expr, inner: Inner, rows: Rows, there: frozenset[int], context: Context,
) -> tuple[Scalar, Rows]:
    """`x > ANY (SELECT y ...)`: whether it is true of some y; of ALL, whether it is not untrue of any."""
    if len(inner.items) != 1:
        raise refusal(f"this compares a value with {len(inner.items)} columns", node)
    value, other = build(node.this, rows.scope), inner.items[0].scalar
    try:
        found = scalars.call(_COMPARED[type(node)], value, other)
    except scalars.ScalarError as error:
        raise refusal(error.reason, node, error.hint) from None
    unknown = _nullable(value, there, context) or _nullable(other, never_null(inner.group.conjuncts), context)
    if unknown and not _only_true_matters(node):
        raise refusal(
            "what may be NULL is compared with ANY or ALL in conditions of WHERE only", node, "write [NOT] EXISTS",
        )
    every = isinstance(node.expression, exp.All)
    test = scalars.call("not", scalars.call("is_true", found)) if every else found
    column, rows = _with(inner, (test,), rows, node, context)
    return scalars.call("not", Ref(column)) if every else Ref(column), rows


def _inner(
    query: exp.Query, sought: list[exp.Expr], rows: Rows, known: tuple[Scalar, ...], context: Context, env: Env,
) -> Inner:
    """The rows of an inner query that is asked whether it is empty, or for what is `sought` among its items."""
    read: Sequence[exp.Expr] = reads_around(query, context, env)
    if not isinstance(query, exp.Select) or not read:
        found = derived(query, context, env, query)
        return Inner(found.group, (), tuple(v for v in found.scope if not v.hidden))
    if _correlates(query) and all(column.find_ancestor(exp.Select) is query for column in read):
        return correlated_rows(query, rows, context, env)
    same = bool(sought) and _correlates(query) and len(sought) == len(query.expressions)
    if same:
        query, read = _seeking(query, sought, read)
    apart = taken_apart(query, read, rows, context, env, known)
    found = derived(apart.query, context, apart.env, query)
    on = apart.on([v.scalar for v in found.scope[: apart.width]], query)
    return Inner(found.group, on, found.scope[apart.width:], apart.copied, same)


def _seeking(
    query: exp.Select, sought: list[exp.Expr], read: Sequence[exp.Expr],
) -> tuple[exp.Select, Sequence[exp.Expr]]:
    """A query with the condition that its items equal what is sought among them, and what it reads then."""
    copied = query.copy()
    twins = {id(old): new for old, new in zip(query.walk(), copied.walk(), strict=True)}
    values = [each.copy() for each in sought]
    items = [item.this if isinstance(item, exp.Alias) else item for item in copied.expressions]
    tests = [exp.EQ(this=item.copy(), expression=exp.Paren(this=value))
             for item, value in zip(items, values, strict=True)]
    where = copied.args.get("where")
    rest = [exp.Paren(this=where.this)] if where is not None else []
    copied.set("where", exp.Where(this=exp.and_(*rest, *tests, copy=False)))
    return copied, [twins[id(column)] for column in read] + [
        column for value in values for column in value.find_all(exp.Column)
    ]


def matching(
    left: Rows, right: Rows, on: tuple[Scalar, ...], negated: bool, place: exp.Expr, context: Context,
) -> Rows:
    """SEMI JOIN, negated ANTI JOIN: the rows of `left` for which some (no) row of `right` satisfies `on`."""
    column, rows = _with(Inner(right.group, (), ()), on, left, place, context)
    found: Scalar = Ref(column)
    return Rows(filtered(rows.group, scalars.call("not", found) if negated else found), rows.scope)


def correlated_rows(query: exp.Select, rows: Rows, context: Context, env: Env) -> Inner:
    """The rows of a plain SELECT whose WHERE and select items may read the rows around it."""
    env = extended(query, context, env)
    check_args(query, _PLAIN)
    if (distinct := query.args.get("distinct")) and distinct.args.get("on"):
        raise refusal("DISTINCT ON is not answered: it keeps a row by its place", query.expressions[0])
    query, inner = context.embedded(query, lower_from(query, context, env), env)
    around = tuple(replace(v, outer=True) for v in rows.scope if not v.outer)
    scope: Scope = inner.scope + around
    group, on = inner.group, []
    if (where := query.args.get("where")) is not None:
        for conjunct in conjuncts_of(build(where.this, scope), where.this):
            if all(column.id in ids(group) for column in columns_of(conjunct)):
                group = filtered(group, conjunct)
            else:
                on.append(conjunct)
    items: list[Visible] = []
    for item in query.expressions:
        if is_star(item):
            items += expand(item, scope)
        else:
            inside = item.this if isinstance(item, exp.Alias) else item
            items.append(Visible(None, output_name(item), build(inside, scope)))
    return Inner(group, tuple(on), tuple(items))


def _correlates(query: exp.Select) -> bool:
    """Whether a query shows rows of its FROM, so that its WHERE may speak of the rows around it.

    DISTINCT and ORDER BY change nothing for EXISTS and IN, nor does the LIMIT that people write into EXISTS.
    """
    limit = query.args.get("limit")
    kept = limit is None or (isinstance(query.parent, exp.Exists) and limit.expression.name not in ("", "0"))
    return query.args.get("from_") is not None and kept and not aggregated(query) and not query.args.get("qualify")


def _member(
    node: exp.Expr, fields: list[exp.Expr], inner: Inner, rows: Rows, there: frozenset[int], context: Context,
) -> tuple[Scalar, Rows]:
    """`x IN (SELECT y ...)`: true when some y equals x; else NULL when one of them is NULL; else false."""
    sought = [build(each, rows.scope) for each in fields]
    found = [v.scalar for v in inner.items]
    if len(sought) != len(found):
        raise refusal(f"this compares {len(sought)} values with {len(found)} columns", node)
    try:
        equal = () if inner.same else tuple(scalars.call("=", y, x) for x, y in zip(sought, found, strict=True))
    except scalars.ScalarError as error:
        raise refusal(error.reason, node, error.hint) from None
    column, marked_rows = _with(inner, equal, rows, node, context)
    absent = [x for x in sought if _nullable(x, there, context)]
    absent += [y for y in found if _nullable(y, never_null(inner.group.conjuncts), context)]
    if not absent or _only_true_matters(node):
        return Ref(column), marked_rows
    if len(sought) > 1 or inner.same:
        raise refusal(
            "NOT IN over several columns that may be NULL is not answered" if not inner.same else
            "NOT IN of what may be NULL is not answered where the subquery reads the rows around it",
            node, "write NOT EXISTS",
        )
    unknown = scalars.call("is_null", absent[0])
    if len(absent) == 2:
        unknown = scalars.call("or", unknown, scalars.call("is_null", absent[1]))
    other, both = _with(inner, (unknown,), marked_rows, node, context, of_null=True)
    null = Lit(None, BOOLEAN)
    return scalars.call(
        "case", Ref(column), Lit(True, BOOLEAN), Ref(other), null, Lit(False, BOOLEAN)
    ), both


def _fields(node: exp.Expr) -> list[exp.Expr]:
    inner = node.unnest()
    return list(inner.expressions) if isinstance(inner, exp.Tuple) else [node]


def _with(
    inner: Inner, more: tuple[Scalar, ...], rows: Rows, node: exp.Expr, context: Context, of_null: bool = False,
) -> tuple[Column, Rows]:
    """A new mark of the rows; conditions on the inner rows alone stand inside."""
    group, on = inner.group, list(inner.on)
    for conjunct in more:
        if all(column.id in ids(group) for column in columns_of(conjunct)):
            group = filtered(group, conjunct)
        else:
            on.append(conjunct)
    column = context.fresh("found", BOOLEAN)
    mark = Exists(column, group, tuple(on), node, of_null, inner.own)
    return column, Rows(replace(rows.group, marks=(*rows.group.marks, mark)), rows.scope)


def _nullable(scalar: Scalar, there: frozenset[int], context: Context) -> bool:
    """Whether a value may be NULL. Rows without an owner are nobody's, so what names the owner never is."""

    def of(column: Column) -> bool:
        if column.id in there or not column.nullable:
            return column.type.kind is Kind.DOUBLE
        if column.table is None:
            return True
        rules = context.catalog.rules(column.table)
        return column.source not in (rules.unit, rules.owner.column if rules.owner else None)

    return scalars.nullable(scalar, of)


def _only_true_matters(node: exp.Expr) -> bool:
    """Whether NULL and false have the same effect: as conjuncts, and inside AND and OR, of WHERE."""
    parent = node.parent
    while isinstance(parent, exp.And | exp.Or | exp.Paren):
        parent = parent.parent
    return isinstance(parent, exp.Where) and not (isinstance(node, exp.NEQ) and _is_member(node))
