"""The shell, fed line by line and through a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dpsql.answer import Answer
from dpsql.doors.formats import to_csv, to_json
from dpsql.doors.shell import FAILED, STOPPED, Shell, shell
from dpsql.doors.shell_commands import COMMANDS


def piped(session: Any, text: str, monkeypatch: pytest.MonkeyPatch, settings: Sequence[str] = ()) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return shell(session, "alice", None, None, settings)


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
        "error in the statement at line 1: no table secret", "line 1: SELECT secret", "               ^^^^^^",
        "error in the statement at line 3: the budget does not allow this",
        "error in the statement at line 4: cancelled; what was charged stays charged",
        "error in the statement at line 5: no command \\nope; \\help lists them"]


def test_a_failure_names_the_line_where_its_statement_begins(
    session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    text = "-- a report\n\nSELECT 1,\n 2;\n/* b */\nSELECT\n secret; SELECT 1;\nSELECT 1; SELECT\n slow;"
    piped(session, text, monkeypatch)
    assert [line.split(":")[0] for line in capsys.readouterr().err.splitlines() if line.startswith("error")] == [
        "error in the statement at line 6", "error in the statement at line 8"]


@pytest.mark.parametrize("settings", [["ON_ERROR_STOP on"], ["ON_ERROR_STOP 1"]])
def test_stopping_at_the_first_error(session: Any, settings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(session, "SELECT 1;\nSELECT secret; SELECT 1;\nSELECT 1;\n", monkeypatch, settings) == STOPPED
    assert piped(session, "\\nope\nSELECT 1;\n", monkeypatch, settings) == STOPPED
    assert [sql for sql, _ in session.asked] == ["SELECT 1", "SELECT secret"]
    assert piped(session, "SELECT 1;", monkeypatch, settings) == 0
    session.asked.clear()
    assert piped(session, "\\set ON_ERROR_STOP on\nSELECT secret;\nSELECT 1;\n", monkeypatch) == STOPPED
    assert piped(session, "SELECT secret;\nSELECT 1;\n", monkeypatch) == FAILED


@pytest.mark.parametrize(
    "wrong", [
        "format xml", "epsilon", "epsilon many", "nonsense on", "ON_ERROR_STOP perhaps", "dialect cobol", "level 2",
        "level 1", "level 0", "level", "level 99%", "error -1", "error 0", "error nan", "error", "quality maybe"],
)
def test_a_wrong_setting_asks_nothing(session: Any, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(session, "SELECT 1;", monkeypatch, [wrong]) == FAILED and not session.asked


def test_what_is_no_setting_is_said_with_those_there_are(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session)
    talk.feed("\\set colour blue")
    talk.feed("\\set epsilon")
    said = capsys.readouterr().err
    assert "no setting colour; there are epsilon, delta, error, level, quality" in said
    assert "write \\set epsilon VALUE" in said


def test_quitting_skips_the_rest(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(session, "SELECT 1;\n\\q\nSELECT secret;\n", monkeypatch) == 0
    assert len(session.asked) == 1
    assert piped(session, "SELECT 'unfinished", monkeypatch) == 0
    assert session.asked[-1][0] == "SELECT 'unfinished"
    assert piped(session, " -- only a comment", monkeypatch) == 0 and len(session.asked) == 2


def test_settings(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk, usual = Shell(session, "alice"), {"error": None, "level": 0.95, "quality": False}
    for line in ("\\epsilon 0.5", "\\delta 1e-9;", "\\replay off", "\\timing on", "\\set", "SELECT 1;"):
        assert talk.feed(line)
    out = capsys.readouterr().out
    assert out.split()[:10] == ["epsilon", "0.5", "delta", "1e-09", "error", "off", "level", "0.95", "quality", "off"]
    assert out.split()[10:20] == [
        "confirm", "off", "timing", "on", "format", "table", "dialect", "duckdb", "fresh", "on"]
    assert "\ntime: " in out
    for line in ("\\set epsilon default", "\\delta default", "\\replay on", "\\dialect TSQL", "\\timing", "SELECT 1;"):
        assert talk.feed(line)
    assert "timing off" in capsys.readouterr().out
    assert session.asked[0][1] == {
        "analyst": "alice", "epsilon": 0.5, "delta": 1e-9, "fresh": True, "dialect": "duckdb", **usual}
    assert session.asked[1][1] == {
        "analyst": "alice", "epsilon": None, "delta": None, "fresh": False, "dialect": "tsql", **usual}
    assert not talk.failed
    for wrong in ("many", "nan", "inf", "-1"):
        talk.failed = False
        talk.feed(f"\\epsilon {wrong}")
        assert talk.failed and talk.epsilon is None and "\\epsilon 0.5" in capsys.readouterr().err


def test_how_right_answers_are_to_be(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session, "alice", ask=lambda question: True)
    for line in ("\\set quality on", "\\set level 0.99", "\\set error 100", "\\set", "\\confirm on", "SELECT 2;",
                 "\\explain"):
        talk.feed(line)
    out = capsys.readouterr().out
    assert "error 100\nlevel 0.99\nquality on\n" in out and "a query costs" not in out
    wanted = {"epsilon": None, "error": 100, "level": 0.99, "quality": True}
    for options in (session.asked[0][1], *session.explained):       # what is confirmed is what is asked
        assert {name: options[name] for name in wanted} == wanted
    for line in ("\\set quality off", "\\set level default", "\\set error off", "\\set"):
        talk.feed(line)
    assert "error off\nlevel 0.95\nquality off\n" in capsys.readouterr().out and not talk.failed


def test_a_query_has_a_price_or_an_error(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session, epsilon=0.5)
    talk.feed("\\set error 100")
    assert (talk.epsilon, talk.error) == (None, 100)
    assert capsys.readouterr().out == "epsilon is dropped: a query costs what the error takes\n"
    talk.feed("\\set error off")
    assert (talk.epsilon, talk.error) == (None, None)
    talk.feed("\\set error 100")
    talk.feed("\\epsilon default")
    assert talk.error == 100 and capsys.readouterr().out == ""
    talk.feed("\\format csv")
    talk.feed("\\epsilon 1")
    assert (talk.epsilon, talk.error) == (1, None)
    assert capsys.readouterr() == ("", "error is dropped: a query costs this epsilon\n")       # no line among the rows


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
        "column  type     what is known",
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
    assert capsys.readouterr().err.endswith(f": the policy names no table {name}; there are: patients, visits, wards\n")


def test_other_commands(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session, "alice")
    talk.feed("\\explain SELECT")
    talk.feed("2;")
    talk.feed("\\explain")
    out = capsys.readouterr().out
    assert out.count("bounds of SELECT\n2") == 2 and session.asked == []
    talk.feed("\\budget")
    talk.feed("\\help")
    out = capsys.readouterr().out
    assert "the policy  1              2     3   1e-08        4.9e-07  5e-07" in out and "alice       1 " in out
    assert all(command.usage in out for command in COMMANDS.values()) and "leave (also Ctrl-D)" in out
    talk.feed("SELECT")
    assert talk.feed("\\timing off") and talk.pending == "SELECT\n" and not talk.failed     # a statement waits
    assert talk.feed("'\n\\timing") and talk.pending == "SELECT\n'\n\\timing\n"             # a text, no command
    assert talk.feed("'; \\timing") and talk.timing and talk.pending == ""
    assert talk.feed("SELECT") and not talk.feed("\\q")


def test_the_last_answer_again_is_free(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk = Shell(session, "alice")
    for command, reason in (("replay", "no answer yet"), ("plot", "no answer yet"), ("explain", "nothing to explain")):
        talk.feed(f"\\{command}")
        assert talk.failed and reason in capsys.readouterr().err
    talk.feed("SELECT 2;")
    assert "epsilon 1, delta 1e-08 spent" in capsys.readouterr().out
    talk.feed("\\replay")
    talk.feed("\\plot")
    out = capsys.readouterr().out
    assert len(session.asked) == 1 and out.count("replay, free · 1 of 3 used") == 2 and "29752 ± 3" in out
    assert "█" in out or "#" in out


def test_a_plot_of_nothing_shows_what_was_paid(
    session: Any, noisy: Answer, capsys: pytest.CaptureFixture[str],
) -> None:
    talk = Shell(session)
    session.query = lambda sql, **options: replace(noisy, rows=(), intervals=())
    talk.feed("\\plot SELECT 2;")
    out, err = capsys.readouterr()
    assert "(no rows)" in out and "epsilon 1" in out and "nothing to plot" in err and talk.failed


def test_answers_for_programs(
    session: Any, noisy: Answer, tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    talk = Shell(session, "alice")
    talk.feed("\\format csv")
    talk.feed("SELECT 2;")
    out, err = capsys.readouterr()
    assert out == to_csv(noisy) and "epsilon 1" in err
    talk.feed(f"\\o {tmp_path / 'out.csv'}")
    talk.feed("SELECT 2;")
    assert (tmp_path / "out.csv").read_text() == to_csv(noisy)
    talk.feed("\\format json")
    talk.feed("\\o")
    capsys.readouterr()
    talk.feed("SELECT 2;")
    assert capsys.readouterr() == (to_json(noisy), "")
    talk.feed(f"\\o {tmp_path / 'no' / 'such'}")
    assert talk.failed and "No such file" in capsys.readouterr().err and talk.out is None


def test_confirming(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    talk, asked = Shell(session, "alice"), []

    def ask(question: str) -> bool:
        asked.append(question)
        return len(asked) > 1

    talk.feed("\\confirm on")
    talk.feed("SELECT 2;")
    assert talk.failed and "nobody to ask" in capsys.readouterr().err and not session.asked
    talk.ask = ask
    talk.feed("SELECT 2;")
    assert "nothing charged" in capsys.readouterr().out and not session.asked
    talk.feed("SELECT 2;")
    assert "29752 ± 3" in capsys.readouterr().out and len(session.asked) == 1
    assert "cost: epsilon 1" in asked[0] and "epsilon 2 is left" in asked[0]
    talk.feed("SELECT 1;")          # free: no question
    assert len(asked) == 2 and len(session.asked) == 2

    def leave(question: str) -> bool:
        raise KeyboardInterrupt

    talk.ask, talk.failed = leave, False
    talk.feed("SELECT 2;")
    assert "not asked, nothing charged" in capsys.readouterr().out and not talk.failed and len(session.asked) == 2


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
    history = tmp_path / "state" / "dpsql" / "history.readline"
    assert history.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out.startswith("dpsql: private answers to SQL.")
