"""Where one statement ends: at a semicolon outside quotes and comments."""

from __future__ import annotations

import re

# What may hold a semicolon that ends nothing. Each alternative also matches up to the end of an unfinished text.
OPAQUE = re.compile(
    r"""
      (?<![A-Za-z0-9_]) [eE] ' (?: \\. | '' | [^'\\] )* '?       # E'...' knows backslashes
    | ' (?: '' | [^'] )* '?
    | " (?: "" | [^"] )* "?
    | (?<![A-Za-z0-9_$]) \$ (?P<tag> (?: [A-Za-z_][A-Za-z0-9_]* )? ) \$ (?: .*? \$ (?P=tag) \$ | .* )
    | -- [^\n]*
    """,
    re.VERBOSE | re.DOTALL,
)


def split(text: str) -> tuple[list[str], str]:
    """The finished statements of `text`, without their semicolons, and what stands after the last of them.

    Statements of nothing but white space and comments are left out.
    """
    finished: list[str] = []
    start = at = 0
    while at < len(text):
        if text[at] == ";":
            finished.append(text[start:at].strip())
            start = at = at + 1
        elif text.startswith("/*", at):
            at = after_comment(text, at)
        else:
            opaque = OPAQUE.match(text, at)
            at = opaque.end() if opaque else at + 1
    return [statement for statement in finished if not blank(statement)], text[start:]


def blank(text: str) -> bool:
    """Whether `text` holds nothing but white space and comments."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
        elif text.startswith("--", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            at = after_comment(text, at)
        else:
            return False
    return True


def after_comment(text: str, at: int) -> int:
    """The offset after the comment that begins at `at`; comments nest, and an unfinished one reaches to the end."""
    depth = 0
    for mark in re.finditer(r"/\*|\*/", text[at:]):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return at + mark.end()
    return len(text)
