"""side: a further statement of a question, which counts single rows, and what is bought from its counts."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from dpsql.aggregates import MAX_COUNT_NOISE, Cells, Lookup
from dpsql.budget.events import Event
from dpsql.catalog import Catalog
from dpsql.derive import derive
from dpsql.domain import Group
from dpsql.guard import MOST_GROUPS
from dpsql.noise import quantile
from dpsql.noise.laplace import laplace_event
from dpsql.noise.spread import SHARE, Spread, spread_event
from dpsql.render import render_with
from dpsql.sensitivity import groups_touched, rows_counted
from dpsql.tabulate import MOST_KEPT, Tabulated, nearest, tabulated

FEW_CELLS = 1 << 12         # of a grid: all are fetched, else those near the ranks wanted


@dataclass(frozen=True, slots=True)
class Choice:
    """What lookups cost together: the noise of a count of distinct values, that of all bins, or a choice by `rank`.

    `spread`, where it was asked for, chooses the interval around what was chosen, for an event of its own.
    """

    lookups: tuple[Lookup, ...]
    rank: quantile.Rank | None
    event: Event
    spread: tuple[Spread, Event] | None = None

    @property
    def events(self) -> tuple[Event, ...]:
        """What it costs in all."""
        return (self.event,) if self.spread is None else (self.event, self.spread[1])

    @property
    def near(self) -> tuple[Fraction, int]:
        """The fraction that a choice by rank looks for, and how many rows from there it must see."""
        assert self.rank is not None, "a value of a grid is chosen by rank"
        return self.rank.fraction, max(self.rank.near, 0 if self.spread is None else self.spread[0].near)


@dataclass(frozen=True, slots=True)
class Side:
    """A further statement of a question, which counts single rows.

    Rows come as (keys, count of distinct cells), or as (keys, cell, count) for bins and where `choices` go by rank:
    with `near`, of the cells near a rank wanted alone, and then also the rows up to the cell and all in the group.
    `groups` and `rows` bound what one unit adds: L0, and rows in a group.
    """

    table: Tabulated
    sql: str
    params: frozenset[str]
    groups: int
    rows: int
    choices: tuple[Choice, ...]
    near: bool = False


def side(
    table: Tabulated, domain: tuple[Group, ...] | None, catalog: Catalog, epsilon: Fraction, most: int | None = None,
    quality: bool = False,
) -> Side:
    """The statement of a table, each of its lookups for `epsilon`; as a promise, with events that never cost less,
    where bounds are open and a unit may touch `most` groups. With `quality` a part of it buys intervals around what is
    chosen by rank. ValueError when `epsilon` is too small for so many."""
    facts, promise = derive(table.guarded, catalog), most is not None
    groups = 1 if promise else groups_touched(table.keys, domain, facts)
    rows = rows_counted(table, facts)
    choices = []
    for lookups in table.bought:
        first = lookups[0]
        if first.grid is None or first.fraction is None:
            if MOST_GROUPS * MOST_KEPT / epsilon > MAX_COUNT_NOISE:
                raise ValueError("the noise might leave its type")
            event = Event.laplace(1, 1 / epsilon) if promise else laplace_event(groups * rows, epsilon, groups)
            choices.append(Choice(lookups, None, event))
            continue
        of = first.fraction, first.grid, rows
        if most is not None:        # for so many there must be a rank too
            _ranked(*of, epsilon, most, quality)
        choices.append(Choice(lookups, *_ranked(*of, epsilon, groups, quality)))
    grid = table.lookups[0].grid
    near = not promise and grid is not None and grid.places > FEW_CELLS
    shown = nearest(table, [choice.near for choice in choices]) if near else tabulated(table)
    sql, params = render_with(shown, catalog)
    return Side(table, sql, params, groups, rows, tuple(choices), near)


def _ranked(
    fraction: Fraction, grid: Cells, rows: int, epsilon: Fraction, groups: int, quality: bool,
) -> tuple[quantile.Rank, Event, tuple[Spread, Event] | None]:
    """The rank of a choice by it and its event; with `quality` also the choice of an interval around, and its own."""
    part = epsilon * SHARE if quality else Fraction(0)
    rank = quantile.rank(fraction, rows, (epsilon - part) / groups, grid.places)
    event = quantile.choice_event(rank, groups)
    if not quality:
        return rank, event, None
    spread = Spread(quantile.Rank(fraction, rows, part / groups, None), grid.places)
    return rank, event, (spread, spread_event(spread, groups))
