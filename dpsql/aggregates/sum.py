"""SUM(x): the total in exact steps; over nothing it is 0."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Context, Decimal

from dpsql.aggregates.base import Family, Given, Noisy, Number, Partial, Released, allowed, summed
from dpsql.expression import Kind, SqlType
from dpsql.program import Measure
from dpsql.relation import Fold


def _float(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator
    except OverflowError:
        return math.copysign(math.inf, numerator)


_WIDE = Context(prec=100)   # digits; a total has at most 39


def summing(number: Number) -> Partial:
    """The partial that adds up a number's rows."""
    return Partial(Fold.SUM, number.row, number.low, number.high, number.unit, loose=number.loose)


def exactly(steps: int, scale: int) -> Decimal:
    """steps / 10^scale, all digits kept whatever Python's decimal context says."""
    return _WIDE.scaleb(Decimal(steps), -scale)


def _partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
    assert measure.arg is not None, "SUM has an argument"
    number = given.number(measure.arg)
    return (replace(summing(number), within=allowed(measure, number.unit)),)


def _type(measure: Measure) -> SqlType:
    assert measure.arg is not None, "SUM has an argument"
    return summed(measure.arg.type)


def _finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
    (total,) = noisy
    margin = total.margin

    def shown(steps: int) -> object:
        match type_.kind:
            case Kind.INTEGER:
                return steps
            case Kind.DECIMAL:
                return exactly(steps, type_.scale)
            case _:
                return _float(steps * total.unit.numerator, total.unit.denominator)

    return Released(
        [shown(value) for value in total.values],
        [shown(value - margin) for value in total.values],
        [shown(value + margin) for value in total.values],
    )


SUM = Family(_partials, _type, _finish)
