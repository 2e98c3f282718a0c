"""The aggregates answered privately, a family a file."""

from dpsql.aggregates import covariance, distinct, histogram, quantile, variance
from dpsql.aggregates.base import (
    MAX_COUNT_NOISE,
    MAX_NOISE,
    MOST_COUNTED,
    MOST_STEPS,
    Cells,
    Family,
    Given,
    Kept,
    Lookup,
    Noisy,
    Number,
    Partial,
    Released,
    Tabled,
    summed,
)
from dpsql.aggregates.count import COUNT, COUNT_UNITS, ROWS, UNITS
from dpsql.aggregates.mean import AVG
from dpsql.aggregates.sum import SUM

FAMILIES: dict[str, Family] = {
    "count": COUNT, "units": COUNT_UNITS, "sum": SUM, "avg": AVG, **variance.FAMILIES, **covariance.FAMILIES,
}
TABLED: dict[str, Tabled] = {**distinct.TABLED, **histogram.TABLED, **quantile.TABLED}

__all__ = [
    "FAMILIES", "MAX_COUNT_NOISE", "MAX_NOISE", "MOST_COUNTED", "MOST_STEPS", "ROWS", "TABLED", "UNITS", "Cells",
    "Family", "Given", "Kept", "Lookup", "Noisy", "Number", "Partial", "Released", "Tabled", "summed",
]
