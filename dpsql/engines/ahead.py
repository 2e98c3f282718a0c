"""Instances of DuckDB that a fork server opens before anybody asks, so that a child has only to attach its database.

To open one takes some 15 ms of work; to fork a process that has one takes none. An instance without threads of its own
is copied whole, for nothing runs in it while its process forks; the copy gets its threads back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from dpsql.engines.duckdb import LOCK_DOWN, NO_FILES, DuckDB, Files, configure, empty, identity
from dpsql.engines.folder import settle
from dpsql.engines.scratch import blank
from dpsql.errors import OpenError
from dpsql.schema import Schema, quote, text

_THREADS = {"threads": 1, "async_threads": 0}     # the session's own thread counts as one


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is open: an instance for a database, and one for the finish."""

    database: DuckDBPyConnection
    finish: DuckDBPyConnection

    def wake(self) -> None:
        """Let both work with as many threads as they would have: once, in the copy that uses them."""
        for name in _THREADS:
            self.database.execute(f"RESET GLOBAL {name}")
        self.finish.execute("RESET GLOBAL threads")     # it reads no files, for which the others are


def ahead() -> Ahead:
    """Both instances, without a thread."""
    found = Ahead(empty(), blank())
    for connection in (found.database, found.finish):
        configure(connection, (f"{name}={count}" for name, count in _THREADS.items()))
    return found


def attached(
    connection: DuckDBPyConnection, path: Path, files: Files, home: str, schema: Schema, memory: int
) -> DuckDB:
    """A file, or the `files` of a folder, as the default database `home` of an instance, which is locked then.

    The schema of a file is that of its opening in another process, where nobody may write to it; `memory` is in bytes.
    OpenError when it cannot be read.
    """
    limit = f"memory_limit='{memory}B'"
    try:
        if files:
            connection.execute(f"ATTACH ':memory:' AS {quote(home)}").execute(f"USE {quote(home)}")
            settle(connection, files, (limit,))
            return DuckDB(connection, name=path.name, files=files, home=home)
        before = identity(path)
        connection.execute(f"ATTACH {text(str(path))} AS {quote(home)} (READ_ONLY)")
        configure(connection, (limit, *NO_FILES, *LOCK_DOWN))
    except (duckdb.Error, OSError) as error:
        reason = str(error)
    else:
        if identity(path) == before:
            return DuckDB(connection, name=path.name, identity=before, home=home, schema=schema)
        reason = "it was replaced while it was being opened"
    raise OpenError(f"{path} cannot be opened by the process that would query it: {reason}")
