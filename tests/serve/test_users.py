"""The users' file and the command that writes it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from dpsql.doors.cli import main
from dpsql.doors.serve.users import add_user, read_users
from dpsql.errors import OpenError


def test_users_are_added_changed_listed_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "users"
    for name in ("bob", "alice", "bob"):
        monkeypatch.setattr("sys.stdin", io.StringIO("a password\n"))
        assert main(["user", "add", name, "--users", str(file), "--password-stdin"]) == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert "password" not in file.read_text()
    assert main(["user", "remove", "alice", "--users", str(file)]) == 0
    capsys.readouterr()
    assert main(["user", "list", "--users", str(file)]) == 0
    assert capsys.readouterr().out == "bob\n"
    assert main(["user", "remove", "alice", "--users", str(file)]) == 1
    assert main(["user", "add", "--users", str(file)]) == 1


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    add_user(tmp_path / "users", "ann", "a password")
    (tmp_path / "users").chmod(0o640)
    with pytest.raises(OpenError, match="chmod 600"):
        read_users(tmp_path / "users")


@pytest.mark.parametrize(("name", "password"), [
    ("", "a password"), ("a b", "a password"), ("#ann", "a password"), ("a\nb", "a password"), ("x" * 64, "a password"),
    ("ann", "short"), ("ann", "a\0password"), ("ann", "x" * 1001),
])
def test_odd_names_and_passwords_are_refused(tmp_path: Path, name: str, password: str) -> None:
    with pytest.raises(OpenError):
        add_user(tmp_path / "users", name, password)
    assert not (tmp_path / "users").exists()


def test_what_cannot_be_added_is_said_before_a_password_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())       # no terminal, nothing in the pipe
    for name, file, said in (("ann", "users", "--password-stdin reads it"), ("a b", "users", "without white space"),
                             ("ann", "no/users", "there is no folder")):
        assert main(["user", "add", name, "--users", str(tmp_path / file)]) == 1
        assert said in capsys.readouterr().err
    assert main(["user", "list", "--users", str(tmp_path / "none")]) == 1
    assert "(No such file or directory); `dpsql user add" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["ann", "ann secret", "ann SCRAM-SHA-256$1:AA$AA:AA", "ann b c"])
def test_a_damaged_file_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users"
    file.write_text(f"# users\n{text}\n")
    file.chmod(0o600)
    with pytest.raises(OpenError, match="line 2"):
        read_users(file)
