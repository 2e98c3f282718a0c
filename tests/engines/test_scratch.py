"""The finish's database: exact copies of released rows and public tables, and nothing else in reach."""

from __future__ import annotations

import datetime
import math
import threading
from decimal import Decimal

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.engines.base import open_engine
from dpsql.engines.scratch import BindError, Scratch, Table, path
from dpsql.errors import ExecutionError, InternalError, OpenError

MAKE = """
CREATE SCHEMA sales; CREATE SCHEMA memory;
CREATE TABLE nation (k INTEGER PRIMARY KEY, name VARCHAR, zone INTERVAL);
INSERT INTO nation VALUES (1, 'Fiji', NULL), (2, 'O''Land', INTERVAL 1 DAY), (3, NULL, NULL);
CREATE TABLE memory.memory.odd (a INTEGER); INSERT INTO memory.memory.odd VALUES (4);
CREATE TABLE sales."od ds" ("a b" HUGEINT, e ENUM('x', 'y'), u UUID, f FLOAT, b UBIGINT, d DECIMAL(38, 3), t TIMESTAMP,
    o BOOLEAN, n TIMESTAMP_NS, z DATE);
INSERT INTO sales."od ds" VALUES
    (170141183460469231731687303715884105727, 'x', '00000000-0000-0000-0000-000000000001', 1.5, 18446744073709551615,
     12345678901234567890123456789012345.678, '2020-01-01 00:00:00.000001', true, '2020-01-01 00:00:00.000002',
     '0001-01-01'),
    (NULL, NULL, NULL, 'nan', NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE none (t BLOB);
"""
ODDS = [
    (2**127 - 1, "x", "00000000-0000-0000-0000-000000000001", 1.5, 2**64 - 1,
     Decimal("12345678901234567890123456789012345.678"), datetime.datetime(2020, 1, 1, 0, 0, 0, 1), True,
     datetime.datetime(2020, 1, 1, 0, 0, 0, 2), datetime.date(1, 1, 1)),
]


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect(":memory:") as connection:
        connection.execute(MAKE)
        yield open_engine(connection)


@pytest.fixture(scope="module")
def scratch(engine):
    scratch = Scratch(engine.schema.tables, engine.public_stream)
    yield scratch
    scratch.close()


def test_public_tables(scratch, engine):
    names, types, rows = scratch.run('SELECT * FROM "sales"."od ds" ORDER BY 1', (), ["sales.od ds"])
    assert names == ("a b", "e", "u", "f", "b", "d", "t", "o", "n", "z")
    assert types == ("HUGEINT", "VARCHAR", "VARCHAR", "DOUBLE", "HUGEINT", "DECIMAL(38,3)", "TIMESTAMP", "BOOLEAN",
                     "TIMESTAMP", "DATE")
    assert rows[:1] == ODDS
    assert math.isnan(rows[1][3])
    assert rows[1][:3] + rows[1][4:] == (None,) * 9
    assert path(engine.schema.table("sales.od ds")) == ("sales", "od ds")


def test_public_tables_are_there_only_when_named(scratch, engine):
    empty = Scratch(engine.schema.tables, engine.public_stream)
    assert empty.run('SELECT COUNT(*) FROM "main"."nation"', (), ())[2] == [(0,)]
    assert empty.run('SELECT COUNT(*) FROM "main"."nation"', (), ["nation"])[2] == [(3,)]
    assert empty.run('SELECT * FROM "memory"."odd"', (), ["memory.odd"])[2] == [(4,)]
    empty.close()


def test_columns_dpsql_does_not_read_are_not_there(scratch):
    assert scratch.describe('SELECT * FROM "main"."nation"', ()) == (("k", "INTEGER"), ("name", "VARCHAR"))
    with pytest.raises(BindError):
        scratch.describe('SELECT * FROM "main"."none"', ())


