"""What a terminal shows: folded to its width, coloured where it has colours, with a line that says what one waits for.

A pipe or a file is a screen without width and colours: nothing is folded there.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from dpsql.answer import Answer
from dpsql.errors import QueryError, caret
from dpsql.table import cell, doubtful, plain, table

COLOURS = {"red": "31", "green": "32", "bold": "1", "dim": "2"}
NARROW = 20         # columns that a folded column gets at least
CARET_MARGIN = 14   # columns beside the shown part of a query's line: "line 12: ", and two ellipses


@dataclass(frozen=True, slots=True)
class Screen:
    """`width` in columns of the terminal, None where there is none; `colour` says whether it shows any."""

    width: int | None = None
    colour: bool = False

    def paint(self, colour: str, text: str) -> str:
        """The text in a colour of COLOURS, where there are colours."""
        return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if self.colour else text

    def fold(self, text: str, indent: str = "") -> str:
        """Lines no longer than the screen, broken between words; what continues a line is indented under it."""
        if self.width is None:
            return textwrap.indent(text, indent)
        lines = []
        for line in text.splitlines():
            inner = " " * (len(line) - len(line.lstrip()))
            lines += textwrap.wrap(
                line.lstrip(), max(NARROW, self.width), initial_indent=indent + inner,
                subsequent_indent=f"{indent}{inner}  ", break_on_hyphens=False, expand_tabs=False,
                replace_whitespace=False,
            ) or [""]
        return "\n".join(lines)

    def told(self, error: BaseException) -> str:
        """An error for whoever can mend it; the part of a query it speaks of stands over its carets, on one line."""
        if isinstance(error, OSError) and error.filename is not None:
            return self.fold(f"error: {error.filename}: {error.strerror}")
        if not isinstance(error, QueryError) or self.width is None:
            return self.fold(f"error: {error}")
        parts = [self.fold(f"error: {error.reason}")]
        if error.sql is not None and error.start is not None:
            parts.append(caret(error.sql, error.start, error.end, max(NARROW, self.width - CARET_MARGIN)))
        if error.hint:
            parts.append(self.fold(f"hint: {error.hint}"))
        return "\n".join(parts)

    def answered(self, answer: Answer, limit: int | None = None) -> str:
        """The rows as a table, as one record a row where that is too wide, then the warnings and the bill.

        A cell is red when its error passes a quarter of its value.
        """
        grid = table(answer.columns, answer.types, answer.rows, answer.intervals, limit)
        if answer.rows and self.width is not None and any(len(line) > self.width for line in grid.splitlines()):
            grid = self._records(answer, limit)
        elif self.colour:
            grid = table(answer.columns, answer.types, answer.rows, answer.intervals, limit, self._red)
        notes = [self.fold(note) for note in answer.notes()]
        return "\n".join([grid, *notes, self.paint("dim", self.fold(answer.bill()))])

    def _records(self, answer: Answer, limit: int | None) -> str:
        names = [plain(name) for name in answer.columns]
        wide = max(map(len, names))
        blocks = []
        for number, (row, pairs) in enumerate(zip(answer.rows[:limit], answer.intervals[:limit], strict=True), 1):
            lines = [self.paint("dim", f"--- row {number}")]
            for name, value, pair in zip(names, row, pairs, strict=True):
                shown = " ".join(part for part in cell(value, pair) if part)
                lines.append(f"{name:<{wide}}  {self._red(shown) if doubtful(value, pair) else shown}")
            blocks.append("\n".join(lines))
        if limit is not None and limit < len(answer.rows):
            blocks.append(f"... {len(answer.rows) - limit} more of {len(answer.rows)} rows")
        return "\n".join(blocks)

    def _red(self, text: str) -> str:
        return self.paint("red", text)

    def grid(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Left-aligned columns under a rule; the last one is folded where the lines would be too long."""
        rows = [head, *rows]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        before = sum(width + 2 for width in widths[:-1])
        if self.width is not None:
            widths[-1] = min(widths[-1], max(NARROW, self.width - before))
        lines = []
        for row in (rows[0], ["-" * width for width in widths], *rows[1:]):
            start = "".join(f"{text:<{width}}  " for text, width in zip(row[:-1], widths, strict=False))
            folded = textwrap.wrap(row[-1], max(1, widths[-1]), break_on_hyphens=False) if row[-1] else [""]
            lines.append((start + folded[0]).rstrip())
            lines += [" " * before + text for text in folded[1:]]
        return "\n".join(lines)


    def listed(self, rows: Sequence[tuple[str, str]]) -> str:
        """Terms beside what is said of them, or above it where the screen is too narrow for both."""
        beside = max(len(term) for term, _ in rows) + 2
        if self.width is not None and self.width < beside + 2 * NARROW:
            return "\n".join(f"{term}\n{self.fold(text, '    ')}" for term, text in rows)
        return "\n".join(self.grid((" " * (beside - 2), ""), [row]).split("\n", 2)[2] for row in rows)


def screen(stream: TextIO) -> Screen:
    """The screen behind a stream. NO_COLOR and TERM=dumb are respected."""
    if not stream.isatty():
        return Screen()
    colour = not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    return Screen(shutil.get_terminal_size().columns, colour)


@contextmanager
def busy(text: str) -> Iterator[Callable[[str], None]]:
    """A line on the terminal while one waits; the function given changes it. Nothing where errors go elsewhere."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    try:
        from rich.console import Console
    except ImportError:
        yield lambda text: print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        return
    with Console(stderr=True).status(text) as status:
        yield status.update
