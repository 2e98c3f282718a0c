"""The discrete Gaussian sampler against its distribution, its calibration against two oracles and the exact noise."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.noise import gaussian, normal

ASKED = [
    (Fraction(1), Fraction(1, 10**6), 1), (Fraction(1), Fraction(1, 10**6), 100),
    (Fraction(1, 10), Fraction(1, 10**8), 3),
    (Fraction(9, 10), Fraction(1, 10**10), 36), (Fraction(5), Fraction(1, 10**5), 1),
    (Fraction(60), Fraction(1, 10**6), 1), (Fraction(1, 1000), Fraction(1, 10**12), 2),
    (Fraction(3), Fraction(1, 3), 1), (Fraction(4000), Fraction(1, 10**9), 7),
]


def pmf(sigma: float):
    reach = math.ceil(20 * sigma)
    total = math.fsum(math.exp(-x * x / (2 * sigma * sigma)) for x in range(-reach, reach + 1))
    return lambda x: math.exp(-x * x / (2 * sigma * sigma)) / total


@pytest.mark.parametrize("sigma", [1, 2, 3, 10])
def test_each_value_has_its_probability(sigma, fits):
    reach = 8 * sigma
    assert fits(gaussian.sample(sigma, 100_000), pmf(sigma), range(-reach, reach + 1))


@pytest.mark.parametrize(("top", "shift"), [(1, 1), (1, 3), (3, 2), (5, 4)])
def test_low_digits_are_exact(top, shift, fits):
    """The path of very large scales, at scales small enough to count every value."""
    sigma = top << shift
    draws = gaussian._attempt(top, shift, 200_000)
    assert len(draws) > 90_000
    assert fits(draws, pmf(sigma), range(-8 * sigma, 8 * sigma + 1))


@pytest.mark.parametrize("sigma", [1 << 20, (1 << 40) - 1, 3 << 60, (1 << 39) + 1 << 50])
def test_large_scales_have_their_distribution_function(sigma, distance, fits):
    draws = gaussian.sample(sigma, 60_000)
    assert all(type(draw) is int for draw in draws)
    at = np.sort(np.array([float(Fraction(draw, sigma)) for draw in draws]))
    exact = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in at])
    assert np.abs(np.arange(1, 60_001) / 60_000 - exact).max() <= distance(60_000) + 1e-5
    assert fits([draw % 16 for draw in draws], lambda _: 1 / 16, range(16))


def test_mutants_do_not_fit(fits):
    right = gaussian.sample(6, 100_000)
    values = range(-48, 49)
    assert fits(right, pmf(6), values)
    half, moved = gaussian.sample(3, 100_000), [x + 1 for x in right]
    for wrong in (half, moved, [abs(x) for x in right], [x for x in right if x]):
        assert not fits(wrong, pmf(6), values)


def test_draws_are_independent(fits):
    draws, one = gaussian.sample(1, 200_000), pmf(1)
    inside = math.fsum(one(x) for x in range(-3, 4)) ** 2
    pairs = [7 * (a + 3) + b + 3 for a, b in zip(draws[::2], draws[1::2], strict=True) if max(abs(a), abs(b)) <= 3]
    assert fits(pairs, lambda code: one(code // 7 - 3) * one(code % 7 - 3) / inside, range(49))


@pytest.mark.parametrize("n", [0, 1, 1000])
def test_as_many_as_asked(n):
    assert len(gaussian.sample(1 << 21, n)) == n


@pytest.mark.parametrize("sigma", [0, -3, (1 << 40) + 1])
def test_only_admissible_scales(sigma):
    with pytest.raises(ValueError, match="exact sampler"):
        gaussian.sample(sigma, 1)


@given(st.fractions(Fraction(1, 10**6), 2**90).filter(lambda sigma: sigma > 0))
@settings(deadline=None)
def test_admissible_only_rounds_up_a_little(sigma):
    used = gaussian.admissible(sigma)
    assert sigma <= used < sigma * (1 + Fraction(1, 2**38)) + 1
    assert gaussian.admissible(Fraction(used)) == used
    assert len(gaussian.sample(used, 2)) == 2


def exact_delta(sigma: int, change: int, epsilon: Fraction) -> Decimal:
    """The smallest delta of discrete Gaussian noise on one integer that changes by `change`, summed value by value."""
    with localcontext(prec=50):
        factor = (Decimal(epsilon.numerator) / Decimal(epsilon.denominator)).exp()
        weight = [(-Decimal(x * x) / (2 * sigma * sigma)).exp() for x in range(40 * sigma + change)]
        total = 2 * sum(weight) - 1
        # the outcome x has the larger ratio the further it is from 0, on the side of the change
        pairs = ((weight[abs(x - change)], weight[abs(x)]) for x in range(-30 * sigma, 30 * sigma + change))
        return sum((max(Decimal(0), p - factor * q) for p, q in pairs), Decimal(0)) / total


@pytest.mark.parametrize(("epsilon", "delta", "cells"), ASKED)
def test_theorem_multiplier(epsilon, delta, cells):
    """Above the analytic bound by less than what discreteness is given; the discrete noise itself keeps delta."""
    ratio = gaussian.multiplier(epsilon, delta, cells)
    assert normal.analytic_delta(ratio, epsilon) <= delta * gaussian.SHARE
    tight = Fraction(999, 1000) if epsilon < 700 else Fraction(9, 10)       # beyond, doubles guess from above
    assert normal.analytic_delta(ratio, epsilon) >= delta * gaussian.SHARE * tight
    change = max(1, math.floor(200 / ratio))
    sigma = math.ceil(ratio * change)
    if sigma <= 2000:
        assert exact_delta(sigma, change, epsilon) <= Decimal(float(delta))


@pytest.mark.parametrize("change", [5, 40])
def test_half_the_sigma_violates(change):
    epsilon, delta = Fraction(1), Fraction(1, 10**4)
    sigma = math.ceil(gaussian.multiplier(epsilon, delta, 1) * change)
    assert exact_delta(sigma, change, epsilon) <= Decimal(float(delta)) < exact_delta(sigma * 19 // 20, change, epsilon)


def test_rounding_a_gaussian_is_what_the_proof_says():
    """P(round(G) = x) over P(discrete = x) stays within exp(+-(a^2 + 1) / 8 sigma^2) for |x| <= a sigma."""
    sigma, one = 12, pmf(12)
    for x in range(61):
        a = x / sigma
        rounded = 0.5 * (math.erfc((x - 0.5) / sigma / math.sqrt(2)) - math.erfc((x + 0.5) / sigma / math.sqrt(2)))
        assert abs(math.log(rounded / one(x))) <= (a * a + 1) / (8 * sigma * sigma) + 1e-9


@given(
    st.fractions(Fraction(1, 1000), 30).filter(lambda e: e > 0), st.integers(1, 40), st.integers(1, 100),
)
@settings(max_examples=40, deadline=None)
def test_more_epsilon_delta_or_fewer_cells_never_more_noise(epsilon, power, cells):
    delta = Fraction(1, 2**power)
    here = gaussian.multiplier(epsilon, delta, cells)
    assert gaussian.multiplier(2 * epsilon, delta, cells) < here
    assert gaussian.multiplier(epsilon, delta / 2, cells) > here
    assert gaussian.multiplier(epsilon, delta, cells + 1) >= here


@pytest.mark.parametrize(
    ("epsilon", "delta", "cells"),
    [(0, 0.1, 1), (1, 0, 1), (1, 1, 1), (1, 0.1, 0), (5000, 0.1, 1), (1e-12, 0.1, 1), (0.5, 1e-70, 1)],
)
def test_calibration_refuses(epsilon, delta, cells):
    with pytest.raises(ValueError, match=r"Gaussian noise"):
        gaussian.multiplier(Fraction(epsilon), Fraction(delta), cells)


@given(st.integers(1, 2**124), st.fractions(Fraction(1, 100), 10**6))
@settings(deadline=None)
def test_scaled_is_never_below(squared, ratio):
    sigma = gaussian.scaled(squared, ratio)
    assert sigma**2 >= ratio**2 * squared
    assert (sigma - 1 - (sigma >> 37)) ** 2 <= ratio**2 * squared or sigma <= 1


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_quantile(confidence, plausible):
    sigma = 1 << 20
    reach = gaussian.quantile(sigma, confidence)
    inside = sum(abs(draw) <= reach for draw in gaussian.sample(sigma, 40_000))
    assert plausible(inside, 40_000, confidence)
    with pytest.raises(ValueError, match="confidence"):
        gaussian.quantile(sigma, 1.0)


@pytest.mark.parametrize("x", [0, 0.1, 1, 3, 5.99, 6, 6.5, 9, 30])
def test_normal_tail(x):
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed: tails are not compared")
    with mpmath.workdps(60):
        exact = mpmath.erfc(mpmath.mpf(x) / mpmath.sqrt(2)) / 2
        bound = normal.tail(Fraction(x))
        ratio = mpmath.mpf(bound.numerator) / mpmath.mpf(bound.denominator) / exact
        assert 1 <= ratio <= 1 + mpmath.mpf(10) ** -25


@pytest.mark.parametrize("s", [0.05, 0.3, 0.7, 1, 4, 50])
@pytest.mark.parametrize("epsilon", [0.01, 1, 7])
def test_theorem_analytic_delta(s, epsilon):
    mpmath = pytest.importorskip("mpmath", reason="mpmath is not installed: the analytic delta is not compared")
    with mpmath.workdps(80):
        e, t = mpmath.mpf(epsilon), mpmath.mpf(s)
        exact = mpmath.ncdf(1 / (2 * t) - e * t) - mpmath.exp(e) * mpmath.ncdf(-1 / (2 * t) - e * t)
        bound = normal.analytic_delta(Fraction(s), Fraction(epsilon))
        ratio = mpmath.mpf(bound.numerator) / mpmath.mpf(bound.denominator) / exact
        assert 1 <= ratio <= 1 + mpmath.mpf(10) ** -20


@pytest.mark.parametrize(("epsilon", "delta"), [(1.0, 1e-6), (0.1, 1e-8), (5.0, 1e-5)])
def test_calibration_agrees_with_dp_accounting(epsilon, delta):
    dp = pytest.importorskip("dp_accounting", reason="dp-accounting is not installed: calibrations are not compared")
    ratio = gaussian.multiplier(Fraction(str(epsilon)), Fraction(str(delta)), 1)
    theirs = dp.get_sigma_gaussian(epsilon, delta)
    assert theirs <= float(ratio) <= theirs * 1.001


def test_sampler_agrees_with_opendp(distance):
    dp = pytest.importorskip("opendp.prelude", reason="opendp is not installed: its sampler is not compared")
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i32")), dp.l2_distance(T="f64")
    theirs = np.sort(dp.m.make_gaussian(*space, scale=30.0)([0] * 50_000))
    ours = np.sort(gaussian.sample(30, 50_000))
    grid = np.arange(-300, 300)
    gap = np.searchsorted(theirs, grid, side="right") - np.searchsorted(ours, grid, side="right")
    assert np.abs(gap).max() / 50_000 <= 2 * distance(50_000)
