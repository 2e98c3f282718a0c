"""The tables of a policy as a terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence

from dpsql.dictionary import TableInfo, line
from dpsql.doors.screen import Screen


def described(tables: Sequence[TableInfo], screen: Screen) -> str:
    """One line per table: whose rows it holds, its keys, and its comment where any has one."""
    rows = [(t.name, t.whose, "; ".join(", ".join(key) for key in t.keys), line(t.comment)) for t in tables]
    kept = 4 if any(row[-1] for row in rows) else 3
    return screen.grid(("table", "rows belong to", "keys", "comment")[:kept], [row[:kept] for row in rows])
