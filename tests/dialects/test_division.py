"""`/` over released values: whole where the dialect's own types are, and never an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.errors import QueryError
from dpsql.session import Session

SCHEMA = """
CREATE TABLE people AS SELECT i AS pid, (i % 7)::INTEGER AS small, i % 7 AS large, (i % 7)::DOUBLE AS real,
    (i % 7)::DECIMAL(9, 2) AS exact, i % 5 AS kind FROM range(1001) r(i);
"""
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e13
delta = 0.5
[query]
epsilon = 1e9
delta = 1e-8
[tables.people]
unit = "pid"
keys = ["pid"]
columns.small = { range = [0, 7] }
columns.large = { range = [0, 7] }
columns.real = { range = [0, 7] }
columns.exact = { range = [0, 7] }
columns.kind = { values = [0, 1, 2, 3, 4] }
"""
WHOLE = ("postgres", "redshift", "tsql", "trino", "presto", "sqlite")
REAL = ("duckdb", "bigquery", "snowflake", "spark", "databricks", "mysql")
SUM, SQUARES = sum(i % 7 for i in range(1001)), sum((i % 7) ** 2 for i in range(1001))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder: Path = tmp_path_factory.mktemp("people")
    with duckdb.connect(folder / "p.duckdb") as connection:
        connection.execute(SCHEMA)
    (folder / "policy.toml").write_text(POLICY)
    with Session(folder / "p.duckdb", folder / "policy.toml") as opened:
        yield opened


def asked(people: Session, item: str, dialect: str) -> object:
    (row,) = people.query(f"SELECT {item} AS x FROM people", dialect=dialect).rows
    return row[0]


@pytest.mark.parametrize("dialect", WHOLE)
@pytest.mark.parametrize(("item", "whole"), [
    ("SUM(small) / COUNT(*)", SUM // 1001), ("COUNT(*) / 2", 500), ("100 * COUNT(large) / (COUNT(*) + 1)", 99),
    ("SUM(small) / SUM(small + 1)", 0), ("SUM(small * small) / COUNT(*)", SQUARES // 1001),
    ("-COUNT(*) / 2", -500), ("COUNT(*) / -2", -500), ("SUM(CASE WHEN small > 3 THEN 1 ELSE 0 END) / COUNT(*)", 0),
    ("MAX(small) / 4", 1), ("COUNT(DISTINCT kind) / 2", 2), ("SUM(COALESCE(small, 0)) / COUNT(*)", SUM // 1001),
])
def test_whole_numbers_are_divided_as_whole_numbers(people: Session, dialect: str, item: str, whole: int) -> None:
    found = asked(people, item, dialect)
    assert isinstance(found, int) and found == whole


@pytest.mark.parametrize("dialect", (*WHOLE, *REAL))
@pytest.mark.parametrize("item", [
    "SUM(real) / COUNT(*)", "SUM(exact) / COUNT(*)", "1.0 * SUM(small) / COUNT(*)",
    "SUM(CAST(small AS DOUBLE PRECISION)) / COUNT(*)",
])
def test_a_fraction_on_one_side_keeps_it(people: Session, dialect: str, item: str) -> None:
    assert asked(people, item, dialect) == pytest.approx(SUM / 1001, rel=1e-6)


@pytest.mark.parametrize("dialect", REAL)
def test_other_dialects_keep_the_fraction(people: Session, dialect: str) -> None:
    assert asked(people, "SUM(small) / COUNT(*)", dialect) == pytest.approx(SUM / 1001)


@pytest.mark.parametrize("item", [
    "SUM(large) / COUNT(*)", "SUM(large * small) / SUM(small)", "SUM(-large) / -COUNT(*)",
    "SUM(small)::numeric / COUNT(*)", "SUM(CASE WHEN large > 0 THEN large ELSE 0 END) / COUNT(*)",
])
def test_a_sum_of_bigint_is_numeric_in_postgres(people: Session, item: str) -> None:
    found = asked(people, item, "postgres")
    assert isinstance(found, float) and found > 2.5
    if "numeric" not in item:
        assert isinstance(asked(people, item, "trino"), int)


@pytest.mark.parametrize("dialect", ["tsql", "redshift"])
def test_the_mean_of_whole_numbers_is_whole(people: Session, dialect: str) -> None:
    assert asked(people, "AVG(small)", dialect) == SUM // 1001
    assert asked(people, "AVG(small) / 2", dialect) == SUM // 1001 // 2
    assert asked(people, "AVG(real)", dialect) == pytest.approx(SUM / 1001, rel=1e-6)
    assert asked(people, "AVG(CAST(small AS FLOAT))", "tsql") == pytest.approx(SUM / 1001, rel=1e-6)
    assert asked(people, "AVG(small)", "postgres") == pytest.approx(SUM / 1001)


@pytest.mark.parametrize("dialect", (*WHOLE, *REAL[1:]))
def test_by_zero_is_null_when_it_is_paid_for(people: Session, dialect: str) -> None:
    assert asked(people, "SUM(small) / (COUNT(*) - COUNT(*))", dialect) is None
    assert asked(people, "SUM(real) / (COUNT(*) - COUNT(*))", dialect) is None


def test_released_tables_windows_and_conditions(people: Session) -> None:
    assert people.query(
        "SELECT s / n AS x FROM (SELECT kind, SUM(small) AS s, COUNT(*) AS n FROM people GROUP BY kind) t "
        "WHERE n / 2 = 100 ORDER BY kind", dialect="postgres"
    ).rows == tuple((sum(i % 7 for i in range(k, 1001, 5)) // len(range(k, 1001, 5)),) for k in range(5))
    assert people.query(
        "SELECT 100 * COUNT(*) / SUM(COUNT(*)) OVER () AS x FROM people GROUP BY kind ORDER BY kind",
        dialect="tsql").rows == ((20,), (19,), (19,), (19,), (19,))
    assert people.query(
        "SELECT COUNT(*) AS n FROM people WHERE small > (SELECT SUM(small) / COUNT(*) FROM people)",
        dialect="postgres").rows[0][0] == sum(i % 7 > SUM // 1001 for i in range(1001))


def test_what_is_no_number_is_refused_at_its_place(people: Session) -> None:
    with pytest.raises(QueryError, match="takes numbers, not BOOLEAN") as refused:
        asked(people, "SUM(small) / (COUNT(*) > 3)", "postgres")
    assert refused.value.start is not None
