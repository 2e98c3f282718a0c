"""How large a query may be: one table, checked before parsing, and once more when WITH names are written out.

A text within these limits is parsed and planned in about a second of one core at most; `planning` sees to the rest.
"""

from __future__ import annotations

import gc
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal

from sqlglot import exp
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType

from dpsql.errors import QueryError


@dataclass(frozen=True, slots=True)
class Limit:
    """At most so many of what `reason` names; `hint` says what to write instead."""

    most: int
    reason: str
    hint: str

    def error(self, sql: str | None = None, token: Token | None = None) -> QueryError:
        """The refusal of what passes the limit, at a token."""
        start, end = (None, None) if token is None else (token.start, token.end)
        return QueryError(self.reason.format(self.most), hint=self.hint, sql=sql, start=start, end=end)


_SPLIT = "split the query"
CHARACTERS = Limit(100_000, "the query has more than {} characters", _SPLIT)
TOKENS = Limit(4_000, "the query has more than {} words and signs", _SPLIT)
DEPTH = Limit(30, "brackets are nested more than {} deep", "split the query with WITH")
TWICE = Limit(4, "more than {} JOINs without ON, or brackets behind the name of a type, stand in one another",
              "write ON or USING behind each JOIN, and CAST(x AS type)")
CHAIN = Limit(200, "more than {} words and signs follow each other without a comma, AND, OR or a clause between them",
              "write a part of it in a derived table")
TERMS = Limit(300, "more than {} terms are joined by AND, OR or WHEN", "write x IN (...), or join a public table")
ITEMS = Limit(200, "a clause lists more than {} things", "ask for them in several queries")
LIST = Limit(1_000, "a list has more than {} values", "join a public table, or write a range with BETWEEN")
BLOCKS = Limit(64, "the query has more than {} SELECTs", _SPLIT)
SOURCES = Limit(128, "the query reads more than {} tables, once every WITH name is written out where it is used",
                "use each WITH name fewer times")
COLUMNS = Limit(400, "the query shows more than {} columns, once every star is written out",
                "name the columns you need")
VALUE = Limit(100_000, "a parameter has more than {} characters", "pass a shorter one")
PRINTED = Limit(200_000, "the query would run as a statement of more than {} characters",
                "ask for fewer things at once, or split the query")
SECONDS = Limit(1, "the query takes more than {} second to plan", "make it simpler, or split it")

_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
# sqlglot reads twice what stands in brackets behind a type, and what follows a JOIN without ON; within, again twice.
_TYPE = Parser.TYPE_TOKENS
_JOIN = {TokenType.JOIN, TokenType.STRAIGHT_JOIN}
# A type's name that stands before a sign, RECURSIVE where no WITH is, LIMIT and OFFSET are also read as names, and the
# rest again.
_STRAY = {*_TYPE, TokenType.RECURSIVE, TokenType.LIMIT, TokenType.OFFSET}
_TERM = {TokenType.AND, TokenType.OR, TokenType.WHEN, TokenType.THEN, TokenType.ELSE}
_SHORT = {TokenType.SELECT, TokenType.GROUP_BY, TokenType.ORDER_BY, TokenType.FROM}
_CLAUSE = _SHORT | {
    TokenType.WHERE, TokenType.HAVING, TokenType.QUALIFY, TokenType.VALUES, TokenType.JOIN, TokenType.STRAIGHT_JOIN,
    TokenType.UNION,
    TokenType.INTERSECT, TokenType.EXCEPT, TokenType.WITH,
}
# Texts in quotes and comments, words, single signs: a sign of several characters counts several times.
_PIECE = re.compile(r"'(?:[^']|'')*+'|\"[^\"]*+\"|--[^\n]*+|/\*.*?(?:\*/|\Z)|\w++|[^\w\s]", re.S)
_SIGNS = 3      # characters of the longest sign


