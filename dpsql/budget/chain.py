"""The chain that binds every entry to all before it: SHA-256 over the last entry's hash and this entry's text.

Who can write the file can compute hashes too. The chain proves what nobody can forge only together with a head kept
elsewhere: an entry's number and hash, which `dpsql budget` prints. The history up to a head that is still there is, to
the last character, what it was when the head was printed.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dpsql.budget.record import Damaged
from dpsql.errors import LedgerError

COLUMNS = ("id", "time", "kind", "analyst", "epsilon", "delta", "rho", "slack", "key", "version", "sql", "events",
           "charge", "note")
ROWS = f"SELECT {', '.join(COLUMNS)}, hash FROM entry ORDER BY id"


@dataclass(frozen=True, slots=True)
class Head:
    """An entry's number and hash: all the history up to it in one line, `NUMBER:HASH`."""

    entry: int
    hash: str

    @staticmethod
    def read(text: str) -> Head:
        """The head that was printed as `text`. LedgerError for anything else."""
        if not re.fullmatch(r"[1-9][0-9]{0,17}:[0-9a-f]{64}", text.strip()):
            raise LedgerError("a head reads NUMBER:HASH, as `dpsql budget` prints it")
        entry, hash_ = text.strip().split(":")
        return Head(int(entry), hash_)

    def __str__(self) -> str:
        return f"{self.entry}:{self.hash}"


def link(previous: str, fields: Sequence[object]) -> str:
    """The hash of an entry, from its columns' stored values; `previous` is the one before it, or the ledger's id."""
    return hashlib.sha256(json.dumps([previous, *fields], default=repr).encode()).hexdigest()


def head(connection: sqlite3.Connection, ledger: str) -> Head:
    """The newest entry. Before any, number 0 and the ledger's id, so that no chain fits another ledger."""
    row = connection.execute("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        return Head(0, ledger)
    if not isinstance(row[1], str):
        raise Damaged("its newest entry has no hash")
    return Head(*row)


def verified(rows: Iterable[Sequence[object]], ledger: str, kept: Head | None = None) -> Head:
    """The head of the history `rows` (as `ROWS` reads them), each row checked against the one before.

    Damaged when an entry was removed or changed, or `kept` is none of them.
    """
    last, found = Head(0, ledger), kept is None
    for *fields, hash_ in rows:
        if fields[0] != last.entry + 1:
            raise Damaged(f"an entry is missing after entry {last.entry}")
        if hash_ != link(last.hash, fields):
            raise Damaged(f"entry {fields[0]} is not what was written, or what stood before it is not")
        last = Head(last.entry + 1, str(hash_))
        found = found or last == kept
    if not found and kept is not None:
        gone = f"ends at entry {last.entry}" if kept.entry > last.entry else f"has another entry {kept.entry}"
        raise Damaged(f"it {gone}, so it is not the history that the head {kept.entry}:{kept.hash[:8]}... was of")
    return last
