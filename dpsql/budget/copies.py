"""A ledger in two places would be a budget spent twice: backup, move and restore leave only one that can be charged.

A file's state is "live", "moved" (`place` says where to), "arriving" (a move's copy, `place` says where from) or
"backup" (`place` says when). A crash at any moment leaves one live ledger, or a move that `settle` finishes.
"""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from pathlib import Path

from dpsql.budget.history import add_entry, now
from dpsql.budget.record import Damaged
from dpsql.budget.store import (
    Store,
    connect,
    facts,
    reporting,
    require_file,
    require_live,
    still,
    vacant,
    write_whole,
)
from dpsql.budget.upgrade import upgrade
from dpsql.errors import LedgerError


def backup(store: Store, target: Path) -> None:
    """Write a backup of the ledger to the new file `target`, and an entry about it. LedgerError on failure."""
    place = vacant(target)
    with still(), store.transaction(write=True) as connection:
        _copy(store.path, place, {"state": "backup", "place": now()}, kind="backup", note=str(place), log=False)
        add_entry(connection, "backup", note=str(place))


def move(store: Store, target: Path) -> None:
    """Move the ledger to the new file `target`; the old file stays and only says where it went. LedgerError."""
    place = vacant(target)
    token = secrets.token_hex(16)
    note = f"{store.path} to {place}"
    with still(), store.transaction(write=True) as connection:
        arriving = {"state": "arriving", "place": str(store.path), "token": token}
        _copy(store.path, place, arriving, kind="move", note=note)
        add_entry(connection, "move", note=note)
        _mark(connection, {"state": "moved", "place": str(place), "token": token})
    settle(place)


def restore(source: Path, target: Path) -> None:
    """Make a live ledger at the new file `target` from a backup. LedgerError on failure.

    Charges made after the backup are lost with the ledger that held them: the owner answers for them, by lowering the
    limits by what may have been spent since.
    """
    source, place = source.resolve(), vacant(target)
    with reporting(source), still():
        require_file(source)
        with contextlib.closing(connect(source, "ro")) as reader:
            if facts(source, reader)["state"] != "backup":
                raise LedgerError(f"{source} is not a backup; only what `dpsql budget backup` wrote can be restored")
        _copy(source, place, {"state": "live", "place": ""}, kind="restore", note=f"from {source}", mode="ro")


def settle(path: Path) -> None:
    """Finish a move to `path` once its source is marked as moved; nothing to do for any other file. LedgerError."""
    with reporting(path), still(), contextlib.closing(connect(path)) as connection:
        found = facts(path, connection)
        if found["state"] != "arriving":
            return
        if not found.keys() >= {"place", "token"}:
            raise Damaged("its origin is missing")
        if not _left(Path(found["place"]), found["token"]):
            require_live(path, found)
        _mark(connection, {"state": "live", "place": ""})


def _left(source: Path, token: str) -> bool:
    """Whether `source` says that the move of this token was made."""
    if not source.exists():
        raise LedgerError(f"an unfinished move from {source}, which is missing; put that file back to finish it")
    with reporting(source), contextlib.closing(connect(source)) as connection:
        found = facts(source, connection)
        return found["state"] == "moved" and found.get("token") == token


def _copy(
    source: Path, target: Path, marks: dict[str, str], *, kind: str, note: str, log: bool = True, mode: str = "rw",
) -> None:
    def fill(fresh: sqlite3.Connection) -> None:
        with contextlib.closing(connect(source, mode)) as reader:
            reader.backup(fresh)
        if fresh.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise Damaged("its copy is not sound")
        fresh.execute("BEGIN IMMEDIATE")
        upgrade(fresh)  # an old backup
        _mark(fresh, marks)
        add_entry(fresh, kind, note=note)
        fresh.execute("COMMIT")

    write_whole(target, fill, log=log)


def _mark(connection: sqlite3.Connection, marks: dict[str, str]) -> None:
    connection.executemany(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", marks.items())
