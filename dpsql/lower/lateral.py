"""LATERAL and UNNEST: rows that are made for each row, of its own values or of the same person's."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import INTEGER, Column, Kind, Lit, Ref, Scalar, columns_of
from dpsql.lower.around import over_nothing, reads_around, taken_apart
from dpsql.lower.context import Context, Env, check_args
from dpsql.lower.exists import correlated_rows
from dpsql.lower.joins import Group, Outer, Split, filtered, joined
from dpsql.lower.rows import Rows, build, conjuncts_of, derived, is_star, separated
from dpsql.lower.scope import Visible, renamed
from dpsql.lower.sources import aggregated, alias_of, one_group
from dpsql.lower.windows import has_window
from dpsql.output_name import output_name
from dpsql.parse import refusal, unwrapped
from dpsql.relation import Values
from dpsql.scalars.unify import cast, common

_KEPT = ("distinct", "limit", "offset", "order")     # clauses that make a LATERAL query more than a join


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
    query = node
    if isinstance(node, exp.Lateral):
        check_args(node, {"this", "alias"})
        inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        query = unwrapped(inner) if isinstance(inner, exp.Query) else inner
    if isinstance(query, exp.Values):
        rows = with_values(left, query, alias, columns, context)
    elif not isinstance(query, exp.Select):
        raise refusal("LATERAL is answered for a SELECT and for VALUES", node, "for several rows of one write VALUES")
    elif query.args.get("from_") is None:
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
    """The rows of a query that reads the row of the left: a join on what it reads."""
    read = reads_around(query, context, env)
    plain = not (aggregated(query) or has_window(query) or any(query.args.get(name) for name in _KEPT))
    own: Scalar | None = None
    if plain and all(column.find_ancestor(exp.Select) is query for column in read):
        inner = correlated_rows(query, left, context, env)
        right, on = Rows(inner.group, renamed(inner.items, alias, columns, query)), inner.on
    elif not read:
        found = derived(query, context, env, query)
        right, on = Rows(found.group, renamed(found.scope, alias, columns, query)), ()
    else:
        apart = taken_apart(query, read, left, context, env)
        found = derived(apart.query, context, apart.env, query)
        on = apart.on([v.scalar for v in found.scope[: apart.width]], query)
        own = found.scope[0].scalar if apart.copied else None
        found = over_nothing(found, query, apart.width) if one_group(query) else found
        right = Rows(found.group, renamed(found.scope[apart.width:], alias, columns, query))
    if read and one_group(query):
        if having := query.args.get("having"):
            raise refusal("HAVING without GROUP BY is not answered in LATERAL", having, "put it into WHERE around it")
    elif side:
        right = separated(right, context, query)
    every = bool(side) or (bool(read) and one_group(query))
    if every or own is not None:
        outer = Group((Outer(left.group, right.group, on, own is not None),))
        matched = outer if every or own is None else filtered(outer, scalars.call("is_not_null", own))
        return Rows(matched, left.scope + right.scope)
    group = joined(left.group, right.group)
    for conjunct in on:
        group = filtered(group, conjunct)
    return Rows(group, left.scope + right.scope)


def with_values(
    left: Rows, node: exp.Values, alias: str, columns: tuple[str, ...], context: Context,
) -> Rows:
    """The rows of the left, once for each row of VALUES, which may read them."""
    check_args(node, {"expressions", "alias"})
    return _listed(left, [row.expressions if isinstance(row, exp.Tuple) else [row] for row in node.expressions],
                   alias, columns, node, context)


def _listed(
    left: Rows, lines: list[list[exp.Expr]], alias: str, columns: tuple[str, ...], node: exp.Expr, context: Context,
) -> Rows:
    """The rows of the left, once for each of these rows of expressions over them."""
    rows = [[build(each, left.scope) for each in row] for row in lines]
    if len({len(row) for row in rows}) != 1:
        raise refusal("the rows of VALUES differ in length", node)
    place = context.fresh("place", INTEGER)
    stored: list[tuple[Column, list[Scalar]]] = [(place, [Lit(i, INTEGER) for i in range(len(rows))])]
    shown: list[Visible] = []
    for i, found in enumerate(zip(*rows, strict=True)):
        try:
            type_ = common(found)
            cells = [cast(scalar, type_) for scalar in found]
            if any(True for cell in cells for _ in columns_of(cell)):
                tests = [scalars.call("=", Ref(place), Lit(i, INTEGER)) for i in range(len(cells) - 1)]
                pairs = [part for pair in zip(tests, cells[:-1], strict=True) for part in pair]
                value = scalars.call("case", *pairs, cells[-1]) if pairs else cells[-1]
            else:
                stored.append((context.fresh(f"col{i}", type_), cells))
                value = Ref(stored[-1][0])
        except scalars.ScalarError as error:
            raise refusal(error.reason, node, error.hint) from None
        shown.append(Visible(alias, f"col{i}", value))
    made = Values(tuple(c for c, _ in stored), tuple(zip(*(cells for _, cells in stored), strict=True)))
    return Rows(joined(left.group, Group((made,))), left.scope + renamed(tuple(shown), alias, columns, node))


def with_parts(left: Rows, node: exp.Expr, alias: str, name: str, context: Context) -> Rows:
    """The rows of the left, once for each part of a text of theirs."""
    split = node.unnest()
    if isinstance(split, exp.Array) and split.expressions:
        return _listed(left, [[each] for each in split.expressions], alias, (name,), node, context)
    if isinstance(split, exp.Array):
        raise refusal("this list is empty", node)
    values = build(split, left.scope)
    if values.type.kind is not Kind.LIST:
        raise refusal(f"UNNEST takes a list, and this is {values.type}", node)
    column = context.fresh(name, values.type.parts[0])
    if isinstance(values, Ref) and values.column.table is not None and values.column.source is not None:
        column = replace(column, declared=context.catalog.column(values.column.table, values.column.source).range)
    group = replace(left.group, marks=(*left.group.marks, Split(column, values, node)))
    return Rows(group, (*left.scope, Visible(alias, name, Ref(column))))
