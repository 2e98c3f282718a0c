"""Columns of types that dpsql reads as another, at their ends: a person who holds them changes nothing but the noise.

Once in a file, locked and pinned to UTC, and once over the owner's own connection in another time zone, whose CAST of a
moment at the ends of time to a TIMESTAMP would fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.errors import Error
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e12
delta = 0.5
[query]
epsilon = 1.0
delta = 1e-6
[limits]
max_groups = 3
max_rows_per_group = 20
[tables.people]
unit = "id"
keys = ["id"]
[tables.rows]
owner = "id -> people.id"
columns.f = { values = [0.1, 0.2] }
columns.m = { values = ["a", "b"] }
columns."s.k" = { range = [0, 10] }
"""
MAKE = """
CREATE TYPE moods AS ENUM ('a', 'b', 'c');
CREATE TABLE people AS SELECT CAST(CAST(i AS VARCHAR) || '-01-01' AS TIMESTAMPTZ) AS id FROM range(2000, 2012) t(i);
CREATE TABLE rows (id TIMESTAMPTZ, tz TIMESTAMPTZ, t TIME, f FLOAT, u UBIGINT, w UTINYINT, g UUID, m moods,
    s STRUCT(k INTEGER, z TIMESTAMPTZ, n STRUCT(v VARCHAR)), c TIMESTAMP_NS, x DOUBLE, n BIGINT);
INSERT INTO rows SELECT id, id + INTERVAL 5 DAY, TIME '10:00:00', 0.1, 3, 4, '00000000-0000-0000-0000-00000000000a',
    'a', row(3, id, row('x')), '2020-01-01', 1.5, 2 FROM people;
"""
HOSTILE = """
INSERT INTO people VALUES ('infinity');
INSERT INTO rows VALUES
  ('infinity', 'infinity', '24:00:00', 'nan', 18446744073709551615, 255, 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'c',
   NULL, 'infinity', 'nan', 9223372036854775807),
  ('infinity', '-infinity', NULL, 'inf', 0, 0, NULL, NULL, row(NULL, NULL, NULL), '-infinity',
   '-inf', -9223372036854775808),
  ('infinity', '290309-12-22 (BC) 00:00:00+00', '00:00:00', 3.4e38, NULL, NULL, NULL, 'b',
   row(2147483647, '294247-01-10 04:00:54.775806+00', row(repeat('z', 300))), '1677-09-22 00:12:44', 1e308,
   99999999999),
  ('infinity', '294247-01-10 04:00:54.775806+00', '23:59:59.999999', -1e-45, 1, 1, NULL, 'a', row(0, 'infinity', NULL),
   NULL, 3.5e38, -5);
"""
EXPRESSIONS = (
    "tz", "date_trunc('month', tz)", "CAST(tz AS DATE)", "EXTRACT(hour FROM tz)", "tz::VARCHAR", "epoch(tz)",
    "tz AT TIME ZONE 'Asia/Tokyo'", "(tz AT TIME ZONE 'UTC') AT TIME ZONE 'America/New_York'", "tz - INTERVAL 3 MONTH",
    "tz + INTERVAL (n) DAY", "tz - to_hours(n)", "date_diff('second', tz, c)", "tz > '2005-01-01'", "tz + to_months(w)",
    "tz BETWEEN TIMESTAMPTZ '2001-01-01 00:00:00+09' AND id", "id", "last_day(tz)", "strftime(tz, '%Y')",
    "t", "hour(t)", "epoch(t)", "t > '10:00'", "t::VARCHAR", "CAST(tz AS TIME)", "CAST(t::VARCHAR AS TIME)",
    "f", "f = 0.1", "f * f", "CAST(x AS REAL)", "CAST(x AS REAL) * 2", "CAST(n AS FLOAT)", "f IN (0.1, 0.3)", "f || ''",
    "u", "u + 1", "u * u", "w - 300", "CAST(n AS UTINYINT)", "CAST(x AS UBIGINT)", "CAST(f AS UINTEGER) + 1", "u // w",
    "g", "g = '00000000-0000-0000-0000-00000000000A'", "CAST(g AS UUID)", "left(g, 3)", "m", "m = 'a'", "m || g",
    "s.k", "s.k + 2147483647", "s['z']", "s.n.v", "struct_extract(s, 'k') * s.k", "s.z AT TIME ZONE 'Europe/Paris'",
    "upper(s.n.v)", "s.n.v[2:9]", "c", "c + INTERVAL 1 DAY", "date_trunc('day', c)", "c > tz",
)


