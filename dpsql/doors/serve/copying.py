"""What COPY writes of a row, as text or CSV."""

from __future__ import annotations

from collections.abc import Iterable

from dpsql.doors.serve.commands import CopyForm
from dpsql.doors.serve.values import shown

_ESCAPES = {"\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def line(row: Iterable[object], form: CopyForm) -> bytes:
    """One row with its end of line."""
    write = _csv if form.csv else _text
    cells = [form.null if value is None else write(shown(value), form) for value in row]
    return (form.delimiter.join(cells) + "\n").encode(errors="replace")


def _text(value: str, form: CopyForm) -> str:
    signs = {**_ESCAPES, form.delimiter: _ESCAPES.get(form.delimiter, "\\" + form.delimiter)}
    return "".join(signs.get(sign, sign) for sign in value)


def _csv(value: str, form: CopyForm) -> str:
    special = (form.delimiter, form.quote, "\n", "\r")
    if value not in (form.null, "\\.") and not any(sign in value for sign in special):
        return value
    inner = value.replace(form.escape, form.escape * 2) if form.escape != form.quote else value
    return form.quote + inner.replace(form.quote, form.escape + form.quote) + form.quote
