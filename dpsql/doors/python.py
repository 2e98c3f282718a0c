"""`dpsql.query`: one call, one private answer. Sessions are kept open between calls."""

from __future__ import annotations

import atexit
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from dpsql.answer import Answer
from dpsql.doors.place import Place, place

if TYPE_CHECKING:
    from dpsql.doors.place import Database, File
    from dpsql.parse import Params
    from dpsql.session import Amount, Session

KEPT = 4        # sessions kept open between calls

def query(
    sql: str, *, database: Database | None = None, policy: File | None = None, ledger: File | None = None,
    analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
    params: Params = None, fresh: bool = False, dialect: str = "duckdb", error: Amount = None, level: Amount = 0.95,
    quality: bool = False,
) -> Answer:
    """Answers `sql` privately, charging the ledger before anything runs.

    `database` is a DuckDB file, a folder of Parquet or CSV files, or an open DuckDB connection; `policy` the owner's
    TOML file; `ledger` the budget's file (default: beside the database). What is left out comes from DPSQL_DATABASE,
    DPSQL_POLICY, DPSQL_LEDGER and DPSQL_ANALYST; the policy's last default is policy.toml beside the database.
    `epsilon` and `delta` are what this query may cost (default: the policy's). `params` fill `?` (a sequence) or
    `$name` (a mapping). `dialect` is whose SQL it is: duckdb, postgres, snowflake, bigquery, ... The same query again
    is answered from the ledger, free; `fresh` buys a new answer. `error`, in place of `epsilon`, asks for counts and
    sums whose intervals are within +-error, as cheaply as that goes; `level` is the confidence of intervals.
    With `quality` a tenth of the epsilon buys the noisy shares of what bounds cut (`Answer.clipped`, and warnings), and
    half of what each quantile, MIN and MAX costs buys its interval.

    The database stays open, read-only, for the next call; `dpsql.doors.python.close()` lets go of it.

    Raises OpenError, PolicyError and LedgerError for the owner; QueryError and BudgetError before any charge;
    ExecutionError after it.
    """
    where = place(database, policy, ledger, analyst)
    with _borrowed(where) as session:
        return session.query(
            sql, analyst=where.analyst, epsilon=epsilon, delta=delta, params=params, fresh=fresh, dialect=dialect,
            error=error, level=level, quality=quality,
        )


def close() -> None:
    """Closes every session that `query` keeps open and that is not answering at this moment."""
    with _lock:
        for key in list(_kept):
            _drop(key)


@dataclass(slots=True)
class _Kept:
    """An open session, how many calls use it now, and whether it is to be closed after the last of them."""

    session: Session
    users: int = 0
    dropped: bool = False


_lock = Lock()
_kept: dict[Hashable, _Kept] = {}       # in order of last use
_inherited: list[dict[Hashable, _Kept]] = []


def _forget() -> None:
    """A forked child must not use, nor close, the parent's engine and ledger: it opens its own."""
    global _lock, _kept
    _inherited.append(_kept)
    _lock, _kept = Lock(), {}


atexit.register(close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@contextmanager
def _borrowed(where: Place) -> Iterator[Session]:
    """A session on `where`, opened or kept; never closed while someone uses it."""
    with _lock:
        key = _key(where)
        entry = _kept.pop(key, None) or _Kept(_open(where))
        _kept[key] = entry
        entry.users += 1
        for old in list(_kept)[:-KEPT]:
            _drop(old)
    try:
        yield entry.session
    finally:
        with _lock:
            entry.users -= 1
            if entry.dropped and not entry.users:
                entry.session.close()


def _open(where: Place) -> Session:
    from dpsql.session import Session

    return Session(where.database, where.policy, where.ledger)


def _drop(key: Hashable) -> None:
    entry = _kept.pop(key)
    entry.dropped = True
    if not entry.users:
        entry.session.close()


def _key(where: Place) -> Hashable:
    """What must be equal for a session to serve again: same files, unchanged since."""
    database = _stamp(where.database) if isinstance(where.database, Path) else id(where.database)
    ledger = None if where.ledger is None else os.path.realpath(where.ledger)
    return database, _stamp(where.policy), ledger


def _stamp(path: Path) -> tuple[str, int, int]:
    """A file's real path, size and time of change (zeros when it is not there: opening will say so)."""
    try:
        stat = path.stat()
    except OSError:
        return os.path.realpath(path), 0, 0
    return os.path.realpath(path), stat.st_size, stat.st_mtime_ns
