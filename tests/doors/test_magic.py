"""The magic `%dpsql`, in an IPython of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

import dpsql

POLICY = """
version = "1"
unit = "people"
budget = { epsilon = 1000.0 }
query = { epsilon = 64.0 }
[analysts.ada]
epsilon = 500.0
[tables.people]
unit = "id"
keys = ["id"]
"""


@pytest.fixture(scope="module")
def ipython(tmp_path_factory: pytest.TempPathFactory) -> InteractiveShell:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        return InteractiveShell()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as owner:
        owner.execute("CREATE TABLE people AS SELECT i AS id, 'town ' || i % 3 AS town FROM range(100) t(i)")
    (tmp_path / "policy.toml").write_text(POLICY)
    monkeypatch.setenv("DPSQL_ANALYST", "ada")
    return tmp_path


@pytest.fixture
def shell(ipython: InteractiveShell, folder: Path) -> Iterator[Any]:
    ipython.run_line_magic("load_ext", "dpsql")
    ipython.run_line_magic("reload_ext", "dpsql")
    ipython.run_line_magic("dpsql", f"--database '{folder}/d.duckdb'")
    yield ipython
    ipython.find_cell_magic("dpsql").__self__.close()


def test_a_cell_is_answered_and_kept(shell: Any) -> None:
    answer = shell.run_cell_magic("dpsql", "found --param 10", "SELECT COUNT(*) AS n FROM people WHERE id < ?")
    assert isinstance(answer, dpsql.Answer) and answer.rows == ((10,),) and shell.user_ns["found"] is answer
    assert (answer.cost.epsilon, answer.balance.analyst) == (64.0, "ada")
    again = shell.run_cell_magic("dpsql", "--param 10", "SELECT COUNT(*) AS n FROM people WHERE id < ?")
    fresh = shell.run_cell_magic("dpsql", "--fresh --param 10", "SELECT COUNT(*) AS n FROM people WHERE id < ?")
    assert again.replayed and not fresh.replayed


def test_prices_of_a_cell_and_of_all(shell: Any, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell.run_line_magic("dpsql", f"-d {folder}/d.duckdb -p {folder}/policy.toml -l {folder}/other.ledger -e 32")
    out = capsys.readouterr().out
    assert "people  id (the unit)   id" in out and out.endswith("epsilon 0 of 500 used, 500 left (ada)\n")
    assert shell.run_cell_magic("dpsql", "", "SELECT COUNT(*) AS n FROM people").cost.epsilon == 32
    assert shell.run_cell_magic("dpsql", "-e 40", "SELECT COUNT(*) AS n FROM people").cost.epsilon == 40
    assert shell.run_cell_magic("dpsql", "--explain", "SELECT COUNT(*) AS n FROM people") is None
    assert "cost: epsilon 32" in capsys.readouterr().out
    shell.run_line_magic("dpsql", "")
    assert "epsilon 72 of 500 used" in capsys.readouterr().out


def test_how_right_answers_are_to_be(
    shell: Any, folder: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    sql, files = "SELECT COUNT(*) AS n FROM people", f"-d {folder}/d.duckdb -l {folder}/another.ledger"

    def told(line: str) -> str:
        shell.run_cell_magic("dpsql", f"--explain {line}", sql)
        return capsys.readouterr().out

    shell.run_line_magic("dpsql", f"{files} --epsilon 0.5 --level 0.99 --quality")
    assert "99 % within" in told("") and "no cap or limit leaves anything out" in told("") and "epsilon 0.5" in told("")
    assert "90 % within" in told("--level 0.9") and "is cut" not in told("--no-quality")
    within = told("--error 10")                 # a cell's own price, in place of the one of all
    assert "99 % within ±10\n" in within and "epsilon 0.5" not in within
    shell.run_line_magic("dpsql", f"{files} --error 10")
    assert "95 % within ±10\n" in told("") and "epsilon 0.5" in told("--epsilon 0.5")
    with pytest.raises(dpsql.QueryError, match="not both"):
        told("--error 10 --epsilon 1")
    with pytest.raises(dpsql.QueryError, match=r"0\.99 for 99 %"):
        told("--level 2")
    assert shell.run_cell_magic("dpsql", "--no-quality --level 0.5", sql).clipped == ()


@pytest.mark.parametrize(("line", "reason"), [
    ("--quality=maybe", "ignored explicit argument 'maybe'"),
    ("--param 'x", "a quote is not closed"), ("--nonsense", "unrecognized arguments: --nonsense"),
    ("SELECT 1", "unrecognized arguments: 1"), ("a-b", "a-b cannot be the name of a variable"),
])
def test_wrong_options(shell: Any, line: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        shell.run_cell_magic("dpsql", line, "SELECT 1")


def test_errors_are_those_of_dpsql(shell: Any, folder: Path) -> None:
    with pytest.raises(dpsql.QueryError, match="only aggregates are released"):
        shell.run_cell_magic("dpsql", "", "SELECT id FROM people")
    with pytest.raises(dpsql.QueryError, match="epsilon must be"):
        shell.run_cell_magic("dpsql", "--epsilon much", "SELECT COUNT(*) FROM people")
    with pytest.raises(dpsql.OpenError):
        shell.run_line_magic("dpsql", f"--database {folder}/absent.duckdb")
    assert shell.run_cell_magic("dpsql", "", "SELECT COUNT(*) AS n FROM people").rows == ((100,),)


def test_without_opening_the_environment_says_where(
    ipython: InteractiveShell, folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    ipython.run_line_magic("load_ext", "dpsql")
    ipython.run_line_magic("reload_ext", "dpsql")
    with pytest.raises(dpsql.OpenError, match="no database"):
        ipython.run_cell_magic("dpsql", "", "SELECT 1 AS x")
    monkeypatch.setenv("DPSQL_DATABASE", str(folder / "d.duckdb"))
    answer: Any = ipython.run_cell_magic("dpsql", "", "SELECT 1 AS x")
    assert answer.rows == ((1,),)
    ipython.find_cell_magic("dpsql").__self__.close()
