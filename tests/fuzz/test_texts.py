"""Mangled texts: the queries of the grammar pages and random ones, cut, spliced, repeated, with odd signs put in.

Whatever comes, planning ends within a moment: with a plan, or with a QueryError that names nothing of ours.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from pages import cases
from small_worlds import EXAMPLES
from sqlglot import exp
from sqlglot.errors import SqlglotError

from dpsql.errors import QueryError
from dpsql.session import Session
from tests.fuzz.lengths import examples, for_minutes
from tests.fuzz.query_words import queries
from tests.fuzz.scalar_words import Below, numbers

Item = TypeVar("Item")
SECONDS = 5         # of computing, far above what planning takes, so that no slow machine fails
INNARDS = re.compile(r"Traceback|sqlglot|object at 0x|<class|InternalError|\bexp\.|dpsql\.")
DIALECTS = ("duckdb",) * 6 + ("postgres", "bigquery", "snowflake", "tsql", "spark", "mysql", "sqlite", "trino")
PIECES = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|\d+(?:\.\d+)?|\w+|::|<>|<=|>=|!=|\|\||->>|->|=>|//|[^\w\s]")
ODD = (
    "\x00", "\ufeff", "\u202e", "\u00a0", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\u0130",
    "é", "'", '"', "''", "$$", "`", "\\", "--", "/*", "*/", "/**/", "-- x\n", ";", "(", ")", "[", "]", "{", "}", ",",
    ".", "..", "::", ":", "?", "$1", "$p", "@x", "*", "%", "=>", "->", "->>", "||", "<=>", "!", "~", "^", "&", "#",
    "9" * 400, "1e999", "1e-999", "0x7f", "1_000", ".5", "5.", "NULL", "TRUE", "DEFAULT", "INTERVAL 1 DAY", "DATE 'x'",
    "AS", "ON", "USING", "NATURAL", "LATERAL", "OVER ()", "OVER w", "FILTER (WHERE TRUE)", "WITHIN GROUP (ORDER BY 1)",
    "DISTINCT", "ALL", "ANY", "EXISTS", "IN", "BETWEEN", "LIKE", "ESCAPE", "COLLATE", "CASE", "WHEN", "END", "CAST(",
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "QUALIFY", "ORDER BY", "LIMIT", "OFFSET", "UNION", "EXCEPT",
    "WITH", "RECURSIVE", "VALUES", "UNNEST(", "PIVOT", "UNPIVOT", "TABLESAMPLE", "FOR", "WINDOW", "ROLLUP", "CUBE",
    "SETS", "EXCLUDE", "REPLACE", "COLUMNS(*)", "rowid", "patients", "visits", "pid", "COUNT(*)", "SUM(cost)",
    "pg_catalog", "information_schema.tables", "read_csv('x')", "current_setting('x')", "DELETE", "CREATE", "PRAGMA",
)


@cache
def corpus() -> tuple[str, ...]:
    """The texts of the grammar pages."""
    return tuple(case.blocks["sql query"] for case in cases())


@cache
def pieces_of(kind: str) -> tuple[str, ...]:
    """Every word, text, number or sign of the corpus, and the odd ones."""
    found = {piece for text in corpus() for piece in PIECES.findall(text)}
    return tuple(sorted(piece for piece in found | set(ODD) if kind_of(piece) == kind))


def kind_of(piece: str) -> str:
    return "text" if piece[0] in "'\"" else "number" if piece[0].isdigit() else "word" if piece[0].isalpha() else "sign"


@dataclass(frozen=True)
class Mangler:
    """Makes texts that were queries once, or almost."""

    numbers: Below
    query: str              # a random one
    odd: str                # a few characters

    def below(self, most: int) -> int:
        return self.numbers(max(1, most))

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def text(self) -> str:
        return self.query if self.below(8) == 0 else self.pick(corpus())

    def mangled(self) -> str:
        """A text some of whose pieces are others now, of the same kind or of any."""
        pieces = PIECES.findall(self.text())
        for _ in range(1 + self.below(4)):
            if pieces and self.below(5) > 1:
                place = self.below(len(pieces))
                pieces[place] = self.pick(pieces_of(kind_of(pieces[place])))
            else:
                self._cut(pieces)
        return (" " if self.below(12) else "").join(pieces)

    def _cut(self, pieces: list[str]) -> None:
        start, length = self.below(len(pieces) + 1), 1 + self.below(4)
        part, other = pieces[start : start + length], self.below(len(pieces) + 1)
        match self.below(8):
            case 0:
                pieces[start : start + length] = []
            case 1:
                pieces[start:start] = part * (1 + self.below(3))
            case 2:
                pieces[start : start + 1], pieces[other:other] = pieces[other : other + 1], part
            case 3 | 4:
                pieces[start:start] = [self.pick(ODD)]
            case 5:
                more = PIECES.findall(self.text())
                cut = self.below(len(more))
                pieces[start : start + length] = more[cut : cut + 1 + self.below(12)]
            case 6:
                pieces[start : start + length] = ["(", *part, ")"]
            case _:
                pieces[start:start] = [self.odd]

    def grafted(self) -> str:
        """A text with subtrees of others in it: it mostly parses, and seldom makes sense."""
        tree = self._tree()
        for _ in range(1 + self.below(3)):
            old, new = self.pick(list(tree.walk())), self.pick(list(self._tree().walk())).copy()
            if old.parent is not None and isinstance(old, exp.Query) <= isinstance(new, exp.Query | exp.Table):
                old.replace(new)
        return tree.sql("duckdb")

    def _tree(self) -> exp.Expr:
        return sqlglot.parse_one(self.pick(_parsed()), read="duckdb")


@cache
def _parsed() -> tuple[str, ...]:
    """The texts of the corpus that DuckDB's dialect reads."""
    found = []
    for text in (text for text in corpus() if text.upper().lstrip("( ").startswith(("SELECT", "WITH"))):
        with suppress(SqlglotError):
            if isinstance(sqlglot.parse_one(text, read="duckdb"), exp.Query):
                found.append(text)
    return tuple(found)


@st.composite
def texts(draw: st.DrawFn) -> str:
    """What an analyst would not write."""
    mangler = Mangler(draw(numbers()), draw(queries()).sql, draw(st.text(min_size=1, max_size=6)))
    if mangler.below(2):
        with suppress(Exception):       # sqlglot prints what it likes of a tree that makes no sense
            return mangler.grafted()
    return mangler.mangled()


def attack(length: settings) -> Callable[[Session], None]:
    """The attack with so many texts."""

    @length
    @given(texts(), st.sampled_from(DIALECTS))
    def run(clinic: Session, sql: str, dialect: str) -> None:
        began = time.thread_time()
        try:
            clinic.plan(sql, dialect=dialect)
        except QueryError as refused:
            assert refused.reason
            assert not INNARDS.search(str(refused).replace(sql, "")), str(refused)
        assert time.thread_time() - began < SECONDS

    return run


test_texts = attack(examples(6 * EXAMPLES))


@pytest.mark.fuzz
def test_texts_for_minutes(clinic: Session) -> None:
    for_minutes(attack)(clinic)
