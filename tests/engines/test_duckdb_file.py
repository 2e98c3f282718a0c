"""A DuckDB file: opened read-only, locked, its catalog read, every failure one constant error."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import traceback

import duckdb
import numpy as np
import pytest

from dpsql.engines.base import open_engine
from dpsql.errors import ExecutionError, OpenError
from dpsql.expression import Kind
from dpsql.schema import ForeignKey

MAKE = """
CREATE SCHEMA sales;
CREATE TABLE people (id INTEGER PRIMARY KEY, mail VARCHAR UNIQUE, age UTINYINT, height FLOAT, born DATE NOT NULL);
CREATE TABLE sales.orders (a INTEGER, b INTEGER, person INTEGER, PRIMARY KEY (a, b));
CREATE TABLE sales.lines (a INTEGER, b INTEGER, n BIGINT, FOREIGN KEY (a, b) REFERENCES sales.orders (a, b));
CREATE VIEW adults AS SELECT id, mail FROM people WHERE age >= 18;
INSERT INTO people VALUES (1, 'x', 30, 1.5, DATE '1990-01-01'), (2, NULL, 17, NULL, DATE '2008-01-01'),
    (3, NULL, 17, 'nan', DATE '2008-01-01');
INSERT INTO sales.orders VALUES (1, 1, 1), (1, 2, 1);
CREATE TABLE bad AS SELECT 'Zoe' AS s, 2147483647 AS i;
"""


@pytest.fixture
def path(tmp_path):
    with duckdb.connect(str(tmp_path / "data.duckdb")) as connection:
        connection.execute(MAKE)
    return tmp_path / "data.duckdb"


@pytest.fixture
def engine(path):
    engine = open_engine(path)
    yield engine
    engine.close()


def test_describes_itself(engine, path):
    assert engine.name == "data.duckdb"
    assert engine.default_ledger == path.with_name("data.duckdb.ledger")
    assert engine.verifies_keys


def test_schema(engine):
    schema = engine.schema
    assert [table.name for table in schema.tables] == ["adults", "bad", "people", "sales.lines", "sales.orders"]
    people = schema.table("PEOPLE")
    assert people.path == ("data", "main", "people")
    assert people.enforced_keys == (("id",), ("mail",))
    assert [column.nullable for column in people.columns] == [False, True, True, True, False]
    assert [str(column.type) for column in people.columns] == ["INTEGER", "VARCHAR", "SMALLINT", "DOUBLE", "DATE"]
    assert [column.read() != f'"{column.name}"' for column in people.columns] == [False, False, True, True, False]
    assert schema.table("sales.orders").enforced_keys == (("a", "b"),)
    assert schema.table("sales.lines").foreign_keys == (ForeignKey(("a", "b"), "sales.orders", ("a", "b")),)
    assert schema.table("adults").enforced_keys == ()


TYPES = {
    "BOOLEAN": "BOOLEAN", "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INTEGER": "INTEGER", "BIGINT": "BIGINT",
    "HUGEINT": "HUGEINT", "UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "HUGEINT",
    "FLOAT": "DOUBLE", "DOUBLE": "DOUBLE", "DECIMAL(9,2)": "DECIMAL(9, 2)", "DECIMAL(38,0)": "DECIMAL(38, 0)",
    "VARCHAR": "VARCHAR", "ENUM('a', 'b')": "VARCHAR", "UUID": "VARCHAR", "DATE": "DATE", "TIMESTAMP": "TIMESTAMP",
    "TIMESTAMP_NS": "TIMESTAMP", "VARCHAR COLLATE NOCASE": None, "UHUGEINT": None, "TIMESTAMPTZ": "TIMESTAMP",
    "TIME": "TIME", "INTERVAL": None, "BLOB": None, "BIT": None, "INTEGER[]": "INTEGER[]", "STRUCT(a INTEGER)": None,
    "BIGNUM": None, "MAP(INTEGER, INTEGER)": None, "JSON": None, "TIMESTAMP_S": None, "DATE[2]": None,
    "TIMESTAMP_MS": None,
}
UNCAST = {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "DECIMAL(9,2)", "DECIMAL(38,0)",
          "VARCHAR", "DATE", "TIMESTAMP", "TIME", "INTEGER[]"}


def test_every_type(tmp_path):
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        columns = ", ".join(f"c{index} {stored}" for index, stored in enumerate(TYPES))
        connection.execute(f"CREATE TABLE t ({columns})")
    engine = open_engine(tmp_path / "t.duckdb")
    columns = [column for column in engine.schema.table("t").columns if not column.path]
    engine.close()
    assert [None if column.type is None else str(column.type) for column in columns] == list(TYPES.values())
    plain = [column.read() == f'"{column.name}"' for column in columns]
    assert {stored for stored, bare in zip(TYPES, plain, strict=True) if bare and TYPES[stored]} == UNCAST


def test_a_collation_is_seen_through_views(tmp_path):
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE t (a VARCHAR COLLATE noaccent, b VARCHAR, c INTEGER, d VARCHAR COLLATE nfc)")
        connection.execute("CREATE VIEW v AS SELECT b, a, a || b AS ab, length(a) AS n, [a] AS la, [b] AS lb FROM t")
    engine = open_engine(tmp_path / "t.duckdb")
    types = {(table.name, column.name): column.type for table in engine.schema.tables for column in table.columns}
    engine.close()
    assert {name for name, type_ in types.items() if type_ is None} == {
        ("t", "a"), ("t", "d"), ("v", "a"), ("v", "ab"), ("v", "la")}


def test_a_broken_view_does_not_exist(tmp_path):
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE t (a INTEGER); CREATE VIEW v AS FROM t; DROP TABLE t; CREATE TABLE u (a DATE)")
    engine = open_engine(tmp_path / "t.duckdb")
    assert [table.name for table in engine.schema.tables] == ["u"]
    engine.close()


def test_one_name_for_two_tables(tmp_path):
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute('CREATE SCHEMA s; CREATE TABLE s.t (a INTEGER); CREATE TABLE "s.t" (a INTEGER)')
    with pytest.raises(OpenError, match="same name"):
        open_engine(tmp_path / "t.duckdb")


def test_run(engine):
    rows = engine.run("SELECT id, mail FROM data.main.people WHERE id = ? ORDER BY 1", (1,))
    assert (rows.columns, rows.values) == (("id", "mail"), [(1, "x")])


def test_settings_hold_for_every_cursor(engine):
    assert engine.run("SELECT 5 // 0, 5 / 2, CAST(1 AS DOUBLE) / 0").values == [(None, 2.5, float("inf"))]
    settings = "current_setting('disabled_optimizers'), current_setting('max_expression_depth')"
    (found, depth), = engine.run(f"SELECT {settings}").values
    assert set(found.split(",")) == {"common_subexpressions", "statistics_propagation", "partial_aggregate_pushdown"}
    assert depth == 250


FAILURES = {
    "prepare": "SELECT nope",
    "prepare: type": "SELECT 1 + [1]",
    "parse": "SELEC",
    "run: value": "SELECT CAST(s AS INTEGER) FROM data.main.bad",
    "run: overflow": "SELECT i + CAST(i AS INTEGER) FROM data.main.bad",
    "run: error()": "SELECT error(s) FROM data.main.bad",
    "fetch: interval": "SELECT to_years(i // 100) FROM data.main.bad",
    "memory": "SELECT repeat('x', 10000000000)",
}


@pytest.mark.parametrize("sql", FAILURES.values(), ids=FAILURES)
def test_every_failure_is_the_same_and_bare(engine, sql, caplog, capfd):
    with caplog.at_level(logging.DEBUG), pytest.raises(ExecutionError) as caught:
        engine.run(sql)
    error = caught.value
    assert str(error) == ExecutionError.MESSAGE
    assert error.__cause__ is None
    assert error.__context__ is None
    assert not caplog.records
    assert capfd.readouterr() == ("", "")
    assert "Zoe" not in "".join(traceback.format_exception(error))
    assert engine.run("SELECT 1").values == [(1,)]


def test_bad_parameters_are_the_same_error(engine):
    with pytest.raises(ExecutionError) as caught:
        engine.run("SELECT ?", (object(),))
    assert caught.value.__context__ is None


OUTSIDE = [
    "SELECT * FROM read_csv('{file}')", "SELECT * FROM read_text('{file}')", "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM '{file}'", "SELECT * FROM read_parquet('{file}')", "SELECT * FROM glob('{folder}/*')",
    "COPY data.main.people TO '{folder}/out.csv'", "COPY (SELECT 1) TO '/dev/stdout'",
    "EXPORT DATABASE '{folder}/export'", "IMPORT DATABASE '{folder}'", "ATTACH '{folder}/other.duckdb' AS other",
    "ATTACH '{folder}/data.duckdb' AS again", "ATTACH ':memory:' AS other", "INSTALL httpfs",
    "LOAD '{file}'", "SET threads = 1", "SET GLOBAL threads = 1", "SET SESSION error_on_division_by_zero = true",
    "RESET threads", "PRAGMA threads = 1", "PRAGMA disable_optimizer", "SET enable_external_access = true",
    "SET lock_configuration = false", "SET disabled_filesystems = ''", "SET allowed_directories = ['/']",
    "SET python_enable_replacements = true", "CALL enable_logging()", "CALL enable_profiling()",
    "CREATE TABLE data.main.fresh (a INTEGER)", "INSERT INTO data.main.bad VALUES ('y', 1)",
    "DELETE FROM data.main.bad", "DROP TABLE data.main.bad", "SELECT * FROM outside", "SELECT getenv('HOME')",
    "CREATE PERSISTENT SECRET s (TYPE s3)",
]


@pytest.mark.parametrize("sql", OUTSIDE)
def test_locked(engine, tmp_path, sql):
    outside = {"a": np.arange(3)}  # a Python variable that a replacement scan would find
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    before = set(os.listdir(tmp_path))
    with pytest.raises(ExecutionError):
        engine.run(sql.format(file=tmp_path / "secret.csv", folder=tmp_path))
    assert set(os.listdir(tmp_path)) == before
    assert len(outside["a"]) == 3


@pytest.mark.parametrize(("table", "columns", "holds"), [
    ("people", ("id",), True), ("people", ("mail",), True), ("people", ("age",), False), ("people", ("born",), False),
    ("people", ("height",), True), ("people", ("born", "id"), True), ("sales.orders", ("a",), False),
    ("sales.orders", ("a", "b"), True), ("sales.lines", ("a",), True), ("adults", ("id",), True),
])
def test_key_holds(engine, table, columns, holds):
    assert engine.key_holds(engine.schema.table(table), columns) is holds


def test_a_key_is_one_of_the_values_that_are_read(tmp_path):
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE t (n TIMESTAMP_NS PRIMARY KEY)")
        connection.execute("INSERT INTO t SELECT make_timestamp_ns(i) FROM (VALUES (1), (2)) AS v(i)")
    engine = open_engine(tmp_path / "t.duckdb")
    table = engine.schema.table("t")
    assert table.enforced_keys == ()
    assert not engine.key_holds(table, ("n",))
    engine.close()


def test_names_that_need_quotes(tmp_path):
    with duckdb.connect(str(tmp_path / 'my "data".v2.duckdb')) as connection:
        connection.execute('CREATE SCHEMA "s.x"; CREATE TABLE "s.x"."t ""y" ("a b" INTEGER, "select" DATE)')
        connection.execute('INSERT INTO "s.x"."t ""y" VALUES (1, NULL), (1, NULL)')
    engine = open_engine(tmp_path / 'my "data".v2.duckdb')
    table = engine.schema.table('s.x.t "Y')
    assert table.column("A B").type.kind is Kind.INTEGER
    assert engine.key_holds(table, ("select",))
    assert not engine.key_holds(table, ("a b",))
    engine.close()


def test_many_threads(engine):
    wrong: list[object] = []

    def ask(number):
        for _ in range(20):
            values = engine.run("SELECT COUNT(*) + ? FROM data.main.people", (number,)).values
            if values != [(3 + number,)]:
                wrong.append(values)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_two_engines_on_one_file(path):
    first, second = open_engine(path), open_engine(str(path.parent / "." / path.name))
    first.close()
    assert second.run("SELECT COUNT(*) FROM data.main.people").values == [(3,)]
    with pytest.raises(ExecutionError):
        second.run("SET threads = 1")
    second.close()


def test_opening_from_many_threads(path):
    engines: list[object] = []
    threads = [threading.Thread(target=lambda: engines.append(open_engine(path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [engine.run("SELECT 5 // 0").values for engine in engines] == [[(None,)]] * 6
    for engine in engines:
        engine.close()


def test_closed(engine):
    engine.close()
    engine.close()
    with pytest.raises(ExecutionError) as caught:
        engine.run("SELECT 1")
    assert caught.value.__context__ is None


def test_closing_lets_go_of_the_file(path):
    open_engine(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE more (a INTEGER)")


def test_identity_changes_with_the_file(path):
    first, again = open_engine(path), open_engine(path)
    assert first.identity == again.identity
    first.close()
    again.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO people VALUES (9, 'z', 1, 1, DATE '2020-01-01')")
    changed = open_engine(path)
    assert changed.identity != first.identity
    changed.close()


def test_a_file_replaced_while_open_is_not_mistaken(path, tmp_path):
    first = open_engine(path)
    with duckdb.connect(str(tmp_path / "fresh.duckdb")) as connection:
        connection.execute("CREATE TABLE other (a INTEGER)")
    os.replace(tmp_path / "fresh.duckdb", path)
    assert first.run("SELECT COUNT(*) FROM data.main.people").values == [(3,)]
    with pytest.raises(OpenError, match="was replaced"):
        open_engine(path)
    assert first.run("SELECT COUNT(*) FROM data.main.people").values == [(3,)]
    first.close()
    second = open_engine(path)
    assert [table.name for table in second.schema.tables] == ["other"]
    second.close()


def test_a_write_ahead_log_is_read(tmp_path):
    path = tmp_path / "w.duckdb"
    script = (f"import duckdb, os\nc = duckdb.connect({str(path)!r})\nc.execute('CREATE TABLE t (a INTEGER)')\n"
              "c.execute('CHECKPOINT')\nc.execute('INSERT INTO t VALUES (5)')\nos.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", script], check=False)
    assert path.with_name("w.duckdb.wal").exists()
    engine = open_engine(path)
    assert engine.run("FROM w.main.t").values == [(5,)]
    engine.close()


class TestTrouble:
    def refused(self, database, *words):
        with pytest.raises(OpenError) as caught:
            open_engine(database)
        assert caught.value.__context__ is None
        for word in words:
            assert word in str(caught.value)

    def test_missing(self, tmp_path):
        self.refused(tmp_path / "none.duckdb", "none.duckdb", "folder of Parquet")
        self.refused(":memory:", ":memory:")

    def test_no_database(self, tmp_path):
        for name, content in (("junk.duckdb", b"hello" * 1000), ("empty.duckdb", b""), ("t.csv", b"a,b\n1,2\n"),
                              ("lite.db", b"SQLite format 3\0" + bytes(4080))):
            (tmp_path / name).write_bytes(content)
            self.refused(tmp_path / name, name, "not a DuckDB database")

    def test_open_here_for_writing(self, path):
        with duckdb.connect(str(path)):
            self.refused(path, "already open in this program")

    def test_open_here_for_reading(self, path):
        with duckdb.connect(str(path), read_only=True) as theirs:
            self.refused(path, "already open in this program")
            theirs.execute("SET threads = 1")  # not locked by the attempt

    def test_open_elsewhere(self, path):
        script = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('up', flush=True); sys.stdin.read()"
        with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout.readline() == b"up\n"
            self.refused(path, "in use by another program", "close it there")
            other.stdin.close()

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_forbidden(self, path):
        path.chmod(0)
        self.refused(path, "cannot be opened")

    def test_something_else(self):
        self.refused(7, "not int")
        self.refused(None, "NoneType")


def test_a_program_ends_silently_and_needs_no_pyarrow(path):
    """Connections still open at the end make the binding print complaints."""
    script = (
        "import sys\n"
        "sys.modules['pyarrow'] = sys.modules['pandas'] = None\n"
        "from dpsql.engines.base import open_engine\n"
        "from dpsql.engines.scratch import Scratch\n"
        f"engine = open_engine({str(path)!r})\n"
        "scratch = Scratch([engine.schema.table('people')], engine.public_stream)\n"
        "print(scratch.run('SELECT COUNT(*) FROM main.people', (), ['people'])[2])\n"
        "try:\n    engine.run('SELEC')\nexcept Exception as error:\n    kept = error\n"
        "keep = [engine, lambda: engine]\nsys.exit(3)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "[(3,)]\n", "")
