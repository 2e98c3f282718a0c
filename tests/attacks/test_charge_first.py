"""Charge first: whatever stages a query has, its one charge is durable before the first, and outlives each of them."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from dpsql import choose, finish, limits
from dpsql.engines.base import Rows
from dpsql.errors import ExecutionError, InternalError, QueryError
from dpsql.limits import Limit
from dpsql.probe import kept_counted
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1000
delta = 0.1
[query]
epsilon = 1
delta = 1e-4
[tables.people]
unit = "id"
columns.x = { range = [0, 9] }
"""
# and how many statements each runs at least, before its finish: searches, tables of rows, feeds, several questions
STAGES = {
    "SELECT COUNT(*) FROM people": 1, "SELECT k, SUM(x) FROM people GROUP BY k": 3,
    "SELECT MEDIAN(x), COUNT(*) FROM people": 2,
    "SELECT COUNT(*) FROM people WHERE x > (SELECT AVG(x) FROM people)": 2,
    "SELECT (SELECT COUNT(*) FROM people) + (SELECT SUM(x) FROM people WHERE x > (SELECT AVG(x) FROM people))": 3,
}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    with duckdb.connect(tmp_path / "town.duckdb") as connection:
        connection.execute("CREATE TABLE people AS "
                           "SELECT i % 40 AS id, i % 9 AS x, i % 3 AS k, i + 0.5 AS y FROM range(90) t(i)")
    (tmp_path / "policy.toml").write_text(POLICY)
    with Session(tmp_path / "town.duckdb", tmp_path / "policy.toml", tmp_path / "ledger") as opened:
        yield opened


def charges(folder: Path) -> int:
    """The charges that another connection finds in the file."""
    with closing(sqlite3.connect(f"file:{folder}/ledger?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT COUNT(*) FROM entry WHERE kind = 'charge'").fetchone()[0])


def spied(session: Session, folder: Path, fails_at: int = 0) -> list[int]:
    """The charges on record when each statement runs, in whichever database; from one of them on they fail."""
    seen: list[int] = []
    for place in (session.engine, session._scratch):
        def run(*asked: Any, original: Any = place.run) -> Rows:
            seen.append(charges(folder))
            if 0 < fails_at <= len(seen):
                raise ValueError("Robert', 77")
            return original(*asked)

        place.run = run  # type: ignore[assignment]
    return seen


@pytest.mark.parametrize("amount", [np.int64(2**32), np.int64(3), np.int16(256), np.int8(100), np.uint8(200)])
@pytest.mark.parametrize("sql", STAGES)
def test_amounts_of_numpy_are_exact(session: Session, sql: str, amount: Any) -> None:
    """Their integers stayed within fractions, where squares and products wrap: of a charge, or of noise."""
    found, exact = (session.plan(sql, epsilon=each) for each in (amount, int(amount)))
    assert found is exact
    numbers = [number for statement in found.statements for event in statement.spent()
               for number in (event.epsilon, event.rho, event.scale)]
    assert {type(part) for number in numbers for part in (number.numerator, number.denominator)} == {int}


@pytest.mark.parametrize("sql", ["SELECT COUNT(DISTINCT id) FROM people", *STAGES])
def test_an_epsilon_whose_noise_passes_doubles_is_refused(session: Session, sql: str) -> None:
    for epsilon in (5e-324, 1e-300, Fraction(1, 10**400)):
        with pytest.raises(QueryError, match="too small for any answer"):
            session.query(sql, epsilon=epsilon, delta=0 if "GROUP" not in sql else None, quality=True)


@pytest.mark.parametrize("sql", STAGES)
def test_nothing_runs_before_the_charge(session: Session, tmp_path: Path, sql: str) -> None:
    seen = spied(session, tmp_path)
    session.explain(sql)
    session.columns(sql)
    assert not seen and charges(tmp_path) == 0
    session.query(sql)
    assert len(seen) > STAGES[sql] and set(seen) == {1}     # the finish runs too
    assert session.query(sql).replayed and charges(tmp_path) == 1


@pytest.mark.parametrize("sql", STAGES)
def test_a_stage_that_fails_keeps_the_one_charge(session: Session, tmp_path: Path, sql: str) -> None:
    for stage in range(1, STAGES[sql] + 2):
        before, seen = charges(tmp_path), spied(session, tmp_path, stage)
        with pytest.raises(ExecutionError) as failed:
            session.query(sql, fresh=True)
        assert "Robert" not in str(failed.value) and failed.value.__cause__ is failed.value.__context__ is None
        assert len(seen) - stage in (0, 1) and charges(tmp_path) == before + 1
        for place in (session.engine, session._scratch):
            del place.run
    assert not session.query(sql).replayed      # no part of what failed was kept


