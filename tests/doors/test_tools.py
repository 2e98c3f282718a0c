"""The tools of Python people on TPC-H, each as it is, each answer checked against `dpsql.query`.

The first to ask pays; the others are replays of the same answer, so they must be equal to the last digit.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pytest
import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import registry

import dpsql
from dpsql.doors import python

registry.register("dpsql", "dpsql.doors.sqlalchemy", "Dialect")     # where dpsql is not installed

SQL = """
SELECT l_returnflag, COUNT(*) AS n, SUM(l_quantity) AS quantity, AVG(l_discount) AS discount,
       DATE '1998-12-01' AS day, SUM(1) AS ones, NULL AS nothing
FROM lineitem GROUP BY l_returnflag ORDER BY l_returnflag"""


@pytest.fixture(autouse=True)
def home(tpch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every tool finds the database, the policy and the analyst in the environment."""
    policy = tpch / "tools.toml"
    policy.write_text((tpch / "policy.toml").read_text().replace("10.0", "100.0").replace("3.0", "100.0"))
    for name, value in (("DATABASE", tpch / "tpch.duckdb"), ("POLICY", policy), ("ANALYST", "alice"),
                        ("LEDGER", tpch / "tools.ledger")):
        monkeypatch.setenv(f"DPSQL_{name}", str(value))
    yield
    python.close()


@pytest.fixture
def connection() -> Iterator[dpsql.Connection]:
    with dpsql.connect() as opened:
        yield opened


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    made = sa.create_engine("dpsql://")
    yield made
    made.dispose()


def _rows(frame: pandas.DataFrame) -> list[tuple[Any, ...]]:
    return [tuple(None if pandas.isna(value) else value for value in row) for row in frame.itertuples(index=False)]


def test_pandas_reads_a_connection(connection: dpsql.Connection) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)       # pandas prefers SQLAlchemy, and says so
        frame = pandas.read_sql(SQL, connection, coerce_float=False)
        few = pandas.read_sql("SELECT COUNT(*) AS n FROM orders WHERE o_totalprice > ?", connection, params=(1000,))
    answer = dpsql.query(SQL)
    assert list(frame.columns) == list(answer.columns) and _rows(frame) == list(answer.rows)
    expected = dpsql.query("SELECT COUNT(*) AS n FROM orders WHERE o_totalprice > ?", params=[1000])
    assert _rows(few) == list(expected.rows)


def test_pandas_reads_an_engine(engine: sa.Engine) -> None:
    answer = dpsql.query(SQL)
    frame = pandas.read_sql(SQL, engine, coerce_float=False)
    assert list(frame.columns) == list(answer.columns) and _rows(frame) == list(answer.rows)
    named = "SELECT COUNT(*) AS n FROM orders WHERE o_totalprice > :least"
    few = pandas.read_sql(sa.text(named), engine, params={"least": 1000})
    assert _rows(few) == list(dpsql.query(named, params={"least": 1000}).rows)
    nations = pandas.read_sql_table("nation", engine, columns=["n_name"])
    assert len(nations) == 25 and dpsql.query("SELECT n_name FROM nation").rows[0][0] in set(nations["n_name"])


def test_polars_reads_a_connection_a_cursor_and_an_engine(connection: dpsql.Connection, engine: sa.Engine) -> None:
    answer = dpsql.query(SQL)
    for source in (connection, connection.cursor(), engine):
        frame = polars.read_database(SQL, source)
        assert frame.columns == list(answer.columns) and frame.rows() == list(answer.rows)
    typed = polars.read_database(SQL, connection).schema
    assert (typed["quantity"], typed["day"], typed["n"]) == (polars.Decimal(38, 2), polars.Date, polars.Int64)
    sql = "SELECT COUNT(*) AS n FROM orders WHERE o_totalprice > ?"
    few = polars.read_database(sql, connection, execute_options={"params": [1000]})
    assert few.rows() == list(dpsql.query(sql, params=[1000]).rows)


