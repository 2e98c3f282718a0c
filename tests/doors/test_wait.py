"""Ctrl-C stops what runs, and tells what became of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dpsql.doors import wait as waiting
from dpsql.doors.wait import wait
from dpsql.errors import ExecutionError, QueryError
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 10
[query]
epsilon = 1
[tables.people]
unit = "id"
[tables.numbers]
public = true
"""
ENDLESS = "SELECT COUNT(*) FROM {0} a, {0} b, {0} c, {0} d, {0} e WHERE (a.i * b.i + c.i * d.i) % 7 = e.i"


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_what_work_returns_and_raises() -> None:
    before = signal.getsignal(signal.SIGINT)
    assert wait(lambda: 3, press) == 3
    with pytest.raises(QueryError, match="no"):
        wait(lambda: (_ for _ in ()).throw(QueryError("no")), press)
    assert signal.getsignal(signal.SIGINT) is before


def interrupted(end: Callable[[], int]) -> tuple[Callable[[], int], Callable[[], None]]:
    """Work that is interrupted at once, waits to be stopped, and then ends as said; and what stops it."""
    stopped = threading.Event()

    def work() -> int:
        press()
        assert stopped.wait(60)
        return end()

    return work, stopped.set


def test_a_cancelled_query_is_no_failed_query() -> None:
    def fail() -> int:
        raise ExecutionError

    with pytest.raises(KeyboardInterrupt):
        wait(*interrupted(fail))


def test_an_answer_that_was_paid_is_not_thrown_away() -> None:
    assert wait(*interrupted(lambda: 7)) == 7


def test_after_a_while_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    done = threading.Event()

    class Said:
        def __enter__(self) -> Callable[[str], None]:
            return self.say

        def __exit__(self, *_: object) -> None:
            said.append("gone")

        def say(self, text: str) -> None:
            said.append(text)
            done.set()

    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "busy", lambda text: Said())
    assert wait(lambda: done.wait(60), lambda: None)
    assert "Ctrl-C cancels" in said[0] and said[-1] == "gone"


@pytest.mark.parametrize("table", ["people", "numbers"])
def test_the_engine_and_the_finish_are_stopped_and_go_on_working(table: str, tmp_path: Path) -> None:
    """A private query that would take hours stops, stays charged, and the session answers the next one."""
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute("CREATE TABLE people AS SELECT 0 AS id, i FROM range(100000) r(i)")
        connection.execute("CREATE TABLE numbers AS SELECT i FROM range(100000) r(i)")
    (tmp_path / "policy.toml").write_text(POLICY)
    with Session(tmp_path / "d.duckdb", tmp_path / "policy.toml") as session:
        own = " AND ".join(f"a.id = {other}.id" for other in "bcde")
        sql = ENDLESS.format(table) + (f" AND {own}" if table == "people" else "")
        charge = 1.0 if table == "people" else 0.0

        def work() -> object:
            threading.Thread(target=press_after).start()
            return session.query(sql)

        def press_after() -> None:
            while session.balance().epsilon_spent < charge:
                pass
            press()

        with pytest.raises(KeyboardInterrupt):
            wait(work, session.interrupt)
        assert session.balance().epsilon_spent == charge
        assert len(session.query(f"SELECT COUNT(*) AS n FROM {table}").rows) == 1


def test_elsewhere_than_in_the_main_thread_it_only_works() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(wait(lambda: 5, press)))
    thread.start()
    thread.join()
    assert found == [5]
