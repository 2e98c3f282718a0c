"""The isolated engine: every statement of a query runs in a child process that can be killed.

A child has an address-space limit, no policy, no ledger, and its output goes nowhere. It is kept for the next query,
and replaced after a failure, a kill, or `QUERIES` queries. What a statement did wrong never crosses: its child ends,
and the session sees the end of a line.
"""

from __future__ import annotations

import atexit
import os
import select
import socket
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from dpsql.engines.base import Params, Rows, open_engine
from dpsql.engines.duckdb import DuckDB
from dpsql.engines.isolated_child import BOUND, READY, Opening
from dpsql.engines.isolated_server import Server, fork
from dpsql.engines.isolated_wire import Row, plain, receive, receive_rows, send
from dpsql.engines.scratch import BindError, Names, Scratch, Table
from dpsql.engines.stop import AGAIN, attended, stopped
from dpsql.errors import ExecutionError, OpenError
from dpsql.schema import TableSchema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = 4 << 30    # bytes a child's engine may use, unless the session says
CHILDREN = 4        # of one session at a time; further queries wait for one, within their deadline
QUERIES = 1000      # statements a child runs before a fresh one takes its place
ANSWER = 10         # an answer is at most this part of `memory` in bytes sent: as Python's values it is so much larger

T = TypeVar("T")


class Child:
    """A process with the database open. Killing it twice does nothing."""

    def __init__(self, server: Server, number: int, line: socket.socket, memory: int) -> None:
        self.number, self._most = number, memory // ANSWER
        self.dead, self.opened, self.asked = False, False, 0
        self._server, self._line = server, line

    def begin(self, task: object) -> None:
        """Say what it is for. It answers when it is ready, and is waited for when it is needed."""
        send(self._line, task)

    def ask(self, request: object) -> tuple[object, ...]:
        """The head of the answer to a request; its rows are still to be read. EOFError when the child has ended."""
        self.asked += 1
        send(self._line, request)
        return self.head()

    def head(self) -> tuple[object, ...]:
        """The head of the answer that comes. EOFError when the child has ended."""
        body = receive(self._line)
        if body is None:
            raise EOFError
        head = plain(body)
        assert isinstance(head, tuple)
        return head

    def rows(self) -> list[Row]:
        """The rows behind the head of an answer. EOFError when they are too many."""
        return receive_rows(self._line, self._most)

    def fit(self) -> bool:
        """Whether it can answer once more: alive, silent once it is open, and not too old."""
        silent = not self.opened or not select.select([self._line], [], [], 0)[0]
        return not self.dead and self.asked < QUERIES and silent

    def kill(self) -> None:
        """End it at once."""
        if not self.dead:
            self.dead = True
            self._server.kill(self.number)

    def discard(self) -> None:
        """End it, and its line."""
        self.kill()
        self._line.close()


class Closable(Protocol):
    """What is let go of at the end."""

    def close(self) -> None:
        """Let go."""


