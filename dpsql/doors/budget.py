"""`dpsql budget`: the owner's view of the ledger, and what only the owner may do with it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from dpsql.budget.ledger import Ledger
from dpsql.budget.record import Entry
from dpsql.doors.place import Place
from dpsql.engines.base import open_engine
from dpsql.errors import OpenError, ProgrammingError
from dpsql.policy import Policy
from dpsql.policy_file import load_policy
from dpsql.table import table

RECENT = 10      # entries that `show` shows
HALF = "delta is half of each limit: the other half is kept for another way of adding up"


def budget(
    where: Place, action: str, target: str | None, *, analyst: str | None, epsilon: Fraction | None,
    delta: Fraction | None,
) -> str:
    """Does one action of `dpsql budget` and returns what to print.

    Raises OpenError, PolicyError or LedgerError; ProgrammingError when the action lacks its file or its numbers.
    """
    engine = open_engine(where.database)
    try:
        policy, path = load_policy(where.policy, engine.schema), where.ledger or engine.default_ledger
    finally:
        engine.close()
    if path is None:
        raise OpenError("no ledger: an open connection has no place beside it; pass ledger=... (--ledger)")
    if action == "restore":
        Ledger.restore(_file(action, target), path)
        return f"{path} is the ledger now; charges made after the backup are not in it: lower the limits by them"
    with Ledger.open(path, policy) as ledger:
        return _act(ledger, policy, action, target, analyst, epsilon, delta)


def _act(
    ledger: Ledger, policy: Policy, action: str, target: str | None, analyst: str | None, epsilon: Fraction | None,
    delta: Fraction | None,
) -> str:
    match action:
        case "raise":
            if epsilon is None and delta is None:
                raise ProgrammingError("raise needs the new limit: --epsilon N, --delta N or both")
            ledger.raise_limits(analyst=analyst, epsilon=epsilon, delta=delta)
            return _limits(ledger, policy)
        case "backup":
            ledger.backup(_file(action, target))
            return f"backed up to {target}; it cannot be charged until `dpsql budget restore` makes a ledger of it"
        case "move":
            ledger.move(_file(action, target))
            return f"moved to {target}; name it from now on (--ledger or DPSQL_LEDGER)"
        case "verify":
            ledger.verify()
            return f"{ledger.path} is sound: its totals are the sum of its {len(ledger.entries())} entries"
        case "entries":
            return _entries(ledger.entries())
        case _:
            return _show(ledger, policy)


def _show(ledger: Ledger, policy: Policy) -> str:
    entries = ledger.entries()
    recent = entries[-RECENT:]
    title = "entries" if len(recent) == len(entries) else f"the last {RECENT} of {len(entries)} entries"
    paragraphs = [f"ledger {ledger.id}\n{ledger.path}"]
    if policy.ledger is None:
        paragraphs[0] += f'\nwrite ledger = "{ledger.id}" into the policy, and no other ledger will be accepted'
    paragraphs += [_limits(ledger, policy), *ledger.differences(policy), f"{title}\n{_entries(recent)}"]
    return "\n\n".join(paragraphs)


def _limits(ledger: Ledger, policy: Policy) -> str:
    """The accounts. A balance's delta is the half that charges may use (`dpsql.budget.filter`)."""
    balances = [ledger.balance(name) for name in ledger.limits() if name is None or name in (policy.analysts or ())]
    columns = ("budget", "epsilon", "spent", "left", "delta", "spent", "left")
    rows = [
        ("the policy" if b.analyst is None else b.analyst, b.epsilon_limit, b.epsilon_spent, b.epsilon_left,
         b.delta_limit, b.delta_spent, b.delta_left) for b in balances
    ]
    shown = _plain(columns, ("VARCHAR", *["DOUBLE"] * 6), rows)
    return f"{shown}\n{HALF}" if any(b.delta_limit for b in balances) else shown


def _entries(entries: Sequence[Entry]) -> str:
    rows = [
        (e.id, e.time, e.kind, e.analyst or "", _amount(e.epsilon), _amount(e.delta), e.sql or e.note or _seen(e))
        for e in entries
    ]
    return _plain(
        ("entry", "time", "kind", "analyst", "epsilon", "delta", "what"),
        ("BIGINT", "VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE", "DOUBLE", "VARCHAR"), rows,
    )


def _seen(entry: Entry) -> str:
    return "" if entry.charge is None else f"the answer of entry {entry.charge}"


def _plain(columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return table(columns, types, rows, [[None] * len(columns)] * len(rows))


def _amount(value: Fraction | None) -> str:
    return "" if value is None else f"{float(value):.6g}"


def _file(action: str, target: str | None) -> Path:
    if target is None:
        raise ProgrammingError(f"{action} needs a file: dpsql budget {action} FILE")
    return Path(target)
