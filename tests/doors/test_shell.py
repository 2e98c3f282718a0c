"""The shell, fed line by line and through a pipe."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from dpsql.doors.shell import Shell, shell


def piped(session: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return shell(session, "alice", None, None)


def test_a_pipe(session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status = piped(session, "SELECT a\nFROM b;\nSELECT ';' AS\n x; SELECT 0 -- the end\n", monkeypatch)
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    assert [sql for sql, _ in session.asked] == ["SELECT a\nFROM b", "SELECT ';' AS\n x", "SELECT 0 -- the end"]
    assert out.count("epsilon 1, delta 1e-08 spent · 1 of 3 used, 2 left (alice)") == 3 and "dpsql>" not in out


def test_failures_go_on_and_are_remembered(
    session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    assert piped(session, "SELECT secret;\nSELECT 1;\nSELECT dear;\nSELECT slow;\n\\nope\n", monkeypatch) == 1
    out, err = capsys.readouterr()
    assert out.startswith("x\n") and out.endswith("free\n\n")
    assert err.splitlines() == [
        "error: no table secret", "line 1: SELECT secret", "               ^^^^^^",
        "error: the budget does not allow this",
        "error: cancelled; what was charged stays charged",
        "error: no command \\nope; \\help lists them"]


def test_quitting_skips_the_rest(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(session, "SELECT 1;\n\\q\nSELECT secret;\n", monkeypatch) == 0
    assert len(session.asked) == 1
    assert piped(session, "SELECT 'unfinished", monkeypatch) == 0
    assert session.asked[-1][0] == "SELECT 'unfinished"
    assert piped(session, " -- only a comment", monkeypatch) == 0 and len(session.asked) == 2


def test_settings(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session, "alice")
    for line in ("\\set epsilon 0.5", "\\set delta 1e-9;", "\\set fresh on", "\\set", "SELECT 1;",
                 "\\set epsilon default", "\\set delta default", "\\set fresh off", "SELECT 1;"):
        assert talk.feed(line)
    assert "epsilon 0.5\ndelta 1e-09\nfresh on\n" in capsys.readouterr().out
    assert session.asked[0][1] == {"analyst": "alice", "epsilon": 0.5, "delta": 1e-9, "fresh": True}
    assert session.asked[1][1] == {"analyst": "alice", "epsilon": None, "delta": None, "fresh": False}
    assert not talk.failed
    for wrong in ("many", "nan", "inf", "-1"):
        talk.failed = False
        talk.feed(f"\\set epsilon {wrong}")
        assert talk.failed and talk.epsilon is None and "\\set epsilon 0.5" in capsys.readouterr().err


def test_describing(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session)
    talk.feed("\\d")
    assert capsys.readouterr().out.splitlines() == [
        "table     rows belong to      keys",
        "--------  ------------------  -----------",
        "patients  id (the unit)       id",
        "visits    who -> patients.id",
        "wards     nobody (public)     ward, floor",
    ]
    talk.feed("-- a comment before it")
    talk.feed('  \\d "PATIENTS";')
    assert capsys.readouterr().out.splitlines() == [
        "patients: id (the unit)",
        "column  type     policy",
        "------  -------  -------------------------------------",
        "id      INTEGER  the unit, key",
        "age     INTEGER  range [0, 100]",
        "sex     VARCHAR  values 'female', 'it''s', true, 3",
        "photo   BLOB     of a type dpsql does not compute with",
    ]
    assert not talk.failed


@pytest.mark.parametrize("name", ["hidden", "absent"])
def test_a_table_the_policy_does_not_name_does_not_exist(
    session: Any, capsys: pytest.CaptureFixture[str], name: str,
) -> None:
    Shell(session).feed(f"\\d {name}")
    assert capsys.readouterr().err == f"error: the policy names no table {name}; \\d lists them\n"


def test_other_commands(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session, "alice")
    talk.feed("\\explain SELECT")
    talk.feed("1;")
    talk.feed("\\budget")
    talk.feed("\\help")
    out = capsys.readouterr().out
    assert out.startswith("explanation of SELECT\n1\n") and session.asked == []
    assert "epsilon 1 of 3 used, 2 left (the policy); delta 1e-08 of 5e-07 used" in out and "(alice)" in out
    assert "leave (also Ctrl-D)" in out
    talk.feed("SELECT")
    assert talk.feed("\\q") and talk.pending == "SELECT\n\\q\n"         # not a command inside a statement


def test_a_terminal(
    session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:
    prompts = []
    lines = iter(["SELECT", KeyboardInterrupt, "SELECT secret;", "SELECT 1;", EOFError])

    def type_(prompt: str) -> str:
        prompts.append(prompt)
        line = next(lines)
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setattr("builtins.input", type_)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert shell(session, None, None, None) == 0
    assert prompts == ["dpsql> ", "   ... ", "dpsql> ", "dpsql> ", "dpsql> "]
    assert [sql for sql, _ in session.asked] == ["SELECT secret", "SELECT 1"]
    history = tmp_path / "state" / "dpsql" / "history"
    assert history.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out.startswith("dpsql: private answers to SQL.")
