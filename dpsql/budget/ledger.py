"""The ledger: what was spent, durable before anything runs. The owner's file; analysts reach it only through charges.

The limits of the policy file are written into a new ledger once; from then on the ledger's limits count, and the
owner changes them with an entry. Every charge counts against the policy's limit and against the analyst's own.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from dpsql.answer import Balance
from dpsql.budget import chain, copies, owner
from dpsql.budget.chain import Head
from dpsql.budget.events import NOTHING, ZERO, Cost, Event, Spent, priced
from dpsql.budget.filter import EVEN, Split, admits, left, room, spend
from dpsql.budget.history import account, add_entry, all_accounts, cost_of, now, read_entries, recount, save
from dpsql.budget.lock_posix import exclusive
from dpsql.budget.record import FIRST, FORMAT, Account, Damaged, Entry, Stored, short, show, storable
from dpsql.budget.store import (
    SCHEMA,
    Store,
    facts,
    lock_of,
    reporting,
    require_directory,
    require_file,
    still,
    vacant,
    write_whole,
)
from dpsql.budget.upgrade import upgrade
from dpsql.errors import BudgetError, InternalError, LedgerError
from dpsql.policy import Budget, Policy


class Ledger:
    """An open ledger; threads and processes may share it, and it survives forks. Open one with `Ledger.open`.

    Every method may raise LedgerError: the file is gone, damaged, moved away, or cannot be written.
    """

    def __init__(self, store: Store, id_: str, analysts: frozenset[str] | None) -> None:
        self.path, self.id = store.path, id_
        self._store, self._analysts = store, analysts

    @classmethod
    def open(cls, path: Path, policy: Policy) -> Ledger:
        """The ledger at `path`; made from the policy's limits when absent and the policy names none.

        Analysts new to the ledger get their limits from the policy. LedgerError when the file is missing although the
        policy names a ledger, is another ledger than the policy names, is no ledger, moved, a backup or damaged.
        """
        file = Path(os.path.realpath(path))
        _make_if_absent(file, policy)
        copies.settle(file)
        store = Store(file)
        try:
            with store.transaction(write=False) as connection:
                found = facts(file, connection)
            if found["format"] == str(FIRST):
                with store.transaction(write=True) as connection:
                    upgrade(connection)
            with store.transaction(write=False) as connection:
                known = all_accounts(connection)
            id_ = found["id"]
            if policy.ledger is not None and policy.ledger != id_:
                raise LedgerError(
                    f'{file} is ledger {id_}, but the policy says ledger = "{policy.ledger}": name the right file, or '
                    "correct the policy if this ledger shall count")
            if any(known.get(name) is None or known[name].limit is None for name in policy.analysts or {}):
                with store.transaction(write=True) as connection:
                    owner.adopt(connection, policy)
        except BaseException:
            store.close()
            raise
        return cls(store, id_, None if policy.analysts is None else frozenset(policy.analysts))

    def charge(
        self, *, key: str, version: str, analyst: str | None, cost: Cost, events: tuple[Event, ...], sql: str,
    ) -> int:
        """Charge a query before it runs; returns the charge's id once it is durable, and never takes it back.

        `key` names plan and cost, `version` is the policy's. BudgetError when the policy's or the analyst's limit does
        not admit it, or the analyst is unknown; InternalError when the events cost more than the query.
        """
        self._require_known(analyst)
        price = _price(cost, events)
        with self._store.transaction(write=True) as connection:
            owner.renew(connection)
            for name in dict.fromkeys((None, analyst)):
                _pay(connection, name, price)
            return add_entry(connection, "charge", analyst=analyst, amount=price, key=key, version=version, sql=sql,
                             events=events)

    def store(self, charge: int, answer: str) -> None:
        """Keep the answer that `charge` bought, so that it can be replayed. InternalError when there is one already."""
        with self._store.transaction(write=True) as connection:
            kind = connection.execute("SELECT kind FROM entry WHERE id = ?", (charge,)).fetchone()
            if kind != ("charge",) or connection.execute("SELECT 1 FROM answer WHERE charge = ?", (charge,)).fetchone():
                raise InternalError(f"entry {charge} is no charge that waits for an answer")
            connection.execute("INSERT INTO answer (charge, answer) VALUES (?, ?)", (charge, storable(answer)))

    def replay(self, *, key: str, version: str, analyst: str | None) -> Stored | None:
        """The newest stored answer of `key` and `version`, preferably one the analyst has already; None without any.

        Free without an analyst, and for an answer the analyst bought or saw; another analyst's answer is charged to
        this analyst's own limit, once, as a "sight" (the policy's limit paid when it was bought). BudgetError when the
        analyst is unknown, or that limit does not admit it.
        """
        self._require_known(analyst)
        name = None if analyst is None else storable(analyst)
        with self._store.transaction(write=True) as connection:
            found = connection.execute(_NEWEST, {"key": storable(key), "version": storable(version), "analyst": name})
            row = found.fetchone()
            if row is None:
                return None
            charge, seen = row
            paid = NOTHING if seen else _paid(connection, charge)
            if not seen:
                owner.renew(connection)
                _pay(connection, analyst, paid)
                add_entry(connection, "sight", analyst=analyst, amount=paid, charge=charge)
            (answer,) = connection.execute("SELECT answer FROM answer WHERE charge = ?", (charge,)).fetchone()
            return Stored(charge, answer, Cost(paid.epsilon, paid.delta))

    def balance(self, analyst: str | None) -> Balance:
        """What `analyst` may spend and has spent; the policy's own for None and for a name without a limit.

        BudgetError: unknown analyst.
        """
        if analyst is not None:
            self._require_known(analyst)
        accounts = self.accounts(analyst)
        totals = accounts[analyst] if accounts[analyst].limit is not None else accounts[None]
        assert totals.room is not None
        allowed, spent = totals.room, totals.spent
        return Balance(totals.analyst, *(_float(amount) for amount in (
            allowed.epsilon, spent.epsilon, allowed.delta, spent.delta, allowed.rho, spent.rho, allowed.slack,
            spent.slack)))

    def accounts(self, *analysts: str | None) -> dict[str | None, Account]:
        """The exact totals and limits, the policy's under None; of `analysts` and the policy, or of everybody.

        Of a period that is due but in which nothing was asked yet, too.
        """
        with self._store.transaction(write=False) as connection:
            names = dict.fromkeys((None, *analysts))
            found = {name: account(connection, name) for name in names} if analysts else all_accounts(connection)
            if owner.due(connection) is None:
                return found
        return {name: replace(each, spent=NOTHING) for name, each in found.items()}

    def limits(self) -> dict[str | None, Budget]:
        """The exact limits that count, the policy's under None, the analysts' under their names."""
        return {name: found.limit for name, found in self.accounts().items() if found.limit is not None}

    def entries(self) -> list[Entry]:
        """The whole history, oldest first. For the owner."""
        with self._store.transaction(write=False) as connection:
            return read_entries(connection)

    def head(self) -> Head:
        """The newest entry and its hash, for the owner to keep elsewhere (`verify`)."""
        with self._store.transaction(write=False) as connection:
            return chain.head(connection, self.id)

    def split(self) -> Split:
        """How every delta is divided between the two ways of adding up."""
        with self._store.transaction(write=False) as connection:
            return owner.split_now(connection)

    def period(self) -> int:
        """The days after which budgets count anew; 0 for never."""
        with self._store.transaction(write=False) as connection:
            return owner.period_days(connection)

    def differences(self, policy: Policy) -> list[str]:
        """Where the policy file is not what the ledger says, which counts; one sentence each, for the owner."""
        return owner.differences(policy, self.limits(), self.period())

    def raise_limits(
        self, *, analyst: str | None, epsilon: Fraction | None = None, delta: Fraction | None = None,
    ) -> None:
        """Set new limits for the policy (None) or an analyst; None keeps one; they may fall as far as what is spent.

        For the owner, who decides without looking at answers and from then on promises the new limits. LedgerError when
        the analyst has no limit here, a number is negative or absurdly long, or less than was spent.
        """
        with self._store.transaction(write=True) as connection:
            owner.renew(connection)
            totals = account(connection, analyst)
            if totals.limit is None:
                raise LedgerError(
                    f"{owner.whose(analyst)} has no limit here; name them in the policy's [analysts] first")
            limit = Budget(totals.limit.epsilon if epsilon is None else epsilon,
                           totals.limit.delta if delta is None else delta)
            owner.set_limit(connection, totals, limit, owner.BY_OWNER)

    def set_split(self, split: Split) -> None:
        """Divide every delta anew between the ways of adding up. For the owner, without looking at answers.

        LedgerError when what is spent would pass a limit.
        """
        with self._store.transaction(write=True) as connection:
            owner.renew(connection)
            owner.set_split(connection, split)

    def set_period(self, days: int) -> None:
        """Let all budgets count anew every so many days, from now; 0: never. LedgerError for an impossible number.

        The limits then hold for each period: who is in the data for n periods is protected by n times the limits.
        """
        with self._store.transaction(write=True) as connection:
            owner.renew(connection)
            owner.set_period(connection, days)

    def note_reload(self, note: str) -> None:
        """Add an entry that says that a server read its policy anew; `note` is the policy's version. For the owner."""
        with self._store.transaction(write=True) as connection:
            add_entry(connection, "reload", note=note)

    def backup(self, target: Path) -> None:
        """Write a backup to the new file `target`; it cannot be charged until `Ledger.restore` makes a ledger of it."""
        copies.backup(self._store, target)

    def move(self, target: Path) -> None:
        """Move the ledger to the new file `target`; the old file, and this object, only say where it went."""
        copies.move(self._store, target)

    @staticmethod
    def restore(backup: Path, target: Path) -> None:
        """Make a ledger at the new file `target` from a backup. What was charged since the backup is not in it."""
        copies.restore(backup, target)

    def verify(self, kept: Head | None = None) -> Head:
        """Check the whole file, and return its head. LedgerError when anything is wrong.

        The file is sound; no entry was removed, changed or added in between; totals, limits, split and period are what
        the entries say; and the history that the head `kept` stood for is still the beginning of this one. Without
        `kept`, whoever may write the file can forge all of it, or cut off its end; with it, only what came later.
        """
        with self._store.transaction(write=False) as connection:
            if (state := connection.execute("PRAGMA integrity_check").fetchone()) != ("ok",):
                raise Damaged(str(state[0]))
            head = chain.verified(connection.execute(chain.ROWS), self.id, kept)
            entries, accounts = read_entries(connection), all_accounts(connection)
            if recount(entries) != accounts:
                raise Damaged("its totals are not the sum of its entries")
            notes = [entry.note for entry in entries if entry.kind in ("period", "renewal")]
            if owner.period_note(connection) != (notes[-1] if notes else None):
                raise Damaged("its period is not what its entries say")
            split = owner.split_now(connection)
            for found in accounts.values():
                if found.limit is not None and found.room != room(found.limit, split):
                    raise Damaged("its limits admit more than they say")
        return head

    def close(self) -> None:
        """Close the file."""
        self._store.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.close()

    def _require_known(self, analyst: str | None) -> None:
        if self._analysts is None:
            return
        if analyst is None:
            raise BudgetError("the policy names its analysts, so a query needs one: say who asks (analyst=...)")
        if analyst not in self._analysts:
            raise BudgetError(f"unknown analyst {analyst!r}: the policy gives them no budget; ask the data owner")


