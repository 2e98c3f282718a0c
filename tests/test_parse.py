"""What does not parse is said in the analyst's words; what is no text is refused like any query."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dpsql.errors import QueryError
from dpsql.parse import parse


@pytest.mark.parametrize(("sql", "reason"), [
    ("SELECT", "this SELECT asks for nothing"),
    ("SELECT FROM people", "this SELECT asks for nothing"),
    ("SELECT a FROM (SELECT FROM people) AS p", "this SELECT asks for nothing"),
    ("SELECT a UNION ALL SELECT", "this SELECT asks for nothing"),
    ("SELECT COUNT(*) FROM people WHERE", "the query does not parse: something is missing here"),
    ("SELECT a FROM people ORDER BY", "the query does not parse: something is missing here"),
    ("SELECT 'abc", "the query does not parse: a quote or a comment is not closed"),
    ("SELECT 1 /* abc", "the query does not parse: a quote or a comment is not closed"),
])
def test_what_is_wrong(sql: str, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(sql)
    assert caught.value.reason == reason


def test_a_query_may_start_with_from() -> None:
    assert parse("FROM people").sql() == parse("TABLE people").sql() == "SELECT * FROM people"


@pytest.mark.parametrize("sql", [None, 3, b"SELECT 1"])
def test_a_query_is_a_text(sql: Any) -> None:
    with pytest.raises(QueryError, match="a query is a text, not"):
        parse(sql)


@pytest.mark.parametrize("params", ["abc", 3, {1, 2}, iter([1])])
def test_params_are_a_list_or_a_mapping(params: Any) -> None:
    with pytest.raises(QueryError, match="params is a list or a mapping, not") as caught:
        parse("SELECT ?", params)
    assert caught.value.hint is not None and "params=[...]" in caught.value.hint


def test_the_parser_writes_no_text_of_a_query_anywhere() -> None:
    program = """
from dpsql.parse import parse
try:
    parse("WITH t AS (DELETE FROM visits RETURNING *) RENAME (*) FROM t")
except Exception as error:
    print(type(error).__name__)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("QueryError\n", "")
