"""The DB-API 2.0 (PEP 249) over a Session: `dpsql.connect(...)`, cursors, and the names the standard asks for."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from dpsql import errors
from dpsql.answer import Answer, AnswerCost
from dpsql.doors.place import place
from dpsql.errors import InterfaceError, NotSupportedError

if TYPE_CHECKING:
    from dpsql.doors.place import Database, File
    from dpsql.parse import Params
    from dpsql.session import Amount, Session

apilevel = "2.0"
threadsafety = 2            # threads may share the module and connections, not cursors
paramstyle = "qmark"        # and $name with a mapping

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TypeObject:
    """A family of SQL types; equal to the type code (the SQL type's name) of every column of that family."""

    names: frozenset[str]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TypeObject):
            return self.names == other.names
        return isinstance(other, str) and other.split("(")[0] in self.names

    def __hash__(self) -> int:
        return hash(self.names)


STRING = TypeObject(frozenset({"VARCHAR"}))
BINARY = TypeObject(frozenset({"BLOB"}))
NUMBER = TypeObject(
    frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE", "BOOLEAN"})
)
DATETIME = TypeObject(frozenset({"DATE", "TIMESTAMP"}))
ROWID = TypeObject(frozenset())

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:
    """The local date of a number of seconds since the epoch."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:
    """The local time of day of a number of seconds since the epoch."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    """The local date and time of a number of seconds since the epoch."""
    return Timestamp(*time.localtime(ticks)[:6])


def connect(
    *, database: Database | None = None, policy: File | None = None, ledger: File | None = None,
    analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
) -> Connection:
    """A DB-API connection, with the defaults of `dpsql.query`; every statement it runs may cost `epsilon` and `delta`.

    Raises OpenError, PolicyError or LedgerError when it cannot be opened.
    """
    from dpsql.session import Session

    where = place(database, policy, ledger, analyst)
    return Connection(Session(where.database, where.policy, where.ledger), where.analyst, epsilon, delta)


class Connection:
    """A session, with an analyst and a price per statement. Closed by `close` or by leaving a `with` block."""

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(
        self, session: Session, analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
    ) -> None:
        self.analyst, self.epsilon, self.delta = analyst, epsilon, delta
        self._session: Session | None = session

    @property
    def session(self) -> Session:
        """The session beneath. InterfaceError when the connection is closed."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        return self._session

    def cursor(self) -> Cursor:
        """A new cursor. InterfaceError when the connection is closed."""
        _ = self.session
        return Cursor(self)

    def close(self) -> None:
        """Closes the session; the connection and its cursors cannot be used any more. Closing twice is harmless."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def commit(self) -> None:
        """Does nothing: every charge is durable before its query runs."""
        _ = self.session

    def rollback(self) -> None:
        """Does nothing: dpsql only reads, and what was spent stays spent."""
        _ = self.session

    def __enter__(self) -> Connection:
        _ = self.session
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Cursor:
    """Runs one statement at a time and hands out its rows. `answer` is the whole answer, `cost` what it cost."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.answer: Answer | None = None
        self._next = 0
        self._closed = False

    @property
    def cost(self) -> AnswerCost | None:
        """What the last statement cost; None before any."""
        return None if self.answer is None else self.answer.cost

    @property
    def description(self) -> list[tuple[str, str, None, None, int | None, int | None, None]] | None:
        """Seven facts a column, of which name, type code (the SQL type) and a DECIMAL's precision and scale are set."""
        if self.answer is None:
            return None
        return [
            (name, type_, None, None, *_digits(type_), None)
            for name, type_ in zip(self.answer.columns, self.answer.types, strict=True)
        ]

    @property
    def rowcount(self) -> int:
        """How many rows the last statement gave; -1 before any."""
        return -1 if self.answer is None else len(self.answer.rows)

    def execute(self, sql: str, params: Params = None, *, fresh: bool = False) -> Cursor:
        """Answers `sql` privately, at the connection's price; returns this cursor.

        `params` fill `?` (a sequence) or `$name` (a mapping); `fresh` buys a new answer instead of a free replay.
        Raises what `dpsql.query` raises; InterfaceError when closed.
        """
        self._open()
        connection = self.connection
        self.answer, self._next = None, 0
        self.answer = connection.session.query(
            sql, analyst=connection.analyst, epsilon=connection.epsilon, delta=connection.delta,
            params=params or None, fresh=fresh,
        )
        return self

    def executemany(self, sql: str, params: object) -> None:
        """Refused: every run is a charge of its own, and only the last answer could be fetched."""
        self._open()
        raise NotSupportedError("executemany would charge once per parameter set: call execute for each instead")

    def fetchone(self) -> Row | None:
        """The next row, or None after the last. InterfaceError before a statement ran."""
        rows = self.fetchmany(1)
        return rows[0] if rows else None

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next `size` rows (default `arraysize`), fewer at the end."""
        rows = self._rows()
        start = self._next
        self._next = min(len(rows), start + max(0, self.arraysize if size is None else size))
        return list(rows[start : self._next])

    def fetchall(self) -> list[Row]:
        """All remaining rows."""
        return self.fetchmany(len(self._rows()))

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def setinputsizes(self, sizes: object) -> None:
        """Does nothing, as the standard allows."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing, as the standard allows."""

    def close(self) -> None:
        """The cursor cannot be used any more."""
        self._closed, self.answer = True, None

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        _ = self.connection.session

    def _rows(self) -> tuple[Row, ...]:
        self._open()
        if self.answer is None:
            raise InterfaceError("nothing was executed yet")
        return self.answer.rows


def _digits(type_: str) -> tuple[int | None, int | None]:
    """Precision and scale of a DECIMAL."""
    if not type_.startswith("DECIMAL("):
        return None, None
    precision, scale = type_[len("DECIMAL(") : -1].split(",")
    return int(precision), int(scale)
