"""The names of an answer's columns as PostgreSQL gives them: in small letters unless quoted, `count` for COUNT(*)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dpsql.doors.serve.catalog.names import called
from dpsql.doors.serve.memory import remembered
from dpsql.doors.serve.messages import Field
from dpsql.errors import QueryError
from dpsql.trial import tried

KEPT = 1024     # texts whose names are remembered


def named(fields: Sequence[Field], sql: str, dialect: str) -> tuple[Field, ...]:
    """The columns, renamed where the query is PostgreSQL's and says no name of its own; a star keeps its columns'."""
    names = _names(sql) if dialect == "postgres" else ()
    if len(names) != len(fields):
        return tuple(fields)
    return tuple(replace(field, name=name or field.name) for field, name in zip(fields, names, strict=True))


@remembered(KEPT)
def _names(sql: str) -> tuple[str | None, ...]:
    """A name for each column of a query, None for a column of a table; none at all where a star stands."""
    try:
        tree = tried(sqlglot.parse_one, sql, "postgres")
    except (SqlglotError, RecursionError, QueryError):
        return ()
    while isinstance(tree, exp.Subquery | exp.SetOperation):
        tree = tree.this
    if not isinstance(tree, exp.Select) or any(item.is_star for item in tree.selects):
        return ()
    return tuple(None if isinstance(item, exp.Column) else called(item) for item in tree.selects)
