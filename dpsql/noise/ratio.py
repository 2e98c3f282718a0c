"""Error bars of sums and quotients of two noises: `sum_quantile` and `ratio_interval`.

Error bars carry no privacy claim, so all of this is floating point; approximations err towards wider.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dpsql.noise import laplace
from dpsql.noise.normal import normal_reach

Floats = NDArray[np.float64]

NODES = 1024   # half the grid on which a width is interpolated: its relative error is near 1e-7


def sum_quantile(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Floats:
    """The smallest t with P(|X + Y| <= t) >= confidence, for independent continuous Laplace X, Y of scales `a`, `b`.

    Arrays are broadcast; scales are >= 0 and may be 0 or equal; ValueError for a confidence outside (0, 1).
    With a >= b, r = b/a, x = t/a and u = x (1 - r) / r, partial fractions of the characteristic function give
    P(|X + Y| > t) = exp(-x) (1 + r p / (1 + r)), p = x (1 - exp(-u)) / u, in which nothing cancels.
    Its logarithm is concave (X + Y has a log-concave density), so Newton steps from the right of the root stay there:
    the answer is never too small but for rounding. 2 ln(1/miss) is right of it because 1 + x/2 <= exp(x/2).
    """
    laplace.check(confidence)
    one, other = np.broadcast_arrays(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64))
    large = np.maximum(one, other)
    r = np.minimum(one, other) / np.where(large > 0, large, 1.0)
    goal = -math.log(1 - confidence)
    x = np.full(r.shape, 2 * goal)
    for _ in range(8):
        u = x * (1 - r) / np.maximum(r, 1e-300)
        p = x * np.where(u > 0, -np.expm1(-u) / np.where(u > 0, u, 1.0), 1.0)
        log_tail = np.log1p(r * p / (1 + r)) - x
        x = x + (log_tail + goal) * (1 + r + r * p) / (1 + p)
    return np.asarray(large * x)


def ratio_interval(
    s: ArrayLike, n: ArrayLike, scale_s: Fraction, scale_n: Fraction, bound: float, confidence: float = 0.95,
    gaussian: bool = False,
) -> tuple[Floats, Floats]:
    """Confidence intervals (low, high) for S/N, known to lie in [-bound, bound], from noisy sums s and counts n.

    s = S + X and n = N + Y elementwise, X and Y independent discrete Laplace noise of `scale_s` and `scale_n`, in the
    steps of s and n, or with `gaussian` normal noise of these sigmas rounded to steps; N > 0. Both ends lie in
    [-bound, bound], the nearest point to s/n lies between them, and nothing is assumed of n: zero or negative gives a
    wide interval, not an error.

    Theorem: if |S/N| <= bound, the interval holds S/N with probability at least `confidence`, whatever S and N.
    Proof: put theta = S/N. The pivot s - theta n = X - theta Y does not depend on S and N beyond theta. For a fixed
    function h with P(|X - theta Y| <= h(theta)) >= confidence for every theta, the set of all theta with
    |s - theta n| <= h(theta) holds the true one with that probability; the interval contains that set. `_widths` gives
    several such h (of normal noise, `_normal_width` one); the theta in all their sets is the theta in the set of their
    minimum, again one of them at each theta, so the intersection of the intervals holds it as often.
    Needs: each h convex on [-bound, bound]. For n >= 0, g(theta) = theta n - s - h(theta) is then concave and negative
    left of s/n, so unless g(bound) <= 0 it crosses zero once, and the crossing is the upper end. A chord of h between
    two nodes lies above it, so interpolation only widens. n < 0 is (-s, -n); the lower end is minus the upper of -s.
    Source: Fieller, "Some Problems in Interval Estimation" (1954), and its like for Laplace noise.
    """
    sums, counts = np.asarray(s, dtype=np.float64), np.asarray(n, dtype=np.float64)
    flip = np.where(counts < 0, -1.0, 1.0)
    sums, counts = np.asarray(sums * flip), np.abs(counts)   # no negative zero
    nodes = _nodes(scale_s, scale_n, bound)
    low, high = np.full(sums.shape, -bound), np.full(sums.shape, bound)
    widths = (
        [_normal_width(nodes, scale_s, scale_n, confidence)] if gaussian
        else _widths(nodes, scale_s, scale_n, confidence)
    )
    for width in widths:
        high = np.minimum(high, _upper(sums, counts, nodes, width))
        low = np.maximum(low, -_upper(-sums, counts, nodes, width))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        centre = np.clip(np.nan_to_num(sums / counts, nan=0.0), -bound, bound)
    return np.minimum(low, centre), np.maximum(high, centre)


def _nodes(scale_s: Fraction, scale_n: Fraction, bound: float) -> Floats:
    """Points from -bound to bound, 0 among them, evenly spread in the angle in which the width varies smoothly."""
    turn = bound * float(scale_n / scale_s)
    angle = math.atan(turn) * np.arange(1, NODES + 1) / NODES
    half = bound * np.tan(angle) / turn if turn > 1e-6 else bound * np.arange(1, NODES + 1) / NODES
    half[-1] = bound
    return np.concatenate([-half[::-1], [0.0], half])


def _normal_width(theta: Floats, sigma_s: Fraction, sigma_n: Fraction, confidence: float) -> Floats:
    """z times the norm of (sigma_s, theta sigma_n), and half a step of each for the rounding: convex in theta."""
    size = np.abs(theta)
    reach = normal_reach(laplace.check(confidence) / 2)
    return np.asarray(reach * np.hypot(float(sigma_s), size * float(sigma_n)) + 0.5 + 0.5 * size)


def _widths(theta: Floats, scale_s: Fraction, scale_n: Fraction, confidence: float) -> Iterator[Floats]:
    """Convex functions h, at `theta`, with P(|X - theta Y| <= h(theta)) >= confidence for discrete Laplace X, Y.

    The first: the continuous quantile, a norm of (scale_s, theta scale_n) (Bobkov, "Convex bodies and norms associated
    to convex measures", 2010), plus how far discrete and continuous noise are apart when |X| of both is the same
    function of one uniform variable: with c = scale ln cosh(1 / (2 scale)), P(|X| > t) = exp(-(t + 1/2 + c) / scale)
    at integers t against exp(-t / scale), so at most 1/2 + c, and c <= min(1/2, 1 / (8 scale)).
    The others: quantiles of each noise with the misses adding up (union bound), better for small scales and exact
    when there is hardly any noise.
    """
    size = np.abs(theta)
    slack_s, slack_n = (0.5 + min(0.5, 0.125 / max(float(scale), 0.1)) for scale in (scale_s, scale_n))
    best = sum_quantile(float(scale_s), size * float(scale_n), confidence) + slack_s + size * slack_n
    yield best
    for share in (0.5, 0.01, 0.99):
        miss_s, miss_n = (1 - confidence) * share, (1 - confidence) * (1 - share)
        width = laplace.quantile(scale_s, 1 - miss_s) + size * laplace.quantile(scale_n, 1 - miss_n)
        if np.any(width < best):
            yield width
            best = np.minimum(best, width)


def _upper(sums: Floats, counts: Floats, nodes: Floats, width: Floats) -> Floats:
    """The largest theta up to the last node with theta n - s <= width(theta), by bisection over nodes, then a line."""
    left, right = np.zeros(sums.shape, dtype=np.intp), np.full(sums.shape, nodes.size - 1)
    open_ended = nodes[-1] * counts - sums <= width[-1]
    for _ in range(nodes.size.bit_length()):
        middle = (left + right) // 2
        below = nodes[middle] * counts - sums <= width[middle]
        left, right = np.where(below, middle, left), np.where(below, right, middle)
    start, stop = nodes[left], nodes[right]
    before, after = start * counts - sums - width[left], stop * counts - sums - width[right]
    step = np.clip(-before / np.where(after > before, after - before, 1.0), 0.0, 1.0)
    return np.asarray(np.where(open_ended, nodes[-1], start + (stop - start) * step))
