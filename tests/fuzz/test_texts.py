"""Mangled texts: the queries of the grammar pages and random ones, cut, spliced, repeated, with odd signs put in.

Whatever comes, planning ends within a moment: with a plan, or with a QueryError that names nothing of ours.
"""

from __future__ import annotations

import re
import time
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages import cases

from dpsql.errors import QueryError
from dpsql.session import Session
from tests.fuzz.query_words import queries

SECONDS = 5         # of computing, far above what planning takes, so that no slow machine fails
INNARDS = re.compile(r"Traceback|sqlglot|object at 0x|<class|InternalError|\bexp\.|dpsql\.")
DIALECTS = ("duckdb",) * 6 + ("postgres", "bigquery", "snowflake", "tsql", "spark", "mysql", "sqlite", "trino")
PIECES = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\w+|\s+|[^\w\s]")
ODD = (
    "\x00", "\ufeff", "\u202e", "\u00a0", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\u0130",
    "é", "'", '"', "''", "$$", "`", "\\", "--", "/*", "*/", "/**/", "-- x\n", ";", "(", ")", "[", "]", "{", "}", ",", ".",
    "..", "::", ":", "?", "$1", "$p", "@x", "*", "%", "=>", "->", "->>", "||", "<=>", "!", "~", "^", "&", "#",
    "9" * 400, "1e999", "1e-999", "0x7f", "1_000", ".5", "5.", "NULL", "TRUE", "DEFAULT", "INTERVAL 1 DAY", "DATE 'x'",
    "AS", "ON", "USING", "NATURAL", "LATERAL", "OVER ()", "OVER w", "FILTER (WHERE TRUE)", "WITHIN GROUP (ORDER BY 1)",
    "DISTINCT", "ALL", "ANY", "EXISTS", "IN", "BETWEEN", "LIKE", "ESCAPE", "COLLATE", "CASE", "WHEN", "END", "CAST(",
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "QUALIFY", "ORDER BY", "LIMIT", "OFFSET", "UNION", "EXCEPT", "WITH",
    "RECURSIVE", "VALUES", "UNNEST(", "PIVOT", "UNPIVOT", "TABLESAMPLE", "FOR", "WINDOW", "ROLLUP", "CUBE", "SETS",
    "EXCLUDE", "REPLACE", "COLUMNS(*)", "rowid", "patients", "visits", "pid", "COUNT(*)", "SUM(cost)", "pg_catalog",
    "information_schema.tables", "read_csv('x')", "current_setting('x')", "DELETE", "CREATE", "PRAGMA",
)


@cache
def corpus() -> tuple[tuple[str, ...], ...]:
    """The texts of the grammar pages, in pieces."""
    return tuple(tuple(PIECES.findall(case.blocks["sql query"])) for case in cases())


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A text that was a query once, or almost."""
    def below(most: int) -> int:
        return draw(st.integers(0, max(0, most - 1)))

    def a_text() -> list[str]:
        if below(8) == 0:
            return PIECES.findall(draw(queries()).sql)
        return list(corpus()[below(len(corpus()))])

    pieces = a_text()
    for _ in range(1 + below(5)):
        start, length = below(len(pieces) + 1), 1 + below(4)
        part = pieces[start : start + length]
        match below(9):
            case 0:
                pieces[start : start + length] = []
            case 1:
                pieces[start:start] = part * (1 + below(3))
            case 2:
                other = below(len(pieces) + 1)
                pieces[start:start], pieces[other:other] = pieces[other : other + 1], part
            case 3 | 4:
                pieces[start:start] = [" ", ODD[below(len(ODD))], " "]
            case 5:
                pieces[start : start + 1] = [ODD[below(len(ODD))]]
            case 6:
                more = a_text()
                cut = below(len(more))
                pieces[start : start + length] = more[cut : cut + 1 + below(12)]
            case 7:
                pieces[start : start + length] = ["(", *part, ")"]
            case _:
                pieces[start:start] = [draw(st.text(max_size=6))]
    return "".join(pieces)


def attack(examples: int) -> Any:
    """The attack with so many texts."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mangled(), st.sampled_from(DIALECTS))
    def run(clinic: Session, sql: str, dialect: str) -> None:
        began = time.thread_time()
        try:
            clinic.plan(sql, dialect=dialect)
        except QueryError as refused:
            assert refused.reason
            assert not INNARDS.search(str(refused).replace(sql, "")), str(refused)
        assert time.thread_time() - began < SECONDS

    return run


test_texts = attack(300)
