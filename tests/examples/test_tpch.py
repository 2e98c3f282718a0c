"""TPC-H is made, and its policy opens over it."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

import dpsql

FOLDER = Path(__file__).parents[2] / "examples" / "tpch"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tpch") / "tpch.duckdb"
    command = [sys.executable, str(FOLDER / "make.py"), "--scale", "0.01", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "scale 0.01" in done.stdout and [path.name for path in file.parent.iterdir()] == [file.name]
    return file


def test_tables_and_types(database: Path) -> None:
    with duckdb.connect(str(database), read_only=True) as owner:
        sizes = dict(owner.execute("SELECT table_name, estimated_size FROM duckdb_tables()").fetchall())
        assert sizes["customer"] == 1500 and sizes["nation"] == 25 and len(sizes) == 8
        assert owner.execute("DESCRIBE orders").fetchall()[3][:3] == ("o_totalprice", "DECIMAL(15,2)", "NO")


def test_nothing_is_overwritten_unasked(database: Path) -> None:
    make = runpy.run_path(str(FOLDER / "make.py"))["make"]
    with pytest.raises(FileExistsError, match="--force"):
        make(database, 0.01)


def test_without_the_generator_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = runpy.run_path(str(FOLDER / "make.py"))["make"]
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="pip install tpchgen-cli"):
        make(tmp_path / "x.duckdb", 0.01)


def test_the_readme_query(database: Path) -> None:
    sql = "SELECT c_mktsegment, COUNT(*) AS n, AVG(c_acctbal) AS balance FROM customer GROUP BY 1"
    with dpsql.connect(database=database, policy=FOLDER / "policy.toml", analyst="alice") as connection:
        cursor = connection.cursor().execute(sql)
        assert len(cursor.fetchall()) == 5 and cursor.cost == dpsql.AnswerCost(1.0, 0.0)
        assert cursor.answer is not None and str(cursor.answer).count("±") == 10
        again = connection.cursor().execute(sql)
        assert again.answer is not None and again.answer.replayed and again.answer.rows == cursor.answer.rows
