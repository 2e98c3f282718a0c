"""The ledger's file: created whole, locked, durable. SQLite stays behind this file and `copies`.

No SQLite connection is open across a fork, and the file is never opened by other means while one is: either would
silently drop the locks that keep a write-ahead log whole.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dpsql.budget.lock_posix import around_fork, exclusive, sync_directory
from dpsql.budget.record import FIRST, FORMAT, Damaged
from dpsql.errors import LedgerError

APPLICATION = 0x64707371  # "dpsq" in the file's header
_WAIT = 60.0              # seconds for a lock that only a foreign program can hold for long

FIXED = "CREATE TRIGGER entry_fixed BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END"
ACCOUNT = """CREATE TABLE account (
    name TEXT PRIMARY KEY, epsilon_limit TEXT, delta_limit TEXT, room_delta TEXT, room_rho TEXT, room_slack TEXT,
    epsilon_spent TEXT NOT NULL, delta_spent TEXT NOT NULL, rho_spent TEXT NOT NULL, slack_spent TEXT NOT NULL)"""
SCHEMA = (
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {FORMAT}",
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE entry (
        id INTEGER PRIMARY KEY, time TEXT NOT NULL, kind TEXT NOT NULL, analyst TEXT, epsilon TEXT, delta TEXT,
        rho TEXT, slack TEXT, key TEXT, version TEXT, sql TEXT, events TEXT, charge INTEGER REFERENCES entry(id),
        note TEXT, hash TEXT NOT NULL)""",
    "CREATE INDEX entry_key ON entry (key, version) WHERE key IS NOT NULL",
    "CREATE INDEX entry_charge ON entry (charge, analyst) WHERE charge IS NOT NULL",
    "CREATE TRIGGER entry_kept BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'entries are only added'); END",
    FIXED,
    "CREATE TABLE answer (charge INTEGER PRIMARY KEY REFERENCES entry(id), answer TEXT NOT NULL)",
    ACCOUNT,
)

_CAUSES = {
    sqlite3.SQLITE_NOTADB: "is not a dpsql ledger",
    sqlite3.SQLITE_CORRUPT: "is damaged",
    sqlite3.SQLITE_READONLY: "cannot be written",
    sqlite3.SQLITE_PERM: "cannot be written",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened for writing",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full",
    sqlite3.SQLITE_BUSY: "is locked by another program",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk or its limits fail it",
}

_ADVICE = {
    sqlite3.SQLITE_CORRUPT: "; restore a backup (dpsql budget restore)",
    sqlite3.SQLITE_BUSY: "; try again when it is done",
}


