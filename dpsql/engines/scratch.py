"""The finish's database: empty but for released rows and public tables, in memory, locked down."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import duckdb
import numpy as np
from duckdb import DuckDBPyConnection

from dpsql.engines.base import qualified
from dpsql.engines.duckdb import LOCK_DOWN, NO_FILES, PINNED, configure, one_select, selected
from dpsql.engines.stop import attended
from dpsql.errors import DatabaseError, ExecutionError, InternalError, OpenError
from dpsql.schema import TableSchema, quote

MEMORY = 2 << 30               # bytes: what the finish of one session may use; it has nowhere to spill
_ROWS = "dpsql_rows"           # how rows on their way into a table are called
_DATA, _BLANK = "dpsql data", "dpsql blank"  # catalogs with and without rows, named as no schema is
_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"})
_INT64 = range(-(1 << 63), 1 << 63)

Names = tuple[str, ...]
Values = Sequence[object]
Array = np.ndarray[tuple[int], np.dtype[np.generic]]
Source = dict[str, Array]

_open: weakref.WeakSet[Scratch] = weakref.WeakSet()


class BindError(DatabaseError):
    """The finish does not bind; the message is the engine's, about text and schema only, for no data was there."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of released rows: its name, and its columns with their DuckDB types."""

    name: str
    columns: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Desk:
    """A cursor over blank tables, and the released ones, without rows too, that it was left with."""

    cursor: DuckDBPyConnection
    tables: dict[str, Table] = field(default_factory=dict)


def path(table: TableSchema) -> tuple[str, ...]:
    """Where a public table stands in the scratch database: as in its own, less the database."""
    return table.path[1:]


class Scratch:
    """A locked in-memory DuckDB with the public tables twice: without rows, for types, and with them, for answers.

    Released tables are temporary, each call on a cursor of its own, so calls from several threads do not meet. A query
    names a public table by `path` and a released one by its bare name, which no public table of the main schema has.
    `stream` gives the rows of a public table (`Engine.public_stream`); each is read once, when first needed. OpenError
    when public tables of two attached databases would stand at one place. `connection` is a `blank()`, if one is there.
    """

    def __init__(
        self, public: Sequence[TableSchema], stream: Callable[[TableSchema], object], memory: int = MEMORY,
        connection: DuckDBPyConnection | None = None,
    ) -> None:
        self._public = {table.name: table for table in public}
        self._stream = stream
        self._filled: set[str] = set()
        self._lock = threading.Lock()
        _distinct(public)
        self._connection = connection or blank()
        _prepare(self._connection, public, memory)
        self._idle: list[_Desk] = []
        _open.add(self)

    def describe(self, sql: str, tables: Sequence[Table]) -> tuple[tuple[str, str], ...]:
        """The names and DuckDB types of what `sql` returns. BindError when it does not bind."""
        try:
            desk = self._laid(tables)
            bound = desk.cursor.sql(one_select(desk.cursor, sql))       # is not run, for nobody takes its rows
            found = tuple((str(name), str(type_)) for name, type_ in zip(bound.columns, bound.types, strict=True))
        except (duckdb.Error, ValueError) as error:
            reason = str(error).partition("\n")[0]
        else:
            self._idle.append(desk)
            return found
        raise BindError(reason)

    def _laid(self, tables: Sequence[Table]) -> _Desk:
        """A desk that nobody works at, with these tables and no others."""
        try:
            desk = self._idle.pop()
        except IndexError:
            desk = _Desk(self._cursor(_BLANK))
        wanted = {table.name: table for table in tables}
        for name in desk.tables.keys() - wanted.keys():
            desk.cursor.execute(f"DROP TABLE {qualified(('temp', 'main', name))}")
            del desk.tables[name]
        for name, table in wanted.items():
            if desk.tables.get(name) != table:
                self._create(desk.cursor, table)
                desk.tables[name] = table
        return desk

    def run(
        self, sql: str, tables: Sequence[tuple[Table, Sequence[tuple[object, ...]]]], public: Sequence[str]
    ) -> tuple[Names, Names, list[tuple[object, ...]]]:
        """Names, DuckDB types and rows of `sql` over released `tables` and the `public` tables named. Any failure is
        ExecutionError, without cause or context."""
        answer = self._attempt(sql, tables, public)
        if answer is None:
            raise ExecutionError
        return answer

    def _attempt(
        self, sql: str, tables: Sequence[tuple[Table, Sequence[tuple[object, ...]]]], public: Sequence[str]
    ) -> tuple[Names, Names, list[tuple[object, ...]]] | None:
        try:
            for name in public:
                self._fill(self._public[name])
            with self._cursor(_DATA) as cursor:
                for table, rows in tables:
                    self._create(cursor, table)
                    if rows:
                        _insert(cursor, table, rows)
                return attended(lambda: _fetched(cursor, sql), cursor.interrupt)
        except Exception:
            return None

    def _cursor(self, catalog: str) -> DuckDBPyConnection:
        return self._connection.cursor().execute(f"USE {quote(catalog)}")

    def _create(self, cursor: DuckDBPyConnection, table: Table) -> None:
        if any(path(public) == ("main", table.name) for public in self._public.values()):
            raise InternalError(f"the released table {table.name} would hide the public one")
        cursor.execute(f"CREATE OR REPLACE TEMP TABLE {quote(table.name)} ({_declared(table.columns)})")

    def _fill(self, table: TableSchema) -> None:
        """Copy a public table, once."""
        with self._lock:
            if table.name in self._filled:
                return
            with self._cursor(_DATA) as cursor:
                cursor.register(_ROWS, self._stream(table))
                columns = ", ".join(f"CAST({quote(c.name)} AS {c.type})" for c in table.columns if c.type is not None)
                try:
                    cursor.execute(f"INSERT INTO {qualified(path(table))} SELECT {columns} FROM {_ROWS}")
                finally:
                    cursor.unregister(_ROWS)
            self._filled.add(table.name)

    def close(self) -> None:
        """Drop everything. Closing twice does nothing."""
        while self._idle:
            self._idle.pop().cursor.close()
        self._connection.close()


