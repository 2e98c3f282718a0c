"""The discrete Laplace sampler against its exact distribution, its theorem, OpenDP, and broken copies of it."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.noise import laplace

SCALES = [Fraction(1), Fraction(1, 3), Fraction(7, 3), Fraction(10), Fraction(2**45 + 1, 2**43)]
POSITIVE = st.fractions(min_value=Fraction(1, 10**12), max_value=Fraction(2**90)).filter(lambda scale: scale > 0)


def pmf(scale: Fraction):
    """P(x), with c = (1 - q) / (1 + q) = tanh(1 / (2 scale))."""
    return lambda x: math.tanh(float(1 / (2 * scale))) * math.exp(-abs(x) / float(scale))


def cdf(x: np.ndarray, scale: Fraction) -> np.ndarray:
    """P(X <= x) at integers."""
    tail = np.exp(-(np.abs(x) + (x >= 0)) / float(scale)) / (1 + math.exp(-1 / float(scale)))
    return np.where(x >= 0, 1 - tail, tail)


def farthest(draws: list[int], scale: Fraction) -> float:
    """The largest distance between the empirical distribution function and the exact one."""
    values, counts = np.unique(np.array(draws), return_counts=True)
    upto = np.cumsum(counts) / len(draws)
    here = np.abs(upto - cdf(values, scale)).max()
    before = np.abs(upto - counts / len(draws) - cdf(values - 1, scale)).max()
    return float(max(here, before))


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_each_value_has_its_probability(scale, fits):
    reach = 12 * math.ceil(scale)
    assert fits(laplace.sample(scale, 100_000), pmf(scale), range(-reach, reach + 1))


@pytest.mark.parametrize("scale", [Fraction(1000), Fraction(10**9, 7), Fraction(2**40), Fraction(10**10, 10**6 + 3)])
def test_large_scales_have_their_distribution_function(scale, distance):
    assert farthest(laplace.sample(scale, 100_000), scale) <= distance(100_000)


@pytest.mark.parametrize("scale", [Fraction(2**80), Fraction(10**25, 7), Fraction(2**62 - 1)])
def test_scales_beyond_words(scale, fits, distance):
    draws = laplace.sample(scale, 30_000)
    assert all(type(draw) is int for draw in draws)
    ratio = np.sort(np.array([float(abs(Fraction(draw) / scale)) for draw in draws]))
    assert np.abs(np.arange(1, 30_001) / 30_000 + np.expm1(-ratio)).max() <= distance(30_000) + 1e-4
    assert fits([draw % 16 for draw in draws], lambda _: 1 / 16, range(16))   # no digit is left without noise
    assert fits([draw > 0 for draw in draws], lambda _: 0.5, range(2))


@pytest.mark.parametrize(("top", "shift"), [(3, 2), (1, 1), (2, 3), (1, 5)])
def test_low_digits_are_exact(top, shift, fits):
    """The path of very large scales, at scales small enough to count every value."""
    scale = Fraction(top << shift)
    draws = laplace._attempt(top, 1, shift, 50_000)
    assert fits(draws, pmf(scale), range(-8 * math.ceil(scale), 8 * math.ceil(scale) + 1))


@pytest.mark.parametrize(("low", "shift", "top"), [(3, 2, 1), (7, 3, 1), (3, 2, 2), (1, 1, 3)])
def test_coin_of_the_low_digits(low, shift, top, plausible):
    kept = int(laplace._low_survives([low] * 30_000, shift, top).sum())
    assert plausible(kept, 30_000, math.exp(-low / (top << shift)))


def test_draws_are_independent(fits):
    """Neighbouring draws have the product of their probabilities, and no draw comes twice where all should differ."""
    draws, one = laplace.sample(Fraction(1), 200_000), pmf(Fraction(1))
    pairs = [9 * (a + 4) + b + 4 for a, b in zip(draws[::2], draws[1::2], strict=True) if max(abs(a), abs(b)) <= 4]
    inside = math.fsum(one(x) for x in range(-4, 5)) ** 2
    assert fits(pairs, lambda code: one(code // 9 - 4) * one(code % 9 - 4) / inside, range(81))
    for scale in (Fraction(2**40), Fraction(2**75)):
        assert len(set(laplace.sample(scale * 2**20, 2000))) == 2000
    assert len(set(laplace.truncated(Fraction(2**40), 2**40 - 1, 200))) == 200


@pytest.mark.parametrize("scale", [Fraction(1, 10**9), Fraction(1, 10**40), Fraction(3, 10**20 + 7)])
def test_tiny_scales_give_zero(scale):
    assert set(laplace.sample(scale, 1000)) == {0}
    assert laplace.quantile(scale) == 0


@given(POSITIVE)
def test_admissible_only_rounds_up_a_little(scale):
    used = laplace.admissible(scale)
    assert scale <= used <= scale * (1 + Fraction(1, 2**38))
    assert laplace.admissible(used) == used
    assert len(laplace.sample(scale, 3)) == 3


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_as_many_as_asked(n):
    assert len(laplace.sample(Fraction(5, 2), n)) == n
    assert len(laplace.truncated(Fraction(5, 2), 3, n)) == n


@pytest.mark.parametrize("scale", [Fraction(0), Fraction(-1)])
def test_no_noise_without_scale(scale):
    for ask in (laplace.admissible, lambda s: laplace.sample(s, 1)):
        with pytest.raises(ValueError, match="positive scale"):
            ask(scale)


@pytest.mark.parametrize(
    ("scale", "reach"), [(Fraction(3, 2), 4), (Fraction(7), 3), (Fraction(1, 2), 0), (Fraction(9), 9)], ids=str,
)
def test_truncated_is_conditioned(scale, reach, fits):
    total = math.fsum(pmf(scale)(x) for x in range(-reach, reach + 1))
    draws = laplace.truncated(scale, reach, 60_000)
    assert fits(draws, lambda x: pmf(scale)(x) / total, range(-reach, reach + 1))
    assert max(map(abs, draws)) <= reach


def test_truncated_far_below_its_scale_ends():
    """Rejection from the full noise would run for years here."""
    assert set(laplace.truncated(Fraction(2**40), 1, 1000)) == {-1, 0, 1}
    with pytest.raises(ValueError, match="scale up to"):
        laplace.truncated(Fraction(2**41), 1, 1)


@given(st.integers(1, 2**80), st.fractions(Fraction(1, 10**6), Fraction(10**9)).filter(lambda e: e > 0))
def test_theorem_laplace_event(sensitivity, epsilon):
    """The event's scale makes the worst ratio of probabilities, exp(D/s), at most exp(epsilon), in fractions."""
    event = laplace.laplace_event(sensitivity, epsilon)
    assert event.epsilon == sensitivity / event.scale <= epsilon and event.delta == 0
    assert event.epsilon >= epsilon * (1 - Fraction(1, 2**37))
    assert laplace.admissible(event.scale) == event.scale


