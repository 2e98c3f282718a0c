"""What a ledger holds, as data, and the exact text it is stored as."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction

from dpsql.budget.events import Cost, Event, Spent
from dpsql.budget.filter import Room
from dpsql.policy import Budget

FORMAT = 2  # of the file and of the events' text; the meaning of a number given out never changes
FIRST = 1   # without zCDP and without hashes; `dpsql.budget.upgrade` makes the newer of it

# The numbers of a charge or a limit: any double fits (5e-324 is 2^-1074), and totals stay below the smallest limit
# on digits that Python can be given (640), so that no environment makes a ledger unreadable.
MAX_BITS = 1075

_FRACTION = re.compile(r"[0-9]+/[0-9]+")


class Damaged(ValueError):
    """The ledger holds something that dpsql never wrote. Becomes a LedgerError where the path is known."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored answer: the charge that bought it, the text that the session wrote, and what it cost to see it now."""

    charge: int
    answer: str
    paid: Cost


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger's history; entries are only ever added.

    `kind`: "create"; "limits" (`epsilon` and `delta` are the new limits of `analyst`, None being the policy);
    "charge"; "sight" (`analyst` was shown the answer of `charge`, and pays the same from their own limit);
    "split" (`note`: the parts of every delta, see `Split`); "period" (`note`: days, 0 for none) and "renewal" (a new
    period began, budgets count anew); "backup", "move", "restore", "upgrade". `time` is UTC, ISO 8601. `rho` and
    `slack` are what a charge or sight costs under zCDP; a limit's `rho` is what the split and its epsilon admit.
    `hash` closes the chain up to this entry (`dpsql.budget.chain`).
    """

    id: int
    time: str
    kind: str
    analyst: str | None = None
    epsilon: Fraction | None = None
    delta: Fraction | None = None
    key: str | None = None
    version: str | None = None
    sql: str | None = None
    events: tuple[Event, ...] = ()
    charge: int | None = None
    note: str | None = None
    rho: Fraction | None = None
    slack: Fraction | None = None
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """The running totals of the policy (`analyst` None) or of one analyst; a mere name has no limit and no room."""

    analyst: str | None
    limit: Budget | None
    room: Room | None
    spent: Spent


def short(*values: Fraction | int) -> bool:
    """Whether numbers are short enough to be stored."""
    return all(max(abs(value.numerator), value.denominator).bit_length() <= MAX_BITS for value in values)


def text_of(value: Fraction) -> str:
    """The exact text of a number that is not negative: numerator/denominator."""
    return f"{value.numerator}/{value.denominator}"


def fraction_of(text: object) -> Fraction:
    """The number that `text_of` wrote. Damaged for anything else."""
    if not isinstance(text, str) or not _FRACTION.fullmatch(text):
        raise Damaged("an amount is not exact")
    try:
        numerator, denominator = map(int, text.split("/"))
        return Fraction(numerator, denominator)
    except (ValueError, ZeroDivisionError) as error:
        raise Damaged("an amount is not a number") from error


def events_text(events: tuple[Event, ...]) -> str:
    """Events as JSON with exact numbers."""
    items = [
        {"mechanism": event.mechanism, "epsilon": text_of(event.epsilon), "delta": text_of(event.delta),
         "sensitivity": event.sensitivity, "scale": text_of(event.scale), "rho": text_of(event.rho),
         "slack": text_of(event.slack)}
        for event in events
    ]
    return json.dumps({"format": FORMAT, "events": items})


def events_of(text: str) -> tuple[Event, ...]:
    """The events that `events_text` wrote, of this format or the first. Damaged for anything else."""
    try:
        document = json.loads(text)
        read = {FORMAT: _event, FIRST: _first_event}.get(document["format"])
        if read is None:
            raise Damaged("events of an unknown format")
        return tuple(read(item) for item in document["events"])
    except Damaged:
        raise
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise Damaged("events are not what dpsql wrote") from error


def _event(item: dict[str, str]) -> Event:
    return Event(str(item["mechanism"]), fraction_of(item["epsilon"]), fraction_of(item["delta"]),
                 int(item["sensitivity"]), fraction_of(item["scale"]), fraction_of(item["rho"]),
                 fraction_of(item["slack"]))


def _first_event(item: dict[str, str]) -> Event:
    """An event of the first format, which knew two mechanisms and not yet what they cost under zCDP."""
    sensitivity, scale = int(item["sensitivity"]), fraction_of(item["scale"])
    match item["mechanism"]:
        case "laplace":
            made = Event.laplace(sensitivity, scale)
        case "selection":
            made = Event.selection(sensitivity, scale, fraction_of(item["delta"]))
        case _:
            raise Damaged("events of an unknown mechanism")
    if (made.epsilon, made.delta) != (fraction_of(item["epsilon"]), fraction_of(item["delta"])):
        raise Damaged("an event does not cost what its noise says")
    return made


def storable(text: str) -> str:
    """`text` without lone surrogates, which SQLite cannot hold: escaped, which inside JSON means the same."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def show(value: Fraction) -> str:
    """A number for a message, to 12 digits."""
    try:
        return f"{float(value):.12g}"
    except OverflowError:
        return "more than 1e308"
