"""Where statements end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.doors.statements import blank, split


@pytest.mark.parametrize(("text", "finished", "rest"), [
    ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"], ""),
    ("SELECT 1; SELECT", ["SELECT 1"], " SELECT"),
    ("SELECT ';', \";\", 'it''s;';", ["SELECT ';', \";\", 'it''s;'"], ""),
    ("SELECT 1 -- no; end\n;", ["SELECT 1 -- no; end"], ""),
    ("SELECT /* ; /* ; */ ; */ 1;", ["SELECT /* ; /* ; */ ; */ 1"], ""),
    ("SELECT $$;$$, $a$;$$;$a$;", ["SELECT $$;$$, $a$;$$;$a$"], ""),
    (r"SELECT e'\';', E'\\';", [r"SELECT e'\';', E'\\'"], ""),
    (r"SELECT '\';", [r"SELECT '\'"], ""),                       # an ordinary text knows no backslash
    ("SELECT $1; SELECT a$b;", ["SELECT $1", "SELECT a$b"], ""),
    ("SELECT 1 - -1; SELECT 4 / 2;", ["SELECT 1 - -1", "SELECT 4 / 2"], ""),
    ("SELECT 'open;", [], "SELECT 'open;"),
    ("SELECT /* open;", [], "SELECT /* open;"),
    ('SELECT "open;', [], 'SELECT "open;'),
    ("SELECT $$open;", [], "SELECT $$open;"),
    (";; ; -- nothing\n; /* ; */ ;", [], ""),
])
def test_split(text: str, finished: list[str], rest: str) -> None:
    assert split(text) == (finished, rest)


def test_blank() -> None:
    assert all(map(blank, ["", " \n", "-- x", "/* a /* b */ */ -- c\n  ", "/* open"]))
    assert not any(map(blank, ["x", "/* a */ x", "-- c\nx", "'", "/"]))


@given(st.text(alphabet="a;'\"$-/*\\ \nEe", max_size=30))
def test_nothing_is_lost_and_typing_line_by_line_is_the_same(text: str) -> None:
    finished, rest = split(text)
    typed: list[str] = []
    pending = ""
    for line in text.splitlines(keepends=True):
        found, pending = split(pending + line)
        typed += found
    assert (typed, pending) == (finished, rest)