# one the analyst bought or saw comes first; without an analyst there is nobody to charge
_NEWEST = """
    SELECT entry.id, :analyst IS NULL OR entry.analyst IS :analyst OR EXISTS (
        SELECT 1 FROM entry AS sight WHERE sight.charge = entry.id AND sight.analyst = :analyst) AS seen
    FROM entry JOIN answer ON answer.charge = entry.id
    WHERE entry.key = :key AND entry.version = :version ORDER BY seen DESC, entry.id DESC LIMIT 1"""


def _make_if_absent(file: Path, policy: Policy) -> None:
    if not os.path.lexists(file):
        if policy.ledger is not None:
            raise LedgerError(
                f"the ledger {file} is missing, and the policy says ledger = \"{policy.ledger}\": put it back, name "
                "where it is, or restore a backup; a new one would forget what was spent")
        require_directory(file)
        with reporting(file), still(), exclusive(lock_of(file)):
            if not os.path.lexists(file):  # another process may have been faster
                write_whole(vacant(file), lambda connection: _begin(connection, policy))
    require_file(file)


def _begin(connection: sqlite3.Connection, policy: Policy) -> None:
    """Fill a new ledger: its identity, and the policy's limits."""
    for statement in SCHEMA:
        connection.execute(statement)
    marks = {"id": secrets.token_hex(16), "created": now(), "split": str(EVEN), "format": str(FORMAT), "state": "live"}
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO meta VALUES (?, ?)", marks.items())
    add_entry(connection, "create", note=str(EVEN))
    owner.begin(connection, policy)
    connection.execute("COMMIT")


