"""The choice of a quantile: exact probabilities of neighbours, how far it lands, and where it lands for sure."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.noise import quantile
from dpsql.noise.quantile import Rank, choice_event, choose, rank, reach

LOW, HIGH = -3, 9
PLACES = HIGH - LOW + 1
Histogram = list[tuple[int, int]]

fractions = st.sampled_from([Fraction(k, 20) for k in range(21)] + [Fraction(1, 3), Fraction(999, 1000)])
histograms = st.lists(st.integers(LOW, HIGH), max_size=14)
widths = st.sampled_from([Fraction(1, 50), Fraction(1, 2), Fraction(3), Fraction(40)])


def histogram(rows: list[int]) -> Histogram:
    return sorted(Counter(rows).items())


def probabilities(rows: list[int], wanted: Rank) -> list[Fraction]:
    """The exact probability of every place: the integers that `choose` draws by."""
    runs, scores = quantile._runs(histogram(rows), LOW, HIGH, wanted)
    weights = quantile._weights(runs, scores, wanted)
    total = sum(weights)
    by_place = {
        place: Fraction(weight, total * (last - first + 1))
        for (first, last), weight in zip(runs, weights, strict=True) for place in range(first, last + 1)
    }
    assert sorted(by_place) == list(range(LOW, HIGH + 1))
    return [by_place[place] for place in range(LOW, HIGH + 1)]


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


def test_draws_follow_the_probabilities() -> None:
    wanted = rank(Fraction(1, 2), 1, Fraction(1), PLACES)
    rows = [0, 0, 4, 5]
    drawn = Counter(choose(histogram(rows), LOW, HIGH, wanted) for _ in range(20_000))
    for place, chance in zip(range(LOW, HIGH + 1), probabilities(rows, wanted), strict=True):
        deviation = math.sqrt(20_000 * chance * (1 - chance))
        assert abs(drawn[place] - 20_000 * float(chance)) < 6.5 * deviation       # 13 places: below 1e-9


@pytest.mark.parametrize("arguments", [
    (Fraction(-1, 2), 1, Fraction(1), 5), (Fraction(3, 2), 1, Fraction(1), 5), (Fraction(1, 2), 0, Fraction(1), 5),
    (Fraction(1, 2), 1, Fraction(1, 1 << 41), 5),
])
def test_ranks_that_make_no_sense(arguments: tuple[Fraction, int, Fraction, int]) -> None:
    with pytest.raises(ValueError):
        rank(*arguments)
