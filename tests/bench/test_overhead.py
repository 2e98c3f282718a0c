"""The benchmark measures what it says: hand-written SQL answers the same question, and the program runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.bench.queries import QUERIES, Query

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bench") / "tpch.duckdb"
    make = [sys.executable, str(ROOT / "examples" / "tpch" / "make.py"), "--scale", "0.01", str(file)]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    return file


@pytest.mark.parametrize("query", [q for q in QUERIES if q.name not in ("1e5 groups", "Q14", "Q12")],
                         ids=lambda query: query.name)
def test_by_hand_is_the_same_sum(database: Path, query: Query) -> None:
    with duckdb.connect(str(database), read_only=True) as connection:
        plain = connection.execute(query.sql).fetchall()
        hand = connection.execute(query.hand).fetchall()
    keys = 2 if query.name.startswith("Q1") else 0 if query.name in ("Q6", "COUNT", "SUM") else 1
    assert {row[:keys]: row[keys] for row in hand} == {row[:keys]: row[keys] for row in plain}


def test_hand_written_shares_and_modes(database: Path) -> None:
    modes, shares, parts = (next(q for q in QUERIES if q.name == name) for name in ("Q12", "Q14", "1e5 groups"))
    with duckdb.connect(str(database), read_only=True) as connection:
        assert sorted(connection.execute(modes.hand).fetchall()) == connection.execute(modes.sql).fetchall()
        promo, revenue = connection.execute(shares.hand).fetchall()[0]
        assert connection.execute(shares.sql).fetchall()[0][0] == pytest.approx(float(100 * promo / revenue))
        assert 0 < len(connection.execute(parts.hand).fetchall()) <= len(connection.execute(parts.sql).fetchall())


def test_it_runs(database: Path) -> None:
    options = ["--database", str(database), "--times", "1", "--rounds", "1", "--only", "segments"]
    command = [sys.executable, "-m", "tests.bench.overhead", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "planning, median:" in done.stdout and any(line.startswith("segments") for line in done.stdout.splitlines())


def test_planning_runs(database: Path, tmp_path: Path) -> None:
    (tmp_path / "counted.sql").write_text("SELECT COUNT(*) FROM orders")
    (tmp_path / "refused.sql").write_text("SELECT o_orderkey FROM orders")
    command = [sys.executable, "-m", "tests.bench.planning", str(tmp_path), "--database", str(database), "--times", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line.split() for line in done.stdout.splitlines() if line}
    assert lines["median"][1:] == lines["counted"][1:4] and lines["refused"][-1] == "refused"
