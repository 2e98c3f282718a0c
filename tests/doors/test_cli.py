"""The command line."""

from __future__ import annotations

import io
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from dpsql.answer import Answer, Clipped
from dpsql.doors import cli
from dpsql.doors.cli import COMMANDS, Command, main, parser


@pytest.fixture(autouse=True)
def faked(monkeypatch: pytest.MonkeyPatch, session: Any) -> None:
    @contextmanager
    def open_(options: Any) -> Iterator[Any]:
        yield session

    monkeypatch.setattr(cli, "_session", open_)
    monkeypatch.delenv("DPSQL_ANALYST", raising=False)


def test_query(session: Any, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["-d", "x", "-a", "alice", "-e", "0.5", "--delta", "1e-9", "--param", "5", "--fresh"]
    assert main(["query", "SELECT ?", *arguments]) == 0
    assert session.asked == [("SELECT ?", {
        "analyst": "alice", "epsilon": 0.5, "delta": 1e-9, "params": [5], "fresh": True, "dialect": "duckdb",
        "error": None, "level": None, "quality": False})]
    out, err = capsys.readouterr()
    assert "29752 ± 3" in out and out.endswith("left (alice)\n") and err == ""


def test_how_right_an_answer_is_to_be(session: Any) -> None:
    arguments = ["--error", "100", "--level", "0.99", "--quality"]
    assert main(["query", "SELECT 2", *arguments]) == main(["explain", "SELECT 2", *arguments]) == 0
    for options in (session.asked[0][1], session.explained[0]):
        assert {name: options[name] for name in ("epsilon", "error", "level", "quality")} == {
            "epsilon": None, "error": 100.0, "level": 0.99, "quality": True}


def test_the_shell_begins_with_options(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 2;"))
    assert main(["shell", "--error", "100", "--level", "0.99", "--quality", "--set", "quality=off"]) == 0
    options = session.asked[0][1]
    assert (options["error"], options["level"], options["quality"]) == (100, 0.99, False)
    assert main(["shell", "--level", "2"]) == 1 and len(session.asked) == 1


def test_what_was_cut_stands_in_the_json(
    session: Any, noisy: Answer, capsys: pytest.CaptureFixture[str],
) -> None:
    share = Clipped("people", "are in more than 2 groups, and some of theirs are left out", 0.03, 0.01, 0.05, 0.95)
    session.query = lambda sql, **options: replace(noisy, clipped=(share,), warnings=(str(share),))
    for arguments in (["--json"], ["--format", "json"]):
        assert main(["query", "SELECT", "--quality", *arguments]) == 0
        assert json.loads(capsys.readouterr().out)["clipped"] == [asdict(share)]
    for arguments in ([], ["--format", "csv"]):
        assert main(["query", "SELECT", "--quality", *arguments]) == 0
        assert "warning: 3 % of people (1 % to 5 %, with 95 %) are in more than 2" in "".join(capsys.readouterr())


def test_the_analyst_of_the_environment(session: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DPSQL_ANALYST", "bob")
    main(["query", "SELECT 1"])
    assert session.asked[0][1]["analyst"] == "bob" and session.asked[0][1]["params"] is None


def test_formats_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out == ("ward,n,n_low,n_high,cost,cost_low,cost_high,first\n"
                   "A1,29752,29749,29755,1234.56,1222.25,1246.87,2025-01-02\nB,17,0,20,,,,\n")
    assert err == "warning: few rows\nepsilon 1, delta 1e-08 spent · 1 of 3 used, 2 left (alice)\n"
    assert main(["query", "SELECT", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["rows"] == [["A1", 29752, 1234.56, "2025-01-02"], ["B", 17, None, None]]
    assert data["intervals"][0][1] == [29749, 29755] and data["cost"] == {"epsilon": 1.0, "delta": 1e-8}
    assert main(["query", "SELECT", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == data and err == ""
    assert main(["query", "SELECT", "--format", "markdown"]) == 0
    assert "| A1 | 29752 ± 3 | 1235 ± 13 | 2025-01-02 |" in capsys.readouterr().out


def test_json_of_explain_and_of_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "SELECT", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "bounds": "bounds of SELECT", "rewritten": "SELECT 2", "finish": "SELECT 3", "cost": "cost: epsilon 1",
        "warnings": []}
    assert main(["query", "SELECT secret", "--json"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and json.loads(err) == {
        "error": "QueryError", "reason": "no table secret", "hint": None, "start": 7, "end": 12}


def test_sql_from_standard_input(
    session: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT\n1"))
    assert main(["explain", "-"]) == 0
    assert capsys.readouterr().out.startswith("public tables only: exact and free")
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT 1;\n\\budget\n"))
    assert main(["shell"]) == 0
    assert session.asked[-1][0] == "SELECT 1"


def test_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["query", "SELECT secret"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err == "error: no table secret\nline 1: SELECT secret\n               ^^^^^^\n"
    assert main(["query", "slow"]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert main(["query", "SELECT", "--param", "a=1", "--param", "2"]) == 1


@pytest.mark.parametrize("arguments", [
    [], ["nope"], ["query"], ["query", "x", "--epsilon", "much"], ["query", "x", "--format", "xml"],
    ["query", "x", "--level", "99%"], ["query", "x", "--error", "low"], ["query", "x", "--quality=maybe"],
    ["budget", "burn"], ["budget", "raise", "--epsilon", "much"], ["budget", "raise", "--epsilon", "nan"],
])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and "usage: dpsql" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    out = capsys.readouterr().out
    assert stopped.value.code == 0
    assert all(f"    {command.name}" in out for command in COMMANDS) and "DPSQL_DATABASE" in out


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_shows_an_example_that_is_right(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as stopped:
        main([command.name, "--help"])
    out = capsys.readouterr().out
    assert stopped.value.code == 0 and f"example:\n  {command.example}" in out
    assert all(len(line) <= 80 for line in out.splitlines() if command.example.splitlines()[0] not in line)
    for line in command.example.splitlines():
        words = shlex.split(line.strip().partition("  ")[0], comments=True)
        end = next((i for i, word in enumerate(words) if word in "<>"), len(words))
        assert words[0] == "dpsql" and parser().parse_args(words[1:end]).run is command.run


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dpsql", *arguments], capture_output=True, text=True, encoding="utf-8", **options)


def test_as_a_module(tmp_path: Path) -> None:
    assert run("--version").stdout.startswith("dpsql 0.")
    failed = run("query", "SELECT 1", "-d", str(tmp_path / "absent.duckdb"), "-p", "absent.toml")
    assert failed.returncode == 1 and failed.stderr.startswith("error: ") and "Traceback" not in failed.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    head = f"{sys.executable} -m dpsql --help | true; {sys.executable} -m dpsql budget --help | head -1"
    done = subprocess.run(["bash", "-c", head], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
