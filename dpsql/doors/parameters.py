"""Query parameters as a command line writes them: `5`, `'text'`, `since=1995-01-01`."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from decimal import Decimal

from dpsql.errors import ProgrammingError

Value = bool | int | float | Decimal | str | datetime.date | datetime.datetime | None

_NAMED = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
_WORDS: dict[str, Value] = {"null": None, "true": True, "false": False}


def parameters(texts: Sequence[str]) -> dict[str, Value] | list[Value] | None:
    """The values for `?`, in order, or for `$name`; None when there are none. ProgrammingError when both are mixed."""
    named = [_NAMED.fullmatch(text) for text in texts]
    if not texts:
        return None
    if not any(named):
        return [parameter(text) for text in texts]
    if not all(named):
        raise ProgrammingError(
            "parameters are either all NAME=VALUE or all VALUE; a text with = in it is written in quotes: \"'a=b'\""
        )
    return {match[1]: parameter(match[2]) for match in named if match}


def parameter(text: str) -> Value:
    """One value: null, true, false, a number, an ISO date or timestamp, 'quoted text', else the text itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"'(?:[^']|'')*'", text, re.DOTALL):
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return int(text)
    if re.fullmatch(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+)", text):
        return Decimal(text)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][+-]?[0-9]+", text):
        return float(text)
    for kind in (datetime.date, datetime.datetime):
        if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            try:
                return kind.fromisoformat(text)
            except ValueError:
                continue
    return text
