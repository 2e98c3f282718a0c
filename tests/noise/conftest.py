"""Exact tail bounds, so that a random test fails wrongly less than once in 10**8 runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable

import pytest

FALSE_ALARM = 1e-9


def divergence(p: float, q: float) -> float:
    """Kullback-Leibler of two coins; P(a mean of N coins of q reaches p) <= exp(-N times this) (Chernoff)."""
    if q in (0.0, 1.0):
        return 0.0 if p == q else math.inf
    first = p * math.log(p / q) if p else 0.0
    second = (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0
    return first + second


def _plausible(count: int, n: int, p: float, false_alarm: float = FALSE_ALARM) -> bool:
    return n * divergence(count / n, p) <= math.log(2 / false_alarm)


def _fits(draws: Iterable[int], pmf: Callable[[int], float], values: range) -> bool:
    counts = Counter(draws)
    n = counts.total()
    cells = [(counts[value], pmf(value)) for value in values]
    cells.append((n - sum(count for count, _ in cells), max(0.0, 1 - math.fsum(p for _, p in cells))))
    merged = [cell for cell in cells if cell[1] > 1e-12 or cell[0]]
    return all(_plausible(count, n, p, FALSE_ALARM / len(merged)) for count, p in merged)


def _distance(n: int) -> float:
    """How far an empirical distribution function of n draws may be from its own (Dvoretzky-Kiefer-Wolfowitz)."""
    return math.sqrt(math.log(2 / FALSE_ALARM) / (2 * n))


@pytest.fixture
def plausible() -> Callable[..., bool]:
    """Whether `count` of `n` coins of probability `p` could be true."""
    return _plausible


@pytest.fixture
def fits() -> Callable[..., bool]:
    """Whether draws could come from a pmf, judged cell by cell over `values` and all the rest."""
    return _fits


@pytest.fixture
def distance() -> Callable[[int], float]:
    """The distance that n draws may show."""
    return _distance
