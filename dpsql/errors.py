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
"""

from __future__ import annotations

LONGEST_LINE = 160     # characters shown of a line of a query


class Warning(Exception):
    """The DB-API's Warning. Never raised: an answer carries its warnings."""


class Error(Exception):
    """The root of every error of dpsql."""


class InterfaceError(Error):
    """Wrong use of a connection or cursor (closed, nothing executed yet)."""


class DatabaseError(Error):
    """The DB-API's name for everything that concerns the database."""


class DataError(DatabaseError):
    """The DB-API's name for bad values. Never raised: no error may depend on a stored value."""


class IntegrityError(DatabaseError):
    """The DB-API's name for broken constraints. Never raised: dpsql only reads."""


class NotSupportedError(DatabaseError):
    """A call of the DB-API that has no meaning here."""


class OperationalError(DatabaseError):
    """The DB-API's name for failures of what is around the query: files, budget, engine."""


class ProgrammingError(DatabaseError):
    """The DB-API's name for a request that is wrong."""


class PolicyError(OperationalError):
    """The policy file is wrong, or claims what the data does not keep. For the owner."""


class LedgerError(OperationalError):
    """The ledger is missing, is another one than the policy names, or is damaged. For the owner."""


class OpenError(OperationalError):
    """Something needed to open a session is not there. For the owner."""


class BudgetError(OperationalError):
    """The budget does not allow this query. Nothing ran and nothing was charged."""


class InternalError(DatabaseError):
    """A bug in dpsql: a bound that should have been proved was not. Nothing ran."""


class ExecutionError(OperationalError):
    """The engine failed after the charge. The message is constant: any detail would depend on the data."""

    MESSAGE = "the query failed while it ran; its cost was charged"

    def __init__(self) -> None:
        super().__init__(self.MESSAGE)


class QueryError(ProgrammingError):
    """The query's text cannot be answered; nothing was charged.

    `reason` says what is wrong and why, `hint` what to write instead, `start` and `end` are offsets of the offending
    piece in `sql` (`end` is the offset of its last character); without them no caret is drawn.
    """

    def __init__(
        self, reason: str, *, hint: str | None = None, sql: str | None = None, start: int | None = None,
        end: int | None = None,
    ) -> None:
        self.reason, self.hint, self.sql, self.start, self.end = reason, hint, sql, start, end
        super().__init__(reason)

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


def caret(sql: str, start: int, end: int | None = None) -> str:
    """The line of `sql` that holds offset `start` (its part around it when long), with carets under `start` to `end`.

    `end` is inclusive; carets stay in that line.
    """
    begin = sql.rfind("\n", 0, start) + 1
    stop = sql.find("\n", start)
    line = sql[begin : stop if stop >= 0 else len(sql)]
    number = sql.count("\n", 0, start) + 1
    column = start - begin
    width = max(1, min((end if end is not None else start) - start + 1, len(line) - column))
    prefix = f"line {number}: "
    shown = line.replace("\t", " ")
    if len(line) > LONGEST_LINE:                 # many tools write a query in one line
        first = max(0, min(column - LONGEST_LINE // 3, len(line) - LONGEST_LINE))
        last = first + LONGEST_LINE
        shown = ("…" if first else "") + shown[first:last] + ("…" if last < len(line) else "")
        column, width = column - first + (first > 0), min(width, last - column)
    return f"{prefix}{shown}\n{' ' * (len(prefix) + column)}{'^' * width}"
