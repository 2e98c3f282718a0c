"""The words of a statement that is no query: names, texts, numbers, signs."""

from __future__ import annotations

import re

from dpsql.doors.serve.failure import Failure
from dpsql.doors.statements import OPAQUE, after_comment

PARAMETER = re.compile(r"\$([0-9]{1,5})(?![0-9])")

_PLAIN = re.compile(r"""[^;$'"/eE-]+""")      # where nothing begins that may hide something
_PIECE = re.compile(r"""(?P<word>[A-Za-z_][\w$.]*) | "(?P<quoted>(?:[^"]|"")*)" | '(?P<text>(?:[^']|'')*)'
                      | (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?) | (?P<sign>\S)""", re.X)


def after(text: str, at: int) -> int:
    """The offset behind what begins at `at`: a text in quotes, a comment, a parameter, or plain characters."""
    if text.startswith("/*", at):
        return after_comment(text, at)
    found = PARAMETER.match(text, at) or OPAQUE.match(text, at) or _PLAIN.match(text, at)
    return found.end() if found else at + 1


def begin(text: str, at: int = 0) -> int:
    """Where the first word at or behind `at` is, behind white space and comments."""
    while at < len(text) and (text[at].isspace() or text.startswith(("--", "/*"), at)):
        at = at + 1 if text[at].isspace() else after(text, at)
    return at


class Words:
    """A statement, read word by word. `offset` is where it stands in the text sent."""

    def __init__(self, sql: str, offset: int) -> None:
        self.sql, self.offset, self.at = sql, offset, begin(sql)

    def take(self, *words: str) -> bool:
        """Whether these words come next, letter case ignored; then they are read."""
        at = self.at
        for word in words:
            found = _PIECE.match(self.sql, at)
            if found is None or found[0].upper() != word or found["text"] is not None:
                return False
            at = begin(self.sql, found.end())
        self.at = at
        return True

    def any(self, *words: str) -> str | None:
        """The one of these words that comes next, read; else None."""
        return next((word for word in words if self.take(word)), None)

    def name(self) -> str:
        """A name; in small letters unless it is quoted."""
        found = _PIECE.match(self.sql, self.at)
        if found is None or (found["word"] is None and found["quoted"] is None):
            raise self.wrong("a name is missing here")
        self.at = begin(self.sql, found.end())
        return found["word"].lower() if found["quoted"] is None else found["quoted"].replace('""', '"')

    def value(self) -> str:
        """A text without its quotes, a word or a number."""
        found = _PIECE.match(self.sql, self.at)
        if found is None or found["sign"] is not None:
            raise self.wrong("a value is missing here")
        self.at = begin(self.sql, found.end())
        if found["text"] is not None:
            return found["text"].replace("''", "'")
        return found[0] if found["quoted"] is None else found["quoted"].replace('""', '"')

    def integer(self) -> int | None:
        """A whole number when one comes next."""
        found = re.compile(r"[-+]?\s*\d{1,18}(?![\w.])").match(self.sql, self.at)
        if found is None:
            return None
        self.at = begin(self.sql, found.end())
        return int(found[0].replace(" ", ""))

    def brackets(self) -> tuple[str, int]:
        """What stands between this opening bracket and its closing one, and where it begins in the statement."""
        if not self.take("("):
            raise self.wrong("a bracket is missing here")
        start, depth, at = self.at, 1, self.at
        while at < len(self.sql):
            depth += {"(": 1, ")": -1}.get(self.sql[at], 0)
            if depth == 0:
                self.at = begin(self.sql, at + 1)
                return self.sql[start:at], start
            at = at + 1 if self.sql[at] in "()" else self._step(at)
        raise self.wrong("a bracket is not closed")

    def _step(self, at: int) -> int:
        end = after(self.sql, at)
        brackets = re.compile(r"[()]").search(self.sql, at + 1, end) if self.sql[at] not in "'\"$-/eE" else None
        return brackets.start() if brackets else end

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.at >= len(self.sql)

    def end(self) -> None:
        """Failure 42601 when something is left."""
        if not self.over:
            raise self.wrong("this is not understood here")

    def wrong(self, what: str, hint: str | None = None) -> Failure:
        """A syntax error at this place."""
        return Failure("42601", what, hint=hint, position=self.offset + min(self.at, len(self.sql)) + 1)
