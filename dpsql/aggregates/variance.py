"""VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP: the mean of centred squares less the square of the centred mean."""

from __future__ import annotations

from dpsql.aggregates.base import Family, Given, Noisy, Partial, Released
from dpsql.aggregates.estimate import Floats, Moments, estimated, largest, released, sampled
from dpsql.aggregates.moments import mean_partials, squared
from dpsql.aggregates.sum import summing
from dpsql.expression import DOUBLE, SqlType
from dpsql.program import Measure


def _partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
    assert measure.arg is not None, "a variance has an argument"
    number = given.coarse(measure.arg)
    first, count = mean_partials(measure.arg, given)
    square = summing(given.product(measure.arg, measure.arg)) if number.loose else squared(number)
    return first, square, count


def _type(measure: Measure) -> SqlType:
    return DOUBLE


def variance(sample: bool, root: bool) -> Family:
    """The family of a variance: of the population or of a sample, or its root."""

    def finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
        bought = dict(zip("yqn", zip(partials, noisy, strict=True), strict=True))
        found = estimated(bought, _of_sample if sample else _of_population)
        found = found.clipped(0.0, largest(bought, "q") * (2 if sample else 1))
        return released(found.root() if root else found)

    return Family(_partials, _type, finish)


def _of_population(moments: Moments) -> Floats:
    return moments.y_variance


def _of_sample(moments: Moments) -> Floats:
    return moments.y_variance * sampled(moments.n)


FAMILIES = {
    "var_pop": variance(False, False), "var_samp": variance(True, False),
    "stddev_pop": variance(False, True), "stddev_samp": variance(True, True),
}
