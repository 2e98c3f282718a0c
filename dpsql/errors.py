"""Every error dpsql raises.

    Error                         the root; also the DB-API's Error
    ├── InterfaceError            wrong use of a connection or cursor
    └── DatabaseError             the DB-API's DatabaseError
        ├── ProgrammingError      the DB-API's: what was asked is wrong
        │   └── QueryError        for the analyst, before any charge: about the query's text, with a caret
        ├── OperationalError      the DB-API's: what is around the query does not allow it
        │   ├── PolicyError       for the data owner: the policy file, or what it claims of the data
        │   ├── LedgerError       for the data owner: a ledger that is missing, foreign or damaged
        │   ├── OpenError         for the data owner: no database, no policy, a file that cannot be opened
        │   ├── BudgetError       for the analyst: the budget does not allow this; nothing ran, nothing was charged
        │   └── ExecutionError    one constant message: the query was charged and failed; carries nothing of the data
        ├── InternalError         a bug in dpsql: a bound could not be proved, so nothing ran
        ├── NotSupportedError     the DB-API's: a call of its interface that has no meaning here
        └── DataError, IntegrityError   the DB-API's names; never raised

Messages are for whoever can mend them: what is wrong, where, why, what to write instead. None carries a stored value.
Each class has a `sqlstate`, the five characters of ISO 9075 (those of PostgreSQL where the standard has none).
"""

from __future__ import annotations

import traceback
from typing import ClassVar

LONGEST_LINE = 160     # characters shown of a line of a query
LONGEST_TEXT = 2_000   # characters of a reason or a hint


class Warning(Exception):
    """The DB-API's Warning. Never raised: an answer carries its warnings, a cursor has them as `messages`."""

    sqlstate: ClassVar[str] = "01000"


class Error(Exception):
    """The root of every error of dpsql."""

    sqlstate: ClassVar[str] = "HY000"

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the message, without the way it took through dpsql."""
        return f"{type(self).__name__}: {self}".splitlines()


class InterfaceError(Error):
    """Wrong use of a connection or cursor (closed, nothing executed yet)."""

    sqlstate = "HY010"


class DatabaseError(Error):
    """The DB-API's name for everything that concerns the database."""


class DataError(DatabaseError):
    """The DB-API's name for bad values. Never raised: no error may depend on a stored value."""

    sqlstate = "22000"


class IntegrityError(DatabaseError):
    """The DB-API's name for broken constraints. Never raised: dpsql only reads."""

    sqlstate = "23000"


class NotSupportedError(DatabaseError):
    """A call of the DB-API that has no meaning here."""

    sqlstate = "0A000"


class OperationalError(DatabaseError):
    """The DB-API's name for failures of what is around the query: files, budget, engine."""

    sqlstate = "58000"


class ProgrammingError(DatabaseError):
    """The DB-API's name for a request that is wrong."""

    sqlstate = "42000"


class PolicyError(OperationalError):
    """The policy file is wrong, or claims what the data does not keep. For the owner."""

    sqlstate = "F0000"


class LedgerError(OperationalError):
    """The ledger is missing, is another one than the policy names, or is damaged. For the owner."""

    sqlstate = "58030"


class OpenError(OperationalError):
    """Something needed to open a session is not there. For the owner."""

    sqlstate = "08001"


class BudgetError(OperationalError):
    """The budget does not allow this query. Nothing ran and nothing was charged."""

    sqlstate = "53400"


class InternalError(DatabaseError):
    """A bug in dpsql: a bound that should have been proved was not. Nothing ran."""

    sqlstate = "XX000"

    def _render_traceback_(self) -> list[str]:
        return traceback.format_exception(self)


class ExecutionError(OperationalError):
    """The engine failed after the charge. The message is constant: any detail would depend on the data."""

    MESSAGE = "the query failed while it ran; its cost was charged"

    def __init__(self) -> None:
        super().__init__(self.MESSAGE)

    def __reduce__(self) -> tuple[type[ExecutionError], tuple[()]]:
        return ExecutionError, ()


class QueryError(ProgrammingError):
    """The query's text cannot be answered; nothing was charged.

    `reason` says what is wrong and why, `hint` what to write instead, `start` and `end` are offsets of the offending
    piece in `sql` (`end` is the offset of its last character); without them no caret is drawn.
    """

    def __init__(
        self, reason: str, *, hint: str | None = None, sql: str | None = None, start: int | None = None,
        end: int | None = None,
    ) -> None:
        self.reason, self.hint, self.sql, self.start, self.end = _short(reason), hint and _short(hint), sql, start, end
        super().__init__(self.reason)

    def at(self, sql: str) -> QueryError:
        """The same error, drawn over the text of the query."""
        self.sql = sql
        return self

    def __str__(self) -> str:
        parts = [self.reason]
        if self.sql is not None and self.start is not None:
            parts.append(caret(self.sql, self.start, self.end))
        if self.hint:
            parts.append(f"hint: {self.hint}")
        return "\n".join(parts)


def _short(text: str) -> str:
    """A message without the end of a name that somebody made enormous."""
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def caret(sql: str, start: int, end: int | None = None, longest: int = LONGEST_LINE) -> str:
    """The line of `sql` that holds offset `start` (its part around it when long), with carets under `start` to `end`.

    `end` is inclusive; carets stay in that line; `longest` is how many characters of it are shown.
    """
    begin = sql.rfind("\n", 0, start) + 1
    stop = sql.find("\n", start)
    line = sql[begin : stop if stop >= 0 else len(sql)]
    number = sql.count("\n", 0, start) + 1
    column = start - begin
    width = max(1, min((end if end is not None else start) - start + 1, len(line) - column))
    prefix = f"line {number}: "
    shown = line.replace("\t", " ")
    if len(line) > longest:                 # many tools write a query in one line
        first = max(0, min(column - longest // 3, len(line) - longest))
        last = first + longest
        shown = ("…" if first else "") + shown[first:last] + ("…" if last < len(line) else "")
        column, width = column - first + (first > 0), min(width, last - column)
    return f"{prefix}{shown}\n{' ' * (len(prefix) + column)}{'^' * width}"
