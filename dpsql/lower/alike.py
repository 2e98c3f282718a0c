"""Where a query meets another, or a value another: one type for both, or a refusal at the place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import NULL, Call, Column, Ref, SqlType
from dpsql.parse import refusal, unwrapped
from dpsql.scalars.conversion import cast_fails
from dpsql.scalars.sql import cast_sql


@contextmanager
def refused_at(place: exp.Expr, said: str = "") -> Iterator[None]:
    """Turns what the table of scalars refuses into a refusal at its node, else at `place`."""
    try:
        yield
    except scalars.ScalarError as error:
        raise refusal(said + error.reason, error.node or place, error.hint) from None


def cast_rows(query: exp.Expr, columns: Sequence[Column], wanted: Sequence[Column]) -> exp.Expr:
    """A query whose columns have the types wanted; what does not fit is NULL."""
    if all(column.type == want.type or NULL in (column.type, want.type)
           for column, want in zip(columns, wanted, strict=False)):
        return query
    plain = isinstance(query, exp.Select) and not any(
        query.args.get(name) for name in ("group", "distinct", "order", "qualify")
    ) and all(isinstance(item, exp.Alias) for item in query.expressions)
    cells = [item.this for item in query.expressions] if plain else [
        exp.column(exp.to_identifier(f"c{i + 1}", True), table=exp.to_identifier("side", True))
        for i in range(len(columns))
    ]
    items = [exp.alias_(_as(cell, column, want.type), column.name, quoted=True)
             for cell, column, want in zip(cells, columns, wanted, strict=True)]
    if plain:
        query.set("expressions", items)
        return query
    return exp.Select(expressions=items, from_=exp.From(this=as_table(unwrapped(query), "side", len(columns))))


def _as(cell: exp.Expr, column: Column, to: SqlType) -> exp.Expr:
    if column.type in (to, NULL):
        return cell
    fails = cast_fails(Call("cast", (Ref(column),), to), (scalars.enforced(Ref(column)),))
    return cast_sql(cell, to, fails=fails)


def as_table(query: exp.Expr, name: str, width: int) -> exp.Subquery:
    """A query as a table whose columns are c1, c2, ..."""
    columns = [exp.to_identifier(f"c{i + 1}", True) for i in range(width)]
    alias = exp.TableAlias(this=exp.to_identifier(name, True), columns=columns)
    return exp.Subquery(this=query.copy(), alias=alias)
