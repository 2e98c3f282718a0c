"""Queries made to exhaust the machine: amplifiers are refused, slow ones killed and charged, others go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.engines.stop import Stop
from dpsql.errors import ExecutionError, OpenError, QueryError
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 100
delta = 1e-3
[query]
epsilon = 1
delta = 1e-8
[limits]
max_groups = 5
max_rows_per_group = 20
[tables.people]
unit = "id"
keys = ["id"]
columns.age = { range = [0, 110] }
[tables.numbers]
public = true
"""
SLOW = "SELECT COUNT(*) FROM people AS p JOIN numbers AS a ON a.n <> p.age JOIN numbers AS b ON b.n <> a.n"
SLOW_PUBLIC = "SELECT COUNT(*) FROM numbers AS a, numbers AS b, numbers AS c WHERE a.n + b.n + c.n = 7"
AMPLIFIERS = (
    "repeat('x', 4000000000) = name", "lpad(name, 2000000000, 'x') = 'x'", "rpad(name, 2000000000, 'x') = 'x'",
    "len(range(4000000000)) = 1", "len(generate_series(1, 4000000000)) = 1", "format('{:>1000000000}', name) = 'x'",
    "printf('%1000000000d', id) = 'x'", "bitstring('1', 2000000000) IS NULL",
    "len(list_resize([1], 2000000000)) = 1",
    "levenshtein(name, name || name) = 1", "regexp_replace(name, '', name || name, 'g') = 'x'",
    "sleep_ms(8000) IS NULL",
    "array_to_string(range(1000000000), name) = 'x'", "list_reduce([1], x -> x) = 1",
    "md5_number(repeat(name, id)) = 1",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "data.duckdb")) as connection:
        connection.execute("CREATE TABLE people AS "
                           "SELECT i AS id, i % 90 AS age, 'n' || i AS name FROM range(1000) AS t(i)")
        connection.execute("CREATE TABLE numbers AS SELECT i AS n FROM range(100000) AS t(i)")
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path / "data.duckdb"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., Session]]:
    sessions: list[Session] = []

    def open_(**options: object) -> Session:
        sessions.append(Session(path, path.with_name("policy.toml"), **options))
        return sessions[-1]

    yield open_
    for session in sessions:
        session.close()


@pytest.mark.parametrize("condition", AMPLIFIERS)
def test_amplifiers_are_refused(opened: Callable[..., Session], condition: str) -> None:
    session = opened()
    for sql in (f"SELECT COUNT(*) FROM people WHERE {condition}",
                f"SELECT COUNT(*) FROM numbers WHERE {condition.replace('name', 'n').replace('id', 'n')}"):
        with pytest.raises(QueryError):
            session.query(sql)
    assert session.balance().epsilon_spent == 0


@pytest.mark.parametrize("isolated", [False, True])
def test_a_slow_query_is_killed_and_charged_while_another_is_answered(
    opened: Callable[..., Session], isolated: bool,
) -> None:
    session, other = opened(isolated=isolated, deadline=4.0), opened(isolated=isolated, deadline=60.0)
    failed: list[str] = []

    def slow() -> None:
        try:
            session.query(SLOW)
        except ExecutionError as error:
            failed.append(str(error))

    thread = threading.Thread(target=slow)
    thread.start()
    answered = other.query("SELECT COUNT(*) FROM people")
    thread.join()
    assert failed == [ExecutionError.MESSAGE] and len(answered.rows) == 1
    assert session.balance().epsilon_spent == 2.0
    assert len(session.query("SELECT SUM(age) FROM people").rows) == 1, "its own session goes on too"


def test_a_slow_query_over_public_tables_ends_and_is_free(opened: Callable[..., Session]) -> None:
    session = opened(isolated=True, deadline=0.5)
    with pytest.raises(QueryError, match="failed on the public tables"):
        session.query(SLOW_PUBLIC)
    slow_groups = f"SELECT g.n, COUNT(*) FROM ({SLOW_PUBLIC.replace('COUNT(*)', 'a.n')}) AS g " \
        "JOIN people AS p ON p.id = g.n GROUP BY g.n"
    with pytest.raises(QueryError):
        session.query(slow_groups)
    assert session.balance().epsilon_spent == 0


@pytest.mark.parametrize("isolated", [False, True])
def test_cancelling_keeps_the_charge(opened: Callable[..., Session], isolated: bool) -> None:
    session = opened(isolated=isolated)
    for cancel in (None, session.interrupt):
        stop = Stop()
        timer = threading.Timer(1.0, cancel or stop.now)
        timer.start()
        with pytest.raises(ExecutionError):
            session.query(SLOW, stop=stop)
        timer.join()
    assert session.balance().epsilon_spent == 2.0
    over = Stop()
    over.now()
    with pytest.raises(QueryError, match="nothing was charged"):
        session.query("SELECT COUNT(*) FROM people", stop=over)
    assert session.balance().epsilon_spent == 2.0


def test_isolated_answers_are_those_in_process(opened: Callable[..., Session]) -> None:
    """Both at an epsilon that adds no visible noise; the finish, its types and public tables come from children too."""
    inside, outside = opened(), opened(isolated=True)
    for sql in (
        "SELECT COUNT(*) AS n, SUM(age) AS s, AVG(age) AS a FROM people",
        "SELECT n % 3 AS k, COUNT(*) AS c FROM numbers GROUP BY k ORDER BY k",
    ):
        one = inside.query(sql, epsilon=30, fresh=True)
        two = outside.query(sql, epsilon=30, fresh=True)
        assert one.columns == two.columns and one.types == two.types
        for left, right in zip(one.rows, two.rows, strict=True):
            assert [float(x) for x in left] == pytest.approx([float(x) for x in right], rel=0.1)
    assert len(outside.query("SELECT * FROM numbers").rows) == 100000


def test_a_charged_answer_waits_for_the_grid_and_a_refusal_does_not(
    opened: Callable[..., Session], monkeypatch: pytest.MonkeyPatch,
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("dpsql.engines.stop.time.sleep", waited.append)
    session = opened(pad=100.0)
    with pytest.raises(QueryError):
        session.query("SELECT name FROM people")
    session.query("SELECT COUNT(*) FROM numbers")
    assert waited == []
    session.query("SELECT COUNT(*) FROM people")
    session.query("SELECT COUNT(*) FROM people")
    assert len(waited) == 1 and 0 < waited[0] < 100, "a replay is what was already said"


@pytest.mark.parametrize(("options", "reason"), [
    ({"deadline": 0}, "deadline"), ({"deadline": -1.0}, "deadline"), ({"deadline": float("nan")}, "deadline"),
    ({"deadline": True}, "deadline"), ({"pad": 0.0}, "pad"), ({"pad": float("inf")}, "pad"),
    ({"memory": 1 << 30}, "pass isolated=True"), ({"memory": 1, "isolated": True}, "at least"),
    ({"memory": 1e9, "isolated": True}, "number of bytes"),
])
def test_options_that_do_not_fit(opened: Callable[..., Session], options: dict[str, object], reason: str) -> None:
    with pytest.raises(OpenError, match=reason):
        opened(**options)
