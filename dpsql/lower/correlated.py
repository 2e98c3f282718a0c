"""Correlated scalar subqueries: an aggregate for each value of an equality becomes one grouped aggregate."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from dpsql.lower.around import conjunct_nodes
from dpsql.lower.context import Context, Env
from dpsql.lower.rows import lower_from
from dpsql.lower.scope import Scope, lookup
from dpsql.lower.sources import aggregated, extended
from dpsql.parse import refusal

_CLAUSES = {"expressions", "from_", "joins", "where", "with_", "kind"}


KEY, VALUE = "dpsql_k", "dpsql_value"       # the columns of the grouped block; names nobody else uses


@dataclass(frozen=True, slots=True)
class Correlated:
    """What stands for a correlated subquery: a block of (the inner sides of the equalities, then the value), one row
    for each combination, and the outer sides to look it up by. `counts` says that nothing found means 0, not NULL."""

    query: exp.Select
    outer: tuple[exp.Expr, ...]
    counts: bool
    place: exp.Expr


def correlated(query: exp.Query, context: Context, env: Env) -> Correlated | None:
    """The grouped block of a subquery that reads columns of the rows around it; None when it reads none.

    Raises QueryError when it is correlated in a way that no grouping can stand for.
    """
    if not isinstance(query, exp.Select) or query.args.get("from_") is None or query.args.get("where") is None:
        return None
    probe = context.probe()
    inner_env = extended(query, probe, env)
    scope = lower_from(query, probe, inner_env).scope
    conjuncts = conjunct_nodes(query.args["where"].this)
    outside = {id(each): outer_columns(each, scope) for each in conjuncts}
    if not any(outside.values()):
        return None
    pairs = [_pair(each, scope) for each in conjuncts if outside[id(each)]]
    extra = {name for name, value in query.args.items() if value and name not in _CLAUSES}
    if extra or len(query.expressions) != 1 or not aggregated(query):
        raise refusal(
            "a correlated subquery selects one aggregate, without GROUP BY, ORDER BY or LIMIT", query.expressions[0],
            "write it as a derived table with GROUP BY, and join it",
        )
    item = query.expressions[0]
    value = item.this if isinstance(item, exp.Alias) else item
    counts = isinstance(value, exp.Count | exp.CountIf)
    if not counts and value.find(exp.Count, exp.CountIf):
        raise refusal(
            "COUNT inside a larger expression of a correlated subquery is not answered", value,
            "select the COUNT alone, and compute with it outside",
        )
    rest = [each.copy() for each in conjuncts if not outside[id(each)]]
    grouped = query.copy()
    grouped.set("expressions", [
        *(exp.alias_(inner.copy(), f"{KEY}{i + 1}", quoted=True) for i, (inner, _) in enumerate(pairs)),
        exp.alias_(value.copy(), VALUE, quoted=True),
    ])
    grouped.set("where", exp.Where(this=exp.and_(*rest, copy=False)) if rest else None)
    grouped.set("group", exp.Group(expressions=[inner.copy() for inner, _ in pairs]))
    return Correlated(grouped, tuple(outer for _, outer in pairs), counts, value)


def outer_columns(node: exp.Expr, scope: Scope) -> list[exp.Column]:
    """The columns of an expression that the block's own tables do not show; those of further subqueries are theirs."""
    if isinstance(node, exp.Query):
        return []
    if isinstance(node, exp.Column):
        return [] if lookup(node, scope) else [node]
    return [found for child in node.iter_expressions() for found in outer_columns(child, scope)]


def _pair(conjunct: exp.Expr, scope: Scope) -> tuple[exp.Expr, exp.Expr]:
    """The inner and the outer side of a correlating equality."""
    if isinstance(conjunct, exp.EQ):
        for inner, outer in ((conjunct.this, conjunct.expression), (conjunct.expression, conjunct.this)):
            columns = list(outer.find_all(exp.Column))
            if not outer_columns(inner, scope) and len(outer_columns(outer, scope)) == len(columns) > 0:
                return inner, outer
    raise refusal(
        "a subquery may compare with the rows around it only by equality", conjunct,
        "write inner.column = outer.column, or join the tables",
    )
