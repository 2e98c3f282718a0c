"""The text of a statement, made ready for the parser: what stands in PostgreSQL's own schema loses that name."""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

from dpsql.doors.serve.failure import Failure
from dpsql.limits import check_text
from dpsql.trial import tried

# What makes a statement worth looking at; anything else is a question to the session.
_HINT = re.compile(
    r"""\bpg_|information_schema|\bcurrent_(?:user|role|catalog|schemas?|database|setting)\b|\bsession_user\b
      | \bversion\s*\(|\bset_config\b|\bhas_\w+_privilege\b|\b(?:obj|col|shobj)_description\b|\bto_reg|::\s*"?reg
      | \bas\s+reg|\bformat_type\b|\btxid_|\binet_(?:server|client)|\buser\b|\bgetdatabaseencoding\b""", re.X | re.I)
# Arrays of types that the parser does not know, by those it reads in their place.
MOST_WORDS, DEEPEST = 12_000, 40    # words and signs of a statement (pgjdbc sends a CASE of 3,000), nested brackets
STAND_INS = {
    "oid": "HLLSKETCH", "regclass": "SMALLMONEY", "regtype": "ROWVERSION", "regproc": "SUPER", "name": "IPPREFIX",
    "char": "IMAGE",
}

_FIRST = {TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.TABLE, TokenType.L_PAREN}
_OPEN = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.CASE}
_CLOSE = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.END}


def looks_like_catalog(sql: str) -> bool:
    """Whether a statement may be one for the catalog; quick, and never wrong when it says no."""
    return _HINT.search(sql) is not None


def tree(sql: str) -> exp.Query | None:
    """The statement parsed; None when it is no query. Failure 42601 when it cannot be read.

    QueryError when it is longer than a query may be.
    """
    try:
        check_text(sql)
        tokens = sqlglot.tokenize(sql, read="postgres")
        _check(tokens)
        if not tokens or tokens[0].token_type not in _FIRST:
            return None
        found = tried(sqlglot.parse_one, plain(sql, tokens), "postgres")
    except (SqlglotError, RecursionError):
        raise Failure("42601", "this question to the catalog cannot be read") from None
    return found if isinstance(found, exp.Query) else None


def _check(tokens: list[Token]) -> None:
    """Failure 54001 for a statement that would take long to read."""
    depth = deepest = 0
    for token in tokens:
        depth += (token.token_type in _OPEN) - (token.token_type in _CLOSE)
        deepest = max(deepest, depth)
    if len(tokens) > MOST_WORDS or deepest > DEEPEST:
        raise Failure("54001", f"the catalog reads statements of {MOST_WORDS} words and signs, nested {DEEPEST} deep")


def plain(sql: str, tokens: list[Token]) -> str:
    """`pg_catalog.f` as `f`, OPERATOR(pg_catalog.~) as `~`, without COLLATE; the i-th ? as $i; arrays of
    PostgreSQL's own types by STAND_INS."""
    pieces: list[str] = []
    at = 0
    for start, end, instead in _cuts(tokens):
        pieces += [sql[at:start], instead]
        at = end
    return "".join([*pieces, sql[at:]])


def _cuts(tokens: list[Token]) -> Iterator[tuple[int, int, str]]:
    """What is replaced: from where, to where, by what."""
    words = [None if token.token_type == TokenType.STRING else token.text.lower() for token in tokens]

    def at(i: int, *wanted: str) -> bool:
        return words[i : i + len(wanted)] == list(wanted)

    skip = holes = 0
    for i, token in enumerate(tokens):
        if i < skip:
            continue
        if token.text in ("?", "?::") and token.token_type in (TokenType.PLACEHOLDER, TokenType.QDCOLON):
            holes += 1
            yield token.start, token.end + 1, f"${holes}" + token.text[1:]
        elif at(i, "operator", "(", "pg_catalog", "."):
            skip = next((j for j in range(i + 4, len(tokens)) if words[j] == ")"), len(tokens) - 1) + 1
            operator = "".join(each.text for each in tokens[i + 4 : skip - 1])
            yield token.start, tokens[skip - 1].end + 1, f" {operator} "
        elif at(i, "collate") and i and not at(i - 1, "as") and not at(i - 1, ".") and i + 1 < len(tokens):
            skip = i + (4 if at(i + 2, ".") else 2)
            yield token.start, tokens[min(skip, len(tokens)) - 1].end + 1, " "
        elif at(i, "pg_catalog", ".") and not (i and at(i - 1, ".")):
            skip = i + 2
            yield token.start, tokens[i + 1].end + 1, ""
            if (word := words[skip] if skip < len(words) else None) in STAND_INS and at(skip + 1, "[", "]"):
                yield tokens[skip].start, tokens[skip].end + 1, STAND_INS[str(word)]
                skip += 1
        elif words[i] in STAND_INS and at(i + 1, "[", "]"):
            yield token.start, token.end + 1, STAND_INS[str(words[i])]

