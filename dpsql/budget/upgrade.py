"""A ledger of the first format, which had no zCDP and no hashes, becomes one of this format, where it stands."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

from dpsql.budget import chain
from dpsql.budget.events import Cost, priced
from dpsql.budget.filter import EVEN, room
from dpsql.budget.history import add_entry, read_entries, recount, save
from dpsql.budget.record import FIRST, FORMAT, Damaged, fraction_of, text_of
from dpsql.budget.store import ACCOUNT, FIXED

_OLD = "SELECT epsilon_limit, delta_limit, epsilon_spent, delta_spent FROM account"


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a ledger to this format, inside the caller's transaction; nothing to do for one that has it.

    Every old charge gets what it cost under zCDP from its events, every entry its hash, and every limit the second
    rectangle, out of the half of delta that the first format never let anyone spend. Damaged when the old totals are
    not the sum of the old entries.
    """
    if connection.execute("PRAGMA user_version").fetchone()[0] != FIRST:
        return
    old = sorted((tuple(map(_text, row)) for row in connection.execute(_OLD)), key=str)
    connection.execute("DROP TRIGGER IF EXISTS entry_fixed")
    for column in ("rho TEXT", "slack TEXT", "hash TEXT NOT NULL DEFAULT ''"):
        connection.execute(f"ALTER TABLE entry ADD COLUMN {column}")
    _price(connection)
    _link(connection)
    connection.execute(FIXED)
    accounts = recount(read_entries(connection))
    counted = [(each.limit and each.limit.epsilon, each.limit and each.limit.delta, each.spent.epsilon,
                each.spent.delta) for each in accounts.values()]
    if sorted(counted, key=str) != old:
        raise Damaged("its totals are not the sum of its entries")
    connection.execute("DROP TABLE account")
    connection.execute(ACCOUNT)
    connection.execute(f"PRAGMA user_version = {FORMAT}")
    connection.execute("UPDATE meta SET value = ? WHERE name = 'split'", (str(EVEN),))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", (str(FORMAT),))
    add_entry(connection, "upgrade", note=f"from format {FIRST} to {FORMAT}")
    add_entry(connection, "split", note=str(EVEN))
    for totals in accounts.values():
        held = totals if totals.limit is None else replace(totals, room=room(totals.limit))
        save(connection, held)
        if held.limit is not None:
            add_entry(connection, "limits", analyst=held.analyst, amount=held, note="from the upgrade")


def _price(connection: sqlite3.Connection) -> None:
    """What old charges and sights cost under zCDP."""
    costs: dict[int, tuple[str, str]] = {}
    for entry in read_entries(connection):
        if entry.kind not in ("charge", "sight"):
            continue
        if entry.epsilon is None or entry.delta is None or (entry.kind == "sight" and entry.charge not in costs):
            raise Damaged(f"entry {entry.id} has no amount")
        if entry.kind == "charge":
            price = priced(Cost(entry.epsilon, entry.delta), entry.events)
            costs[entry.id] = text_of(price.rho), text_of(price.slack)
        assert entry.charge is not None or entry.kind == "charge"
        amounts = costs[entry.id if entry.kind == "charge" or entry.charge is None else entry.charge]
        connection.execute("UPDATE entry SET rho = ?, slack = ? WHERE id = ?", (*amounts, entry.id))


def _link(connection: sqlite3.Connection) -> None:
    """The chain through all old entries. Damaged when their numbers have a gap."""
    (ledger,) = connection.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()
    last = chain.Head(0, ledger)
    for *fields, _ in connection.execute(chain.ROWS).fetchall():
        if fields[0] != last.entry + 1:
            raise Damaged(f"an entry is missing after entry {last.entry}")
        last = chain.Head(fields[0], chain.link(last.hash, fields))
        connection.execute("UPDATE entry SET hash = ? WHERE id = ?", (last.hash, last.entry))


def _text(amount: object) -> object:
    return None if amount is None else fraction_of(amount)
