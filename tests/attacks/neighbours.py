"""What removing one unit changes of everything that a query counts, measured on two databases with the query's own SQL.

Noise comes last, so the distance is exact: the statements that ran, with their salt and what earlier stages released,
run again over the neighbour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dpsql import run
from dpsql.release import steps
from dpsql.render import render_with
from dpsql.session import Session
from dpsql.side import Side
from dpsql.statement import Statement
from dpsql.tabulate import tabulated
from dpsql.tally import Tally

Key = tuple[object, ...]


@dataclass(frozen=True)
class Ran:
    """A statement with its bounds chosen, and the parameters it had."""

    statement: Statement
    values: Mapping[str, object]


@contextmanager
def recorded() -> Iterator[list[Ran]]:
    """The statements that queries within run. Of one session and thread."""
    found: list[Ran] = []
    values: dict[str, object] = {}
    release, asked = run.release, run._asked

    def keeping(statement: Statement, *rows: Any) -> Any:
        found.append(Ran(statement, dict(values)))
        return release(statement, *rows)

    def asking(engine: Any, given: Mapping[str, object], *sql: Any) -> Any:
        values.clear()
        values.update(given)
        return asked(engine, given, *sql)

    run.release, run._asked = keeping, asking       # type: ignore[assignment]
    try:
        yield found
    finally:
        run.release, run._asked = release, asked


def distances(ran: Ran, session: Session, neighbour: Session) -> list[str]:
    """Where removing the unit changes more than the statement's bounds admit; empty when it is within all of them."""
    statement, found = ran.statement, []
    before, after = (_totals(ran, each) for each in (session, neighbour))
    nothing = [0] * (len(statement.constant) + 1)
    pairs = [(before.get(key, nothing), after.get(key, nothing)) for key in before.keys() | after.keys()]
    changed = [[a - b for a, b in zip(one, other, strict=True)] for one, other in pairs if one != other]
    if len(changed) > statement.groups:
        found.append(f"{len(changed)} groups change, not {statement.groups}")
    if any(not 0 <= row[-1] <= 1 for row in changed):
        found.append("a group has several units more or fewer")
    for i, sensitivity in enumerate(statement.sensitivities):
        if sum(abs(row[i]) for row in changed) > sensitivity:
            found.append(f"total {i} changes by more than {sensitivity}")
        if any(abs(row[i]) * statement.groups > sensitivity for row in changed):
            found.append(f"total {i} changes by more than its share in one group")
    for side in statement.sides:
        found += _side(ran, side, session, neighbour)
    for tally in statement.tallies:
        found += _tally(ran, tally, session, neighbour)
    return found


def _totals(ran: Ran, session: Session) -> dict[Key, list[int]]:
    """The totals of every partial and the units, by group; of public groups those that are released."""
    statement, found = ran.statement, {}
    keys = len(statement.question.keys)
    if not statement.sql:
        return {}
    totals = zip(statement.question.totals, statement.constant, strict=True)
    scales = [total.type.scale for total, constant in totals if not constant]
    for row in session.engine.run(statement.sql, {name: ran.values[name] for name in statement.params}).values:
        exact = iter([steps(value, scale) for value, scale in zip(row[keys:-1], scales, strict=True)])
        units = steps(row[-1], 0)
        if statement.domain is None or not keys or row[:keys] in statement.domain:
            key = _plain(row[:keys])
            assert key not in found, "a group is counted twice"
            found[key] = [*(units if constant else next(exact) for constant in statement.constant), units]
    return found


def _side(ran: Ran, side: Side, session: Session, neighbour: Session) -> list[str]:
    before, after = (_counts(ran, side, each) for each in (session, neighbour))
    if after - before:
        return ["rows are counted that were not there"]
    by_group: Counter[Key] = Counter()
    for key, fallen in (before - after).items():
        by_group[key[: len(side.table.keys)]] += fallen
    found = [f"{len(by_group)} groups change, not {side.groups}"] if len(by_group) > side.groups else []
    return found + [f"{n} rows of a group change" for n in by_group.values() if n > side.rows]


def _tally(ran: Ran, tally: Tally, session: Session, neighbour: Session) -> list[str]:
    before, after = (_tallied(ran, tally, each) for each in (session, neighbour))
    events = [*[tally.changed] * len(tally.cuts), tally.every]
    return [f"a count of what was cut changes by {one - other}" for one, other, event in zip(
        before, after, events, strict=True) if not 0 <= one - other <= event.sensitivity]


def _tallied(ran: Ran, tally: Tally, session: Session) -> list[int]:
    rows = session.engine.run(tally.sql, {name: ran.values[name] for name in tally.params}).values
    kept = [row[tally.keys:] for row in rows if not tally.keys or row[: tally.keys] in (ran.statement.domain or ())]
    return [sum(steps(row[i], 0) for row in kept) for i in range(len(tally.cuts) + 1)]


def _counts(ran: Ran, side: Side, session: Session) -> Counter[Key]:
    sql, params = render_with(tabulated(side.table), session.catalog) if side.near else (side.sql, side.params)
    keys, found = len(side.table.keys), Counter[Key]()
    for *key, count in session.engine.run(sql, {name: ran.values[name] for name in params}).values:
        domain = ran.statement.domain
        if domain is None or not ran.statement.question.keys or tuple(key[:keys]) in domain:
            found[_plain(tuple(key))] += steps(count, 0)
    return found


def _plain(key: Key) -> Key:
    """A key that equals itself."""
    return tuple("nan" if value != value else value for value in key)
