"""PIVOT as the aggregates it means: one for each value, with FILTER, grouped by the columns that are left."""

from __future__ import annotations

from sqlglot import exp

from dpsql.lower.scope import output_name
from dpsql.parse import refusal

_WAY = "write SUM(x) FILTER (WHERE k = 'a') AS a, one for each value"
_KNOWN = {"expressions", "fields", "unpivot", "alias", "columns", "pivot_column_naming", "group"}


def pivoted(tree: exp.Query) -> exp.Query:
    """The query with every PIVOT of a derived table spelled out. QueryError where the text leaves its columns open."""
    for source in [node for node in tree.find_all(exp.Subquery) if node.args.get("pivots")]:
        pivots = source.args["pivots"]
        select, pivot = source.this, pivots[0]
        if pivot.args.get("unpivot"):
            raise refusal("UNPIVOT is not answered", pivot, "write UNION ALL, one SELECT for each column")
        if len(pivots) > 1 or not isinstance(select, exp.Select):
            raise refusal("this PIVOT is not answered", pivot, _WAY)
        for name, value in pivot.args.items():
            if value and name not in _KNOWN and not isinstance(value, bool):
                raise refusal("this PIVOT is not answered", pivot, _WAY)
        source.replace(_spelled(source, select, pivot))
    return tree


def _spelled(source: exp.Subquery, select: exp.Select, pivot: exp.Pivot) -> exp.Subquery:
    """SELECT keys, aggregates FROM the derived table GROUP BY keys."""
    names = [output_name(item) for item in select.expressions]
    if any(item.find(exp.Star) and not item.find(exp.AggFunc) for item in select.expressions):
        raise refusal("PIVOT groups by every column that is left, and * does not say which", pivot,
                      "name the columns, as in FROM (SELECT ward, sex FROM t) PIVOT (...)")
    if len(pivot.args["fields"]) != 1 or not isinstance(pivot.args["fields"][0], exp.In):
        raise refusal("PIVOT over one column with its values is answered", pivot, _WAY)
    field = pivot.args["fields"][0]
    inside = {column.name.lower() for part in (*pivot.expressions, field.this) for column in part.find_all(exp.Column)}
    keys = [name for name in names if name.lower() not in inside]
    items: list[exp.Expr] = [exp.column(exp.to_identifier(key, True)) for key in keys]
    several = len(pivot.expressions) > 1
    items += [_item(value, each, field.this, several) for value in field.expressions for each in pivot.expressions]
    if not field.expressions or field.args.get("query") or field.args.get("unnest"):
        raise refusal("the values of a PIVOT are written out", field, _WAY)
    alias = source.args.get("alias") or exp.TableAlias(this=exp.to_identifier("pivot_source", True))
    inner = exp.Subquery(this=select, alias=alias.copy())
    query = exp.Select(expressions=items, from_=exp.From(this=inner))
    if keys:
        query.set("group", exp.Group(expressions=[exp.column(exp.to_identifier(key, True)) for key in keys]))
    return exp.Subquery(this=query, alias=pivot.args.get("alias") or alias)


def _item(value: exp.Expr, aggregate: exp.Expr, column: exp.Expr, several: bool) -> exp.Expr:
    """One aggregate where the column has one value, named as DuckDB does."""
    literal = value.this if isinstance(value, exp.PivotAlias) else value
    if not isinstance(literal, exp.Literal | exp.Boolean | exp.Neg):
        raise refusal("the values of a PIVOT are literals", value, _WAY)
    shown = value.args["alias"].name if isinstance(value, exp.PivotAlias) else _shown(literal)
    call = aggregate.this if isinstance(aggregate, exp.Alias) else aggregate
    if isinstance(aggregate, exp.Alias) or several:
        shown = f"{shown}_{output_name(aggregate)}"
    test = exp.EQ(this=column.copy(), expression=literal.copy())
    filtered = exp.Filter(this=call.copy(), expression=exp.Where(this=test))
    return exp.alias_(filtered, shown, quoted=True)


def _shown(literal: exp.Expr) -> str:
    return literal.name if isinstance(literal, exp.Literal) else literal.sql("duckdb").lower()
