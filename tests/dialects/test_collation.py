"""MySQL and SQL Server usually ignore case, the tables here do not: the answer says so where it may matter."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1000.0
delta = 1e-3
[query]
epsilon = 1.0
delta = 1e-8
[tables.people]
unit = "pid"
keys = ["pid"]
columns.sex = { values = ["f", "m"] }
columns.grade = { values = ["A", "a"] }
[tables.towns]
public = true
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder: Path = tmp_path_factory.mktemp("people")
    with duckdb.connect(folder / "p.duckdb") as connection:
        connection.execute("""CREATE TABLE people AS SELECT i AS pid, ['f', 'm'][1 + i % 2] AS sex, i AS size,
            ['A', 'a'][1 + i % 2] AS grade, ['Bern', 'bern'][1 + i % 2] AS town FROM range(1000) r(i)""")
        connection.execute("CREATE TABLE towns AS SELECT 'Bern' AS town, 3 AS size")
    (folder / "policy.toml").write_text(POLICY)
    return Session(folder / "p.duckdb", folder / "policy.toml")


def warned(people: Session, sql: str, dialect: str) -> bool:
    return any("letter by letter" in warning for warning in people.plan(sql, dialect=dialect).warnings)


@pytest.mark.parametrize("dialect", ["tsql", "mysql", "MySQL"])
@pytest.mark.parametrize("sql", [
    "SELECT COUNT(*) FROM people WHERE town = 'BERN'", "SELECT COUNT(*) FROM people WHERE 'Bern' <> town",
    "SELECT COUNT(*) FROM people WHERE town IN ('Bern', 'Ayr')", "SELECT town, COUNT(*) FROM people GROUP BY town",
    "SELECT t, COUNT(*) FROM (SELECT town AS t FROM people) AS d GROUP BY t", "SELECT DISTINCT town FROM towns",
    "SELECT COUNT(DISTINCT town) FROM people", "SELECT COUNT(*) FROM people p JOIN towns t ON p.town = t.town",
    "SELECT SUM(CASE town WHEN 'Bern' THEN 1 ELSE 0 END) FROM people", "SELECT size FROM towns WHERE town = 'bern'",
    "SELECT COUNT(*) FROM people WHERE sex = 'F'", "SELECT grade, COUNT(*) FROM people GROUP BY grade",
])
def test_case_may_matter(people: Session, sql: str, dialect: str) -> None:
    assert warned(people, sql, dialect)
    assert not warned(people, sql, "postgres") and not warned(people, sql, "sqlite")


@pytest.mark.parametrize("sql", [
    "SELECT COUNT(*) FROM people WHERE LOWER(town) = 'bern'", "SELECT sex, COUNT(*) FROM people GROUP BY sex",
    "SELECT COUNT(*) FROM people WHERE sex = 'f'", "SELECT COUNT(*) FROM people WHERE sex IN ('f', 'm')",
    "SELECT COUNT(*) FROM people WHERE town = '12'", "SELECT COUNT(*) FROM people WHERE size = 3",
    "SELECT COUNT(*) FROM people p JOIN towns t ON p.size = t.size", "SELECT COUNT(*) FROM people",
    "SELECT COUNT(*) FROM people WHERE town LIKE 'b%'", "SELECT SUM(CASE WHEN size > 3 THEN 1 END) FROM people",
])
def test_case_decides_nothing(people: Session, sql: str) -> None:
    assert not warned(people, sql, "tsql") and not warned(people, sql, "mysql")


def test_an_answer_from_the_ledger_warns_too(people: Session) -> None:
    sql = "SELECT COUNT(*) AS n FROM people WHERE town = 'Bern'"
    assert people.query(sql).warnings == ()
    again = people.query(sql, dialect="tsql")
    assert again.replayed and again.cost.epsilon == 0
    assert any("letter by letter" in warning for warning in again.warnings)
