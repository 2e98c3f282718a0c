"""Folding, records, errors over their carets."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from dpsql.answer import Answer
from dpsql.doors.screen import Screen, screen
from dpsql.errors import BudgetError, QueryError


def test_a_file_is_neither_folded_nor_coloured(noisy: Answer) -> None:
    assert screen(io.StringIO()) == Screen(None, False)
    assert Screen().answered(noisy) == noisy.show() and Screen().fold("x " * 200) == "x " * 200
    assert Screen().told(QueryError("no", hint="yes")) == "error: no\nhint: yes"


@pytest.mark.parametrize(("name", "value", "colour"), [
    ("TERM", "xterm", True), ("TERM", "dumb", False), ("NO_COLOR", "1", False),
])
def test_colours(name: str, value: str, colour: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLUMNS", "77")
    monkeypatch.setenv(name, value)
    assert screen(stream) == Screen(77, colour)


def test_what_is_doubtful_is_red(noisy: Answer) -> None:
    narrow, wide = Screen(30, True).answered(noisy), Screen(80, True).answered(noisy)
    for text in (narrow, wide):
        assert [part.partition("\x1b[0m")[0].split() for part in text.split("\x1b[31m")[1:]] == [["17", "±", "3"]] or (
            "17 [0, 20]" in text.partition("\x1b[31m")[2].partition("\x1b[0m")[0])
    assert "\x1b" not in Screen(80).answered(noisy)


def test_a_table_that_is_too_wide_is_shown_as_records(noisy: Answer) -> None:
    shown = Screen(30).answered(noisy).splitlines()
    assert shown[:5] == ["--- row 1", "ward   A1", "n      29752 ± 3", "cost   1235 ± 13", "first  2025-01-02"]
    assert "... 1 more of 2 rows" in Screen(30).answered(noisy, 1)
    assert all(len(line) <= 30 for line in shown)
    empty = Screen(5).answered(replace(noisy, rows=(), intervals=()))
    assert "(no rows)" in empty and "ward" in empty


def test_an_error_fits_the_screen_and_its_carets_stand_under_the_piece() -> None:
    sql = "SELECT " + ", ".join(f"column_{i}" for i in range(40)) + " FROM t"
    start = sql.index("column_30")
    error = QueryError("too many words " * 10, sql=sql, start=start, end=start + 8, hint="fewer " * 30)
    lines = Screen(60).told(error).splitlines()
    assert all(len(line) <= 60 for line in lines)
    caret = next(i for i, line in enumerate(lines) if "^" in line)
    assert lines[caret - 1][lines[caret].index("^") :].startswith("column_30")
    assert Screen(40).told(BudgetError("a b " * 30)).count("\n") > 2
    assert Screen().told(FileNotFoundError(2, "No such file", "x.toml")) == "error: x.toml: No such file"


def test_a_list_stands_above_its_words_where_it_has_no_room_beside() -> None:
    rows = [("\\a [one|two|three]", "what the first one does " * 3), ("\\b", "short")]
    narrow, wide = (Screen(width).listed(rows).splitlines() for width in (40, 80))
    assert narrow[0] == "\\a [one|two|three]" and narrow[-2:] == ["\\b", "    short"]
    assert all(len(line) <= 40 for line in narrow) and all(line.startswith("    what") for line in narrow[1:2])
    assert wide[0].startswith("\\a [one|two|three]  what") and wide[-1] == "\\b                  short"
    assert Screen().listed(rows).count("\n") == 1


def test_a_grid_folds_its_last_column() -> None:
    shown = Screen(40).grid(("name", "what"), [("a", "word " * 12), ("b", "")]).splitlines()
    assert shown[0] == "name  what" and all(len(line) <= 40 for line in shown) and shown[-1] == "b"
    assert shown[3].startswith("      word")
