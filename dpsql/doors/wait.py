"""Waiting for an answer in a terminal: Ctrl-C stops the engine, and after a second a line says that it works."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from dpsql.doors.screen import busy
from dpsql.errors import Error

T = TypeVar("T")

PATIENCE = 1.0      # seconds before anything is shown
GLANCE = 0.1        # seconds between two looks


def wait(work: Callable[[], T], stop: Callable[[], None]) -> T:
    """What `work` returns or raises; it runs in a thread of its own, for the engine does not listen to Ctrl-C.

    After a Ctrl-C `stop` is called until the work ends. KeyboardInterrupt when that made it fail; when it was done
    before, its answer, which was paid.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    ended: list[tuple[T | None, BaseException | None]] = []

    def run() -> None:
        try:
            ended.append((work(), None))
        except BaseException as error:
            ended.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    with _listening() as pressed, ExitStack() as stack:
        thread.start()
        began, say = time.monotonic(), None
        while thread.is_alive():
            thread.join(GLANCE)
            if pressed.is_set():
                stop()
            if (seconds := time.monotonic() - began) > PATIENCE:
                say = say or stack.enter_context(busy("working"))
                say("stopping" if pressed.is_set() else f"working for {seconds:.0f} s, Ctrl-C cancels")
    answer, error = ended[0]
    if error is None:
        return answer  # type: ignore[return-value]
    raise KeyboardInterrupt if pressed.is_set() and isinstance(error, Error) else error


@contextmanager
def _listening() -> Iterator[threading.Event]:
    """Within, Ctrl-C sets the event instead of raising somewhere."""
    pressed = threading.Event()
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.set())
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
