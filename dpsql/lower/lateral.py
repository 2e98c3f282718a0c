"""LATERAL and UNNEST: rows that are made for each row, of its own values or of the same person's."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from dpsql.expression import VARCHAR, Lit, Ref
from dpsql.lower.context import Context, Env, check_args
from dpsql.lower.exists import correlated_rows
from dpsql.lower.joins import Group, Outer, Split, filtered, joined
from dpsql.lower.rows import Rows, build, conjuncts_of, is_star, separated
from dpsql.lower.scope import Visible, output_name, renamed
from dpsql.lower.sources import aggregated, alias_of
from dpsql.parse import refusal


def lower_lateral(left: Rows, join: exp.Join, context: Context, env: Env) -> Rows:
    """The rows of the left, each with the rows that a LATERAL query or UNNEST makes of it."""
    node = join.this
    alias, columns = alias_of(node)
    on = join.args.get("on")
    plain = on is None or (isinstance(on, exp.Boolean) and on.this)
    if join.side not in ("", "LEFT") or join.method or join.args.get("using"):
        raise refusal("this join is not answered with LATERAL", join, "use CROSS JOIN LATERAL or LEFT JOIN LATERAL")
    if isinstance(node, exp.Unnest):
        check_args(node, {"expressions", "alias"})
        if join.side or not plain or len(node.expressions) != 1:
            raise refusal("UNNEST takes one list, and no condition", node, "put the condition into WHERE")
        return with_parts(left, node.expressions[0], alias, columns[0] if columns else "unnest", context)
    check_args(node, {"this", "alias"})
    query = node.this.this if isinstance(node.this, exp.Subquery) else None
    if not isinstance(query, exp.Select) or aggregated(query) or query.args.get("distinct"):
        raise refusal(
            "LATERAL is answered for a SELECT without aggregates", node, "GROUP BY in a derived table, and join it",
        )
    if query.args.get("from_") is None:
        rows = _computed(left, query, alias, columns, context)
        if join.side and query.args.get("where") is not None:
            raise refusal("WHERE is not answered in LEFT JOIN LATERAL without FROM", query.args["where"], "use CASE")
    else:
        rows = _matching(left, query, join.side, alias, columns, context, env)
    if on is not None and not plain:
        if join.side:
            raise refusal("ON of LEFT JOIN LATERAL is TRUE", on, "put the condition into WHERE of the LATERAL query")
        for conjunct in conjuncts_of(build(on, rows.scope), on):
            rows = Rows(filtered(rows.group, conjunct), rows.scope)
    return rows


def _computed(left: Rows, query: exp.Select, alias: str, columns: tuple[str, ...], context: Context) -> Rows:
    """One row for each row: more columns."""
    check_args(query, {"expressions", "where", "kind"})
    made: list[Visible] = []
    for item in query.expressions:
        inner = item.this if isinstance(item, exp.Alias) else item
        if is_star(item):
            raise refusal("there are no columns for this *", item)
        if isinstance(inner, exp.Explode) and len(query.expressions) == 1 and query.args.get("where") is None:
            return with_parts(left, inner.this, alias, columns[0] if columns else output_name(item), context)
        made.append(Visible(None, output_name(item), build(inner, left.scope)))
    rows = Rows(left.group, left.scope + renamed(tuple(made), alias, columns, query))
    if (where := query.args.get("where")) is not None:
        for conjunct in conjuncts_of(build(where.this, left.scope), where.this):
            rows = Rows(filtered(rows.group, conjunct), rows.scope)
    return rows


def _matching(
    left: Rows, query: exp.Select, side: str, alias: str, columns: tuple[str, ...], context: Context, env: Env,
) -> Rows:
    """The rows of a query whose WHERE reads the row of the left: a join on that."""
    if query.args.get("limit") or query.args.get("order"):
        raise refusal(
            "LIMIT and ORDER BY are not answered in LATERAL", query.args.get("limit") or query.args["order"],
            "use QUALIFY ROW_NUMBER() OVER (PARTITION BY the person ORDER BY ...) in a derived table",
        )
    inner = correlated_rows(query, left, context, env)
    right = Rows(inner.group, renamed(inner.items, alias, columns, query))
    if side:
        right = separated(right, context, query)
        return Rows(Group((Outer(left.group, right.group, inner.on),)), left.scope + right.scope)
    group = joined(left.group, right.group)
    for conjunct in inner.on:
        group = filtered(group, conjunct)
    return Rows(group, left.scope + right.scope)


def with_parts(left: Rows, node: exp.Expr, alias: str, name: str, context: Context) -> Rows:
    """The rows of the left, once for each part of a text of theirs."""
    split = node.unnest()
    if not isinstance(split, exp.Split):
        raise refusal("UNNEST is answered for string_split(text, separator)", node)
    check_args(split, {"this", "expression"})
    text, separator = build(split.this, left.scope), build(split.expression, left.scope)
    if text.type != VARCHAR or not isinstance(separator, Lit) or not isinstance(separator.value, str):
        raise refusal("string_split takes a text and a literal separator", node)
    column = context.fresh(name, VARCHAR)
    mark = Split(column, text, separator.value, node)
    group = replace(left.group, marks=(*left.group.marks, mark))
    return Rows(group, (*left.scope, Visible(alias, name, Ref(column))))
