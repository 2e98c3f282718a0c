"""What an answer of a wanted width costs, before anything is asked: for a planner that looks for the cheapest noise.

Widths are promises of accuracy, not of privacy, so doubles do; prices are exact, and made of the numbers returned here.
"""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist

from dpsql.budget.events import Spent, pure
from dpsql.budget.filter import Room

_BITS = 40   # of a result: nobody sees a width change by a part in 2^40


def laplace_epsilon(half_width: int, sensitivity: int = 1, confidence: float = 0.95) -> Fraction:
    """The least epsilon of discrete Laplace noise that stays within +-`half_width` steps with that probability.

    `sensitivity` is L1, in the same steps. ValueError unless half_width >= 0, sensitivity > 0 and 0 < confidence < 1.
    Source: P(|X| > t) = 2 q^(t+1) / (1 + q) with q = exp(-epsilon/sensitivity), which falls in epsilon: halved for.
    """
    miss = _miss(half_width, sensitivity, confidence)
    low, high = 0.0, 64 - math.log(miss)
    for _ in range(100):
        middle = (low + high) / 2
        tail = math.log(2) - (half_width + 1) * middle - math.log1p(math.exp(-middle))
        low, high = (middle, high) if tail > math.log(miss) else (low, middle)
    return _above(high) * sensitivity


def gaussian_variance(half_width: Fraction | int, confidence: float = 0.95) -> Fraction:
    """The largest variance of Gaussian noise that stays within +-`half_width` with that probability, in its units.

    For a sigma of many steps, as dpsql's is. ValueError unless half_width > 0 and 0 < confidence < 1.
    """
    if half_width <= 0:
        raise ValueError(f"no Gaussian noise stays within {half_width}")
    return Fraction(half_width) ** 2 / _above(NormalDist().inv_cdf(1 - _miss(1, 1, confidence) / 2) ** 2)


def gaussian_rho(half_width: Fraction | int, squared: int = 1, confidence: float = 0.95) -> Fraction:
    """The rho of that noise: squared / (2 variance), of a squared L2 sensitivity in the units of the width."""
    return squared / (2 * gaussian_variance(half_width, confidence))


def laplace_rho(half_width: int, sensitivity: int = 1, confidence: float = 0.95) -> Fraction:
    """The rho of the noise of `laplace_epsilon`, on one cell."""
    return pure(laplace_epsilon(half_width, sensitivity, confidence))


def part(room: Room, cost: Spent) -> Fraction | None:
    """The part of a fresh budget that a charge takes, by the way of adding up that is better for it; None: too dear.

    Of two charges for the same width, the one with the smaller part can be repeated more often.
    """
    ways = (((room.epsilon, cost.epsilon), (room.delta, cost.delta)), ((room.rho, cost.rho), (room.slack, cost.slack)))
    parts = [max(amount / most if most else Fraction(amount > 0) * 2 for most, amount in way) for way in ways]
    return min(parts) if min(parts) <= 1 else None


def _miss(half_width: int, sensitivity: int, confidence: float) -> float:
    if half_width < 0 or sensitivity <= 0 or not 0 < confidence < 1:
        raise ValueError("a width is not negative, a sensitivity positive, and a confidence between 0 and 1")
    return 1 - confidence


def _above(value: float) -> Fraction:
    """A short fraction that is no less."""
    mantissa, exponent = math.frexp(value)
    return Fraction(math.ceil(mantissa * 2**_BITS)) * Fraction(2) ** (exponent - _BITS)
