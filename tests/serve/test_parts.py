"""The smaller parts: settings, types of parameters, the log's redaction, equal questions."""

from __future__ import annotations

import threading
import time
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.dictionary import ColumnInfo, TableInfo
from dpsql.doors.serve import values as of
from dpsql.doors.serve.alone import Alone
from dpsql.doors.serve.failure import Failure, failure
from dpsql.doors.serve.inference import inferred
from dpsql.doors.serve.log import redacted
from dpsql.doors.serve.memory import Memory
from dpsql.doors.serve.office import Asked
from dpsql.doors.serve.settings import Settings
from dpsql.engines.stop import Stop
from dpsql.errors import BudgetError, ExecutionError, InternalError, LedgerError, QueryError

TABLES = (TableInfo("t", False, None, None, (), tuple(
    ColumnInfo(name, type_, True) for name, type_ in (
        ("n", "INTEGER"), ("x", "DOUBLE"), ("s", "VARCHAR"), ("d", "DATE"), ("at", "TIMESTAMP"), ("b", "BOOLEAN"),
        ("p", "DECIMAL(9,2)")))),)


@pytest.mark.parametrize(("where", "types"), [
    ("n = ?", (of.INT4,)), ("? < x", (of.FLOAT8,)), ("d BETWEEN ? AND ?", (of.DATE, of.DATE)), ("s LIKE ?", (of.TEXT,)),
    ("s IN (?, ?)", (of.TEXT, of.TEXT)), ("at >= ?", (of.TIMESTAMP,)), ("b = ?", (of.BOOL,)), ("p > ?", (of.NUMERIC,)),
    ("n > ?::BIGINT", (of.INT8,)), ("n + ? > ?", (of.INT4, of.INT4)), ("lower(s) = ?", (of.TEXT,)),
    ("n > 1 LIMIT ?", (of.INT8,)), ("COALESCE(d, ?) > ?", (of.DATE, of.DATE)), ("n = ? AND s = ?", (of.INT4, of.TEXT)),
])
def test_types_come_from_where_a_parameter_stands(where: str, types: tuple[int, ...]) -> None:
    holes = tuple(range(1, len(types) + 1))
    assert inferred(f"SELECT 1 FROM t WHERE {where}", holes, (), TABLES, "postgres", lambda values: None) == types


def test_what_is_given_stays_and_a_guess_that_fails_gives_way() -> None:
    seen: list[tuple[object, ...]] = []

    def plan(values: tuple[object, ...]) -> None:
        seen.append(values)
        if not isinstance(values[1], str):
            raise QueryError("only a text fits here")

    assert inferred("SELECT n = ?, n = ?", (1, 2), (of.DATE, 0), TABLES, "postgres", plan) == (of.DATE, of.TEXT)
    assert len(seen) == 2

    def never(values: tuple[object, ...]) -> None:
        raise QueryError(f"refusal of {type(values[0]).__name__}")

    with pytest.raises(QueryError, match="refusal of int"):
        inferred("SELECT n = ?", (1,), (), TABLES, "postgres", never)


def test_no_more_types_are_tried_once_they_took_long() -> None:
    asked = 0

    def plan(values: tuple[object, ...]) -> object:
        nonlocal asked
        asked += 1
        end = time.thread_time() + 0.5
        while time.thread_time() < end:
            pass
        raise QueryError(f"refused {asked}")

    with pytest.raises(QueryError, match="refused 1"):
        inferred("SELECT ? || ? || ?", (1, 2, 3), (), (), "postgres", plan)
    assert 2 <= asked <= 5


def test_settings_follow_transactions() -> None:
    settings = Settings("ann")
    settings.begin({"application_name": "a", "DateStyle": "ISO"})
    settings.opened()
    settings.change("application_name", "b")
    settings.change("TimeZone", "Europe/Berlin", local=True)
    assert settings.get("timezone") == "Europe/Berlin"
    settings.ended(kept=True)
    assert (settings.get("application_name"), settings.get("TimeZone")) == ("b", "UTC")
    settings.opened()
    settings.change("application_name", "c")
    settings.ended(kept=False)
    assert settings.get("application_name") == "b"
    settings.change("application_name", None)
    assert settings.get("application_name") == "a" and settings.get("session_authorization") == "ann"


