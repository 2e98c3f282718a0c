"""An open connection of the owner: used through cursors, and left exactly as it is."""

from __future__ import annotations

import duckdb
import numpy as np
import pytest

from dpsql.engines.base import open_engine
from dpsql.engines.duckdb import DEFAULTS
from dpsql.errors import ExecutionError, OpenError


@pytest.fixture
def connection():
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, s VARCHAR); INSERT INTO t VALUES (1, 'a')")
        connection.execute("ATTACH ':memory:' AS other; CREATE TABLE other.main.t (x DATE); CREATE SCHEMA other.s")
        connection.execute("CREATE TABLE other.s.u (y DATE)")
        yield connection


def state(connection):
    queries = ("FROM duckdb_settings() SELECT name, value", "FROM duckdb_tables() SELECT table_name ORDER BY ALL",
               "FROM duckdb_views() SELECT view_name ORDER BY ALL", "FROM duckdb_databases() SELECT database_name",
               "FROM main.t")
    return [connection.execute(query).fetchall() for query in queries]


def test_nothing_changes(connection):
    before = state(connection)
    engine = open_engine(connection)
    table = engine.schema.table("t")
    assert engine.run("SELECT * FROM memory.main.t").values == [(1, "a")]
    assert engine.key_holds(table, ("id",))
    assert engine.public_stream(table).__arrow_c_stream__() is not None
    with pytest.raises(ExecutionError):
        engine.run("SELEC")
    engine.close()
    assert state(connection) == before
    connection.execute("SET threads = 1")  # neither locked nor closed


def test_describes_itself(connection):
    engine = open_engine(connection)
    assert (engine.default_ledger, engine.verifies_keys, engine.identity) == (None, False, None)
    assert [table.name for table in engine.schema.tables] == ["t", "other.main.t", "other.s.u"]
    assert engine.schema.table("t").enforced_keys == (("id",),)
    assert engine.run('SELECT COUNT(*) FROM "other"."s"."u"').values == [(0,)]


def test_what_only_the_connection_sees_is_not_there(connection):
    connection.register("registered", {"a": np.arange(3)})
    connection.execute("CREATE TEMP TABLE temporary (a INTEGER); BEGIN; INSERT INTO t VALUES (2, 'b')")
    engine = open_engine(connection)
    assert {table.name for table in engine.schema.tables} == {"t", "other.main.t", "other.s.u"}
    assert engine.run("SELECT COUNT(*) FROM memory.main.t").values == [(1,)]
    connection.execute("ROLLBACK")


def test_a_pending_result_of_the_owner_survives(connection):
    connection.execute("FROM range(3)")
    assert connection.fetchone() == (0,)
    open_engine(connection).run("SELECT 7")
    assert connection.fetchall() == [(1,), (2,)]


def test_closing_the_engine_leaves_it_open(connection):
    engine = open_engine(connection)
    engine.close()
    assert connection.execute("SELECT 1").fetchall() == [(1,)]
    with pytest.raises(ExecutionError):
        engine.run("SELECT 1")


def test_closed_by_the_owner(connection):
    engine = open_engine(connection)
    connection.close()
    with pytest.raises(ExecutionError) as caught:
        engine.run("SELECT 1")
    assert caught.value.__context__ is None
    with pytest.raises(OpenError, match="cannot be used"):
        open_engine(connection)


OTHERS = {
    "integer_division": "true", "ieee_floating_point_ops": "false", "old_implicit_casting": "true",
    "default_collation": "'nocase'", "scalar_subquery_error_on_multiple_rows": "false",
    "regex_match_operator_semantics": "'full'",
}


@pytest.mark.parametrize("setting", DEFAULTS)
def test_settings_that_bend_the_sql_are_refused(connection, setting):
    connection.execute(f"SET GLOBAL {setting} = {OTHERS[setting]}")
    with pytest.raises(OpenError, match=f"RESET GLOBAL {setting}"):
        open_engine(connection)
    connection.execute(f"RESET GLOBAL {setting}")
    open_engine(connection)
