"""What a question's released table will hold, known before its noise is planned: names, types, and ranges."""

from __future__ import annotations

from fractions import Fraction

from dpsql.aggregates import FAMILIES, MOST_COUNTED, MOST_STEPS, TABLED
from dpsql.expression import BIGINT, INTEGER, NULL, Column, Kind, SqlType
from dpsql.interval import Interval, between
from dpsql.program import Ask


def released(ask: Ask) -> tuple[Column, ...]:
    """The columns of a question's released table: its keys, then each measure and the ends of its interval."""
    found = [Column(0, key.name, INTEGER if key.scalar.type == NULL else key.scalar.type) for key in ask.keys]
    for i, measure in enumerate(ask.measures):
        type_ = (FAMILIES | TABLED)[measure.family].type(measure)
        proved = _reached(type_) if measure.family in FAMILIES else None
        found += [Column(0, f"a{i + 1}{end}", type_, proved=proved) for end in ("", "_low", "_high")]
    return tuple(found)


def _reached(type_: SqlType) -> Interval | None:
    """What a total and its noise stay within, but for a draw beyond 64 scales."""
    if type_ == BIGINT:
        return between(-MOST_COUNTED, MOST_COUNTED)
    step = 10**type_.scale
    return between(Fraction(-MOST_STEPS, step), Fraction(MOST_STEPS, step)) if type_.kind in (
        Kind.INTEGER, Kind.DECIMAL) else None
