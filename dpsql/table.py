"""Rows as text: numbers to the right, ± beside what is noisy, digits down to about the size of the error."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

DOUBTFUL = 0.25      # share of a value that its error may reach before it is shown in red
SIGNIFICANT = 2      # digits shown of an error, as metrology does
LOPSIDED = 0.1       # share of the half width by which two sides may differ and still be shown as one ±
WIDE = 10**16        # doubles beyond this show powers of ten
FAITHFUL = 12        # digits shown of a double without error; noisy ones with more decimals show powers of ten
LONGEST = 60         # characters shown of a text value

Number = int | float | Decimal
_LEFT = ("VARCHAR", "BOOLEAN", "DATE", "TIMESTAMP", "TIME", "NULL", "MAP")


def table(
    columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[object]],
    intervals: Sequence[Sequence[tuple[object, object] | None]], limit: int | None = None,
    mark: Callable[[str], str] | None = None,
) -> str:
    """An aligned table. `intervals` is parallel to `rows`; at most `limit` rows are shown, and how many were not.

    `mark` puts a colour on the cells that are `doubtful`.
    """
    shown = len(rows) if limit is None else min(limit, len(rows))
    blocks = [
        _column(columns[i], types[i], [cell(rows[r][i], intervals[r][i]) for r in range(shown)])
        for i in range(len(columns))
    ]
    for i, block in enumerate(blocks if mark else ()):
        doubt = [doubtful(rows[r][i], intervals[r][i]) for r in range(shown)]
        block[2:] = [mark(text) if mark and red else text for text, red in zip(block[2:], doubt, strict=True)]
    lines = ["  ".join(parts).rstrip() for parts in zip(*blocks, strict=True)]
    if not rows:
        lines.append("(no rows)")
    elif shown < len(rows):
        lines.append(f"... {len(rows) - shown} more of {len(rows)} rows")
    return "\n".join(lines)


def cell(value: object, interval: tuple[object, object] | None = None) -> tuple[str, str]:
    """What a value looks like, and what stands beside it: its error, its interval, or nothing."""
    if isinstance(value, dict | list):
        return _parts(value, interval), ""
    if interval is None or value is None or isinstance(value, bool) or not isinstance(value, Number):
        return plain(value), "" if interval is None or value is None else _between(*interval)
    low, high = interval
    if not (_finite(value) and _finite(low) and _finite(high)):
        return plain(value), _between(low, high)
    middle, below, above = _decimal(value), _decimal(low), _decimal(high)
    half = max(above - middle, middle - below)
    if half == 0:
        return plain(value), "± 0"
    if half < 0:
        return plain(value), _between(low, high)
    inside = below <= middle <= above
    places = SIGNIFICANT - 1 - half.adjusted()          # that show so much of the error
    if not isinstance(value, float):
        places = min(places, -int(middle.as_tuple().exponent))      # an exact value has its own
    shown = _fixed
    if isinstance(value, float) and (places > FAITHFUL or max(abs(middle), half) >= WIDE):
        shown = _power
        if inside and half.adjusted() < middle.adjusted() - FAITHFUL:
            return plain(value), f"± {_power(_up(half, places), places)}"
    else:
        places = max(0, places)
    if inside and abs(above + below - 2 * middle) <= Decimal(LOPSIDED) * half:
        return shown(middle, places), f"± {shown(_up(half, places), places)}"
    return shown(middle, places), f"[{shown(below, places)}, {shown(above, places)}]"


def doubtful(value: object, interval: tuple[object, object] | None) -> bool:
    """Whether the error of a number passes a quarter of it, so that little is known but its size."""
    if interval is None or isinstance(value, bool) or not isinstance(value, Number):
        return False
    if not (_finite(value) and _finite(interval[0]) and _finite(interval[1])):
        return True
    middle = _decimal(value)
    return max(abs(_decimal(end) - middle) for end in interval) > abs(middle) * Decimal(DOUBTFUL)


def textual(type_: str) -> bool:
    """Whether values of an SQL type stand at the left of their column."""
    return type_.split("(")[0] in _LEFT or type_.endswith("[]")


def plain(value: object) -> str:
    """A value without error, as one line of printable characters."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.{FAITHFUL}g}"
        case Decimal():
            return f"{value:f}"
        case dict() | list():
            return _parts(value, None)
        case _:
            text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))
            return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _parts(value: dict[object, object] | list[object], interval: tuple[object, object] | None) -> str:
    """A map or a list with the error of each part beside it."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    ends: tuple[Any, Any] | None = interval
    shown = []
    for key in keys:
        part = cell(value[key], None if ends is None else (ends[0][key], ends[1][key]))
        shown.append(f"{plain(key)}: " * isinstance(value, dict) + " ".join(filter(None, part)))
    return f"{{{', '.join(shown)}}}" if isinstance(value, dict) else f"[{', '.join(shown)}]"


def _column(name: str, type_: str, cells: list[tuple[str, str]]) -> list[str]:
    """Header, rule and cells, all of one width; values end, and errors begin, in the same place."""
    values = max((_width(value) for value, _ in cells), default=0)
    errors = max((_width(error) for _, error in cells), default=0)
    left = textual(type_)
    body = [
        (_pad(value, values, left) + (f" {error:<{errors}}" if errors else "")) for value, error in cells
    ]
    title = plain(name)
    width = max([_width(title), *map(_width, body)])
    return [_pad(title, width, left), "-" * width, *(_pad(line, width, left) for line in body)]


def _between(low: object, high: object) -> str:
    return f"[{'-inf' if low is None else plain(low)}, {'inf' if high is None else plain(high)}]"


def _finite(value: object) -> bool:
    return isinstance(value, Number) and math.isfinite(value)


def _decimal(value: object) -> Decimal:
    return Decimal(str(value))     # the shortest text of a double: 0.1 is one tenth here


def _up(half: Decimal, places: int) -> Decimal:
    """Rounded up, so that the shown interval is never the narrower one."""
    step = Decimal(1).scaleb(-places)
    return half.quantize(step, rounding="ROUND_CEILING") if half.adjusted() + places < 20 else half


def _fixed(value: Decimal, places: int) -> str:
    return f"{value:z.{max(0, places)}f}"


def _power(value: Decimal, places: int) -> str:
    """With a power of ten, down to the same place; `places` may be negative."""
    digits = value.adjusted() + places
    return "0" if not value or digits < -1 else f"{value:.{max(0, digits)}e}"


def _pad(text: str, width: int, left: bool) -> str:
    fill = " " * (width - _width(text))
    return text + fill if left else fill + text


def _width(text: str) -> int:
    """Columns of a terminal that `text` fills."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )
