"""A folder of Parquet and CSV files: a table a file, and nothing else on the disk."""

from __future__ import annotations

import datetime
import os

import duckdb
import pytest

from dpsql.engines.base import open_engine
from dpsql.errors import ExecutionError, OpenError


def parquet(path, sql="SELECT 1 AS a"):
    with duckdb.connect(":memory:") as connection:
        connection.sql(sql).write_parquet(str(path))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "year=2020"  # what hive partitioning would make a column of
    folder.mkdir()
    return folder


def test_tables(folder):
    parquet(folder / "customer.parquet", "SELECT range AS id, range * 1.5 AS x FROM range(3)")
    (folder / "Visits.CSV").write_text('id,day,cost,zip\n1,2020-01-01,1.5,00123\n2,2021-02-03,,"0,6"\n')
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.csv").write_text("a\n1\n")
    engine = open_engine(folder)
    visits, customer = engine.schema.tables
    assert (visits.name, customer.name) == ("Visits", "customer")
    assert [str(column.type) for column in visits.columns] == ["BIGINT", "DATE", "DOUBLE", "VARCHAR"]
    assert [column.name for column in customer.columns] == ["id", "x"]
    assert engine.run(f"SELECT * FROM {'.'.join(customer.path)}").values[1] == (1, 1.5)
    assert engine.run(f"SELECT * FROM {'.'.join(visits.path)} ORDER BY 1").values == [
        (1, datetime.date(2020, 1, 1), 1.5, "00123"), (2, datetime.date(2021, 2, 3), None, "0,6")]
    assert (engine.name, engine.verifies_keys, engine.identity) == ("year=2020", False, None)
    assert engine.default_ledger == folder.with_name("year=2020.ledger")
    assert engine.key_holds(customer, ("id",))
    engine.close()


NAMES = ["o'dd", "a*b", "x[1]", "q?", "sp ace", 'd"q', "{a,b}", "semi;colon", "ünï", "a1", "ab", "x1"]


def test_odd_names_read_their_own_file(folder):
    for index, name in enumerate(NAMES):
        parquet(folder / f"{name}.parquet", f"SELECT {index} AS n")
        (folder / f"{name}_csv.csv").write_text(f"n\n{index}\n")
    engine = open_engine(folder)
    for index, name in enumerate(NAMES):
        for table in (name, f"{name}_csv"):
            quoted = table.replace('"', '""')
            assert engine.run(f'SELECT n FROM memory.main."{quoted}"').values == [(index,)], table
    engine.close()


def test_csv_types_stay(folder):
    """Values that a sample of the first rows would miss are seen at opening; later changes do not change a type."""
    (folder / "t.csv").write_text("a,b\n" + "1,2\n" * 30_000 + "x,2\n")
    (folder / "u.csv").write_text("a;b\n1;'x;y'\n")
    engine = open_engine(folder)
    assert [str(column.type) for column in engine.schema.table("t").columns] == ["VARCHAR", "BIGINT"]
    assert engine.run("SELECT COUNT(*) FROM memory.main.t WHERE a = 'x'").values == [(1,)]
    assert engine.run("FROM memory.main.u").values == [(1, "x;y")]
    (folder / "t.csv").write_text("a,b\n1,2\n3,4\n")
    assert engine.run("SELECT a, b FROM memory.main.t").values == [("1", 2), ("3", 4)]
    (folder / "t.csv").write_text("a,b\n1,y\n")
    with pytest.raises(ExecutionError) as caught:
        engine.run("SELECT a, b FROM memory.main.t")
    assert caught.value.__context__ is None
    engine.close()


def test_a_csv_of_names_only(folder):
    (folder / "t.csv").write_text("id,name\n")
    engine = open_engine(folder)
    assert [column.name for column in engine.schema.table("t").columns] == ["id", "name"]
    assert engine.run("FROM memory.main.t").values == []
    engine.close()


OUTSIDE = [
    "SELECT * FROM read_text('{out}')", "SELECT * FROM '{out}'", "SELECT * FROM read_csv('{folder}/../secret.csv')",
    "SELECT * FROM '{folder}/later.csv'", "SELECT * FROM glob('{folder}/*')", "COPY (SELECT 1) TO '{folder}/new.csv'",
    "ATTACH '{folder}/new.duckdb' AS n", "SET threads = 1", "SET allowed_paths = ['/']", "LOAD httpfs",
    "SET enable_external_access = true", "RESET allowed_paths",
]


@pytest.mark.parametrize("sql", OUTSIDE)
def test_locked(folder, sql):
    (folder / "t.csv").write_text("a\n1\n")
    (folder.parent / "secret.csv").write_text("a\n1\n")
    engine = open_engine(folder)
    (folder / "later.csv").write_text("a\n1\n")
    before = set(os.listdir(folder))
    with pytest.raises(ExecutionError):
        engine.run(sql.format(out=folder.parent / "secret.csv", folder=folder))
    assert set(os.listdir(folder)) == before
    engine.close()


class TestTrouble:
    def refused(self, folder, *words):
        with pytest.raises(OpenError) as caught:
            open_engine(folder)
        assert caught.value.__context__ is None
        for word in words:
            assert word in str(caught.value)

    def test_nothing_there(self, folder):
        self.refused(folder, "no .parquet and no .csv file")

    def test_two_of_one_name(self, folder):
        parquet(folder / "customer.parquet")
        (folder / "Customer.csv").write_text("a\n1\n")
        self.refused(folder, "Customer.csv and customer.parquet", "rename or remove one")

    def test_empty_file(self, folder):
        (folder / "t.csv").write_text("")
        self.refused(folder, "t.csv", "is empty")

    def test_broken_file(self, folder):
        (folder / "t.parquet").write_bytes(b"PAR1 nothing")
        self.refused(folder, "t.parquet", "cannot be read")

    def test_no_text(self, folder):
        (folder / "t.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
        self.refused(folder, "t.csv", "cannot be read")