def worst_ratio(scale: Fraction, sensitivity: int) -> Decimal:
    """The largest probability ratio between data 0 and `sensitivity`, over a window of outputs, to 50 digits."""
    with localcontext(prec=50):
        rate = Decimal(scale.denominator) / Decimal(scale.numerator)
        return max(((abs(y - sensitivity) - abs(y)) * rate).exp() for y in range(-50, 51))


@pytest.mark.parametrize("sensitivity", [1, 2, 7])
@pytest.mark.parametrize("epsilon", [Fraction(1, 10), Fraction(1), Fraction(7, 3)])
def test_exact_inequality_holds_and_half_the_scale_breaks_it(sensitivity, epsilon):
    event = laplace.laplace_event(sensitivity, epsilon)
    with localcontext(prec=50):
        bound = (Decimal(epsilon.numerator) / Decimal(epsilon.denominator)).exp() * (1 + Decimal(10) ** -40)
    assert worst_ratio(event.scale, sensitivity) <= bound < worst_ratio(event.scale / 2, sensitivity)


@pytest.mark.parametrize("scale", [Fraction(2), Fraction(6)])
def test_mutants_do_not_fit(scale, fits, distance):
    """Half the scale, a zero drawn twice as often, no sign, and a shift by one are told apart from the real one."""
    reach = range(-8 * int(scale), 8 * int(scale) + 1)
    right = laplace.sample(scale, 100_000)
    assert fits(right, pmf(scale), reach) and farthest(right, scale) <= distance(100_000)
    half = laplace.sample(scale / 2, 100_000)
    twice = [draw for draw in right if draw] + [0] * (2 * right.count(0))
    for wrong in (half, twice, [abs(draw) for draw in right], [draw + 1 for draw in right]):
        assert not fits(wrong, pmf(scale), reach)
    assert farthest(half, scale) > distance(100_000)


