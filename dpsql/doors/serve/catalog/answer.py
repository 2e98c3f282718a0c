"""catalog_answer: what a client asks of pg_catalog and information_schema, answered from policy and schema alone."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from sqlglot import exp

from dpsql.dictionary import TableInfo
from dpsql.doors.serve.catalog.build import Built, build
from dpsql.doors.serve.catalog.calls import Translator
from dpsql.doors.serve.catalog.functions import functions
from dpsql.doors.serve.catalog.pg_types import (
    INT2VECTOR,
    INT4,
    INT8,
    NAMED,
    OIDVECTOR,
    TEXT,
    UNKNOWN,
    by_name,
    element_of,
    kept,
    types,
)
from dpsql.doors.serve.catalog.text import looks_like_catalog, tree
from dpsql.doors.serve.catalog.translate import unknown_tables
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.memory import Memory
from dpsql.doors.serve.values import ARRAYS, encoder
from dpsql.engines.memory_catalog import MOST_ROWS, CatalogError

KEPT = 1024     # translations that are remembered
RELEASE = "15.0"
# Settings that clients ask of, beside those of the connection.
DEFAULTS = {
    "server_version": RELEASE, "server_version_num": "150000", "max_index_keys": "32", "block_size": "8192",
    "max_identifier_length": "63", "default_table_access_method": "heap", "default_tablespace": "", "jit": "off",
    "search_path": '"$user", public', "standard_conforming_strings": "on", "quote_all_identifiers": "off",
    "default_toast_compression": "pglz", "password_encryption": "scram-sha-256", "wal_level": "minimal",
}
_STARTED = datetime.now(UTC)
_SYSTEM_CALLS = (exp.CurrentUser, exp.SessionUser, exp.CurrentSchema, exp.CurrentSchemas, exp.CurrentCatalog,
                 exp.CurrentDatabase, exp.CurrentVersion)
_STATES = (
    ("Division by zero", "22012"), ("Conversion Error", "22P02"), ("Invalid Input Error", "22023"),
    ("seconds", "57014"), ("at most", "54000"), ("Binder Error", "42883"),
)
TEXTS = 1009        # an array of texts
_FOUND = {"BIGINT": INT8, "INTEGER": INT4, "BOOLEAN": 16, "DOUBLE": 701, "DATE": 1082, "TIMESTAMP": 1114}


class Told(Protocol):
    """What of a session the catalog is made of."""

    def tables(self) -> tuple[TableInfo, ...]:
        """The tables of the policy."""


class Named(int):
    """An oid that prints as the name of what it is the oid of."""

    name: str

    def __str__(self) -> str:
        return self.name


class Vector(list[object]):
    """An array that prints as `1 2 3`."""

    def __str__(self) -> str:
        return " ".join(map(str, self))


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, from which connection: what current_user, current_database() and current_setting() tell."""

    user: str
    database: str = "dpsql"
    process: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement for the catalog: its SQL over the catalog's own database, the oids of its parameters' types, and its
    columns, each a name and the oid of its type."""

    sql: str
    parameters: tuple[int, ...]
    columns: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """Columns (name, oid of the type) and rows; arrays are lists, oids that print as names are `Named`."""

    columns: tuple[tuple[str, int], ...]
    rows: list[tuple[object, ...]]


class Catalog:
    """The system tables of one session. Safe to use from several threads; holds nothing private."""

    def __init__(self, tables: Sequence[TableInfo]) -> None:
        self._built: Built = build(tables)
        self._statements: Memory[tuple[Statement | None]] = Memory(KEPT)

    def statement(self, sql: str) -> Statement | None:
        """A statement translated (`?` and `$1` are parameters); None when it is no question to the catalog.

        Failure 42601, 42P01 or 0A000 when it is one that cannot be answered, QueryError when it is too long.
        """
        if not looks_like_catalog(sql):
            return None
        return self._statements.found(sql, lambda: (self._translated(sql),))[0]

    def _translated(self, sql: str) -> Statement | None:
        parsed = tree(sql)
        if parsed is None or not _is_ours(parsed):
            return None
        translator = Translator(self._built)
        try:
            columns = translator.query(parsed, None)
            text = parsed.sql(dialect="duckdb", identify=True, comments=False)
        except RecursionError:
            raise Failure("54000", "this question to the catalog is nested too deep") from None
        types = translator.parameters
        parameters = tuple(types.get(i, TEXT) for i in range(1, max(types, default=0) + 1))
        return Statement(text, parameters, self._certain(text, columns, parameters))

    def _certain(
        self, sql: str, columns: tuple[tuple[str, int], ...], parameters: Sequence[int],
    ) -> tuple[tuple[str, int], ...]:
        """The columns, those whose type is open asked of the database."""
        statement = Statement(sql, tuple(parameters), columns)
        found, _ = self._run(statement, [_sample(oid) for oid in parameters], Asker(""), 0)
        if len(found) != len(columns):
            raise Failure("0A000", "the catalog does not know the columns of this statement: name them")
        certain = ((name, TEXT if oid == UNKNOWN else oid or _FOUND.get(type_, TEXT))
                   for (name, oid), type_ in zip(columns, found, strict=True))
        return tuple((name, known.base or oid if (known := types().get(oid)) else oid) for name, oid in certain)

    def answer(self, statement: Statement, values: Sequence[object], asker: Asker) -> Answered:
        """The rows of a statement. Failure when it fails, or answers more than MOST_ROWS rows."""
        if len(values) < len(statement.parameters):
            raise Failure("08P01", f"{len(values)} values were given for {len(statement.parameters)} parameters")
        _, rows = self._run(statement, values, asker, MOST_ROWS + 1)
        if len(rows) > MOST_ROWS:
            raise Failure("54000", f"the catalog answers at most {MOST_ROWS} rows")
        oids = [oid for _, oid in statement.columns]
        if any(oid in NAMED or element_of(oid) for oid in oids):
            rows = [tuple(self._shown(value, oid, asker) for value, oid in zip(row, oids, strict=True)) for row in rows]
        return Answered(statement.columns, rows)

    def close(self) -> None:
        """End the processes that answer. Closing twice does nothing."""
        self._built.database.close()

    def _run(
        self, statement: Statement, values: Sequence[object], asker: Asker, rows: int,
    ) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        given = {f"p{i}": _passed(value, oid) for i, (value, oid) in
                 enumerate(zip(values, statement.parameters, strict=False), 1) if f"$p{i}" in statement.sql}
        variables: dict[str, object] = {
            "user": asker.user, "database": asker.database, "process": asker.process,
            "version": f"PostgreSQL {asker.settings.get('server_version', RELEASE)} (dpsql)",
            "now": _moment(datetime.now(UTC)), "started": _moment(_STARTED),
        }
        if "setting" in statement.sql:      # they are many
            variables["settings"] = DEFAULTS | {name.lower(): value for name, value in asker.settings.items()}
        try:
            found = self._built.database.found(statement.sql, given, variables, rows)
        except CatalogError as error:
            raise _failure(str(error)) from None
        return found.types, found.rows

    def _shown(self, value: object, oid: int, asker: Asker) -> object:
        if value is None or oid not in NAMED:
            if not isinstance(value, list | tuple):
                return value
            if oid in (INT2VECTOR, OIDVECTOR):
                return Vector(value)
            return value if oid in ARRAYS else encoder(TEXTS, 0)(value).decode()
        assert isinstance(value, int)
        named = Named(value)
        known = self._built.named[NAMED[oid]].get(value)
        named.name = "-" if value == 0 else known or (asker.user if NAMED[oid] == "role" else str(value))
        return named


_catalogs: weakref.WeakKeyDictionary[Told, Catalog] = weakref.WeakKeyDictionary()
_making = threading.Lock()


def catalog(session: Told) -> Catalog:
    """The catalog of a session, made when first asked for; that takes about half a second."""
    with _making:
        found = _catalogs.get(session)
        if found is None:
            found = _catalogs[session] = Catalog(session.tables())
            weakref.finalize(session, found.close)
        return found


def catalog_answer(sql: str, params: Sequence[object], session: Told, user: str | Asker) -> Answered | None:
    """The answer to a client's statement from policy and schema alone, free; None when it is none for the catalog.

    `params` are the values of `$1`, `$2` ... or of each `?`. Raises Failure and QueryError for one that cannot be
    answered.
    """
    if not looks_like_catalog(sql):
        return None
    known = catalog(session)
    statement = known.statement(sql)
    asker = user if isinstance(user, Asker) else Asker(user)
    return None if statement is None else known.answer(statement, params, asker)


def _is_ours(parsed: exp.Query) -> bool:
    """Whether it reads system tables, or nothing and calls a function of the system.

    Failure 0A000 when it reads system tables and others.
    """
    system, other = unknown_tables(parsed)
    if system and other:
        raise Failure("0A000", "a query reads either the catalog or the data, not both", hint="ask two queries")
    if other:
        return False
    return bool(system) or any(map(_of_system, parsed.walk()))


def _of_system(node: exp.Expr) -> bool:
    match node:
        case exp.Anonymous():
            return str(node.this).lower() in functions() or str(node.this).lower().startswith("pg_")
        case exp.Cast():
            written = node.to.sql(dialect="postgres").lower()
            return written.removesuffix("[]") in by_name() and written.startswith(("reg", "oid", "name"))
        case exp.Column():
            return node.name.lower() in ("user", "current_role", "current_catalog") and not node.args.get("table")
        case _:
            return isinstance(node, _SYSTEM_CALLS)


def _sample(oid: int) -> object:
    """A value of a type, to see what columns a statement has."""
    kind = kept(oid)
    if kind.endswith("[]"):
        return []
    return {"VARCHAR": "a", "BOOLEAN": True, "BIGINT": 1, "INTEGER": 1, "SMALLINT": 1}.get(kind)


def _passed(value: object, oid: int) -> object:
    """A value as the database takes it."""
    if isinstance(value, list | tuple):
        return [_passed(each, 0) for each in value]
    return str(value) if value is not None and kept(oid) == "VARCHAR" and not isinstance(value, str) else value


def _failure(said: str) -> Failure:
    """What the database says of a statement; it knows nothing private."""
    reason = said.partition(". ")[0]
    state = next((state for start, state in _STATES if start in reason), "0A000")
    return Failure(state, f"the catalog cannot answer this: {reason}")


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")
