"""The aggregates answered privately, a family a file."""

from dpsql.aggregates import covariance, distinct, histogram, quantile, variance
from dpsql.aggregates.base import Cells, Family, Given, Kept, Lookup, Noisy, Number, Partial, Released, Tabled
from dpsql.aggregates.count import COUNT, COUNT_UNITS, ROWS, UNITS
from dpsql.aggregates.mean import AVG
from dpsql.aggregates.sum import SUM

FAMILIES: dict[str, Family] = {
    "count": COUNT, "units": COUNT_UNITS, "sum": SUM, "avg": AVG, **variance.FAMILIES, **covariance.FAMILIES,
}
TABLED: dict[str, Tabled] = {**distinct.TABLED, **histogram.TABLED, **quantile.TABLED}

__all__ = [
    "FAMILIES", "ROWS", "TABLED", "UNITS", "Cells", "Family", "Given", "Kept", "Lookup", "Noisy", "Number", "Partial",
    "Released", "Tabled",
]
