"""The SQLAlchemy dialect: `create_engine("dpsql:///hospital.duckdb?policy=policy.toml&epsilon=0.5")`.

The path is the database, the user the analyst, and the query's `policy`, `ledger`, `analyst`, `epsilon`, `delta`,
`error`, `level` and `quality` (true or false) are those of `dpsql.connect`, with its defaults. One session serves the
whole engine; `engine.dispose()` closes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import pool
from sqlalchemy.engine import default
from sqlalchemy.exc import ArgumentError, NoSuchTableError

from dpsql.dictionary import TableInfo, line
from dpsql.doors.sqlalchemy_sql import Compiler, Preparer, TypeCompiler
from dpsql.doors.sqlalchemy_types import sql_type

if TYPE_CHECKING:
    from types import ModuleType

    from sqlalchemy.engine import URL, Connection
    from sqlalchemy.engine.interfaces import ConnectArgsType, IsolationLevel

    from dpsql.session import Session

MAIN = "main"
AUTOCOMMIT: IsolationLevel = "AUTOCOMMIT"
_OPTIONS = ("policy", "ledger", "analyst", "epsilon", "delta", "error", "level", "quality")


class Dialect(default.DefaultDialect):
    """Selects over what the policy names; tables, columns, keys and comments are reflected from it."""

    name = driver = "dpsql"
    default_schema_name = MAIN
    default_paramstyle = "qmark"
    statement_compiler = Compiler
    type_compiler_cls = TypeCompiler
    preparer = Preparer
    supports_statement_cache = True
    supports_native_boolean = True
    supports_native_decimal = True
    supports_comments = True
    supports_alter = False
    supports_sequences = False
    supports_schemas = True
    supports_sane_rowcount = False
    postfetch_lastrowid = False
    div_is_floordiv = False             # 1 / 2 is 0.5, as in DuckDB
    default_isolation_level = AUTOCOMMIT    # every charge is durable before its query runs, and nothing is written

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """The module that speaks the DB-API."""
        import dpsql

        return dpsql

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        """One connection for all: it may be shared by threads, and each opens the database and reads public tables."""
        return pool.StaticPool

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """The arguments of `dpsql.connect`. ArgumentError for a host, a password or an option it does not know."""
        if url.host or url.password or url.port:
            raise ArgumentError("a dpsql URL names a file: dpsql:///relative/path or dpsql:////absolute/path")
        unknown = set(url.query) - set(_OPTIONS)
        if unknown:
            raise ArgumentError(f"a dpsql URL has no option {min(unknown)}; there are: {', '.join(_OPTIONS)}")
        options: dict[str, Any] = dict(url.query)
        if "quality" in options:
            word = str(options["quality"]).lower()
            if word not in ("true", "false"):       # any text would count as true, and be paid
                raise ArgumentError("quality is true or false")
            options["quality"] = word == "true"
        if url.database:
            options["database"] = url.database
        if url.username:
            options["analyst"] = url.username
        return (), options

    def initialize(self, connection: Connection) -> None:
        """Nothing is asked of the database: the defaults above are its properties."""

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Nothing to take back; the engine may have been disposed of before its last connection."""

    def do_commit(self, dbapi_connection: Any) -> None:
        """Nothing to make durable."""

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Whether the session is still open. Free."""
        return dbapi_connection.session is not None

    def get_isolation_level_values(self, dbapi_conn: Any) -> tuple[IsolationLevel]:
        """The only one."""
        return (AUTOCOMMIT,)

    def get_isolation_level(self, dbapi_connection: Any) -> IsolationLevel:
        """The only one."""
        return AUTOCOMMIT

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Nothing to set."""

    def is_disconnect(self, e: BaseException, connection: Any, cursor: Any) -> bool:
        """Never: the session lives in this process."""
        return False

    def has_table(self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        """Whether the policy names the table."""
        return any(_place(table) == (schema or MAIN, table_name.lower()) for table in _session(connection).tables())

    def has_sequence(self, connection: Connection, sequence_name: str, schema: str | None = None, **kw: Any) -> bool:
        """There are none."""
        return False

    def get_schema_names(self, connection: Connection, **kw: Any) -> list[str]:
        """The schemas in which the policy names tables."""
        return sorted({_place(table)[0] for table in _session(connection).tables()})

    def get_table_names(self, connection: Connection, schema: str | None = None, **kw: Any) -> list[str]:
        """The tables (and views) of the policy in a schema."""
        tables = _session(connection).tables()
        return [table.name.rpartition(".")[2] for table in tables if _place(table)[0] == (schema or MAIN)]

    def get_view_names(self, connection: Connection, schema: str | None = None, **kw: Any) -> list[str]:
        """None apart: what the policy names counts as a table."""
        return []

    def get_columns(self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """Names and types; the comment is the owner's, then what the policy declares."""
        found = _table(connection, table_name, schema)
        return [
            {
                "name": column.name, "type": sql_type(column.type), "nullable": column.nullable, "default": None,
                "autoincrement": False,
                "comment": "; ".join(filter(None, (line(column.comment), column.facts))) or None,
            }
            for column in found.columns
        ]

    def get_pk_constraint(self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """The first key the policy declares."""
        keys = _table(connection, table_name, schema).keys
        return {"constrained_columns": list(keys[0]) if keys else [], "name": None}

    def get_unique_constraints(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any,
    ) -> Any:
        """The other keys the policy declares."""
        return [{"name": None, "column_names": list(key)} for key in _table(connection, table_name, schema).keys[1:]]

    def get_foreign_keys(self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """The path to the unit."""
        owner = _table(connection, table_name, schema).owner
        if owner is None:
            return []
        place, _, name = owner.table.rpartition(".")
        return [{
            "name": None, "constrained_columns": [owner.column], "referred_schema": place or None,
            "referred_table": name, "referred_columns": [owner.key],
        }]

    def get_table_comment(self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """The owner's comment, then whose the rows are."""
        found = _table(connection, table_name, schema)
        return {"text": "; ".join(filter(None, (line(found.comment), f"rows belong to {found.whose}")))}

    def get_indexes(self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any) -> Any:
        """None that an analyst could know of."""
        _table(connection, table_name, schema)
        return []

    def get_check_constraints(
        self, connection: Connection, table_name: str, schema: str | None = None, **kw: Any,
    ) -> Any:
        """None: declared ranges stand in the comments."""
        _table(connection, table_name, schema)
        return []


def _session(connection: Connection) -> Session:
    session: Session = connection.connection.driver_connection.session  # type: ignore[union-attr]
    return session


def _table(connection: Connection, name: str, schema: str | None) -> TableInfo:
    for table in _session(connection).tables():
        if _place(table) == (schema or MAIN, name.lower()):
            return table
    raise NoSuchTableError(name if schema is None else f"{schema}.{name}")


def _place(table: TableInfo) -> tuple[str, str]:
    """The schema, and the name in lower case (letter case is nothing)."""
    schema, _, name = table.name.rpartition(".")
    return schema or MAIN, name.lower()
