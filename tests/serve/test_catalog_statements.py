"""What the catalog answers, leaves to the session, and refuses; odd names; and that it cannot be made to do harm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from dpsql.dictionary import ColumnInfo, TableInfo
from dpsql.doors.serve.catalog import Answered, Asker, Catalog, catalog_answer
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.values import encoder
from dpsql.policy import OwnerPath
from dpsql.schema import Schema, TableSchema

ALICE = Asker("alice", "clinic", 7, {"search_path": "public"})


def _table(name: str, columns: str, **more: object) -> TableInfo:
    made = tuple(ColumnInfo(*column.split(":"), nullable=True) for column in columns.split("; "))  # type: ignore[misc]
    return TableInfo(name, **({"public": False, "unit": None, "owner": None, "keys": ()} | more), columns=made)  # type: ignore[arg-type]


TABLES = (
    _table("People", "Id:INTEGER; select:VARCHAR; a\"b:DECIMAL(7,2)", unit="Id", keys=(("Id",), ("select", 'a"b'))),
    _table("its", "who:INTEGER; at:TIMESTAMP; photo:BLOB; big:HUGEINT", owner=OwnerPath("who", "People", "Id")),
    _table("öffentlich", "x:DOUBLE; t:TIME; d:DATE; f:FLOAT; u:UUID; e:ENUM('a')", public=True, comment="it's free"),
    _table("other.its", "who:BIGINT", public=True, keys=(("who",),)),
)


@dataclass(eq=False)
class Told:
    """A session that tells of its tables."""

    def tables(self) -> tuple[TableInfo, ...]:
        return TABLES


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    made = Catalog(TABLES)
    yield made
    made.close()


def _asked(catalog: Catalog, sql: str, *values: object) -> Answered:
    statement = catalog.statement(sql)
    assert statement is not None
    return catalog.answer(statement, values, ALICE)


def _cells(catalog: Catalog, sql: str, *values: object) -> list[list[str | None]]:
    answer = _asked(catalog, sql, *values)
    encoders = [encoder(oid, 0) for _, oid in answer.columns]
    return [[None if cell is None else encode(cell).decode() for cell, encode in zip(row, encoders, strict=True)]
            for row in answer.rows]


@pytest.mark.parametrize("sql", [
    "SELECT 1", "SELECT count(*) FROM its", "SELECT current_user FROM its", "SHOW search_path", "SELECT 'pg_class'",
    "EXPLAIN SELECT * FROM pg_class", "SELECT pg_name FROM its", "", "SELECT", "DELETE FROM pg_class",
])
def test_what_is_no_question_to_the_catalog_is_left_to_the_session(catalog: Catalog, sql: str) -> None:
    assert catalog.statement(sql) is None


@pytest.mark.parametrize(("sql", "state"), [
    ("SELECT count(*) FROM pg_class, its", "0A000"),
    ("SELECT * FROM pg_class WHERE relname IN (SELECT \"select\" FROM \"People\")", "0A000"),
    ("SELECT pg_sleep(10)", "0A000"), ("SELECT repeat('a', 1000000000), version()", "0A000"),
    ("SELECT lpad('a', 1000000000), version()", "0A000"), ("SELECT pg_read_file('/etc/passwd')", "0A000"),
    ("SELECT * FROM read_csv('/etc/passwd'), pg_am", "0A000"), ("SELECT * FROM duckdb_tables(), pg_am", "0A000"),
    ("SELECT getvariable('user'), version()", "0A000"), ("SELECT pg.user_(), version()", "0A000"),
    ("SELECT * FROM pg.named_, pg_am", "0A000"), ("SELECT user_(), version()", "0A000"),
    ("SELECT * FROM pg_class TABLESAMPLE system (1)", "0A000"), ("SELECT random(), version()", "0A000"),
    ("SELECT set_config('dpsql.epsilon', '100', false)", "22023"), ("SELECT current_setting('nothing')", "22023"),
    ("SELECT generate_series(1, 1000000000), version()", "22023"), ("SELECT relname ~ '(' FROM pg_class", "22023"),
    ("SELECT 'nothing'::regclass", "42P01"), ("SELECT NULL::nothing, version()", "42704"),
    ("SELECT a.oid FROM pg_class a, pg_class b, pg_attribute c", "54000"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r, pg_am", "54000"),
    ("SELECT * FROM pg_class WHERE " + "(" * 60 + "oid = 1" + ")" * 60, "54001"),
    ("SELECT * FROM pg_class WHERE oid = 1" + " OR oid = 1" * 900, "54000"),
    ("SELECT FROM WHERE pg_class", "42601"),
])
def test_what_cannot_be_answered_is_refused(catalog: Catalog, sql: str, state: str) -> None:
    with pytest.raises(Failure) as refused:
        _asked(catalog, sql)
    assert refused.value.sqlstate == state


def test_texts_cannot_grow_without_end(catalog: Catalog) -> None:
    doubled = "version()::text"
    for _ in range(12):
        doubled = f"replace({doubled}, 'o', '{'o' * 100}')"
    assert len(_cells(catalog, f"SELECT {doubled}")[0][0] or "") <= 50_000


@pytest.mark.slow
def test_a_statement_that_takes_all_memory_ends_alone(catalog: Catalog) -> None:
    long = ", ".join(f"lower(x.t || '{i}')" for i in range(190))
    with pytest.raises(Failure) as refused:
        _asked(catalog, f"SELECT {long} FROM pg_attribute, (SELECT replace(version(), 'P', '{'x' * 50_000}') AS t) x")
    assert refused.value.sqlstate in ("57014", "0A000", "54000")
    assert _cells(catalog, "SELECT current_user") == [["alice"]]


def test_odd_names_are_written_as_postgresql_writes_them(catalog: Catalog) -> None:
    tables = "SELECT oid::regclass FROM pg_class WHERE oid >= 16384 AND relkind = 'r' ORDER BY oid"
    assert _cells(catalog, tables) == [
        ['"People"'], ["its"], ['"öffentlich"'], ["other.its"]]
    assert _cells(catalog, "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1") == [
        ['People_pkey', 'PRIMARY KEY ("Id")'], ['People_select_a"b_key', 'UNIQUE ("select", "a""b")'],
        ["its_pkey", "PRIMARY KEY (who)"], ["its_who_fkey", 'FOREIGN KEY (who) REFERENCES "People"("Id")']]
    found = """SELECT '"People"'::regclass::oid = to_regclass('public."People"'), to_regclass('People')"""
    assert _cells(catalog, found) == [["t", None]]
    assert _cells(catalog, "SELECT obj_description('\"öffentlich\"'::regclass)") == [["it's free; public"]]


def test_columns_have_the_types_that_answers_have(catalog: Catalog) -> None:
    sql = """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum"""
    assert _cells(catalog, sql, '"People"') == [["Id", "integer"], ["select", "text"], ['a"b', "numeric(7,2)"]]
    assert [type_ for _, type_ in _cells(catalog, sql, "its")] == [
        "integer", "timestamp without time zone", "text", "numeric"]
    assert [type_ for _, type_ in _cells(catalog, sql, '"öffentlich"')] == [
        "double precision", "time without time zone", "date", "double precision", "text", "text"]


def test_types_of_parameters_come_from_where_they_stand(catalog: Catalog) -> None:
    statement = catalog.statement(
        "SELECT oid FROM pg_class WHERE relname LIKE ? AND oid = ANY(?) AND relkind = ? AND relnatts > ? "
        "AND relnamespace = ?::regnamespace LIMIT ?")
    assert statement is not None
    assert statement.parameters == (25, 1028, 18, 21, 25, 20)
    found = catalog.answer(statement, ["%", [1259, 1249], "r", 2, "pg_catalog", 10], ALICE)
    assert sorted(row[0] for row in found.rows) == [1249, 1259]      # type: ignore[type-var]


def test_the_asker_is_told_of_themselves_alone() -> None:
    told = Told()
    first = catalog_answer("SELECT current_user, current_database(), pg_backend_pid()", [], told, ALICE)
    second = catalog_answer("SELECT rolname FROM pg_roles ORDER BY 1", [], told, "bob")
    assert first is not None and first.rows == [("alice", "clinic", 7)]
    assert second is not None and second.rows == [("bob",), ("dpsql",)]
    assert catalog_answer("SELECT 1", [], told, "bob") is None


def test_public_is_what_clients_call_the_main_schema() -> None:
    main, own = TableSchema("t", ("db", "main", "t"), ()), TableSchema("public.t", ("db", "public", "t"), ())
    assert Schema((main,)).table("public.T") is Schema((main,)).table("main.t") is main
    assert Schema((main, own)).table("public.t") is own