def test_arrow_goes_everywhere(connection: dpsql.Connection) -> None:
    answer = dpsql.query(SQL)
    cursor = connection.cursor()
    assert polars.DataFrame(cursor.execute(SQL)).rows() == list(answer.rows)
    table = pyarrow.table(cursor.execute(SQL))
    assert table.equals(answer.to_arrow()) and table.equals(pyarrow.table(answer))
    assert polars.DataFrame(answer).equals(polars.DataFrame(cursor.execute(SQL)))
    assert pyarrow.RecordBatchReader.from_stream(cursor.execute(SQL)).read_all().equals(table)
    assert cursor.execute(SQL).fetch_arrow_table().equals(table)


def test_sqlalchemy_core(engine: sa.Engine) -> None:
    tables = sa.MetaData()
    tables.reflect(engine)
    orders, customer, nation = (tables.tables[name] for name in ("orders", "customer", "nation"))
    spent = sa.func.sum(orders.c.o_totalprice)
    asked = (
        sa.select(nation.c.n_name, sa.func.count().label("orders"), (spent / sa.func.count()).label("each"))
        .select_from(orders.join(customer).join(nation, nation.c.n_nationkey == customer.c.c_nationkey))
        .where(orders.c.o_orderpriority.startswith("1"))
        .group_by(nation.c.n_name).having(spent > 0).order_by(nation.c.n_name).limit(5)
    )
    with engine.connect() as open_:
        rows = [tuple(row) for row in open_.execute(asked)]
    compiled = asked.compile(engine)
    expected = dpsql.query(str(compiled), params=[compiled.params[name] for name in compiled.positiontup or ()])
    assert expected.replayed and rows == list(expected.rows) and len(rows) == 5


def test_sqlalchemy_orm(engine: sa.Engine) -> None:
    class Base(orm.DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        c_custkey: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        c_mktsegment: orm.Mapped[str]
        c_acctbal: orm.Mapped[float]

    class Nation(Base):
        __tablename__ = "nation"
        n_nationkey: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        n_name: orm.Mapped[str]

    asked = sa.select(Customer.c_mktsegment, sa.func.count(Customer.c_custkey)).group_by(Customer.c_mktsegment)
    with orm.Session(engine) as session:
        rows = [tuple(row) for row in session.execute(asked)]
        france = session.scalars(sa.select(Nation).where(Nation.n_name == "FRANCE")).one()
        with pytest.raises(sa.exc.ProgrammingError, match="only aggregates are released"):
            session.get(Customer, 1)
    expected = dpsql.query("SELECT c_mktsegment, COUNT(c_custkey) AS count_1 FROM customer GROUP BY c_mktsegment")
    assert expected.replayed and sorted(rows) == sorted(expected.rows)
    ((key,),) = dpsql.query("SELECT n_nationkey FROM nation WHERE n_name = 'FRANCE'").rows
    assert france.n_nationkey == key


@pytest.mark.filterwarnings("ignore")       # JupySQL's own
def test_jupysql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: sa.Engine) -> None:
    for name, value in (("HOME", str(tmp_path)), ("IPYTHONDIR", str(tmp_path)), ("PLOOMBER_STATS_ENABLED", "false")):
        monkeypatch.setenv(name, value)       # nothing is written to a home, nothing is told to anybody
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "sql")
    shell.run_line_magic("config", "SqlMagic.displaycon = False")
    answer = dpsql.query(SQL)
    shell.run_line_magic("sql", "dpsql://")
    by_url = shell.run_cell_magic("sql", "", SQL)
    assert [tuple(row) for row in by_url] == list(answer.rows)
    shell.user_ns["engine"] = engine
    shell.run_line_magic("sql", "engine --alias again")
    assert _rows(shell.run_cell_magic("sql", "", SQL).DataFrame()) == list(answer.rows)
    assert "UsageError" in repr(_failure(shell, "SELECT c_name FROM customer"))
    shell.run_line_magic("sql", "--close again")
    shell.run_line_magic("sql", "--close dpsql://")


def _failure(shell: Any, sql: str) -> BaseException:
    try:
        shell.run_cell_magic("sql", "", sql)
    except BaseException as error:
        return error
    raise AssertionError("it was answered")
