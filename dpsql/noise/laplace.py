"""Discrete Laplace noise on the integers, drawn exactly, and how far it reaches.

P(x) is proportional to exp(-|x| / scale). The noise alone carries a privacy claim, so it is integers throughout;
quantiles only widen or narrow an error bar, so they are floating point.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from dpsql.budget.events import Event
from dpsql.noise.entropy import Words, below, bits

WORD = 40  # bits of the numerator that the vectorised sampler draws at once, so that 64 bits never overflow


def admissible(scale: Fraction) -> Fraction:
    """The scale `sample` uses when asked for `scale`: the same, or larger by less than a part in 2**38.

    A numerator up to 2**40 is kept; a longer one is rounded up to 40 significant bits. Idempotent.
    ValueError when `scale` is not positive.
    """
    if scale <= 0:
        raise ValueError(f"noise needs a positive scale, not {scale}")
    if scale.numerator <= 1 << WORD:
        return scale
    excess = scale.numerator.bit_length() - scale.denominator.bit_length() - WORD + 1
    step = Fraction(1 << excess) if excess >= 0 else Fraction(1, 1 << -excess)
    return math.ceil(scale / step) * step


def sample(scale: Fraction, n: int) -> list[int]:
    """`n` independent draws of discrete Laplace noise of `admissible(scale)`, exact.

    Drawn in batches, so the time tells nothing of a single draw. ValueError when `scale` is not positive.
    Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), Algorithm 2.
    """
    scale = admissible(scale)
    shift = max(0, scale.numerator.bit_length() - WORD - 1)
    top = scale.numerator >> shift
    assert top << shift == scale.numerator and (shift == 0 or scale.denominator == 1), "the scale is not admissible"
    draws: list[int] = []
    while (missing := n - len(draws)) > 0:
        draws += _attempt(top, scale.denominator, shift, 2 * missing + 64)
    return draws[:n]


def truncated(scale: Fraction, reach: int, n: int) -> list[int]:
    """`n` independent draws of the noise of `sample`, conditioned on [-reach, reach], exact.

    What falls outside is drawn again; where most would, the proposal is uniform. ValueError when `scale` is not
    positive or passes 2**40.
    """
    scale = admissible(scale)
    if scale > 1 << WORD:
        raise ValueError(f"truncated noise needs a scale up to 2**{WORD}, not {scale}")
    draws: list[int] = []
    while (missing := n - len(draws)) > 0:
        if reach > scale or scale < 1:
            draws += [z for z in sample(scale, missing + missing // 16 + 16) if -reach <= z <= reach]
        else:
            drawn = below(2 * reach + 1, 2 * missing + 16).astype(np.int64) - reach
            chance = (np.abs(drawn) * scale.denominator).astype(np.uint64)
            draws += drawn[survives(chance, scale.numerator)].tolist()
    return draws[:n]


def laplace_event(sensitivity: int, epsilon: Fraction, cells: int = 1) -> Event:
    """The event of adding noise of the smallest admissible scale that gives `epsilon`; `cells` as in `Event.laplace`.

    ValueError unless both are positive.

    Theorem: adding independent discrete Laplace noise of scale s to each cell of an integer vector whose L1 distance
    between neighbours is at most D is (D/s, 0)-differentially private; so with s >= D/epsilon it is epsilon-DP.
    Proof: the probability of an output y on data x is c * exp(-|y - x|_1 / s) with c free of x. For neighbours x, x'
    the ratio is exp((|y - x'|_1 - |y - x|_1) / s) <= exp(|x - x'|_1 / s) <= exp(D / s), by the triangle inequality.
    Needs: every cell is an integer, noise is added to every cell whether or not it holds data, D bounds the sum over
    all cells of what one unit changes, and `sample` draws from the stated distribution.
    Source: Ghosh, Roughgarden, Sundararajan, "Universally Utility-Maximizing Privacy Mechanisms" (2009).
    """
    if sensitivity <= 0 or epsilon <= 0:
        raise ValueError(f"noise needs a positive sensitivity and epsilon, not {sensitivity} and {epsilon}")
    scale = admissible(sensitivity / epsilon)
    return Event.laplace(sensitivity, scale, cells)


def quantile(scale: Fraction, confidence: float = 0.95) -> int:
    """The smallest t with P(|X| <= t) >= confidence, for X discrete Laplace of `scale`; up to rounding of doubles.

    Source: P(|X| > t) = 2 q^(t+1) / (1 + q) with q = exp(-1/scale), summed as a geometric series.
    """
    miss = check(confidence)
    if scale < Fraction(1, 1000):   # zero but for exp(-1000)
        return 0
    width = float(scale)
    reach = width * (math.log(2 / miss) - math.log1p(math.exp(-1 / width)))
    return max(0, math.ceil(reach * (1 - 1e-15)) - 1)


def check(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
    return 1 - confidence


def _attempt(top: int, divisor: int, shift: int, n: int) -> list[int]:
    """The accepted draws, in order, of `n` runs of the algorithm's loop; the scale is top * 2**shift / divisor."""
    remainder = below(top, n)
    remainder = remainder[survives(remainder, top)]
    # 40 bits of `top` leave 23 for the quotient: it passes them with probability exp(-2**23)
    size = (remainder + np.uint64(top) * _quotient(remainder.size)).astype(np.int64)
    if shift:
        wide = np.empty(size.size, dtype=object)
        wide[:] = size.tolist()
        low = bits(shift, size.size)
        kept = _low_survives(low, shift, top)
        size = ((wide << shift) + np.array(low, dtype=object))[kept]
    elif divisor > 1:
        size = size // divisor if divisor < 1 << 63 else np.zeros_like(size)
    negative = below(2, size.size) == 1
    once = ~(negative & (size == 0).astype(bool))   # or zero would be drawn as +0 and as -0
    drawn: list[int] = np.where(negative, -size, size)[once].tolist()
    return drawn


def survives(numerators: Words, denominator: int) -> NDArray[np.bool_]:
    """One exact coin each, true with probability exp(-numerator / denominator), numerator <= denominator.

    Source: Canonne, Kamath, Steinke (2020), Algorithm 1; turn k goes on with probability numerator / (k denominator).
    """
    outcome = np.zeros(numerators.size, dtype=bool)
    alive = np.arange(numerators.size)
    turn = 0
    while alive.size:
        turn += 1
        won = below(denominator * turn, alive.size) < numerators[alive]
        outcome[alive[~won]] = turn % 2 == 1
        alive = alive[won]
    return outcome


def _quotient(n: int) -> Words:
    """How many coins of probability exp(-1) fall true before the first false one."""
    count = np.zeros(n, dtype=np.uint64)
    alive = np.arange(n)
    while alive.size:
        alive = alive[survives(np.ones(alive.size, dtype=np.uint64), 1)]
        count[alive] += np.uint64(1)
    return count


def _low_survives(low: list[int], shift: int, top: int) -> NDArray[np.bool_]:
    """One exact coin each, true with probability exp(-low / (2**shift * top)): nearly always, so rarely looked at."""
    outcome = np.ones(len(low), dtype=bool)
    for index in np.flatnonzero(below(top, len(low)) == 0).tolist():
        turn, won = 1, bits(shift, 1)[0] < low[index]
        while won:
            turn += 1
            won = below(top * turn, 1)[0] == 0 and bits(shift, 1)[0] < low[index]
        outcome[index] = turn % 2 == 1
    return outcome
