"""Which row is the first: SELECT DISTINCT ON (k) ... ORDER BY k, x over people as a place among the rows of a k."""

from __future__ import annotations

from sqlglot import exp

from dpsql.lower.sources import aggregated

_BLOCKED = ("qualify", "limit", "offset")       # they would count other rows


def first_of_each(select: exp.Select) -> exp.Select:
    """DISTINCT ON with ORDER BY as QUALIFY ROW_NUMBER() OVER (PARTITION BY k ORDER BY ...) = 1; else the block."""
    distinct, order = select.args.get("distinct"), select.args.get("order")
    on = distinct.args.get("on") if distinct is not None else None
    if on is None or order is None or aggregated(select) or any(select.args.get(clause) for clause in _BLOCKED):
        return select
    keys = on.expressions if isinstance(on, exp.Tuple) else [on.unnest()]
    place = exp.Window(
        this=exp.RowNumber(), partition_by=[written_out(key, select) for key in keys], over="OVER",
        order=exp.Order(expressions=[written_out(node, select) for node in order.expressions]),
    )
    found = select.copy()
    found.set("distinct", None)
    found.set("order", None)
    found.set("qualify", exp.Qualify(this=exp.EQ(this=place, expression=exp.Literal.number(1))))
    return found


def written_out(node: exp.Expr, query: exp.Select) -> exp.Expr:
    """A key, or an item of ORDER BY, a position written out."""
    inner = node.this if isinstance(node, exp.Ordered) else node
    if not (isinstance(inner, exp.Literal) and inner.is_int and 1 <= int(inner.name) <= len(query.expressions)):
        return node.copy()
    item = query.expressions[int(inner.name) - 1]
    meant: exp.Expr = (item.this if isinstance(item, exp.Alias) else item).copy()
    rest = {name: value for name, value in node.args.items() if name != "this"}
    return exp.Ordered(this=meant, **rest) if isinstance(node, exp.Ordered) else meant
