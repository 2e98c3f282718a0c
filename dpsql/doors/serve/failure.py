"""What a client is told when something fails: an SQLSTATE, a reason, a hint, a place. Never a stored value."""

from __future__ import annotations

from dpsql.errors import (
    BudgetError,
    Error,
    ExecutionError,
    InterfaceError,
    NotSupportedError,
    ProgrammingError,
    QueryError,
)

OWNERS = "the server cannot answer now; the data owner finds the reason in its log"


class Failure(Exception):
    """An error on the wire. `position` counts characters of the text sent, from 1; `fatal` ends the connection."""

    def __init__(
        self, sqlstate: str, reason: str, *, hint: str | None = None, position: int | None = None, fatal: bool = False,
    ) -> None:
        self.sqlstate, self.reason, self.hint, self.position, self.fatal = sqlstate, reason, hint, position, fatal
        super().__init__(reason)


def failure(error: BaseException, offset: int = 0, cancelled: bool = False) -> Failure:
    """What a client is told of an error in a statement that stands `offset` characters inside the text it sent.

    What concerns the owner (files, ledger, policy) is one constant sentence: it may name paths. Everything unforeseen
    is another.
    """
    match error:
        case Failure():
            return error
        case ExecutionError():
            if cancelled:
                return Failure("57014", "canceling statement due to user request; its cost was charged")
            return Failure(error.sqlstate, str(error))
        case QueryError():
            if cancelled:
                return Failure("57014", "canceling statement due to user request; nothing was charged")
            place = None if error.start is None else offset + error.start + 1
            return Failure(error.sqlstate, error.reason, hint=error.hint, position=place)
        case BudgetError() | ProgrammingError() | NotSupportedError() | InterfaceError():
            return Failure(error.sqlstate, str(error))
        case Error():
            return Failure(error.sqlstate, OWNERS)
        case _:
            return Failure("XX000", "internal error; the data owner finds it in the server's log")
