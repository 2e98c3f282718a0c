"""Whose rows a block shows, before anything is lowered: WITH names, aliases, and the origin of every source."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from dpsql.lower.context import Context, Cte, Env, Origin, check_args
from dpsql.parse import no_item, refusal, unwrapped


def extended(query: exp.Query, context: Context, env: Env) -> Env:
    """The WITH names visible inside a query, of those that something reads, as in DuckDB.

    Raises QueryError for a WITH that is recursive or changes data.
    """
    with_ = query.args.get("with_")
    if with_ is None:
        return env
    if with_.args.get("recursive"):
        raise refusal(
            "recursive WITH is not answered", with_,
            "generate_series gives numbers and dates; of a hierarchy join as many levels as there are",
        )
    env = dict(env)
    read = _read(query)
    for cte in reversed(with_.expressions):
        read |= _read(cte.this) if cte.alias.lower() in read else set()
    for cte in with_.expressions:
        if not isinstance(cte.this, exp.Query):
            raise refusal("WITH may hold only SELECT", cte, "nothing here may change data")
        if cte.alias.lower() not in read:
            continue
        inner = unwrapped(cte.this)
        assert isinstance(inner, exp.Query), "brackets hold a query"
        columns = tuple(node.name for node in cte.args["alias"].args.get("columns") or ())
        env[cte.alias.lower()] = Cte(cte.alias, inner, columns, dict(env), origin_of(inner, context, env))
    return env


def _read(query: exp.Expr) -> set[str]:
    """The names that a query reads in FROM, its own WITH aside."""
    parts = [part for name, value in query.args.items() if name != "with_"
             for part in (value if isinstance(value, list) else [value]) if isinstance(part, exp.Expr)]
    return {table.name.lower() for part in parts for table in part.find_all(exp.Table) if not table.db}


def alias_of(node: exp.Expr) -> tuple[str, tuple[str, ...]]:
    """The name a source goes by, and its column list if it has one."""
    alias = node.args.get("alias")
    columns = tuple(column.name for column in alias.args.get("columns") or ()) if alias else ()
    return node.alias_or_name, columns


def origin_of(query: exp.Expr, context: Context, env: Env) -> Origin:
    """Whose rows a query shows: an aggregate over owned rows is released unless it is one for each unit, other rows of
    owned tables are owned."""
    match query:
        case exp.Subquery():
            return origin_of(query.this, context, env)
        case exp.SetOperation():
            env = extended(query, context, env)
            return max(origin_of(query.this, context, env), origin_of(query.expression, context, env))
        case exp.Select():
            env = extended(query, context, env)
            found = max((source_origin(node, context, env) for node in sources(query)), default=Origin.PUBLIC)
            if found is not Origin.OWNED or not (aggregated(query) or query.args.get("distinct")):
                return found
            from dpsql.lower.units import stays_owned  # it reads blocks, which read this

            return Origin.OWNED if stays_owned(query, context, env) else Origin.RELEASED
        case _:
            raise refusal("this is not a query dpsql answers", query, "write a SELECT")


def sources(select: exp.Select) -> Iterator[exp.Expr]:
    """The sources of FROM and of the joins, those in brackets included."""
    start = select.args.get("from_")
    if start is not None:
        yield from _nested(start.this)
    for join in select.args.get("joins") or ():
        yield from _nested(join.this)


def _nested(node: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
        yield from _nested(node.this)
    else:
        yield node
    for join in node.args.get("joins") or ():
        yield from _nested(join.this)


def source_origin(node: exp.Expr, context: Context, env: Env) -> Origin:
    """Whose rows one source shows, those joined to it in its brackets aside."""
    match node:
        case exp.Table():
            cte = env.get(node.name.lower()) if not node.db else None
            if cte is not None:
                check_args(node, {"this", "alias", "joins"})
                return cte.origin
            return Origin.PUBLIC if context.catalog.rules(context.base(node)).public else Origin.OWNED
        case exp.Subquery():
            return origin_of(node.this, context, env)
        case exp.Lateral() if isinstance(node.this, exp.Subquery) and isinstance(node.this.this, exp.Query):
            return origin_of(node.this.this, context, env)
        case exp.Lateral() if isinstance(node.this, exp.Subquery) and isinstance(node.this.this, exp.Values):
            return Origin.PUBLIC
        case exp.Values() | exp.Unnest():
            return Origin.PUBLIC
        case _:
            way = "LATERAL holds a SELECT; for several rows of one write UNION ALL" if isinstance(node, exp.Lateral) \
                else "name a table of the policy"
            raise refusal("this kind of FROM is not answered", node, way)


def aggregated(select: exp.Select) -> bool:
    """Whether a block groups or aggregates itself, subqueries and windows aside."""
    if select.args.get("group") or select.args.get("having"):
        return True
    parts = [*select.expressions, select.args.get("order")]
    return any(has_aggregate(part) for part in parts if part is not None)


def has_aggregate(node: exp.Expr) -> bool:
    """Whether an aggregate stands in an expression, subqueries aside; a window's own function is none."""
    if isinstance(node, exp.Query):
        return False
    if isinstance(node, exp.Window):
        function = node.this.this if isinstance(node.this, exp.Filter | exp.IgnoreNulls) else node.this
        inside = [*function.iter_expressions(), *(c for c in node.iter_expressions() if c is not node.this)]
        return any(has_aggregate(child) for child in inside)
    if isinstance(node, exp.AggFunc):
        return True
    return any(has_aggregate(child) for child in node.iter_expressions())


def grouped_by(select: exp.Select) -> list[exp.Expr]:
    """The expressions that GROUP BY names: positions and ALL replaced by the select items they mean."""
    group = select.args.get("group")
    if group is None:
        return []
    if sets := next((node for node in group.find_all(exp.GroupingSets, exp.Rollup, exp.Cube)), None):
        raise refusal("GROUPING SETS, ROLLUP and CUBE are not answered here", sets, "ask one query per grouping")
    check_args(group, {"expressions", "all"})
    outputs = [item.this if isinstance(item, exp.Alias) else item for item in select.expressions]
    if group.args.get("all"):
        return [item for item in outputs if not has_aggregate(item)]
    found = []
    members = [each.expressions if isinstance(each, exp.Tuple) else [each] for each in group.expressions]
    for node in [one for each in members for one in each]:
        if isinstance(node, exp.Literal) and not node.is_string:
            if not node.is_int or not 1 <= int(node.name) <= len(outputs):
                raise no_item(node)
            found.append(outputs[int(node.name) - 1])
        else:
            found.append(node)
    for node in found:
        if has_aggregate(node):
            raise refusal("an aggregate cannot be a grouping key", node,
                          "group a derived table by it, as in FROM (SELECT k, COUNT(*) AS n ... GROUP BY k)")
        if node.is_star:
            raise refusal("* cannot be a grouping key", node, "name the columns")
    return found


def one_row(query: exp.Expr) -> bool:
    """Whether a query gives at most one row, whatever its tables hold."""
    limit = query.args.get("limit")
    if limit is not None and isinstance(limit.expression, exp.Literal) and limit.expression.name in ("0", "1"):
        return True
    return isinstance(query, exp.Select) and (one_group(query) or query.args.get("from_") is None)


def one_group(select: exp.Select) -> bool:
    """Whether a block aggregates all its rows, so that it has a row even where there are none."""
    return not select.args.get("group") and aggregated(select)
