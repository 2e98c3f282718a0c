"""PEP 249, clause by clause."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace

import polars
import pyarrow
import pytest

import dpsql
from dpsql.answer import Clipped
from dpsql.doors import dbapi_types as dbapi
from dpsql.doors.dbapi import Connection


@pytest.fixture
def connection(session: object) -> Iterator[Connection]:
    with Connection(session, "alice", 0.5, 1e-9) as opened:  # type: ignore[arg-type]
        yield opened


def test_globals() -> None:
    assert (dpsql.apilevel, dpsql.threadsafety, dpsql.paramstyle) == ("2.0", 2, "qmark")


def test_exceptions_form_the_tree_of_the_standard() -> None:
    assert issubclass(dpsql.Warning, Exception) and not issubclass(dpsql.Warning, dpsql.Error)
    assert issubclass(dpsql.InterfaceError, dpsql.Error) and not issubclass(dpsql.InterfaceError, dpsql.DatabaseError)
    for name in ("DataError", "OperationalError", "IntegrityError", "InternalError", "ProgrammingError",
                 "NotSupportedError"):
        assert issubclass(getattr(dpsql, name), dpsql.DatabaseError)
        assert getattr(Connection, name) is getattr(dpsql, name)
    assert issubclass(dpsql.QueryError, dpsql.ProgrammingError)
    for error in (dpsql.BudgetError, dpsql.ExecutionError, dpsql.OpenError, dpsql.LedgerError, dpsql.PolicyError):
        assert issubclass(error, dpsql.OperationalError)


def test_execute_asks_at_the_connections_price(connection: Connection, session: object) -> None:
    cursor = connection.cursor()
    assert cursor.execute("SELECT ?", [5], fresh=True) is cursor
    cursor.execute("SELECT $a", {"a": 5})
    cursor.execute("SELECT 0", ())
    asked = session.asked  # type: ignore[attr-defined]
    assert asked[0] == (
        "SELECT ?",
        {"analyst": "alice", "epsilon": 0.5, "delta": 1e-9, "params": [5], "fresh": True, "dialect": "duckdb",
         "error": None, "level": 0.95, "quality": False})
    assert asked[1][1]["params"] == {"a": 5} and asked[2][1]["params"] is None


def test_how_right_answers_are_to_be_is_the_connections(session: object, noisy: dpsql.Answer) -> None:
    connection = Connection(session, level="0.99", quality=True)  # type: ignore[arg-type]
    connection.cursor().execute("SELECT 2")
    connection.error, connection.quality = 100, False
    connection.cursor().describe("SELECT 2")
    assert [(asked["error"], asked["level"], asked["quality"])
            for _, asked in session.asked] == [(None, "0.99", True), (100, "0.99", False)]  # type: ignore[attr-defined]


def test_a_cursor_has_what_was_cut(connection: Connection, session: object, noisy: dpsql.Answer) -> None:
    share = Clipped("people", "are in more than 2 groups", 0.03, 0.01, 0.05, 0.95)
    cursor = connection.cursor()
    assert cursor.clipped is None
    assert cursor.execute("SELECT 2").clipped == ()
    session.query = lambda sql, **options: replace(noisy, clipped=(share,))  # type: ignore[attr-defined]
    assert cursor.execute("SELECT 2").clipped == (share,)


def test_description(connection: Connection) -> None:
    cursor = connection.cursor()
    assert cursor.description is None and cursor.rowcount == -1 and cursor.cost is None
    cursor.execute("SELECT noisy")
    assert cursor.description == [
        ("ward", "VARCHAR", None, None, None, None, None), ("n", "BIGINT", None, None, None, None, None),
        ("cost", "DECIMAL(18, 2)", None, None, 18, 2, None), ("first", "DATE", None, None, None, None, None)]
    codes = [column[1] for column in cursor.description]
    assert [codes[0] == dbapi.STRING, codes[1] == dbapi.NUMBER, codes[2] == dbapi.NUMBER, codes[3] == dbapi.DATETIME,
            codes[0] == dbapi.NUMBER] == [True, True, True, True, False]
    assert cursor.rowcount == 2
    assert cursor.cost == dpsql.AnswerCost(1.0, 1e-8) and cursor.answer is not None
    assert cursor.answer.warnings == ("few rows",)


def test_fetching(connection: Connection) -> None:
    cursor = connection.cursor().execute("SELECT 1")
    assert cursor.fetchone() == (1,) and cursor.fetchmany() == [(2,)] and cursor.fetchmany(5) == [(3,)]
    assert cursor.fetchone() is None and cursor.fetchall() == [] and cursor.fetchmany(2) == []
    assert list(connection.cursor().execute("SELECT 1")) == [(1,), (2,), (3,)]
    cursor.execute("SELECT 1")
    cursor.arraysize = 2
    with pytest.raises(TypeError):
        cursor.fetchmany(1.5)  # type: ignore[arg-type]
    assert cursor.fetchmany() == [(1,), (2,)] and cursor.fetchmany(-1) == [] and cursor.fetchall() == [(3,)]


def test_null_is_none(connection: Connection) -> None:
    assert connection.cursor().execute("SELECT noisy").fetchall()[1] == ("B", 17, None, None)


def test_extensions_of_the_standard(connection: Connection) -> None:
    cursor = connection.cursor()
    assert (cursor.connection, cursor.lastrowid, cursor.rownumber, cursor.messages) == (connection, None, None, [])
    assert connection.autocommit and cursor.intervals is None
    cursor.execute("SELECT noisy")
    ((kind, warning),) = cursor.messages
    assert kind is dpsql.Warning and str(warning) == "few rows"
    assert cursor.intervals is not None and cursor.intervals[0][1] == (29749, 29755)
    cursor.execute("SELECT 1")
    assert cursor.messages == [] and cursor.rownumber == 0


def test_scrolling(connection: Connection) -> None:
    cursor = connection.cursor().execute("SELECT 1")
    with pytest.raises(IndexError, match="no row -1"):
        cursor.scroll(-1)
    cursor.scroll(2)
    assert cursor.rownumber == 2 and cursor.fetchone() == (3,)
    cursor.scroll(0, "absolute")
    assert cursor.fetchone() == (1,)
    with pytest.raises(IndexError, match="there are 3 rows"):
        cursor.scroll(4, mode="absolute")
    with pytest.raises(dpsql.ProgrammingError, match="relative"):
        cursor.scroll(1, "sideways")


def test_arrow_takes_what_is_not_fetched(connection: Connection) -> None:
    cursor = connection.cursor().execute("SELECT 1")
    cursor.fetchone()
    assert cursor.fetch_arrow_table().to_pydict() == {"x": [2, 3]}
    assert cursor.fetchone() is None and cursor.fetch_arrow_table().num_rows == 0
    cursor.execute("SELECT noisy")
    table = pyarrow.table(cursor)
    assert str(table.schema.field("cost").type) == "decimal128(18, 2)" and table["n"].to_pylist() == [29752, 17]
    frame = polars.DataFrame(connection.cursor().execute("SELECT 1"))
    assert frame.to_dict(as_series=False) == {"x": [1, 2, 3]} and frame.schema["x"] == polars.Int32
    with pytest.raises(dpsql.InterfaceError, match="nothing was executed"):
        connection.cursor().fetch_arrow_table()


def test_describing_asks_for_columns_only(connection: Connection, session: object) -> None:
    cursor = connection.cursor().execute("SELECT 1")
    assert cursor.describe("SELECT noisy", [5])[2] == ("cost", "DECIMAL(18,2)", None, None, 18, 2, None)
    assert cursor.fetchone() == (1,)
    assert session.asked[1] == (  # type: ignore[attr-defined]
        "columns of SELECT noisy",
        {"analyst": "alice", "epsilon": 0.5, "delta": 1e-9, "params": [5], "dialect": "duckdb", "error": None,
         "level": 0.95, "quality": False})
    cursor.close()
    with pytest.raises(dpsql.InterfaceError, match="closed"):
        cursor.describe("SELECT 1")


def test_a_failed_statement_leaves_nothing_to_fetch(connection: Connection) -> None:
    cursor = connection.cursor().execute("SELECT 1")
    with pytest.raises(dpsql.QueryError):
        cursor.execute("SELECT secret")
    with pytest.raises(dpsql.InterfaceError, match="nothing was executed"):
        cursor.fetchall()
    assert cursor.description is None


def test_what_cannot_be(connection: Connection) -> None:
    cursor = connection.cursor()
    with pytest.raises(dpsql.InterfaceError, match="nothing was executed"):
        cursor.fetchone()
    with pytest.raises(dpsql.NotSupportedError, match="execute for each"):
        cursor.executemany("SELECT ?", [[1], [2]])
    cursor.setinputsizes([1])
    cursor.setoutputsize(1)


def test_closing(connection: Connection, session: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with pytest.raises(dpsql.InterfaceError, match="cursor is closed"):
        cursor.fetchone()
    other = connection.cursor()
    connection.commit()
    connection.rollback()
    connection.close()
    connection.close()
    assert session.closed  # type: ignore[attr-defined]
    for use in (connection.cursor, connection.commit, connection.rollback, lambda: other.execute("SELECT 1"),
                other.fetchall):
        with pytest.raises(dpsql.InterfaceError, match="connection is closed"):
            use()


def test_constructors() -> None:
    ticks = 1_700_000_000
    at = datetime.datetime.fromtimestamp(ticks)
    assert dbapi.TimestampFromTicks(ticks) == at
    assert dbapi.DateFromTicks(ticks) == at.date() and dbapi.TimeFromTicks(ticks) == at.time()
    assert dpsql.Date(2025, 1, 2) == datetime.date(2025, 1, 2) and dpsql.Binary(b"x") == b"x"
    assert len({dbapi.STRING, dbapi.NUMBER, dbapi.DATETIME, dbapi.BINARY, dbapi.ROWID}) == 5


def test_pandas_reads_from_it(connection: Connection) -> None:
    import warnings

    import pandas

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)       # pandas prefers SQLAlchemy
        frame = pandas.read_sql("SELECT noisy", connection)
    assert list(frame["n"]) == [29752, 17] and float(frame["cost"][0]) == 1234.56
