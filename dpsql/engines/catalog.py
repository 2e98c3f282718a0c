"""Reading DuckDB's catalog: names, types and constraints. No statistics, no data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import duckdb
from duckdb import DuckDBPyConnection

from dpsql.engines.base import qualified
from dpsql.errors import OpenError
from dpsql.expression import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    HUGEINT,
    INTEGER,
    SMALLINT,
    TIME,
    TIMESTAMP,
    TINYINT,
    VARCHAR,
    Kind,
    SqlType,
)
from dpsql.schema import ENUM, LISTED, READ_AS, ColumnSchema, ForeignKey, Schema, TableSchema, text

_TYPES = {str(each): each for each in (
    BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, HUGEINT, DOUBLE, VARCHAR, DATE, TIME, TIMESTAMP)} | READ_AS
_VALUES = re.compile(r"ENUM\((?:'(?:[^']|'')*'(?:, )?)*\)")
_FIELD = re.compile(r'("(?:[^"]|"")*"|[^" ]+) ')
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_COLLATED = "VARCHAR with a collation"
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")
_COLUMNS = """
SELECT database_name, schema_name, table_name, column_name, data_type, is_nullable
FROM duckdb_columns() WHERE NOT internal AND database_name NOT IN ('temp', 'system')
ORDER BY database_name, schema_name, table_name, column_index"""
_CONSTRAINTS = """
SELECT database_name, schema_name, table_name, constraint_type, constraint_column_names, referenced_table,
    referenced_column_names
FROM duckdb_constraints() WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')
ORDER BY database_name, schema_name, table_name, constraint_index"""
_PERHAPS_COLLATED = """
SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal UNION ALL
SELECT database_name, schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND sql ILIKE '%COLLATE%'"""
# Texts that some collation takes for equal: letter case, accents, composed and decomposed letters.
_ALIKE = (("A", "a"), ("\u00e4", "a"), ("\u00e4", "a\u0308"))

_Path = tuple[str, str, str]


def sql_type(stored: str) -> SqlType | None:
    """The type dpsql reads a stored type as, None when it does not compute with it."""
    if decimal := _DECIMAL.fullmatch(stored):
        return SqlType(Kind.DECIMAL, int(decimal[1]), int(decimal[2]))
    if stored.endswith("[]"):
        inner = sql_type(stored[:-2])
        plain = inner is not None and inner.kind in LISTED and f"{inner}[]".replace(" ", "") == stored.replace(" ", "")
        return SqlType(Kind.LIST, parts=(inner,)) if inner is not None and plain else None
    return _TYPES.get(stored)


def read_schema(cursor: DuckDBPyConnection, home: str) -> Schema:
    """All tables and views of the attached databases, temporary ones aside; the cursor is closed afterwards.

    `home` is the database whose tables need no prefix. OpenError when two of them would answer to one name.
    """
    with cursor:
        columns = _columns(cursor)
        keys, foreign = _constraints(cursor, home)
    tables: dict[str, TableSchema] = {}
    for path, found in columns.items():
        rounded = {column.name for column in found if column.rounded}
        table = TableSchema(key_of(path, home), path, tuple(found),
                            tuple(key for key in keys.get(path, ()) if not rounded.intersection(key)),
                            tuple(foreign.get(path, ())))
        other = tables.setdefault(table.name.lower(), table)
        if other is not table:
            raise OpenError(f"{'.'.join(path)} and {'.'.join(other.path)} have the same name for dpsql: rename one")
    return Schema(tuple(tables.values()))


def key_of(path: _Path, home: str) -> str:
    """The name of a table in dpsql: `table`, `schema.table`, or `database.schema.table` outside the default one."""
    database, schema, table = path
    if database != home:
        return f"{database}.{schema}.{table}"
    return table if schema == "main" else f"{schema}.{table}"


def _columns(cursor: DuckDBPyConnection) -> dict[_Path, list[ColumnSchema]]:
    """The columns of every table; a view that does not bind any more is left out."""
    found: dict[_Path, list[ColumnSchema]] = {}
    for database, schema, table, name, stored, nullable in cursor.execute(_COLUMNS).fetchall():
        columns = found.setdefault((database, schema, table), [])
        columns.extend(_column((name,), _VALUES.sub(ENUM, stored), bool(nullable)))
    for columns in found.values():
        there = {column.name.lower() for column in columns if not column.path}
        columns[:] = [column for column in columns if not column.path or column.name.lower() not in there]
    for path in cursor.execute(_PERHAPS_COLLATED).fetchall():
        if path in found:
            try:
                found[path] = _without_collations(cursor, path, found[path])
            except duckdb.Error:
                del found[path]
    return found


def _column(path: tuple[str, ...], stored: str, nullable: bool) -> Iterator[ColumnSchema]:
    """A column, and the fields of a STRUCT, which are NULL where it is."""
    fields = _fields(stored)
    yield ColumnSchema(".".join(path), sql_type(stored), "STRUCT" if fields else stored, nullable,
                       path if len(path) > 1 else ())
    for name, type_ in fields:
        yield from _column((*path, name), type_, True)


def _fields(stored: str) -> list[tuple[str, str]]:
    """The fields of a STRUCT and their types."""
    if not stored.startswith("STRUCT(") or not stored.endswith(")"):
        return []
    found, rest = [], stored[len("STRUCT("):-1]
    while field := _FIELD.match(rest):
        name = field[1][1:-1].replace('""', '"') if field[1].startswith('"') else field[1]
        end, depth = field.end(), 0
        while end < len(rest) and (depth or rest[end] != ","):
            quoted = _QUOTED.match(rest, end)
            depth += {"(": 1, ")": -1}.get(rest[end], 0)
            end = quoted.end() if quoted else end + 1
        found.append((name, rest[field.end():end]))
        rest = rest[end + 2:]
    return found


def _without_collations(cursor: DuckDBPyConnection, path: _Path, columns: list[ColumnSchema]) -> list[ColumnSchema]:
    """Columns whose equality is not that of their bytes lose their type: a cast would not take the collation away,
    and which of several equal texts a group shows would depend on the order of rows."""
    texts = [column for column in columns if column.stored in ("VARCHAR", "VARCHAR[]")]
    source = qualified(path)
    reads = [f"unnest({c.read()})" if c.stored.endswith("[]") else c.read() for c in texts]
    tests = [" OR ".join(f"COALESCE((SELECT {read} FROM {source} LIMIT 0), {text(one)}) = {text(other)}"
                         for one, other in _ALIKE) for read in reads] or [f"EXISTS (FROM {source} LIMIT 0)"]
    answers = cursor.execute(f"SELECT {', '.join(tests)}").fetchall()[0]
    collated = [column for column, answer in zip(texts, answers, strict=False) if answer]
    return [replace(column, type=None, stored=_COLLATED) if column in collated else column for column in columns]


def _constraints(
    cursor: DuckDBPyConnection, home: str
) -> tuple[dict[_Path, list[tuple[str, ...]]], dict[_Path, list[ForeignKey]]]:
    """Keys and foreign keys by table."""
    keys: dict[_Path, list[tuple[str, ...]]] = {}
    foreign: dict[_Path, list[ForeignKey]] = {}
    for database, schema, table, kind, names, target, referenced in cursor.execute(_CONSTRAINTS).fetchall():
        path = (database, schema, table)
        if kind == "FOREIGN KEY":  # DuckDB knows none across schemas
            foreign.setdefault(path, []).append(
                ForeignKey(tuple(names), key_of((database, schema, target), home), tuple(referenced)))
        else:
            keys.setdefault(path, []).append(tuple(names))
    return keys, foreign