class Isolated:
    """An Engine, and the finish's database, over child processes. Safe to use from several threads.

    `memory` is in bytes, for each child.
    """

    def __init__(self, inner: DuckDB, path: Path, memory: int) -> None:
        self.schema, self.verifies_keys, self.name = inner.schema, inner.verifies_keys, inner.name
        self.default_ledger, self.identity = inner.default_ledger, inner.identity
        self.key_holds, self.public_stream = inner.key_holds, inner.public_stream
        self._prepare(Opening(path, inner.files, inner.home, inner.identity, inner.schema, memory), inner)

    def _prepare(self, opening: Opening, inner: Closable) -> None:
        """No child yet; each will open what `opening` says."""
        self._inner = inner     # stays open: while one process reads a DuckDB file, none may write to it
        self._opening = opening
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._lock, self._free = threading.Lock(), threading.Semaphore(CHILDREN)
        self._closed, self._process = False, os.getpid()
        _open.add(self)

    def run(self, sql: str, params: Params = ()) -> Rows:
        """Run one statement and fetch everything. Any failure at all is ExecutionError, without cause or context."""
        def ask(child: Child) -> Rows:
            _, columns, _ = child.ask(("run", sql, params))
            return Rows(columns, child.rows())  # type: ignore[arg-type]

        return self.asked(ask)

    def scratch(self, public: Sequence[TableSchema]) -> IsolatedScratch:
        """The finish's database, in the same children. OpenError when a child cannot open what its parent opened."""
        self._opening = replace(self._opening, public=tuple(public))
        scratch = IsolatedScratch(public, self)
        child = self._fresh()
        with self._lock:
            self._idle.append(child)
        return scratch

    def asked(self, ask: Callable[[Child], T]) -> T:
        """What `ask` makes of a child's answer. ExecutionError, without cause or context, when anything fails."""
        found = self._attempt(ask)
        if found is None:
            raise ExecutionError
        return found[0]

    def _attempt(self, ask: Callable[[Child], T]) -> tuple[T] | None:
        try:
            with self._child() as child:
                return (attended(lambda: ask(child), child.kill),)
        except Exception:
            return None

    @contextmanager
    def _child(self) -> Iterator[Child]:
        """A child of one's own; it is kept afterwards when nothing went wrong."""
        while not self._free.acquire(timeout=AGAIN):
            if stopped():
                raise ExecutionError
        child = None
        try:
            child = self._taken() or self._fresh()
            with self._lock:
                self._busy.add(child)
            yield child
        except BaseException:
            if child is not None:
                child.kill()
            raise
        finally:
            try:
                if child is not None:
                    self._returned(child)
            finally:
                self._free.release()    # not before: who waits should find it, and not start another

    def _taken(self) -> Child | None:
        """An idle child that is fit and open."""
        while True:
            with self._lock:
                if self._closed:
                    raise ExecutionError
                child = self._idle.pop() if self._idle else None
            if child is None or (child.fit() and self._refused(child) is None):
                return child
            child.discard()

    def _fresh(self) -> Child:
        """A new child with the database open. OpenError when it cannot open it."""
        child = self._begun()
        if (reason := self._refused(child)) is not None:
            child.discard()
            raise OpenError(reason)
        return child

    def _begun(self) -> Child:
        """A new child that opens the database by itself. OpenError when there is none."""
        child = Child(*fork(), self._opening.memory)
        with suppress(OSError):         # it will be seen to be dead
            child.begin(self._opening)
        return child

    def _refused(self, child: Child) -> str | None:
        """Why a child did not open the database, None when it did; waits until that is known."""
        if child.opened:
            return None
        try:
            head = attended(child.head, child.kill)
        except Exception:
            return (f"{self._opening.path} cannot be opened by the process that would query it: it has too little "
                    "memory")
        child.opened = head[0] == READY
        return None if child.opened else str(head[1])

    def _returned(self, child: Child) -> None:
        """Keep a child that is fit; in the place of another one a new one begins, so that no query waits for it."""
        kept: Child | None = child
        if not child.fit():
            child.discard()
            kept = None
            if not self._closed:
                with suppress(OpenError):
                    kept = self._begun()
        with self._lock:
            self._busy.discard(child)
            if kept is not None and not self._closed:
                self._idle.append(kept)
                return
        if kept is not None:
            kept.discard()

    def close(self) -> None:
        """End the children, those that are answering too, and let go of the database. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if os.getpid() == self._process:        # a forked copy of this process has no say
                for child in (*idle, *self._busy):
                    child.kill()
        for child in idle:
            child.discard()
        self._inner.close()


class IsolatedScratch(Scratch):
    """The finish's database in the children of an `Isolated`; what `Scratch` promises holds."""

    def __init__(self, public: Sequence[TableSchema], engine: Isolated) -> None:
        self._engine = engine

    def describe(self, sql: str, tables: Sequence[Table]) -> tuple[tuple[str, str], ...]:
        """The names and DuckDB types of what `sql` returns. BindError when it does not bind, ExecutionError when the
        child fails."""
        status, found = self._engine.asked(lambda child: child.ask(("describe", sql, tuple(tables))))
        if status != BOUND:
            raise BindError(str(found))
        return found  # type: ignore[return-value]

    def run(
        self, sql: str, tables: Sequence[tuple[Table, Sequence[tuple[object, ...]]]], public: Sequence[str]
    ) -> tuple[Names, Names, list[tuple[object, ...]]]:
        """Names, DuckDB types and rows of `sql`. Any failure is ExecutionError, without cause or context."""
        def ask(child: Child) -> tuple[Names, Names, list[Row]]:
            _, names, types = child.ask(("finish", sql, tuple(tables), tuple(public)))
            return names, types, child.rows()  # type: ignore[return-value]

        return self._engine.asked(ask)

    def close(self) -> None:
        """The engine closes the children."""


_open: weakref.WeakSet[Isolated] = weakref.WeakSet()


def open_isolated(database: str | os.PathLike[str] | DuckDBPyConnection, memory: int | None = None) -> Isolated:
    """Open a DuckDB file or a folder of files for children to query, each with so many bytes of memory.

    OpenError for an open connection, which no other process can have, and for what `open_engine` refuses.
    """
    if not isinstance(database, (str, os.PathLike)):
        raise OpenError("an open connection cannot be isolated, for no other process has it: give the path of a "
                        "DuckDB file or of a folder, or leave `isolated` out")
    inner = open_engine(database)
    if not isinstance(inner, DuckDB):
        inner.close()
        raise OpenError("only a DuckDB file or a folder of Parquet or CSV files can be isolated: leave `isolated` out")
    return Isolated(inner, Path(database).expanduser().resolve(), MEMORY if memory is None else memory)


@atexit.register
def _close_all() -> None:
    """No child outlives the program."""
    for engine in list(_open):
        engine.close()
