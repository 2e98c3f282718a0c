"""The width around a chosen place: exact probabilities of neighbours, and of the quantile being held, for any data."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_quantile import HIGH, LOW, PLACES, fractions, histogram, histograms, widths
from test_quantile import _exp as exp_above

from dpsql.noise import quantile, spread
from dpsql.noise.quantile import Histogram, Rank
from dpsql.noise.spread import Spread, around, spread_event

places = st.integers(LOW, HIGH)
levels = st.sampled_from([0.01, 0.5, 0.95, 0.999])


def of(fraction: Fraction, width: Fraction, rows: int = 1, places: int = PLACES) -> Spread:
    return Spread(Rank(fraction, rows, width, None), places)


def probabilities(
    rows: Histogram, place: int, wanted: Spread, level: float, grid: tuple[int, int] = (LOW, HIGH),
) -> dict[tuple[int, int], Fraction]:
    """The exact probability of every interval: the integers that `around` draws by."""
    nested = spread._nested(*grid, place, wanted)
    scores = spread._scores(rows, grid, nested, wanted, level)
    weights = [quantile._weight(int(score), wanted.rank.rate) for score in scores]
    found: Counter[tuple[int, int]] = Counter()
    for first, last, weight in zip(*nested, weights, strict=True):
        found[int(first), int(last)] += weight
    return {ends: Fraction(weight, sum(weights)) for ends, weight in found.items()}


def true(rows: list[int], fraction: Fraction) -> tuple[int, int]:
    """The least and the largest of what QUANTILE_DISC is and QUANTILE_CONT lies between."""
    n, ordered = len(rows), sorted(rows)
    at = fraction * (n - 1)
    found = [ordered[max(1, math.ceil(fraction * n)) - 1], ordered[math.floor(at)], ordered[math.ceil(at)]]
    return min(found), max(found)


def missed(rows: list[int], place: int, wanted: Spread, level: float) -> Fraction:
    low, high = true(rows, wanted.rank.fraction)
    found = probabilities(histogram(rows), place, wanted, level)
    return sum((chance for (first, last), chance in found.items() if first > low or last < high), Fraction(0))


def check_holds(rows: list[int], place: int, wanted: Spread, level: float) -> None:
    """An interval misses the quantile with a probability of at most 1 - level."""
    assert missed(rows, place, wanted, level) <= Fraction(1 - level) + Fraction(1, 1 << 40)


@settings(max_examples=300, deadline=None)
@given(histograms.filter(bool), places, fractions, widths, levels)
def test_theorem_around(rows: list[int], place: int, fraction: Fraction, width: Fraction, level: float) -> None:
    check_holds(rows, place, of(fraction, width), level)


def test_no_fewer_rows_would_do() -> None:
    """At the worst, half of the rows at either end of the grid, nothing is left over."""
    wanted, rows = of(Fraction(1, 2), Fraction(1)), [LOW] * 250 + [HIGH] * 250
    assert Fraction(48, 1000) < missed(rows, LOW, wanted, 0.95) <= Fraction(1, 20)


@settings(max_examples=200, deadline=None)
@given(histograms, st.lists(st.integers(LOW, HIGH), max_size=3), places, fractions, widths, levels)
def test_theorem_spread_event(
    rows: list[int], unit: list[int], place: int, fraction: Fraction, width: Fraction, level: float,
) -> None:
    check_ratio(rows, unit, place, of(fraction, width, 3), level)


def check_ratio(rows: list[int], unit: list[int], place: int, wanted: Spread, level: float) -> None:
    """The ratios of the probabilities of neighbours lie in an interval of logarithmic length `width`."""
    both = [probabilities(histogram(each), place, wanted, level) for each in (rows, rows + unit)]
    ratios = [both[0][ends] / both[1][ends] for ends in both[0]]
    assert max(ratios) / min(ratios) <= exp_above(wanted.rank.width)
    assert spread_event(wanted, 4).epsilon == 4 * wanted.rank.width


def test_intervals_are_nested_from_the_place_to_the_grid() -> None:
    for size in (1, 2, 3, 100, 1 << 34):
        wanted = of(Fraction(1, 2), Fraction(1), places=size)
        for place in {0, size // 3, size - 1}:
            first, last = spread._nested(0, size - 1, place, wanted)
            assert (first[0], last[0], first[-1], last[-1]) == (place, place, 0, size - 1)
            assert np.all(np.diff(first) <= 0) and np.all(np.diff(last) >= 0) and len(first) < 1 << 8


@pytest.mark.parametrize(("fraction", "ends"), [(Fraction(0), (LOW, 5)), (Fraction(1), (5, HIGH))])
def test_an_extreme_has_one_end(fraction: Fraction, ends: tuple[int, int]) -> None:
    assert around(histogram([4, 5, 6] * 100), LOW, HIGH, 5, of(fraction, Fraction(10)), 0.95) == ends


def test_with_few_rows_or_little_epsilon_it_is_the_whole_grid() -> None:
    assert around(histogram([]), LOW, HIGH, 3, of(Fraction(1, 2), Fraction(10**6)), 0.95) == (LOW, HIGH)
    little = of(Fraction(123457, 10**6), quantile.LEAST_WIDTH)
    assert around(histogram([3] * 100), LOW, HIGH, 3, little, 0.95) == (LOW, HIGH)


def test_with_much_epsilon_it_is_the_place_or_as_near_as_rows_are() -> None:
    wanted = of(Fraction(1, 2), Fraction(10**9))
    assert around(histogram([3] * 9), LOW, HIGH, 3, wanted, 0.95) == (3, 3)
    assert around(histogram([3] * 9), LOW, HIGH, 1, wanted, 0.95) == (-1, 3)


def test_draws_follow_the_probabilities() -> None:
    wanted, rows = of(Fraction(1, 2), Fraction(1)), histogram([0, 0, 4, 5, 5, 5, 5, 5, 6])
    drawn = Counter(around(rows, LOW, HIGH, 4, wanted, 0.5) for _ in range(4_000))
    for ends, chance in probabilities(rows, 4, wanted, 0.5).items():
        deviation = math.sqrt(4_000 * chance * (1 - chance))
        assert abs(drawn[ends] - 4_000 * float(chance)) < 7 * deviation + 7


@settings(max_examples=100, deadline=None)
@given(st.lists(places, min_size=1, max_size=60), places, fractions, levels)
def test_places_that_are_far_may_be_left_out(
    rows: list[int], place: int, fraction: Fraction, level: float,
) -> None:
    """What is not near the quantile is as far as any, counted or not."""
    wanted, every = of(fraction, Fraction(60)), histogram(rows)
    aim = float(fraction * len(rows))
    near = (every.upto >= aim - wanted.near) & (every.before <= aim + wanted.near)
    few = Histogram(every.places[near], every.before[near], every.upto[near], every.total)
    assert probabilities(every, place, wanted, level) == probabilities(few, place, wanted, level)


def test_places_that_are_near_may_not_be_left_out() -> None:
    every = histogram([0, 1, 2, 3])
    few = Histogram(every.places[:2], every.before[:2], every.upto[:2], every.total)
    with pytest.raises(AssertionError, match="left out"):
        around(few, LOW, HIGH, 1, of(Fraction(1, 2), Fraction(1)), 0.95)
