"""People named by values of every type: two that the engine tells apart are two, one spelled in two ways is refused."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from neighbours import distances, recorded

from dpsql.errors import PolicyError, QueryError
from dpsql.session import Session

_POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 0.5
[query]
epsilon = 1.0
delta = 1e-6
[limits]
max_groups = 2
max_rows_per_group = 2
[tables.people]
unit = "id"
{keys}
columns.x = {{ range = [0, 10] }}
[tables.visits]
owner = "pid -> people.id"
columns.y = {{ range = [0, 10] }}
[tables.labs]
owner = "vid -> visits.vid"
"""
# the type of a unit, and values of it
NAMED = {
    "UUID": ["'00000000-0000-0000-0000-000000000001'", "'ffffffff-0000-0000-0000-000000000001'"],
    "HUGEINT": ["1", "170141183460469231731687303715884105727", "-170141183460469231731687303715884105727"],
    "UBIGINT": ["18446744073709551615", "18446744073709551614", "0"], "TINYINT": ["-128", "127"],
    "DECIMAL(38, 10)": ["1.0000000000", "1.0000000001", "-1"], "DECIMAL(38, 0)": ["1" + "0" * 36, "1" + "0" * 35 + "1"],
    "VARCHAR": ["'\u00e9'", "'e\u0301'", "'a'", "'a '", "'A'", "''", "'1'", "'01'", "'1.0'", "'NULL'"],
    "ENUM('b', 'a')": ["'a'", "'b'"], "BOOLEAN": ["true", "false"],
    "DATE": ["'2020-01-01'", "'infinity'", "'-infinity'", "'5881580-07-10'", "'5877642-06-25 (BC)'"],
    "TIME": ["'00:00:00'", "'24:00:00'", "'23:59:59.999999'"],
    "TIMESTAMPTZ": ["'2020-01-01 00:00:00+00'", "'2020-01-01 00:00:00+01'", "'infinity'"],
    "TIMESTAMP": ["'2020-01-01 00:00:00.000001'", "'2020-01-01'", "'infinity'", "'294247-01-10 04:00:54.775806'"],
}
MIXED = {       # the types of a unit and of a reference to it, which are compared exactly
    ("ENUM('b', 'a')", "VARCHAR"): (["'a'", "'b'"], ["'a'", "'b'", "'A'"]),
    ("ENUM('b', 'a')", "ENUM('a', 'b', 'c')"): (["'a'", "'b'"], ["'a'", "'b'", "'c'"]),
    ("TIMESTAMPTZ", "TIMESTAMP"): (["'2020-01-01 00:00:00+01'"], ["'2019-12-31 23:00:00'", "'2020-01-01'"]),
    ("UBIGINT", "BIGINT"): (["18446744073709551615", "1"], ["1", "-1"]),
    ("TINYINT", "HUGEINT"): (["-128", "127"], ["127", "128", "170141183460469231731687303715884105727"]),
}
REFUSED = (
    ("UUID", "VARCHAR"), ("VARCHAR", "UUID"), ("DOUBLE", "DOUBLE"), ("FLOAT", "FLOAT"), ("BIGINT", "DOUBLE"),
    ("DOUBLE", "BIGINT"), ("INTEGER", "VARCHAR"), ("VARCHAR", "INTEGER"), ("DECIMAL(10, 2)", "BIGINT"),
    ("BIGINT", "DECIMAL(10, 0)"), ("DECIMAL(10, 2)", "DECIMAL(12, 2)"), ("DECIMAL(38, 0)", "DECIMAL(38, 10)"),
    ("VARCHAR COLLATE NOCASE", "VARCHAR"), ("VARCHAR", "VARCHAR COLLATE NOCASE"), ("BOOLEAN", "INTEGER"),
    ("DATE", "TIMESTAMP"), ("TIMESTAMP", "DATE"), ("TIMESTAMP_NS", "TIMESTAMP_NS"), ("TIMESTAMP", "TIMESTAMP_NS"),
    ("TIMESTAMP_S", "TIMESTAMP_S"), ("TIMESTAMP_MS", "TIMESTAMP_MS"), ("TIMESTAMPTZ", "TIMESTAMP_NS"),
    ("BLOB", "BLOB"), ("BIT", "BIT"), ("INTERVAL", "INTERVAL"), ("UHUGEINT", "UHUGEINT"), ("BIGNUM", "BIGNUM"),
    ("STRUCT(a INTEGER)", "STRUCT(a INTEGER)"), ("INTEGER[]", "INTEGER[]"), ("JSON", "JSON"),
)
QUERIES = (
    "SELECT COUNT(*), SUM(y) FROM visits", "SELECT COUNT(*), SUM(x) FROM people", "SELECT COUNT(*) FROM labs",
    "SELECT SUM(y + x) FROM visits JOIN people ON pid = id", "SELECT y, COUNT(*), SUM(y) FROM visits GROUP BY y",
    "SELECT COUNT(DISTINCT pid) FROM visits", "SELECT MEDIAN(y), COUNT(DISTINCT y) FROM visits",
    "SELECT COUNT(*) FROM labs JOIN visits USING (vid) JOIN people ON id = pid",
    "SELECT COUNT(*) FROM people WHERE EXISTS (SELECT 1 FROM visits WHERE pid = id)",
    "SELECT n, COUNT(*) FROM (SELECT pid, COUNT(*) AS n FROM visits GROUP BY pid) GROUP BY n",
)