@pytest.mark.parametrize(("name", "value", "state"), [
    ("dpsql.epsilon", "0", "22023"), ("dpsql.epsilon", "nan", "22023"), ("dpsql.epsilon", "1e7", "22023"),
    ("dpsql.error", "-1", "22023"), ("dpsql.error", "0", "22023"), ("dpsql.level", "2", "22023"),
    ("dpsql.level", "0", "22023"), ("dpsql.level", "0.0", "22023"), ("dpsql.level", "1", "22023"),
    ("dpsql.level", "0.9999999999", "22023"), ("dpsql.level", "", "22023"), ("dpsql.quality", "maybe", "22023"),
    ("dpsql.delta", "-1", "22023"), ("dpsql.dialect", "cobol", "22023"), ("dpsql.nope", "1", "42704"),
    ("nope", "1", "42704"), ("DateStyle", "German", "22023"), ("TimeZone", "Mars", "22023"),
    ("TimeZone", "../x", "22023"),
    ("application_name", "x" * 2000, "22023"), ("server_version", "1", "55P02"), ("dpsql.budget", "9", "55P02"),
])
def test_values_that_are_not_taken(name: str, value: str, state: str) -> None:
    with pytest.raises(Failure) as refused:
        Settings("ann").change(name, value)
    assert refused.value.sqlstate == state


def test_answers_bought_otherwise_are_remembered_apart() -> None:
    asked = Asked("SELECT 1", (1,), "ann")
    others = {"sql": "SELECT 2", "values": (True,), "epsilon": "1", "delta": "0", "dialect": "duckdb", "error": "9",
              "level": "0.9", "quality": True}
    assert {*others, "user", "fresh"} == {each.name for each in fields(Asked)}, "say whether it makes another answer"
    for name, value in others.items():
        assert replace(asked, **{name: value}).key("ann") != asked.key("ann"), name  # type: ignore[arg-type]
    assert asked.key("ann") != asked.key("bob")


def test_other_programs_may_keep_a_few_settings() -> None:
    settings = Settings("ann")
    with pytest.raises(Failure, match="at most"):
        for i in range(1000):
            settings.change(f"app.s{i}", "x")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(10, 10**9))
def test_no_literal_is_logged(text: str, number: int) -> None:
    word = "q" + text.replace("'", "''").replace("\0", "") + "q"
    found = redacted(f"SELECT '{word}', {number}, \"{number}\", $x${number}$x$ FROM t -- {number}")
    assert found == "SELECT ?, ?, ?, ? FROM t"


@pytest.mark.parametrize(("error", "state"), [
    (ExecutionError(), "58000"), (LedgerError("/secret/path is gone"), "58030"), (InternalError("a secret"), "XX000"),
    (BudgetError("too dear"), "53400"), (ZeroDivisionError("a secret"), "XX000"), (MemoryError(), "XX000"),
])
def test_what_concerns_the_owner_is_not_told(error: Exception, state: str) -> None:
    found = failure(error)
    assert found.sqlstate == state and "secret" not in found.reason


def test_equal_questions_wait_for_the_first_and_others_do_not() -> None:
    alone, order, inside = Alone(10), [], threading.Event()
    release = threading.Event()

    def first() -> None:
        with alone.of("q", Stop()):
            inside.set()
            release.wait(10)
            order.append("first")

    def second() -> None:
        with alone.of("q", Stop()):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(10)
    threads[1].start()
    with alone.of("other", Stop()), alone.of("q", Stop(), skip=True):
        order.append("other")
    cancelled = Stop()
    cancelled.now()
    with pytest.raises(QueryError, match="cancelled"), alone.of("q", cancelled):
        order.append("never")
    release.set()
    for thread in threads:
        thread.join(10)
    assert order == ["other", "first", "second"]


def test_a_memory_forgets_what_was_used_least() -> None:
    memory: Memory[int] = Memory(2)
    for key in ("a", "b"):
        memory.put(key, 1)
    memory.get("a")
    memory.put("c", 1)
    assert [memory.get(key) for key in ("a", "b", "c")] == [1, None, 1]
    assert memory.found("b", lambda: 7) == 7
