"""PIVOT as the aggregates it means, one for each value, with FILTER; and UNPIVOT as a row for each of its columns."""

from __future__ import annotations

from sqlglot import exp

from dpsql.catalog import Catalog
from dpsql.output_name import output_name
from dpsql.parse import refusal

_WAY = "write SUM(x) FILTER (WHERE k = 'a') AS a, one for each value"
_KNOWN = {"expressions", "fields", "unpivot", "alias", "columns", "pivot_column_naming", "group", "include_nulls"}


def pivoted(tree: exp.Query, catalog: Catalog) -> exp.Query:
    """The query with every PIVOT and UNPIVOT spelled out. QueryError where the text leaves their columns open."""
    for source in [node for node in tree.find_all(exp.Subquery, exp.Table) if node.args.get("pivots")]:
        pivots = source.args["pivots"]
        pivot = pivots[0]
        if len(pivots) > 1 or not isinstance(source.this, exp.Select | exp.Identifier):
            raise refusal("this PIVOT is not answered", pivot, _WAY)
        for name, value in pivot.args.items():
            if value and name not in _KNOWN and not isinstance(value, bool):
                raise refusal("this PIVOT is not answered", pivot, _WAY)
        if len(pivot.args["fields"]) != 1:
            raise refusal("PIVOT over one column with its values is answered", pivot, _WAY)
        joins = source.args.get("joins")
        spelled = (_unpivoted if pivot.args.get("unpivot") else _spelled)(source, pivot, catalog)
        spelled.set("joins", joins)
        source.replace(spelled)
    return tree


def _inside(source: exp.Expr) -> tuple[exp.Expr, exp.TableAlias, list[str] | None]:
    """The source itself, the name it goes by, and the columns it shows; None where the text does not say."""
    alias = source.args.get("alias")
    if isinstance(source, exp.Table):
        plain = exp.Table(**{name: value for name, value in source.args.items() if name not in ("pivots", "joins")})
        return plain, alias or exp.TableAlias(this=exp.to_identifier(source.name, True)), None
    items = source.this.expressions
    alias = alias or exp.TableAlias(this=exp.to_identifier("pivot_source", True))
    star = any(item.find(exp.Star) and not item.find(exp.AggFunc) for item in items)
    return exp.Subquery(this=source.this, alias=alias.copy()), alias, None if star else [output_name(i) for i in items]


def _spelled(source: exp.Expr, pivot: exp.Pivot, catalog: Catalog) -> exp.Subquery:
    """SELECT keys, aggregates FROM the source GROUP BY keys."""
    field = pivot.args["fields"][0]
    values = _values(field, source, catalog)
    column = field.this if isinstance(field, exp.In) else field
    inner, alias, names = _inside(source)
    if (group := pivot.args.get("group")) is not None:
        keys = [(key, output_name(key)) for key in group.expressions]
    elif names is not None:
        read = {c.name.lower() for part in (*pivot.expressions, column) for c in part.find_all(exp.Column)}
        keys = [(exp.column(exp.to_identifier(name, True)), name) for name in names if name.lower() not in read]
    else:
        raise refusal(
            "PIVOT groups by every column that is left, and the text does not say which", pivot,
            "add GROUP BY, or name the columns, as in FROM (SELECT ward, sex FROM t) PIVOT (...)",
        )
    several = len(pivot.expressions) > 1
    items: list[exp.Expr] = [exp.alias_(key.copy(), name, quoted=True) for key, name in keys]
    items += [_item(value, each, column, several) for value in values for each in pivot.expressions]
    query = exp.Select(expressions=items, from_=exp.From(this=inner))
    if keys:
        query.set("group", exp.Group(expressions=[key.copy() for key, _ in keys]))
    return exp.Subquery(this=query, alias=pivot.args.get("alias") or alias)


def _values(field: exp.Expr, source: exp.Expr, catalog: Catalog) -> list[exp.Expr]:
    """The values that become columns: those of the text, else those that the policy declares."""
    if isinstance(field, exp.In):
        if not field.expressions or field.args.get("query") or field.args.get("unnest"):
            raise refusal("the values of a PIVOT are written out", field, _WAY)
        return list(field.expressions)
    table = catalog.find(f"{source.db}.{source.name}" if source.db else source.name) if isinstance(source, exp.Table) \
        else None
    stored = isinstance(field, exp.Column) and table is not None and any(
        each.name.lower() == field.name.lower() for each in catalog.table(table).columns
    )
    declared = catalog.column(table, field.name).values if stored and table is not None else None
    if declared is None or not all(isinstance(value, str | int) for value in declared):
        raise refusal("the values of a PIVOT are written out", field, "write ON column IN ('a', 'b')")
    return [exp.convert(value) for value in sorted(declared, key=str)]


def _unpivoted(source: exp.Expr, pivot: exp.Pivot, catalog: Catalog) -> exp.Subquery:
    """SELECT the other columns, a column's name, its value FROM the source, once for each of the columns."""
    field = pivot.args["fields"][0]
    columns = [each.this if isinstance(each, exp.PivotAlias) else each for each in field.expressions]
    if len(pivot.expressions) != 1 or not columns or not all(isinstance(each, exp.Column) for each in columns):
        raise refusal("UNPIVOT of columns by their names is answered", pivot, "write UNPIVOT t ON a, b")
    if not all(isinstance(each, exp.Column | exp.Identifier) for each in (field.this, *pivot.expressions)):
        raise refusal("UNPIVOT names two columns", pivot, "write UNPIVOT t ON a, b INTO NAME what VALUE amount")
    said = [each.args["alias"].name if isinstance(each, exp.PivotAlias) else each.name for each in field.expressions]
    inner, alias, names = _inside(source)
    own, made = alias.this, exp.to_identifier("unpivoted", True)
    name, value = exp.to_identifier(field.this.name, True), exp.to_identifier(pivot.expressions[0].name, True)
    named = exp.Column(this=name.copy(), table=made.copy())
    cases = [
        exp.If(this=exp.EQ(this=named.copy(), expression=exp.Literal.string(each)),
               true=exp.Column(this=column.this.copy(), table=own.copy()))
        for each, column in zip(said, columns, strict=True)
    ]
    case = exp.Case(ifs=cases)
    read = {column.name.lower() for column in columns}
    others: list[exp.Expr] = [exp.Column(this=exp.to_identifier(each, True), table=own.copy())
                              for each in names or () if each.lower() not in read]
    if names is None:
        star = exp.Star(except_=[column.this.copy() for column in columns])
        others = [exp.Column(this=star, table=own.copy())]
    listed = exp.Values(
        expressions=[exp.Tuple(expressions=[exp.Literal.string(each)]) for each in said],
        alias=exp.TableAlias(this=made, columns=[name.copy()]),
    )
    query = exp.Select(
        expressions=[*others, named, exp.alias_(case, value)], from_=exp.From(this=inner),
        joins=[exp.Join(this=listed, kind="CROSS")],
    )
    if not pivot.args.get("include_nulls"):
        present = exp.Not(this=exp.Is(this=case.copy(), expression=exp.Null()))
        query.set("where", exp.Where(this=present))
    return exp.Subquery(this=query, alias=pivot.args.get("alias") or alias.copy())


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
