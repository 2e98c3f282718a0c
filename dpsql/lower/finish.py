"""The finish: everything that reads only public and released tables, copied node by node through an allow-list."""

from __future__ import annotations

from sqlglot import exp

from dpsql import scalars
from dpsql.lower.context import Context, Env, Origin, check_args
from dpsql.lower.correlated import KEY, VALUE, Correlated, correlated, outer_columns
from dpsql.lower.grouping import level_keys, regrouped
from dpsql.lower.question import Replace, lower_question, refuse_unit_groups
from dpsql.lower.rows import lower_from, lower_rows
from dpsql.lower.scope import Scope
from dpsql.lower.sources import aggregated, alias_of, extended, origin_of, source_origin, sources
from dpsql.lower.total import SINGLE
from dpsql.output_name import output_name
from dpsql.parse import refusal, span, unwrapped, written

_SELECT = {
    "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "qualify",
    "with_", "kind",
}
_ROWS = {"expressions", "from_", "joins", "where"}
_SET = {"this", "expression", "distinct", "order", "limit", "offset", "with_", "by_name"}
_STRUCTURE = (
    exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered, exp.Limit, exp.Offset, exp.Distinct,
    exp.Qualify, exp.Alias, exp.TableAlias, exp.Identifier, exp.Column, exp.Star, exp.Tuple, exp.Subquery,
    exp.Window, exp.WindowSpec, exp.Filter, exp.Var, exp.Values, exp.Rollup, exp.Cube, exp.GroupingSets, exp.Grouping,
    exp.Bracket,
)

_MADE = (exp.Array, exp.Map)         # of several released columns (`several`), never as the analyst writes them
_WRITTEN = (*_STRUCTURE, *_MADE)


def admitted(node: exp.Expr) -> bool:
    """Whether a node, its children aside, may stand in the text of a finish."""
    if isinstance(node, exp.Select | exp.SetOperation | exp.Table | exp.With | exp.CTE):
        return True
    return isinstance(node, _WRITTEN) or scalars.admitted_in_finish(node)


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
    if Origin.OWNED in [source_origin(node, context, env) for node in sources(select)]:
        if (plain_groups := regrouped(select)) is not None:
            refuse_unit_groups(level_keys(select), lower_from(select, context.probe(), env), context)
            return lower_open(plain_groups, context, outer)
        if not aggregated(select):
            plain = exp.Select(**{name: value for name, value in select.args.items() if name in _ROWS}).copy()
            lower_rows(plain, context.probe(), env)     # a name that does not exist is said first
            raise refusal(
                "this would return rows about single people, and only aggregates are released",
                select.expressions[0], "use COUNT, SUM or AVG, with GROUP BY if you like",
            )
        return lower_question(
            select, context, outer, lambda node, replace, inner: _node(node, replace, context, inner)
        )
    check_args(select, _SELECT)
    args = {name: _copy(value, context, env) for name, value in select.args.items() if name != "with_"}
    shown = zip(select.expressions, args.pop("expressions"), strict=True)  # type: ignore[call-overload]
    return exp.Select(expressions=[_named(copied, item) for item, copied in shown], **args)


def _named(copied: exp.Expr, item: exp.Expr) -> exp.Expr:
    """A select item with its name made explicit, so that no printer chooses one."""
    if isinstance(item, exp.Alias | exp.Column | exp.Star):
        return copied
    return exp.alias_(copied, output_name(item), quoted=True)


def _copy(value: object, context: Context, env: Env) -> object:
    match value:
        case exp.Expr():
            return _node(value, lambda _: None, context, env)
        case list():
            return [_copy(item, context, env) for item in value]
        case _:
            return value


def _require_admitted(node: exp.Expr) -> None:
    """Refuses a node that is on no list of what a finish may hold, with what is written instead."""
    if isinstance(node, exp.ArrayAgg | exp.ArrayUniqueAgg | exp.GroupConcat):
        raise refusal(f"{written(node)} would put many rows into one value", node,
                      "select the rows themselves, and put them together outside")
    if not isinstance(node, _STRUCTURE) and not scalars.admitted_in_finish(node):
        why = None if isinstance(node, exp.AggFunc) else scalars.reason(node)
        if why is not None:
            raise refusal(why.reason, node, why.hint)
        raise refusal(f"{written(node)} is not admitted", node,
                      scalars.spelt_like(written(node)) or "the pages of grammar_fixtures show what is")


