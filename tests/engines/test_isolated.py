"""The isolated engine: as exact as in process, killed at its deadline or its memory's end, and the next query works."""

from __future__ import annotations

import datetime
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dpsql.engines import isolated_pool, isolated_wire
from dpsql.engines.base import open_engine
from dpsql.engines.isolated import Isolated, open_isolated
from dpsql.engines.stop import Stop, stopped_by
from dpsql.errors import ExecutionError, OpenError

SLOW = ("SELECT COUNT(*) FROM range(100000) AS a(x), range(100000) AS b(y), range(1000) AS c(z) "
        "WHERE x + y + z = 7")
VALUES = """
SELECT * FROM (VALUES
    (1::HUGEINT, 1.50::DECIMAL(38, 2), 'a', DATE '2024-02-29', TIMESTAMP '2024-01-01 00:00:00.000001', 0.1, true),
    (170141183460469231731687303715884105727, -99999999999999999999999999999999.99, '', DATE '0001-01-01',
        TIMESTAMP '9999-12-31 23:59:59.999999', '-inf'::DOUBLE, false),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL), (0, 0.00, 'é\n''', DATE '9999-12-31', NULL, -0.0, NULL)) AS t"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with duckdb.connect(str(tmp_path / "data.duckdb")) as connection:
        connection.execute("CREATE TABLE people AS SELECT i AS id, 'Zoe' || i AS name FROM range(1000) AS t(i)")
    return tmp_path / "data.duckdb"


@pytest.fixture
def engine(path: Path) -> Iterator[Isolated]:
    engine = open_isolated(path, memory=256 << 20)
    engine.scratch([])
    yield engine
    engine.close()


def children(engine: Isolated) -> set[int]:
    return {child.number for child in engine._idle}


def gone(number: int) -> bool:
    """Whether a process ends within some seconds; those of another parent are reaped by it."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_rows_travel_exactly(engine: Isolated, path: Path) -> None:
    inside = open_engine(path)
    for sql in (VALUES, "SELECT * FROM people ORDER BY id", "SELECT 1 WHERE false", "SELECT 'nan'::DOUBLE"):
        ours, theirs = engine.run(sql), inside.run(sql)
        assert repr(ours.values) == repr(theirs.values) and ours.columns == theirs.columns
    inside.close()


def test_batches_and_mixed_columns_travel(engine: Isolated) -> None:
    count = 2 * isolated_wire.BATCH + 1
    rows = engine.run(f"SELECT i, CASE WHEN i % 2 = 0 THEN i::DECIMAL(20, 1) END FROM range({count}) AS t(i)").values
    assert len(rows) == count and rows[0] == (0, Decimal("0.0")) and rows[-2:] == [
        (count - 2, None), (count - 1, Decimal(count - 1))]
    kind, packed = isolated_wire._packed((datetime.date(2024, 1, 1), datetime.datetime(2024, 1, 1)))
    assert kind == "" and packed[1] == datetime.datetime(2024, 1, 1)


def test_parameters_travel(engine: Isolated) -> None:
    assert engine.run("SELECT ?, ?", (1, "x")).values == [(1, "x")]
    assert engine.run("SELECT len($keys), $salt", {"keys": [1, 2], "salt": "s"}).values == [(2, "s")]


def test_only_plain_values_are_read() -> None:
    assert isolated_wire.plain(pickle.dumps([Decimal(1), datetime.date(2024, 1, 1), None, 1 << 100]))
    for evil in (os.system, Path("/"), Stop):
        with pytest.raises(pickle.UnpicklingError):
            isolated_wire.plain(pickle.dumps(evil))


def test_a_child_is_kept(engine: Isolated) -> None:
    before = children(engine)
    for _ in range(3):
        engine.run("SELECT 1")
    assert children(engine) == before and len(before) == 1


def test_a_child_grows_old(engine: Isolated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated_pool, "QUERIES", 3)
    (before,) = children(engine)
    for _ in range(3):
        engine.run("SELECT 1")
    assert before not in children(engine) and gone(before)
    assert engine.run("SELECT 1").values == [(1,)]


@pytest.mark.parametrize("sql", [
    "SELECT error('Zoe7')", "SELECT CAST(name AS INTEGER) FROM people", "SELECT nothing", "SELECT",
    "SELECT [i for i in range(1000000000)]", "SELECT repeat('x', 4000000000)",
])
def test_a_failure_is_one_constant_error_and_the_next_query_works(engine: Isolated, sql: str) -> None:
    (before,) = children(engine)
    with pytest.raises(ExecutionError) as failure, stopped_by(Stop(20)):
        engine.run(sql)
    assert str(failure.value) == ExecutionError.MESSAGE
    assert failure.value.__cause__ is None and failure.value.__context__ is None
    assert engine.run("SELECT COUNT(*) FROM people").values == [(1000,)]
    assert before not in children(engine) and gone(before)


