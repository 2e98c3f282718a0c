"""The DB-API 2.0 (PEP 249) over a Session: `dpsql.connect(...)` and cursors, with the standard's extensions."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from dpsql import errors
from dpsql.answer import Answer, AnswerCost, Clipped, Interval
from dpsql.doors.dbapi_types import Description, description
from dpsql.doors.place import place
from dpsql.errors import InterfaceError, NotSupportedError, ProgrammingError

if TYPE_CHECKING:
    import pyarrow

    from dpsql.doors.place import Database, File
    from dpsql.doors.terms import Terms
    from dpsql.parse import Params
    from dpsql.session import Amount, Session

apilevel = "2.0"
threadsafety = 2            # threads may share the module and connections, not cursors
paramstyle = "qmark"        # and $name or :name with a mapping

Row = tuple[object, ...]


def connect(
    *, database: Database | None = None, policy: File | None = None, ledger: File | None = None,
    analyst: str | None = None, epsilon: Amount = None, delta: Amount = None, dialect: str = "duckdb",
    isolated: bool = False, deadline: float | None = None, memory: int | None = None, pad: float | None = None,
    error: Amount = None, level: Amount = 0.95, quality: bool = False,
) -> Connection:
    """A DB-API connection, with the defaults of `dpsql.query`; every statement it runs may cost `epsilon` and `delta`.

    `dialect` is whose SQL the statements are; `error`, `level` and `quality` are those of `dpsql.query`, for all of
    them; `isolated`, `deadline`, `memory` and `pad` those of `Session`.

    Raises OpenError, PolicyError or LedgerError when it cannot be opened.
    """
    from dpsql.session import Session

    where = place(database, policy, ledger, analyst)
    session = Session(
        where.database, where.policy, where.ledger, isolated=isolated, deadline=deadline, memory=memory, pad=pad,
    )
    return Connection(session, where.analyst, epsilon, delta, dialect, error, level, quality)


class Connection:
    """A session, with an analyst and a price per statement. Closed by `close` or by leaving a `with` block.

    `analyst`, `epsilon`, `delta`, `dialect`, `error`, `level` and `quality` may be set anew: the next statement counts.
    """

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

    autocommit = True       # every charge is durable before its query runs

    def __init__(
        self, session: Session, analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
        dialect: str = "duckdb", error: Amount = None, level: Amount = 0.95, quality: bool = False,
    ) -> None:
        self.analyst, self.epsilon, self.delta, self.dialect = analyst, epsilon, delta, dialect
        self.error, self.level, self.quality = error, level, quality
        self._session: Session | None = session

    @property
    def session(self) -> Session:
        """The session beneath. InterfaceError when the connection is closed."""
        if self._session is None:
            raise InterfaceError("the connection is closed")
        return self._session

    @property
    def terms(self) -> Terms:
        """What goes along with every statement."""
        return {
            "analyst": self.analyst, "epsilon": self.epsilon, "delta": self.delta, "error": self.error,
            "level": self.level, "quality": self.quality, "dialect": self.dialect,
        }

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
    """Runs one statement at a time and hands out its rows.

    `answer` is the whole answer, `cost` what it cost, `intervals` its intervals (parallel to all of its rows),
    `clipped` how much was cut, `messages` its warnings. Whatever takes Arrow takes the rows not yet fetched:
    `pyarrow.table(cursor)`.
    """

    lastrowid = None

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.arraysize = 1
        self.answer: Answer | None = None
        self.messages: list[tuple[type[errors.Warning], errors.Warning]] = []
        self._next = 0
        self._closed = False

    @property
    def cost(self) -> AnswerCost | None:
        """What the last statement cost; None before any."""
        return None if self.answer is None else self.answer.cost

    @property
    def intervals(self) -> tuple[tuple[Interval | None, ...], ...] | None:
        """The intervals of the last statement, parallel to its rows; None before any."""
        return None if self.answer is None else self.answer.intervals

    @property
    def clipped(self) -> tuple[Clipped, ...] | None:
        """How much bounds cut, where the connection buys `quality`; None before any statement."""
        return None if self.answer is None else self.answer.clipped

    @property
    def description(self) -> Description | None:
        """Seven facts a column, of which name, type code (the SQL type) and a DECIMAL's precision and scale are set."""
        answer = self.answer
        return None if answer is None else description(zip(answer.columns, answer.types, strict=True))

    @property
    def rowcount(self) -> int:
        """How many rows the last statement gave; -1 before any."""
        return -1 if self.answer is None else len(self.answer.rows)

    @property
    def rownumber(self) -> int | None:
        """The index of the next row; None before a statement ran."""
        return None if self.answer is None else self._next

    def describe(self, sql: str, params: Params = None) -> Description:
        """The `description` that `execute` would give; touches no data, charges nothing, and leaves the cursor as is.

        Raises QueryError for what would be refused; InterfaceError when closed.
        """
        self._open()
        connection = self.connection
        return description(connection.session.columns(sql, params=params or None, **connection.terms))

    def execute(self, sql: str, params: Params = None, *, fresh: bool = False) -> Cursor:
        """Answers `sql` privately, at the connection's price; returns this cursor.

        `params` fill `?` (a sequence) or `$name` and `:name` (a mapping); `fresh` buys a new answer instead of a free
        replay. Raises what `dpsql.query` raises; InterfaceError when closed.
        """
        self._open()
        connection = self.connection
        self.answer, self._next, self.messages = None, 0, []
        self.answer = connection.session.query(sql, params=params or None, fresh=fresh, **connection.terms)
        self.messages = [(errors.Warning, errors.Warning(text)) for text in self.answer.warnings]
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
        asked = max(0, self.arraysize if size is None else size)
        found = list(self._rows()[self._next : self._next + asked])
        self._next += len(found)
        return found

    def fetchall(self) -> list[Row]:
        """All remaining rows."""
        return self.fetchmany(len(self._rows()))

    def fetch_arrow_table(self) -> pyarrow.Table:
        """All remaining rows as a `pyarrow.Table`, typed as `Answer.to_arrow` says. ImportError without pyarrow."""
        answer = self._answered()
        table = answer.to_arrow().slice(self._next)
        self._next = len(answer.rows)
        return table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """All remaining rows for whoever takes Arrow: `polars.DataFrame(cursor)`. ImportError without pyarrow."""
        return self.fetch_arrow_table().__arrow_c_stream__(requested_schema)

    def scroll(self, value: int, mode: str = "relative") -> None:
        """Moves to another row: by `value` rows, or to the row of that index ("absolute").

        IndexError when there is none (the place after the last row counts); ProgrammingError for another mode.
        """
        rows = self._rows()
        if mode not in ("relative", "absolute"):
            raise ProgrammingError(f'the mode of scroll is "relative" or "absolute", not {mode!r}')
        target = value + (self._next if mode == "relative" else 0)
        if not 0 <= target <= len(rows):
            raise IndexError(f"there are {len(rows)} rows, and no row {target}")
        self._next = target

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

    def _answered(self) -> Answer:
        self._open()
        if self.answer is None:
            raise InterfaceError("nothing was executed yet")
        return self.answer

    def _rows(self) -> tuple[Row, ...]:
        return self._answered().rows
