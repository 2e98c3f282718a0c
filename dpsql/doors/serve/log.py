"""The server's log: one JSON object a line. No stored values, and no literals of a query."""

from __future__ import annotations

import datetime
import json
import re
import sys
import threading
from typing import TextIO

from dpsql.doors.serve.memory import remembered
from dpsql.doors.statements import OPAQUE, after_comment

KEPT = 1024         # queries whose form is remembered
LONGEST = 2000      # characters of a query that are logged

_PLAIN = re.compile(r"[A-Za-z_][\w$]*|\s+")
_NUMBER = re.compile(r"\d[\w.]*(?:(?<=[eE])[-+]\d+)?|\.\d+")


class Log:
    """Writes to a stream, by default standard error. Safe from several threads; a full disk is not an error."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, event: str, **facts: object) -> None:
        """Log an event with its facts; those that are None are left out."""
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        said = {"time": stamp, "event": event} | {name: fact for name, fact in facts.items() if fact is not None}
        with self._lock:
            try:
                print(json.dumps(said, default=str), file=self._stream or sys.stderr, flush=True)
            except (OSError, ValueError):
                return


@remembered(KEPT)
def redacted(sql: str) -> str:
    """A query without its literals, quoted names and comments: each is a question mark."""
    found: list[str] = []
    at = 0
    while at < len(sql) and len(found) < LONGEST:
        if sql.startswith("/*", at):
            at = after_comment(sql, at)
            continue
        hidden = OPAQUE.match(sql, at) or re.compile(r"`[^`]*`?").match(sql, at) or _NUMBER.match(sql, at)
        plain = _PLAIN.match(sql, at)
        if hidden:
            found.append("" if hidden[0].startswith("--") else "?")
        else:
            found.append(" " if plain and plain[0].isspace() else plain[0] if plain else sql[at])
        at = hidden.end() if hidden else plain.end() if plain else at + 1
    return "".join(found).strip()[:LONGEST]
