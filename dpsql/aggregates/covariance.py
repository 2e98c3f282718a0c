"""COVAR_POP, COVAR_SAMP, CORR and the REGR functions of (y, x), over the rows that have both.

Every one is made of the same partials (the count of pairs, centred sums, squares and products), so that several of
them of one pair share what they buy.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from dpsql.aggregates.base import Family, Given, Noisy, Partial, Released
from dpsql.aggregates.count import COUNT
from dpsql.aggregates.estimate import Bought, Floats, Moments, estimated, largest, positive, released, sampled
from dpsql.aggregates.mean import AVG
from dpsql.aggregates.moments import beside, centred, crossed, squared
from dpsql.aggregates.sum import summing
from dpsql.expression import BIGINT, DOUBLE, SqlType
from dpsql.program import Measure
from dpsql.relation import Fold


def _anything(bought: Bought) -> tuple[float, float]:
    return -math.inf, math.inf


def _no_less_than_nothing(bought: Bought) -> tuple[float, float]:
    return 0.0, math.inf


def _no_more_than_one(bought: Bought) -> tuple[float, float]:
    return -1.0, 1.0


def _product(times: float) -> Callable[[Bought], tuple[float, float]]:
    return lambda bought: (-times * largest(bought, "p"), times * largest(bought, "p"))


def paired(
    needs: str, formula: Callable[[Moments], Floats], ends: Callable[[Bought], tuple[float, float]] = _anything,
    squared: bool = False,
) -> Family:
    """A family of pairs, which lies between `ends`; `squared` is the square of that.

    `needs` names the moments it buys beside the count, a letter each, as `estimated` has them.
    """

    def finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
        bought = dict(zip("n" + needs, zip(partials, noisy, strict=True), strict=True))
        found = estimated(bought, formula).clipped(*ends(bought))
        return released(found.squared() if squared else found)

    return Family(_buying(needs), _double, finish)


def _averaged(letter: str) -> Family:
    """The mean of y or x: an AVG over the rows that have both."""

    def finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
        return AVG.finish(partials[::-1], noisy[::-1], type_)

    return Family(_buying(letter), _double, finish)


def _buying(needs: str) -> Callable[[Measure, Given], tuple[Partial, ...]]:
    def partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
        bought = _moments(measure, given)
        return (bought["n"], *(bought[letter] for letter in needs))

    return partials


def _double(measure: Measure) -> SqlType:
    return DOUBLE


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


def _corr(pair: Moments) -> Floats:
    return pair.covariance / np.sqrt(positive(pair.y_variance) * positive(pair.x_variance))


def _slope(pair: Moments) -> Floats:
    return pair.covariance / positive(pair.x_variance)


def _regr_count() -> Family:
    def partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
        return (_moments(measure, given)["n"],)

    return Family(partials, lambda measure: BIGINT, COUNT.finish)


FAMILIES = {
    "covar_pop": paired("yxp", lambda pair: pair.covariance, _product(1.0)),
    "covar_samp": paired("yxp", lambda pair: pair.covariance * sampled(pair.n), _product(2.0)),
    "corr": paired("yxpqr", _corr, _no_more_than_one),
    "regr_slope": paired("yxpr", _slope),
    "regr_intercept": paired("yxpr", lambda pair: pair.y - _slope(pair) * pair.x),
    "regr_r2": paired("yxpqr", _corr, _no_more_than_one, squared=True),
    "regr_syy": paired("yq", lambda pair: pair.y_variance * pair.n, _no_less_than_nothing),
    "regr_sxx": paired("xr", lambda pair: pair.x_variance * pair.n, _no_less_than_nothing),
    "regr_sxy": paired("yxp", lambda pair: pair.covariance * pair.n),
    "regr_avgy": _averaged("y"),
    "regr_avgx": _averaged("x"),
    "regr_count": _regr_count(),
}
