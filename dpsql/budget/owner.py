"""What only the owner does to a ledger: limits, the split of their deltas, periods. Each change is an entry.

All inside the caller's transaction. The owner decides without looking at answers, and from then on promises the new.
"""

from __future__ import annotations

import datetime
import sqlite3
from dataclasses import replace

from dpsql.budget.events import NOTHING, Cost, Spent
from dpsql.budget.filter import Split, fits, room
from dpsql.budget.history import account, add_entry, all_accounts, now, save, split_of
from dpsql.budget.record import Account, Damaged, short, show
from dpsql.errors import LedgerError
from dpsql.policy import MOST_DAYS, Budget, Policy

BY_OWNER = "by the owner"  # the note of a limit that the owner changed


def begin(connection: sqlite3.Connection, policy: Policy) -> None:
    """Write the policy's limits, and its period, into a new ledger."""
    set_limit(connection, Account(None, None, None, NOTHING), policy.budget, "from the policy")
    adopt(connection, policy)
    if policy.refresh_days is not None:
        set_period(connection, policy.refresh_days)


def adopt(connection: sqlite3.Connection, policy: Policy) -> None:
    """Give the policy's limits to the analysts that have none yet."""
    for name, limit in (policy.analysts or {}).items():
        totals = account(connection, name)
        if totals.limit is None:
            set_limit(connection, totals, limit, "from the policy")


def set_limit(connection: sqlite3.Connection, totals: Account, limit: Budget, note: str) -> None:
    """Set the limit of an account. LedgerError when it is no limit, or less than what is spent."""
    if min(limit.epsilon, limit.delta) < 0 or not short(limit.epsilon, limit.delta):
        raise LedgerError(f"{whose(totals.analyst)}: a limit is a number of ordinary length that is not negative")
    allowed = room(limit, split_now(connection))
    if note == BY_OWNER and not fits(allowed, totals.spent):
        raise LedgerError(
            f"{whose(totals.analyst)}: {amounts(totals.spent)} are spent already, so the limit cannot be "
            f"{amounts(limit)} (basic composition uses delta {show(allowed.delta)} of it)")
    held = replace(totals, limit=limit, room=allowed)
    save(connection, held)
    add_entry(connection, "limits", analyst=totals.analyst, amount=held, note=note)


def set_split(connection: sqlite3.Connection, split: Split) -> None:
    """Divide every delta anew. LedgerError when what is spent would pass a limit."""
    held = {}
    for name, totals in all_accounts(connection).items():
        if totals.limit is not None:
            held[name] = replace(totals, room=room(totals.limit, split))
            if not fits(room(totals.limit, split), totals.spent):
                raise LedgerError(f"{whose(name)}: under this split what is spent already would pass the limit")
    connection.execute("UPDATE meta SET value = ? WHERE name = 'split'", (str(split),))
    add_entry(connection, "split", note=str(split))
    for totals in held.values():
        save(connection, totals)
        add_entry(connection, "limits", analyst=totals.analyst, amount=totals, note="by the split")


def split_now(connection: sqlite3.Connection) -> Split:
    """The split in force."""
    (text,) = connection.execute("SELECT value FROM meta WHERE name = 'split'").fetchone()
    return split_of(text)


def set_period(connection: sqlite3.Connection, days: int) -> None:
    """Let budgets count anew every so many days, from now; 0: never. What is spent now stays spent until then."""
    if not 0 <= days <= MOST_DAYS:
        raise LedgerError(f"a period is a whole number of days, at most {MOST_DAYS}; 0 for none")
    _note_period(connection, "period", days, now())


def period_days(connection: sqlite3.Connection) -> int:
    """The days of a period; 0 when budgets never count anew."""
    return _period(connection)[0]


def due(connection: sqlite3.Connection) -> datetime.datetime | None:
    """When the period that should be running began, if that is not noted yet.

    A clock that went back begins nothing; one that ran ahead begins a period early: the host's clock is trusted.
    """
    days, since = _period(connection)
    passed = 0 if days == 0 else (datetime.datetime.fromisoformat(now()) - since) // datetime.timedelta(days=days)
    return None if passed < 1 else since + passed * datetime.timedelta(days=days)


def renew(connection: sqlite3.Connection) -> None:
    """Begin the period that is due: all budgets count anew, by an entry.

    The promise is then one of each period: who stays in the data for n of them is protected by n times the limits.
    """
    since = due(connection)
    if since is None:
        return
    for totals in all_accounts(connection).values():
        save(connection, replace(totals, spent=NOTHING))
    _note_period(connection, "renewal", period_days(connection), since.isoformat(timespec="milliseconds"))


def period_note(connection: sqlite3.Connection) -> str | None:
    """The period in force as its entry notes it; None when there never was one."""
    row = connection.execute("SELECT value FROM meta WHERE name = 'period'").fetchone()
    return None if row is None else str(row[0])


def _period(connection: sqlite3.Connection) -> tuple[int, datetime.datetime]:
    note = period_note(connection)
    if note is None:
        return 0, datetime.datetime.min
    try:
        days, since = note.split()
        return int(days), datetime.datetime.fromisoformat(since)
    except ValueError as error:
        raise Damaged("its period cannot be read") from error


def _note_period(connection: sqlite3.Connection, kind: str, days: int, since: str) -> None:
    text = f"{days} {since}"
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('period', ?)", (text,))
    add_entry(connection, kind, note=text)


def whose(analyst: str | None) -> str:
    """An account's name in a message."""
    return "the policy" if analyst is None else f"analyst {analyst!r}"


def amounts(amount: Cost | Budget | Spent) -> str:
    """An epsilon and a delta in a message."""
    return f"epsilon {show(amount.epsilon)} and delta {show(amount.delta)}"


def differences(policy: Policy, counted: dict[str | None, Budget], days: int) -> list[str]:
    """Where the policy file is not what counts in the ledger; one sentence each, for the owner."""
    written: dict[str | None, Budget] = {None: policy.budget}
    written.update(policy.analysts or {})
    found = [
        f"{whose(name)}: the policy file says {amounts(written[name])}; the ledger says {amounts(limit)}, which "
        "counts (dpsql budget changes it)"
        for name, limit in counted.items() if name in written and written[name] != limit
    ]
    found += [
        f"{whose(name)}: has a limit in the ledger, but the policy file does not name them"
        for name in counted if name not in written
    ]
    if (policy.refresh_days or 0) != days:
        found.append(f"the policy file says refresh_days = {policy.refresh_days or 0}; the ledger says {days}, which "
                     "counts (dpsql budget period changes it)")
    return found
