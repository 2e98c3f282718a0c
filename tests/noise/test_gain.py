"""How many rows of a unit are kept: exact probabilities against the theorem, what is chosen, and mutants."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.noise import gain

WIDTH = Fraction(1, 10)
LIMITS = gain.doublings(16)
Units = list[list[int]]


def distinct(units: Units) -> list[int]:
    """By limit, the values that are among the first so many of some unit, less those of the limit before."""
    totals = [len({value for unit in units for value in unit[:limit]}) for limit in LIMITS]
    return [total - before for total, before in zip(totals, [0, *totals[:-1]], strict=True)]


def rows(units: Units) -> list[int]:
    totals = [sum(min(len(unit), limit) for unit in units) for limit in LIMITS]
    return [total - before for total, before in zip(totals, [0, *totals[:-1]], strict=True)]


_units = st.lists(st.lists(st.integers(0, 40), max_size=20, unique=True), max_size=12)


@given(_units, st.lists(st.lists(st.integers(0, 60), max_size=20, unique=True), max_size=3),
       st.sampled_from([WIDTH, Fraction(2)]), st.sampled_from([distinct, rows]))
@settings(deadline=None, max_examples=300)
def test_theorem_gain_event(units, unit, width, counted):
    """One unit of up to C groups moves logarithms of ratios within an interval of the width."""
    groups = max(1, len(unit))
    before = [counted(units) for _ in range(groups)]            # every group has the same others
    after = [counted([*units, own]) for own in unit] + before[len(unit):]
    event = gain.gain_event(groups, width)
    assert (event.epsilon, event.delta, event.rho) == (width, 0, min(width**2 / 8, width))
    with_unit, without = (
        gain.gain_weights([sum(column) for column in zip(*each, strict=True)], LIMITS, groups, width)
        for each in (after, before)
    )
    ratios = [Fraction(a * sum(without), b * sum(with_unit)) for a, b in zip(with_unit, without, strict=True)]
    assert math.log(max(ratios) / min(ratios)) <= float(width) * (1 + 1e-12)
    assert min(ratios) <= 1 <= max(ratios)


def spread(before: list[int], after: list[int], rate: Fraction = Fraction(1)) -> float:
    with_unit, without = (gain.gain_weights(each, LIMITS, 1, rate) for each in (after, before))
    ratios = [Fraction(a, b) for a, b in zip(with_unit, without, strict=True)]
    return math.log(max(ratios) / min(ratios))


# a person whose first values others have second, and who has more of their own: one score falls, another grows
OTHERS = [[i, 100 + i] for i in range(10)]
WORST = [100, 101, *range(200, 214)]


def test_the_width_is_used():
    """The worst unit comes within a tenth of the claim."""
    assert 0.9 < spread(distinct(OTHERS), distinct([*OTHERS, WORST])) <= 1


def test_mutant_without_the_range_of_both_ways_violates():
    """Mutant: the rate of a score that can only grow."""
    assert spread(distinct(OTHERS), distinct([*OTHERS, WORST]), Fraction(3, 2)) > 1.3


def test_scores():
    assert gain.scores([5, 0, 4, 0, 0], LIMITS) == [16, 16, 0, 0, 0]
    assert gain.scores([0, 0, 0, 0, 16], LIMITS) == [16, 16, 16, 16, 0]
    with pytest.raises(AssertionError, match="power of two"):
        gain.doublings(12)


def chosen(counts: list[int], width: Fraction = WIDTH) -> list[int]:
    limits = gain.doublings(1 << 14)
    counts = counts + [0] * (len(limits) - len(counts))
    return sorted(limits[gain.most_gained(counts, limits, 1, width)] for _ in range(200))


def test_few_values_take_one_of_each_unit():
    """Five values that everybody has one of."""
    found = chosen([5])
    assert found[100] == 1 and found[-3] <= 8


def test_values_of_their_own_take_all():
    """A thousand units with 25 values each that nobody shares."""
    totals = [1000 * min(25, limit) for limit in gain.doublings(1 << 14)]
    found = chosen([total - before for total, before in zip(totals, [0, *totals[:-1]], strict=True)])
    assert found[2] >= 16 and found[100] == 32 and found[-3] <= 256


def test_draws_follow_the_weights(fits):
    counts = [60, 20, 10, 2, 0]
    weights = gain.gain_weights(counts, LIMITS, 1, Fraction(1))
    drawn = [gain.most_gained(counts, LIMITS, 1, Fraction(1)) for _ in range(6_000)]
    assert fits(drawn, lambda place: weights[place] / sum(weights), range(5))
    assert list(accumulate(counts))[-1] == 92
