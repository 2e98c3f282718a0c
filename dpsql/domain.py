"""domain: the public groups of a question, listed, and the ranges of public columns. Reads public tables only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

from dpsql.catalog import Catalog
from dpsql.expression import DATE, TIMESTAMP, Column, Lit, Ref, columns_of
from dpsql.facts.base import Facts
from dpsql.facts.public import Dated, Domain, Listed
from dpsql.interval import ANY, Interval
from dpsql.program import Ask
from dpsql.relation import Aggregate, Fold, Scan, tables_of
from dpsql.render import render
from dpsql.scalars.ranges import of_literal

MAX_COMBINATIONS = 10_000   # public groups listed, empty ones included; beyond it the keys count as private

Group = tuple[object, ...]
Reader = Callable[[str, tuple[str, ...], int], Sequence[tuple[object, ...]]]
"""Reads public tables only: the rows of a printed statement over the tables named, at most so many."""


def combinations(domain: Domain, keys: int, catalog: Catalog, reader: Reader) -> tuple[Group, ...] | None:
    """Every public group, in key order; None when there are more than MAX_COMBINATIONS."""
    parts: list[tuple[tuple[int, ...], list[Group]]] = []
    indices: tuple[int, ...]
    rows: list[Group]
    count = 1
    dated = {index for part in domain if isinstance(part, Dated) for index in part.keys}
    for part in domain:
        if isinstance(part, Listed) and part.key in dated:
            continue
        if isinstance(part, Dated):
            indices, rows = part.keys, list(part.combinations)
        elif isinstance(part, Listed):
            indices, rows = (part.key,), [(value,) for value in part.values]
        else:
            indices = part.keys
            sql = render(part.relation, catalog, order=True, public=True)
            rows = list(reader(sql, tables_of(part.relation), MAX_COMBINATIONS + 1))
            nothing = (None,) * len(indices)
            if part.null and nothing not in rows:
                rows.append(nothing)
        parts.append((indices, rows))
        count *= len(rows)
        if count > MAX_COMBINATIONS:
            return None
    found = []
    for choice in product(*(rows for _, rows in parts)):
        values: list[object] = [None] * keys
        for (indices, _), row in zip(parts, choice, strict=True):
            for index, value in zip(indices, row, strict=True):
                values[index] = value
        found.append(tuple(values))
    return tuple(dict.fromkeys(found))      # a group listed twice would be released twice for the price of once


def with_public_ranges(facts: Facts, ask: Ask, catalog: Catalog, reader: Reader) -> Facts:
    """The facts of a question's rows, with the ranges of what its measures read of public tables.

    What a public table holds is public, so its smallest and largest value may choose a clip as a declared range does.
    """
    scalars = [scalar for measure in ask.measures for scalar in (measure.arg, *measure.more) if scalar is not None]
    read = dict.fromkeys(column for scalar in scalars for column in columns_of(scalar))
    found = {
        column.id: interval for column in read
        if column.table is not None and catalog.rules(column.table).public
        and (column.type.numeric or column.type in (DATE, TIMESTAMP))
        and not facts.intervals.get(column.id, ANY).finite
        and (interval := _extent(column, catalog, reader)) is not None
    }
    return replace(facts, intervals={**facts.intervals, **found}) if found else facts


def _extent(column: Column, catalog: Catalog, reader: Reader) -> Interval | None:
    """The smallest and largest value of a public column; None where there is none, or one is not finite."""
    assert column.table is not None, "a public column is stored"
    ends = tuple((Column(-1 - i, fold.name.lower(), column.type), fold, Ref(column))
                 for i, fold in enumerate((Fold.MIN, Fold.MAX)))
    sql = render(Aggregate(Scan(column.table, (column,)), (), ends), catalog, public=True)
    rows = reader(sql, (column.table,), 1)
    if not rows:
        return None
    low, high = (of_literal(Lit(value, column.type)) for value in rows[0])  # type: ignore[arg-type]
    return low.hull(high) if low.finite and high.finite else None
