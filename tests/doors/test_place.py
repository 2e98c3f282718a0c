"""Where things are: arguments, then the environment, then a default."""

from __future__ import annotations

from pathlib import Path

import pytest

from dpsql.doors.place import Place, place
from dpsql.errors import OpenError

NAMES = ("DATABASE", "POLICY", "LEDGER", "ANALYST")


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"DPSQL_{name}", raising=False)


def test_arguments_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(f"DPSQL_{name}", f"env-{name.lower()}")
    assert place() == Place(Path("env-database"), Path("env-policy"), Path("env-ledger"), "env-analyst")
    assert place("d", "p", "l", "a") == Place(Path("d"), Path("p"), Path("l"), "a")
    assert place(Path("d"), Path("p")) == Place(Path("d"), Path("p"), Path("env-ledger"), "env-analyst")


def test_without_anything_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpenError, match=r"DPSQL_DATABASE.*DuckDB file or a folder"):
        place()
    monkeypatch.setenv("DPSQL_DATABASE", "")
    with pytest.raises(OpenError, match="no database"):
        place()
    with pytest.raises(OpenError, match="dpsql init nowhere"):
        place("nowhere/x.duckdb")


def test_the_policy_beside_the_database(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").touch()
    assert place(tmp_path / "x.duckdb").policy == tmp_path / "policy.toml"
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OpenError, match="no policy"):
        place(folder)                                  # a folder's policy lies inside it
    (folder / "policy.toml").touch()
    assert place(folder).policy == folder / "policy.toml"


def test_a_connection_has_no_default_policy() -> None:
    connection = object()
    with pytest.raises(OpenError, match="open connection"):
        place(connection)  # type: ignore[arg-type]
    assert place(connection, "p").database is connection  # type: ignore[arg-type]
