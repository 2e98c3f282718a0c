"""Counts of many groups, nearer to the truth than their own noise."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.aggregates import FAMILIES, Noisy
from dpsql.aggregates.count import ROWS
from dpsql.aggregates.shrunk import FEW, shrunk
from dpsql.expression import BIGINT
from dpsql.noise.scheme import USUAL, Noise

numbers = st.lists(st.tuples(st.integers(-10**6, 10**6), st.integers(-100, 10**6)), max_size=40)


@given(numbers, st.floats(0.1, 1e5), st.integers(0, 1000))
def test_theorem_shrunk(groups: list[tuple[int, int]], deviation: float, limit: int) -> None:
    beyond, units = [b for b, _ in groups], [u for _, u in groups]
    found = shrunk(beyond, units, deviation, limit)
    assert len(found) == len(groups)
    assert all(abs(a - b) <= min(limit, deviation) for a, b in zip(found, beyond, strict=True))
    if len(groups) < FEW:
        assert found == beyond


@pytest.mark.parametrize(("spread", "gain"), [(0, 0.45), (1, 0.5), (100, 0.9), (10_000, 1.01)])
def test_the_error_is_smaller_and_never_much_larger(spread: float, gain: float) -> None:
    """Groups that differ by less than the noise, as much, and far more. Statistical: 40 draws of 500 groups."""
    draw = np.random.default_rng()
    found, plain = 0.0, 0.0
    for _ in range(40):
        units = draw.integers(500, 700, 500)
        true = 0.01 * units + draw.normal(0, spread, 500)
        noisy = np.rint(true + draw.normal(0, 100, 500)).astype(int)
        best = np.array(shrunk(noisy.tolist(), units.tolist(), 100, 1000))
        found += float(((best - true) ** 2).sum())
        plain += float(((noisy - true) ** 2).sum())
    assert found <= gain * plain


def test_a_group_unlike_the_others_stays_in_its_interval() -> None:
    """The interval is that of the unmoved number, so it holds for every group by itself."""
    noise = Noise(True, Fraction(100))
    values = [0] * 99 + [10**6]
    best = shrunk(values, [600] * 100, noise.deviation, noise.reach())
    released = FAMILIES["count"].finish((ROWS,), (Noisy(values, noise, Fraction(1), USUAL, best),), BIGINT)
    assert released.values == best
    assert list(released.lows) == [value - noise.reach() for value in values]
    assert abs(best[-1] - 10**6) <= 100
    assert all(low <= value <= high for low, value, high in zip(released.lows, best, released.highs, strict=True))  # type: ignore[operator]
