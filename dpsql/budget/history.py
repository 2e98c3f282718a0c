"""The rows of a ledger: entries, which are only added, and the running totals that each charge moves with them."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable
from fractions import Fraction

from dpsql.budget.events import FREE, Cost, Event
from dpsql.budget.filter import spend
from dpsql.budget.record import Account, Damaged, Entry, events_of, events_text, fraction_of, storable, text_of
from dpsql.policy import Budget

_POLICY = "policy"  # the account of the policy itself
_ANALYST = "@"      # starts the account of an analyst, so that no name is the policy's


def now() -> str:
    """The time, UTC, as entries hold it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def add_entry(
    connection: sqlite3.Connection, kind: str, *, analyst: str | None = None, amount: Cost | Budget | None = None,
    key: str | None = None, version: str | None = None, sql: str | None = None,
    events: tuple[Event, ...] | None = None, charge: int | None = None, note: str | None = None,
) -> int:
    """Add an entry and return its id. Like all of this file, inside the caller's transaction."""
    texts = [None if text is None else storable(text) for text in (analyst, key, version, sql, note)]
    amounts = (None, None) if amount is None else (text_of(amount.epsilon), text_of(amount.delta))
    cursor = connection.execute(
        "INSERT INTO entry (time, kind, analyst, key, version, sql, note, epsilon, delta, events, charge)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (now(), kind, *texts, *amounts, None if events is None else events_text(events), charge))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def read_entries(connection: sqlite3.Connection, only: int | None = None) -> list[Entry]:
    """The whole history, oldest first, or the one entry of id `only`. Damaged when an entry cannot be read."""
    rows = connection.execute(
        "SELECT id, time, kind, analyst, epsilon, delta, key, version, sql, events, charge, note FROM entry"
        " WHERE ?1 IS NULL OR id = ?1 ORDER BY id", (only,))
    return [
        Entry(id_, time, kind, analyst, _optional(epsilon), _optional(delta), key, version, sql,
              () if events is None else events_of(events), charge, note)
        for id_, time, kind, analyst, epsilon, delta, key, version, sql, events, charge, note in rows.fetchall()
    ]


def account(connection: sqlite3.Connection, analyst: str | None) -> Account:
    """The running totals of `analyst` (None: the policy); a new name has no limit and spent nothing."""
    row = connection.execute(
        "SELECT epsilon_limit, delta_limit, epsilon_spent, delta_spent FROM account WHERE name = ?",
        (_name(analyst),)).fetchone()
    if row is None:
        if analyst is None:
            raise Damaged("the policy's totals are missing")
        return Account(analyst, None, FREE)
    limits, spent = row[:2], Cost(fraction_of(row[2]), fraction_of(row[3]))
    if limits == (None, None) and analyst is not None:
        return Account(analyst, None, spent)
    return Account(analyst, Budget(fraction_of(limits[0]), fraction_of(limits[1])), spent)


def all_accounts(connection: sqlite3.Connection) -> dict[str | None, Account]:
    """Every account by its analyst, the policy's (None) first."""
    rows = connection.execute("SELECT name FROM account ORDER BY name = ? DESC, name", (_POLICY,)).fetchall()
    names = [str(name) for (name,) in rows]  # a damaged file may hold anything
    if not all(name == _POLICY or name.startswith(_ANALYST) for name in names):
        raise Damaged("totals of nobody")
    analysts = [None if name == _POLICY else name.removeprefix(_ANALYST) for name in names]
    return {analyst: account(connection, analyst) for analyst in analysts}


def save(connection: sqlite3.Connection, totals: Account) -> None:
    """Write an account's running totals."""
    limits = (None, None) if totals.limit is None else (text_of(totals.limit.epsilon), text_of(totals.limit.delta))
    connection.execute(
        "INSERT OR REPLACE INTO account (name, epsilon_limit, delta_limit, epsilon_spent, delta_spent)"
        " VALUES (?, ?, ?, ?, ?)",
        (_name(totals.analyst), *limits, text_of(totals.spent.epsilon), text_of(totals.spent.delta)))


def recount(entries: Iterable[Entry]) -> dict[str | None, Account]:
    """The accounts that a history adds up to. Damaged when an entry makes no sense."""
    totals: dict[str | None, Account] = {}
    for entry in entries:
        if entry.kind not in ("limits", "charge", "sight"):
            continue
        if entry.epsilon is None or entry.delta is None:
            raise Damaged(f"entry {entry.id} has no amount")
        accounts = {entry.analyst, None} if entry.kind == "charge" else {entry.analyst}
        for analyst in accounts:
            old = totals.get(analyst, Account(analyst, None, FREE))
            if entry.kind == "limits":
                totals[analyst] = Account(analyst, Budget(entry.epsilon, entry.delta), old.spent)
            else:
                totals[analyst] = Account(analyst, old.limit, spend(old.spent, Cost(entry.epsilon, entry.delta)))
    return totals


def _name(analyst: str | None) -> str:
    return _POLICY if analyst is None else _ANALYST + storable(analyst)


def _optional(text: str | None) -> Fraction | None:
    return None if text is None else fraction_of(text)