def audited_epsilon(mechanism, n: int = 20_000) -> float:
    """A lower bound on epsilon from outputs alone: the event chosen on one half, bounded on the other (Hoeffding)."""
    low, high = mechanism(0, n), mechanism(1, n)
    half, slack = n // 2, math.sqrt(math.log(2e9) / n)
    cuts = np.unique(high)
    gain = [np.mean(high[:half] >= cut) / max(1 / half, np.mean(low[:half] >= cut)) for cut in cuts]
    cut = cuts[int(np.argmax([g if np.mean(high[:half] >= c) > 0.2 else 0 for g, c in zip(gain, cuts, strict=True)]))]
    seen, unseen = np.mean(high[half:] >= cut), np.mean(low[half:] >= cut)
    return math.log((seen - slack) / (unseen + slack)) if seen > slack else 0.0


def test_audit_passes_the_claim_and_catches_half_the_scale():
    scale = laplace.laplace_event(1, Fraction(1)).scale
    assert 0.5 < audited_epsilon(lambda x, n: x + np.array(laplace.sample(scale, n))) <= 1
    assert audited_epsilon(lambda x, n: x + np.array(laplace.sample(scale / 2, n))) > 1


@pytest.mark.parametrize("scale", [Fraction(1, 4), Fraction(1), Fraction(5, 2), Fraction(300)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_quantile_is_the_smallest(scale, confidence):
    reach = laplace.quantile(scale, confidence)
    inside = math.fsum(pmf(scale)(x) for x in range(-reach, reach + 1))
    assert inside >= confidence - 1e-12
    assert reach == 0 or inside - 2 * pmf(scale)(reach) < confidence


def test_quantile_of_huge_scale_and_bad_confidence():
    assert laplace.quantile(Fraction(2**80)) == pytest.approx(-math.log(0.05) * 2**80, rel=1e-12)
    for confidence in (0.0, 1.0, 2.0, float("nan")):
        with pytest.raises(ValueError, match="confidence"):
            laplace.quantile(Fraction(1), confidence)


@pytest.mark.parametrize(("sensitivity", "epsilon"), [(0, Fraction(1)), (-1, Fraction(1)), (1, Fraction(0))])
def test_event_refuses(sensitivity, epsilon):
    with pytest.raises(ValueError, match="positive"):
        laplace.laplace_event(sensitivity, epsilon)


@pytest.mark.parametrize("scale", [1, 30])
def test_agrees_with_opendp(scale, distance):
    dp = pytest.importorskip("opendp.prelude", reason="opendp is not installed: its sampler is not compared")
    dp.enable_features("contrib")
    space = dp.vector_domain(dp.atom_domain(T="i32")), dp.l1_distance(T="i32")
    theirs = np.sort(dp.m.make_laplace(*space, scale=float(scale))([0] * 50_000))
    ours = np.sort(laplace.sample(Fraction(scale), 50_000))
    grid = np.arange(-20 * scale, 20 * scale)
    gap = np.searchsorted(theirs, grid, side="right") - np.searchsorted(ours, grid, side="right")
    assert np.abs(gap).max() / 50_000 <= 2 * distance(50_000)
