"""finish: SQL over released and public tables alone, with the intervals of what it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dpsql.ends import ends
from dpsql.engines.scratch import Scratch, Table
from dpsql.noise.joint import joint_reach, own_reach
from dpsql.plan import Plan
from dpsql.release import ReleasedTable
from dpsql.render import checked
from dpsql.statement import Statement

Ends = tuple[object, object] | None
Column = list[Ends]         # the intervals of one output
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

    An output that is a released measure keeps that measure's interval. One computed row by row from several takes what
    each can move it by, alone, within its own interval, as an independent error: exact for one measure, within a point
    of the level for sums and ratios of independent ones. Others (windows, aggregates of released values, DISTINCT)
    have none. Raises ExecutionError when the engine fails.
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
    intervals = _ends(rows, shape, plan)
    return Finished(
        tuple(names[:width]), _types(quoted[:width]), tuple(tuple(row[:width]) for row in rows),
        tuple(zip(*intervals, strict=True)) if width else ((),) * len(rows),
        tuple(of is None or bool(of) for of in shape),
    )


def _types(quoted: Sequence[str]) -> tuple[str, ...]:
    """DuckDB writes the type of a bare NULL in quotes."""
    return tuple(type_.strip('"') for type_ in quoted)


def _ends(rows: Sequence[Sequence[object]], shape: Sequence[Mapping[int, object] | None], plan: Plan) -> list[Column]:
    """The intervals of each output, over all rows."""
    place = len(shape)
    found: list[Column] = []
    for i, measures in enumerate(shape):
        start, place = place, place + 2 * len(measures or ())
        values = [row[i] for row in rows]
        pairs = [list(zip(row[start:place:2], row[start + 1 : place : 2], strict=True)) for row in rows]
        match len(measures or ()):
            case 0:
                found.append([None] * len(rows))
            case 1:
                found.append([_ordered(value, *pair) for value, (pair,) in zip(values, pairs, strict=True)])
            case _:
                found.append(_combined(values, pairs, plan))
    return found


def _ordered(value: object, a: object, b: object) -> Ends:
    if a is None or b is None or value is None:
        return None
    if isinstance(a, dict | list):
        return a, b                 # each part at its own end
    low, high = (a, b) if a <= b else (b, a)  # type: ignore[operator]
    # one over a number near 0, say, is no longer between what it is at the ends
    return (low, high) if low <= value <= high else None  # type: ignore[operator]


def _combined(values: Sequence[object], ends: Sequence[Sequence[tuple[object, object]]], plan: Plan) -> Column:
    """Independent errors, upwards and downwards apart, reach together as far as `joint_reach` says."""
    numbers = [_floats(value, *pair) for value, pair in zip(values, ends, strict=True)]
    known = np.array([each for each in numbers if each is not None])
    if not known.size:
        return [None] * len(values)
    centre, moved = known[:, 0], known[:, 1:].T.reshape(-1, 2, len(known))
    laplace, level = not all(map(_normal, plan.statements)), plan.statements[0].level
    own = own_reach(laplace, level)
    with np.errstate(invalid="ignore", over="ignore"):
        up, down = (
            joint_reach(np.maximum(away, 0.0) / own, laplace, level)
            for away in (moved.max(axis=1) - centre, centre - moved.min(axis=1))
        )
    pairs = zip((centre - down).tolist(), (centre + up).tolist(), strict=True)
    found = (None if each is None else next(pairs) for each in numbers)
    return [pair if pair is not None and pair[0] <= pair[1] else None for pair in found]       # NaN has no place


def _floats(value: object, *ends: tuple[object, object]) -> list[float] | None:
    try:
        return [float(each) for each in (value, *(end for pair in ends for end in pair))]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _normal(statement: Statement) -> bool:
    """Whether all its noise is Gaussian."""
    noises = [noise for noise in statement.noises if noise is not None]
    noises += [statement.chosen.noise] if statement.chosen is not None else []
    return not statement.sides and all(noise.gaussian for noise in noises)