def _price(cost: Cost, events: tuple[Event, ...]) -> Spent:
    """What a charge counts, once its events are found sound."""
    price = priced(cost, events)
    numbers = [number for event in events
               for number in (event.epsilon, event.delta, event.scale, event.sensitivity, event.rho, event.slack)]
    if not short(price.epsilon, price.delta, price.rho, price.slack, *numbers):
        raise BudgetError("epsilon or delta has too many digits; write a short number such as 0.1")
    if sum((event.epsilon for event in events), ZERO) > cost.epsilon or (
        sum((event.delta for event in events), ZERO) > cost.delta
    ):
        raise InternalError("the mechanisms cost more than the query is charged")
    return price


def _pay(connection: sqlite3.Connection, analyst: str | None, price: Spent) -> None:
    """Add `price` to an account, or raise BudgetError."""
    totals = account(connection, analyst)
    if totals.limit is not None and totals.room is not None and not admits(totals.room, totals.spent, price):
        rest = left(totals.room, totals.spent)
        part = totals.room.delta / totals.limit.delta if totals.limit.delta else ZERO
        share = f" (basic composition may use {part} of a limit's delta)" if price.delta > rest.delta else ""
        other = f", or rho {show(rest.rho)} under zCDP, where it costs {show(price.rho)}" if rest.rho else ""
        raise BudgetError(
            f"the budget does not allow this: it asks for {owner.amounts(price)}, and {owner.whose(analyst)} has "
            f"{owner.amounts(rest)} left{share}{other}. Nothing ran and nothing was charged. Ask for less, "
            "repeat an earlier query as it was (free), or ask the data owner to raise the limit (dpsql budget)")
    save(connection, replace(totals, spent=spend(totals.spent, price)))


def _paid(connection: sqlite3.Connection, charge: int) -> Spent:
    (entry,) = read_entries(connection, charge)
    return cost_of(entry)


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