def test_a_public_table_is_read_once(engine):
    read = []

    def stream(table):
        read.append(table.name)
        return engine.public_stream(table)

    scratch = Scratch(engine.schema.tables, stream)
    threads = [threading.Thread(target=scratch.run, args=('SELECT * FROM "main"."nation"', (), ["nation"]))
               for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scratch.close()
    assert read == ["nation"]


RELEASED = Table("released 1", (("key", "VARCHAR"), ("n", "HUGEINT"), ("mean", "DOUBLE")))


def test_released_rows(scratch):
    rows = [("a", 3, 1.5), (None, -1, None), ("b'\n", 2**100, math.inf)]
    names, types, found = scratch.run('SELECT * FROM "released 1"', [(RELEASED, rows)], ())
    assert (names, types) == (("key", "n", "mean"), ("VARCHAR", "HUGEINT", "DOUBLE"))
    assert found == rows


def test_released_with_public(scratch):
    rows = [("Fiji", 3, 1.0)]
    sql = 'SELECT n.k, r.n FROM "main"."nation" AS n LEFT JOIN "released 1" AS r ON r.key = n.name ORDER BY 1'
    assert scratch.run(sql, [(RELEASED, rows)], ["nation"])[2] == [(1, 3), (2, None), (3, None)]


def test_no_rows(scratch):
    assert scratch.run('SELECT COUNT(*), SUM(n) FROM "released 1"', [(RELEASED, [])], ())[2] == [(0, None)]


def test_one_call_leaves_nothing_for_the_next(scratch):
    scratch.run('SELECT 1', [(RELEASED, [("a", 1, 1.0)])], ())
    with pytest.raises(ExecutionError):
        scratch.run('SELECT * FROM "released 1"', (), ())
    with pytest.raises(BindError):
        scratch.describe('SELECT * FROM "released 1"', ())


def test_describe(scratch):
    found = scratch.describe('WITH x AS (SELECT n + 1 AS m, mean FROM "released 1") SELECT m, mean AS "a b" FROM x',
                             [RELEASED])
    assert found == (("m", "HUGEINT"), ("a b", "DOUBLE"))


def test_blank_tables_are_those_of_the_call_alone(scratch):
    """Tables that an earlier call left are other tables now, or gone, also after a call that failed."""
    one, two = Table("released_1", (("k", "VARCHAR"), ("a1", "BIGINT"))), Table("Released_2", (("k", "DATE"),))
    assert scratch.describe("SELECT * FROM released_1, released_2", [one, two])[1:] == (("a1", "BIGINT"), ("k", "DATE"))
    changed = Table("released_1", (("k", "INTEGER"), ("a1", "BIGINT")))
    assert scratch.describe("SELECT * FROM released_1", [changed]) == changed.columns
    for gone in ("SELECT * FROM released_2", "SELECT nope FROM released_1"):
        with pytest.raises(BindError):
            scratch.describe(gone, [one])
        assert scratch.describe("SELECT k FROM released_2", [Table("released_2", (("k", "TIME"),))]) == (("k", "TIME"),)
    assert scratch.describe("SELECT * FROM released_1", [one]) == one.columns
    assert scratch.run("SELECT * FROM released_1", [(one, [("x", 1)])], ())[2] == [("x", 1)]
    assert scratch.describe("SELECT 1 AS n", ()) == (("n", "INTEGER"),)


def test_describing_at_once(scratch):
    """Calls of several threads do not see each other's tables."""
    found, start = {}, threading.Barrier(4)

    def describe(type_):
        start.wait()
        found[type_] = [scratch.describe("SELECT k FROM t", [Table("t", (("k", type_),))]) for _ in range(20)]

    threads = [threading.Thread(target=describe, args=(each,)) for each in ("DATE", "BIGINT", "VARCHAR", "TIME")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == {type_: [(("k", type_),)] * 20 for type_ in ("DATE", "BIGINT", "VARCHAR", "TIME")}


def test_what_does_not_bind(scratch):
    with pytest.raises(BindError, match="nope") as caught:
        scratch.describe("SELECT nope", ())
    assert "\n" not in str(caught.value)
    assert caught.value.__context__ is None


def test_describe_sees_no_rows(scratch):
    """Even a data-dependent error at planning cannot speak of rows: there are none."""
    scratch.run('SELECT 1', (), ["nation"])
    assert scratch.describe('SELECT CAST(name AS INTEGER) AS n FROM "main"."nation"', ()) == (("n", "INTEGER"),)


@pytest.mark.parametrize("sql", ['SELECT CAST(key AS INTEGER) FROM "released 1"', "SELECT nope", "SELEC",
                                 'SELECT error(key) FROM "released 1"', "SELECT to_years(20000000)"])
def test_every_failure_is_the_same_and_bare(scratch, sql):
    with pytest.raises(ExecutionError) as caught:
        scratch.run(sql, [(RELEASED, [("Zoe", 1, 1.0)])], ())
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert str(caught.value) == ExecutionError.MESSAGE


def test_failing_to_read_a_public_table(engine):
    def stream(table):
        raise RuntimeError("Zoe")

    scratch = Scratch(engine.schema.tables, stream)
    with pytest.raises(ExecutionError) as caught:
        scratch.run("SELECT 1", (), ["nation"])
    assert caught.value.__context__ is None
    scratch.close()
    with pytest.raises(ExecutionError):
        scratch.run("SELECT 1", (), ())


@pytest.mark.parametrize("sql", ["SELECT * FROM read_text('/etc/hostname')", "COPY (SELECT 1) TO '/tmp/dpsql-x.csv'",
                                 "ATTACH '/tmp/dpsql-x.duckdb' AS x", "SET threads = 1", "SELECT * FROM RELEASED",
                                 "SET enable_external_access = true", "INSTALL httpfs"])
def test_locked(scratch, sql):
    with pytest.raises(ExecutionError):
        scratch.run(sql, (), ())


def test_a_released_table_never_hides_a_public_one(scratch):
    with pytest.raises(InternalError):
        scratch.describe("SELECT 1", [Table("nation", (("a", "INTEGER"),))])
    with pytest.raises(ExecutionError):
        scratch.run("SELECT 1", [(Table("nation", (("a", "INTEGER"),)), [(1,)])], ())


def test_public_tables_of_two_databases():
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a INTEGER); ATTACH ':memory:' AS o; CREATE TABLE o.main.t (b INTEGER)")
        engine = open_engine(connection)
        with pytest.raises(OpenError, match=r"t and o\.main\.t"):
            Scratch(engine.schema.tables, engine.public_stream)
        inner = engine.schema.table("o.main.t")
        scratch = Scratch([inner], engine.public_stream)
        assert scratch.run('SELECT b FROM "main"."t"', (), ["o.main.t"])[2] == []
        scratch.close()


VALUES = {
    "BOOLEAN": st.booleans(),
    "TINYINT": st.integers(-128, 127),
    "INTEGER": st.integers(-(2**31), 2**31 - 1),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "HUGEINT": st.integers(-(2**127), 2**127 - 1),
    "DECIMAL(18,4)": st.decimals(-(10**13), 10**13, places=4),
    "DECIMAL(38,38)": st.integers(-(10**38) + 1, 10**38 - 1).map(
        lambda n: Decimal((n < 0, Decimal(abs(n)).as_tuple().digits, -38))),
    "DOUBLE": st.floats(),
    "VARCHAR": st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    "DATE": st.dates(),
    "TIMESTAMP": st.datetimes(),
}


def same(one, other):
    if isinstance(one, float) and isinstance(other, float):
        return math.copysign(1, one) == math.copysign(1, other) and (one == other) if one == one else other != other
    return type(one) is type(other) and one == other


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_rows_come_back_exactly(scratch, data):
    types = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    rows = data.draw(st.lists(st.tuples(*(st.none() | VALUES[type_] for type_ in types)), max_size=6))
    table = Table("t", tuple((f"c{index}", type_) for index, type_ in enumerate(types)))
    _, found_types, found = scratch.run('SELECT * FROM "t"', [(table, rows)], ())
    assert found_types == tuple(types)
    assert len(found) == len(rows)
    assert all(same(a, b) for row, other in zip(rows, found, strict=True) for a, b in zip(row, other, strict=True))


def test_columns_that_begin_with_many_nulls(scratch):
    rows = [(None, None)] * 5000 + [("x", datetime.date(2020, 1, 1))]
    table = Table("t", (("a", "VARCHAR"), ("b", "DATE")))
    assert scratch.run('SELECT * FROM "t"', [(table, rows)], ())[2] == rows