def test_a_process_killed_in_its_second_stage_has_paid(session: Session, tmp_path: Path) -> None:
    session.close()
    sql = "SELECT COUNT(*) FROM people WHERE x > (SELECT AVG(x) FROM people)"
    dying = f"""
import os
from dpsql.session import Session
with Session("town.duckdb", "policy.toml", "ledger") as session:
    run, stages = session.engine.run, []
    def killed(*asked):
        stages.append(1)
        if len(stages) == 2:
            os.kill(os.getpid(), 9)
        return run(*asked)
    session.engine.run = killed
    session.query({sql!r})
"""
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", dying], cwd=tmp_path, env={"PYTHONPATH": root})
    assert done.returncode == -9 and charges(tmp_path) == 1
    with Session(tmp_path / "town.duckdb", tmp_path / "policy.toml", tmp_path / "ledger") as again:
        assert again.balance().epsilon_spent == 1.0 and not again.query(sql).replayed
        again.ledger.verify()


def test_what_is_too_long_once_bounds_are_chosen_is_not_charged(session: Session, tmp_path: Path) -> None:
    """The statement that counts values once groups are chosen is longer than the one that adds them up."""
    many = ", ".join(f"AVG(x * {i + 1})" for i in range(90))
    with pytest.raises(QueryError, match=r"would run as a statement of|takes more than"):
        session.query(f"SELECT k, {many} FROM people GROUP BY k", epsilon=100)
    assert charges(tmp_path) == 0


def test_what_counts_for_a_limit_on_rows_is_printed_before_the_charge(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is longer than the statement that is run below the limit chosen. Mutant: that one alone is printed."""
    sql = "SELECT COUNT(DISTINCT x) FROM people"
    (statement,) = session.plan(sql).statements
    assert statement.opening is not None
    (table,) = statement.question.tables
    longest = max(len(side.sql) for side in statement.sides)
    assert len(kept_counted(table, statement.opening.catalog)[0]) > longest
    monkeypatch.setattr(limits, "PRINTED", Limit(longest, "too long: {}", ""))
    with pytest.raises(QueryError, match="too long"):
        session.query(sql, epsilon=2)
    assert charges(tmp_path) == 0


OPEN = (
    "SELECT COUNT(*) FROM people", "SELECT k, SUM(x) FROM people GROUP BY k", "SELECT SUM(y * y) FROM people",
    "SELECT k, MEDIAN(x), MAX(y) FROM people GROUP BY k", "SELECT k, COUNT(DISTINCT x) FROM people GROUP BY k",
    "SELECT k, HISTOGRAM(x, [1, 5]) FROM people GROUP BY k", "SELECT STDDEV(y), AVG(x) FROM people",
)


@pytest.mark.parametrize("place", ["first", "last"])
@pytest.mark.parametrize("sql", OPEN)
def test_no_bound_that_is_chosen_is_refused_after_the_charge(
    session: Session, monkeypatch: pytest.MonkeyPatch, sql: str, place: str,
) -> None:
    """Down to an epsilon too small for the widest bounds, which is refused for nothing. Mutant: noise for the narrowest
    bounds alone is looked at."""
    monkeypatch.setattr(choose, "search", lambda above, *given: 0 if place == "first" else len(above) - 1)
    monkeypatch.setattr(choose, "most_gained", lambda counts, *given: 0 if place == "first" else len(counts) - 1)
    said = set()
    for power in (0, 12, 18, 24, 30, 38):
        for delta in ("1e-6", "1e-90", "0"):
            before = session.balance().epsilon_spent
            try:
                said.add(len(session.query(sql, epsilon=Fraction(1, 1 << power), delta=delta, fresh=True).rows) > -1)
            except QueryError:
                said.add(False)
                assert session.balance().epsilon_spent == before
    assert said == {True, False}


def test_what_is_paid_for_does_not_fail_for_its_intervals(session: Session) -> None:
    """Squares of 1e200 pass a double; whatever goes wrong with ends, the rows are there."""
    (row,) = session.query("SELECT COUNT(*) * 1e200 + SUM(x) * 1e200 AS n FROM people").rows
    assert isinstance(row[0], float)
    for broken in (RecursionError, InternalError("no"), KeyError):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(finish, "ends", lambda tree, error=broken: (_ for _ in ()).throw(error))
            answer = session.query("SELECT COUNT(*) AS n FROM people", fresh=True)
            assert len(answer.rows) == 1 and answer.intervals == ((None,),) and answer.noisy == (True,)
