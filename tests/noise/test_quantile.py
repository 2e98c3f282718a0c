"""The choice of a quantile: exact probabilities of neighbours, how far it lands, and where it lands for sure."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.noise import quantile
from dpsql.noise.quantile import Histogram, Rank, choice_event, choose, rank, reach

LOW, HIGH = -3, 9
PLACES = HIGH - LOW + 1
fractions = st.sampled_from([Fraction(k, 20) for k in range(21)] + [Fraction(1, 3), Fraction(999, 1000)])
histograms = st.lists(st.integers(LOW, HIGH), max_size=14)
widths = st.sampled_from([Fraction(1, 50), Fraction(1, 2), Fraction(3), Fraction(40)])


def histogram(rows: list[int]) -> Histogram:
    counts = Counter(rows)
    return quantile.histogram(sorted(counts), [counts[place] for place in sorted(counts)])


def probabilities(rows: list[int], wanted: Rank) -> list[Fraction]:
    """The exact probability of every place: the integers that `choose` draws by."""
    weights = {
        int(place) + i: quantile._weight(int(score), wanted.rate)
        for place, size, score in zip(*quantile._runs(histogram(rows), LOW, HIGH, wanted), strict=True)
        for i in range(size)
    }
    assert sorted(weights) == list(range(LOW, HIGH + 1))
    total = sum(weights.values())
    return [Fraction(weights[place], total) for place in range(LOW, HIGH + 1)]


def check_ratio(rows: list[int], unit: list[int], wanted: Rank) -> None:
    """The ratios of the probabilities of neighbours lie in an interval of logarithmic length `width`."""
    pairs = zip(probabilities(rows, wanted), probabilities(rows + unit, wanted), strict=True)
    ratios = [one / other for one, other in pairs]
    assert max(ratios) / min(ratios) <= _exp(wanted.width)


def _exp(width: Fraction) -> Fraction:
    """exp(width), rounded up by less than a part in 2^60."""
    terms, term, n = Fraction(1), Fraction(1), 0
    while term * 2**70 > 1 or n < 2 * width:
        n += 1
        term = term * width / n
        terms += term
    return terms * (1 + Fraction(1, 2**60))


@settings(max_examples=200, deadline=None)
@given(histograms, st.lists(st.integers(LOW, HIGH), max_size=3), fractions, widths)
def test_theorem_choice_event(rows: list[int], unit: list[int], fraction: Fraction, width: Fraction) -> None:
    check_ratio(rows, unit, rank(fraction, 3, width, PLACES))


def test_the_event_adds_up_over_groups() -> None:
    wanted = rank(Fraction(1, 2), 3, Fraction(1, 5), PLACES)
    one, four = choice_event(wanted, 1), choice_event(wanted, 4)
    assert (one.epsilon, four.epsilon) == (Fraction(1, 5), Fraction(4, 5))
    assert four.rho == 4 * one.rho == 4 * Fraction(1, 25) / 8


@settings(max_examples=100, deadline=None)
@given(histograms.filter(bool), fractions, widths)
def test_theorem_reach(rows: list[int], fraction: Fraction, width: Fraction) -> None:
    """The probability of places farther from the rank than `reach` is at most 1/20."""
    wanted = rank(fraction, 3, width, PLACES)
    far = Fraction(0)
    aim = Fraction(wanted.of(len(rows)), wanted.steps)
    for place, chance in zip(range(LOW, HIGH + 1), probabilities(rows, wanted), strict=True):
        before, upto = sum(row < place for row in rows), sum(row <= place for row in rows)
        if max(0, aim - upto, before - aim) > reach(wanted, PLACES):
            far += chance
    assert far <= Fraction(1, 20)


@given(histograms.filter(bool), fractions)
def test_with_much_epsilon_it_is_the_discrete_quantile(rows: list[int], fraction: Fraction) -> None:
    wanted = rank(fraction, 1, Fraction(10**9), PLACES)
    place = max(1, -(-len(rows) * fraction.numerator // fraction.denominator))
    assert choose(histogram(rows), LOW, HIGH, wanted) == sorted(rows)[place - 1]


def test_nothing_tells_nothing() -> None:
    """Without rows every place is as likely."""
    for fraction in (Fraction(0), Fraction(1, 2), Fraction(1)):
        assert set(probabilities([], rank(fraction, 2, Fraction(1), PLACES))) == {Fraction(1, PLACES)}


@pytest.mark.parametrize("width", [Fraction(1, 4), Fraction(1), Fraction(9)])
def test_theorem_choose(width: Fraction) -> None:
    """Draws follow the probabilities, whatever bins of scores they are drawn by."""
    wanted = rank(Fraction(1, 2), 1, width, PLACES)
    rows = [0, 0, 4, 5, 5, 5, 5, 5, 6]
    drawn = Counter(choose(histogram(rows), LOW, HIGH, wanted) for _ in range(5_000))
    for place, chance in zip(range(LOW, HIGH + 1), probabilities(rows, wanted), strict=True):
        deviation = math.sqrt(5_000 * chance * (1 - chance))
        assert abs(drawn[place] - 5_000 * float(chance)) < 7 * deviation + 7       # 39 places: below 1e-6


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(LOW, HIGH), min_size=1, max_size=60), fractions)
def test_places_that_are_far_may_be_left_out(rows: list[int], fraction: Fraction) -> None:
    """What is not near the rank weighs the least, counted or not."""
    wanted, every = rank(fraction, 1, Fraction(40), PLACES), histogram(rows)
    near = np.abs(np.maximum(every.before, np.minimum(every.upto, float(fraction * len(rows))))
                  - float(fraction * len(rows))) <= wanted.near
    few = Histogram(every.places[near], every.before[near], every.upto[near], every.total)
    scores = []
    for each in (every, few):
        runs = zip(*quantile._runs(each, LOW, HIGH, wanted), strict=True)
        scores.append([int(score) for _, size, score in runs for _ in range(size)])
    assert sorted(scores[0]) == sorted(scores[1])


def test_places_that_are_near_may_not_be_left_out() -> None:
    every = histogram([0, 1, 2, 3])
    few = Histogram(every.places[:2], every.before[:2], every.upto[:2], every.total)
    with pytest.raises(AssertionError, match="left out"):
        choose(few, LOW, HIGH, rank(Fraction(1, 2), 1, Fraction(1), PLACES))


def test_a_row_outside_the_grid() -> None:
    with pytest.raises(AssertionError, match="outside"):
        choose(histogram([HIGH + 1]), LOW, HIGH, rank(Fraction(1, 2), 1, Fraction(1), PLACES))


@pytest.mark.parametrize("arguments", [
    (Fraction(-1, 2), 1, Fraction(1), 5), (Fraction(3, 2), 1, Fraction(1), 5), (Fraction(1, 2), 0, Fraction(1), 5),
    (Fraction(1, 2), 1, Fraction(1, 1 << 41), 5),
])
def test_ranks_that_make_no_sense(arguments: tuple[Fraction, int, Fraction, int]) -> None:
    with pytest.raises(ValueError):
        rank(*arguments)
