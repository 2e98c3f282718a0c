"""A pool of child processes of one task: kept for the next request, and replaced after a failure or many requests."""

from __future__ import annotations

import atexit
import os
import select
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from dpsql.engines.isolated_child import READY, Task
from dpsql.engines.isolated_server import Server, fork
from dpsql.engines.isolated_wire import Row, plain, receive, receive_rows, send
from dpsql.engines.stop import AGAIN, attended, stopped
from dpsql.errors import ExecutionError, OpenError

CHILDREN = 4        # of one pool at a time; further requests wait for one, within their deadline
QUERIES = 1000      # requests a child answers before a fresh one takes its place
ANSWER = 10         # an answer is at most this part of `memory` in bytes sent: as Python's values it is so much larger

T = TypeVar("T")


class Child:
    """A process with a task. Killing it twice does nothing."""

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


class Pool:
    """Children of one task, each begun when it is needed. Safe to use from several threads."""

    def __init__(self, name: str, task: Task) -> None:
        self.name, self._task = name, task
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._lock, self._free = threading.Lock(), threading.Semaphore(CHILDREN)
        self._closed, self._process = False, os.getpid()
        _open.add(self)

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
        child = Child(*fork(), self._task.memory)
        with suppress(OSError):         # it will be seen to be dead
            child.begin(self._task)
        return child

    def _refused(self, child: Child) -> str | None:
        """Why a child did not open the database, None when it did; waits until that is known."""
        if child.opened:
            return None
        try:
            head = attended(child.head, child.kill)
        except Exception:
            return f"{self.name} cannot be opened by the process that would query it: it has too little memory"
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
        """End the children, those that are answering too. Closing twice does nothing."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            if os.getpid() == self._process:        # a forked copy of this process has no say
                for child in (*idle, *self._busy):
                    child.kill()
        for child in idle:
            child.discard()


_open: weakref.WeakSet[Pool] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """No child outlives the program."""
    for pool in list(_open):
        pool.close()
