"""DuckDB: a read-only file, locked down, or a connection that the owner handed over and that stays as it is."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection, StatementType

from dpsql.engines.base import Params, Rows, qualified
from dpsql.engines.catalog import read_schema
from dpsql.engines.stop import attended
from dpsql.errors import ExecutionError, OpenError
from dpsql.schema import Schema, TableSchema, quote, text

PARTS = 8   # a key is grouped in so many parts, one after the other, to take little memory

# What every statement relies on; where they are set they hold for every cursor. Reasons: safety.md, sections 1 and 3.
# partial_aggregate_pushdown merges projections below a join, so that shared expressions are computed again and again:
# TPC-H Q1 over DOUBLE took 2.4 times as long.
PINNED = (
    "disabled_optimizers='common_subexpressions,statistics_propagation,partial_aggregate_pushdown'",
    "error_on_division_by_zero=false", "ieee_floating_point_ops=true", "integer_division=false",
    "max_expression_depth=250", "default_collation='binary'", "TimeZone='UTC'", "Calendar='gregorian'",
    "default_null_order='nulls_last'", "default_order='ascending'", "order_by_non_integer_literal=false",
    "scalar_subquery_error_on_multiple_rows=true", "regex_match_operator_semantics='partial'",
    "old_implicit_casting=false", "preserve_identifier_case='preserve_case'", "pandas_analyze_sample=0",
    "arrow_large_buffer_size=false", "enable_logging=false", "errors_as_json=false",
)
# In this order: the temporary directory cannot be changed once external access is off.
LOCK_DOWN = (
    "autoinstall_known_extensions=false", "autoload_known_extensions=false", "allow_community_extensions=false",
    "allow_extension_repositories='forbidden'", "allow_persistent_secrets=false", "python_enable_replacements=false",
    "python_scan_all_frames=false", "lock_configuration=true",
)
NO_FILES = ("temp_directory=''", "enable_external_access=false", "disabled_filesystems='LocalFileSystem'")
# A mark that keeps a locked instance apart: another connection of this process to the same file is refused by DuckDB.
_MARK: dict[str, str | bool | int | float | list[str]] = {
    "custom_user_agent": "dpsql", "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
}
_NOTHING = "dpsql nothing"
# Types that Arrow does not carry exactly.
_BY_TEXT = frozenset({"HUGEINT"})

# What a connection handed over must not have changed, since dpsql changes nothing there: the defaults of DuckDB.
DEFAULTS = {
    "integer_division": False, "ieee_floating_point_ops": True, "old_implicit_casting": False, "default_collation": "",
    "scalar_subquery_error_on_multiple_rows": True, "regex_match_operator_semantics": "partial",
}

_opening = threading.Lock()
_identities: dict[Path, object] = {}   # of the files, when their instances were opened
_open: weakref.WeakSet[DuckDB] = weakref.WeakSet()


Files = tuple[tuple[Path, str], ...]   # of a folder, each with the SQL that reads it


class DuckDB:
    """An Engine over one DuckDB connection: a cursor per statement, from any thread. `files` are a folder's, `home` is
    the database that names without one mean, the instance's own by default; a `schema` that is known is not read."""

    def __init__(
        self, connection: DuckDBPyConnection, *, name: str, ledger: Path | None = None, identity: object = None,
        owned: bool = True, files: Files = (), home: str | None = None, schema: Schema | None = None,
    ) -> None:
        self.name, self.default_ledger, self.identity, self.files = name, ledger, identity, files
        self.verifies_keys = identity is not None
        self._connection, self._owned, self._closed = connection, owned, False
        self._lock = threading.Lock()
        self.home = home or _home(connection)
        # the engine's own functions first: a macro of the database may have the name of one, SUM even
        self._names = f"SET search_path = {text(f'system.main,{quote(self.home)}.main')}"
        self.schema = schema or read_schema(self._cursor(), self.home)
        _open.add(self)

    def _cursor(self) -> DuckDBPyConnection:
        with self._lock:
            if self._closed:
                raise duckdb.ConnectionException("closed")
            cursor = self._connection.cursor()
        return cursor.execute(self._names)

    def run(self, sql: str, params: Params = ()) -> Rows:
        """Run one statement and fetch everything. Any failure at all is ExecutionError, without cause or context."""
        rows = self._attempt(sql, params)
        if rows is None:
            raise ExecutionError
        return rows

    def _attempt(self, sql: str, params: Params) -> Rows | None:
        """The rows, or None: the engine's error ends here, since its very type depends on the data."""
        try:
            with self._cursor() as cursor:
                return attended(lambda: _fetched(cursor, sql, params), cursor.interrupt)
        except Exception:
            return None

    def key_holds(self, table: TableSchema, columns: Sequence[str]) -> bool:
        """Whether no two rows of `table` agree on `columns`, rows with a NULL among them aside.

        Tables are often stored in the order of their key. Where each row read is above the one read before, whatever
        order that is, no two are equal; it takes no memory to see. Only where that fails are the rows grouped.
        """
        read = [column.read() for name in columns if (column := table.column(name)) is not None]
        present = " AND ".join(f"{item} IS NOT NULL" for item in read)
        key = read[0] if len(read) == 1 else f"ROW({', '.join(read)})"
        falls = (f"SELECT 1 FROM (SELECT {key} AS k, LAG({key}) OVER () AS p FROM {qualified(table.path)} "
                 f"WHERE {present}) WHERE p IS NOT NULL AND NOT (k > p) LIMIT 1")
        if not self.run(falls).values:
            return True
        twice = (f"SELECT 1 FROM {qualified(table.path)} WHERE {present} AND HASH({', '.join(read)}) % {PARTS} = ? "
                 f"GROUP BY {', '.join(read)} HAVING COUNT(*) > 1 LIMIT 1")
        return not any(self.run(twice, (part,)).values for part in range(PARTS))

    def public_stream(self, table: TableSchema) -> object:
        """The columns of a public table that dpsql reads, in `schema` order, as an Arrow C stream (`arrow_columns`)."""
        return _Stream(self._cursor(), f"SELECT {arrow_columns(table)} FROM {qualified(table.path)}")

    def close(self) -> None:
        """Let go of the database; a connection handed over stays open, it is the owner's."""
        with self._lock:
            if not self._closed and self._owned:
                self._connection.close()
            self._closed = True


