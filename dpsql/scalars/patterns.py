"""Patterns are checked while planning, so that the engine never meets a wrong one."""

from __future__ import annotations

import re
from collections.abc import Callable

from dpsql.scalars.errors import ScalarError

Check = Callable[[str], None]

MAX_PATTERN = 1000      # characters
MAX_REPEAT = 100        # of a counted repetition; RE2 refuses above 1000, and products of them above its memory

_ESCAPE = r"\\[dDwWsSbBntrfv.^$*+?()\[\]{}|\\/\-]"
_CLASS = rf"\[\^?\]?(?:{_ESCAPE}|[^\[\]\\])*\]"
_PIECES = re.compile(
    rf"{_ESCAPE}|{_CLASS}|\((?:\?:|\?i:|(?!\?))|\)|\{{(\d{{1,3}})(?:,(\d{{0,3}}))?\}}|[*+?]|[.^$|]|[^\\()\[\]{{}}*+?.^$|]",
    re.DOTALL,
)


def check_like(pattern: str) -> None:
    """A LIKE pattern has no wrong form; its length is bounded."""
    if len(pattern) > MAX_PATTERN:
        raise ScalarError(f"a pattern has at most {MAX_PATTERN} characters")


def check_escape(pattern: str, escape: str) -> None:
    """One escape character, which the pattern does not end with."""
    check_like(pattern)
    if len(escape) != 1:
        raise ScalarError("ESCAPE takes one character")
    if (len(pattern) - len(pattern.rstrip(escape))) % 2:
        raise ScalarError("the pattern ends with its escape character")


def check_regexp(pattern: str) -> None:
    """A regular expression in the common part of RE2 and Python: no look-around, no back reference, small counts."""
    check_like(pattern)
    place = 0
    repeats = 1
    while place < len(pattern):
        piece = _PIECES.match(pattern, place)
        if piece is None:
            raise ScalarError(f"this part of the pattern is not admitted: {pattern[place:place + 10]!r}",
                              hint="use characters, classes, groups, alternatives, * + ? and {n,m}")
        if piece.group(1) is not None:
            repeats *= max(int(piece.group(2) or piece.group(1)), 1)
        place = piece.end()
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ScalarError(f"this pattern is no regular expression: {problem}") from None
    if repeats > MAX_REPEAT:
        raise ScalarError(f"counted repetitions of a pattern multiply to {MAX_REPEAT} at most")


def groups_of(pattern: str) -> int:
    """How many groups a checked regular expression has."""
    return re.compile(pattern).groups
