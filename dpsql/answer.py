"""What the analyst gets: noisy rows, their intervals, what they cost. Nothing here was ever exact private data."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from dpsql.html_table import html_table
from dpsql.json_values import decode, encode
from dpsql.table import table, textual

if TYPE_CHECKING:
    import pandas
    import pyarrow

Interval = tuple[object, object]
SHOWN_ROWS = 200    # rows that print(answer) shows
FORMAT = "dpsql.answer/1"
BARE = "numbers without ± are noisy too: windows, some joins, further aggregates and bare quantiles leave no interval"


@dataclass(frozen=True, slots=True)
class AnswerCost:
    """What an answer cost: epsilon and delta charged for it (0 for a replay and for public tables)."""

    epsilon: float
    delta: float


@dataclass(frozen=True, slots=True)
class Clipped:
    """How much one bound cut: the noisy share of the people, or pairs of a person and a group (`of`), that did `what`.

    The true share is within `low` and `high` with the confidence `level`.
    """

    of: str
    what: str
    share: float
    low: float
    high: float
    level: float

    def __str__(self) -> str:
        ends = f"{_percent(self.low)} to {_percent(self.high)}, with {100 * self.level:g} %"
        return f"{_percent(self.share)} of {self.of} ({ends}) {self.what}"


@dataclass(frozen=True, slots=True)
class Balance:
    """A budget after a query: limit, spent and left. `analyst` is None for the policy's own.

    Either way of adding up may admit a query: epsilon and delta (basic composition), rho and slack (zCDP).
    """

    analyst: str | None
    epsilon_limit: float
    epsilon_spent: float
    delta_limit: float
    delta_spent: float
    rho_limit: float = 0.0
    rho_spent: float = 0.0
    slack_limit: float = 0.0
    slack_spent: float = 0.0

    @property
    def epsilon_left(self) -> float:
        """The largest epsilon that one query without a delta may still cost, by either way."""
        return max(self._basic_left, self._zcdp_left)

    @property
    def delta_left(self) -> float:
        """The largest delta that one query may still cost, by either way."""
        basic = self.delta_limit - self.delta_spent if self.epsilon_spent <= self.epsilon_limit else 0.0
        slack = self.slack_limit - self.slack_spent if self.rho_spent <= self.rho_limit else 0.0
        return max(0.0, basic, slack)

    @property
    def _basic_left(self) -> float:
        closed = self.delta_spent > self.delta_limit
        return 0.0 if closed else max(0.0, self.epsilon_limit - self.epsilon_spent)

    @property
    def _zcdp_left(self) -> float:
        """Of rho r left: epsilon^2/2 = r, or epsilon = r beyond 2, whichever `Event.laplace` charges."""
        closed = self.slack_spent > self.slack_limit
        rho = 0.0 if closed else max(0.0, self.rho_limit - self.rho_spent)
        return math.sqrt(2 * rho) if rho <= 2 else rho

    def __str__(self) -> str:
        whose = "the policy" if self.analyst is None else self.analyst
        if self._zcdp_left > self._basic_left:
            return (f"rho {self.rho_spent:.4g} of {self.rho_limit:.4g} used, "
                    f"up to epsilon {self._zcdp_left:.4g} left ({whose})")
        return f"{self.epsilon_spent:.6g} of {self.epsilon_limit:.6g} used, {self.epsilon_left:.6g} left ({whose})"


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """Noisy rows with their intervals (of 95 %, unless another `level` was asked) and their cost.

    `print(answer)` shows them as a table.

    `columns` are the names; `types` the SQL types as text; `rows` tuples of Python values; `intervals` is parallel to
    `rows`: per column (low, high), or None where nothing is noisy, or none is known (`finish`). `noisy` says which
    columns may carry noise. `plan` is the plan that was run; `balance` the budget after it (None when nothing private
    was asked). `clipped` says how much was cut, where it was bought (`quality`).
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
    clipped: tuple[Clipped, ...] = ()

    def __repr__(self) -> str:
        rows = "1 row" if len(self.rows) == 1 else f"{len(self.rows)} rows"
        return f"<Answer: {rows} of {', '.join(self.columns)}; epsilon {self.cost.epsilon:.6g}>"

    def __str__(self) -> str:
        return self.show(SHOWN_ROWS)

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return html_table(self.columns, self.types, self.rows, self.intervals, [*self.notes(), self.bill()], SHOWN_ROWS)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """The table, where IPython has a terminal only."""
        printer.text(str(self))

    def show(self, limit: int | None = None) -> str:
        """The table (at most `limit` rows of it), the warnings, and a last line with cost, spent and left."""
        grid = table(self.columns, self.types, self.rows, self.intervals, limit)
        return "\n".join([grid, *self.notes(), self.bill()])

    def notes(self) -> list[str]:
        """The warnings, and what a reader of bare numbers should know: a line each."""
        return [f"warning: {text}" for text in self.warnings] + ["note: " + BARE] * self._bare()

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

        HUGEINT becomes decimal128(38, 0), or decimal256 for a value beyond 38 digits. ImportError without pyarrow.
        """
        from dpsql.frames import to_arrow

        return to_arrow(_series(self, intervals))

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows for whoever takes Arrow: `pyarrow.table(answer)`, `polars.DataFrame(answer)`. Needs pyarrow."""
        return self.to_arrow().__arrow_c_stream__(requested_schema)

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
            **self._bought(),
            "replayed": self.replayed,
            "balance": None if balance is None else {
                "analyst": balance.analyst,
                "epsilon_limit": balance.epsilon_limit, "epsilon_spent": balance.epsilon_spent,
                "delta_limit": balance.delta_limit, "delta_spent": balance.delta_spent,
            },
        }

    def _bought(self) -> dict[str, Any]:
        return {"clipped": [asdict(each) for each in self.clipped]} if self.clipped else {}

    def to_json(self) -> str:
        """Text from which `from_json` makes an equal answer; plan and balance are left out. Exact for every value.

        An object: "format" (FORMAT; a later one will be named otherwise), "columns", "types" (SQL), "rows" and
        "intervals" (arrays of arrays; an interval is [low, high] or null), "noisy", "cost" ([epsilon, delta]),
        "warnings", "replayed", and where it was bought "clipped" (objects of the fields of `Clipped`). What JSON has
        no form for is an object of one key: {"decimal": "1.50"}, {"date": "2026-11-22"}, {"timestamp": ...},
        {"time": ...}, {"float": "nan"}, {"interval": [days, seconds, microseconds]}, {"map": [[key, value], ...]}.
        Integers have all their digits.
        """
        return json.dumps({
            "format": FORMAT,
            "columns": self.columns,
            "types": self.types,
            "rows": [[encode(value) for value in row] for row in self.rows],
            "intervals": [[pair and [encode(end) for end in pair] for pair in row] for row in self.intervals],
            "noisy": self.noisy,
            "cost": [self.cost.epsilon, self.cost.delta],
            "warnings": self.warnings,
            "replayed": self.replayed,
            **self._bought(),
        }, separators=(",", ":"), allow_nan=False)

    @staticmethod
    def from_json(text: str) -> Answer:
        """The answer that `to_json` wrote. ValueError, KeyError or TypeError when `text` is no such thing."""
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("format", FORMAT) != FORMAT:   # older ledgers name no format
            raise ValueError(f"not of the format {FORMAT}")
        epsilon, delta = data["cost"]
        return Answer(
            tuple(data["columns"]),
            tuple(data["types"]),
            tuple(tuple(decode(value) for value in row) for row in data["rows"]),
            tuple(tuple(pair and (decode(pair[0]), decode(pair[1])) for pair in row) for row in data["intervals"]),
            tuple(data["noisy"]),
            AnswerCost(epsilon, delta),
            tuple(data["warnings"]),
            bool(data.get("replayed", False)),
            clipped=tuple(Clipped(**each) for each in data.get("clipped", ())),
        )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _series(answer: Answer, intervals: bool) -> list[tuple[str, str, Sequence[object]]]:
    """(name, SQL type, values) of every column, interval ends after their column when asked for."""
    found: list[tuple[str, str, Sequence[object]]] = []
    for i, (name, type_) in enumerate(zip(answer.columns, answer.types, strict=True)):
        found.append((name, type_, [row[i] for row in answer.rows]))
        if intervals and answer.noisy[i]:
            numeric = not textual(type_)
            for end, word in enumerate(("low", "high")):
                ends: list[Any] = [pair[end] if (pair := row[i]) else None for row in answer.intervals]
                values = [None if value is None else float(value) for value in ends] if numeric else ends
                found.append((f"{name}_{word}", "DOUBLE" if numeric else type_, values))
    return found
