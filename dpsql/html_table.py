"""Rows as HTML: what `table` shows, for notebooks. Every text is escaped; no script, no style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from dpsql.table import cell, doubtful, plain, textual

_RIGHT = ' style="text-align:right"'
_LEFT = ' style="text-align:left"'
_DOUBTFUL = ' style="color:#b00020"'


def html_table(
    columns: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[object]],
    intervals: Sequence[Sequence[tuple[object, object] | None]], notes: Sequence[str] = (), limit: int | None = None,
) -> str:
    """A `<table>` with errors beside the values, red where they pass a quarter of them, and `notes` below it.

    `intervals` is parallel to `rows`; at most `limit` rows are shown, and how many were not.
    """
    aligned = [_LEFT if textual(type_) else _RIGHT for type_ in types]
    head = "".join(
        f'<th{side} title="{escape(type_)}">{escape(plain(name))}</th>'
        for name, type_, side in zip(columns, types, aligned, strict=True)
    )
    shown = len(rows) if limit is None else min(limit, len(rows))
    body = "\n".join(
        "<tr>" + "".join(map(_cell, row, pairs, aligned)) + "</tr>"
        for row, pairs in zip(rows[:shown], intervals[:shown], strict=True)
    )
    more = [] if shown == len(rows) else [f"... {len(rows) - shown} more of {len(rows)} rows"]
    below = "".join(f"<div>{escape(note)}</div>\n" for note in [*(more if rows else ["(no rows)"]), *notes])
    return (
        f'<table class="dataframe">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n'
        f"<small>\n{below}</small>"
    )


def _cell(value: object, interval: tuple[object, object] | None, side: str) -> str:
    shown, error = cell(value, interval)
    beside = f" <small{_DOUBTFUL if doubtful(value, interval) else ''}>{escape(error)}</small>" if error else ""
    return f"<td{side}>{escape(shown)}{beside}</td>"
