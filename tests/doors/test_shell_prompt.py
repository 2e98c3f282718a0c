"""What a person types: prompt_toolkit fed with keys, and the plain prompt without it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from dpsql.doors import shell_prompt
from dpsql.doors.shell import Shell, shell
from dpsql.doors.shell_prompt import coloured, complete, toolbar
from dpsql.doors.shell_words import Words
from dpsql.errors import LedgerError

ENTER, CTRL_C, CTRL_D = "\r", "\x03", "\x04"


@contextmanager
def typed(text: str) -> Iterator[None]:
    """A terminal in which these keys are pressed."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()), visible():
        keys.send_text(text)
        yield


@contextmanager
def visible() -> Iterator[None]:
    """Standard input and output are a terminal. Not a fixture: pytest replaces both between setup and test."""
    with mock.patch.object(sys, "stdin", io.StringIO()), ExitStack() as stack:
        for stream in (sys.stdin, sys.stdout):
            stack.enter_context(mock.patch.object(stream, "isatty", lambda: True))
        yield


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Of the user; the folder that holds the history."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "dpsql"


def test_a_statement_of_several_lines(session: Any, home: Path) -> None:
    with typed(f"SELECT 2{ENTER}FROM x;{ENTER}\\timing{ENTER}{ENTER}SELECT ';{ENTER}'; SELECT 3;{ENTER}{CTRL_D}"):
        assert shell(session, "alice", None, None) == 0
    assert [sql for sql, _ in session.asked] == ["SELECT 2\nFROM x", "SELECT ';\n'", "SELECT 3"]
    history = home / "history"
    assert history.stat().st_mode & 0o777 == 0o600 and "+FROM x;" in history.read_text()


def test_ctrl_c_drops_what_is_typed_and_ctrl_d_leaves(session: Any, home: Path) -> None:
    with typed(f"SELECT secr{CTRL_C}SELECT 2;{ENTER}{CTRL_D}"):
        shell(session, None, None, None)
    assert [sql for sql, _ in session.asked] == ["SELECT 2"]


def test_a_cancelled_query_leaves_the_shell_usable(
    session: Any, home: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    with typed(f"SELECT slow;{ENTER}SELECT 2;{ENTER}\\q{ENTER}"):
        assert shell(session, "alice", None, None, ["ON_ERROR_STOP on"]) == 0
    out, err = capsys.readouterr()
    assert "cancelled; what was charged stays charged" in err and "1 of 3 used, 2 left (alice)" in out
    assert [sql for sql, _ in session.asked] == ["SELECT slow", "SELECT 2"]


@pytest.mark.parametrize(("answer", "asked"), [("y", 1), ("", 0), ("no", 0)])
def test_confirming(session: Any, home: Path, answer: str, asked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda question: answer)
    with typed(f"\\confirm on{ENTER}SELECT 2;{ENTER}{CTRL_D}"):
        shell(session, None, None, None)
    assert len(session.asked) == asked


def test_without_prompt_toolkit(
    session: Any, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    lines = iter(["SELECT", "2;", EOFError()])

    def read(prompt: str) -> str:
        line = next(lines)
        if isinstance(line, str):
            return line
        raise line

    monkeypatch.setattr(shell_prompt, "find_spec", lambda name: None)
    monkeypatch.setattr("builtins.input", read)
    with visible():
        assert shell(session, None, None, None) == 0
    assert [sql for sql, _ in session.asked] == ["SELECT\n2"] and "dpsql[shell]" in capsys.readouterr().out


def test_a_home_that_cannot_be_written(session: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    with typed(f"SELECT 2;{ENTER}{CTRL_D}"):
        assert shell(session, None, None, None) == 0
    assert len(session.asked) == 1


def test_the_toolbar(session: Any) -> None:
    talk = Shell(session, "alice")
    assert toolbar(talk) == " alice: epsilon 2 of 3 left"
    for command in ("\\epsilon 0.5", "\\confirm on", "\\timing on", "\\replay off", "\\format csv",
                    "\\dialect spark", "\\o /dev/null"):
        talk.feed(command)
    assert toolbar(talk) == (
        " alice: epsilon 2 of 3 left · 0.5 epsilon a query · confirm · timing · replay off · spark · csv · to null")
    talk.close()
    talk = Shell(session, "alice")
    for command in ("\\set error 1e5", "\\set level 0.999", "\\set quality on"):
        talk.feed(command)
    assert toolbar(talk) == " alice: epsilon 2 of 3 left · within ±100000 · 99.9 % intervals · quality"

    def gone(analyst: str | None) -> None:
        raise LedgerError("the ledger is gone")

    session.balance = gone
    assert toolbar(talk).startswith(" the ledger cannot be read")


@pytest.mark.parametrize(("text", "ends"), [
    ("", True), ("SELECT 1", False), ("SELECT 1;", True), ("SELECT ';", False), ("\\d", True), ("\\d visits", True),
    ("\\explain", True), ("\\explain SELECT", False), ("\\explain SELECT 1;", True), ("\\plot;", True),
    ("\\nope", True), ("SELECT 1; \\d", True), ("-- a comment", True), ("SELECT 1; SELECT 2", False),
    ("SELECT 1\n\\d", True), ("SELECT '\n\\d", False), ("SELECT 1 \\d", False),
])
def test_where_enter_ends(text: str, ends: bool) -> None:
    assert complete(text) is ends


KNOWN = Words({"visits": ["cost"]}, ["count"])


def test_colours() -> None:
    styles = {piece: style for line in coloured("SELECT count(cost), 'a\nb' -- c\nFROM visits, count, 5", KNOWN)
              for style, piece in line if piece.strip()}
    assert styles == {
        "SELECT": "class:keyword", "count": "", "(": "", "cost": "class:known", ")": "", ",": "", "'a": "class:text",
        "b'": "class:text", "-- c": "class:text", "FROM": "class:keyword", "visits": "class:known", "5": "class:number"}


@given(st.text(alphabet="aE1;'\"$-/*\\ \n(", max_size=40))
def test_colours_keep_the_text(text: str) -> None:
    lines = coloured(text, KNOWN)
    assert "\n".join("".join(piece for _, piece in line) for line in lines) == text
