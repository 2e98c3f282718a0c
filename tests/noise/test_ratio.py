"""Error bars: the quantile of a sum of two noises, and intervals of quotients that hold the truth as often as said."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.noise import gaussian, laplace
from dpsql.noise.ratio import _widths, ratio_interval, sum_quantile


def tail(t: float, a: float, b: float) -> float:
    """P(|X + Y| > t) by the textbook formula, in 60 digits since it cancels."""
    with localcontext(prec=60):
        x, one, other = Decimal(t), Decimal(a), Decimal(b)
        if one == other:
            return float((1 + x / (2 * one)) * (-x / one).exp())
        part = [scale**2 * (-x / scale).exp() if scale else Decimal(0) for scale in (one, other)]
        return float((part[0] - part[1]) / (one**2 - other**2))


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9999])
@pytest.mark.parametrize("b", [0.0, 1e-12, 1e-3, 0.3, 1 - 1e-9, 1.0, 1 + 1e-12, 2.0, 1e9])
def test_sum_quantile_solves_the_tail(b, confidence):
    reach = float(sum_quantile(1.0, b, confidence))
    assert tail(reach, 1.0, b) == pytest.approx(1 - confidence, rel=1e-9)
    assert reach == pytest.approx(float(sum_quantile(b, 1.0, confidence)), rel=1e-12)


def test_sum_quantile_of_arrays_and_nothing():
    found = sum_quantile(np.array([0.0, 1.0, 0.0, 5e-324]), np.array([0.0, 0.0, 2.0, 0.0]))
    assert found[:3] == pytest.approx([0, -math.log(0.05), -2 * math.log(0.05)])
    assert found[3] >= 0 and sum_quantile([], []).shape == (0,)
    with pytest.raises(ValueError, match="confidence"):
        sum_quantile(1.0, 1.0, 1.5)


# truth S, N and the scales; the last number is the largest coverage to expect (a lattice or a bound only adds to it)
CASES = [
    (0, 5, 10**5, 2, 5500, 0.96),                    # few units: the bound decides
    (30_000_000, 1000, 10**5, 2, 50_000, 0.97),
    (500_000, 100_000, 50, 2, 10, 0.965),
    (2**70, 3000, 2**62, 3, 2.0**60, 0.965),
    (60, 20, 10, 2, 5, 0.98),
    (-60, 20, 10, 2, 5, 0.98),
    (6, 2, 1, 10, 50, 0.98),                         # the count is lost in its noise
    (1200, 40, 1, 2, 50, 0.98),
    (600, 3, 200, Fraction(1, 1000), 500, 0.97),     # a count all but exact
    (600, 3, Fraction(1, 100), Fraction(1, 1000), 500, 1.0),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_theorem_ratio_interval(case, plausible):
    """Over fresh noise, the truth lies inside as often as said, and not much more often."""
    total, count, scale_s, scale_n, bound, most = case
    scale_s, scale_n, draws = Fraction(scale_s), Fraction(scale_n), 20_000
    s = total + np.array(laplace.sample(scale_s, draws), dtype=float)
    n = count + np.array(laplace.sample(scale_n, draws), dtype=float)
    low, high = ratio_interval(s, n, scale_s, scale_n, bound)
    slack = 1e-9 * abs(total / count)
    inside = int(np.sum((low - slack <= total / count) & (total / count <= high + slack)))
    assert inside / draws >= 0.95 or plausible(inside, draws, 0.95)
    assert inside / draws <= most or plausible(inside, draws, most)
    assert np.all((-bound <= low) & (low <= high) & (high <= bound))


@pytest.mark.parametrize("mutant", [2, 4])
def test_half_the_width_would_be_noticed(mutant, plausible):
    s = 30_000_000 + np.array(laplace.sample(Fraction(10**5), 20_000), dtype=float)
    n = 1000 + np.array(laplace.sample(Fraction(2), 20_000), dtype=float)
    low, high = ratio_interval(s, n, Fraction(10**5, mutant), Fraction(2, mutant), 50_000.0)
    inside = int(np.sum((low <= 30_000) & (high >= 30_000)))
    assert inside < 0.95 * 20_000 and not plausible(inside, 20_000, 0.95)


@pytest.mark.parametrize(("s", "n"), [(2_000_000.0, 1e5), (-500_000.0, 1000.0), (0.0, 300.0), (9000.0, -1e5)])
def test_as_wide_as_the_noise_demands(s, n):
    """At both ends the pivot is as large as its width: no wider; and that is the quantile of the noise, nearly."""
    scale_s, scale_n = Fraction(10**4), Fraction(2)
    for end in ratio_interval(s, n, scale_s, scale_n, 2000.0):
        width = np.minimum.reduce(list(_widths(np.array([float(end)]), scale_s, scale_n, 0.95)))
        assert abs(s - float(end) * n) == pytest.approx(float(width[0]), rel=1e-6)
        assert width[0] == pytest.approx(float(sum_quantile(1e4, 2 * abs(float(end)))), rel=0.1)


NUMBER = st.floats(-1e4, 1e4)
SCALE = st.fractions(Fraction(1, 100), 1000).filter(lambda scale: scale > 0)


@given(NUMBER, NUMBER, SCALE, SCALE, st.floats(1e-3, 1e4))
def test_no_admitted_quotient_is_left_out(s, n, scale_s, scale_n, bound):
    """The hull holds every theta of a fine grid whose pivot is within every kind of width; it mirrors and nests."""
    low, high = (float(end) for end in ratio_interval(s, n, scale_s, scale_n, bound))
    theta = np.linspace(-bound, bound, 2001)
    width = np.minimum.reduce(list(_widths(theta, scale_s, scale_n, 0.95)))
    admitted = theta[np.abs(s - theta * n) <= width]
    slack = 1e-9 * bound
    assert admitted.size == 0 or (low - slack <= admitted.min() and admitted.max() <= high + slack)
    same = ratio_interval(-s, -n, scale_s, scale_n, bound)
    assert n == 0 or (low, high) == pytest.approx((float(same[0]), float(same[1])), rel=1e-9, abs=slack)
    mirrored = ratio_interval(-s, n, scale_s, scale_n, bound)
    assert (-high, -low) == pytest.approx((float(mirrored[0]), float(mirrored[1])), rel=1e-9, abs=slack)


def test_odd_input():
    one = Fraction(1)
    assert [end.tolist() for end in ratio_interval([0.0], [0.0], one, one, 10.0)] == [[-10], [10]]
    assert [end.tolist() for end in ratio_interval([5.0, -5.0], [1.0, 1.0], one, one, 0.0)] == [[0, 0], [0, 0]]
    assert ratio_interval([], [], one, one, 1.0)[0].size == 0
    low, high = ratio_interval([1e300, -1e300, 7.0], [1e-300, 0.0, -1e300], one, one, 3.0)
    assert high[0] == 3 and low[1] == -3 and low[2] <= 0 <= high[2]


@pytest.mark.parametrize("case", [(6_000_000, 100_000, 900, 4), (-5000, 300, 40, 8), (0, 50, 3, 20)], ids=str)
def test_normal_noise_is_covered_as_often_as_said(case, plausible):
    """Coverage of the quotient of two rounded normal noises: 95 % where the count stands clear of its noise."""
    total, count, sigma_s, sigma_n = case
    fine = 1 << 20
    draws = [gaussian.sample(sigma * fine, 20_000) for sigma in (sigma_s, sigma_n)]
    s = np.array([total + (z + fine // 2) // fine for z in draws[0]], dtype=float)
    n = np.array([count + (z + fine // 2) // fine for z in draws[1]], dtype=float)
    low, high = ratio_interval(s, n, Fraction(sigma_s), Fraction(sigma_n), 1e9, gaussian=True)
    held = int(np.sum((low <= total / count) & (total / count <= high)))
    assert held / 20_000 >= 0.94 and (count < 4 * sigma_n or sigma_s < 10 or plausible(held, 20_000, 0.952))
