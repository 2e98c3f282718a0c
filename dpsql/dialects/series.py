"""Series and lists of literals in FROM (generate_series, range, UNNEST of a list) become the VALUES they make."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import NULL, Kind, Lit
from dpsql.parse import refusal, span
from dpsql.scalars.units import parts

MAX_VALUES = 1_000     # rows of a series: days of some three years

_SERIES = (exp.GenerateSeries, exp.ExplodingGenerateSeries, exp.GenerateDateArray)
_DAYS_STAY_DAYS = {"bigquery", "spark", "databricks", "trino", "presto"}    # elsewhere a series of dates is of moments
_NAMED_BY_TABLE = {"postgres", "redshift", "spark", "databricks"}           # `AS m` names the column too
_MIDNIGHT = datetime.time()
_CALENDAR_DAYS = 28     # every month has so many


def listed(tree: exp.Query, dialect: str) -> exp.Query:
    """The tree with VALUES in place of every series and list of literals that it reads as a table, or unnests alone."""
    for select in list(tree.find_all(exp.Select)) if tree.find(exp.Explode) is not None else ():
        made = list(select.find_all(exp.Explode))
        if select.args.get("from_") is None and len(made) == 1 and _is_constant(made[0].this):
            _unnested(select, made[0], dialect)
    for node in list(tree.find_all(exp.Table, exp.Unnest)):
        source = node.this if isinstance(node, exp.Table) else next(iter(node.expressions), None)
        alone = isinstance(node, exp.Table) or (len(node.expressions) == 1 and not node.args.get("offset"))
        if source is not None and alone and _is_constant(source):
            node.replace(_values(node, source, dialect))
    return tree


def _is_constant(node: exp.Expr) -> bool:
    lists = isinstance(node, _SERIES) or (isinstance(node, exp.Array) and bool(node.expressions))
    return lists and node.find(exp.Column, exp.Query) is None


def _unnested(select: exp.Select, explode: exp.Explode, dialect: str) -> None:
    """`SELECT UNNEST([...])` is a SELECT from the list."""
    name = "unnest"
    source = exp.Unnest(expressions=[explode.this.copy()], alias=exp.TableAlias(
        this=exp.to_identifier(name), columns=[exp.to_identifier(name)],
    ))
    column: exp.Expr = exp.column(name)
    column.this.meta.update({key: place for key, place in zip(("start", "end"), span(explode), strict=True)
                             if place is not None})
    if isinstance(explode.parent, exp.Select):
        column = exp.alias_(column, name)
    explode.replace(column)
    select.set("from_", exp.From(this=source))


def _values(node: exp.Expr, source: exp.Expr, dialect: str) -> exp.Values:
    """The rows of one source of FROM, under the names it goes by."""
    rows = [part.copy() for part in source.expressions] if isinstance(source, exp.Array) else _made(source, dialect)
    alias = node.args.get("alias")
    table = alias.args.get("this") if alias is not None else None
    columns = [each.copy() for each in alias.args.get("columns") or ()] if alias is not None else []
    series = "range" if source.args.get("is_end_exclusive") else "generate_series"
    called = "unnest" if isinstance(source, exp.Array) else series
    if not columns:
        columns = [table.copy() if table is not None and dialect in _NAMED_BY_TABLE else exp.to_identifier(called)]
    made = exp.Values(
        expressions=[exp.Tuple(expressions=[row]) for row in rows],
        alias=exp.TableAlias(this=(table or exp.to_identifier(called)).copy(), columns=columns),
    )
    for key, place in zip(("start", "end"), span(node), strict=True):
        if place is not None:
            made.meta[key] = place
    if joins := node.args.get("joins"):
        made.set("joins", [join.copy() for join in joins])
    return made


def _made(series: exp.Expr, dialect: str) -> list[exp.Expr]:
    """The literals of a series, each of its type. Raises QueryError where they are not told by the text."""
    first, last, step = (_literal(series.args.get(name), series) for name in ("start", "end", "step"))
    exclusive = bool(series.args.get("is_end_exclusive"))
    if first is None or last is None:
        raise refusal("a series needs a start and an end", series)
    days = isinstance(series, exp.GenerateDateArray) or (
        first.type.kind is last.type.kind is Kind.DATE and dialect in _DAYS_STAY_DAYS
    )
    moments = all(isinstance(end.value, datetime.date) for end in (first, last))
    walked = _times(first, last, step, series) if moments else _numbers(first, last, step, series)
    found: list[exp.Expr] = []
    for value, beyond in walked:
        if beyond or (exclusive and value == (_moment(last) if moments else last.value)):
            break
        if len(found) == MAX_VALUES:
            raise refusal(f"a series has at most {MAX_VALUES} values", series, "take a longer step, or a public table")
        shown = str(value.date() if days and isinstance(value, datetime.datetime) else value)
        type_ = "BIGINT" if not moments else "DATE" if days else "TIMESTAMP"
        found.append(exp.cast(exp.Literal.string(shown) if moments else _number(int(shown)), type_))
    if not found:
        raise refusal("this series is empty", series, "its start comes first, its end last")
    return found


def _number(value: int) -> exp.Expr:
    found = exp.Literal.number(abs(value))
    return exp.Neg(this=found) if value < 0 else found


def _literal(node: exp.Expr | None, series: exp.Expr) -> Lit | None:
    if node is None:
        return None
    if isinstance(series, exp.GenerateDateArray) and isinstance(node, exp.Literal) and node.is_string:
        node = exp.cast(node, "DATE")
    try:
        found = scalars.build(node, lambda column: Lit(None, NULL))
    except scalars.ScalarError as error:
        raise refusal(error.reason, error.node or node, error.hint) from None
    if not isinstance(found, Lit) or found.value is None:
        raise refusal("a series takes literals here", node, "write the values in VALUES (...)")
    return found


def _numbers(first: Lit, last: Lit, step: Lit | None, series: exp.Expr) -> Iterator[tuple[int, bool]]:
    by = 1 if step is None else step.value
    value, end = first.value, last.value
    if type(value) is not int or type(end) is not int or type(by) is not int or by == 0:
        raise refusal("a series is of whole numbers, of dates, or of timestamps", series)
    while True:
        yield value, value > end if by > 0 else value < end
        value += by


def _times(first: Lit, last: Lit, step: Lit | None, series: exp.Expr) -> Iterator[tuple[datetime.datetime, bool]]:
    if step is not None and step.type.kind is not Kind.INTERVAL:
        raise refusal("a series of dates takes an INTERVAL for its step", series, "write INTERVAL 1 DAY")
    count, unit = parts(step) if step is not None else (1, "DAY")
    start, end = _moment(first), _moment(last)
    if count <= 0 or (unit == "MONTH" and start.day > _CALENDAR_DAYS):
        raise refusal("this series of dates is not answered", series,
                      "step forward, and by months from a day that every month has")
    value, place = start, 0
    while True:
        yield value, value > end
        place += count
        try:
            if unit == "MONTH":
                months = start.month - 1 + place
                value = start.replace(year=start.year + months // 12, month=months % 12 + 1)
            else:
                value = start + datetime.timedelta(**{"days" if unit == "DAY" else "microseconds": place})
        except (ValueError, OverflowError):
            raise refusal("this series leaves the years 1 to 9999", series) from None


def _moment(end: Lit) -> datetime.datetime:
    value = end.value
    assert isinstance(value, datetime.date), "asked of moments only"
    return value if isinstance(value, datetime.datetime) else datetime.datetime.combine(value, _MIDNIGHT)
