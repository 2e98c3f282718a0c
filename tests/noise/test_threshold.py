"""Gaussian thresholds and keep-probabilities: their chances against (epsilon, delta), exactly, and broken copies."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.noise import gaussian, keeping, selection, threshold
from dpsql.noise.normal import tail

SIGMA, FACTOR = 5 << 20, 1 << 20
TINY = Fraction(1, 10**8)


@given(st.integers(1, 400).map(lambda n: Fraction(n, 800)), st.integers(1, 10**6))
@settings(deadline=None)
def test_theorem_bar(miss, groups):
    """Up to C groups of one unit each are all hidden with probability at least 1 - miss, and hardly more."""
    each = threshold.share(miss, groups)
    assert (1 - float(each)) ** groups >= 1 - float(miss) - 1e-9
    assert miss / groups <= each <= miss
    q = threshold.bar(SIGMA, FACTOR, groups, miss) - FACTOR
    assert tail(Fraction(q, SIGMA)) <= each
    assert tail(Fraction(q, SIGMA)) >= each * Fraction(999, 1000)


def test_the_share_is_the_root():
    assert threshold.share(TINY, 1) == TINY
    exact = -math.expm1(math.log1p(-0.4) / 7)
    assert float(threshold.share(Fraction(2, 5), 7)) == pytest.approx(exact, rel=1e-12)


def chance(units: int, sigma: float, tau: float) -> float:
    return 0.5 * math.erfc((tau - units) / sigma / math.sqrt(2))


def test_a_bar_one_lower_violates():
    """Mutant: tau without the 1 of the unit's own."""
    groups, miss, sigma = 4, Fraction(1, 10**4), 5.0
    tau = threshold.bar(SIGMA, FACTOR, groups, miss) / FACTOR
    assert 1 - (1 - chance(1, sigma, tau)) ** groups <= float(miss) < 1 - (1 - chance(1, sigma, tau - 1)) ** groups


def test_shown(plausible):
    miss, min_units = Fraction(1, 4), 3
    tau = threshold.bar(SIGMA, FACTOR, 1, miss)
    for units in (3, 6, 12):
        drawn = threshold.shown([units] * 20_000, SIGMA, FACTOR, tau, min_units)
        assert plausible(sum(value is not None for value in drawn), 20_000, chance(units - 2, 5.0, tau / FACTOR))
        assert all(value > 2 * FACTOR + tau for value in drawn if value is not None)
    assert threshold.shown([0, 1, 2] * 2000, SIGMA, FACTOR, tau, min_units) == [None] * 6000
    assert threshold.shown([], SIGMA, FACTOR, tau) == []
    with pytest.raises(ValueError, match="min_units"):
        threshold.shown([1], SIGMA, FACTOR, tau, 0)


@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_visible(probability):
    tau = threshold.bar(SIGMA, FACTOR, 3, TINY)
    found = threshold.visible(SIGMA, FACTOR, tau, 4, probability)
    assert chance(found - 3, 5.0, tau / FACTOR) >= probability - 1e-9 > chance(found - 4, 5.0, tau / FACTOR) - 1e-6


def test_the_noise_of_unit_counts(plausible):
    tau = threshold.bar(SIGMA, FACTOR, 1, TINY)
    drawn = threshold.shown([1000] * 20_000, SIGMA, FACTOR, tau)
    reach = gaussian.quantile(SIGMA)
    assert plausible(sum(abs(value - 1000 * FACTOR) <= reach for value in drawn if value is not None), 20_000, 0.95)


@pytest.mark.parametrize(
    ("sigma", "groups", "miss"), [(SIGMA, 0, TINY), (SIGMA, 1, 0), (SIGMA, 1, Fraction(3, 4)), (1 << 10, 1, TINY)]
)
def test_bar_refuses(sigma, groups, miss):
    with pytest.raises(ValueError, match="threshold"):
        threshold.bar(sigma, FACTOR, groups, Fraction(miss))


# Keep-probabilities ----------------------------------------------------------------------------------------------

ASKED = st.tuples(
    st.integers(1, 80).map(lambda n: Fraction(n, 20)), st.integers(1, 40).map(lambda n: Fraction(1, 2**n)),
    st.integers(1, 9),
)


def test_keep_probabilities_of_any_epsilon():
    """exp(-1e9) has a thousand million digits: its one bit is enough."""
    assert len(keeping.table(Fraction(10**9), Fraction(1, 10**8), 1)) == 4
    with pytest.raises(ValueError, match="too small"):
        keeping.table(Fraction(1), Fraction(1, 10**40), 1)


@given(ASKED)
@settings(max_examples=50, deadline=None)
def test_theorem_keeping_event(asked):
    """Every step of the table keeps all four inequalities of (e, d), in fractions and with bounds of exp(e)."""
    epsilon, delta, groups = asked
    chances = [Fraction(p, 1 << keeping.PLACES) for p in keeping.table(*asked)]
    rate, share = float(epsilon / groups), delta / groups
    grow = Fraction(math.exp(rate)) * (1 + Fraction(1, 10**14))
    assert chances[0] == 0 and chances[-1] == 1 and chances[1] <= share
    for p, q in pairwise(chances):
        assert p < q <= grow * p + share and 1 - p <= grow * (1 - q) + share
    assert keeping.keeping_event(*asked).delta == delta


@given(ASKED)
@settings(max_examples=50, deadline=None)
def test_never_shows_less_than_the_threshold(asked):
    assert keeping.visible(*asked) <= selection.expected_visible(*asked)
    assert keeping.visible(*asked, probability=0.95) <= selection.expected_visible(*asked, probability=0.95)


def test_a_bolder_table_violates():
    """Mutant: each probability one step early."""
    chances = keeping.table(Fraction(1), Fraction(1, 10**4), 1)
    assert Fraction(chances[2], 1 << keeping.PLACES) > Fraction(1, 10**4)


def test_kept(plausible):
    asked = (Fraction(1), Fraction(1, 100), 2)
    chances = keeping.table(*asked)
    for units in range(3, len(chances) + 4, 3):
        kept = keeping.kept([units] * 10_000, *asked, min_units=3)
        chance = chances[min(units - 2, len(chances) - 1)] / (1 << keeping.PLACES)
        assert plausible(sum(kept), 10_000, chance)
    assert not any(keeping.kept([0, 1, 2] * 3000, *asked, min_units=3))


@pytest.mark.parametrize(
    ("epsilon", "delta", "groups", "min_units"),
    [(1, 0, 1, 1), (1, 1, 1, 1), (0, 0.1, 1, 1), (1, 0.1, 0, 1), (1, 0.1, 1, 0), (1e-9, 1e-9, 1, 1)],
)
def test_kept_refuses(epsilon, delta, groups, min_units):
    with pytest.raises(ValueError, match=r"delta|epsilon|min_units"):
        keeping.kept([5], Fraction(epsilon), Fraction(delta), groups, min_units)
