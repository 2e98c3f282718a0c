"""The ledger: what was spent, durable before anything runs. The owner's file; analysts reach it only through charges.

The limits of the policy file are written into a new ledger once; from then on the ledger's limits count, and the
owner changes them with an entry. Every charge counts against the policy's limit and against the analyst's own.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
from fractions import Fraction
from pathlib import Path
from types import TracebackType

from dpsql.answer import Balance
from dpsql.budget import copies
from dpsql.budget.events import FREE, Cost, Event
from dpsql.budget.filter import SPLIT, admits, left, rectangle, spend
from dpsql.budget.history import account, add_entry, all_accounts, now, read_entries, recount, save
from dpsql.budget.lock_posix import exclusive
from dpsql.budget.record import FORMAT, Account, Damaged, Entry, Stored, fits, show, storable
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
                id_ = facts(file, connection)["id"]
                known = all_accounts(connection)
            if policy.ledger is not None and policy.ledger != id_:
                raise LedgerError(
                    f'{file} is ledger {id_}, but the policy says ledger = "{policy.ledger}": name the right file, or '
                    "correct the policy if this ledger shall count")
            if any(known.get(name) is None or known[name].limit is None for name in policy.analysts or {}):
                with store.transaction(write=True) as connection:
                    _adopt(connection, policy)
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
        _require_sound(cost, events)
        with self._store.transaction(write=True) as connection:
            for name in dict.fromkeys((None, analyst)):
                _pay(connection, name, cost)
            return add_entry(connection, "charge", analyst=analyst, amount=cost, key=key, version=version, sql=sql,
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
            paid = FREE if seen else _cost_of(connection, charge)
            if not seen:
                _pay(connection, analyst, paid)
                add_entry(connection, "sight", analyst=analyst, amount=paid, charge=charge)
            (answer,) = connection.execute("SELECT answer FROM answer WHERE charge = ?", (charge,)).fetchone()
            return Stored(charge, answer, paid)

    def balance(self, analyst: str | None) -> Balance:
        """What `analyst` may spend and has spent; the policy's own for None and for a name without a limit.

        `delta_limit` is what charges may use: half of the delta that `limits` gives. BudgetError: unknown analyst.
        """
        if analyst is not None:
            self._require_known(analyst)
        with self._store.transaction(write=False) as connection:
            totals = account(connection, analyst)
            if totals.limit is None:
                totals = account(connection, None)
        assert totals.limit is not None
        allowed = rectangle(totals.limit)
        return Balance(totals.analyst, _float(allowed.epsilon), _float(totals.spent.epsilon), _float(allowed.delta),
                       _float(totals.spent.delta))

    def limits(self) -> dict[str | None, Budget]:
        """The exact limits that count, the policy's under None, the analysts' under their names."""
        with self._store.transaction(write=False) as connection:
            accounts = all_accounts(connection)
        return {name: found.limit for name, found in accounts.items() if found.limit is not None}

    def entries(self) -> list[Entry]:
        """The whole history, oldest first. For the owner."""
        with self._store.transaction(write=False) as connection:
            return read_entries(connection)

    def differences(self, policy: Policy) -> list[str]:
        """Where the policy file's limits are not the ledger's, which count; one sentence each, for the owner."""
        counted = self.limits()
        written: dict[str | None, Budget] = {None: policy.budget}
        written.update(policy.analysts or {})
        found = [
            f"{_whose(name)}: the policy file says {_amounts(written[name])}; the ledger says {_amounts(limit)}, which "
            "counts (dpsql budget changes it)"
            for name, limit in counted.items() if name in written and written[name] != limit
        ]
        return found + [
            f"{_whose(name)}: has a limit in the ledger, but the policy file does not name them"
            for name in counted if name not in written
        ]

    def raise_limits(
        self, *, analyst: str | None, epsilon: Fraction | None = None, delta: Fraction | None = None,
    ) -> None:
        """Set new limits for the policy (None) or an analyst; None keeps one; they may fall as far as what is spent.

        For the owner, who decides without looking at answers and from then on promises the new limits. LedgerError when
        the analyst has no limit here, a number is negative or absurdly long, or less than was spent.
        """
        with self._store.transaction(write=True) as connection:
            totals = account(connection, analyst)
            if totals.limit is None:
                raise LedgerError(f"{_whose(analyst)} has no limit here; name them in the policy's [analysts] first")
            limit = Budget(totals.limit.epsilon if epsilon is None else epsilon,
                           totals.limit.delta if delta is None else delta)
            _require_limit(analyst, limit)
            if not admits(limit, totals.spent, FREE):
                raise LedgerError(
                    f"{_whose(analyst)}: {_amounts(totals.spent)} are spent already, so the limit cannot be "
                    f"{_amounts(limit)} (half of a delta is for charges)")
            save(connection, Account(analyst, limit, totals.spent))
            add_entry(connection, "limits", analyst=analyst, amount=limit, note="by the owner")

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

    def verify(self) -> None:
        """Check the whole file: sound, every entry readable, totals equal to the sum of the entries. LedgerError."""
        with self._store.transaction(write=False) as connection:
            if (state := connection.execute("PRAGMA integrity_check").fetchone()) != ("ok",):
                raise Damaged(str(state[0]))
            counted, kept = recount(read_entries(connection)), all_accounts(connection)
            if counted != kept:
                raise Damaged("its totals are not the sum of its entries")
            if any(found.limit and not admits(found.limit, found.spent, FREE) for found in kept.values()):
                raise Damaged("more was spent than its limits admit")

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
    marks = {"id": secrets.token_hex(16), "created": now(), "split": SPLIT, "format": str(FORMAT), "state": "live"}
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO meta VALUES (?, ?)", marks.items())
    add_entry(connection, "create", note=SPLIT)
    _limit(connection, Account(None, None, FREE), policy.budget)
    _adopt(connection, policy)
    connection.execute("COMMIT")


def _adopt(connection: sqlite3.Connection, policy: Policy) -> None:
    """Give the policy's limits to the analysts that have none yet."""
    for name, limit in (policy.analysts or {}).items():
        totals = account(connection, name)
        if totals.limit is None:
            _limit(connection, totals, limit)


