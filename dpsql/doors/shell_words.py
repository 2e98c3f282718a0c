"""What the shell knows to complete and to colour: keywords, functions, and the tables and columns of the policy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from dpsql.doors.statements import OPAQUE, after_comment, split

if TYPE_CHECKING:
    from dpsql.session import Session

KEYWORDS = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET", "WITH", "AS",
    "JOIN", "INNER JOIN", "LEFT JOIN", "ON", "USING", "UNION", "UNION ALL", "INTERSECT", "EXCEPT", "AND", "OR", "NOT",
    "IN", "IS NULL", "IS NOT NULL", "BETWEEN", "LIKE", "ILIKE", "EXISTS", "CASE", "WHEN", "THEN", "ELSE", "END",
    "CAST", "TRY_CAST", "FILTER", "OVER", "PARTITION BY", "ROWS", "ASC", "DESC", "NULLS LAST", "TRUE", "FALSE",
    "NULL", "DATE", "TIMESTAMP", "INTERVAL", "EXTRACT", "VALUES", "INTEGER", "BIGINT", "DECIMAL", "DOUBLE", "VARCHAR",
    "BOOLEAN",
)
SINGLE = frozenset(word for phrase in KEYWORDS for word in phrase.split())

# Rows of the table that are written as operators or clauses, not as functions.
_FORMS = frozenset((
    "and", "at_zone", "between", "case", "cast", "days_between", "dow", "doy", "ilike", "ilike_escape", "in",
    "is_distinct", "is_false", "is_not_distinct", "is_not_null", "is_null", "is_true", "like", "like_escape",
    "list_length", "moved", "neg", "not", "or", "switch", "through",
))
_NAME = re.compile(r'"(?:[^"]|"")*"?|[A-Za-z_][A-Za-z0-9_]*')
_AFTER_FROM = re.compile(r"\b(?:from|join)\s+(?:[\w\". ]+,\s*)*$", re.IGNORECASE)
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may replace the `typed` last letters, and what kind of thing it is."""

    text: str
    kind: str
    typed: int


@dataclass(frozen=True, slots=True)
class Words:
    """Tables with their columns, functions, and the shell's commands with what each takes."""

    tables: Mapping[str, Sequence[str]]
    functions: Sequence[str] = ()
    commands: Mapping[str, Sequence[str]] | None = None

    def complete(self, before: str) -> list[Candidate]:
        """What may stand at the end of `before`, the text up to the cursor; likely things first."""
        if before.lstrip().startswith("\\") and (found := self._command(before.lstrip())) is not None:
            return found
        statement = split(before)[1]
        pieces = [(kind, statement[start:end]) for kind, start, end in tokens(statement)]
        if not pieces or (pieces[-1][0] == "text" and statement.endswith(pieces[-1][1])):
            return []                   # inside a string or a comment
        word = pieces.pop()[1] if pieces[-1][0] == "name" and statement.endswith(pieces[-1][1]) else ""
        if len(pieces) > 1 and pieces[-1] == ("mark", ".") and statement.endswith(f".{word}"):
            columns = self._columns(statement, _unquoted(pieces[-2][1]))
            return _starting(word, [(_quoted(name), "column") for name in columns])
        if _AFTER_FROM.search(statement.removesuffix(word)):
            return _starting(word, [(_quoted(name), "table") for name in self.tables])
        if not word:
            return []
        named = self._named(statement).values()
        known = list(dict.fromkeys(c for table in named or self.tables for c in self.tables[table]))
        return _starting(word, [
            *((_quoted(name), "column") for name in known), *((name + "(", "function") for name in self.functions),
            *((name, "keyword") for name in KEYWORDS), *((_quoted(name), "table") for name in self.tables),
        ])

    def _command(self, before: str) -> list[Candidate] | None:
        """What completes a command or its argument; None where SQL follows."""
        commands = self.commands or {}
        name, space, rest = before.partition(" ")
        if not space:
            return _starting(name, [(command, "command") for command in commands])
        offered = [word for word in commands.get(name, ()) if word != "SQL"]
        if "SQL" in commands.get(name, ()):
            return None if rest.strip() else []
        if offered == ["TABLE"]:
            return _starting(rest, [(_quoted(table), "table") for table in self.tables])
        return _starting(rest, [(word, "value") for word in offered])

    def _named(self, statement: str) -> dict[str, str]:
        """The tables a statement reads, by every name it gives them, in lower case."""
        real = {name.lower(): name for name in self.tables}
        found: dict[str, str] = {}
        spoken = [(statement[start:end], kind) for kind, start, end in tokens(statement) if kind != "text"]
        for i, (text, _) in enumerate(spoken):
            table = real.get(_unquoted(text).lower())
            if table is None or i == 0 or spoken[i - 1][0].upper() not in ("FROM", "JOIN", ","):
                continue
            found[table.lower()] = table
            after = [text for text, _ in spoken[i + 1 : i + 3]]
            alias = after[1] if len(after) > 1 and after[0].upper() == "AS" else after[0] if after else ""
            if _NAME.fullmatch(alias) and alias.upper() not in SINGLE:
                found[_unquoted(alias).lower()] = table
        return found

    def _columns(self, statement: str, name: str) -> Sequence[str]:
        table = self._named(statement).get(name.lower())
        return self.tables.get(table, ()) if table is not None else next(
            (columns for known, columns in self.tables.items() if known.lower() == name.lower()), ())


