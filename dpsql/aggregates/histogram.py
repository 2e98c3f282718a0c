"""HISTOGRAM over given bins: how many rows stand in each. A measure is one bin: its argument at the value in `more`.

A row stands in one bin, so all bins of an expression together are one count of rows: they share one table, and one
event of the sensitivity of a unit's rows, however many they are (`dpsql.sensitivity.rows_counted`).
"""

from __future__ import annotations

from dpsql.aggregates.base import Given, Kept, Lookup, Tabled
from dpsql.expression import BIGINT, Lit, SqlType
from dpsql.program import Measure


def _lookup(measure: Measure, given: Given) -> Lookup:
    (stated,) = measure.more
    assert measure.arg is not None and isinstance(stated, Lit) and isinstance(stated.value, int), "a bin has a number"
    return Lookup(Kept.BINS, measure.arg, bin=stated.value)


def _bigint(measure: Measure) -> SqlType:
    return BIGINT


TABLED = {"histogram": Tabled(_lookup, _bigint)}
