"""run: the statements of a charged plan in their order, each released before the next reads what it fed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from dpsql.choose import choose
from dpsql.engines.base import Engine, Rows
from dpsql.engines.scratch import Scratch
from dpsql.errors import InternalError
from dpsql.finish import tables
from dpsql.noise.entropy import salt
from dpsql.plan import Plan
from dpsql.probe import parameters
from dpsql.program import Feed
from dpsql.release import ReleasedTable, release, shares
from dpsql.warn import clipped, cut


def run(plan: Plan, engine: Engine, scratch: Scratch) -> tuple[ReleasedTable, ...]:
    """The released tables of a plan. Needs its charge to be durable. ExecutionError when the engine fails.

    Theorem: the tables together are differentially private with the events of all statements.
    Proof: each statement is fixed by the plan but for its parameters, a secret salt and values computed from tables
    released before; its sensitivities hold for every value of these. So this is adaptive composition of the releases.
    Needs: `release`; a feed reads released and public tables only (its database holds no others).
    Source: design.md, section 2, Programs.
    """
    fed: dict[str, object] = {}
    released: list[ReleasedTable] = []
    for statement in plan.statements:
        for feed, sql in zip(plan.program.feeds, plan.feeds, strict=True):
            if feed.after == len(released):
                fed |= _fed(feed, sql, plan, released, scratch)
        # one salt a question, whose statements then keep the same groups of a unit
        ladders = parameters(statement.opening.probe) if statement.opening is not None else {}
        ask = partial(_asked, engine, {**fed, **ladders, "salt": salt()})
        chosen, rows = choose(statement, ask)
        table = release(chosen, rows, *(ask(side.sql, side.params) for side in chosen.sides))
        shown = clipped(chosen, shares(chosen, [ask(tally.sql, tally.params) for tally in chosen.tallies]))
        notes = (*cut(statement, chosen, table.unseen), *map(str, shown))
        released.append(replace(table, notes=notes, clipped=shown))
    return tuple(released)


def _asked(engine: Engine, values: Mapping[str, object], sql: str, params: frozenset[str]) -> Rows:
    return engine.run(sql, {name: values[name] for name in params})


def _fed(
    feed: Feed, sql: str, plan: Plan, released: Sequence[ReleasedTable], scratch: Scratch,
) -> dict[str, object]:
    """The parameters of one feed: a list for each of its columns, or the only row's values."""
    loaded = [(table, one.rows) for table, one in zip(tables(plan), released, strict=False)]
    _, _, rows = scratch.run(sql, loaded, feed.public)
    keys = [row[: feed.unique] for row in rows if feed.unique and None not in row[: feed.unique]]
    if len(set(keys)) < len(keys):
        raise InternalError("a feed repeats its key")
    if feed.single:
        rows = rows[:1] or [(None,) * len(feed.types)]
        return {f"{feed.name}_c{i + 1}": value for i, value in enumerate(rows[0])}
    return {f"{feed.name}_c{i + 1}": [row[i] for row in rows] for i in range(len(feed.types))}
