"""Statements prepared, and portals: one statement with its values, its answer handed out in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from dpsql.doors.serve import messages as say
from dpsql.doors.serve.commands import Command, Fetch
from dpsql.doors.serve.copying import line
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.messages import Field
from dpsql.doors.serve.office import Outcome
from dpsql.doors.serve.values import encoder


@dataclass(slots=True)
class Prepared:
    """A statement under a name (None: an empty one), the types of its parameters, and its columns once described."""

    command: Command | None
    text: str
    types: tuple[int, ...]
    described: tuple[Field, ...] | None = None
    settled: bool = False       # whether no type is open any more


@dataclass(slots=True)
class Portal:
    """A statement with its values. `outcome` is there once it ran; `at` is how many of its rows were passed.

    `hold`: it outlives its transaction. `promised` are the columns a client was told of the statement.
    """

    command: Command | None
    values: tuple[object, ...] = ()
    formats: tuple[int, ...] = ()
    hold: bool = False
    promised: tuple[Field, ...] | None = None
    outcome: Outcome | None = None
    at: int = 0
    codes: tuple[int, ...] = field(default=())

    def format_codes(self, count: int) -> tuple[int, ...]:
        """A format for each of `count` columns. Failure 08P01 when the client gave another number of them."""
        if len(self.formats) in (0, 1):
            return (self.formats or (0,)) * count
        if len(self.formats) != count:
            raise Failure("08P01", f"{len(self.formats)} formats were given for {count} columns")
        return self.formats

    def move(self, fetch: Fetch) -> Sequence[Sequence[object]]:
        """The rows that a FETCH hands out; the portal then stands behind (or before) them."""
        assert self.outcome is not None
        rows = self.outcome.rows
        if fetch.mode != "relative":
            assert fetch.count is not None
            base = self.at if fetch.mode == "step" else 0 if fetch.count >= 0 else len(rows) + 1
            self.at = min(max(0, base + fetch.count), len(rows) + 1)
            return rows[self.at - 1 : self.at] if 1 <= self.at <= len(rows) else []
        if fetch.count == 0:
            return rows[self.at - 1 : self.at] if 1 <= self.at <= len(rows) else []
        if fetch.back:
            first = 0 if fetch.count is None else max(0, self.at - 1 - fetch.count)
            found = rows[first : max(0, self.at - 1)]
            self.at = 0 if fetch.count is None or fetch.count > len(found) else first + 1
            return list(found)[::-1]
        found = rows[self.at :] if fetch.count is None else rows[self.at : self.at + fetch.count]
        self.at = len(rows) + 1 if fetch.count is None or fetch.count > len(found) else self.at + len(found)
        return found


def printed(outcome: Outcome, codes: Sequence[int], rows: Sequence[Sequence[object]]) -> Iterator[bytes]:
    """The messages of some rows of an answer."""
    if outcome.form is not None:
        for row in rows:
            yield say.copy_data(line(row, outcome.form))
        return
    encoders = [encoder(each.oid, code) for each, code in zip(outcome.fields or (), codes, strict=True)]
    for row in rows:
        yield say.data_row(
            None if value is None else encode(value) for value, encode in zip(row, encoders, strict=True))