def opened(folder: Path, types: tuple[str, str], values: tuple[list[str], list[str]], without: str = "") -> Session:
    """Two rows of each unit, three visits of each reference, one lab a visit; rows of `without` are taken out."""
    folder.mkdir()
    unit, reference = types
    with duckdb.connect(folder / "people.duckdb") as connection:
        connection.execute(f"CREATE TABLE people(id {unit}, x INTEGER); CREATE TABLE labs(vid INTEGER, z INTEGER); "
                           f"CREATE TABLE visits(vid INTEGER, pid {reference}, y INTEGER)")
        for i, value in enumerate(values[0]):
            connection.execute(f"INSERT INTO people VALUES ({value}, {i}), ({value}, {i + 1})")
        for i, value in enumerate(values[1]):
            connection.execute(f"INSERT INTO visits SELECT {10 * i} + j, {value}, ({i} + j) % 5 FROM range(3) AS t(j)")
        connection.execute("INSERT INTO labs SELECT vid, 1 FROM visits")
        if without:
            mine = f"(SELECT vid FROM visits WHERE pid = CAST({without} AS {unit}))"
            connection.execute(f"DELETE FROM labs WHERE vid IN {mine}; DELETE FROM visits WHERE vid IN {mine}; "
                               f"DELETE FROM people WHERE id = CAST({without} AS {unit})")
    (folder / "policy.toml").write_text(_POLICY.format(keys=""))
    return Session(folder / "people.duckdb", folder / "policy.toml", folder / "ledger")


@pytest.mark.parametrize("types", [(name, name) for name in NAMED] + list(MIXED), ids=" for ".join)
def test_one_person_changes_no_more_than_one_may(types: tuple[str, str], tmp_path: Path) -> None:
    values = MIXED.get(types) or (NAMED[types[0]], NAMED[types[0]])
    session = opened(tmp_path / "all", types, values)
    neighbours = {value: opened(tmp_path / str(i), types, values, value) for i, value in enumerate(values[0])}
    for sql in QUERIES:
        with recorded() as ran:
            session.query(sql)
        assert ran
        for value, neighbour in neighbours.items():
            assert [each for one in ran for each in distances(one, session, neighbour)] == [], (sql, value)
    for each in (session, *neighbours.values()):
        each.close()


@pytest.mark.parametrize("types", REFUSED, ids=" for ".join)
def test_what_names_nobody_for_sure(types: tuple[str, str], tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"tables\.(people\.unit|visits\.owner)"):
        opened(tmp_path / "all", types, ([], []))


def test_a_join_of_other_decimals_says_nothing_of_people(tmp_path: Path) -> None:
    """One of them would be cast, which may round two people into one, or fail for one."""
    with duckdb.connect(tmp_path / "people.duckdb") as connection:
        connection.execute("CREATE TABLE people(id DECIMAL(38, 0), alias DECIMAL(38, 10), x INTEGER); "
                           "CREATE TABLE labs(vid INTEGER, z INTEGER); "
                           "CREATE TABLE visits(vid INTEGER, pid DECIMAL(38, 0), y INTEGER)")
    (tmp_path / "policy.toml").write_text(_POLICY.format(keys=""))
    with Session(tmp_path / "people.duckdb", tmp_path / "policy.toml") as session:
        with pytest.raises(QueryError, match="joined without saying"):
            session.plan("SELECT COUNT(*) FROM visits JOIN people ON pid = alias")
        assert session.plan("SELECT COUNT(*) FROM visits JOIN people ON pid = id").statements
