"""A locked in-memory DuckDB for what everybody may know: system tables made of policy and schema. No data, no files.

It lives in child processes like those of `isolated`: what a statement may cost is bounded there, and it can be killed.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np

from dpsql.engines.ahead import Ahead
from dpsql.engines.base import Rows
from dpsql.engines.duckdb import LOCK_DOWN, NO_FILES, configure
from dpsql.engines.isolated_child import answer_all, bound
from dpsql.engines.isolated_pool import Child, Pool
from dpsql.engines.isolated_wire import send, send_rows
from dpsql.engines.stop import Stop, stopped_by
from dpsql.errors import DatabaseError, ExecutionError
from dpsql.schema import quote, text

MEMORY = 256 << 20      # bytes that statements may use together, in one child
SECONDS, MAKING = 5.0, 60.0     # how long one may take, and with the making of the child that answers it
MOST_ROWS = 100_000     # that one answers
MOST_CHARACTERS = 32 << 20      # of all that one answers
_BATCH = 1000
_FAILED = "\0failed"    # what the columns are called when there are none
_SETTINGS = (
    "threads=1", "max_expression_depth=250", "default_collation='binary'", "TimeZone='UTC'",
    "default_null_order='nulls_last'", "default_order='ascending'", "errors_as_json=false",
    "scalar_subquery_error_on_multiple_rows=true", "regex_match_operator_semantics='partial'",
)

Table = tuple[str, str, Sequence[tuple[str, str]], Sequence[Sequence[object]]]  # schema, name, columns and types, rows


class CatalogError(DatabaseError):
    """A statement that failed on the system tables. The message is the engine's: nothing private is there."""


@dataclass(frozen=True, slots=True)
class Found:
    """The DuckDB types of the columns, and the rows."""

    types: tuple[str, ...]
    rows: list[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Making:
    """How a child makes the database: `script` makes views and macros over the tables."""

    tables: tuple[Table, ...]
    script: tuple[str, ...]
    memory: int = MEMORY

    def live(self, line: socket.socket, ready: Ahead) -> None:
        """Make it, and answer statements."""
        database = InMemory(self)
        bound(self.memory)

        def answer(request: tuple[object, ...]) -> None:
            sql, params, variables = request
            rows = database.run(str(sql), params, variables)    # type: ignore[arg-type]
            send(line, (rows.columns,))
            send_rows(line, rows.values)

        answer_all(line, answer)


class InMemory:
    """The database itself, which answers one statement at a time."""

    def __init__(self, making: Making) -> None:
        self._connection = duckdb.connect(":memory:")
        for schema in dict.fromkeys(table[0] for table in making.tables):
            self._connection.execute(f"CREATE SCHEMA {quote(schema)}")
        for schema, name, columns, rows in making.tables:
            declared = ", ".join(f"{quote(column)} {type_}" for column, type_ in columns)
            self._connection.execute(f"CREATE TABLE {quote(schema)}.{quote(name)} ({declared})")
            if rows:
                self._insert(f"{quote(schema)}.{quote(name)}", [type_ for _, type_ in columns], rows)
        for statement in making.script:
            self._connection.execute(statement)
        configure(self._connection, (f"memory_limit='{making.memory}B'", *_SETTINGS, *NO_FILES, *LOCK_DOWN))

    def run(self, sql: str, params: Mapping[str, object], variables: Mapping[str, object]) -> Rows:
        """The types as columns, and the rows; or one column `_FAILED` with the reason."""
        try:
            with self._connection.cursor() as cursor:
                for name, value in variables.items():
                    cursor.execute(f"SET VARIABLE {name} = {_literal(value)}")
                cursor.execute(sql, dict(params) or None)
                types = tuple(str(column[1]) for column in cursor.description or ())
                return Rows(types, _bounded(cursor))
        except (duckdb.Error, _TooLarge) as error:
            return Rows((_FAILED,), [(str(error).partition("\n")[0],)])

    def _insert(self, table: str, types: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Rows by way of arrays of texts: twenty times faster than literals."""
        columns = zip(*rows, strict=True)
        self._connection.register("dpsql_rows", {
            f"c{i}": np.array([None if value is None else str(value) for value in column], dtype=object)
            for i, column in enumerate(columns)})
        items = ", ".join(f"CAST(c{i} AS {type_})" for i, type_ in enumerate(types))
        self._connection.execute(f"INSERT INTO {table} SELECT {items} FROM dpsql_rows")
        self._connection.unregister("dpsql_rows")


class _TooLarge(Exception):
    """An answer that passes MOST_CHARACTERS."""


def _bounded(cursor: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    characters = 0
    while batch := cursor.fetchmany(_BATCH):
        found += batch
        characters += sum(len(str(value)) for row in batch for value in row)
        if characters > MOST_CHARACTERS:
            raise _TooLarge(f"Answers have at most {MOST_CHARACTERS} characters")
    return found


class MemoryCatalog(Pool):
    """The database in children, each made when first needed. Safe to use from several threads."""

    def __init__(self, tables: Sequence[Table], script: Sequence[str]) -> None:
        super().__init__("the catalog", Making(tuple(tables), tuple(script)))

    def found(self, sql: str, params: Mapping[str, object], variables: Mapping[str, object], rows: int) -> Found:
        """What `sql` answers, `rows` rows at most; variables are read by getvariable. CatalogError when it fails."""
        limited = f"SELECT * FROM ({sql}) LIMIT {int(rows)}"

        def ask(child: Child) -> Rows:
            clock = threading.Timer(SECONDS, child.kill)
            clock.daemon = True
            clock.start()
            try:
                columns, = child.ask((limited, params, variables))
                return Rows(columns, child.rows())  # type: ignore[arg-type]
            finally:
                clock.cancel()

        try:
            with stopped_by(Stop(MAKING)):
                made = self.asked(ask)
        except ExecutionError:
            made = Rows((_FAILED,), [(f"it took more than {SECONDS:g} seconds, or too much memory",)])
        if made.columns == (_FAILED,):
            raise CatalogError(str(made.values[0][0]))
        return Found(made.columns, list(made.values))


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
