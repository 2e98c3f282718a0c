"""Whether somebody stated a range, or only a type did: then what one person adds is chosen privately."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1.0
[query]
epsilon = 1.0
[limits]
max_rows_per_group = 10
[tables.people]
unit = "pid"
keys = ["pid"]
columns.age = { range = [0, 110] }
columns.born = { range = [1920-01-01, 2020-12-31] }
[tables.calls]
owner = "pid -> people.pid"
columns.paid = { range = [0, 100000] }
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder: Path = tmp_path_factory.mktemp("people")
    with duckdb.connect(folder / "p.duckdb") as connection:
        connection.execute("CREATE TABLE people (pid INT, age INT, size INT, born DATE, moved DATE, name VARCHAR)")
        connection.execute("CREATE TABLE calls (pid INT, began TIMESTAMP, paid INT, length BIGINT, words VARCHAR[])")
    (folder / "policy.toml").write_text(POLICY)
    return Session(folder / "p.duckdb", folder / "policy.toml")


def chosen(session: Session, expression: str, source: str) -> bool:
    return "t chosen from" in str(session.explain(f"SELECT SUM({expression}) AS n FROM {source}"))


@pytest.mark.parametrize(("expression", "source"), [
    ("length(name)", "people"), ("strpos(name, 'x')", "people"), ("CAST(name AS INT)", "people"),
    ("CAST(name AS BIGINT)", "people"), ("len(words)", "calls"), ("size + 1", "people"), ("length * 2", "calls"),
    ("year(moved)", "people"), ("date_diff('day', moved, DATE '2025-01-01')", "people"), ("born - moved", "people"),
    ("date_diff('hour', began, TIMESTAMP '2025-01-01')", "calls WHERE began > '2025-01-01'"),
    ("x", "(SELECT pid, MAX(length) - MIN(length) AS x FROM calls GROUP BY pid)"),
    ("x", "(SELECT pid, date_diff('day', MIN(began), MAX(began)) AS x FROM calls GROUP BY pid)"),
    ("x", "(SELECT pid, date_diff('day', LAG(began) OVER (PARTITION BY pid ORDER BY began), began) AS x FROM calls)"),
    ("x", "(SELECT pid, length(name) * 2 AS x FROM people)"), ("CASE WHEN age > 9 THEN size ELSE 0 END", "people"),
])
def test_a_type_is_no_range(session: Session, expression: str, source: str) -> None:
    assert chosen(session, expression, source)


@pytest.mark.parametrize(("expression", "source"), [
    ("age", "people"), ("2025 - year(born)", "people"), ("date_diff('day', born, DATE '2025-01-01')", "people"),
    ("month(moved)", "people"), ("size % 10", "people"), ("LEAST(length(name), 20)", "people"),
    ("CASE name WHEN 'x' THEN 100000 ELSE 0 END", "people"), ("CASE WHEN name = 'x' THEN 99999 END", "people"),
    ("date_diff('day', began, DATE '2025-02-01')", "calls WHERE began BETWEEN '2025-01-01' AND '2025-01-31'"),
    ("x", "(SELECT pid, MAX(paid) AS x FROM calls GROUP BY pid)"), ("paid * 2 - 1", "calls"),
    ("x", "(SELECT pid, length(name) % 7 AS x FROM people)"), ("size", "people WHERE size BETWEEN 0 AND 300"),
])
def test_a_stated_range_is_taken(session: Session, expression: str, source: str) -> None:
    assert not chosen(session, expression, source)
