"""The private search: its exact probabilities against its theorem, its totals against clipping, and mutants."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.noise import search

WIDTH = Fraction(1, 10)
WIDTHS = [WIDTH, Fraction(2), Fraction(50)]
LADDER = search.ladder(1, 1000)
WHOLES = st.sampled_from([1, 7, 100, 5000])


@given(st.integers(1, 2**40), st.integers(0, 2**40))
@settings(deadline=None)
def test_ladder(base, more):
    rungs = search.ladder(base, base + more)
    assert rungs[0] == base and rungs[-1] == base + more
    assert list(rungs) == sorted(set(rungs))
    assert all(high <= math.ceil(low * 2 ** (1 / 8)) + 1 for low, high in pairwise(rungs))


def test_ladder_is_exact():
    """Rungs are whole numbers compared exactly, far beyond doubles."""
    rungs = search.ladder(3**30, 2**62)
    for i, rung in enumerate(rungs[:-1]):
        assert (rung - 1) ** 8 < (3**30) ** 8 << i <= rung**8
    assert len(search.ladder(1, 2**62)) == 480
    for base, top in ((0, 5), (6, 5), (-1, 2)):
        with pytest.raises(ValueError, match="ladder"):
            search.ladder(base, top)


sizes = st.lists(st.integers(0, 2000), max_size=40)


def above(values, rungs=LADDER):
    return [sum(abs(value) > rung for value in values) for rung in rungs]


def spread(one, other) -> tuple[Fraction, Fraction]:
    """The least and the largest ratio of probabilities of one rung."""
    ratios = [Fraction(a * sum(other), b * sum(one)) for a, b in zip(one, other, strict=True)]
    return min(ratios), max(ratios)


@given(sizes, st.lists(st.integers(0, 2000), max_size=3), st.integers(1, 3), st.sampled_from(WIDTHS), WHOLES)
@settings(deadline=None)
def test_theorem_search_event(values, unit, extra, width, whole):
    """One unit of up to C contributions moves logarithms of ratios within an interval of the width, in integers."""
    groups = max(1, len(unit)) + extra - 1
    event = search.search_event(groups, width)
    assert (event.epsilon, event.delta, event.rho) == (width, 0, min(width**2 / 8, width))
    with_unit = search.weights(above(values + unit), LADDER, groups, width, whole)
    without = search.weights(above(values), LADDER, groups, width, whole)
    assert min(with_unit) >= 1 << search.LEAST
    low, high = spread(with_unit, without)
    assert math.log(high / low) <= float(width) * (1 + 1e-12)
    assert low <= 1 <= high


def test_the_whole_width_is_used():
    """The worst neighbours come within a hundredth of the claim."""
    width, rungs = Fraction(1), search.ladder(1, 10)
    low, high = spread(
        search.weights(above([5] * 40, rungs), rungs, 1, width), search.weights(above([5] * 39, rungs), rungs, 1, width)
    )
    assert 0.99 < math.log(high / low) <= 1


def test_half_the_cap_violates():
    """Mutant: C forgotten, a unit of two groups moves twice as much."""
    width = Fraction(1)
    low, high = spread(
        search.weights(above([5] * 42), LADDER, 1, width), search.weights(above([5] * 40), LADDER, 1, width)
    )
    assert math.log(high / low) > 1.5


def test_prior_and_depth():
    rungs = search.ladder(1, 1 << 20)
    quiet = search.weights([0] * len(rungs), rungs, 1, WIDTH)
    place = rungs.index(1024)
    assert quiet[0] / quiet[place] == pytest.approx(1024**2.5, rel=1e-12)
    loud = search.weights([10**12] * len(rungs), rungs, 1, WIDTH)
    assert math.log(Fraction(quiet[0], loud[0])) == pytest.approx(search.DEEPEST)
    assert min(loud).bit_length() == search.LEAST + 1


def test_the_prior_falls_slowly_below_one():
    """A number of 2^-20 steps: below one, by the size of it; above, as ever."""
    rungs, whole = search.ladder(1, 1 << 40), 1 << 20
    quiet = search.weights([0] * len(rungs), rungs, 1, WIDTH, whole)
    one, thousand = rungs.index(whole), rungs.index(whole << 10)
    assert quiet[0] / quiet[one] == pytest.approx(2**20, rel=1e-12)
    assert quiet[one] / quiet[thousand] == pytest.approx(1024**2.5, rel=1e-12)
    assert min(search.weights([10**12] * len(rungs), rungs, 1, WIDTH, whole)).bit_length() == search.LEAST + 1


def test_a_size_is_found_where_it_was_not():
    """Of 500 amounts near 10,000 in steps of 2^-20 the bound is found, which the fast fall alone would have missed."""
    values, rungs, whole = [10_000 << 20] * 500, search.ladder(1, 1 << 62), 1 << 20
    passed = above(values, rungs)
    found = sorted(rungs[search.search(passed, rungs, 1, WIDTH, whole)] >> 20 for _ in range(50))
    missed = sorted(rungs[search.search(passed, rungs, 1, WIDTH)] >> 20 for _ in range(50))
    assert 10_000 <= found[5] <= found[25] < 20_000 and missed[25] == 0
    assert 400 < search.needed(1, WIDTH, 10**4, whole) < 450


def test_draws_follow_the_weights(fits):
    rungs = search.ladder(1, 6)
    weights = search.weights([30, 8, 3, 1, 0, 0], rungs, 1, Fraction(1))
    drawn = [search.search([30, 8, 3, 1, 0, 0], rungs, 1, Fraction(1)) for _ in range(6_000)]
    assert fits(drawn, lambda place: weights[place] / sum(weights), range(6))


def test_mutant_without_noise_is_told_apart(fits):
    """Mutant: the best rung without a draw."""
    rungs = search.ladder(1, 6)
    weights = search.weights([30, 8, 3, 1, 0, 0], rungs, 1, Fraction(1))
    best = [max(range(6), key=weights.__getitem__)] * 6_000
    assert not fits(best, lambda place: weights[place] / sum(weights), range(6))


@given(st.lists(st.integers(-3000, 3000), max_size=60))
@settings(deadline=None)
def test_theorem_clipped(values):
    """From counts, sums and signs by rung: the total clipped to every rung, for signed values beyond the top too."""
    inside = [max(-1000, min(1000, value)) for value in values]
    at = [next(i for i, rung in enumerate(LADDER) if abs(value) <= rung) for value in inside]
    counts, sums, signs = Counter(at), [0] * len(LADDER), [0] * len(LADDER)
    for place, value in zip(at, inside, strict=True):
        sums[place] += value
        signs[place] += (value > 0) - (value < 0)
    assert search.beyond([counts[i] for i in range(len(LADDER))]) == above(inside)
    for place, rung in enumerate(LADDER):
        assert search.clipped(sums, signs, LADDER, place) == sum(max(-rung, min(rung, value)) for value in inside)


def test_finds_the_size_of_counts():
    """A hundred thousand counts up to 40: hardly any is clipped, and the bound is hardly ever twice too large."""
    values = [1 + (i * 7919) % 40 for i in range(100_000)]
    passed = above(values)
    found = sorted(LADDER[search.search(passed, LADDER, 1, WIDTH)] for _ in range(300))
    assert found[2] >= 39 and found[150] <= 56 and found[-3] <= 800
    assert search.needed(1, WIDTH, 40) == pytest.approx(143, abs=2)


@pytest.mark.parametrize(("groups", "width"), [(0, Fraction(1)), (1, Fraction(0)), (1, Fraction(1, 2**50))])
def test_search_refuses(groups, width):
    with pytest.raises(ValueError, match="search"):
        search.search_event(groups, width)


@given(
    sizes, st.integers(1, 5), st.sampled_from([Fraction(1, 20), WIDTH, Fraction(2)]), st.sampled_from([0.5, 0.95]),
    WHOLES,
)
@settings(deadline=None)
def test_theorem_passing(values, groups, width, confidence, whole):
    """The exact probability that more contributions pass the rung chosen than is said."""
    beyond = above([min(value, LADDER[-1]) for value in values])     # what is larger stands on the top rung
    weights = search.weights(beyond, LADDER, groups, width, whole)
    missed = sum(
        weight for count, rung, weight in zip(beyond, LADDER, weights, strict=True)
        if count > search.passing(LADDER, rung, groups, width, confidence, whole)
    )
    assert missed <= (1 - confidence) * sum(weights) * (1 + 1e-9)


def test_what_passes_is_said_sharply_enough():
    """A search of epsilon 1/10 over counts: some hundreds, whatever the confidence."""
    rungs = search.ladder(1, 1 << 24)
    assert search.passing(rungs, 42, 1, WIDTH, 0.95) < 420
    assert search.passing(rungs, rungs[-1], 1, WIDTH, 0.95) < 90
    assert search.passing(search.ladder(1, 2**62), 1, 1, WIDTH, 1 - 2**-53) < 1600