@pytest.mark.parametrize("sql", [SLOW, "SELECT sleep_ms(60000)"])
def test_killed_at_the_deadline(engine: Isolated, sql: str) -> None:
    (before,) = children(engine)
    with pytest.raises(ExecutionError) as failure, stopped_by(Stop(0.3)):
        engine.run(sql)
    assert failure.value.__context__ is None and gone(before)
    assert engine.run("SELECT 1").values == [(1,)]


def test_cancelled_from_another_thread(engine: Isolated) -> None:
    stop = Stop()
    timer = threading.Timer(0.3, stop.now)
    timer.start()
    with pytest.raises(ExecutionError), stopped_by(stop):
        engine.run(SLOW)
    timer.join()
    with pytest.raises(ExecutionError), stopped_by(stop):
        engine.run("SELECT 1")
    assert engine.run("SELECT 1").values == [(1,)]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_child_that_dies_takes_nothing_along(engine: Isolated, number: int) -> None:
    (idle,) = children(engine)
    os.kill(idle, number)
    while engine._idle[0].fit():        # until the last of its threads let go of the line
        time.sleep(0.01)
    assert engine.run("SELECT 1").values == [(1,)], "an idle child's death is nobody's error"
    (busy,) = children(engine)
    timer = threading.Timer(0.3, os.kill, (busy, number))
    timer.start()
    with pytest.raises(ExecutionError):
        engine.run(SLOW)
    timer.join()
    assert engine.run("SELECT 1").values == [(1,)]


