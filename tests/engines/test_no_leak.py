"""After engine failures at prepare, run and fetch: no stored value in exceptions, tracebacks, logs, repr or pickles."""

from __future__ import annotations

import datetime
import gc
import io
import logging
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.engines.base import Engine, Rows, open_engine
from dpsql.engines.isolated import open_isolated
from dpsql.errors import ExecutionError
from dpsql.session import Session

SECRET = "Zoe-4711-secret"
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1000
[query]
epsilon = 1
[limits]
max_groups = 1
max_rows_per_group = 1
[tables.people]
unit = "id"
keys = ["id"]
"""
FAILING = {
    "prepare": "SELECT epoch_ns(moment) + CAST(name AS INTEGER) FROM people WHERE id >= 0 ORDER BY",
    "bind": f"SELECT \"{SECRET}\" FROM people",
    "run": "SELECT CAST(name AS INTEGER) FROM people",
    "raise": "SELECT error(name) FROM people",
    "overflow": "SELECT CAST(name || id AS DATE) FROM people",
    "fetch": "SELECT INTERVAL '999999999 years' FROM people WHERE name IS NOT NULL",
    "assert": "SELECT assert_true(name = '', name) FROM people",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "data.duckdb")) as connection:
        connection.execute(f"CREATE TABLE people AS SELECT i AS id, '{SECRET}' AS name, DATE 'infinity' AS born, "
                           "TIMESTAMP '9999-01-01' AS moment FROM range(10) AS t(i)")
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path / "data.duckdb"


@pytest.fixture(params=["in process", "isolated"])
def engine(request: pytest.FixtureRequest, path: Path) -> Iterator[Engine]:
    opened: Engine
    if request.param == "isolated":
        opened = isolated = open_isolated(path)
        isolated.scratch([])
    else:
        opened = open_engine(path)
    yield opened
    opened.close()


@pytest.fixture
def heard() -> Iterator[io.StringIO]:
    """Everything that any logger says."""
    text = io.StringIO()
    handler, root = logging.StreamHandler(text), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


def walked(error: BaseException) -> str:
    """All an exception says, by every way that shows it, its frames' own local values with it."""
    told = [traceback.format_exc(), repr(error), str(error), repr(error.args), repr(error.__dict__),
            repr(getattr(error, "__notes__", None))]
    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        one = rest.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        rest += [one.__cause__, one.__context__]
        told.append("".join(traceback.TracebackException.from_exception(one, capture_locals=True).format()))
        told.append(pickle.dumps(one).decode("latin-1"))
    assert len(seen) == 1, "an engine's error hangs on ours"
    return "\n".join(told)


def failure(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except ExecutionError as error:
        found = walked(error)
        assert SECRET not in found.replace(FAILING["bind"], ""), "a stored value is shown"
        assert "Conversion" not in found and "duckdb.duckdb" not in found
        return error
    raise AssertionError("nothing failed")


@pytest.mark.parametrize("stage", FAILING)
def test_an_engine_failure_says_nothing(
    engine: Engine, stage: str, heard: io.StringIO, capfd: pytest.CaptureFixture[str],
) -> None:
    error = failure(lambda: engine.run(FAILING[stage]))
    assert type(error) is ExecutionError and error.args == (ExecutionError.MESSAGE,)
    assert pickle.loads(pickle.dumps(error)).args == error.args
    del error
    gc.collect()
    out, err = capfd.readouterr()
    assert SECRET not in out + err + heard.getvalue()
    assert getattr(sys, "last_value", None) is None
    assert engine.run("SELECT COUNT(*) FROM people").values == [(10,)]


def test_rows_never_show_or_travel(engine: Engine) -> None:
    rows = engine.run("SELECT id, name, born FROM people LIMIT 1")
    assert rows.values == [(0, SECRET, datetime.date.max)]
    assert SECRET not in f"{rows!r} {rows}" and repr(rows) == "<exact rows of id, name, born>"
    for way in (pickle.dumps, iter, list):
        with pytest.raises(TypeError):
            way(rows)
    assert isinstance(rows, Rows) and not hasattr(rows, "__dict__")


@pytest.mark.parametrize("isolated", [False, True])
def test_a_session_says_no_more_than_its_engine(
    path: Path, isolated: bool, monkeypatch: pytest.MonkeyPatch, heard: io.StringIO,
) -> None:
    with Session(path, path.with_name("policy.toml"), isolated=isolated) as session:
        run = session.engine.run
        monkeypatch.setattr(session.engine, "run", lambda sql, params=(): run(FAILING["raise"]))
        error = failure(lambda: session.query("SELECT COUNT(*) FROM people"))
        assert str(error) == ExecutionError.MESSAGE
        assert session.balance().epsilon_spent == 1.0, "charged, not given back"
        monkeypatch.undo()
        assert len(session.query("SELECT COUNT(*) FROM people", fresh=True).rows) == 1
    assert SECRET not in heard.getvalue()