@contextmanager
def reporting(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say of `path` into a LedgerError that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        cause = _CAUSES.get(code, "cannot be used")
        advice = _ADVICE.get(code, "")
        raise LedgerError(f"the ledger {path} {cause} ({error}){advice}") from error
    except (Damaged, UnicodeDecodeError) as error:  # SQLite quotes what it cannot read
        raise LedgerError(f"the ledger {path} is damaged ({error}); restore a backup (dpsql budget restore)") from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LedgerError(f"the ledger {path} cannot be used: {reason} ({error.filename})") from error


def connect(path: Path, mode: str = "rw") -> sqlite3.Connection:
    """A connection to an existing file (never created) that loses no commit, not even with the power."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}", uri=True, timeout=_WAIT, isolation_level=None, check_same_thread=False)
    try:
        # EXTRA is FULL, and just as durable where a file system has no write-ahead log; fullfsync is for macOS
        for pragma in ("synchronous=EXTRA", "fullfsync=ON", "checkpoint_fullfsync=ON", "cell_size_check=ON",
                       "trusted_schema=OFF", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection
    except BaseException:
        connection.close()
        raise


def facts(path: Path, connection: sqlite3.Connection) -> dict[str, str]:
    """What a ledger says of itself. LedgerError when the file is no ledger, or one of another format."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
        raise LedgerError(f"{path} is a database, but not a dpsql ledger; name another path for the ledger")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (FIRST, FORMAT):
        raise LedgerError(f"the ledger {path} has format {version}, this dpsql reads format {FORMAT}; update dpsql")
    found = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    if not {"id", "state", "split"} <= found.keys():
        raise Damaged("its identity is missing")
    return found | {"format": str(version)}


def require_live(path: Path, found: dict[str, str]) -> None:
    """LedgerError when a ledger may not be charged: moved away, still arriving, or a backup."""
    match found["state"]:
        case "live":
            return
        case "moved":
            raise LedgerError(f"the ledger {path} was moved to {found.get('place')}; use it there")
        case "backup":
            raise LedgerError(
                f"{path} is a backup of ledger {found['id']}, made {found.get('place')}; charges made since are not in "
                "it. Use the ledger itself or, if that is lost, `dpsql budget restore`")
        case "arriving":
            raise LedgerError(
                f"{path} is the unfinished copy of a move; the ledger is still at {found.get('place')}. "
                "Delete this file and move the ledger again")
        case _:
            raise Damaged("its state is unknown")


def beside(path: Path, suffix: str) -> Path:
    """The companion file `path` + `suffix`."""
    return path.with_name(path.name + suffix)


def lock_of(path: Path) -> Path:
    """The lock file of a ledger; it stays when the ledger is closed."""
    return beside(path, "-lock")


def vacant(path: Path) -> Path:
    """`path`, resolved, if a ledger may be written there. LedgerError when something is there, or no directory is."""
    target = Path(os.path.realpath(path))
    require_directory(target)
    if os.path.lexists(target):
        raise LedgerError(f"{target} exists already; name another file")
    for suffix in ("-wal", "-journal"):
        if os.path.lexists(beside(target, suffix)):
            raise LedgerError(
                f"the ledger {target} is missing, but {target.name}{suffix}, which holds its last charges, is there: "
                f"put the ledger back, or remove that file too if the ledger was deleted on purpose")
    return target


def require_directory(path: Path) -> None:
    """LedgerError when the directory that shall hold `path` does not exist or may not be read; dpsql makes none."""
    try:
        there = path.parent.is_dir()
    except PermissionError as error:
        raise LedgerError(f"the ledger {path} cannot be reached ({error.strerror})") from None
    if not there:
        raise LedgerError(f"the directory {path.parent} for the ledger does not exist; make it first")


def write_whole(target: Path, fill: Callable[[sqlite3.Connection], None], *, log: bool = True) -> None:
    """Write a new file by `fill`; it appears under its name when it is complete and durable, or not at all.

    `log` says whether it gets a write-ahead log (a ledger in use) or is a single file (a backup).
    """
    fresh = beside(target, "-new")
    for suffix in ("", "-wal", "-shm", "-journal"):
        beside(fresh, suffix).unlink(missing_ok=True)  # what a crash left; never part of a ledger
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        with contextlib.closing(connect(fresh)) as connection:
            fill(connection)
            connection.execute(f"PRAGMA journal_mode={'WAL' if log else 'DELETE'}")
        os.replace(fresh, target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


class Store:
    """One ledger file, shared by threads and processes, across forks too."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        self._identity: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None
        with still():
            _stores.add(self)

    @contextmanager
    def transaction(self, *, write: bool) -> Iterator[sqlite3.Connection]:
        """One transaction: durable when the block ends (`write`), undone when it raises. LedgerError on failure."""
        with reporting(self.path), self._mutex:
            self._require_same_file()
            with exclusive(lock_of(self.path)) if write else contextlib.nullcontext():
                connection = self._connected()
                try:
                    connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
                    require_live(self.path, facts(self.path, connection))
                    if write:
                        self._require_same_log()
                    yield connection
                    connection.execute("COMMIT")
                except sqlite3.Error:
                    self._drop()  # closing undoes what is open; the next use starts afresh
                    raise
                finally:
                    if self._connection is not None and connection.in_transaction:
                        connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; a later use opens it again."""
        with self._mutex:
            self._drop()

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection, self._process = connect(self.path), os.getpid()
            self._forgotten = weakref.finalize(self, self._connection.close)    # of whom nobody closed
            self._forgotten.atexit = False
        elif self._process != os.getpid():  # a fork that Python did not see
            raise LedgerError(f"the ledger {self.path} was opened by another process; open it again in this one")
        return self._connection

    def _require_same_file(self) -> None:
        """A file deleted or replaced under its name would take charges that the next process never sees."""
        status = require_file(self.path)
        identity = (status.st_dev, status.st_ino)
        self._identity = self._identity or identity
        if identity != self._identity:
            raise LedgerError(f"the ledger {self.path} was replaced while it was open; open it again")

    def _require_same_log(self) -> None:
        """So would a write-ahead log deleted while it is open: SQLite itself removes it with the last connection."""
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(beside(self.path, "-wal"))
            found = status.st_dev, status.st_ino
            self._log = self._log or found
            if found == self._log:
                return
        if self._log is not None:
            raise LedgerError(f"the log of the ledger {self.path} was removed while it was open, perhaps with what was "
                              "charged last: compare it with a backup, and open it again")

    def _drop(self) -> None:
        connection, self._connection, self._log = self._connection, None, None
        if connection is not None:
            self._forgotten.detach()
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def before_fork(self) -> None:
        """Wait for the other threads, then close."""
        self._mutex.acquire()
        self._drop()

    def after_fork(self) -> None:
        """Let the threads go on."""
        self._mutex.release()


def require_file(path: Path) -> os.stat_result:
    """The status of a ledger's file. LedgerError when it is gone, no regular file, empty, or has a second name."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise LedgerError(f"the ledger {path} is missing; put it back or restore a backup") from None
    if not stat.S_ISREG(status.st_mode):
        raise LedgerError(f"{path} is not a file, so it cannot be the ledger")
    if status.st_size == 0:
        raise LedgerError(f"{path} is empty, so it is not a ledger; remove it if a new ledger shall be made there")
    if status.st_nlink > 1:  # each name would get a write-ahead log of its own, and the budget twice
        raise LedgerError(f"the ledger {path} has a second name (a hard link); remove one of them")
    return status


_stores: weakref.WeakSet[Store] = weakref.WeakSet()
_still = threading.Lock()
_held: list[Store] = []


@contextmanager
def still() -> Iterator[None]:
    """No fork meanwhile: around every connection that is not a Store's. Taken before any Store's transaction."""
    with _still:
        yield


def _before_fork() -> None:
    _still.acquire()
    _held.extend(_stores)
    for store in _held:
        store.before_fork()


def _after_fork() -> None:
    for store in _held:
        store.after_fork()
    _held.clear()
    _still.release()


around_fork(_before_fork, _after_fork)
