"""The finish: everything that reads only public and released tables, copied node by node through an allow-list."""

from __future__ import annotations

from sqlglot import exp

from dpsql import scalars
from dpsql.lower.context import Context, Env, Origin, check_args
from dpsql.lower.question import Replace, lower_question
from dpsql.lower.rows import lower_rows
from dpsql.lower.sources import aggregated, alias_of, extended, origin_of, sources
from dpsql.parse import refusal, unwrapped, written
from dpsql.scalars.text import MAX_TEXT

_JOINED = (exp.DPipe, exp.Concat, exp.ConcatWs)

_SELECT = {
    "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "qualify",
    "with_", "kind",
}
_ROWS = {"expressions", "from_", "joins", "where"}
_SET = {"this", "expression", "distinct", "order", "limit", "offset", "with_", "by_name"}
_STRUCTURE = (
    exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Distinct,
    exp.Qualify, exp.Alias, exp.TableAlias, exp.Identifier, exp.Column, exp.Star, exp.Tuple, exp.Subquery,
    exp.Window, exp.WindowSpec, exp.Filter, exp.Var,
)


def admitted(node: exp.Expr) -> bool:
    """Whether a node, its children aside, may stand in the text of a finish."""
    if isinstance(node, exp.Select | exp.SetOperation | exp.Table | exp.With | exp.CTE):
        return True
    return isinstance(node, _STRUCTURE) or scalars.admitted_in_finish(node)


def lower_open(query: exp.Expr, context: Context, env: Env) -> exp.Query:
    """A query whose rows may be shown: public, released, or aggregated here. QueryError for rows about people."""
    match query:
        case exp.Subquery():
            return lower_open(unwrapped(query), context, env)
        case exp.SetOperation():
            check_args(query, _SET)
            env = extended(query, context, env)
            sides = {side: _side(query.args[side], context, env) for side in ("this", "expression")}
            rest = {
                name: _copy(value, context, env) for name, value in query.args.items()
                if name not in ("this", "expression", "with_") and value is not None
            }
            return query.__class__(**sides, **rest)
        case exp.Select():
            return _select(query, context, extended(query, context, env), env)
        case _:
            raise refusal("this is not a query dpsql answers", query, "write a SELECT")


def _side(query: exp.Expr, context: Context, env: Env) -> exp.Expr:
    """One side of UNION and the like, in the brackets it came in: they say what is combined first."""
    side = lower_open(query, context, env)
    return exp.Subquery(this=side) if isinstance(query, exp.Subquery) else side


def _select(select: exp.Select, context: Context, env: Env, outer: Env) -> exp.Query:
    origins = {node: _source_origin(node, context, env) for node in sources(select)}
    if Origin.OWNED in origins.values():
        if Origin.RELEASED in origins.values():
            mixed = next(node for node, origin in origins.items() if origin is Origin.RELEASED)
            raise refusal(
                "joining rows about people with an aggregated table is not answered yet", mixed,
                "ask the two as separate queries, or aggregate first and join the results",
            )
        if not aggregated(select):
            plain = exp.Select(**{name: value for name, value in select.args.items() if name in _ROWS}).copy()
            lower_rows(plain, Context(context.catalog), env)     # a name that does not exist is said first
            raise refusal(
                "this would return rows about single people, and only aggregates are released",
                select.expressions[0], "use COUNT, SUM or AVG, with GROUP BY if you like",
            )
        return lower_question(
            select, context, outer, lambda node, replace, inner: _node(node, replace, context, inner)
        )
    check_args(select, _SELECT)
    args = {name: _copy(value, context, env) for name, value in select.args.items() if name != "with_"}
    return exp.Select(**args)


def _source_origin(node: exp.Expr, context: Context, env: Env) -> Origin:
    probe = exp.Select(expressions=[exp.Star()], from_=exp.From(this=node.copy()))
    return origin_of(probe, context, env)


def _copy(value: object, context: Context, env: Env) -> object:
    match value:
        case exp.Expr():
            return _node(value, lambda _: None, context, env)
        case list():
            return [_copy(item, context, env) for item in value]
        case _:
            return value


def _node(node: exp.Expr, replace: Replace, context: Context, env: Env) -> exp.Expr:
    """A copy of one node and what is below it; anything not on the allow-list is refused where it stands."""
    replaced = replace(node)
    if replaced is not None:
        return replaced
    match node:
        case exp.Query() if not isinstance(node, exp.Subquery):
            return lower_open(node, context, env)
        case exp.Subquery() if isinstance(node.this, exp.Query):
            check_args(node, {"this", "alias"})
            alias = node.args.get("alias")
            inner = lower_open(node.this, context, env)
            return exp.Subquery(this=inner, alias=alias.copy() if alias is not None else None)
        case exp.Table():
            return _table(node, replace, context, env)
    if not isinstance(node, _STRUCTURE) and not scalars.admitted_in_finish(node):
        raise refusal(f"{written(node)} is not admitted", node, "the pages of grammar_fixtures show what is")
    args: dict[str, object] = {}
    for name, value in node.args.items():
        if isinstance(value, exp.Expr):
            args[name] = _node(value, replace, context, env)
        elif isinstance(value, list):
            args[name] = [
                _node(item, replace, context, env) if isinstance(item, exp.Expr) else item for item in value
            ]
        else:
            args[name] = value
    copied = node.__class__(**args)
    if type(copied) is exp.Cast and not isinstance(copied.this, exp.Literal):
        # what does not fit is NULL, as below the noise: a charged query should not fail for it
        copied = exp.TryCast(this=copied.this, to=copied.args["to"], safe=True)
    if isinstance(copied, _JOINED) and not isinstance(node.parent, _JOINED):
        # WITH names that double one another's text would fill the memory
        copied = exp.Left(this=copied, expression=exp.Literal.number(MAX_TEXT))
    copied.meta.update({key: value for key, value in node.meta.items() if key in ("start", "end")})
    return copied


def _table(node: exp.Table, replace: Replace, context: Context, env: Env) -> exp.Expr:
    alias, columns = alias_of(node)
    cte = env.get(node.name.lower()) if not node.db else None
    if cte is not None:
        if cte.emitted is None:
            body = lower_open(cte.query, context, cte.env)
            cte.emitted = f"with_{len(context.ctes) + 1}"
            context.ctes.append((cte.emitted, body))
        columns = columns or cte.columns
        table = exp.Table(this=exp.to_identifier(cte.emitted, True))
    else:
        name = context.base(node)
        context.public[name] = None
        path = context.catalog.table(name).path[1:]
        table = exp.Table(this=exp.to_identifier(path[-1], True), db=exp.to_identifier(path[0], True))
    named = [exp.to_identifier(column, True) for column in columns]
    table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, True), columns=named))
    joins = node.args.get("joins")
    if joins:
        table.set("joins", [_node(join, replace, context, env) for join in joins])
    return table
