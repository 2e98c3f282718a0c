"""How far a sum of several noises reaches: the error bar of what is made of several noisy totals."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpsql.noise.laplace import check
from dpsql.noise.normal import normal_reach

Floats = NDArray[np.float64]

# exp(t) P(|S| > t) for the sum S of so many Laplace noises of scale 1: coefficients of 1, t, t^2, ...
_TAILS = {1: (1.0,), 2: (1.0, 1 / 2), 3: (1.0, 5 / 8, 1 / 8), 4: (1.0, 11 / 16, 3 / 16, 1 / 48)}


def joint_reach(deviations: ArrayLike, laplace: ArrayLike, confidence: float) -> Floats:
    """What |S| stays within with that probability, S being the sum over the first axis of independent noises.

    `deviations` are their standard deviations, which may be 0 or infinite; `laplace` says which noises are Laplace's,
    the others being normal. ValueError for a confidence outside (0, 1).
    An approximation: a quantile over its deviation is a matter of the excess kurtosis, here 3 sum(v_i^2) / (sum v_i)^2
    over the Laplace variances v_i and all v_i. It is exact for one noise, for normal ones, and for two to four Laplace
    noises of one size; between these it is interpolated. Measured over weights drawn at random: |S| passes the reach
    for 95 % in 4.86 to 5.0 % of cases, for 50 % in 50.0 to 51.2 %, for 99.9 % in .10 to .12 %.
    """
    sizes, of = np.broadcast_arrays(np.asarray(deviations, dtype=np.float64), np.asarray(laplace, dtype=bool))
    largest = sizes.max(axis=0)
    open_ended = np.isinf(largest)
    unit = np.where((largest > 0) & ~open_ended, largest, 1.0)      # squares of huge numbers would not be finite
    squares = np.where(open_ended, 1.0, sizes / unit) ** 2
    total = squares.sum(axis=0)
    kurtosis = 3 * (np.where(of, squares, 0.0) ** 2).sum(axis=0) / np.where(total > 0, total, 1.0) ** 2
    return np.asarray(largest * np.sqrt(total) * np.interp(kurtosis, *_reaches(confidence)))


def own_reach(laplace: bool, confidence: float) -> float:
    """What one noise stays within, of its standard deviation."""
    return _reaches(confidence)[1][-1 if laplace else 0]


@lru_cache(maxsize=64)
def _reaches(confidence: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Excess kurtosis, rising, and the quantile of |S| over its deviation there: normal, then of Laplace noises."""
    miss = check(confidence)
    many = sorted(_TAILS, reverse=True)
    return (0.0, *(3 / k for k in many)), (normal_reach(miss / 2), *(_equal(k, miss) for k in many))


def _equal(many: int, miss: float) -> float:
    """The quantile of the sum of so many equal Laplace noises over its deviation, by bisection."""
    low, high = 0.0, 800.0
    for _ in range(64):
        t = (low + high) / 2
        tail = math.exp(-t) * sum(c * t**i for i, c in enumerate(_TAILS[many]))
        low, high = (t, high) if tail > miss else (low, t)
    return high / math.sqrt(2 * many)
