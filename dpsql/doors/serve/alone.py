"""Equal questions at the same time: one is bought, those behind it wait and get its answer as a replay."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from dpsql.doors.serve.memory import Memory
from dpsql.engines.stop import AGAIN, Stop
from dpsql.errors import QueryError


class Alone:
    """Turns for equal questions; what was answered once needs none any more. `most` such are remembered."""

    def __init__(self, most: int) -> None:
        self._answered: Memory[bool] = Memory(most)
        self._turns: dict[Hashable, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    @contextmanager
    def of(self, key: Hashable, stop: Stop, skip: bool = False) -> Iterator[None]:
        """Alone with a question, within; nobody waits when it was answered, or with `skip`.

        QueryError when the wait is cancelled.
        """
        if skip or self._answered.get(key):
            yield
            return
        with self._lock:
            turn, waiting = self._turns.get(key, (threading.Lock(), 0))
            self._turns[key] = turn, waiting + 1
        try:
            while not turn.acquire(timeout=AGAIN):
                if stop.over:
                    raise QueryError("the query was cancelled before it ran; nothing was charged")
            try:
                yield
                self._answered.put(key, True)
            finally:
                turn.release()
        finally:
            with self._lock:
                turn, waiting = self._turns[key]
                self._turns[key] = turn, waiting - 1
                if waiting == 1:
                    del self._turns[key]
