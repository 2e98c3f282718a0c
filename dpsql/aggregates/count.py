"""COUNT(*) and COUNT(x): rows, or rows where x is not NULL. COUNT(DISTINCT unit): units, one per unit and group."""

from __future__ import annotations

from dataclasses import replace

from dpsql.aggregates.base import Family, Given, Noisy, Partial, Released, allowed
from dpsql.expression import BIGINT, INTEGER, Kind, Lit, Scalar, SqlType
from dpsql.program import Measure
from dpsql.relation import Fold

ROWS = Partial(Fold.ROWS, None, 0, 1)
UNITS = Partial(Fold.MAX, Lit(1, INTEGER), 0, 1)


def counting(row: Scalar | None, given: Given) -> Partial:
    """The partial that counts the rows where `row` is not NULL (and no NaN, for a row on the grid)."""
    return ROWS if row is None or not given.nullable(row) else Partial(Fold.COUNT, row, 0, 1)


def _rows(measure: Measure, given: Given) -> tuple[Partial, ...]:
    # COUNT(x) counts NaN: only NULL is left out, so a DOUBLE that the schema keeps from NULL counts every row
    plain = measure.arg is not None and measure.arg.type.kind is Kind.DOUBLE
    found = Partial(Fold.COUNT, measure.arg, 0, 1) if plain else counting(measure.arg, given)
    return (replace(found, within=allowed(measure)),)


def _units(measure: Measure, given: Given) -> tuple[Partial, ...]:
    return (UNITS if measure.arg is None else Partial(Fold.MAX, measure.arg, 0, 1),)


def _finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
    """The noisy count itself, plus and minus the quantile of its noise. It may be negative: sums stay unbiased."""
    (total,) = noisy
    margin = total.margin
    return Released(
        total.shown, [value - margin for value in total.values], [value + margin for value in total.values]
    )


def _bigint(measure: Measure) -> SqlType:
    return BIGINT


COUNT = Family(_rows, _bigint, _finish)
COUNT_UNITS = Family(_units, _bigint, _finish)
