"""Drivers that people use, against one server: psycopg, asyncpg, pg8000, SQLAlchemy, pandas."""

from __future__ import annotations

import asyncio
import datetime
import threading
from decimal import Decimal

import asyncpg
import pg8000.dbapi
import psycopg
import pytest

from tests.serve.hosting import PASSWORDS, Served


def connected(served: Served, user: str = "alice", **options: bool) -> psycopg.Connection:
    return psycopg.connect(served.url(user), **options)


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_gets_every_type(served: Served, binary: bool) -> None:
    with connected(served) as connection, connection.cursor(binary=binary) as cursor:
        row = cursor.execute("""
            SELECT 7::SMALLINT AS a, 70000 AS b, 7000000000 AS c, 1.50 AS d, 1e300::DOUBLE PRECISION AS e, TRUE AS f,
                   'ü' AS g, DATE '2025-01-02' AS h, TIMESTAMP '2025-01-02 03:04:05.6' AS i, NULL AS j,
                   SUM(floor) * 100000000000000000000 AS k, -0.00012::DECIMAL(12, 6) AS l FROM wards""").fetchone()
    assert row == (
        7, 70000, 7000000000, Decimal("1.50"), 1e300, True, "ü", datetime.date(2025, 1, 2),
        datetime.datetime(2025, 1, 2, 3, 4, 5, 600000), None, 700000000000000000000, Decimal("-0.00012"))


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_divides_as_postgres_does(served: Served, binary: bool) -> None:
    """Whole numbers as whole numbers, a SUM of BIGINT as NUMERIC; by nothing is NULL, and paid for."""
    with connected(served) as connection, connection.cursor(binary=binary) as cursor:
        row = cursor.execute("""
            SELECT COUNT(*) / 2 AS half, 100 * COUNT(*) FILTER (WHERE emergency) / COUNT(*) AS share,
                   SUM(EXTRACT(month FROM at)::int) / COUNT(*) AS month, COUNT(*) / (COUNT(*) - COUNT(*)) AS nothing,
                   SUM(cost) / COUNT(*) AS mean FROM visits""").fetchone()
        assert row is not None
        assert row[0] == int(row[0]) and row[1] == int(row[1]) and row[2] == int(row[2]) and row[3] is None
        assert abs(row[0] - 3000) < 500 and abs(row[1] - 33) < 9 and 2 < row[2] < 9 and row[4] != int(row[4])
        mean = cursor.execute("SELECT SUM(patient_id) / 7 AS a, SUM(age) / COUNT(*) AS b FROM patients").fetchone()
        assert mean is not None and mean[1] != int(mean[1]) and 40 < mean[1] < 50
        assert cursor.execute("SELECT SUM(floor) / 2, 7 / 2, -7 / 2, 7 % 3 FROM wards").fetchone() == (3, 3, -3, 1)


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_sends_every_type(served: Served, binary: bool) -> None:
    values = (3, 7_000_000_000, Decimal("12.5"), 0.5, True, "surgery", datetime.date(1960, 1, 1),
              datetime.datetime(2025, 3, 1, 12), None)
    sql = """SELECT COUNT(*) AS n FROM wards WHERE floor >= %s AND floor < %s AND floor < %s AND floor > %s AND %s
             AND ward = %s AND %s < DATE '1970-01-01' AND %s > TIMESTAMP '2025-01-01' AND %s IS NULL"""
    if binary:
        sql = sql.replace("%s", "%b")
    with connected(served) as connection:
        sql = sql.replace("%b IS NULL", "%s IS NULL")
        assert connection.execute(sql, values).fetchone() == (1,)


@pytest.mark.parametrize("binary", [False, True])
def test_psycopg_sends_lists(served: Served, binary: bool) -> None:
    """x = ANY (%s) and x <> ALL (%s), the types of the lists told or not."""
    sql = "SELECT COUNT(*) AS n FROM wards WHERE ward = ANY (%s) AND floor = ANY (%s) AND ward <> ALL (%s)"
    asked = sql.replace("%s", "%b") if binary else sql
    with connected(served) as connection:
        for floors in ([3, 4], [3, 70_000_000_000]):
            values = (["surgery", "it's", 'a"b,{}'], floors, ["cardiology"])
            assert connection.execute(asked, values).fetchone() == (1,)
        for age in ([3, 4], [5]):
            found = connection.execute("SELECT COUNT(*) AS n FROM patients WHERE age = ANY (%s)", (age,)).fetchone()
            assert found is not None and abs(found[0] - 22 * len(age)) < 60
        with pytest.raises(psycopg.ProgrammingError, match="cannot be used"):
            connection.execute(sql, ([], [3], ["a"]))


def test_a_value_can_never_become_sql(served: Served) -> None:
    evil = "x'; DROP TABLE wards; --"
    with connected(served) as connection:
        assert connection.execute("SELECT %s AS x", (evil,)).fetchone() == (evil,)
        assert connection.execute("SELECT COUNT(*) FROM wards WHERE ward = %s", (evil,)).fetchone() == (0,)


