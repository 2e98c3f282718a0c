"""trial: what a text makes the parser do may never end, and nothing stops a parser, so another process tries it first.

Within `on_trial`, `tried` lets that process do the work, which can be killed, and does it here once it was seen to end.
Elsewhere, in a program of the analyst's own, it is simply done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

from dpsql.limits import SECONDS

T = TypeVar("T")


class Court(Protocol):
    """Who tries work elsewhere."""

    def ends(self, work: Callable[..., object], *arguments: object) -> bool:
        """Whether it ends, by an error too, within the time that `SECONDS` allows for planning."""


_court: ContextVar[Court | None] = ContextVar("court", default=None)


@contextmanager
def on_trial(court: Court | None) -> Iterator[None]:
    """Within, `court` tries the work of this thread; None: nobody does."""
    token = _court.set(court)
    try:
        yield
    finally:
        _court.reset(token)


def tried(work: Callable[..., T], *arguments: object) -> T:
    """What `work`, a function of a module, returns or raises. QueryError when it does not end where it is tried."""
    court = _court.get()
    if court is not None and not court.ends(work, *arguments):
        raise SECONDS.error()
    return work(*arguments)
