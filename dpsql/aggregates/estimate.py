"""Estimates with simultaneous confidence intervals, and exact interval arithmetic over them.

When every interval that enters holds its true value, so does the interval of a result. Several intervals that each
miss with probability m all hold with probability 1 - (their number) m (union bound), so a result keeps 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dpsql.aggregates.base import Noisy, Partial, Released
from dpsql.noise.ratio import ratio_interval

Floats = NDArray[np.float64]

def confidence_of_each(intervals: int, level: float) -> float:
    """The confidence of each of so many intervals that all hold together with the confidence `level`."""
    return 1 - (1 - level) / intervals


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number per group with the ends of its interval; NaN where there is no number."""

    value: Floats
    low: Floats
    high: Floats

    def __add__(self, other: Estimate | float) -> Estimate:
        if isinstance(other, Estimate):
            return Estimate(self.value + other.value, self.low + other.low, self.high + other.high)
        return Estimate(self.value + other, self.low + other, self.high + other)

    def times(self, factor: float) -> Estimate:
        """In another unit; the factor is positive."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def __neg__(self) -> Estimate:
        return Estimate(-self.value, -self.high, -self.low)

    def __sub__(self, other: Estimate | float) -> Estimate:
        return self + (-other)

    def __mul__(self, other: Estimate) -> Estimate:
        with np.errstate(invalid="ignore"):
            corners = np.array([a * b for a in (self.low, self.high) for b in (other.low, other.high)])
        corners = np.nan_to_num(corners, nan=0.0, posinf=np.inf, neginf=-np.inf)     # 0 times an open end is 0
        return Estimate(self.value * other.value, corners.min(axis=0), corners.max(axis=0))

    def squared(self) -> Estimate:
        """The square, which is never negative."""
        ends = np.array([self.low * self.low, self.high * self.high])
        inside = (self.low <= 0) & (self.high >= 0)
        return Estimate(self.value * self.value, np.where(inside, 0.0, ends.min(axis=0)), ends.max(axis=0))

    def clipped(self, low: float | Floats, high: float | Floats) -> Estimate:
        """Value and ends moved into what is possible."""
        return Estimate(np.clip(self.value, low, high), np.clip(self.low, low, high), np.clip(self.high, low, high))

    def root(self) -> Estimate:
        """The square root of what is not negative."""
        return Estimate(np.sqrt(self.value), np.sqrt(self.low), np.sqrt(self.high))

    def inverse(self) -> Estimate:
        """One over a positive number; no number, and an open interval, where it is not seen to be positive."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(self.value > 0, 1 / self.value, np.nan)
            open_ended = ~(self.low > 0)
            low = np.where(self.high > 0, 1 / self.high, 0.0)
            return Estimate(value, low, np.where(open_ended, np.inf, 1 / self.low))


def mean_of(partial: Partial, total: Noisy, count: Noisy, confidence: float) -> Estimate:
    """The mean of what a partial sums, in its own unit; a noisy count below 1 counts as 1 in the value.

    The interval is the exact confidence set of the ratio (`ratio_interval`), the value is moved into the range.
    """
    bound = max(abs(partial.low), abs(partial.high))
    unit, centre = float(partial.unit), float((partial.centre or 0) * partial.unit)
    sums, counts = np.array(total.values, dtype=np.float64), np.array(count.values, dtype=np.float64)
    low, high = ratio_interval(sums, counts, total.scale, count.scale, bound, confidence, total.noise.gaussian)
    value = sums / np.maximum(np.array(count.shown, dtype=np.float64), 1.0)
    value = np.clip(value, partial.low, partial.high)
    low, high = np.minimum(low, value), np.maximum(high, value)
    return Estimate(value, low, high).clipped(partial.low, partial.high).times(unit) + centre


def number_of(count: Noisy, least: int, confidence: float) -> Estimate:
    """A noisy count with its interval, all at least `least`."""
    value = np.array(count.values, dtype=np.float64)
    margin = float(count.noise.reach(confidence))
    return Estimate(value, value - margin, value + margin).clipped(float(least), np.inf)


def released(estimate: Estimate) -> Released:
    """The released column: NULL where there is no number, and no interval there."""
    there = ~np.isnan(estimate.value)
    low, high = np.minimum(estimate.low, estimate.value), np.maximum(estimate.high, estimate.value)
    values, lows, highs = (
        [number if shown else None for number, shown in zip(each.tolist(), there.tolist(), strict=True)]
        for each in (estimate.value, low, high)
    )
    return Released(values, lows, highs)
