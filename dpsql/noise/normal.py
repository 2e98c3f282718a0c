"""The normal distribution's tails, bounded rigorously for calibration and in doubles for error bars."""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction

DIGITS = 70                     # of every intermediate result
SURE = Decimal(10) ** -45       # relative slack: some 10^4 operations of 70 digits are wrong by less than 10^-60 each
LAST = Decimal("1e-90")         # terms of a series below it, halving, are left out
ONE = Decimal(1)
NEAR = 6                        # up to here the series, beyond it the continued fraction

# every operation names the context: Python's own has 28 digits, and even a minus sign would round to them
_WIDE = Context(prec=DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)


def analytic_delta(s: Fraction, epsilon: Fraction) -> Fraction:
    """An upper bound of the delta of Gaussian noise with sigma = s D at `epsilon`, right to about 30 digits.

    Theorem: it is at least Phi(1/2s - epsilon s) - exp(epsilon) Phi(-1/2s - epsilon s).
    Proof: with a = epsilon s - 1/2s and b = epsilon s + 1/2s, exp(epsilon) = exp(b^2/2 - a^2/2), so the difference is
    Phi(-a) - f(a) M(b) with f the density and M(x) = Phi(-x) / f(x) Mills' ratio; both are bounded by `_mills`, the
    first from above and the second from below, and SURE covers the rounding of the few operations here.
    Needs: s and epsilon positive.
    Source: Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy" (2018), theorem 8.
    """
    a, b = epsilon * s - 1 / (2 * s), epsilon * s + 1 / (2 * s)
    density = _density(abs(a))
    _, upper = _mills(abs(a))
    lower, _ = _mills(b)
    if a >= 0:
        found = _WIDE.multiply(density, _WIDE.subtract(upper, lower))
    else:                                       # Phi(-a) = 1 - f(a) M(-a), for which the lower bound of M is needed
        least, _ = _mills(-a)
        found = _WIDE.subtract(ONE, _WIDE.multiply(density, _WIDE.add(least, lower)))
    wrong = _WIDE.multiply(SURE, max(_WIDE.multiply(density, upper), ONE if a < 0 else Decimal(0)))
    return Fraction(_WIDE.add(found, wrong))


def tail(x: Fraction) -> Fraction:
    """An upper bound of P(G > x) for a standard normal G and x >= 0, right to about 30 digits."""
    upper = _WIDE.multiply(_density(x), _mills(x)[1])
    return Fraction(_WIDE.add(upper, _WIDE.multiply(upper, SURE)))


def normal_reach(miss: float) -> float:
    """z with P(G > z) = `miss` for a standard normal G, in doubles; `miss` lies in (0, 1/2]."""
    low, high = 0.0, 40.0
    for _ in range(64):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erfc(middle / math.sqrt(2)) > 2 * miss else (low, middle)
    return high


def _density(x: Fraction) -> Decimal:
    """exp(-x^2 / 2) / sqrt(2 pi)."""
    return _WIDE.divide(_WIDE.exp(_decimal(-x * x / 2)), _WIDE.sqrt(_WIDE.multiply(Decimal(2), _PI)))


def _mills(x: Fraction) -> tuple[Decimal, Decimal]:
    """Bounds of (1 - Phi(x)) / f(x) for x >= 0."""
    return _near(x) if x < NEAR else _far(_decimal(x))


def _near(x: Fraction) -> tuple[Decimal, Decimal]:
    """From (Phi(x) - 1/2) / f(x) = x + x^3/3 + x^5/(3 5) + ...: terms are positive, and halve once 2n + 1 > 2 x^2."""
    square, total, n = _decimal(x * x), Decimal(0), 0
    term = _decimal(x)
    while term > LAST or 2 * n + 1 <= 2 * x * x:
        total, n = _WIDE.add(total, term), n + 1
        term = _WIDE.divide(_WIDE.multiply(term, square), Decimal(2 * n + 1))
    half = _WIDE.divide(Decimal("0.5"), _density(x))
    found, wrong = _WIDE.subtract(half, total), _WIDE.multiply(half, SURE)
    return _WIDE.subtract(found, wrong), _WIDE.add(found, wrong)


def _far(x: Decimal) -> tuple[Decimal, Decimal]:
    """Laplace's continued fraction 1/(x + 1/(x + 2/(x + 3/...))), cut after 120 and 121 turns, which enclose it."""
    ends = sorted(_cut(x, turns) for turns in (120, 121))
    return _WIDE.multiply(ends[0], _WIDE.subtract(ONE, SURE)), _WIDE.multiply(ends[1], _WIDE.add(ONE, SURE))


def _cut(x: Decimal, turns: int) -> Decimal:
    value = x
    for k in range(turns, 0, -1):
        value = _WIDE.add(x, _WIDE.divide(Decimal(k), value))
    return _WIDE.divide(ONE, value)


def _decimal(value: Fraction) -> Decimal:
    return _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))


_PI = Decimal("3.141592653589793238462643383279502884197169399375105820974944592307816406286208998628034825")
