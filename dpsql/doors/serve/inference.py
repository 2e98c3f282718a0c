"""inference: the types of parameters that a client left open, from where they stand in the query.

A comparison gives the type of its other side, a cast its own, LIMIT a whole number, LIKE a text. The guess is then
planned with sample values; where that is refused, other types are tried. Nothing is charged, and no data is touched.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import product

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from dpsql.dictionary import TableInfo
from dpsql.doors.serve import values as of
from dpsql.errors import QueryError
from dpsql.limits import check_tokens
from dpsql.trial import tried

SAMPLES: dict[int, object] = {
    of.TEXT: "a", of.INT8: 1, of.NUMERIC: Decimal("1.5"), of.DATE: datetime.date(2000, 1, 1), of.BOOL: True,
    of.TIMESTAMP: datetime.datetime(2000, 1, 1), of.FLOAT8: 0.5, of.INT4: 1, of.INT2: 1, of.FLOAT4: 0.5,
    of.TIMESTAMPTZ: datetime.datetime(2000, 1, 1),
}
TRIED = (of.TEXT, of.INT8, of.NUMERIC, of.DATE, of.BOOL, of.TIMESTAMP)
MOST_TRIALS = 40        # each plans the query once
MOST_SECONDS = 2.0      # of work, after which no other types are tried
OPEN = (0, of.UNKNOWN)
HOLE = "dpsql_hole_"
MARKS = (TokenType.PLACEHOLDER, TokenType.QDCOLON)      # ? and ?::

_CASTS = {
    "BOOLEAN": of.BOOL, "SMALLINT": of.INT2, "INT": of.INT4, "BIGINT": of.INT8, "DECIMAL": of.NUMERIC,
    "DOUBLE": of.FLOAT8, "FLOAT": of.FLOAT4, "DATE": of.DATE, "TIMESTAMP": of.TIMESTAMP, "TIMESTAMPTZ": of.TIMESTAMPTZ,
    "TEXT": of.TEXT, "VARCHAR": of.TEXT,
}
_ASIDE = (exp.Binary, exp.Between, exp.In, exp.Tuple, exp.Paren, exp.Neg, exp.Coalesce, exp.Case, exp.If)


def sample(oid: int) -> object:
    """A value of a type, to plan with; NULL for a type nothing is planned with."""
    if oid in of.ARRAYS:
        return (sample(of.ARRAYS[oid]),)
    return SAMPLES.get(oid, "a" if oid in of.TEXTS else None)


def inferred(
    sql: str, holes: Sequence[int], given: Sequence[int], tables: Sequence[TableInfo], dialect: str,
    plan: Callable[[tuple[object, ...]], object],
) -> tuple[int, ...]:
    """The type of each parameter of `sql` (? for each of `holes`), where `given` leaves it open.

    `plan` plans the query with values, one for each hole. QueryError when no types make a query that is answered.
    """
    count = max(holes, default=0)
    known = [given[i] if i < len(given) and given[i] not in OPEN else 0 for i in range(max(count, len(given)))]
    if all(known[number - 1] for number in holes):
        return tuple(oid or of.TEXT for oid in known)
    guesses = _guesses(sql, holes, tables, dialect)
    first: QueryError | None = None
    end = time.thread_time() + MOST_SECONDS
    for types in _trials(known, guesses):
        if first is not None and time.thread_time() > end:
            break
        try:
            plan(tuple(sample(types[number - 1]) for number in holes))
        except QueryError as error:
            first = first or error
        else:
            return types
    assert first is not None
    raise first


def _trials(known: Sequence[int], guesses: dict[int, int]) -> Iterator[tuple[int, ...]]:
    """The types to try: those guessed, with every choice for the others; then every choice for all."""
    seen = set()
    for sure in (guesses, {}):
        choices = [(oid,) if oid else (sure[i + 1],) if i + 1 in sure else TRIED for i, oid in enumerate(known)]
        for types in product(*choices):
            if types not in seen:
                seen.add(types)
                yield types
            if len(seen) >= MOST_TRIALS:
                return


def _guesses(sql: str, holes: Sequence[int], tables: Sequence[TableInfo], dialect: str) -> dict[int, int]:
    """The types that the text gives away, by number of the parameter."""
    try:
        tree = tried(sqlglot.parse_one, _named(sql, holes, dialect), dialect)
    except (SqlglotError, RecursionError):
        return {}
    columns: dict[str, set[int]] = {}
    for table in tables:
        for column in table.columns:
            columns.setdefault(column.name.lower(), set()).add(of.field("", column.type).oid)
    found: dict[int, int] = {}
    for place in tree.find_all(exp.Column):
        if place.name.startswith(HOLE) and (oid := _expected(place, columns)) is not None:
            found.setdefault(int(place.name.removeprefix(HOLE)), oid)
    return found


def _named(sql: str, holes: Sequence[int], dialect: str) -> str:
    """The query with a name for each parameter, so that the tree tells which is which."""
    pieces: list[str] = []
    last = 0
    tokens = sqlglot.tokenize(sql, read=dialect)
    check_tokens(sql, tokens)
    marks = [token for token in tokens if token.token_type in MARKS]
    for number, mark in zip(holes, marks, strict=False):
        pieces += [sql[last : mark.start], f"{HOLE}{number} "]
        last = mark.start + 1
    return "".join([*pieces, sql[last:]])


def _expected(node: exp.Expr, columns: dict[str, set[int]]) -> int | None:
    """The type that the surroundings of a parameter expect."""
    above = node.parent
    while above is not None:
        if isinstance(above, exp.Cast):
            return _CASTS.get(above.to.this.name if isinstance(above.to.this, exp.DataType.Type) else "")
        if isinstance(above, exp.Limit | exp.Offset | exp.Fetch):
            return of.INT8
        if isinstance(above, exp.Like | exp.ILike | exp.RegexpLike | exp.SimilarTo):
            return of.TEXT
        if isinstance(above, exp.Any | exp.All) or str(above.this).lower() == "all":
            return _listed(above, columns)
        if not isinstance(above, _ASIDE):
            return None
        for beside in above.iter_expressions():
            oid = None if beside is node else _type(beside, columns)
            if oid is not None:
                return oid
        node, above = above, above.parent
    return None


def _listed(node: exp.Expr, columns: dict[str, set[int]]) -> int | None:
    """The type of the list in x = ANY (...) and x <> ALL (...)."""
    test = node.parent
    element = _type(test.this, columns) if isinstance(test, exp.Binary) else None
    return next((array for array, each in of.ARRAYS.items() if each == element), None)


def _type(node: exp.Expr, columns: dict[str, set[int]]) -> int | None:
    """The type of an operand, where it is plain."""
    match node:
        case exp.Column():
            found = columns.get(node.name.lower(), set())
            return next(iter(found)) if len(found) == 1 else None
        case exp.Literal():
            return of.TEXT if node.is_string else of.NUMERIC if "." in node.name else of.INT8
        case exp.Cast():
            return _CASTS.get(node.to.this.name if isinstance(node.to.this, exp.DataType.Type) else "")
        case exp.Boolean():
            return of.BOOL
        case exp.Count():
            return of.INT8
        case exp.Sum() | exp.Avg():
            return of.NUMERIC
        case exp.Lower() | exp.Upper():
            return of.TEXT
        case exp.Coalesce() | exp.Paren() | exp.Neg() | exp.Add() | exp.Sub() | exp.Mul() | exp.Div():
            return _type(node.this, columns)
        case _:
            return None
