"""Bars in letters: a bar a row and measure, shaded where the true value may end."""

from __future__ import annotations

import math

from dpsql.answer import Answer
from dpsql.errors import ProgrammingError
from dpsql.table import cell, plain, textual

WIDTH = 100             # columns of a plot that goes nowhere in particular
ROWS = 60               # bars shown of a column
LABEL = 30              # columns of a label
SHORTEST = 10           # columns of the longest bar, at least
SOLID, SHADED, AXIS = "█", "▒", "│"
LETTERS = str.maketrans({SOLID: "#", SHADED: "~", AXIS: "|", "±": "+", "…": "."})     # for terminals without Unicode


def plot(answer: Answer, width: int | None = None) -> str:
    """One bar a row for every noisy column (every number, where nothing is noisy), from zero to the value, shaded
    over the interval. `width` in columns. ProgrammingError when there is nothing to draw."""
    numbers = [i for i, type_ in enumerate(answer.types) if not textual(type_) and _drawable(answer, i)]
    drawn = [i for i in numbers if answer.noisy[i]] or numbers[-1:]
    if not drawn or not answer.rows:
        raise ProgrammingError("nothing to plot: \\plot draws numbers, one bar a row")
    labels = [
        " ".join(plain(value) for i, value in enumerate(row) if i not in drawn)[:LABEL] for row in answer.rows[:ROWS]
    ]
    return "\n\n".join(_bars(answer, i, labels, width or WIDTH) for i in drawn)


def _bars(answer: Answer, i: int, labels: list[str], width: int) -> str:
    rows = [(row[i], pairs[i]) for row, pairs in zip(answer.rows[:ROWS], answer.intervals[:ROWS], strict=True)]
    texts = [" ".join(part for part in cell(value, pair) if part) for value, pair in rows]
    ends = [end for value, pair in rows for end in (_number(value), *map(_number, pair or ())) if end is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    beside = max(map(len, labels)) + max(map(len, texts)) + 4
    room = max(SHORTEST, width - beside)
    lines = [plain(answer.columns[i])]
    for label, text, (value, pair) in zip(labels, texts, rows, strict=True):
        bar = _bar(_number(value), _ends(pair, low, high), low, high, room)
        lines.append(f"{label:<{max(map(len, labels))}}  {bar:<{room}}  {text:>{max(map(len, texts))}}")
    if len(answer.rows) > ROWS:
        lines.append(f"... {len(answer.rows) - ROWS} more of {len(answer.rows)} rows")
    return "\n".join(lines)


def _bar(value: float | None, interval: tuple[float, float] | None, low: float, high: float, room: int) -> str:
    if value is None or high <= low:
        return ""
    letters = []
    for k in range(room):
        x = low / room * (room - k - 0.5) + high / room * (k + 0.5)
        if interval is not None and interval[0] <= x <= interval[1]:
            letters.append(SHADED)
        elif min(0.0, value) <= x <= max(0.0, value):
            letters.append(SOLID)
        else:
            letters.append(AXIS if low < 0 and k == math.floor(-low / (high - low) * room) else " ")
    return "".join(letters).rstrip()


def _ends(pair: tuple[object, object] | None, low: float, high: float) -> tuple[float, float] | None:
    """An interval as far as it is drawn: an open end reaches to the edge."""
    if pair is None:
        return None
    below, above = map(_number, pair)
    return low if below is None else below, high if above is None else above


def _drawable(answer: Answer, i: int) -> bool:
    return any(_number(row[i]) is not None for row in answer.rows)


def _number(value: object) -> float | None:
    """A finite number as a double; None for everything else."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        number = float(value)
    except (OverflowError, ValueError):
        return None
    return number if math.isfinite(number) else None