@dataclass(slots=True)
class _Level:
    """What was counted within one pair of brackets, in the clause that is read; `outer` is how often it is doubled by
    what stands around, `joins` by the joins before, `stray` by a word of this item. `case` says that END closes it."""

    outer: int = 0
    joins: int = 0
    stray: bool = False
    case: bool = False
    chain: int = 0
    terms: int = 0
    items: int = 1
    listed: Limit = LIST

    def passed(self) -> Limit | None:
        """The limit that is passed now."""
        if self.chain > CHAIN.most:
            return CHAIN
        if self.terms > TERMS.most:
            return TERMS
        if self.outer + self.joins > TWICE.most:
            return TWICE
        return self.listed if self.items > self.listed.most else None


def check_text(sql: str) -> None:
    """Raises QueryError for a text too long to be split into words in milliseconds."""
    if len(sql) > CHARACTERS.most:
        raise CHARACTERS.error()
    if sum(1 for _ in _PIECE.finditer(sql)) > _SIGNS * TOKENS.most:
        raise TOKENS.error()


def check_tokens(sql: str, tokens: Sequence[Token]) -> None:
    """Raises QueryError, at the token where a limit of depth or length is passed."""
    if len(tokens) > TOKENS.most:
        raise TOKENS.error(sql, tokens[TOKENS.most])
    levels, blocks = [_Level()], 0
    for before, token in zip((None, *tokens), tokens, strict=False):
        kind = token.token_type
        level = levels[-1]
        level.joins += before is not None and before.token_type is TokenType.VAR and before.text.upper() == "IF" \
            and kind is not TokenType.L_PAREN       # read as IF x THEN y, and once more as a name
        if kind in _CLOSE:
            if len(levels) > 1 and (level.case or kind is not TokenType.END):      # elsewhere END is a name, or nothing
                levels.pop()
            continue
        if kind in _CLAUSE:
            joins = 0 if kind is TokenType.SELECT else level.joins      # other clauses may be names here
            joins += kind in _JOIN and (before is None or before.token_type is not TokenType.CROSS)
            stray = level.stray and kind is TokenType.EXCEPT            # of a star, perhaps
            levels[-1] = level = _Level(level.outer, joins, stray, level.case, listed=ITEMS if kind in _SHORT else LIST)
            blocks += kind is TokenType.SELECT
        elif kind in (TokenType.ON, TokenType.USING):
            level.joins, level.chain = max(0, level.joins - 1), level.chain + 1
        elif kind is TokenType.COMMA:
            level.items, level.chain, level.terms, level.stray = level.items + 1, 0, 0, False
        elif kind in _TERM:
            level.terms, level.chain, level.stray = level.terms + 1, 0, False
        else:
            level.chain += 1
        if kind in _OPEN:
            typed = level.stray or (before is not None and before.token_type in _TYPE)
            levels.append(_Level(level.outer + level.joins + typed, case=kind is TokenType.CASE))
        level.stray |= kind in _STRAY and (before is None or before.token_type is not TokenType.WITH)
        passed = level.passed() or levels[-1].passed() or (DEPTH if len(levels) > DEPTH.most + 1 else None)
        if passed or blocks > BLOCKS.most:
            raise (passed or BLOCKS).error(sql, token)


def check_params(params: Sequence[object] | Mapping[str, object] | None) -> None:
    """Raises QueryError for too many values, or one too long to be a literal."""
    if params is not None and len(params) > TOKENS.most:
        raise QueryError(f"more than {TOKENS.most} parameters are given", hint=LIST.hint)
    given = list(params.values() if isinstance(params, Mapping) else params or ())
    listed = [each for value in given if isinstance(value, list | tuple) for each in value]
    if len(listed) > LIST.most:
        raise LIST.error()
    for value in (*given, *listed):
        match value:
            case str():
                size = len(value)
            case int():
                size = value.bit_length() // 3
            case Decimal() if value.is_finite():
                size = abs(value.adjusted()) + len(value.as_tuple().digits)
            case _:
                continue
        if size > (VALUE.most if isinstance(value, str) else 1_000):
            raise VALUE.error() if isinstance(value, str) else QueryError(
                "a number among the parameters has more than 1000 digits", hint="pass a shorter one")


