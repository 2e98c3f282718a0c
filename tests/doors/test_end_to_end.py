"""Every door over a real session: a database of a few people, a policy, a ledger."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import dpsql
from dpsql.doors import python
from dpsql.doors.cli import main

COUNT = "SELECT city, COUNT(*) AS n FROM people GROUP BY city ORDER BY city"
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 4.0
delta = 1e-6
[query]
epsilon = 1.0
delta = 1e-8
[analysts.alice]
epsilon = 2.0
[analysts.bob]
epsilon = 2.0
[tables.people]
unit = "id"
keys = ["id"]
columns.age = { range = [0, 120] }
columns.city.values = ["Oslo", "Rome"]
[tables.cities]
public = true
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with duckdb.connect(str(tmp_path / "town.duckdb")) as owner:
        owner.execute("CREATE TABLE people AS SELECT i AS id, i % 80 AS age, "
                      "CASE WHEN i % 3 = 0 THEN 'Oslo' ELSE 'Rome' END AS city FROM range(3000) AS t(i)")
        owner.execute("CREATE TABLE cities AS SELECT * FROM (VALUES ('Oslo', 1.5), ('Rome', NULL)) AS t(city, rain)")
    (tmp_path / "policy.toml").write_text(POLICY)
    for name in ("POLICY", "LEDGER"):
        monkeypatch.delenv(f"DPSQL_{name}", raising=False)
    monkeypatch.setenv("DPSQL_DATABASE", str(tmp_path / "town.duckdb"))
    monkeypatch.setenv("DPSQL_ANALYST", "alice")
    yield tmp_path
    python.close()


def test_query(folder: Path) -> None:
    answer = dpsql.query(COUNT)
    assert answer.columns == ("city", "n") and [row[0] for row in answer.rows] == ["Oslo", "Rome"]
    for (_, n), (_, interval), truth in zip(answer.rows, answer.intervals, (1000, 2000), strict=True):
        assert isinstance(n, int) and abs(n - truth) < 200 and interval is not None
    assert answer.cost.epsilon == 1.0 and answer.balance is not None and answer.balance.epsilon_left == 1.0
    again = dpsql.query(COUNT)
    assert again.replayed and again.rows == answer.rows and again.cost.epsilon == 0 and "replay, free" in str(again)
    assert dpsql.query(COUNT, fresh=True).balance.epsilon_left == 0.0  # type: ignore[union-attr]
    with pytest.raises(dpsql.BudgetError):
        dpsql.query(COUNT, fresh=True)
    assert dpsql.query(COUNT).replayed


def test_a_session_says_that_it_is_closed_and_what_a_policy_is(folder: Path) -> None:
    session = dpsql.Session(folder / "town.duckdb", folder / "policy.toml")
    session.query(COUNT, analyst="alice")
    session.close()
    for ask in (session.query, session.explain, session.columns):
        with pytest.raises(dpsql.InterfaceError, match="the session is closed"):
            ask(COUNT, analyst="alice")
    with pytest.raises(dpsql.OpenError, match="path of a TOML file, not dict"):
        dpsql.Session(folder / "town.duckdb", {"version": "1"})  # type: ignore[arg-type]


def test_public_tables_are_exact_and_free(folder: Path) -> None:
    answer = dpsql.query("SELECT city, rain FROM cities ORDER BY city")
    assert answer.rows[1] == ("Rome", None) and answer.cost.epsilon == 0
    assert str(answer).endswith("exact: public tables only, free")


def test_after_close_the_owner_may_write(folder: Path) -> None:
    dpsql.query(COUNT)
    python.close()
    with duckdb.connect(str(folder / "town.duckdb")) as owner:
        owner.execute("INSERT INTO people VALUES (3000, 1, 'Rome')")


def test_parameters_in_every_door(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "SELECT COUNT(*) AS n FROM people WHERE city = ? AND age < ?"
    rows = dpsql.query(sql, params=["Oslo", 40], epsilon=0.5).rows
    with dpsql.connect(epsilon=0.5) as connection:
        cursor = connection.cursor().execute(sql, ("Oslo", 40))
        assert cursor.fetchall() == list(rows) and cursor.answer is not None and cursor.answer.replayed
    assert main(["query", sql, "--param", "Oslo", "--param", "40", "-e", "0.5", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith(f"{rows[0][0]},") and err.startswith("replay, free")


def test_stored_answers_are_the_same_in_another_process_run(folder: Path) -> None:
    sql = "SELECT AVG(age) AS a, SUM(age) AS s FROM people"
    first = dpsql.query(sql)
    python.close()
    second = dpsql.query(sql)
    assert second.replayed and second.rows == first.rows and second.intervals == first.intervals
    assert second.types == first.types and second.noisy == first.noisy


def test_budget(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", COUNT]) == 0
    assert main(["budget"]) == 0
    shown = capsys.readouterr().out
    assert "write ledger = " in shown and COUNT[:40] in shown and "what was spent proves" in shown
    assert main(["budget", "raise", "--analyst", "alice", "--epsilon", "0.3"]) == 1
    assert main(["budget", "raise", "--analyst", "alice", "--epsilon", "2.5"]) == 0
    assert main(["budget", "raise"]) == 1
    capsys.readouterr()
    assert main(["budget", "verify"]) == 0 and "is sound" in capsys.readouterr().out
    assert main(["budget", "backup", str(folder / "copy")]) == 0 and main(["budget", "backup"]) == 1
    assert main(["budget", "move", str(folder / "elsewhere")]) == 0
    assert main(["query", COUNT]) == 1
    assert main(["query", COUNT, "--ledger", str(folder / "elsewhere")]) == 0
    assert "replay, free · 1 of 2.5 used" in capsys.readouterr().out
    assert main(["budget", "restore", str(folder / "copy"), "--ledger", str(folder / "third")]) == 0
    assert main(["budget", "entries", "--ledger", str(folder / "third")]) == 0
    assert "restore" in capsys.readouterr().out


def test_init_and_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = str(folder / "town.duckdb")
    assert main(["init", database]) == 0 and "[tables.people]" in capsys.readouterr().out
    assert main(["init", database, "-o", str(folder / "new.toml")]) == 0 and (folder / "new.toml").exists()
    assert main(["init", database, "-o", str(folder / "policy.toml")]) == 1
    assert capsys.readouterr().err.startswith(f"error: {folder / 'policy.toml'} is there already: name")
    assert (folder / "policy.toml").read_text() == POLICY
    assert main(["check"]) == 0 and "owner's eyes only" in capsys.readouterr().out


def test_shell(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(
        f"\\d people\n{COUNT};\nSELECT * FROM people;\n\\explain {COUNT};\n\\budget\n"))
    assert main(["shell"]) == 1
    out, err = capsys.readouterr()
    assert "age     BIGINT   range [0, 120]" in out and "\nalice       1              1     2 " in out
    assert err.startswith("error in the statement at line 3: ") and "\nline 1: SELECT * FROM people\n" in err
    assert "cost: epsilon 1, delta 0" in out


def test_explain_costs_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", COUNT]) == 0
    assert "rewritten" in capsys.readouterr().out
    with dpsql.Session(folder / "town.duckdb", folder / "policy.toml") as session:
        assert session.balance("alice").epsilon_spent == 0