def _node(node: exp.Expr, replace: Replace, context: Context, env: Env) -> exp.Expr:
    """A copy of one node and what is below it; anything not on the allow-list is refused where it stands."""
    replaced = replace(node)
    if replaced is not None:
        replaced.meta.update(_place(node))
        return replaced
    _refuse_private_test(node, context, env)
    match node:
        case exp.IgnoreNulls(this=exp.AnyValue()):
            return exp.Min(this=_node(node.this.this, replace, context, env))     # any value will do
        case exp.Query() if not isinstance(node, exp.Subquery):
            return lower_open(_about_outer(node, replace, context, env), context, env)
        case exp.Subquery() if isinstance(node.this, exp.Query):
            check_args(node, {"this", "alias"})
            if (found := _each(node, context, env)) is not None:
                return _looked_up(found, replace, context, env)
            alias = node.args.get("alias")
            inner = lower_open(_about_outer(node.this, replace, context, env), context, env)
            return exp.Subquery(this=inner, alias=alias.copy() if alias is not None else None)
        case exp.Table():
            return _table(node, replace, context, env)
    _require_admitted(node)
    args: dict[str, object] = {}
    for name, value in node.args.items():
        if isinstance(node, exp.Column) and name in ("db", "catalog"):
            continue        # tables go by their alias here
        if isinstance(value, exp.Expr):
            args[name] = _node(value, replace, context, env)
        elif isinstance(value, list):
            args[name] = [_node(v, replace, context, env) if isinstance(v, exp.Expr) else v for v in value]
        else:
            args[name] = value
    copied = node.__class__(**args)
    if node.meta:
        copied.meta.update(node.meta)
    return copied


def _place(node: exp.Expr) -> dict[str, int]:
    """Where a node stands in the analyst's text, as a note."""
    start, end = span(node)
    return {"start": start, "end": end} if start is not None and end is not None else {}


def _refuse_private_test(node: exp.Expr, context: Context, env: Env) -> None:
    """Refuses EXISTS and IN over rows about people where a row that may be shown would depend on them."""
    query = node.this if isinstance(node, exp.Exists) else node.args.get("query") if isinstance(node, exp.In) else None
    if isinstance(query, exp.Query) and origin_of(unwrapped(query), context, env) is Origin.OWNED:
        raise refusal(
            "whether anybody's row is there is private", node,
            "use noisy groups: IN (SELECT k ... GROUP BY k HAVING COUNT(*) > 20)",
        )


def _about_outer(query: exp.Query, replace: Replace, context: Context, env: Env) -> exp.Query:
    """A subquery whose columns of the rows around it are what `replace` says of them, as HAVING needs."""
    if not isinstance(query, exp.Select) or query.args.get("from_") is None or query.find_ancestor(exp.From, exp.Join):
        return query
    probe = context.probe()
    scope = lower_from(query, probe, extended(query, probe, env)).scope
    meant = {id(column): replace(column) for part in ("where", "expressions") for column in _free(query, part, scope)}
    if not any(meant.values()):
        return query
    copied = query.copy()
    for old, new in list(zip(query.walk(), copied.walk(), strict=True)):
        if (found := meant.get(id(old))) is not None:
            new.replace(found)
    return copied


def _free(query: exp.Select, part: str, scope: Scope) -> list[exp.Column]:
    """The columns of one part of a subquery that its own tables do not show."""
    found = query.args.get(part)
    return [column for node in (found if isinstance(found, list) else [found]) if node is not None
            for column in outer_columns(node, scope)]


def _each(node: exp.Subquery, context: Context, env: Env) -> Correlated | None:
    """A scalar subquery that aggregates rows about people for each row around it."""
    query = unwrapped(node)
    if not isinstance(query, exp.Select) or isinstance(node.parent, exp.From | exp.Join) or not aggregated(query):
        return None
    inner = extended(query, context, env)
    if all(source_origin(source, context, inner) is not Origin.OWNED for source in sources(query)):
        return None
    return correlated(query, context, env)


def _looked_up(found: Correlated, replace: Replace, context: Context, env: Env) -> exp.Expr:
    """The released group of a correlated subquery that the row around it asks for."""
    alias = f"each_{context.questions + 1}"

    def column(name: str) -> exp.Column:
        return exp.column(exp.to_identifier(name, True), table=exp.to_identifier(alias, True))

    outer = [_node(each, replace, context, env) for each in found.outer]
    body = lower_open(found.query, context, env)
    same = [exp.EQ(this=column(f"{KEY}{i + 1}"), expression=exp.Paren(this=each)) for i, each in enumerate(outer)]
    select = exp.Select(
        expressions=[column(VALUE)],
        from_=exp.From(this=exp.Subquery(this=body, alias=exp.TableAlias(this=exp.to_identifier(alias, True)))),
        where=exp.Where(this=exp.and_(*same, copy=False)),
    )
    value = exp.Subquery(this=select)
    value.meta[SINGLE] = True
    return exp.Coalesce(this=value, expressions=[exp.Literal.number(0)]) if found.counts else value


def _table(node: exp.Table, replace: Replace, context: Context, env: Env) -> exp.Expr:
    alias, columns = alias_of(node)
    cte = env.get(node.name.lower()) if not node.db else None
    if cte is not None:
        if cte not in context.emitted:
            body = lower_open(cte.query, context, cte.env)
            context.emitted[cte] = f"with_{len(context.ctes) + 1}"
            context.ctes.append((context.emitted[cte], body))
        columns = columns or cte.columns
        table = exp.Table(this=exp.to_identifier(context.emitted[cte], True))
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
