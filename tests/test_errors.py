"""Carets under the offending piece."""

from __future__ import annotations

import re

import pytest

from dpsql import errors
from dpsql.errors import LONGEST_LINE, QueryError, caret


def test_the_line_and_its_carets() -> None:
    sql = "SELECT a,\n\tb\nFROM t"
    assert caret(sql, sql.index("b"), sql.index("b")) == "line 2:  b\n         ^"
    assert caret(sql, sql.index("FROM"), len(sql) + 9).splitlines()[1] == " " * 8 + "^" * len("FROM t")
    error = QueryError("no such table", hint="look", start=18, end=18).at(sql)
    assert str(error) == "no such table\nline 3: FROM t\n             ^\nhint: look"


@pytest.mark.parametrize("place", [0, 3, 170, 500, 995])
def test_a_long_line_is_shown_around_the_caret(place: int) -> None:
    line = "x" * 1000
    sql = f"{line[:place]}BAD{line[place:]}"
    shown, carets = caret(f"SELECT 1,\n{sql}", 10 + place, 12 + place).splitlines()
    assert shown.startswith("line 2: ") and len(shown) <= len("line 2: ") + LONGEST_LINE + 2
    assert carets.strip() == "^^^" and shown[carets.index("^") :].startswith("BAD")
    assert ("x…" in shown, "…x" in shown or "…BAD" in shown) == (place < 900, place > 60)


def test_every_error_has_a_sqlstate() -> None:
    found = {name: value for name, value in vars(errors).items()
             if isinstance(value, type) and issubclass(value, (errors.Error, errors.Warning))}
    assert all(re.fullmatch("[0-9A-Z]{5}", error.sqlstate) for error in found.values()) and len(found) > 12
    assert (QueryError.sqlstate, errors.BudgetError.sqlstate, errors.NotSupportedError.sqlstate) == (
        "42000", "53400", "0A000")


def test_notebooks_see_the_message_and_bugs_their_traceback() -> None:
    error = QueryError("no such table", start=7, end=7).at("SELECT a")
    assert error._render_traceback_() == ["QueryError: no such table", "line 1: SELECT a", " " * 15 + "^"]
    try:
        raise errors.InternalError("a bound is missing")
    except errors.InternalError as bug:
        assert "in test_notebooks_see" in "".join(bug._render_traceback_())
