"""Columns of types that dpsql reads as another: what the schema says of them, and what is read."""

from __future__ import annotations

import datetime
from decimal import Decimal

import duckdb

from dpsql.engines.base import open_engine


def test_fields_of_a_struct_are_columns(tmp_path):
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TYPE m AS ENUM ('it''s', 'b)')")
        connection.execute("""CREATE TABLE t ("a.l" INTEGER,
            a STRUCT("we ird" m, l m[], "q""x" STRUCT(z DECIMAL(4, 2), t TIMESTAMPTZ)))""")
        connection.execute("INSERT INTO t VALUES (3, row('b)', NULL, row(1.5, '2025-01-01 00:00:00+02')))")
    engine = open_engine(tmp_path / "t.duckdb")
    columns = engine.schema.table("t").columns
    found = engine.run(f"SELECT {', '.join(c.read('t') for c in columns if c.type is not None)} FROM t").values
    engine.close()
    assert [(column.name, column.stored, str(column.type)) for column in columns] == [
        ("a.l", "INTEGER", "INTEGER"), ("a", "STRUCT", "None"), ("a.we ird", "ENUM", "VARCHAR"),
        ('a.q"x', "STRUCT", "None"),
        ('a.q"x.z', "DECIMAL(4,2)", "DECIMAL(4, 2)"), ('a.q"x.t', "TIMESTAMP WITH TIME ZONE", "TIMESTAMP")]
    assert found == [(3, "b)", Decimal("1.50"), datetime.datetime(2024, 12, 31, 22))]


def test_instants_are_read_by_the_clock_of_utc():
    with duckdb.connect() as connection:
        connection.execute("SET GLOBAL TimeZone = 'America/Los_Angeles'")
        connection.execute("CREATE TABLE t AS SELECT unnest(['infinity', '-infinity', '290309-12-22 (BC) 00:00:00+00', "
                           "'2025-01-01 00:00:00+02'])::TIMESTAMPTZ AS t")
        engine = open_engine(connection)
        read = engine.schema.table("t").column("t").read()
        found = engine.run(f"SELECT CAST({read} AS VARCHAR) FROM t").values
    assert found == [("infinity",), ("-infinity",), ("290309-12-22 (BC) 00:00:00",), ("2024-12-31 22:00:00",)]
