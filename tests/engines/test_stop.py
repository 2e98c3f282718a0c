"""What ends a query in process: its deadline, another thread, Ctrl-C; and answers held back to a grid of seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.engines import stop as stops
from dpsql.engines.base import Engine, open_engine
from dpsql.engines.scratch import Scratch
from dpsql.engines.stop import Stop, Watch, attended, padded, stopped, stopped_by
from dpsql.errors import ExecutionError

SLOW = ("SELECT COUNT(*) FROM range(100000) AS a(x), range(100000) AS b(y), range(1000) AS c(z) "
        "WHERE x + y + z = 7")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with duckdb.connect() as connection:
        yield open_engine(connection)


def test_a_deadline_ends_a_statement(engine: Engine) -> None:
    with pytest.raises(ExecutionError) as failure, stopped_by(Stop(0.2)):
        engine.run(SLOW)
    assert failure.value.__cause__ is None and failure.value.__context__ is None
    assert engine.run("SELECT 1").values == [(1,)]


def test_a_deadline_ends_the_finish() -> None:
    scratch = Scratch([], lambda table: table)
    with pytest.raises(ExecutionError) as failure, stopped_by(Stop(0.2)):
        scratch.run(SLOW, (), ())
    assert failure.value.__context__ is None
    scratch.close()


def test_another_thread_ends_a_statement_and_all_that_follow(engine: Engine) -> None:
    stop = Stop()
    timer = threading.Timer(0.2, stop.now)
    timer.start()
    with stopped_by(stop):
        for sql in (SLOW, "SELECT 1"):
            with pytest.raises(ExecutionError):
                engine.run(sql)
        assert stopped()
    timer.join()
    assert not stopped() and engine.run("SELECT 1").values == [(1,)]


def test_a_watch_ends_what_runs_and_only_that(engine: Engine) -> None:
    watch = Watch()
    timer = threading.Timer(0.2, watch.interrupt)
    timer.start()
    with pytest.raises(ExecutionError), watch.over():
        engine.run(SLOW)
    timer.join()
    with watch.over():
        assert engine.run("SELECT 1").values == [(1,)]


def test_what_runs_within_a_query_has_its_deadline() -> None:
    stop = Stop()
    with Watch(1000.0).over(stop), Watch(None).over():
        assert not stopped()
        left = stop.left()
        assert left is not None and 0 < left <= 1000
        stop.within(2000.0)
        assert stop.left() == pytest.approx(left, abs=10)


def test_errors_of_the_work_come_through() -> None:
    def fail() -> None:
        raise KeyError("work")

    with pytest.raises(KeyError, match="work"):
        attended(fail, lambda: None)
    with pytest.raises(ExecutionError), stopped_by(Stop(0.0)):
        attended(fail, lambda: None)


def test_ctrl_c_ends_a_statement() -> None:
    program = (
        "import duckdb, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from dpsql.engines.base import open_engine\n"
        "engine = open_engine(duckdb.connect())\nprint('ready', flush=True)\n"
        f"try:\n    engine.run({SLOW!r})\nexcept KeyboardInterrupt:\n    print(engine.run('SELECT 41 + 1').values)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "[(42,)]\n"


@pytest.mark.parametrize("took", [0.0, 0.3, 2.0, 7.2])
def test_padding_waits_for_the_grid(took: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waited = [100.0], []
    monkeypatch.setattr(stops.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(stops.time, "sleep", waited.append)
    for error in (None, ExecutionError()):
        try:
            with padded(2.0):
                clock[0] += took
                if error is not None:
                    raise error
        except ExecutionError:
            assert error is not None
    assert len(waited) == 2 and all((took + wait) % 2.0 == pytest.approx(0.0, abs=1e-6) or
                                    (took + wait) % 2.0 == pytest.approx(2.0, abs=1e-6) for wait in waited)
    with pytest.raises(KeyboardInterrupt), padded(2.0):
        raise KeyboardInterrupt
    with padded(None):
        pass
    assert len(waited) == 2


def test_an_interrupted_file_can_be_written_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    duckdb.connect(str(path)).close()
    engine = open_engine(path)
    with pytest.raises(ExecutionError), stopped_by(Stop(0.1)):
        engine.run(SLOW)
    engine.close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t (i INTEGER)")