def check_tree(query: exp.Expr) -> None:
    """Raises QueryError for a query that reads or shows too much once its WITH names and stars are written out."""
    size = _size(query, {})
    if size.sources > SOURCES.most:
        raise SOURCES.error()
    if size.columns > COLUMNS.most:
        raise COLUMNS.error()


@dataclass(frozen=True, slots=True)
class _Size:
    """Tables a part of a query reads, columns it shows (a table's star counts as one), and the most that any shows."""

    sources: int = 0
    columns: int = 0


_NOTHING = _Size(0, 1)       # of a name or a constant


def _size(node: exp.Expr, names: dict[str, _Size]) -> _Size:
    """The size of a part of a query, given the sizes of the WITH names it sees; columns are the most anywhere in it."""
    named = node.this if isinstance(node, exp.Column) else node
    if isinstance(named, exp.Identifier | exp.Literal):
        return _NOTHING
    if isinstance(node, exp.Table) and not node.args.get("db"):
        found = names.get(node.name.lower(), _Size(1, 1))
    else:
        found = _Size(int(isinstance(node, exp.Table)), 1)
    with_ = node.args.get("with_")
    if with_ is not None:
        names = dict(names)
        for cte in with_.expressions:
            names[cte.alias.lower()] = _size(cte.this, names)
    sources, most, seen = found.sources, found.columns, 0       # columns seen are those of the parts that read tables
    for child in node.iter_expressions():
        if child is not with_ and (part := _size(child, names)) is not _NOTHING:
            sources, most = sources + part.sources, max(most, part.columns)
            seen += part.columns if part.sources else 0
    if isinstance(node, exp.Select):
        stars = sum(isinstance(item, exp.Star) or item.is_star for item in node.expressions)
        most = max(most, stars * seen + len(node.expressions) - stars)
    return _Size(sources, most) if (sources, most) != (0, 1) else _NOTHING


_STOPPABLE = 0.8


class _Collector(threading.local):
    """Seconds of a thread's work that went into collecting garbage. It is no ContextVar: the collector runs inside
    `ContextVar.set` too, and a variable that is read or set there breaks CPython 3.11's memory."""

    began = 0.0
    took = 0.0


_collector = _Collector()
_end: ContextVar[tuple[float, float] | None] = ContextVar("planning", default=None)   # by the clock, by own work


@contextmanager
def planning() -> Iterator[None]:
    """Within, `tick` allows this thread's own work about as many seconds as `SECONDS` says.

    A part is kept for the piece of work that is under way when they are over, and cannot be stopped.
    """
    most = SECONDS.most * _STOPPABLE
    token = _end.set((time.perf_counter() + most, _worked() + most))
    try:
        yield
    finally:
        _end.reset(token)


def _worked() -> float:
    return time.thread_time() - _collector.took


def _collected(phase: str, info: dict[str, int]) -> None:
    """What the collector takes of a thread that plans is no work on the query: it grows with the program around."""
    if info["generation"] > 0:
        if phase == "start":
            _collector.began = time.thread_time()
        else:
            _collector.took += time.thread_time() - _collector.began


gc.callbacks.append(_collected)


def check_printed(text: str) -> None:
    """Raises QueryError for a statement too long to run; but what is paid for is not refused, and little longer."""
    if _end.get() is not None and len(text) > PRINTED.most:
        raise PRINTED.error()


def tick() -> None:
    """Raises QueryError when planning took too long; called wherever planning does a piece of work."""
    end = _end.get()
    # own work takes no less time by the clock, which is ten times cheaper to read
    if end is not None and time.perf_counter() > end[0] and _worked() > end[1]:
        raise SECONDS.error()
