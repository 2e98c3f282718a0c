"""Arguments of functions that the parser drops without a word: each is a refusal, for it would mean something."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from dpsql.errors import QueryError

_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE}
_NO_CALL = {TokenType.DOT, TokenType.ALIAS}             # x.name(...), AS name(...)
_NO_ARGUMENT = {TokenType.SELECT, TokenType.WITH, TokenType.DISTINCT}
_MOST = 12                                              # arguments; longer lists are those of functions of any number


def check_arguments(sql: str, tokens: Sequence[Token], dialect: str) -> None:
    """Raises QueryError at the first argument of a function that `dialect`'s parser would drop."""
    for name, firsts in _calls(tokens):
        if 0 < len(firsts) <= _MOST and not any(first.token_type in _NO_ARGUMENT for first in firsts):
            for place in _passed_over(dialect, name.text.upper(), len(firsts)):
                raise QueryError(
                    f"{name.text} with {len(firsts)} arguments is not read: this one would be passed over",
                    hint=f"leave it out, if {name.text} means the same without it",
                    sql=sql, start=firsts[place].start, end=firsts[place].end,
                )


def _calls(tokens: Sequence[Token]) -> Iterator[tuple[Token, list[Token]]]:
    """What stands before each pair of round brackets, and the first token of each thing that is listed within."""
    levels: list[tuple[Token | None, list[Token]]] = [(None, [])]
    begins = False
    padded: list[Token | None] = [None, None, *tokens]
    for before, name, token in zip(padded, padded[1:], tokens, strict=False):
        if token.token_type in _CLOSE:
            called, firsts = levels.pop() if len(levels) > 1 else (None, [])
            if called is not None:
                yield called, firsts
            begins = False
            continue
        if begins:
            levels[-1][1].append(token)
        begins = token.token_type in _OPEN or token.token_type is TokenType.COMMA
        if token.token_type in _OPEN:
            call = token.token_type is TokenType.L_PAREN and (before is None or before.token_type not in _NO_CALL)
            levels.append((name if call else None, []))


@lru_cache(maxsize=4096)
def _passed_over(dialect: str, name: str, count: int) -> tuple[int, ...]:
    """The places of the arguments without which the parser makes the same of a call: another one changes nothing."""
    parser = Dialect.get_or_raise(dialect).parser_class
    if name in parser.FUNCTION_PARSERS or name not in parser.FUNCTIONS:
        return ()               # they read their arguments one by one, or are kept as they stand
    usual = _built(dialect, name, count, None)
    return () if usual is None else tuple(i for i in range(count) if _built(dialect, name, count, i) == usual)


def _built(dialect: str, name: str, count: int, changed: int | None) -> exp.Expr | None:
    """What the parser makes of a call of so many columns, one of them another; None where it wants literals."""
    system = Dialect.get_or_raise(dialect)
    make = system.parser_class.FUNCTIONS[name]
    given = [exp.column("other" if i == changed else f"c{i}") for i in range(count)]
    with suppress(AttributeError, LookupError, ValueError, TypeError, SqlglotError):
        try:
            made: exp.Expr = make(given)
        except TypeError:       # as the parser does: some ask for their dialect
            made = make(given, dialect=system)
        return made
    return None