def test_the_fork_server_comes_back(engine: Isolated) -> None:
    (child,) = children(engine)
    server = int(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(server, signal.SIGKILL)
    assert gone(child), "children die with their server"
    while engine._idle[0].fit():        # until the last of its threads let go of the line
        time.sleep(0.01)
    assert engine.run("SELECT 1").values == [(1,)]


def test_queries_run_beside_each_other(engine: Isolated) -> None:
    with ThreadPoolExecutor(isolated_pool.CHILDREN + 2) as pool:
        found = list(pool.map(lambda i: engine.run(f"SELECT {i} FROM people LIMIT 1").values, range(40)))
    assert found == [[(i,)] for i in range(40)]
    assert 1 <= len(children(engine)) <= isolated_pool.CHILDREN


def test_a_slow_query_does_not_stand_in_the_way(engine: Isolated) -> None:
    stop = Stop()
    failed: list[bool] = []

    def slow() -> None:
        with stopped_by(stop):
            try:
                engine.run(SLOW)
            except ExecutionError:
                failed.append(True)

    thread = threading.Thread(target=slow)
    thread.start()
    assert engine.run("SELECT 1").values == [(1,)] and thread.is_alive()
    stop.now()
    thread.join()
    assert failed == [True]


def test_waiting_for_a_child_ends_at_the_deadline(engine: Isolated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_free", threading.Semaphore(0))
    with pytest.raises(ExecutionError), stopped_by(Stop(0.2)):
        engine.run("SELECT 1")


def test_a_child_has_limits(path: Path) -> None:
    engine = open_isolated(path, memory=128 << 20)
    engine.scratch([])
    (child,) = children(engine)
    limits = Path(f"/proc/{child}/limits").read_text()
    space = next(line.split() for line in limits.splitlines() if line.startswith("Max address space"))
    core = next(line.split() for line in limits.splitlines() if line.startswith("Max core file size"))
    assert space[3].isdigit() and int(space[3]) < 8 << 30 and core[4] == "0"
    assert engine.run("SELECT current_setting('memory_limit')").values == [("128.0 MiB",)]
    with pytest.raises(ExecutionError), stopped_by(Stop(20)):
        engine.run("SELECT COUNT(DISTINCT (i, i + 1, i + 2)) FROM range(20000000) AS t(i)")
    engine.close()


def test_an_answer_too_large_for_its_parent_ends_its_child(engine: Isolated) -> None:
    """Rows are bounded as they come, and so is a single message: neither fills the parent."""
    for sql in ("SELECT i FROM range(20000000) AS t(i)", "SELECT repeat('x', 60000000)"):
        before = children(engine)
        with pytest.raises(ExecutionError), stopped_by(Stop(60)):
            engine.run(sql)
        assert all(map(gone, before)) and engine.run("SELECT 42").values == [(42,)]


def test_the_lock_down_holds_in_a_child(engine: Isolated, path: Path) -> None:
    for sql in ("CREATE TABLE people2 AS FROM people", f"SELECT * FROM read_text('{path}')", "SET threads = 1"):
        with pytest.raises(ExecutionError):
            engine.run(sql)


def test_closing_ends_children_busy_or_idle(path: Path) -> None:
    engine = open_isolated(path)
    engine.scratch([])
    (child,) = children(engine)
    timer = threading.Timer(0.3, engine.close)
    timer.start()
    with pytest.raises(ExecutionError):
        engine.run(SLOW)
    timer.join()
    assert gone(child)
    engine.close()
    with pytest.raises(ExecutionError):
        engine.run("SELECT 1")


def test_a_file_that_was_replaced_is_not_queried(path: Path) -> None:
    engine = open_isolated(path)
    engine.scratch([])
    for child in engine._idle:
        child.kill()
    other = path.with_name("other.duckdb")
    with duckdb.connect(str(other)) as connection:
        connection.execute("CREATE TABLE people AS SELECT i AS id, 'x' AS name FROM range(5) AS t(i)")
    os.replace(other, path)
    with pytest.raises(ExecutionError):
        engine.run("SELECT COUNT(*) FROM people")
    engine.close()


def test_folders(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.csv").write_text("x,y\n1,2024-01-01\n2,2024-01-02\n")
    duckdb.sql("SELECT 7::BIGINT AS n").write_parquet(str(tmp_path / "f" / "b.parquet"))
    engine = open_isolated(tmp_path / "f")
    engine.scratch([])
    assert engine.run("SELECT SUM(x), MAX(y) FROM a").values == [(3, datetime.date(2024, 1, 2))]
    assert engine.run("SELECT n FROM b").values == [(7,)]
    for child in engine._idle:
        child.kill()
    duckdb.sql("SELECT 'text' AS n").write_parquet(str(tmp_path / "f" / "b.parquet"))
    with pytest.raises(ExecutionError):
        engine.run("SELECT n FROM b")
    engine.close()


def test_what_cannot_be_isolated(tmp_path: Path) -> None:
    with duckdb.connect() as connection, pytest.raises(OpenError, match="no other process has it"):
        open_isolated(connection)
    with pytest.raises(OpenError, match="no database at"):
        open_isolated(tmp_path / "none.duckdb")


def test_no_child_outlives_the_program(path: Path) -> None:
    program = (
        "import os, sys\nfrom dpsql.engines.isolated import open_isolated\n"
        f"engine = open_isolated({str(path)!r})\nengine.scratch([])\n"
        "print(*[child.number for child in engine._idle], flush=True)\nsys.stdin.readline()\nos._exit(1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert process.stdout is not None
    child = int(process.stdout.readline())
    process.kill()
    process.communicate()
    assert gone(child)


def test_nothing_is_left_open(engine: Isolated) -> None:
    engine.run("SELECT 1")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(ExecutionError):
            engine.run("SELECT nothing")
    engine.run("SELECT 1")
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_another_child_begins_when_one_fails(engine: Isolated) -> None:
    (before,) = children(engine)
    for _ in range(3):
        with pytest.raises(ExecutionError):
            engine.run("SELECT error('Zoe7')")
        (after,) = children(engine)         # before any query asks for one
        assert after != before and engine.run("SELECT COUNT(*) FROM people").values == [(1000,)]
        assert children(engine) == {after}
        before = after


def test_a_child_that_dies_while_it_opens_takes_nothing_along(engine: Isolated) -> None:
    with pytest.raises(ExecutionError):
        engine.run("SELECT error('Zoe7')")
    (begun,) = children(engine)
    engine._idle[0].kill()
    assert engine.run("SELECT COUNT(*) FROM people").values == [(1000,)] and begun not in children(engine)


@pytest.mark.parametrize("name", ["memory.duckdb", "temp.duckdb", "a\"b 'c.d.db"])
def test_what_names_without_a_database_mean(tmp_path: Path, name: str) -> None:
    with duckdb.connect(str(tmp_path / name)) as connection:
        connection.execute("CREATE SCHEMA s; CREATE TABLE s.t AS SELECT 7 AS x; CREATE MACRO f(x) AS x + 1; "
                           "CREATE VIEW main.v AS SELECT f(x) AS y FROM s.t")
    engine = open_isolated(tmp_path / name, memory=256 << 20)
    engine.scratch([])
    view = engine.schema.table("v")
    assert view is not None and engine.run("SELECT y FROM v").values == [(8,)]
    path = ".".join('"' + part.replace('"', '""') + '"' for part in view.path)
    assert engine.run(f"SELECT y FROM {path}").values == [(8,)]
    engine.close()


def test_a_child_has_the_settings_of_its_parent(engine: Isolated) -> None:
    inside = open_engine(engine._opening.path)
    sql = "SELECT name, value FROM duckdb_settings() ORDER BY name"
    ours, theirs = ({str(name): value for name, value in opened.run(sql).values} for opened in (engine, inside))
    inside.close()
    own = {"memory_limit", "max_memory", "write_buffer_row_group_memory_limit", "access_mode", "search_path"}
    assert {name for name in theirs if ours[name] != theirs[name]} <= own and theirs["lock_configuration"] == "true"
    with pytest.raises(ExecutionError):         # `access_mode` is that of an instance; the file is attached read-only
        engine.run("CREATE TABLE data.main.more AS SELECT 1 AS x")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how many threads a process has")
def test_what_is_forked_has_one_thread(engine: Isolated) -> None:
    """A fork copies one thread: what another one held or did would be lost in every child."""
    server = engine._idle[0]._server
    status = Path(f"/proc/{server._process.pid}/status").read_text()
    assert "\nThreads:\t1\n" in status
