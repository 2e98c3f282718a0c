"""`dpsql budget`: the owner's view of the ledger, and what only the owner may do with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from dpsql.budget.chain import Head
from dpsql.budget.filter import Split
from dpsql.budget.ledger import Ledger
from dpsql.budget.record import Entry
from dpsql.doors.budget_report import entry_of, report
from dpsql.doors.place import Place
from dpsql.engines.base import open_engine
from dpsql.errors import OpenError, ProgrammingError
from dpsql.policy import Policy
from dpsql.policy_file import load_policy
from dpsql.table import table

RECENT = 10      # entries that `show` shows
KEEP = ("Keep the head somewhere else: `dpsql budget verify --head HEAD` proves later that nothing up to it\n"
        "was removed or changed. Without a kept head, whoever may write the file can forge it, or cut its end, unseen.")
PLD = "PLD: pip install 'dpsql[accounting]' shows what privacy loss distributions prove"


@dataclass(frozen=True, slots=True)
class Order:
    """What `dpsql budget` was told: the action, its file or value, and its options."""

    action: str = "show"
    value: str | None = None
    analyst: str | None = None
    epsilon: Fraction | None = None
    delta: Fraction | None = None
    head: str | None = None
    json: bool = False


def budget(where: Place, order: Order) -> str:
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
    if order.action == "restore":
        Ledger.restore(_file(order), path)
        return f"{path} is the ledger now; charges made after the backup are not in it: lower the limits by them"
    with Ledger.open(path, policy) as ledger:
        return _act(ledger, policy, order)


def _act(ledger: Ledger, policy: Policy, order: Order) -> str:
    match order.action:
        case "raise":
            if order.epsilon is None and order.delta is None:
                raise ProgrammingError("raise needs the new limit: --epsilon N, --delta N or both")
            ledger.raise_limits(analyst=order.analyst, epsilon=order.epsilon, delta=order.delta)
        case "split":
            ledger.set_split(_split(order))
        case "period":
            ledger.set_period(_days(order))
        case "backup":
            ledger.backup(_file(order))
            return f"backed up to {order.value}; it cannot be charged until `dpsql budget restore` makes a ledger of it"
        case "move":
            ledger.move(_file(order))
            return f"moved to {order.value}; name it from now on (--ledger or DPSQL_LEDGER)"
        case "verify":
            return _verify(ledger, order)
        case "entries":
            entries = [each for each in ledger.entries() if order.analyst in (None, each.analyst)]
            return _json([entry_of(each) for each in entries]) if order.json else _entries(entries)
        case _:
            pass
    return _show(ledger, policy, order)


def _verify(ledger: Ledger, order: Order) -> str:
    kept = None if order.head is None else Head.read(order.head)
    head = ledger.verify(kept)
    if order.json:
        return _json({"sound": True, "ledger": ledger.id, "entries": head.entry, "head": str(head),
                      "kept": None if kept is None else str(kept)})
    told = f"{ledger.path} is sound: its totals are the sum of its {head.entry} entries, linked without a gap"
    if kept is not None:
        told += f";\nup to entry {kept.entry} they are those whose head was kept"
    return f"{told}\nhead {head}\n{KEEP}"


def _show(ledger: Ledger, policy: Policy, order: Order) -> str:
    entries = [each for each in ledger.entries() if order.analyst in (None, each.analyst)]
    found = report(ledger, policy, order.analyst)
    recent = entries[-RECENT:]
    if order.json:
        return _json(found | {"recent": [entry_of(each) for each in recent]})
    title = "entries" if len(recent) == len(entries) else f"the last {RECENT} of {len(entries)} entries"
    paragraphs = [f"ledger {ledger.id}\n{ledger.path}\nhead {found['head']}"]
    if policy.ledger is None:
        paragraphs[0] += f'\nwrite ledger = "{ledger.id}" into the policy, and no other ledger will be accepted'
    days = found["period_days"]
    if days:
        paragraphs.append(f"budgets count anew every {days} days: who is in the data for n periods is protected by n "
                          "times the limits")
    return "\n\n".join([*paragraphs, *_accounts(found), *found["differences"], f"{title}\n{_entries(recent)}"])


def _accounts(found: dict[str, Any]) -> list[str]:
    """The accounts under either way of adding up, and what they prove."""
    budgets = found["budgets"]
    basic, zcdp = ([tuple(each[part][name] for part in parts for name in ("limit", "spent", "left"))
                    for each in budgets] for parts in (("epsilon", "delta"), ("rho", "slack")))
    names = [str(each["analyst"] or "the policy") for each in budgets]
    tables = ["basic composition\n" + _amounts(("budget", "epsilon", "spent", "left", "delta", "spent", "left"), names,
                                               basic)]
    if not any(each["rho"]["limit"] for each in budgets):
        return tables
    tables.append(f"or zCDP (a charge fits either; deltas are split {found['split']})\n" + _amounts(
        ("budget", "rho", "spent", "left", "slack", "spent", "left"), names, zcdp))
    proved = [tuple(each["proved"][way] for way in ("basic", "zcdp", "pld")) for each in budgets]
    tables.append("what was spent proves, as an epsilon at the limit's delta\n" + _amounts(
        ("budget", "basic", "zCDP", "PLD"), names, proved) + _missing(found))
    return tables


def _missing(found: dict[str, Any]) -> str:
    """Why a number of PLD is missing."""
    if not found["pld"]:
        return f"\n{PLD}"
    gone = any(each["proved"]["pld"] is None and each["limit"]["delta"] for each in found["budgets"])
    return "\nPLD: too many different events, or too large ones, to add up in seconds" if gone else ""


def _amounts(columns: Sequence[str], names: Sequence[str], rows: Sequence[Sequence[float | None]]) -> str:
    shown = [(name, *("" if amount is None else f"{amount:.6g}" for amount in row))
             for name, row in zip(names, rows, strict=True)]
    return _plain(columns, ["VARCHAR"] + ["DOUBLE"] * (len(columns) - 1), shown)


def _entries(entries: Sequence[Entry]) -> str:
    rows = [
        (e.id, e.time, e.kind, e.analyst or "", _amount(e.epsilon), _amount(e.delta), _amount(e.rho),
         e.sql or e.note or _seen(e))
        for e in entries
    ]
    return _plain(
        ("entry", "time", "kind", "analyst", "epsilon", "delta", "rho", "what"),
        ("BIGINT", "VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE", "DOUBLE", "DOUBLE", "VARCHAR"), rows,
    )


def _seen(entry: Entry) -> str:
    return "" if entry.charge is None else f"the answer of entry {entry.charge}"


def _plain(columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return table(columns, types, rows, [[None] * len(columns)] * len(rows))


def _amount(value: Fraction | None) -> str:
    return "" if value is None else f"{float(value):.6g}"


def _json(data: object) -> str:
    return json.dumps(data, indent=2)


def _split(order: Order) -> Split:
    try:
        return Split.read(order.value or "")
    except ValueError as error:
        raise ProgrammingError(
            "split needs three parts of delta that add up to at most 1 (basic composition, slack of zCDP, turning zCDP "
            "into epsilon): dpsql budget split 1/2,1/4,1/4") from error


def _days(order: Order) -> int:
    try:
        return int(order.value or "")
    except ValueError as error:
        raise ProgrammingError("period needs a number of days, 0 for none: dpsql budget period 30") from error


def _file(order: Order) -> Path:
    if order.value is None:
        raise ProgrammingError(f"{order.action} needs a file: dpsql budget {order.action} FILE")
    return Path(order.value)
