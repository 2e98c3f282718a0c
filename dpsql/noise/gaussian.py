"""Discrete Gaussian noise on the integers, drawn exactly, how much of it is private, and how far it reaches.

P(x) is proportional to exp(-x^2 / (2 sigma^2)). `sigma` is a whole number of steps, at least 2^FINE of them: what is
counted in coarser steps is multiplied up first, so that the discrete noise is as private as the continuous one.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsql.noise.entropy import Words, below, bits
from dpsql.noise.laplace import WORD, check, survives
from dpsql.noise.normal import analytic_delta, normal_reach

FINE = 20                             # sigma is at least 2^20 steps (the design asks for 2^10)
SHARE = 1 - Fraction(1, 1 << 10)      # of delta that the continuous Gaussian may use (design, section 5)
MOST_EPSILON = 1 << 12                # beyond it a Laplace noise is smaller, whatever the cells
LEAST_DELTA = Fraction(1, 1 << 200)   # of what doubles guess well; smaller deltas are nobody's
PLACES = 44                           # bits behind the point of a multiplier


def admissible(sigma: Fraction) -> int:
    """The whole number of steps `sample` uses when asked for `sigma`: larger by less than a step or a part in 2**38.

    Idempotent. ValueError when `sigma` is not positive.
    """
    if sigma <= 0:
        raise ValueError(f"noise needs a positive scale, not {sigma}")
    whole = math.ceil(sigma)
    shift = max(0, whole.bit_length() - WORD)
    return -(-whole >> shift) << shift


def sample(sigma: int, n: int) -> list[int]:
    """`n` independent draws of discrete Gaussian noise of `sigma` steps, exact. ValueError unless it is admissible.

    With |x| = k sigma + r and y = r / sigma, exp(-x^2 / (2 sigma^2)) = exp(-k^2/2) exp(-k y) exp(-y^2 / 2): k comes
    from coins of exp(-1/2), r is uniform, k coins of exp(-y) and one of exp(-y^2/2) accept it, then a sign, zero once.
    Drawn in batches, so the time tells nothing of a single draw.
    Source: Karney, "Sampling Exactly from the Normal Distribution" (2016), on integers; its coins are those of
    Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), Algorithm 1.
    """
    if sigma < 1 or admissible(Fraction(sigma)) != sigma:
        raise ValueError(f"no scale that the exact sampler draws: {sigma}")
    shift = max(0, sigma.bit_length() - WORD)
    draws: list[int] = []
    while (missing := n - len(draws)) > 0:
        draws += _attempt(sigma >> shift, shift, 2 * missing + missing // 4 + 64)
    return draws[:n]


@lru_cache(maxsize=256)
def multiplier(epsilon: Fraction, delta: Fraction, cells: int) -> Fraction:
    """sigma / D: the noise, in units of the joint L2 sensitivity, for (epsilon, delta) when a unit touches `cells`.

    ValueError unless 2^-200 <= delta <= 1/2, 0 < epsilon <= 2^12, and epsilon is above what discreteness costs, some
    cells / 2^31.

    Theorem: independent discrete Gaussian noise of sigma >= multiplier * D steps, sigma >= 2^FINE, added to each cell
    of an integer vector whose L2 distance between neighbours is at most D, in at most `cells` cells, is
    (epsilon, delta)-differentially private. Cells may have a sigma each: then the squares of what changes over its
    sigma add up to at most 1 / multiplier^2 (stated below for one sigma; cell by cell the proof is the same).
    Proof: cells that do not change may be left out. Let m = `cells`, R = round(G) for a Gaussian G of sigma; on
    integers x + R = round(x + G) is post-processing of the Gaussian mechanism, so by Balle and Wang's theorem 8 it is
    (e', d')-DP when Phi(1/2s - e's) - exp(e') Phi(-1/2s - e's) <= d', s = sigma/D, in any dimension; smaller distances
    than D and larger sigma only lower the left side. P(R = x) is the integral of the density f over x +- 1/2, which is
    f(x) times the mean of cosh(x u / sigma^2) exp(-u^2 / 2 sigma^2), |u| <= 1/2, hence f(x) exp(c) with c from
    -1 / 8 sigma^2 to x^2 / 8 sigma^4; discrete noise has f(x) / (sum of f over the integers), and that sum lies
    between 1 and 1 + 3 exp(-2 pi^2 sigma^2) (Poisson summation). So for |x| <= a sigma the two probabilities differ by
    a factor within exp(+-(a^2 + 1) / 8 sigma^2). Let B be the outputs with all |x_i| <= t sigma on the first data; on
    the second |x_i| <= (t + D/sigma) sigma there. With P, Q discrete and P', Q' rounded, and h = the sum over m cells,
    P(S) <= P(S and B) + P(not B) <= exp(h) P'(S and B) + P(not B) <= exp(h) (exp(e') Q'(S and B) + d') + P(not B)
    <= exp(e' + h + h') Q(S) + exp(h) d' + P(not B). h + h' <= m (t + 1/s + 1)^2 / (4 * 4^FINE); P(not B) <=
    2 m exp(-t^2 / 2), discrete Gaussians being sub-Gaussian. `_slack` bounds h + h' with t so that P(not B) is at most
    delta / 2^12; then e' = epsilon - slack, d' = SHARE * delta and exp(h) <= 1 + 2^-12 give (epsilon, delta).
    Needs: every cell is an integer; noise on every cell, data or not; D and `cells` bound all cells together.
    Source: Balle and Wang, "Improving the Gaussian Mechanism for Differential Privacy" (2018); tails: Canonne, Kamath,
    Steinke (2020), fact 27.
    """
    if not LEAST_DELTA <= delta <= Fraction(1, 2) or not 0 < epsilon <= MOST_EPSILON or cells < 1:
        raise ValueError(f"no Gaussian noise for epsilon {epsilon}, delta {delta} and {cells} cells")
    slack, steepest = _slack(epsilon, delta, cells)
    if slack > epsilon / 2:
        raise ValueError(f"epsilon {float(epsilon):g} is too small for Gaussian noise on {cells} cells")
    found = Fraction(math.ceil(_guess(float(epsilon - slack), float(delta * SHARE)) * (1 << PLACES)), 1 << PLACES)
    step = Fraction(1, 1 << PLACES)
    while analytic_delta(found, epsilon - slack) > delta * SHARE:
        found, step = found + step, 2 * step
    assert found * steepest >= 1, "sigma / D is below what the slack allows for"
    return found


def scaled(squared: int, ratio: Fraction) -> int:
    """The smallest admissible sigma of at least `ratio` times the square root of the integer `squared`."""
    numerator = squared * ratio.numerator**2
    root = math.isqrt(numerator << 64)                 # 32 bits behind the point
    return admissible(Fraction(root + 1, ratio.denominator << 32))


def quantile(sigma: int | Fraction, confidence: float = 0.95) -> int:
    """The smallest t with P(|X| <= t) >= confidence, up to rounding of doubles; sigma is at least 2^FINE."""
    return math.ceil(normal_reach(check(confidence) / 2) * float(sigma))


def _slack(epsilon: Fraction, delta: Fraction, cells: int) -> tuple[Fraction, int]:
    """What discreteness may add to epsilon, rounded up, for D / sigma up to the second number."""
    tail = math.ceil(math.sqrt(2 * (math.log(cells) + 13 * math.log(2) - math.log(delta))) + 1e-6)
    steepest = 2 * tail + math.ceil(2 * math.sqrt(epsilon)) + 2
    return cells * Fraction((tail + steepest + 1) ** 2, 4 << (2 * FINE)), steepest


def _guess(epsilon: float, delta: float) -> float:
    """sigma / D of the analytic calibration, in doubles, by bisection."""
    low, high = 1e-4, 1.0
    while _doubles(high, epsilon) > delta:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _doubles(middle, epsilon) > delta else (low, middle)
    return high


def _doubles(s: float, epsilon: float) -> float:
    """Phi(1/2s - epsilon s) - exp(epsilon) Phi(-1/2s - epsilon s), in doubles."""
    a, b = (epsilon * s - 0.5 / s) / math.sqrt(2), (epsilon * s + 0.5 / s) / math.sqrt(2)
    return 0.5 * (math.erfc(a) - (math.exp(epsilon) * math.erfc(b) if epsilon < 700 and b < 26 else 0.0))


def _attempt(top: int, shift: int, n: int) -> list[int]:
    """The accepted draws, in order, of `n` tries; sigma is top * 2**shift."""
    k = _halves(n)
    high = below(top, k.size)
    low = bits(shift, k.size) if shift else None
    kept = _accepted(k, high, low, top, shift)
    k, high = k[kept], high[kept]
    size: NDArray[np.int64] | NDArray[np.object_] = (k * np.uint64(top) + high).astype(np.int64)
    if low is not None:
        size = (size.astype(object) << shift) + np.array(low, dtype=object)[kept]
    negative = below(2, size.size) == 1
    once = ~(negative & (size == 0).astype(bool))   # or zero would be drawn as +0 and as -0
    drawn: list[int] = np.where(negative, -size, size)[once].tolist()
    return drawn


def _halves(n: int) -> Words:
    """Of `n` tries, the accepted k >= 0 with probabilities proportional to exp(-k^2 / 2).

    k counts coins of exp(-1/2) that fall true before the first false one, and k (k - 1) further ones must all be true.
    """
    count = np.zeros(n, dtype=np.uint64)
    alive = np.arange(n)
    while alive.size:
        alive = alive[_half(alive.size)]
        count[alive] += np.uint64(1)
    needed = count * (np.maximum(count, np.uint64(1)) - np.uint64(1))
    alive, kept = np.flatnonzero(needed), np.ones(n, dtype=bool)
    while alive.size:
        won = _half(alive.size)
        kept[alive[~won]] = False
        alive = alive[won]
        needed[alive] -= np.uint64(1)
        alive = alive[needed[alive] > 0]
    return count[kept]


def _half(n: int) -> NDArray[np.bool_]:
    """Coins of probability exp(-1/2)."""
    return survives(np.ones(n, dtype=np.uint64), 2)


def _accepted(k: Words, high: Words, low: list[int] | None, top: int, shift: int) -> NDArray[np.bool_]:
    """One coin each, true with probability exp(-k y - y^2 / 2), y = (high 2^shift + low) / (top 2^shift)."""
    outcome = _square(high, low, top, shift)
    alive, left = np.flatnonzero(outcome & (k > 0)), k.copy()
    while alive.size:
        won = _once(high[alive], None if low is None else [low[i] for i in alive.tolist()], top, shift)
        outcome[alive[~won]] = False
        alive = alive[won]
        left[alive] -= np.uint64(1)
        alive = alive[left[alive] > 0]
    return outcome


def _once(high: Words, low: list[int] | None, top: int, shift: int) -> NDArray[np.bool_]:
    """Coins of probability exp(-y)."""
    return _exponential(high, low, top, shift, squared=False)


def _square(high: Words, low: list[int] | None, top: int, shift: int) -> NDArray[np.bool_]:
    """Coins of probability exp(-y^2 / 2)."""
    return _exponential(high, low, top, shift, squared=True)


def _exponential(high: Words, low: list[int] | None, top: int, shift: int, *, squared: bool) -> NDArray[np.bool_]:
    """Canonne, Kamath, Steinke's Algorithm 1: turn j goes on with probability y / j, or (y / j) (y / 2)."""
    outcome = np.zeros(high.size, dtype=bool)
    alive = np.arange(high.size)
    turn = 0
    while alive.size:
        turn += 1
        won = _less(alive, high, low, top * turn, shift)
        if squared:
            won[won] = _less(alive[won], high, low, 2 * top, shift)
        outcome[alive[~won]] = turn % 2 == 1
        alive = alive[won]
    return outcome


def _less(which: NDArray[np.intp], high: Words, low: list[int] | None, top: int, shift: int) -> NDArray[np.bool_]:
    """Coins of probability (high 2^shift + low) / (top 2^shift): low digits are looked at where high ones are equal."""
    drawn = below(top, which.size)
    found = np.asarray(drawn < high[which])
    if low is not None:
        for place in np.flatnonzero(drawn == high[which]).tolist():
            found[place] = bits(shift, 1)[0] < low[int(which[place])]
    return found
