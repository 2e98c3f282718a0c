"""`dialect` goes through every door."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import dpsql
from dpsql.doors.cli import main
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 100.0
delta = 1e-6
[query]
epsilon = 1.0
[tables.people]
unit = "pid"
keys = ["pid"]
"""
SQL = "SELECT COUNT(*) AS [n] FROM [people] WHERE [name] LIKE 'P%'"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    database, policy = tmp_path / "p.duckdb", tmp_path / "policy.toml"
    with duckdb.connect(database) as connection:
        connection.execute("CREATE TABLE people AS SELECT i AS pid, 'p' || i AS name FROM range(1000) r(i)")
    policy.write_text(POLICY)
    return database, policy


def near(value: object) -> bool:
    """Noise of scale 1 passes 100 with probability below 1e-43."""
    return isinstance(value, int) and abs(value - 1000) < 100


def test_session(files: tuple[Path, Path]) -> None:
    with Session(*files) as session:
        assert "ILIKE" in session.explain(SQL, dialect="tsql").rewritten
        assert near(session.query(SQL, dialect="tsql").rows[0][0])
        assert [name for name, _ in session.columns(SQL, dialect="tsql")] == ["n"]


def test_the_same_text_in_two_dialects_is_two_plans(files: tuple[Path, Path]) -> None:
    sql = "SELECT COUNT(*) AS n FROM people WHERE name LIKE 'P%'"
    with Session(*files) as session:
        assert session.plan(sql, dialect="tsql").key != session.plan(sql).key
        assert session.plan(sql, dialect="postgres").key == session.plan(sql).key


def test_python_and_dbapi(files: tuple[Path, Path]) -> None:
    database, policy = files
    assert near(dpsql.query(SQL, database=database, policy=policy, dialect="tsql").rows[0][0])
    dpsql.doors.python.close()
    connection = dpsql.connect(database=database, policy=policy, dialect="tsql")
    cursor = connection.cursor()
    assert near(cursor.execute(SQL).fetchall()[0][0])
    assert cursor.describe(SQL)[0][0] == "n"
    connection.close()


def test_command_line(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--database", str(files[0]), "--policy", str(files[1]), "--dialect", "tsql"]
    assert main(["explain", SQL, *place]) == 0
    assert "ILIKE" in capsys.readouterr().out
    assert main(["query", SQL, *place, "--format", "csv"]) == 0
    assert near(int(capsys.readouterr().out.splitlines()[1].split(",")[0]))