def _limit(connection: sqlite3.Connection, totals: Account, limit: Budget) -> None:
    _require_limit(totals.analyst, limit)
    save(connection, Account(totals.analyst, limit, totals.spent))
    add_entry(connection, "limits", analyst=totals.analyst, amount=limit, note="from the policy")


def _require_limit(analyst: str | None, limit: Budget) -> None:
    if min(limit.epsilon, limit.delta) < 0 or not fits(limit.epsilon, limit.delta):
        raise LedgerError(f"{_whose(analyst)}: a limit is a number of ordinary length that is not negative")


def _require_sound(cost: Cost, events: tuple[Event, ...]) -> None:
    numbers = [number for event in events for number in (event.epsilon, event.delta, event.scale, event.sensitivity)]
    if not fits(cost.epsilon, cost.delta, *numbers):
        raise BudgetError("epsilon or delta has too many digits; write a short number such as 0.1")
    epsilon = sum((event.epsilon for event in events), Fraction(0))
    delta = sum((event.delta for event in events), Fraction(0))
    if epsilon > cost.epsilon or delta > cost.delta:
        raise InternalError("the mechanisms cost more than the query is charged")


def _pay(connection: sqlite3.Connection, analyst: str | None, cost: Cost) -> None:
    """Add `cost` to an account, or raise BudgetError."""
    totals = account(connection, analyst)
    if totals.limit is not None and not admits(totals.limit, totals.spent, cost):
        rest = left(totals.limit, totals.spent)
        half = " (charges may use half of a limit's delta)" if cost.delta > rest.delta else ""
        raise BudgetError(
            f"the budget does not allow this: it asks for {_amounts(cost)}, and {_whose(analyst)} has "
            f"{_amounts(rest)} left{half}. Nothing ran and nothing was charged. Ask for less, "
            "repeat an earlier query as it was (free), or ask the data owner to raise the limit (dpsql budget)")
    save(connection, Account(analyst, totals.limit, spend(totals.spent, cost)))


def _cost_of(connection: sqlite3.Connection, charge: int) -> Cost:
    (entry,) = read_entries(connection, charge)
    if entry.epsilon is None or entry.delta is None:
        raise Damaged(f"entry {charge} has no amount")
    return Cost(entry.epsilon, entry.delta)


def _whose(analyst: str | None) -> str:
    return "the policy" if analyst is None else f"analyst {analyst!r}"


def _amounts(amount: Cost | Budget) -> str:
    return f"epsilon {show(amount.epsilon)} and delta {show(amount.delta)}"


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