def test_psycopg_hears_of_costs_and_errors(served: Served) -> None:
    with connected(served) as connection:
        heard: list[str | None] = []
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary))
        for _ in range(2):
            connection.execute("SELECT COUNT(*) FROM patients WHERE born < %s", (datetime.date(1977, 7, 7),))
        assert len(heard) == 1 and "epsilon 1 spent" in (heard[0] or "")
        with pytest.raises(psycopg.errors.SyntaxErrorOrAccessRuleViolation) as refused:
            connection.execute("SELECT COUNT(*), nope FROM patients")
        assert refused.value.diag.statement_position == "18"
        connection.rollback()


def test_psycopg_hears_how_much_was_cut_where_it_asked(served: Served) -> None:
    sql, said = "SELECT SUM(price) FROM visits WHERE cost < %s", []
    options = "-c dpsql.quality=on -c dpsql.level=0.9"
    with psycopg.connect(served.url("alice"), options=options) as asking, connected(served) as other:
        for connection in (asking, other, asking):
            heard: list[str] = []
            connection.add_notice_handler(lambda told, heard=heard: heard.append(told.message_primary))
            connection.execute(sql, (703,))
            said.append([text for text in heard if "of people (" in text and "with 90 %" in text])
            connection.execute("RESET dpsql.level")         # to what it connected with
    assert [len(each) for each in said] == [1, 0, 1] and said[0] == said[2]
    with pytest.raises(psycopg.OperationalError, match=r"dpsql\.level does not take this value: .*0\.99 for 99 %"):
        psycopg.connect(served.url("alice"), options="-c dpsql.level=99")


def test_psycopg_reads_a_server_side_cursor_in_pieces(served: Served) -> None:
    with connected(served) as connection, connection.cursor("mine") as cursor:
        cursor.itersize = 1
        cursor.execute("SELECT ward FROM wards WHERE floor > %s ORDER BY ward", (1,))
        assert list(cursor) == [("cardiology",), ("surgery",)]


def test_psycopg_cancels_a_query(served: Served) -> None:
    slow = "SELECT COUNT(*) FROM " + ", ".join(f"wards w{i}" for i in range(45))
    with connected(served, autocommit=True) as connection:
        timer = threading.Timer(0.3, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(slow)
        timer.join()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_psycopg_nests_transactions_and_sends_pipelines(served: Served) -> None:
    with connected(served) as connection:
        with connection.transaction(), pytest.raises(psycopg.Error), connection.transaction():
            connection.execute("SELECT nope FROM patients")
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::INT AS x", (i,)) for i in range(20)]
            assert [cursor.fetchone() for cursor in cursors] == [(i,) for i in range(20)]


def test_a_prepared_statement_is_asked_with_other_values(served: Served) -> None:
    with connected(served) as connection:
        found = [connection.execute("SELECT COUNT(*) FROM wards WHERE floor > %s", (i,), prepare=True).fetchone()
                 for i in range(6)]
    assert found == [(2,), (2,), (2,), (1,), (0,), (0,)]


def test_psycopg_copies(served: Served) -> None:
    with connected(served) as connection, connection.cursor().copy(
        "COPY (SELECT ward, floor FROM wards ORDER BY ward) TO STDOUT") as copy:
        assert list(copy.rows()) == [("cardiology", "4"), ("surgery", "3")]


def test_asyncpg_describes_binds_and_fetches(served: Served) -> None:
    async def story() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=served.port, user="alice", password=PASSWORDS["alice"], database="hospital")
        try:
            statement = await connection.prepare(
                "SELECT ward, COUNT(*) AS n, SUM(price) AS p, AVG(cost) AS c FROM visits "
                "WHERE cost < $1 AND at >= $2 AND emergency = $3 AND price < $4 GROUP BY ward LIMIT $5")
            types = [each.name for each in statement.get_parameters()]
            assert types == ["float8", "timestamp", "bool", "numeric", "int8"]
            rows = await statement.fetch(800.5, datetime.datetime(2025, 1, 1), True, Decimal(99), 5)
            assert {row["ward"] for row in rows} == {"surgery", "cardiology"}
            assert all(isinstance(row["n"], int) and isinstance(row["p"], Decimal) for row in rows)
            async with connection.transaction():
                cursor = connection.cursor("SELECT ward FROM wards ORDER BY 1", prefetch=1)
                found = [row["ward"] async for row in cursor]
            assert found == ["cardiology", "surgery"]
            with pytest.raises(asyncpg.PostgresError) as refused:
                await connection.fetch("SELECT nope FROM patients")
            assert getattr(refused.value, "position", None) == "8"
            assert await connection.fetchval("SELECT $1 || 'b'", "a") == "ab"
        finally:
            connection.terminate()

    asyncio.run(story())


def test_pg8000_asks_with_parameters(served: Served) -> None:
    connection = pg8000.dbapi.connect(
        host="127.0.0.1", port=served.port, user="bob", password=PASSWORDS["bob"], database="hospital")
    cursor = connection.cursor()
    cursor.execute("SELECT ward FROM wards WHERE floor > %s AND ward IN (%s, %s)", (3, "surgery", "cardiology"))
    assert [list(row) for row in cursor.fetchall()] == [["cardiology"]]
    cursor.execute("SELECT COUNT(*) FROM patients WHERE born > %s", (datetime.date(1960, 1, 1),))
    assert isinstance(cursor.fetchone()[0], int)
    connection.commit()
    connection.close()
