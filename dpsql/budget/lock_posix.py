"""What the ledger asks of a POSIX system: a lock that queues writers, a directory made durable, a hook around fork.

`flock` gives every writer its turn; without it SQLite's retries starve some writers for seconds.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` (created, mode 0600) against all processes and threads; waits. OSError on failure."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)  # closing the only descriptor of this opening releases the lock


def sync_directory(directory: Path) -> None:
    """Make a created or renamed name in `directory` survive a power loss. OSError on failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def around_fork(before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call `before` ahead of every fork of this process, and `after` on both sides of it."""
    os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
