"""COUNT(DISTINCT x): how many values a group holds. NULL is none; a unit adds so many values to a group at most."""

from __future__ import annotations

from dpsql.aggregates.base import Given, Kept, Lookup, Tabled
from dpsql.expression import BIGINT, SqlType
from dpsql.program import Measure


def _lookup(measure: Measure, given: Given) -> Lookup:
    assert measure.arg is not None, "COUNT(DISTINCT ...) has an argument"
    return Lookup(Kept.DISTINCT, measure.arg)


def _bigint(measure: Measure) -> SqlType:
    return BIGINT


TABLED = {"distinct": Tabled(_lookup, _bigint)}
