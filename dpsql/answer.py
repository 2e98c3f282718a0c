"""What the analyst gets: noisy rows, their intervals, what they cost. Nothing here was ever exact private data."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from dpsql.table import table

if TYPE_CHECKING:
    import pandas
    import pyarrow

Interval = tuple[object, object]
SHOWN_ROWS = 200    # rows that print(answer) shows
BARE = "numbers without ± are noisy too: joins, windows, UNION and further aggregates leave no interval"


@dataclass(frozen=True, slots=True)
class AnswerCost:
    """What an answer cost: epsilon and delta charged for it (0 for a replay and for public tables)."""

    epsilon: float
    delta: float


NOTHING = AnswerCost(0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Balance:
    """A budget after a query: limit, spent and left, in epsilon and delta. `analyst` is None for the policy's own."""

    analyst: str | None
    epsilon_limit: float
    epsilon_spent: float
    delta_limit: float
    delta_spent: float

    @property
    def epsilon_left(self) -> float:
        """What may still be spent."""
        return max(0.0, self.epsilon_limit - self.epsilon_spent)

    @property
    def delta_left(self) -> float:
        """What may still be spent."""
        return max(0.0, self.delta_limit - self.delta_spent)

    def __str__(self) -> str:
        whose = "the policy" if self.analyst is None else self.analyst
        return f"{self.epsilon_spent:.6g} of {self.epsilon_limit:.6g} used, {self.epsilon_left:.6g} left ({whose})"


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """Noisy rows with their 95 % intervals and their cost. `print(answer)` shows them as a table.

    `columns` are the names; `types` the SQL types as text; `rows` tuples of Python values; `intervals` is parallel to
    `rows`: per column (low, high), or None where nothing is noisy, or none is known (`finish`). `noisy` says which
    columns may carry noise. `plan` is the plan that was run; `balance` the budget after it (None when nothing private
    was asked).
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    intervals: tuple[tuple[Interval | None, ...], ...]
    noisy: tuple[bool, ...]
    cost: AnswerCost
    warnings: tuple[str, ...] = ()
    replayed: bool = False
    plan: object = None
    balance: Balance | None = None

    def __repr__(self) -> str:
        rows = "1 row" if len(self.rows) == 1 else f"{len(self.rows)} rows"
        return f"<Answer: {rows} of {', '.join(self.columns)}; epsilon {self.cost.epsilon:.6g}>"

    def __str__(self) -> str:
        return self.show(SHOWN_ROWS)

    def show(self, limit: int | None = None) -> str:
        """The table (at most `limit` rows of it), the warnings, and a last line with cost, spent and left."""
        grid = table(self.columns, self.types, self.rows, self.intervals, limit)
        notes = [f"warning: {text}" for text in self.warnings] + ["note: " + BARE] * self._bare()
        return "\n".join([grid, *notes, self.bill()])

    def _bare(self) -> bool:
        """Whether noisy values stand without an interval."""
        return any(
            noisy and value is not None and pair is None
            for row, pairs in zip(self.rows, self.intervals, strict=True)
            for noisy, value, pair in zip(self.noisy, row, pairs, strict=True)
        )

    def bill(self) -> str:
        """One line: what the answer cost, and what is left."""
        charged = self.cost.epsilon > 0 or self.cost.delta > 0
        if not charged and not self.replayed and not any(self.noisy):
            return "exact: public tables only, free"
        spent = f"epsilon {self.cost.epsilon:.6g}" + (f", delta {self.cost.delta:.6g}" if self.cost.delta else "")
        price = f"{spent} spent" if charged else "free"
        first = f"replay, {price}" if self.replayed else price
        return first if self.balance is None else f"{first} · {self.balance}"

    def to_arrow(self, *, intervals: bool = False) -> pyarrow.Table:
        """A `pyarrow.Table`; with `intervals`, noisy columns are followed by `<name>_low` and `<name>_high`.

        HUGEINT becomes decimal256(39, 0), which holds every value exactly. ImportError without pyarrow.
        """
        from dpsql.frames import to_arrow

        return to_arrow(_series(self, intervals))

    def to_pandas(self, *, intervals: bool = False) -> pandas.DataFrame:
        """A `pandas.DataFrame`, of nullable types where pandas has them; `intervals` as in `to_arrow`.

        DECIMAL, DATE and integers beyond 64 bits stay Python objects, hence exact. ImportError without pandas.
        """
        from dpsql.frames import to_pandas

        return to_pandas(_series(self, intervals))

    def to_dict(self) -> dict[str, Any]:
        """Everything but the plan, as dicts and lists of Python values."""
        balance = self.balance
        return {
            "columns": list(self.columns),
            "types": list(self.types),
            "rows": [list(row) for row in self.rows],
            "intervals": [[None if pair is None else list(pair) for pair in row] for row in self.intervals],
            "cost": {"epsilon": self.cost.epsilon, "delta": self.cost.delta},
            "warnings": list(self.warnings),
            "replayed": self.replayed,
            "balance": None if balance is None else {
                "analyst": balance.analyst,
                "epsilon_limit": balance.epsilon_limit, "epsilon_spent": balance.epsilon_spent,
                "delta_limit": balance.delta_limit, "delta_spent": balance.delta_spent,
            },
        }

    def replay(self, plan: object, balance: Balance | None, cost: AnswerCost = NOTHING) -> Answer:
        """This stored answer handed out again, under the balance of now; free, unless `cost` says otherwise."""
        return replace(self, cost=cost, replayed=True, plan=plan, balance=balance)

    def to_json(self) -> str:
        """Text from which `from_json` makes an equal answer; plan and balance are left out. Exact for every value."""
        return json.dumps({
            "columns": self.columns,
            "types": self.types,
            "rows": [[_encode(value) for value in row] for row in self.rows],
            "intervals": [[pair and [_encode(end) for end in pair] for pair in row] for row in self.intervals],
            "noisy": self.noisy,
            "cost": [self.cost.epsilon, self.cost.delta],
            "warnings": self.warnings,
        }, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Answer:
        """The answer that `to_json` wrote. ValueError, KeyError or TypeError when `text` is no such thing."""
        data = json.loads(text)
        epsilon, delta = data["cost"]
        return Answer(
            tuple(data["columns"]),
            tuple(data["types"]),
            tuple(tuple(_decode(value) for value in row) for row in data["rows"]),
            tuple(tuple(pair and (_decode(pair[0]), _decode(pair[1])) for pair in row) for row in data["intervals"]),
            tuple(data["noisy"]),
            AnswerCost(epsilon, delta),
            tuple(data["warnings"]),
        )


def _series(answer: Answer, intervals: bool) -> list[tuple[str, str, Sequence[object]]]:
    """(name, SQL type, values) of every column, interval ends after their column when asked for."""
    found: list[tuple[str, str, Sequence[object]]] = []
    for i, (name, type_) in enumerate(zip(answer.columns, answer.types, strict=True)):
        found.append((name, type_, [row[i] for row in answer.rows]))
        if intervals and answer.noisy[i]:
            numeric = type_.split("(")[0] not in ("DATE", "TIMESTAMP", "VARCHAR", "BOOLEAN")
            for end, word in enumerate(("low", "high")):
                ends: list[Any] = [pair[end] if (pair := row[i]) else None for row in answer.intervals]
                values = [None if value is None else float(value) for value in ends] if numeric else ends
                found.append((f"{name}_{word}", "DOUBLE" if numeric else type_, values))
    return found


def _encode(value: object) -> object:
    """JSON's own types as they are; what JSON lacks as an object with one key, its type."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else {"float": str(value)}
        case Decimal():
            return {"decimal": str(value)}
        case datetime.datetime():
            return {"timestamp": value.isoformat()}
        case datetime.date():
            return {"date": value.isoformat()}
        case datetime.time():
            return {"time": value.isoformat()}
        case datetime.timedelta():
            return {"interval": [value.days, value.seconds, value.microseconds]}
        case _:
            return {"text": str(value)}     # of a type dpsql never releases; a paid answer must not fail here


def _decode(value: object) -> object:
    match value:
        case {"float": str(text)}:
            return float(text)
        case {"decimal": str(text)}:
            return Decimal(text)
        case {"timestamp": str(text)}:
            return datetime.datetime.fromisoformat(text)
        case {"date": str(text)}:
            return datetime.date.fromisoformat(text)
        case {"time": str(text)}:
            return datetime.time.fromisoformat(text)
        case {"interval": [int(days), int(seconds), int(microseconds)]}:
            return datetime.timedelta(days, seconds, microseconds)
        case {"text": str(text)}:
            return text
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise ValueError("no value of an answer")
