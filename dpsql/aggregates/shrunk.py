"""Noisy counts of many groups know of each other: where they barely differ but for their noise, most of it can go."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

FEW = 10     # groups; of fewer nothing is learned


def shrunk(beyond: Sequence[int], units: Sequence[int], deviation: float, limit: int) -> list[int]:
    """Noisy numbers of rows beyond each unit's first, nearer to the truth: moved towards one ratio to the units.

    `deviation` is that of the noise of `beyond`; none is moved by more than it, or than `limit`.
    Theorem: it is a function of noisy and public numbers alone, and moves none by more than `limit`.
    Proof: the estimate of James and Stein is limited to a whole number of rows either way of a whole number, and
    rounded.
    Needs: nothing but the numbers.
    Source: James and Stein, "Estimation with Quadratic Loss" (1961); limited as in Efron and Morris, "Limiting the Risk
    of Bayes and Empirical Bayes Estimators" (1971), so that a group unlike the others loses little.
    """
    noisy, people = np.array(beyond, dtype=np.float64), np.array(units, dtype=np.float64)
    if len(noisy) < FEW or people.sum() <= 0:
        return list(beyond)
    fit = people * max(0.0, noisy.sum() / people.sum())
    away = noisy - fit
    spread = float(away @ away)
    part = 1.0 if spread == 0 else min(1.0, (len(noisy) - 3) * deviation**2 / spread)
    most = min(limit, math.floor(deviation))
    moved = noisy - np.clip(part * away, -most, most)
    return [round(value) for value in moved.tolist()]
