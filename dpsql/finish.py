"""finish: SQL over released and public tables alone, with the intervals of what it computes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dpsql.ends import ends
from dpsql.engines.scratch import Scratch, Table
from dpsql.plan import Plan
from dpsql.release import ReleasedTable
from dpsql.render import checked

Ends = tuple[object, object] | None
Loaded = tuple[Table, Sequence[tuple[object, ...]]]


@dataclass(frozen=True, slots=True)
class Finished:
    """The rows of the answer, with their intervals beside them and which columns are noisy."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    intervals: tuple[tuple[Ends, ...], ...]
    noisy: tuple[bool, ...]


def tables(plan: Plan) -> tuple[Table, ...]:
    """The released tables of a plan, as the finish's database declares them before there are rows."""
    return tuple(Table(statement.question.ask.name, statement.released) for statement in plan.statements)


def finish(plan: Plan, released: Sequence[ReleasedTable], scratch: Scratch) -> Finished:
    """Runs the finish over the released tables.

    An output that is a released measure keeps that measure's interval. One computed row by row from several gets the
    root of the summed squares of what each can move it by, alone, within its own interval: exact for one measure,
    within a few points of 95 % for sums and ratios of independent ones. Others (windows, aggregates of released
    values, DISTINCT) have none. Raises ExecutionError when the engine fails.
    """
    loaded = [(Table(table.name, table.columns), table.rows) for table in released]
    try:
        found = _with_ends(plan, loaded, scratch)
    except Exception:               # what is paid for does not fail for its intervals
        found = None
    if found is not None:
        return found
    names, quoted, rows = scratch.run(plan.finish, loaded, plan.program.public)
    nothing, noisy = (None,) * len(names), bool(plan.statements)
    return Finished(
        tuple(names), _types(quoted), tuple(map(tuple, rows)), tuple(nothing for _ in rows), (noisy,) * len(names))


def _with_ends(plan: Plan, loaded: Sequence[Loaded], scratch: Scratch) -> Finished | None:
    """The rows with their intervals; None where rows do not pass through one by one."""
    block = ends(plan.program.finish)
    if block is None:
        return None
    names, quoted, rows = scratch.run(checked(block.query), loaded, plan.program.public)
    width, shape = len(block.outputs), [output.ends for output in block.outputs]
    return Finished(
        tuple(names[:width]), _types(quoted[:width]), tuple(tuple(row[:width]) for row in rows),
        tuple(_ends(row, shape) for row in rows), tuple(of is None or bool(of) for of in shape),
    )


def _types(quoted: Sequence[str]) -> tuple[str, ...]:
    """DuckDB writes the type of a bare NULL in quotes."""
    return tuple(type_.strip('"') for type_ in quoted)


def _ends(row: Sequence[object], shape: Sequence[Mapping[int, object] | None]) -> tuple[Ends, ...]:
    place = len(shape)
    found: list[Ends] = []
    for value, measures in zip(row, shape, strict=False):
        many = len(measures or ())
        pairs = [(row[place + 2 * i], row[place + 2 * i + 1]) for i in range(many)]
        place += 2 * many
        found.append(None if not pairs else _ordered(value, *pairs[0]) if many == 1 else _combined(value, pairs))
    return tuple(found)


def _ordered(value: object, a: object, b: object) -> Ends:
    if a is None or b is None or value is None:
        return None
    if isinstance(a, dict | list):
        return a, b                 # each part at its own end
    low, high = (a, b) if a <= b else (b, a)  # type: ignore[operator]
    # one over a number near 0, say, is no longer between what it is at the ends
    return (low, high) if low <= value <= high else None  # type: ignore[operator]


def _combined(value: object, ends: list[tuple[object, object]]) -> Ends:
    """Independent errors add like the sides of a right angle, upwards and downwards apart."""
    try:
        centre = float(value)  # type: ignore[arg-type]
        pairs = [(float(a), float(b)) for a, b in ends]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    down = math.hypot(*(max(0.0, centre - min(pair)) for pair in pairs))
    up = math.hypot(*(max(0.0, max(pair) - centre) for pair in pairs))
    return (centre - down, centre + up)
