"""Memories of the last few results."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Generic, TypeVar

T = TypeVar("T")

SHORT = 4_000       # characters of a text that is remembered; many long ones would fill the memory


def remembered(most: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """A function of a text that remembers the `most` short texts it saw last."""
    def wrapped(work: Callable[[str], T]) -> Callable[[str], T]:
        kept = lru_cache(most)(work)

        def answer(text: str) -> T:
            return kept(text) if len(text) <= SHORT else work(text)

        return wraps(work)(answer)

    return wrapped


class Memory(Generic[T]):
    """The `most` results that were used last. Safe from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[object, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> T | None:
        """What is kept under a key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: object, value: T) -> None:
        """Keep a result."""
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def found(self, key: object, make: Callable[[], T]) -> T:
        """What is kept, else what `make` returns; its errors are not kept."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found
