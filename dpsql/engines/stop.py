"""When a query must end: at its deadline, when somebody says so from another thread, or at Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TypeVar

from dpsql.errors import ExecutionError

AGAIN = 0.05    # seconds between two attempts to end what runs: an engine forgets one that comes before it began

T = TypeVar("T")

_current: ContextVar[Stop | None] = ContextVar("stop", default=None)


class Stop:
    """Ends one query, from any thread: `stop.now()`. Its cost, once charged, stays charged.

    `seconds` counts from here; None is no deadline.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._end: float | None = None
        self._asked = False
        self._change = threading.Condition()
        self.within(seconds)

    def now(self) -> None:
        """End the query that runs under this stop; one that did not begin does not run."""
        with self._change:
            self._asked = True
            self._change.notify_all()

    def within(self, seconds: float | None) -> None:
        """Set a deadline from now; an earlier one stays."""
        if seconds is not None:
            end = time.monotonic() + seconds
            self._end = end if self._end is None else min(end, self._end)

    @property
    def over(self) -> bool:
        """Whether the query must have ended."""
        return self._asked or self.left() == 0

    def left(self) -> float | None:
        """Seconds to the deadline, 0 when it passed, None without one."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def attend(self, work: Callable[[], T], end: Callable[[], None]) -> T:
        """What `work` returns or raises. It runs in a thread; when it must stop, `end` is called until it does.

        Raises ExecutionError, without starting, when the time is over already.
        """
        if self.over:
            raise ExecutionError
        found: list[T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                found.append(work())
            except BaseException as error:
                raised.append(error)
            with self._change:
                self._change.notify_all()

        thread = threading.Thread(target=run, name="dpsql statement", daemon=True)
        thread.start()
        try:
            with self._change:
                self._change.wait_for(lambda: found or raised or self._asked, self.left())
        finally:                                # also when Ctrl-C ends the wait
            while not (found or raised):
                with suppress(Exception):
                    end()
                thread.join(AGAIN)
        if raised:
            raise raised[0]
        return found[0]


@contextmanager
def stopped_by(stop: Stop) -> Iterator[None]:
    """Every statement of this thread, within the block, ends when `stop` says."""
    token = _current.set(stop)
    try:
        yield
    finally:
        _current.reset(token)


def attended(work: Callable[[], T], end: Callable[[], None]) -> T:
    """What `work` returns or raises, ended by the current stop or, on the main thread, by Ctrl-C."""
    stop = _current.get()
    if stop is None and threading.current_thread() is not threading.main_thread():
        return work()
    return (stop or Stop()).attend(work, end)


class Watch:
    """The queries of a session that run: each ends `deadline` seconds (None: never) after it began."""

    def __init__(self, deadline: float | None = None) -> None:
        self._deadline = deadline
        self._running: set[Stop] = set()
        self._lock = threading.Lock()

    @contextmanager
    def over(self, stop: Stop | None = None) -> Iterator[None]:
        """A query runs within; what runs within a running one belongs to it."""
        if _current.get() is not None:
            yield
            return
        stop = stop or Stop()
        stop.within(self._deadline)
        with self._lock:
            self._running.add(stop)
        try:
            with stopped_by(stop):
                yield
        finally:
            with self._lock:
                self._running.discard(stop)

    def interrupt(self) -> None:
        """End all of them."""
        with self._lock:
            for stop in self._running:
                stop.now()


@contextmanager
def padded(grid: float | None) -> Iterator[None]:
    """Leaves, by an error too, only at a whole multiple of `grid` seconds after it was entered; Ctrl-C leaves at once.

    None: as soon as it can.
    """
    began = time.monotonic()
    try:
        yield
    except Exception:
        _wait(began, grid)
        raise
    _wait(began, grid)


def _wait(began: float, grid: float | None) -> None:
    if grid is not None:
        time.sleep(-(time.monotonic() - began) % grid)


def stopped() -> bool:
    """Whether the current query must end."""
    stop = _current.get()
    return stop is not None and stop.over