def _world(folder: Path, hostile: bool, zone: str | None) -> tuple[Session, duckdb.DuckDBPyConnection | None]:
    folder.mkdir()
    (folder / "policy.toml").write_text(POLICY)
    connection = duckdb.connect(":memory:" if zone else str(folder / "people.duckdb"))
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    connection.execute(MAKE + HOSTILE * hostile)
    if zone is None:
        connection.close()
        return Session(folder / "people.duckdb", folder / "policy.toml", folder / "ledger"), None
    connection.execute(f"SET GLOBAL TimeZone = '{zone}'")
    return Session(connection, folder / "policy.toml", folder / "ledger"), connection


@pytest.fixture(scope="module", params=[None, "America/Los_Angeles"], ids=["file", "connection"])
def worlds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, ...]]:
    folder = tmp_path_factory.mktemp("stored")
    made = [_world(folder / name, name == "with", request.param) for name in ("with", "without")]
    yield tuple(session for session, _ in made)
    for session, connection in made:
        session.close()
        if connection is not None:
            connection.close()


def _seen(session: Session, sql: str) -> tuple[object, ...]:
    before = session.balance().epsilon_spent
    try:
        answer = session.query(sql, fresh=True)
        shown: tuple[object, ...] = (answer.columns, answer.types, len(answer.rows))
    except Error as refused:
        shown = (type(refused).__name__, str(refused))
    return (*shown, session.balance().epsilon_spent - before)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_counted_and_filtered(worlds: tuple[Session, ...], text: str) -> None:
    for sql in (
        f"SELECT COUNT({text}) AS n, COUNT(DISTINCT {text}) AS d FROM rows",
        f"SELECT COUNT(*) AS n FROM rows WHERE coalesce(CAST({text} AS VARCHAR), '') <> 'x'",
        f"SELECT COUNT(*) AS n FROM (SELECT id, MAX({text}) AS m FROM rows GROUP BY id) AS r WHERE m IS NOT NULL",
    ):
        together, alone = (_seen(world, sql) for world in worlds)
        assert together == alone, sql
        assert alone[2] == 1 and alone[-1] == 1, alone


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_grouped(worlds: tuple[Session, ...], text: str) -> None:
    together, alone = (_seen(world, f"SELECT ({text}) AS k, COUNT(*) AS n FROM rows GROUP BY k") for world in worlds)
    assert together[:2] == alone[:2] and together[-1] == alone[-1]
    assert together[0] != "ExecutionError"


@pytest.mark.parametrize("text", [
    "SUM(f)", "AVG(u)", "SUM(CAST(x AS REAL))", "MEDIAN(f)", "MAX(tz)", "MIN(c)", "SUM(s.k)", "STDDEV(w)", "MAX(u)",
    "AVG(epoch(tz))", "MAX(tz + INTERVAL (n) HOUR)", "SUM(CAST(n AS UTINYINT))", "COUNT(DISTINCT (tz, f, g))", "SEM(f)",
])
def test_aggregated(worlds: tuple[Session, ...], text: str) -> None:
    together, alone = (_seen(world, f"SELECT {text} AS x FROM rows") for world in worlds)
    assert together == alone and alone[2] == 1, alone


def test_values_of_a_float_are_those_it_holds(worlds: tuple[Session, ...]) -> None:
    answer = worlds[1].query("SELECT f, COUNT(*) AS n FROM rows GROUP BY f ORDER BY f", epsilon=1e6, fresh=True)
    assert [row[1] for row in answer.rows] == [12, 0]
