"""dpsql.query: sessions are kept, reopened when a file changed, and never closed under somebody's feet."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import dpsql
from dpsql.doors import python

Opened = list[tuple[python.Place, Any]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, session: Any, tmp_path: Path) -> Iterator[Opened]:
    found: Opened = []

    def open_(where: python.Place) -> Any:
        found.append((where, type(session)(session.policy, session.schema)))
        return found[-1][1]

    monkeypatch.setattr(python, "_open", open_)
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b", "p"):
        Path(name).write_text(name)
    yield found
    python.close()


def ask(database: Any = "a", **options: Any) -> dpsql.Answer:
    return dpsql.query("SELECT 1", database=database, policy="p", **options)


def test_options_travel(opened: Opened) -> None:
    ask(ledger="l", analyst="alice", epsilon=0.5, delta=1e-9, params=[1], fresh=True, dialect="mysql", level=0.9,
        quality=True)
    where, session = opened[0]
    assert where == python.Place(Path("a"), Path("p"), Path("l"), "alice")
    assert session.asked == [
        ("SELECT 1", {
            "analyst": "alice", "epsilon": 0.5, "delta": 1e-9, "params": [1], "fresh": True, "dialect": "mysql",
            "error": None, "level": 0.9, "quality": True})]


def test_sessions_are_kept(opened: Opened) -> None:
    ask()
    ask(Path("./a").absolute(), analyst="bob")
    assert len(opened) == 1
    ask("b")
    ask(ledger="l")
    assert len(opened) == 3


def test_a_changed_file_opens_anew(opened: Opened) -> None:
    ask()
    os.utime("p", ns=(1, 1))
    ask()
    Path("a").write_text("longer")
    ask()
    assert len(opened) == 3


def test_connections_are_told_apart(opened: Opened) -> None:
    one, other = object(), object()
    ask(one)
    ask(other)
    ask(one)
    assert len(opened) == 2


def test_the_oldest_is_closed(opened: Opened) -> None:
    for ledger in ("0", "1", "2", "3", "0", "4"):
        ask(ledger=ledger)
    assert [session.closed for _, session in opened] == [False, True, False, False, False]
    python.close()
    assert all(session.closed for _, session in opened)
    ask(ledger="0")
    assert len(opened) == 6


def test_nobody_is_interrupted(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    ask()
    session = opened[0][1]
    begun, go = threading.Event(), threading.Event()

    def slow(sql: str, **_: Any) -> str:
        begun.set()
        assert go.wait(30) and not session.closed
        return "answered"

    monkeypatch.setattr(session, "query", slow)
    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(30)
    python.close()
    assert not session.closed
    go.set()
    thread.join()
    assert session.closed


def test_a_failed_query_leaves_the_session_usable(opened: Opened) -> None:
    with pytest.raises(dpsql.QueryError):
        dpsql.query("secret", database="a", policy="p")
    ask()
    python.close()
    assert len(opened) == 1 and opened[0][1].closed