def words(session: Session, commands: Mapping[str, Sequence[str]]) -> Words:
    """The words of a session: of its tables only those that the policy names, with the columns that can be used."""
    tables = {
        table.name: [column.name for column in table.columns if column.usable] for table in session.tables()
    }
    return Words(tables, functions(), commands)


@cache
def functions() -> tuple[str, ...]:
    """The functions that may be called: the table of scalars, aggregates and window functions, in lower case."""
    from sqlglot import exp

    from dpsql.scalars import FINISH_FUNCTIONS
    from dpsql.scalars.rows import ROWS

    named = {name for row in ROWS.values() if not row.guard for name in (row.name, *row.names)}
    classes = [getattr(exp, name) for name in FINISH_FUNCTIONS]
    spelled = {
        next(name for name in found.sql_names() if not name.startswith(("LOGICAL", "VARIANCE_"))).lower()
        for found in classes if issubclass(found, exp.Func)
    }
    spelled |= {"dayofweek", "dayofyear"}       # rows have shorter names for them
    return tuple(sorted({name for name in named - _FORMS if _BARE.fullmatch(name)} | spelled))


def tokens(text: str) -> Iterator[tuple[str, int, int]]:
    """The pieces of SQL that are not white space, as (kind, start, end).

    A kind is text (a string or a comment), name, number or mark. The end of an unfinished string or comment is the
    end of the text.
    """
    at = 0
    while at < len(text):
        kind, end = _token(text, at)
        if not text[at].isspace():
            yield kind, at, end
        at = end


def _token(text: str, at: int) -> tuple[str, int]:
    if text.startswith("/*", at):
        return "text", after_comment(text, at)
    if text[at] != '"' and (opaque := OPAQUE.match(text, at)):
        return "text", opaque.end()
    for kind, pattern in (("name", _NAME), ("number", _NUMBER)):
        if found := pattern.match(text, at):
            return kind, found.end()
    return "mark", at + 1


def _starting(word: str, offered: Sequence[tuple[str, str]]) -> list[Candidate]:
    """Those that begin with `word`, letter case and quotes aside; keywords in the case that is being typed, names that
    need quotes last unless a quote was typed."""
    start = word.lstrip('"').lower()
    lower = word != "" and word == word.lower()
    found = [
        Candidate(text.lower() if kind == "keyword" and lower else text, kind, len(word))
        for text, kind in offered if _unquoted(text).lower().startswith(start)
    ]
    return found if word.startswith('"') else sorted(found, key=lambda candidate: candidate.text.startswith('"'))


def _quoted(name: str) -> str:
    plain = _BARE.fullmatch(name) and name.upper() not in SINGLE
    return name if plain else '"' + name.replace('"', '""') + '"'


def _unquoted(name: str) -> str:
    return name[1:].removesuffix('"').replace('""', '"') if name.startswith('"') else name
