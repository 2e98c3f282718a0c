"""A locked in-memory DuckDB for what everybody may know: system tables made of policy and schema. No data, no files."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from dpsql.engines.base import quote, text
from dpsql.engines.duckdb import LOCK_DOWN, NO_FILES, configure
from dpsql.engines.stop import Stop
from dpsql.errors import DatabaseError, ExecutionError

MEMORY = "200MB"        # what statements may use together
SECONDS = 5.0           # how long one may take
MOST_ROWS = 100_000     # that one may answer
_SETTINGS = (
    f"memory_limit='{MEMORY}'", "threads=1", "max_expression_depth=250", "default_collation='binary'", "TimeZone='UTC'",
    "default_null_order='nulls_last'", "default_order='ascending'", "errors_as_json=false",
    "scalar_subquery_error_on_multiple_rows=true", "regex_match_operator_semantics='partial'",
)
_open: weakref.WeakSet[MemoryCatalog] = weakref.WeakSet()


class CatalogError(DatabaseError):
    """A statement that failed on the system tables. The message is the engine's: nothing private is there."""


@dataclass(frozen=True, slots=True)
class Found:
    """The DuckDB types of the columns, and the rows."""

    types: tuple[str, ...]
    rows: list[tuple[object, ...]]


class MemoryCatalog:
    """`script` makes schemas, views and macros; `tables` are (schema, name, columns with DuckDB types, rows)."""

    def __init__(
        self, tables: Iterable[tuple[str, str, Sequence[tuple[str, str]], Sequence[Sequence[object]]]],
        script: Sequence[str],
    ) -> None:
        self._connection = duckdb.connect(":memory:")
        self._lock = threading.Lock()
        made: set[str] = set()
        for schema, name, columns, rows in tables:
            if schema not in made:
                self._connection.execute(f"CREATE SCHEMA {quote(schema)}")
                made.add(schema)
            declared = ", ".join(f"{quote(column)} {type_}" for column, type_ in columns)
            self._connection.execute(f"CREATE TABLE {quote(schema)}.{quote(name)} ({declared})")
            for first in range(0, len(rows), 500):
                values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows[first : first + 500])
                self._connection.execute(f"INSERT INTO {quote(schema)}.{quote(name)} VALUES {values}")
        for statement in script:
            self._connection.execute(statement)
        configure(self._connection, (*_SETTINGS, *NO_FILES, *LOCK_DOWN))
        _open.add(self)

    def run(self, sql: str, params: Mapping[str, object], variables: Mapping[str, object], rows: int) -> Found:
        """What `sql` answers, `rows` rows at most; variables are read by getvariable. CatalogError when it fails."""
        try:
            with self._lock:
                cursor = self._connection.cursor()
            with cursor:
                for name, value in variables.items():
                    cursor.execute(f"SET VARIABLE {name} = {_literal(value)}")
                return Stop(SECONDS).attend(lambda: _found(cursor, sql, params, rows), cursor.interrupt)
        except duckdb.InterruptException:
            reason = f"it took more than {SECONDS:g} seconds"
        except duckdb.Error as error:
            reason = str(error).partition("\n")[0]
        except ExecutionError:
            reason = "it was stopped"
        raise CatalogError(reason)

    def close(self) -> None:
        """Drop everything. Closing twice does nothing."""
        self._connection.close()


def _found(
    cursor: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, object], rows: int,
) -> Found:
    cursor.execute(f"SELECT * FROM ({sql}) LIMIT {int(rows)}", dict(params) or None)
    return Found(tuple(str(column[1]) for column in cursor.description or ()), cursor.fetchall())


def _literal(value: object) -> str:
    match value:
        case None:
            return "NULL"
        case bool() | int() | float():
            return str(value)
        case Mapping():
            keys, values = [*value], [*value.values()]
            return f"MAP({_literal(keys)}, {_literal(values)})"
        case list() | tuple():
            return f"[{', '.join(map(_literal, value))}]"
        case _:
            return text(str(value))


@atexit.register
def _close_all() -> None:
    """Connections left open at exit make the binding print complaints."""
    for catalog in list(_open):
        catalog.close()
