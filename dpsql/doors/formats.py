"""Answers as CSV and JSON, for programs that read them, and as Markdown, for reports."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
from decimal import Decimal
from typing import Any

from dpsql.answer import Answer
from dpsql.table import cell, textual

NAMES = ("table", "csv", "json", "markdown")


def formatted(answer: Answer, name: str) -> str:
    """The answer in a format of NAMES, ending with a line break."""
    match name:
        case "csv":
            return to_csv(answer)
        case "json":
            return to_json(answer)
        case "markdown":
            return to_markdown(answer)
        case _:
            return answer.show() + "\n"


def to_csv(answer: Answer) -> str:
    """A header and one line per row; NULL is empty; a noisy column is followed by the ends of its interval."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header: list[object] = []
    for name, noisy in zip(answer.columns, answer.noisy, strict=True):
        header += [name, f"{name}_low", f"{name}_high"] if noisy else [name]
    writer.writerow(header)
    for row, intervals in zip(answer.rows, answer.intervals, strict=True):
        line: list[object] = []
        for value, interval, noisy in zip(row, intervals, answer.noisy, strict=True):
            line += [value, *(interval or (None, None))] if noisy else [value]
        writer.writerow([compact(each) if isinstance(each, dict | list) else each for each in line])
    return out.getvalue()


def to_json(answer: Answer) -> str:
    """One JSON object (see `Answer.to_dict`), a row a line. What JSON cannot say exactly is a string."""
    whole = answer.to_dict()
    rows = {name: whole.pop(name) for name in ("rows", "intervals")}
    fields = [f"  {json.dumps(name)}: {compact(value)}" for name, value in whole.items()]
    for name, lines in rows.items():
        listed = ",\n".join(f"    {compact(line)}" for line in lines)
        fields.append(f"  {json.dumps(name)}: [\n{listed}\n  ]" if lines else f"  {json.dumps(name)}: []")
    return "{\n" + ",\n".join(fields) + "\n}\n"


def to_markdown(answer: Answer) -> str:
    """A Markdown table; numbers to the right, errors beside them."""
    lines = [
        [_escaped(name) for name in answer.columns],
        [":--" if textual(type_) else "--:" for type_ in answer.types],
        *([_marked(value, pair) for value, pair in zip(row, pairs, strict=True)]
          for row, pairs in zip(answer.rows, answer.intervals, strict=True)),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _marked(value: object, interval: tuple[object, object] | None) -> str:
    shown, error = cell(value, interval)
    if isinstance(value, str):
        shown = _escaped(value)         # whole: a report is no terminal
    return f"{shown} {error}".strip()


def _escaped(text: str) -> str:
    for mark in "\\|<*_`":
        text = text.replace(mark, "\\" + mark)
    return "<br>".join(text.splitlines())


def dumped(value: object) -> str:
    """A value of lists, dicts and scalars as JSON for people and programs. What JSON cannot say exactly is a string."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=2)


def compact(value: object) -> str:
    """As `dumped`, on one line."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _name(key: object) -> str:
    """A key of a map: JSON has texts only."""
    return key if isinstance(key, str) else str(_plain(key))


def _plain(value: object) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            near = float(value)
            return near if Decimal(repr(near)) == value else str(value)
        case datetime.date():
            return value.isoformat()
        case list() | tuple():
            return [_plain(item) for item in value]
        case dict():
            return {_name(name): _plain(item) for name, item in value.items()}
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
