"""What `dpsql budget` tells, as data: each account under basic composition, zCDP and PLD, from the stored events."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from dpsql.budget.conversion import epsilon_of
from dpsql.budget.events import NOTHING, Event
from dpsql.budget.ledger import Ledger
from dpsql.budget.pld import installed, pld_epsilon
from dpsql.budget.record import Account, Entry
from dpsql.policy import Policy


def report(ledger: Ledger, policy: Policy, only: str | None = None) -> dict[str, Any]:
    """Limits, what is spent and left, and what that proves: of the policy and its analysts, or of one analyst.

    Plain dicts of JSON's own types; amounts that pass every double are null. LedgerError when it cannot be read.
    """
    entries, accounts = ledger.entries(), ledger.accounts()
    names = [name for name, each in accounts.items()
             if each.limit is not None and only in (None, name) and (name is None or name in (policy.analysts or ()))]
    # where a period is due that nobody asked in yet, accounts have spent nothing, and what was before counts no more
    spent = {name: [] if accounts[name].spent == NOTHING else _events(entries, name) for name in names}
    losses = {name: _pld(events, accounts[name]) for name, events in spent.items()}
    return {
        "ledger": ledger.id, "path": str(ledger.path), "head": str(ledger.head()), "split": str(ledger.split()),
        "period_days": ledger.period(), "pld": installed(),
        "budgets": [_budget(accounts[name], losses[name]) for name in names],
        "differences": ledger.differences(policy),
    }


def entry_of(entry: Entry) -> dict[str, Any]:
    """An entry as JSON's own types; exact amounts as text, such as "1/3"."""
    exact = {name: getattr(entry, name) for name in ("epsilon", "delta", "rho", "slack")}
    return {
        "entry": entry.id, "time": entry.time, "kind": entry.kind, "analyst": entry.analyst,
        **{name: None if amount is None else str(amount) for name, amount in exact.items()},
        "sql": entry.sql, "note": entry.note, "charge": entry.charge, "version": entry.version, "hash": entry.hash,
        "events": [
            {"mechanism": e.mechanism, "sensitivity": e.sensitivity, "scale": str(e.scale), "epsilon": str(e.epsilon),
             "delta": str(e.delta), "rho": str(e.rho), "slack": str(e.slack)} for e in entry.events
        ],
    }


def _budget(account: Account, loss: float | None) -> dict[str, Any]:
    limit, room, spent = account.limit, account.room, account.spent
    assert limit is not None and room is not None
    found: dict[str, Any] = {"analyst": account.analyst, "limit": {
        "epsilon": _number(limit.epsilon), "delta": _number(limit.delta)}}
    for name in ("epsilon", "delta", "rho", "slack"):
        most, used = getattr(room, name), getattr(spent, name)
        found[name] = {"limit": _number(most), "spent": _number(used), "left": _number(max(Fraction(0), most - used))}
    rest = limit.delta - spent.slack
    found["proved"] = {
        "basic": _number(spent.epsilon) if spent.delta <= limit.delta else None,
        "zcdp": _number(epsilon_of(spent.rho, rest)) if rest > 0 else None,
        "pld": loss,
    }
    return found


def _events(entries: Sequence[Entry], analyst: str | None) -> list[Event]:
    """The events that count against an account, of the running period."""
    found: list[Event] = []
    charges = {entry.id: entry for entry in entries if entry.kind == "charge"}
    for entry in entries:
        if entry.kind == "renewal":
            found = []
        elif entry.kind == "charge" and analyst in (None, entry.analyst):
            found += _stated(entry)
        elif entry.kind == "sight" and analyst is not None and analyst == entry.analyst and entry.charge in charges:
            found += _stated(charges[entry.charge])
    return found


def _stated(charge: Entry) -> Sequence[Event]:
    """The events of a charge; one without any counts as the worst of its epsilon and delta."""
    if charge.events or not charge.epsilon:
        return charge.events
    return (Event.selection(1, 1 / charge.epsilon, charge.delta or Fraction(0)),)


def _pld(events: Sequence[Event], account: Account) -> float | None:
    assert account.limit is not None
    return pld_epsilon(events, account.limit.delta) if account.limit.delta and installed() else None


def _number(amount: Fraction) -> float | None:
    try:
        return float(amount)
    except OverflowError:
        return None
