"""COVAR_POP, COVAR_SAMP, CORR and the REGR functions of (y, x), over the rows that have both.

Every one is made of the same partials (the count of pairs, centred sums, squares and products), so that several of
them of one pair share what they buy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dpsql.aggregates.base import Family, Given, Noisy, Partial, Released
from dpsql.aggregates.count import COUNT
from dpsql.aggregates.estimate import Estimate, confidence_of_each, mean_of, number_of, released
from dpsql.aggregates.moments import beside, centred, crossed, squared
from dpsql.aggregates.sum import summing
from dpsql.expression import BIGINT, DOUBLE, SqlType
from dpsql.program import Measure
from dpsql.relation import Fold


@dataclass(frozen=True, slots=True)
class Pair:
    """The moments of a group of pairs: means and variances of y and x, and their covariance."""

    y: Estimate
    x: Estimate
    count: Estimate
    covariance: Estimate
    y_variance: Estimate
    x_variance: Estimate


def paired(needs: str, formula: Callable[[Pair], Estimate]) -> Family:
    """A family of pairs. `needs` names the moments it buys beside the count, a letter each:

    y and x for the means, p for the product, q and r for the squares of y and x.
    """

    def partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
        bought = _moments(measure, given)
        return (bought["n"], *(bought[letter] for letter in needs))

    def finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
        found = dict(zip("n" + needs, zip(partials, noisy, strict=True), strict=True))
        return released(formula(_pair(found)))

    return Family(partials, lambda measure: DOUBLE, finish)


def _moments(measure: Measure, given: Given) -> dict[str, Partial]:
    assert measure.arg is not None, "a pair has two arguments"
    y, x = given.coarse(measure.arg), given.coarse(measure.more[0])
    loose = y.loose or x.loose          # then nothing is centred
    product = summing(given.product(measure.arg, measure.more[0])) if loose else crossed(y, x)
    nullable = given.nullable(y.row) or given.nullable(x.row)
    count = Partial(Fold.COUNT, product.row, 0, 1) if nullable else Partial(Fold.ROWS, None, 0, 1)
    first = summing if loose else centred
    q, r = (
        summing(given.product(arg, arg)) if loose else squared(each)
        for arg, each in ((measure.arg, y), (measure.more[0], x))
    )
    return {
        "n": count, "y": beside(first(y), x, given), "x": beside(first(x), y, given), "p": product,
        "q": beside(q, x, given), "r": beside(r, y, given),
    }


def _pair(found: dict[str, tuple[Partial, Noisy]]) -> Pair:
    """The moments that were bought; what was not bought is unknown (NaN)."""
    count = found["n"][1]
    confidence = confidence_of_each(len(found), count.level)
    nothing = np.full(len(count.values), np.nan)
    means = {letter: mean_of(*found[letter], count, confidence) for letter in found if letter != "n"}
    unknown = Estimate(nothing, nothing, nothing)
    middle = {
        letter: float((partial.centre or 0) * partial.unit) if letter in "yx" else 0.0
        for letter, (partial, _) in found.items()
    }
    y, x = (means.get(letter, unknown) for letter in "yx")
    from_y, from_x = y - middle.get("y", 0.0), x - middle.get("x", 0.0)
    halves = {letter: float(found[letter][0].high * found[letter][0].unit) for letter in found}
    covariance = unknown
    if "p" in means:
        covariance = (means["p"] - from_y * from_x).clipped(-halves["p"], halves["p"])
    variances = [
        (means[square] - from_.squared()).clipped(0.0, 2 * halves[square]) if square in means else unknown
        for square, from_ in (("q", from_y), ("r", from_x))
    ]
    number = number_of(count, 2, confidence)
    return Pair(y, x, number, covariance, *variances)


def _covar_samp(pair: Pair) -> Estimate:
    return pair.covariance * ((pair.count - 1.0).inverse() + 1.0)


def _corr(pair: Pair) -> Estimate:
    spread = pair.y_variance.root() * pair.x_variance.root()
    return (pair.covariance * spread.inverse()).clipped(-1.0, 1.0)


def _slope(pair: Pair) -> Estimate:
    return pair.covariance * pair.x_variance.inverse()


def _intercept(pair: Pair) -> Estimate:
    return pair.y - _slope(pair) * pair.x


def _regr_count() -> Family:
    def partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
        return (_moments(measure, given)["n"],)

    return Family(partials, lambda measure: BIGINT, COUNT.finish)


FAMILIES = {
    "covar_pop": paired("yxp", lambda pair: pair.covariance),
    "covar_samp": paired("yxp", _covar_samp),
    "corr": paired("yxpqr", _corr),
    "regr_slope": paired("yxpr", _slope),
    "regr_intercept": paired("yxpr", _intercept),
    "regr_r2": paired("yxpqr", lambda pair: _corr(pair).squared()),
    "regr_syy": paired("yq", lambda pair: pair.y_variance * pair.count),
    "regr_sxx": paired("xr", lambda pair: pair.x_variance * pair.count),
    "regr_sxy": paired("yxp", lambda pair: pair.covariance * pair.count),
    "regr_avgy": paired("y", lambda pair: pair.y),
    "regr_avgx": paired("x", lambda pair: pair.x),
    "regr_count": _regr_count(),
}
