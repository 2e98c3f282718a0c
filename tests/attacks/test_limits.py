"""Each limit of dpsql/limits.py refuses, before parsing where it can, with its reason; texts within them pass."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from decimal import Decimal

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql import limits
from dpsql.errors import QueryError
from dpsql.limits import Limit, planning, tick
from dpsql.parse import parse

FULL = limits.CHARACTERS.most


def full(head: str, piece: str, tail: str = "") -> str:
    """A text as long as is read, of one piece again and again."""
    return head + piece * ((FULL - len(head) - len(tail)) // len(piece)) + tail


def chain(step: str, length: int) -> str:
    """A WITH whose every name reads the one before."""
    names = ", ".join(f"c{i} AS ({step.format(f'c{i - 1}')})" for i in range(1, length))
    return f"WITH c0 AS (SELECT * FROM t), {names} SELECT * FROM c{length - 1}"


PASSED: dict[str, tuple[Limit, str]] = {
    "characters": (limits.CHARACTERS, "SELECT " + " " * FULL),
    "brackets": (limits.TOKENS, full("SELECT ", "(")),
    "square brackets": (limits.TOKENS, full("SELECT ", "[")),
    "semicolons": (limits.TOKENS, ";" * FULL),
    "signs": (limits.TOKENS, full("SELECT 1", " + 1")),
    "words": (limits.TOKENS, full("SELECT 1 ", "a ")),
    "negations": (limits.TOKENS, full("SELECT ", "NOT ", "true")),
    "items of 20,000": (limits.TOKENS, full("SELECT 1", ",1")),
    "unions of 2,000": (limits.TOKENS, " UNION ALL ".join(["SELECT a FROM t"] * 2_000)),
    "comments": (limits.TOKENS, full("SELECT 1", "/**/+1")),
    "depth": (limits.DEPTH, "SELECT " + "(" * 31 + "1" + ")" * 31),
    "mixed depth": (limits.DEPTH, "SELECT " + "[{'a': (" * 11 + "1" + ")}]" * 11),
    "CASE in CASE": (limits.DEPTH, "SELECT " + "CASE WHEN true THEN " * 40 + "1" + " END" * 40),
    "types in types": (limits.TWICE, "SELECT " + "DATE(" * 28 + "a" + ")" * 28 + " FROM t"),
    "arrays in arrays": (limits.TWICE, "SELECT " + "ARRAY[f(" * 14 + "a" + ")]" * 14 + " FROM t"),
    "joins without ON": (limits.TWICE, "SELECT 1 FROM t" + " JOIN t" * 40),
    "joins of what is called VALUES": (limits.TWICE, "SELECT 1 FROM t" + " JOIN VALUES" * 40),
    "IF without brackets": (limits.TWICE, "SELECT " + "IF + " * 40 + "a FROM t"),
    "IF in square brackets": (limits.TWICE, "SELECT " + "IF [" * 20 + "a" + "]" * 20 + " FROM t"),
    "types and signs": (limits.TWICE, "SELECT " + "STRUCT * COLUMNS (" * 20 + "a" + ")" * 20 + " FROM t"),
    "stars without columns": (limits.TWICE, "SELECT " + "EXCLUDE ( DATE * " * 20 + "a" + ")" * 20 + " FROM t"),
    "stars without types": (limits.TWICE, "SELECT " + "EXCEPT ( ARRAY * " * 20 + "a" + ")" * 20 + " FROM t"),
    "a stray RECURSIVE": (limits.TWICE, "SELECT a FROM t WHERE " + "RECURSIVE LIMIT f (" * 20 + "a" + ")" * 20),
    "LIMIT as a name": (limits.TWICE, "SELECT a FROM t " + "FIRST LIMIT f(" * 20 + "a" + ")" * 20),
    "OFFSET": (limits.TWICE, "SELECT a FROM t GROUP BY " + "OFFSET PARTITION % (SELECT b " * 20 + "a" + ")" * 20),
    "END of nothing": (limits.TWICE, "SELECT " + "ARRAY[ END LIKE " * 20 + "a" + "]" * 20),
    "LIMIT and a dot": (limits.TWICE, "SELECT a FROM t " + "LIMIT a.(" * 20 + "a" + ")" * 20),
    "natural joins": (limits.TWICE, "SELECT 1 FROM t" + " NATURAL LEFT JOIN t" * 40),
    "joins in joins": (limits.TWICE, "SELECT 1 FROM " + "t JOIN t JOIN (SELECT 1 FROM " * 14 + "t" + ")" * 14),
    "types in joins": (limits.TWICE, "SELECT 1 FROM t JOIN t JOIN (SELECT " + "INT(" * 14 + "a" + ")" * 15),
    "sums": (limits.CHAIN, "SELECT " + "+".join(["a"] * 110) + " FROM t"),
    "minuses": (limits.CHAIN, "SELECT " + "- " * 250 + "a FROM t"),
    "NOT NOT": (limits.CHAIN, "SELECT a FROM t WHERE " + "NOT " * 250 + "true"),
    "casts": (limits.CHAIN, "SELECT a" + "::INT" * 110 + " FROM t"),
    "subscripts": (limits.CHAIN, "SELECT a" + "[1]" * 210 + " FROM t"),
    "arrows": (limits.CHAIN, "SELECT a" + "->'b'" * 110 + " FROM t"),
    "joins": (limits.CHAIN, "SELECT a FROM t" + " NATURAL" * 250 + " JOIN t AS u"),
    "OR": (limits.TERMS, "SELECT a FROM t WHERE " + " OR ".join(f"a = {i}" for i in range(320))),
    "AND": (limits.TERMS, "SELECT a FROM t WHERE " + " AND ".join(f"a = {i}" for i in range(320))),
    "a CASE ladder": (
        limits.TERMS, "SELECT CASE " + "".join(f"WHEN a={i} THEN {i} " for i in range(200)) + "END FROM t",
    ),
    "items": (limits.ITEMS, "SELECT " + ", ".join(["a"] * 201) + " FROM t"),
    "GROUP BY": (limits.ITEMS, "SELECT 1 FROM t GROUP BY " + ", ".join(f"a+{i}" for i in range(201))),
    "ORDER BY": (limits.ITEMS, "SELECT 1 FROM t ORDER BY " + ", ".join(f"a+{i}" for i in range(201))),
    "sources": (limits.ITEMS, "SELECT 1 FROM " + ", ".join(f"t AS t{i}" for i in range(201))),
    "IN": (limits.LIST, "SELECT a FROM t WHERE a IN (" + ", ".join(["1"] * 1_001) + ")"),
    "arguments": (limits.LIST, "SELECT COALESCE(" + ", ".join(["a"] * 1_001) + ") FROM t"),
    "blocks": (limits.BLOCKS, " UNION ALL ".join(["SELECT a FROM t"] * 65)),
    "subqueries": (limits.BLOCKS, "SELECT a FROM t WHERE " + " AND ".join(["EXISTS (SELECT 1 FROM t)"] * 65)),
    "many joins": (limits.SOURCES, "SELECT 1 FROM t" + "".join(f" JOIN t AS t{i} ON true" for i in range(130))),
    "doubling": (limits.SOURCES, chain("SELECT * FROM {0} UNION ALL SELECT * FROM {0}", 20)),
    "doubling by joins": (limits.SOURCES, chain("SELECT a.* FROM {0} AS a JOIN {0} AS b ON true", 40)),
    "doubling below": (limits.SOURCES, chain("SELECT * FROM {0} WHERE a IN (SELECT a FROM {0})", 20)),
    "stars": (limits.COLUMNS, chain("SELECT *, * FROM {0}", 30)),
    "stars of tables": (limits.COLUMNS, chain("SELECT a.*, a.*, a.* FROM {0} AS a", 30)),
}


@pytest.mark.parametrize("name", PASSED)
def test_each_limit_refuses(name: str) -> None:
    limit, sql = PASSED[name]
    assert len(sql) <= FULL or limit is limits.CHARACTERS
    began = time.thread_time()
    with pytest.raises(QueryError) as refused:
        parse(sql)
    spent = time.thread_time() - began
    assert refused.value.reason == limit.error().reason and refused.value.hint == limit.hint
    assert len(str(refused.value)) < 1_000, "the message shows a part of the text"
    assert spent < 5, "far above what it takes, so that no slow machine fails"


def test_what_people_write_is_within() -> None:
    for sql in (
        "SELECT a FROM t WHERE a IN (" + ", ".join(str(i) for i in range(900)) + ")",
        "SELECT a FROM t WHERE " + " OR ".join(f"(a = {i} AND b < {i})" for i in range(140)),
        "SELECT " + ", ".join(f"SUM(a{i}) AS s{i}" for i in range(150)) + " FROM t",
        " UNION ALL ".join(["SELECT a FROM t WHERE b = 1"] * 60),
        chain("SELECT *, a + 1 AS b FROM {0}", 60),
        "SELECT a FROM t WHERE note = '" + "it''s " * 3_000 + "'",
        "SELECT DATE(TIMESTAMP(a)), ARRAY[ARRAY[1], ARRAY[DATE(b)]], " + ", ".join(["CAST(a AS DECIMAL(9, 2))"] * 90)
        + " FROM t",
        "SELECT 1 FROM a NATURAL JOIN b NATURAL JOIN c NATURAL JOIN d" + " CROSS JOIN e" * 40,
        "SELECT 1 FROM a" + "".join(f" JOIN b AS b{i} ON a.x = b{i}.x JOIN c AS c{i} USING (x)" for i in range(30)),
        "SELECT 1 FROM a JOIN b JOIN c JOIN d ON c.x = d.x ON b.x = c.x ON a.x = b.x",
        "SELECT /* " + "why " * 5_000 + "*/ a FROM t -- " + "because " * 5_000,
    ):
        assert parse(sql)


@pytest.mark.parametrize("sql", [
    "SELECT '" + "x" * 99_000, "SELECT $$" + "x" * 99_000, 'SELECT "' + "x" * 99_000, "/*" * 49_000,
    "SELECT '" + "''" * 49_000,
    "SELECT " + "9" * 99_000, "SELECT " + "x" * 99_000 + " FROM t", "\\" * 99_000, "SELECT \x00" * 9_000, "-" * 99_999,
    "SELECT 1e999999999 FROM t", "𝕏" * 99_000, "SELECT a" + "." * 3_000 + "b", "SELECT {" + "'a':" * 900,
])
def test_odd_texts_end_quickly(sql: str) -> None:
    try:
        parse(sql)
    except QueryError as refused:
        assert len(str(refused)) < 5_000


def test_what_makes_sqlglot_fail_is_refused() -> None:
    for sql, dialect in (("SELECT DATEADD('', 1, a) FROM t", "tsql"), ("SELECT DATEDIFF((), a, b) FROM t", "tsql")):
        with pytest.raises(QueryError, match="other arguments than it takes"):
            parse(sql, None, dialect)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([
    "(", ")", "[", "]", "{", "}", "CASE", "WHEN", "THEN", "END", "SELECT", "FROM", "t", "a", ",", "+", "-", "NOT",
    "AND", "OR", "*", "1", "'x'", "WITH", "AS", "UNION", "JOIN", "ON", "IN", "::", "INT", ".", ";", "OVER", "ORDER BY",
    "?", "$1",
]), min_size=1, max_size=60), st.integers(1, 3_000))
def test_anything_repeated_is_parsed_or_refused(pieces: list[str], times: int) -> None:
    piece = " ".join(pieces) + " "
    try:
        parse("SELECT " + piece * min(times, FULL // len(piece)))
    except QueryError as refused:
        assert refused.reason


@pytest.mark.parametrize("value", [
    "x" * 100_001, 10**2_000, -(10**2_000), Decimal("1E+999999999"), Decimal("1E-999999999"), Decimal("1" * 1_100),
])
def test_parameters_are_limited_too(value: object) -> None:
    for params, hole in (([value], "?"), ({"p": value}, "$p")):
        with pytest.raises(QueryError, match="parameter"):
            parse(f"SELECT a FROM t WHERE a = {hole}", params)
    with pytest.raises(QueryError, match="more than 4000 parameters"):
        parse("SELECT ?", [1] * 4_001)


def test_planning_that_takes_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tick()
    with planning():
        tick()
        monkeypatch.setattr(time, "thread_time", lambda: 1e9)
        tick()      # not by the clock: other work may have taken it
        monkeypatch.setattr(time, "perf_counter", lambda: 1e9)
        with pytest.raises(QueryError, match="takes more than 1 second to plan"):
            tick()
    tick()


def test_collecting_garbage_is_no_work_on_a_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant: the collector's time counts, and a large program around refuses plain queries."""
    monkeypatch.setattr(limits, "SECONDS", Limit(0.2, "too long: {}", ""))
    heap = [[i] for i in range(500_000)]
    with planning():
        began = time.thread_time()
        while time.thread_time() < began + 0.4:
            gc.collect()
        tick()
        began = time.thread_time()
        with pytest.raises(QueryError, match="too long"):
            while time.thread_time() < began + 5:
                tick()
    assert len(heap) == 500_000, "it was there to be walked through"


def test_the_collector_may_run_while_a_variable_is_set() -> None:
    """Mutant: the collector's callback sets or reads a ContextVar; CPython 3.11 then reads freed memory, and dies."""
    done = subprocess.run([sys.executable, "-c", COLLECTING], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout, done.stderr) == (0, "lives\n", "")


COLLECTING = """
import contextvars, gc
from dpsql.limits import planning, tick
variables = [contextvars.ContextVar(f"v{i}") for i in range(40)]
gc.set_threshold(1, 1)
for i in range(500):
    with planning():
        tokens = [each.set([i]) for each in variables]
        tick()
        for each, token in zip(variables, tokens):
            each.reset(token)
print("lives")
"""


def test_names_are_counted_where_they_are_seen() -> None:
    """A name defined again in a subquery, and a table of the same name in a schema, are not the outer one."""
    inner = "WITH c AS (SELECT * FROM t) SELECT * FROM c"
    limits.check_tree(sqlglot.parse_one(f"WITH c AS ({' UNION ALL '.join(['SELECT * FROM t'] * 60)}) "
                                        f"SELECT * FROM c, ({inner}) AS d, s.c AS e, s.c AS f", read="duckdb"))
