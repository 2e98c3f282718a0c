"""The rows of a ledger: entries, which are only added, and the running totals that each charge moves with them."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

from dpsql.budget import chain
from dpsql.budget.events import NOTHING, Event, Spent
from dpsql.budget.filter import EVEN, Room, Split, fits, spend
from dpsql.budget.record import Account, Damaged, Entry, events_of, events_text, fraction_of, storable, text_of
from dpsql.policy import Budget

_POLICY = "policy"  # the account of the policy itself
FIRST_SPLIT = "basic E, D/2"  # what the first format noted of a new ledger
_ANALYST = "@"      # starts the account of an analyst, so that no name is the policy's


def now() -> str:
    """The time, UTC, as entries hold it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


def add_entry(
    connection: sqlite3.Connection, kind: str, *, analyst: str | None = None, amount: Spent | Account | None = None,
    key: str | None = None, version: str | None = None, sql: str | None = None,
    events: tuple[Event, ...] | None = None, charge: int | None = None, note: str | None = None,
) -> int:
    """Add an entry, linked to the one before it, and return its id. Like all of this file, inside a transaction.

    `amount` is what a charge or sight costs, or the account whose limit is set.
    """
    (ledger,) = connection.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()
    last = chain.head(connection, ledger)
    who, key, version, sql, note = (
        None if text is None else storable(text) for text in (analyst, key, version, sql, note))
    fields = (last.entry + 1, now(), kind, who, *_amounts(amount), key, version, sql,
              None if events is None else events_text(events), charge, note)
    connection.execute(_INSERT, (*fields, chain.link(last.hash, fields)))
    return last.entry + 1


_INSERT = f"INSERT INTO entry ({', '.join(chain.COLUMNS)}, hash) VALUES ({', '.join('?' * (len(chain.COLUMNS) + 1))})"


def _amounts(amount: Spent | Account | None) -> tuple[str | None, ...]:
    """The four columns of an amount."""
    match amount:
        case Spent(epsilon, delta, rho, slack):
            return text_of(epsilon), text_of(delta), text_of(rho), text_of(slack)
        case Account(_, Budget(epsilon, delta), Room(rho=rho)):
            return text_of(epsilon), text_of(delta), text_of(rho), None
        case _:
            return None, None, None, None


def read_entries(connection: sqlite3.Connection, only: int | None = None) -> list[Entry]:
    """The whole history, oldest first, or the one entry of id `only`. Damaged when an entry cannot be read."""
    rows = connection.execute(
        "SELECT id, time, kind, analyst, epsilon, delta, key, version, sql, events, charge, note, rho, slack, hash"
        " FROM entry WHERE ?1 IS NULL OR id = ?1 ORDER BY id", (only,))
    return [
        Entry(id_, time, kind, analyst, _optional(epsilon), _optional(delta), key, version, sql,
              () if events is None else events_of(events), charge, note, _optional(rho), _optional(slack), hash_)
        for id_, time, kind, analyst, epsilon, delta, key, version, sql, events, charge, note, rho, slack, hash_ in rows
    ]


def account(connection: sqlite3.Connection, analyst: str | None) -> Account:
    """The running totals of `analyst` (None: the policy); a new name has no limit and spent nothing."""
    row = connection.execute(
        "SELECT epsilon_limit, delta_limit, room_delta, room_rho, room_slack, epsilon_spent, delta_spent, rho_spent,"
        " slack_spent FROM account WHERE name = ?", (_name(analyst),)).fetchone()
    if row is None:
        if analyst is None:
            raise Damaged("the policy's totals are missing")
        return Account(analyst, None, None, NOTHING)
    spent = Spent(*map(fraction_of, row[5:]))
    if row[:5] == (None,) * 5 and analyst is not None:
        return Account(analyst, None, None, spent)
    epsilon, delta, *rest = map(fraction_of, row[:5])
    return Account(analyst, Budget(epsilon, delta), Room(epsilon, *rest), spent)


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
    limits: tuple[str | None, ...] = (None,) * 5
    if totals.limit is not None and totals.room is not None:
        limits = tuple(map(text_of, (totals.limit.epsilon, totals.limit.delta, totals.room.delta, totals.room.rho,
                                     totals.room.slack)))
    spent = totals.spent
    connection.execute(
        "INSERT OR REPLACE INTO account (name, epsilon_limit, delta_limit, room_delta, room_rho, room_slack,"
        " epsilon_spent, delta_spent, rho_spent, slack_spent) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (_name(totals.analyst), *limits, *map(text_of, (spent.epsilon, spent.delta, spent.rho, spent.slack))))


def recount(entries: Iterable[Entry]) -> dict[str | None, Account]:
    """The accounts that a history adds up to. Damaged when an entry makes no sense, or passes the limits of its time.

    Limits may be less than what was spent before they were: the policy's, of an analyst who had none.
    """
    totals: dict[str | None, Account] = {}
    split = EVEN
    for entry in entries:
        match entry.kind:
            case "split":
                split = split_of(entry.note)
            case "create" if entry.note != FIRST_SPLIT:
                split = split_of(entry.note)
            case "limits":
                _set_limit(totals, entry, split)
            case "charge" | "sight":
                for analyst in {entry.analyst, None} if entry.kind == "charge" else {entry.analyst}:
                    old = totals.get(analyst, Account(analyst, None, None, NOTHING))
                    totals[analyst] = replace(old, spent=spend(old.spent, cost_of(entry)))
                    if old.room is not None and not fits(old.room, totals[analyst].spent):
                        raise Damaged(f"entry {entry.id} was admitted beyond the limits of its time")
            case "renewal":
                totals = {name: replace(each, spent=NOTHING) for name, each in totals.items()}
    return totals


def cost_of(entry: Entry) -> Spent:
    """What a charge or a sight cost. Damaged when it does not say."""
    amounts = (entry.epsilon, entry.delta, entry.rho, entry.slack)
    found = [amount for amount in amounts if amount is not None]
    if len(found) < len(amounts):
        raise Damaged(f"entry {entry.id} has no amount")
    return Spent(*found)


def split_of(note: str | None) -> Split:
    """The split that an entry states. Damaged when it states none."""
    try:
        return Split.read(note or "")
    except ValueError as error:
        raise Damaged("an entry states no split") from error


def _set_limit(totals: dict[str | None, Account], entry: Entry, split: Split) -> None:
    if entry.epsilon is None or entry.delta is None:
        raise Damaged(f"entry {entry.id} has no amount")
    old = totals.get(entry.analyst, Account(entry.analyst, None, None, NOTHING))
    limit = Budget(entry.epsilon, entry.delta)
    # the first format knew basic composition alone
    allowed = Room(limit.epsilon, limit.delta * split.basic, entry.rho or Fraction(0), limit.delta * split.slack)
    totals[entry.analyst] = replace(old, limit=limit, room=allowed)


def _name(analyst: str | None) -> str:
    return _POLICY if analyst is None else _ANALYST + storable(analyst)


def _optional(text: str | None) -> Fraction | None:
    return None if text is None else fraction_of(text)
