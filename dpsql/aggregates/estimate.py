"""Statistics made of several noisy totals, with their intervals: the means, variances and covariance of pairs.

The interval is from the value at each noisy total moved, alone, by as much as its noise reaches: what that moves the
statistic by, up and down apart, are the sizes of independent errors, whose sum reaches as far as `joint_reach` says. So
it is exact where the statistic is linear in the noise, as it nearly is for noise well below the totals; further off the
moved values follow the curve. It is an approximation, of which `tests.bench.simulated` counts how often it holds: 94
to 96 % where noise is well below the value (of columns of 0 and 1 at epsilon 5, whose noise is of few steps, 93 to 98),
about 93 % and more elsewhere. Where the statistic is not defined at a moved total (a variance below 0), or a count is
less than CLEAR times what its noise reaches, it is all that is possible.
Source: Zou and Donner, "Construction of confidence limits about effect measures" (2008), for normal errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsql.aggregates.base import Noisy, Partial, Released
from dpsql.noise.joint import joint_reach, own_reach

Floats = NDArray[np.float64]
Bought = Mapping[str, tuple[Partial, Noisy]]      # totals by letter

CLEAR = 3      # simulated: below, a variance of 0s and 1s is held less often (88 % at 1)


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of groups of pairs: numbers of rows, means and variances of y and x, and their covariance.

    What was not bought is NaN.
    """

    n: Floats
    y: Floats
    x: Floats
    covariance: Floats
    y_variance: Floats
    x_variance: Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number per group with the ends of its interval; NaN where there is no number."""

    value: Floats
    low: Floats
    high: Floats

    def clipped(self, low: float, high: float) -> Estimate:
        """Value and ends moved into what is possible."""
        return Estimate(np.clip(self.value, low, high), np.clip(self.low, low, high), np.clip(self.high, low, high))

    def root(self) -> Estimate:
        """The square root of what is not negative."""
        return Estimate(np.sqrt(self.value), np.sqrt(self.low), np.sqrt(self.high))

    def squared(self) -> Estimate:
        """The square."""
        ends = np.array([self.low * self.low, self.high * self.high])
        inside = (self.low <= 0) & (self.high >= 0)
        return Estimate(self.value * self.value, np.where(inside, 0.0, ends.min(axis=0)), ends.max(axis=0))


def estimated(bought: Bought, formula: Callable[[Moments], Floats]) -> Estimate:
    """A statistic of noisy moments.

    Of the totals bought n is the number of rows, y and x are for the means, p for the product, q and r for the squares
    of y and x.
    """
    noisy = [each for _, each in bought.values()]
    level, many = noisy[0].level, len(noisy)
    laplace = np.array([[not each.noise.gaussian] for each in noisy])
    own = np.array([[own_reach(not each.noise.gaussian, level)] for each in noisy])
    moves = np.diag([each.noise.deviation for each in noisy]) * own
    each_moved = np.concatenate([np.zeros((many, 1)), moves, -moves], axis=1)       # none, each up, each down
    totals = np.array([each.values for each in noisy], dtype=np.float64)
    shown = np.array([each.shown for each in noisy], dtype=np.float64)
    few = (CLEAR - 1) * moves.max(axis=1)[list(bought).index("n")]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = formula(_moments(bought, shown, None))
        centre, *moved = formula(_moments(bought, totals[:, None, :] + each_moved[:, :, None], few))
        away = np.array(moved).reshape(2, many, -1) - centre
        up, down = (
            joint_reach(_or(np.inf, np.maximum(end, 0.0)) / own, laplace, level)
            for end in (np.maximum(*away), np.maximum(*-away))      # not a number: it left what is possible
        )
        low, high = _or(-np.inf, centre - down), _or(np.inf, centre + up)
    return Estimate(value, np.fmin(low, value), np.fmax(high, value))


def _or(other: float, numbers: Floats) -> Floats:
    """The numbers, and something else where there is none."""
    return np.where(np.isnan(numbers), other, numbers)


def _moments(bought: Bought, totals: Floats, few: float | None) -> Moments:
    """The moments of totals, the first axis being that of `bought`; a count up to `few` has none.

    With None they are moved into what is possible, and a count below 1 counts as 1.
    """
    of, inside = dict(zip(bought, totals, strict=True)), few is None
    n = np.maximum(of["n"], 1.0) if few is None else np.where(of["n"] > few, of["n"], np.nan)
    means = {letter: _mean(bought[letter][0], of[letter] / n, inside) for letter in bought if letter != "n"}
    tops = {letter: largest(bought, letter) if inside else np.inf for letter in bought}
    unknown = np.full(n.shape, np.nan)
    y, x = (means.get(letter, unknown) for letter in "yx")
    from_y, from_x = y - _middle(bought, "y", "q"), x - _middle(bought, "x", "r")
    covariance = np.clip(means["p"] - from_y * from_x, -tops["p"], tops["p"]) if "p" in means else unknown
    variances = [
        np.clip(means[square] - from_**2, 0.0 if inside else -np.inf, tops[square]) if square in means else unknown
        for square, from_ in (("q", from_y), ("r", from_x))
    ]
    return Moments(np.maximum(n, 2.0) if inside else n, y, x, covariance, *variances)


def _mean(partial: Partial, steps: Floats, inside: bool) -> Floats:
    """The mean of what a partial sums, from the mean of its steps."""
    if inside:
        steps = np.clip(steps, partial.low, partial.high)
    return np.asarray(steps * float(partial.unit) + float((partial.centre or 0) * partial.unit))


def _middle(bought: Bought, first: str, square: str) -> float:
    """The number around which products and squares were taken."""
    if square in bought:
        return float(bought[square][0].about)
    partial = bought[first][0] if first in bought else None
    return 0.0 if partial is None else float((partial.centre or 0) * partial.unit)


def largest(bought: Bought, letter: str) -> float:
    """The largest number that what a partial sums can be: a variance, or a covariance, if a range is stated."""
    partial = bought[letter][0]
    return float((partial.high + (partial.centre or 0)) * partial.unit)


def sampled(n: Floats) -> Floats:
    """n / (n - 1); no number up to 1."""
    return np.where(n > 1, n / (n - 1), np.nan)


def positive(numbers: Floats) -> Floats:
    """Those that are, the others no numbers."""
    return np.where(numbers > 0, numbers, np.nan)


def released(estimate: Estimate) -> Released:
    """The released column: NULL where there is no number, and no interval there."""
    there = ~np.isnan(estimate.value)
    values, lows, highs = (
        [number if shown else None for number, shown in zip(each.tolist(), there.tolist(), strict=True)]
        for each in (estimate.value, estimate.low, estimate.high)
    )
    return Released(values, lows, highs)