def _fetched(cursor: DuckDBPyConnection, sql: str) -> tuple[Names, Names, list[tuple[object, ...]]]:
    selected(cursor, sql)
    described = cursor.description or ()
    return tuple(c[0] for c in described), tuple(str(c[1]) for c in described), cursor.fetchall()


def blank() -> DuckDBPyConnection:
    """An instance with both catalogs, nothing in them, and the settings every statement relies on."""
    connection = duckdb.connect(":memory:")
    for catalog in (_DATA, _BLANK):
        connection.execute(f"ATTACH ':memory:' AS {quote(catalog)}")
    connection.execute(f"USE {quote(_DATA)}")
    connection.execute("DETACH memory")
    configure(connection, PINNED)
    return connection


def _prepare(connection: DuckDBPyConnection, public: Iterable[TableSchema], memory: int) -> None:
    """Lock it, and make the public tables in both catalogs, all without rows."""
    configure(connection, (f"memory_limit='{memory}B'", *NO_FILES, *LOCK_DOWN))
    for catalog in (_DATA, _BLANK):
        for table in public:
            schema, _ = path(table)
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {qualified((catalog, schema))}")
            columns = [(column.name, str(column.type)) for column in table.columns if column.type is not None]
            if columns:
                connection.execute(f"CREATE TABLE {qualified((catalog, *path(table)))} ({_declared(columns)})")


def _distinct(public: Iterable[TableSchema]) -> None:
    seen: dict[str, TableSchema] = {}
    for table in public:
        place = ".".join(path(table)).lower()
        if place in seen:
            raise OpenError(f"the public tables {seen[place].name} and {table.name} differ in their database "
                            "only: make a view of another name of one, and name that in the policy")
        seen[place] = table


def _declared(columns: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"{quote(name)} {type_}" for name, type_ in columns)


def _insert(cursor: DuckDBPyConnection, table: Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Put rows into a table, exactly, by way of numpy arrays (ten times faster than parameters)."""
    source: Source = {}
    items = [_column(index, type_, values, source) for index, ((_, type_), values) in
             enumerate(zip(table.columns, zip(*rows, strict=True), strict=True))]
    cursor.register(_ROWS, source)
    try:
        cursor.execute(f"INSERT INTO {quote(table.name)} SELECT {', '.join(items)} FROM {_ROWS}")
    finally:
        cursor.unregister(_ROWS)


def _column(index: int, type_: str, values: Values, source: Source) -> str:
    """Add the arrays of one column to `source`; the expression that makes the column of them."""
    name = f"c{index}"
    if type_ in _INTEGERS and all(value is None or value in _INT64 for value in values):
        source[name] = _masked(values, np.int64, 0)
        return f"CAST({name} AS {type_})"
    if type_ == "BOOLEAN":
        source[name] = _masked(values, np.bool_, False)
        return name
    if type_ == "DOUBLE":  # DuckDB reads a NaN in an array as NULL, so its place is marked
        source[name] = doubles = _masked(values, np.float64, 0.0)
        source[f"n{index}"] = np.isnan(np.asarray(doubles.data))
        return f"CASE WHEN n{index} THEN CAST('nan' AS DOUBLE) ELSE {name} END"
    source[name] = np.array([None if value is None else _text(value) for value in values], dtype=object)
    return f"CAST({name} AS {type_})"


def _text(value: object) -> str:
    """A value as DuckDB casts it from text; it does not read every exponent of a DECIMAL."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _masked(values: Values, kind: type[np.generic], blank: object) -> Array:
    data = np.array([blank if value is None else value for value in values], dtype=kind)
    return np.ma.masked_array(data, mask=[value is None for value in values])


@atexit.register
def _close_all() -> None:
    """Connections left open at exit make the binding print complaints."""
    for scratch in list(_open):
        scratch.close()
