"""What a ledger holds, as data, and the exact text it is stored as."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction

from dpsql.budget.events import Cost, Event
from dpsql.policy import Budget

FORMAT = 1  # of the file and of the events' text; the meaning of a number given out never changes

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
    "backup", "move", "restore". `time` is UTC, ISO 8601.
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


@dataclass(frozen=True, slots=True)
class Account:
    """The running totals of the policy (`analyst` None) or of one analyst; `limit` is None for a mere name."""

    analyst: str | None
    limit: Budget | None
    spent: Cost


def fits(*values: Fraction | int) -> bool:
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
         "sensitivity": event.sensitivity, "scale": text_of(event.scale)}
        for event in events
    ]
    return json.dumps({"format": FORMAT, "events": items})


def events_of(text: str) -> tuple[Event, ...]:
    """The events that `events_text` wrote. Damaged for anything else."""
    try:
        document = json.loads(text)
        if document["format"] != FORMAT:
            raise Damaged("events of an unknown format")
        return tuple(
            Event(str(item["mechanism"]), fraction_of(item["epsilon"]), fraction_of(item["delta"]),
                  int(item["sensitivity"]), fraction_of(item["scale"]))
            for item in document["events"]
        )
    except Damaged:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged("events are not what dpsql wrote") from error


def storable(text: str) -> str:
    """`text` without lone surrogates, which SQLite cannot hold: escaped, which inside JSON means the same."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def show(value: Fraction) -> str:
    """A number for a message, to 12 digits."""
    try:
        return f"{float(value):.12g}"
    except OverflowError:
        return "more than 1e308"
