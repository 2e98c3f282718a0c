"""Blocks without aggregates over owned or public tables: what they select, from which join group, under which names."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import Column, Ref, Scalar, size_of
from dpsql.lower.context import Context, Env, Origin, check_args
from dpsql.lower.joins import Barrier, Group, Outer, filtered, joined
from dpsql.lower.scope import Scope, Visible, expand, lookup, merged, output_name, renamed, resolve
from dpsql.lower.sources import aggregated, alias_of, extended, origin_of
from dpsql.parse import refusal, unwrapped

MAX_NODES = 2_000   # of one expression after derived tables are expanded; keeps nested doublings out

_BLOCK = {"expressions", "from_", "joins", "where", "with_", "kind"}


@dataclass(frozen=True, slots=True)
class Rows:
    """A join group and the names it shows."""

    group: Group
    scope: Scope


def lower_rows(query: exp.Query, context: Context, env: Env) -> Rows:
    """The rows of a SELECT without aggregates. Raises QueryError for anything else."""
    select = unwrapped(query)
    if not isinstance(select, exp.Select):
        raise refusal(
            "UNION and the like of tables about people are not answered yet", query,
            "ask each by itself, and put the answers together",
        )
    env = extended(select, context, env)
    if select.args.get("distinct"):
        raise refusal("DISTINCT over rows about people is not answered", select, "use GROUP BY with an aggregate")
    check_args(select, _BLOCK)
    rows = lower_where(lower_from(select, context, env), select)
    scope: list[Visible] = []
    for item in select.expressions:
        scope += _item(item, rows.scope)
    return Rows(rows.group, renamed(tuple(scope), "", (), select))


def _item(item: exp.Expr, scope: Scope) -> list[Visible]:
    if is_star(item):
        return [Visible(None, v.name, v.scalar) for v in expand(item, scope)]
    inner = item.this if isinstance(item, exp.Alias) else item
    return [Visible(None, output_name(item), build(inner, scope))]


def is_star(node: exp.Expr) -> bool:
    """Whether a select item is `*` or `t.*`."""
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def build(node: exp.Expr, scope: Scope, aliases: dict[str, exp.Expr] | None = None) -> Scalar:
    """The typed expression of a node. A name no column has may be an alias of the same SELECT, as in DuckDB."""
    open_aliases = dict(aliases or {})

    def named(column: exp.Column) -> Scalar:
        if not column.table and not lookup(column, scope) and column.name.lower() in open_aliases:
            return build(open_aliases.pop(column.name.lower()), scope, open_aliases)
        return resolve(column, scope)

    try:
        scalar = scalars.build(node, named)
    except scalars.ScalarError as error:
        raise refusal(error.reason, error.node, error.hint) from None
    if size_of(scalar) > MAX_NODES:
        raise refusal("this expression is too large once derived tables are expanded", node)
    return scalar


def lower_from(select: exp.Select, context: Context, env: Env) -> Rows:
    """FROM and the joins of a block."""
    source = select.args.get("from_")
    if source is None:
        raise refusal("a SELECT without FROM has no rows about people", select)
    rows = lower_source(source.this, context, env)
    for join in select.args.get("joins") or ():
        rows = _join(rows, join, context, env)
    return rows


def lower_where(rows: Rows, select: exp.Select) -> Rows:
    """The rows that pass WHERE; an alias of the same SELECT may stand in it, as in DuckDB."""
    where = select.args.get("where")
    if where is None:
        return rows
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    group = rows.group
    for conjunct in conjuncts_of(build(where.this, rows.scope, aliases), where.this):
        group = filtered(group, conjunct)
    return Rows(group, rows.scope)


def conjuncts_of(scalar: Scalar, node: exp.Expr) -> list[Scalar]:
    """The conjuncts of a condition. Raises QueryError when it is no condition."""
    if str(scalar.type) not in ("BOOLEAN", "NULL"):
        raise refusal(f"a condition must be BOOLEAN, and this is {scalar.type}", node, "compare it with a value")
    return list(scalars.conjuncts(scalar))


def lower_source(node: exp.Expr, context: Context, env: Env) -> Rows:
    """One source of FROM: a table of the policy, a WITH name, a derived table or a join in brackets."""
    match node:
        case exp.Table():
            rows = _table(node, context, env)
        case exp.Subquery() if isinstance(node.this, exp.Table):
            check_args(node, {"this", "alias"})
            rows = lower_source(node.this, context, env)
            if node.alias:
                alias, columns = alias_of(node)
                rows = Rows(rows.group, renamed(rows.scope, alias, columns, node))
        case exp.Subquery():
            check_args(node, {"this", "alias"})
            alias, columns = alias_of(node)
            inner = _derived(node.this, context, env, node)
            rows = Rows(inner.group, renamed(inner.scope, alias, columns, node))
        case _:
            raise refusal("this kind of FROM is not answered", node, "name a table of the policy")
    for join in node.args.get("joins") or ():
        rows = _join(rows, join, context, env)
    return rows


def _table(node: exp.Table, context: Context, env: Env) -> Rows:
    alias, columns = alias_of(node)
    cte = env.get(node.name.lower()) if not node.db else None
    if cte is not None:
        inner = _derived(cte.query, context, cte.env, node)
        return Rows(inner.group, renamed(renamed(inner.scope, cte.name, cte.columns, node), alias, columns, node))
    scan = context.scan(context.base(node))
    scope = tuple(Visible(alias, column.name, Ref(column)) for column in scan.columns)
    return Rows(Group((scan,)), renamed(scope, alias, columns, node))


def _derived(query: exp.Query, context: Context, env: Env, place: exp.Expr) -> Rows:
    if origin_of(query, context, env) is Origin.RELEASED or (isinstance(query, exp.Select) and aggregated(query)):
        raise refusal(
            "joining rows about people with an aggregated table is not answered yet", place,
            "ask the two as separate queries, or aggregate first and join the results",
        )
    return lower_rows(query, context, env)


def _join(left: Rows, join: exp.Join, context: Context, env: Env) -> Rows:
    check_args(join, {"this", "on", "using", "side", "kind", "method"})
    side, kind, method = join.side, join.kind, join.method
    if kind not in ("", "INNER", "CROSS", "OUTER") or side not in ("", "LEFT") or method not in ("", "NATURAL"):
        raise refusal(
            f"{' '.join(part for part in (method, side, kind) if part)} JOIN is not answered", join,
            "swap the sides and use LEFT JOIN" if side == "RIGHT" else "use JOIN or LEFT JOIN",
        )
    right = lower_source(join.this, context, env)
    if same := {v.table.lower() for v in left.scope if v.table} & {v.table.lower() for v in right.scope if v.table}:
        raise refusal(f"two tables here are called {min(same)}", join.this, "give each an alias of its own")
    names = [node.name for node in join.args.get("using") or ()]
    if method == "NATURAL":
        shown = {v.name.lower() for v in left.scope if not v.hidden}
        names = [v.name for v in right.scope if not v.hidden and v.name.lower() in shown]
    if side == "LEFT":
        right = _materialised(right, context)
    scope = merged(left.scope, right.scope, names)
    on = [_using(name, left.scope, right.scope, join) for name in names]
    if condition := join.args.get("on"):
        on += conjuncts_of(build(condition, left.scope + right.scope), condition)
    if side == "LEFT":
        return Rows(Group((Outer(left.group, right.group, tuple(on)),)), scope)
    group = joined(left.group, right.group)
    for conjunct in on:
        group = filtered(group, conjunct)
    return Rows(group, scope)


def _using(name: str, left: Scope, right: Scope, join: exp.Join) -> Scalar:
    column = exp.column(name)
    places = [node for node in join.args.get("using") or () if node.name == name]
    if places:
        column.this.meta.update(places[0].meta)
    try:
        return scalars.call("=", resolve(column, left), resolve(column, right))
    except scalars.ScalarError as error:
        raise refusal(error.reason, places[0] if places else join, error.hint) from None


def _materialised(rows: Rows, context: Context) -> Rows:
    """Computed columns become columns of their own, so that a null extension makes them NULL."""
    if all(isinstance(v.scalar, Ref) for v in rows.scope):
        return rows
    items: list[tuple[Column, Scalar]] = []
    scope: list[Visible] = []
    for v in rows.scope:
        column = v.scalar.column if isinstance(v.scalar, Ref) else context.fresh(v.name, v.scalar.type)
        if column.id not in {known.id for known, _ in items}:
            items.append((column, v.scalar))
        scope.append(Visible(v.table, v.name, Ref(column), v.hidden))
    return Rows(Group((Barrier(rows.group, tuple(items)),)), tuple(scope))