def _home(connection: DuckDBPyConnection) -> str:
    with connection.cursor() as cursor:
        return str(cursor.execute("SELECT current_database()").fetchall()[0][0])


def _fetched(cursor: DuckDBPyConnection, sql: str, params: Params) -> Rows:
    selected(cursor, sql, params)
    return Rows(tuple(column[0] for column in cursor.description or ()), cursor.fetchall())


def one_select(cursor: DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """A text that is one SELECT. ValueError for any other: a locked instance still admits DETACH, BEGIN, PREPARE,
    CREATE TEMP and SET VARIABLE, and what follows a semicolon."""
    statements = cursor.extract_statements(sql)
    if [statement.type for statement in statements] != [StatementType.SELECT]:
        raise ValueError("nothing but one SELECT is run")
    return statements[0]


def selected(cursor: DuckDBPyConnection, sql: str, params: Params = ()) -> DuckDBPyConnection:
    """Run a text that is one SELECT, and nothing else (`one_select`)."""
    return cursor.execute(one_select(cursor, sql), dict(params) if isinstance(params, Mapping) else list(params))


class _Stream:
    """A query as an Arrow C stream: one pass, no pyarrow."""

    def __init__(self, cursor: DuckDBPyConnection, sql: str) -> None:
        self._cursor, self._sql = cursor, sql

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._cursor.sql(self._sql).__arrow_c_stream__(requested_schema)


def arrow_columns(table: TableSchema) -> str:
    """The select list of a public table on its way to the finish: every column dpsql reads, as the type it reads."""
    kept = [column for column in table.columns if column.type is not None]
    return ", ".join(f"CAST({c.read()} AS {'VARCHAR' if str(c.type) in _BY_TEXT else c.type}) AS {quote(c.name)}"
                     for c in kept)


def configure(connection: DuckDBPyConnection, settings: Iterable[str]) -> None:
    """Set the settings for every cursor of a connection, in order."""
    for setting in settings:
        connection.execute(f"SET GLOBAL {setting}")


def empty() -> DuckDBPyConnection:
    """An instance with the settings every statement relies on, and without a database but one named as no file is."""
    connection = duckdb.connect(":memory:", config=_MARK)
    connection.execute(f"ATTACH ':memory:' AS {quote(_NOTHING)}")
    connection.execute(f"USE {quote(_NOTHING)}")
    connection.execute("DETACH memory")
    configure(connection, PINNED)
    return connection


def open_file(path: Path, settings: Iterable[str] = ()) -> DuckDB:
    """Open a DuckDB file read-only and locked. OpenError when it is no such file or another program writes to it.

    `settings` are added where this process has not yet opened the file.
    """
    try:
        with _opening:
            before = identity(path)
            connection = duckdb.connect(str(path), read_only=True, config=_MARK)
            # An instance that a session of this process opened before is shared: locked already, and of the file as it
            # was then.
            if connection.execute("SELECT current_setting('lock_configuration')").fetchall() != [(True,)]:
                configure(connection, (*settings, *PINNED, *NO_FILES, *LOCK_DOWN))
                _identities[path] = before
            changed = identity(path) != _identities[path]
    except (duckdb.Error, OSError) as error:
        reason = str(error)
    else:
        if not changed:
            ledger = path.with_name(path.name + ".ledger")
            return DuckDB(connection, name=path.name, ledger=ledger, identity=before)
        connection.close()
        raise OpenError(f"{path} was replaced while it was being opened, or while another session of this program has "
                        "it open: close that one, and open it again")
    raise OpenError(_file_trouble(path, reason))


def open_connection(connection: DuckDBPyConnection) -> DuckDB:
    """Use a connection of the owner, changing nothing about it. OpenError when it is closed or bends the SQL.

    What only that connection sees (its temporary and registered tables, an open transaction, the settings of its
    session) is not there for dpsql, which runs every statement on a new cursor of it.
    """
    if not isinstance(connection, DuckDBPyConnection):
        raise OpenError(f"a database is a path or an open DuckDB connection, not {type(connection).__name__}")
    try:
        with connection.cursor() as cursor:
            for setting, default in DEFAULTS.items():
                value = cursor.execute("SELECT current_setting(?)", [setting]).fetchall()[0][0]
                if value != default:
                    raise OpenError(f"the DuckDB connection has {setting} = {value!r}, with which SQL means something "
                                    f"else: run `RESET GLOBAL {setting}` on it first")
        return DuckDB(connection, name="connection", owned=False)
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
    raise OpenError(f"the DuckDB connection cannot be used: {reason}")


def identity(path: Path) -> object:
    """What changes when the file does: size and time of the file and of its write-ahead log."""
    log = path.with_name(path.name + ".wal")
    states = [file.stat() for file in (path, log) if file.exists()]
    return (str(path), *((state.st_ino, state.st_size, state.st_mtime_ns) for state in states))


def _file_trouble(path: Path, reason: str) -> str:
    """What the owner can do when DuckDB does not open a file. Its own words name files and processes, never data."""
    first = reason.partition("\n")[0]
    if "Could not set lock" in reason:
        return f"{path} is in use by another program: close it there, or open a copy ({first})"
    if "different configuration" in reason:
        return f"{path} is already open in this program: close that connection, or give it as the database"
    if "read-only mode" in reason or "not a valid DuckDB" in reason or "xtension" in reason:
        return (f"{path} is not a DuckDB database; give one, or the folder that holds Parquet or CSV files "
                "(one table a file)")
    return f"{path} cannot be opened: {first}"


@atexit.register
def _close_all() -> None:
    """Connections left open at exit make the binding print complaints."""
    for engine in list(_open):
        engine.close()
