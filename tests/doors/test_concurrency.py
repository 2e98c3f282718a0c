"""Many threads and many tasks over one session: every answer is right, and the ledger adds up to the last digit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

import dpsql

THREADS, TASKS, PEOPLE = 16, 100, 1000
PRICE = 64.0       # noise beyond half a person has a probability of exp(-32) or less
POLICY = """
version = "1"
unit = "people"
budget = { epsilon = 100000.0 }
query = { epsilon = 64.0 }
tables.people = { unit = "id", keys = ["id"] }
tables.towns = { public = true }
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[dpsql.Session]:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as owner:
        owner.execute(f"CREATE TABLE people AS SELECT i AS id FROM range({PEOPLE}) t(i)")
        owner.execute("CREATE TABLE towns AS SELECT i AS town FROM range(7) t(i)")
    (tmp_path / "policy.toml").write_text(POLICY)
    with dpsql.Session(tmp_path / "d.duckdb", tmp_path / "policy.toml") as opened:
        yield opened


def _count(session: dpsql.Session, below: int, *, fresh: bool = False) -> object:
    answer = session.query("SELECT COUNT(*) AS n FROM people WHERE id < ?", params=[below], fresh=fresh)
    return answer.rows[0][0]


def test_threads_over_one_session(session: dpsql.Session) -> None:
    together = threading.Barrier(THREADS)

    def work(number: int) -> None:
        together.wait()
        for step in range(4):
            below = 1 + number * 4 + step
            assert _count(session, below) == below
            assert session.query("SELECT COUNT(*) AS n FROM towns").rows == ((7,),)
            with pytest.raises(dpsql.QueryError):
                session.query("SELECT id FROM people")
            assert session.columns("SELECT COUNT(*) AS n FROM people") == (("n", "BIGINT"),)
            assert _count(session, below) == below       # a replay

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    entries = session.ledger.entries()
    assert len([entry for entry in entries if entry.kind == "charge"]) == THREADS * 4
    assert session.balance().epsilon_spent == THREADS * 4 * PRICE
    session.ledger.verify()


def test_threads_over_one_connection(session: dpsql.Session) -> None:
    connection = dpsql.Connection(session)

    def work(number: int) -> list[tuple[object, ...]]:
        with connection.cursor() as cursor:
            return cursor.execute("SELECT COUNT(*) AS n FROM people WHERE id < $x", {"x": number}).fetchall()

    with ThreadPoolExecutor(THREADS) as pool:
        assert list(pool.map(work, range(1, 51))) == [[(number,)] for number in range(1, 51)]
    assert session.balance().epsilon_spent == 50 * PRICE


def test_tasks_over_one_session(session: dpsql.Session) -> None:
    async def all_of_them() -> list[object]:
        return await asyncio.gather(*(asyncio.to_thread(_count, session, 1 + i, fresh=True) for i in range(TASKS)))

    assert asyncio.run(all_of_them()) == [1 + i for i in range(TASKS)]
    assert session.balance().epsilon_spent == TASKS * PRICE
    session.ledger.verify()


def test_one_question_from_everybody_at_once(session: dpsql.Session) -> None:
    """Those who ask before it is answered may each pay; whoever asks after that does not."""
    with ThreadPoolExecutor(THREADS) as pool:
        assert set(pool.map(lambda _: _count(session, 500), range(TASKS))) == {500}
    charges = session.balance().epsilon_spent / PRICE
    assert 1 <= charges <= THREADS and charges == int(charges)
    assert _count(session, 500) == 500 and session.balance().epsilon_spent == charges * PRICE


def test_the_last_of_the_budget_is_sold_once(session: dpsql.Session) -> None:

    def work(number: int) -> bool:
        try:
            session.query("SELECT COUNT(*) AS n FROM people WHERE id < ?", params=[number + 1], epsilon=30000)
        except dpsql.BudgetError:
            return False
        return True

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(work, range(THREADS))) == 3
    assert session.balance().epsilon_spent == 90000
