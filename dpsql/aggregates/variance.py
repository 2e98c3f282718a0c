"""VAR_POP, VAR_SAMP, STDDEV_POP, STDDEV_SAMP: the mean of centred squares less the square of the centred mean."""

from __future__ import annotations

from dpsql.aggregates.base import Family, Given, Noisy, Partial, Released
from dpsql.aggregates.estimate import Estimate, confidence_of_each, mean_of, number_of, released
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


def spread(
    first: tuple[Partial, Noisy], second: tuple[Partial, Noisy], count: Noisy, confidence: float,
) -> tuple[Estimate, Estimate]:
    """The mean and the population variance, which lies between 0 and the square of half the range, if one is stated."""
    mean = mean_of(*first, count, confidence)
    square, partial = mean_of(*second, count, confidence), second[0]
    half = float(partial.high * partial.unit * 2)      # w^2 steps of u^2/8 are half of the largest (x - mid)^2
    return mean, (square - (mean - float(partial.about)).squared()).clipped(0.0, half)


def variance(sample: bool, root: bool) -> Family:
    """The family of a variance: of the population or of a sample, or its root."""

    def finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
        first, second, count = zip(partials, noisy, strict=True)
        confidence = confidence_of_each(3 if sample else 2, count[1].level)
        _, found = spread(first, second, count[1], confidence)
        if sample:
            found = found * _bessel(number_of(count[1], 2, confidence))
        return released(found.root() if root else found)

    return Family(_partials, _type, finish)


def _bessel(count: Estimate) -> Estimate:
    """n / (n - 1), n being at least 2."""
    return (count - 1.0).inverse() + 1.0


FAMILIES = {
    "var_pop": variance(False, False), "var_samp": variance(True, False),
    "stddev_pop": variance(False, True), "stddev_samp": variance(True, True),
}
