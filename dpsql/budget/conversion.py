"""From zero-concentrated to (epsilon, delta): both ways, rounded against the analyst.

Decimals of 60 digits, each step rounded the safe way; `Decimal.ln` is correctly rounded to nearest, so its neighbours
bound it. How well the order alpha = 1 + t is chosen is a matter of tightness alone.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

_DIGITS = 60
_KEPT = 30            # significant digits of a result
_REACH = 1900         # |ln t| is below it for every amount that can be stored
_STEPS = 64           # halvings of that range: t to 16 digits, so a result to 30
_SMALLEST = -150      # results below 1e-150 count as 0
_DOWN = Context(_DIGITS, ROUND_FLOOR, MIN_EMIN, MAX_EMAX)
_UP = Context(_DIGITS, ROUND_CEILING, MIN_EMIN, MAX_EMAX)
_NEAR = Context(28, ROUND_HALF_EVEN, MIN_EMIN, MAX_EMAX)
_ONE, _NONE = Decimal(1), Fraction(0)


@lru_cache(maxsize=1024)
def rho_within(epsilon: Fraction, delta: Fraction) -> Fraction:
    """A rho whose zCDP implies (`epsilon`, `delta`)-DP: the largest, less at most a part in 1e20; 0 without a delta.

    Theorem: rho-zCDP, also of measures that each leave out a probability, implies (epsilon, delta)-DP for what is kept.
    Proof: let p, q be densities of the parts kept, with integral of p^a q^(1-a) at most exp((a - 1) a rho), a > 1. For
    any K > 0 the largest value of (x - K)/x^a is at x = K a/(a - 1), so p - K q <= p^a q^(1-a) c with
    c = K^(1-a) (1 - 1/a)^a/(a - 1). With K = e^epsilon, P(S) - e^epsilon Q(S) <= exp((a - 1)(a rho - epsilon))
    (1 - 1/a)^a/(a - 1). This is at most delta iff rho <= (epsilon - h(t))/(1 + t), with t = a - 1 and
    h(t) = (ln(1/delta) - (1 + t) ln(1 + t))/t + ln t; that is returned for one t, rounded down at every step.
    Needs: the bound on divergences of the order used, in both directions; zCDP bounds all orders.
    Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), proposition 12.
    """
    if epsilon <= 0 or delta <= 0:
        return Fraction(0)
    t = _order(delta, epsilon=epsilon)
    bound = _DOWN.divide(_DOWN.subtract(_decimal(epsilon, _DOWN), _overhead(t, delta)), _UP.add(_ONE, t))
    return _short(bound, ROUND_FLOOR)


@lru_cache(maxsize=1024)
def epsilon_of(rho: Fraction, delta: Fraction) -> Fraction:
    """An epsilon for which rho-zCDP implies (epsilon, `delta`)-DP: the smallest, plus at most a part in 1e20.

    ValueError without a delta.

    Theorem: epsilon = (1 + t) rho + h(t) for any t > 0, as in `rho_within`.
    Proof: there; returned for one t, rounded up at every step, at least 0.
    Needs: as there.
    Source: Canonne, Kamath, Steinke (2020), proposition 12.
    """
    if delta <= 0:
        raise ValueError("without a delta zCDP proves no epsilon")
    if rho == 0 or delta >= 1:
        return Fraction(0)
    t = _order(delta, rho=rho)
    bound = _UP.add(_UP.multiply(_UP.add(_ONE, t), _decimal(rho, _UP)), _overhead(t, delta))
    return _short(bound, ROUND_CEILING)


def _overhead(t: Decimal, delta: Fraction) -> Decimal:
    """h(t), rounded up."""
    failure = _UP.next_plus(_UP.ln(_UP.divide(_ONE, _decimal(delta, _DOWN))))
    grown = _DOWN.add(_ONE, t)
    gain = max(Decimal(0), _DOWN.multiply(grown, _DOWN.next_minus(_DOWN.ln(grown))))
    return _UP.add(_UP.divide(_UP.subtract(failure, gain), t), _UP.next_plus(_UP.ln(t)))


def _order(delta: Fraction, *, rho: Fraction | None = None, epsilon: Fraction = _NONE) -> Decimal:
    """About the best t for a given rho, or for a given epsilon.

    The derivative of (1 + t) rho + h(t) is 0 at rho = (ln(1/delta) - ln(1 + t))/t^2. Both this rho and the epsilon it
    gives fall in t, so halving finds the t of either.
    """
    failure, wanted = _NEAR.ln(_decimal(1 / delta, _NEAR)), _decimal(epsilon if rho is None else rho, _NEAR)
    low, high = Decimal(-_REACH), Decimal(_REACH)
    for _ in range(_STEPS):
        middle = _NEAR.divide(_NEAR.add(low, high), Decimal(2))
        t = _NEAR.exp(middle)
        grown = _NEAR.ln(_NEAR.add(_ONE, t))
        found = _NEAR.divide(_NEAR.subtract(failure, grown), _NEAR.multiply(t, t))
        if rho is None:
            spread = _NEAR.divide(_NEAR.subtract(failure, _NEAR.multiply(_NEAR.add(_ONE, t), grown)), t)
            found = _NEAR.add(_NEAR.fma(_NEAR.add(_ONE, t), found, spread), middle)
        low, high = (middle, high) if found > wanted else (low, middle)
    return _NEAR.exp(high)


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def _short(value: Decimal, rounding: str) -> Fraction:
    """At most 30 significant digits of a number, rounded; never below 0."""
    if value <= 0:
        return Fraction(0)
    if value.adjusted() < _SMALLEST:
        return Fraction(0) if rounding == ROUND_FLOOR else Fraction(1, 10**-_SMALLEST)
    return Fraction(Context(_KEPT, rounding, MIN_EMIN, MAX_EMAX).plus(value))
