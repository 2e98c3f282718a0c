"""Values, names and prices that are nearly the same: none takes the place of another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from neighbours import distances, recorded

from dpsql.errors import BudgetError
from dpsql.session import Session

# What DuckDB's Python client shows as one: an end of time is the last day there, 24:00 is midnight, -0.0 equals 0.0.
TWINS = {
    "DATE": ("9999-12-31", "infinity", "[9999-12-31, 2020-01-01]"),
    "TIMESTAMP": ("9999-12-31 23:59:59.999999", "infinity", "[9999-12-31T23:59:59.999999, 2020-01-01]"),
    "TIMESTAMPTZ": ("9999-12-31 23:59:59.999999+00", "infinity", "[9999-12-31T23:59:59.999999, 2020-01-01]"),
    "TIME": ("00:00:00", "24:00:00", "[00:00:00, 12:00:00]"), "DOUBLE": ("0.0", "-0.0", "[0.0, 1.5]"),
    "VARCHAR": ("a", "a ", "['a', 'A']"), "DECIMAL(4, 1)": ("9.0", "-9.0", "[9, 1]"),
}
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 0.5
[query]
epsilon = 1
delta = 1e-7
[analysts.ann]
epsilon = 100
[analysts.bob]
epsilon = 3
[tables.people]
unit = "id"
keys = ["id"]
"""


def opened(folder: Path, type_: str, values: str, twin: bool) -> Session:
    """A thousand people of one value, and one of its twin."""
    folder.mkdir()
    one, other, _ = TWINS[type_]
    with duckdb.connect(folder / "x.duckdb") as connection:
        connection.execute(
            f"CREATE TABLE people AS SELECT i AS id, CAST('{one}' AS {type_}) AS k FROM range(1000) t(i)")
        if twin:
            connection.execute(f"INSERT INTO people VALUES (5000, CAST('{other}' AS {type_}))")
    (folder / "p.toml").write_text(POLICY + (f"columns.k = {{ values = {values} }}\n" if values else ""))
    return Session(folder / "x.duckdb", folder / "p.toml")


@pytest.mark.parametrize("listed", [True, False], ids=["public", "private"])
@pytest.mark.parametrize("type_", TWINS)
def test_a_lone_twin_hides_no_crowd(tmp_path: Path, type_: str, listed: bool) -> None:
    """Were both one key in Python, the row of a single person would stand for that of a thousand."""
    values = TWINS[type_][2] if listed else ""
    session, neighbour = (opened(tmp_path / str(twin), type_, values, twin) for twin in (True, False))
    for sql in ("SELECT k, COUNT(*) AS n FROM people GROUP BY k", "SELECT k, COUNT(id), SUM(1) FROM people GROUP BY 1"):
        with recorded() as ran:
            answer = session.query(sql, analyst="ann", epsilon=20)
        assert [each for one in ran for each in distances(one, session, neighbour)] == []
        assert max(int(str(row[1])) for row in answer.rows) > 900
        assert len({repr(row[0]) for row in answer.rows}) == len(answer.rows)
    for each in (session, neighbour):
        each.close()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with opened(tmp_path / "x", "VARCHAR", "", True) as found:
        yield found


@pytest.mark.parametrize("name", ["Ann", "ANN", "ann ", " ann", "ann\n", "ann\x00", "аnn", "", "bob,ann", None, 7])
def test_no_other_name_is_an_analyst(session: Session, name: object) -> None:
    with pytest.raises(BudgetError):
        session.query("SELECT COUNT(*) FROM people", analyst=name)  # type: ignore[arg-type]
    assert session.balance().epsilon_spent == 0


def test_what_is_asked_otherwise_is_bought_again(session: Session) -> None:
    """Another level of confidence, column or price is another answer; the same plan is the same one, to anybody."""
    sql = "SELECT COUNT(*) AS n FROM people WHERE k = 'a'"
    first = session.query(sql, analyst="ann")
    for text, asked in ((sql, {"level": 0.5}), (sql, {"level": 0.99}), (sql, {"epsilon": "0.5"}),
                        (sql.replace("n FROM", "m FROM"), {}), (sql.replace("'a'", "'a '"), {}),
                        (sql.replace("*", "id"), {"epsilon": "1.0000000000000000000000000001"})):
        assert not session.query(text, analyst="ann", **asked).replayed, (text, asked)  # type: ignore[arg-type]
    for text, given in ((sql, {"level": "0.95"}), (sql, {"dialect": "postgres"}), (sql, {"delta": "1e-9"}),
                        (sql.replace("'a'", "?"), {"params": ["a"]})):
        again = session.query(text, analyst="ann", **given)  # type: ignore[arg-type]
        assert again.replayed and again.rows == first.rows and again.cost.epsilon == 0
    spent = session.balance().epsilon_spent
    theirs = session.query(sql, analyst="bob")
    assert theirs.rows == first.rows and theirs.cost.epsilon == 1 and session.balance().epsilon_spent == spent
    assert session.query(sql, analyst="bob").cost.epsilon == 0 and session.balance("bob").epsilon_spent == 1


def test_a_replay_passes_no_allowance(session: Session) -> None:
    """What somebody else bought costs its price; beyond an allowance it is not shown."""
    for i in range(5):
        session.query(f"SELECT COUNT(*) AS n{i} FROM people", analyst="ann")
    for i in range(3):
        session.query(f"SELECT COUNT(*) AS n{i} FROM people", analyst="bob")
    with pytest.raises(BudgetError):
        session.query("SELECT COUNT(*) AS n4 FROM people", analyst="bob")
    assert session.query("SELECT COUNT(*) AS n0 FROM people", analyst="bob").replayed
