"""Completion and pieces of SQL, without a terminal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from dpsql.doors.shell_commands import COMMANDS
from dpsql.doors.shell_words import KEYWORDS, Words, functions, tokens, words

WORDS = Words(
    {"patients": ["id", "age", "sex"], "visits": ["who", "cost", "cost of it"], "Odd name": ["x", "select"]},
    functions(), {name: command.takes for name, command in COMMANDS.items()},
)


def offered(before: str) -> list[str]:
    return [found.text for found in WORDS.complete(before)]


@pytest.mark.parametrize(("before", "first"), [
    ("sel", ["select"]), ("SEL", ["SELECT"]), ("SELECT cos", ["cost", "cos(", "cosh(", '"cost of it"']),
    ("SELECT a FROM ", ["patients", "visits", '"Odd name"']), ("SELECT a FROM vi", ["visits"]),
    ("SELECT a FROM visits, pa", ["patients"]), ("SELECT a FROM visits v JOIN Pat", ["patients"]),
    ("SELECT v.c FROM visits v WHERE v.", ["who", "cost", '"cost of it"']), ("SELECT visits.w", ["who"]),
    ("SELECT 1 FROM visits AS v, patients p WHERE p.a", ["age"]), ("WITH visits AS (SELECT 1) SELECT q.", []),
    ("SELECT 1 FROM \"Odd name\" o WHERE o.", ["x", '"select"']), ('SELECT "cost o', ['"cost of it"']),
    ("SELECT 'sel", []), ("SELECT -- sel", []), ("SELECT /* sel", []), ("SELECT 'it''s' -- x\nFRO", ["FROM"]),
    ("SELECT 1 FROM patients; SELECT 2 FROM visits WHERE wh", ["who", "where", "when"]),
    ("SELECT 1 FROM patients WHERE who", []), ("", []), ("SELECT ", []), ("SELECT 12", []),
    ("\\fo", ["\\format"]), ("\\d ", ["patients", "visits", '"Odd name"']), ("\\d v", ["visits"]),
    ("\\format m", ["markdown"]), ("\\confirm o", ["on", "off"]), ("\\budget ", []),
    ("\\set q", ["quality on", "quality off"]), ("\\set level ", ["level 0.99", "level default"]),
    ("\\set error o", ["error off"]),
    ("\\explain SELECT a FROM v", ["visits"]), ("\\plot ", []), ("\\nope x", []), ("  \\forma", ["\\format"]),
])
def test_completion(before: str, first: list[str]) -> None:
    assert offered(before)[: max(1, len(first))] == first


def test_what_the_policy_hides_is_not_offered(session: Any) -> None:
    known = words(session, {})
    assert "hidden" not in known.tables and "photo" not in known.tables["patients"]
    assert known.tables["visits"] == ["who", "cost", "day", "x"]


def test_every_function_offered_is_one() -> None:
    known = {name for (name,) in duckdb.sql("SELECT DISTINCT function_name FROM duckdb_functions()").fetchall()}
    grammar = {"coalesce", "nullif", "try_strptime", "percent_rank", "cume_dist", "dense_rank", "row_number", "rank",
               "ntile", "lag", "lead", "first_value", "last_value", "nth_value", "percentile_cont", "percentile_disc",
               "width_bucket"}
    assert {name for name in functions() if name not in known | grammar} == set()
    assert {"abs", "upper", "date_trunc", "avg", "bool_and", "row_number", "count"} <= set(functions())


def test_every_keyword_stands_in_the_manual() -> None:
    pages = Path(__file__).parents[2] / "grammar_fixtures"
    said = " ".join(" ".join(page.read_text() for page in pages.rglob("*.md")).upper().split())
    assert [word for word in KEYWORDS if not re.search(rf"\b{word}\b", said)] == []


@pytest.mark.parametrize("name", ["cost of it", "select", "x"])
def test_names_are_quoted_where_sql_needs_it(name: str) -> None:
    columns = Words({"t": [name]}).complete("SELECT t.")
    assert sqlglot.parse_one(f"SELECT {columns[0].text}", dialect="duckdb").selects[0].name == name


@given(st.text(alphabet="aE1.;'\"$-/*\\ \n(é", max_size=40))
def test_tokens_cover_the_text_and_completion_never_fails(text: str) -> None:
    covered = "".join(text[start:end] for _, start, end in tokens(text))
    assert "".join(covered.split()) == "".join(text.split())
    for found in WORDS.complete(text):
        assert 0 <= found.typed <= len(text)
