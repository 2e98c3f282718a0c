"""The aggregates answered privately, a family a file."""

from dpsql.aggregates.base import Family, Given, Noisy, Number, Partial, Released
from dpsql.aggregates.count import COUNT, COUNT_UNITS, ROWS, UNITS
from dpsql.aggregates.mean import AVG
from dpsql.aggregates.sum import SUM

FAMILIES: dict[str, Family] = {"count": COUNT, "units": COUNT_UNITS, "sum": SUM, "avg": AVG}

__all__ = ["FAMILIES", "ROWS", "UNITS", "Family", "Given", "Noisy", "Number", "Partial", "Released"]
