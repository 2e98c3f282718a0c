"""Quantiles: a place on a public grid, chosen privately by how far its rank is from the one wanted.

An exponential mechanism over all places of the grid, empty ones included; places between two occupied ones have one
score, so that they are drawn together, weighted by how many they are. Several quantiles are drawn apart, each for its
part of the epsilon: against one noisy tree of counts (16 branches, 4096 places) the mean error in rank is a third for
three of them, half for five, and the same for nine; on finer grids the tree needs more levels, and loses more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, Context, Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dpsql.budget.events import Event
from dpsql.noise.entropy import below, uniform, weighted

Integers = NDArray[np.int64]

DEEPEST = 40                         # weights fall by exp(-40) at most: 2^20 such places weigh less than 2^-37
LEAST = 80                           # bits of the smallest weight
ROUNDING = Fraction(1, 1 << 64)      # of the width, kept for the rounding of weights
LEAST_WIDTH = Fraction(1, 1 << 40)
INNER = Fraction(1, 20)              # a quantile nearer to an end than this keeps a margin from it
MISS = 20                            # one in so many choices may miss
FAR = 1 << 62                        # a score beyond any: ranks are counted in 64 bits

_WIDE = Context(prec=80, Emax=MAX_EMAX, Emin=MIN_EMIN)
_UP = Context(prec=80, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(frozen=True, slots=True)
class Rank:
    """The rank wanted of n rows: `fraction` of them, and at least `margin` rows from either end (None: no margin).

    `rows` bounds the rows one unit adds; `width` is the epsilon of one choice.
    """

    fraction: Fraction
    rows: int
    width: Fraction
    margin: Fraction | None

    @property
    def steps(self) -> int:
        """Ranks are counted in steps of one row over this number, so that every rank is an integer."""
        return 2 * self.fraction.denominator

    @property
    def sensitivity(self) -> int:
        """The most that one unit moves the distance of a place, in steps (see `choice_event`)."""
        if self.margin is not None:
            return self.rows * self.steps
        return self.rows * 2 * max(self.fraction.numerator, self.fraction.denominator - self.fraction.numerator)

    @property
    def rate(self) -> Fraction:
        """What a step of distance takes from the logarithm of a weight."""
        return (self.width - ROUNDING) / (2 * self.sensitivity)

    @property
    def deepest(self) -> int:
        """K: the score from which weights fall no further, in steps."""
        return min(FAR, math.ceil(DEEPEST / self.rate))

    @property
    def near(self) -> int:
        """Rows from `fraction` of them, beyond which all places weigh the least."""
        return math.ceil(Fraction(self.deepest + 1, self.steps) + (self.margin or 0))

    def of(self, n: int) -> int:
        """The rank wanted of n rows, in steps: between the rows that QUANTILE_DISC would stand between."""
        wanted = 2 * self.fraction.numerator * n - 1
        if self.margin is None:
            return wanted
        edge = min(int(self.margin * self.steps), n * self.fraction.denominator)
        return max(edge, min(wanted, n * self.steps - edge))


def rank(fraction: Fraction, rows: int, width: Fraction, places: int) -> Rank:
    """The rank for a fraction from 0 to 1 on a grid of so many places.

    Near the ends the mechanism would choose among the places beyond all rows; a margin of `reach` rows keeps it
    inside. ValueError unless 0 <= fraction <= 1, rows >= 1 and width >= 2^-40.
    """
    if not 0 <= fraction <= 1 or rows < 1 or width < LEAST_WIDTH:
        raise ValueError(f"no rank for {fraction} of rows, {rows} rows a unit and a width of {width}")
    inner = Rank(fraction, rows, width, None)
    if INNER <= fraction <= 1 - INNER:
        return inner
    outer = replace(inner, margin=Fraction(1, 2))
    return replace(outer, margin=Fraction(max(1, math.ceil(2 * reach(outer, places))), 2))


def reach(wanted: Rank, places: int) -> float:
    """Rows within which the rank of a choice lies with 95 %, whatever the data.

    Theorem: with probability at least 0.95 the chosen place is at most this many rows from the rank wanted, unless
    there are no rows.
    Proof: some place has distance 0 and weight 1; those at distance t or more are at most `places`, each of weight at
    most exp(-t w / (2 D)), together less than 1/20 for t = (2 D / w) ln(20 places). Weights are cut off below
    exp(-40) only, and rounded by less than 2^-79.
    Needs: t w / (2 D) <= 40, which ln(20 places) keeps for grids up to 2^53.
    Source: McSherry, Talwar, "Mechanism Design via Differential Privacy" (2007), theorem 6.
    """
    return 2 * wanted.sensitivity / wanted.steps / float(wanted.width) * math.log(MISS * places)


def choice_event(wanted: Rank, groups: int) -> Event:
    """The event of one `choose` in every group.

    Theorem: for adding or removing one unit, which has at most `rows` rows in each of at most C = `groups` groups,
    `choose` is w-differentially private in each group, of bounded range w = `width`; all groups together are
    (C w)-DP and C times ranged(w)-zCDP.
    Proof: write n for the rows, c_lt and c_le for those before a place and up to it, p(n) for the rank wanted. The
    distance d = max(0, p - c_le, c_lt - p). A unit adds N rows, 0 <= N <= rows: c_lt and c_le grow by between 0 and N.
    Without a margin p = f n - const, so p grows by f N: p - c_le and c_lt - p change by between -max(f, 1-f) N and
    max(f, 1-f) N. With a margin p is a maximum and minimum of functions whose growth lies between 0 and N, so does its
    own, and both change by at most N. A maximum changes by no more than its parts: d moves by at most D, the
    sensitivity, and so does min(d, K). A weight exp(-(w'/2D) min(d, K)), w' = w - 2^-64, is multiplied by a factor in
    [exp(-w'/2), exp(w'/2)], and so is the sum; the logarithm of the ratio of two probabilities is the first less the
    second, an interval of length w' that holds 0. The weights drawn from are floors of 80-digit numbers of at least
    2^80, within a factor 1 +- 2^-79: less than 2^-64 for both ends. Groups draw apart, and at most C change.
    Needs: the grid is public; every row stands at a place of it; n counts the rows of the group that stand there.
    Source: Smith, "Privacy-preserving Statistical Estimation with Optimal Convergence Rates" (2011), algorithm 2, over
    a grid; McSherry, Talwar (2007); Dong, Durfee, Rogers (2020) for the range.
    """
    one = Event.exponential(wanted.sensitivity, wanted.width)
    return replace(one, epsilon=groups * one.epsilon, rho=groups * one.rho)


@dataclass(frozen=True, slots=True)
class Histogram:
    """The rows of one group: the places where rows stand, in order, the rows below each and those up to it, and all.

    Places beyond `near` of every rank wanted may be left out.
    """

    places: Integers
    before: Integers
    upto: Integers
    total: int


def histogram(places: Sequence[int], counts: Sequence[int]) -> Histogram:
    """The histogram of so many rows at each of these places, in order and without repeats."""
    rows = np.array(counts, dtype=np.int64)
    upto = np.cumsum(rows)
    return Histogram(np.array(places, dtype=np.int64), upto - rows, upto, int(rows.sum()))


def choose(histogram: Histogram, low: int, high: int, wanted: Rank) -> int:
    """The place chosen, from `low` to `high`, for the rows of one group. AssertionError when a row stands outside.

    Theorem: a place is chosen with probability exactly its weight over the sum of all, `choice_event`'s.
    Proof: runs are binned by score; a bin is drawn by the weight of its least score times its places, then one of its
    places, which is taken with probability its weight over that of the least; else all is drawn again. So a place is
    taken in one round with probability proportional to its own weight, whatever bin it is in.
    Needs: weights fall with the score.
    Source: rejection sampling (von Neumann 1951).
    """
    first, sizes, scores = _runs(histogram, low, high, wanted)
    run, further = drawn(sizes, scores, wanted)
    return int(first[run]) + further


def drawn(sizes: Integers, scores: Integers, wanted: Rank) -> tuple[int, int]:
    """One of so many places of each score: the run of places it is in, and how far into it. See `choose`."""
    rate = wanted.rate
    width = min(FAR, math.ceil(1 / rate))       # of a bin: weights in it are within a factor e of each other
    bins = scores // width
    order = np.argsort(bins, kind="stable")
    ends = np.cumsum(sizes[order])
    starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
    before = np.append(ends[starts] - sizes[order][starts], ends[-1])
    envelopes = [_weight(int(each) * width, rate) for each in bins[order][starts]]
    masses = [int(places) * each for places, each in zip(np.diff(before), envelopes, strict=True)]
    while True:
        bin_ = weighted(masses)
        at = int(before[bin_]) + _uniform(int(before[bin_ + 1] - before[bin_]))
        run = int(np.searchsorted(ends, at, side="right"))
        place, weight = order[run], _weight(int(scores[order[run]]), rate)
        assert weight <= envelopes[bin_], "weights fall with the score"
        if uniform(envelopes[bin_]) < weight:
            return int(place), at - int(ends[run] - sizes[place])


def _runs(histogram: Histogram, low: int, high: int, wanted: Rank) -> tuple[Integers, Integers, Integers]:
    """The runs of places with one score: the first, how many, and the score, the distance from the rank in steps.

    Scores stop where weights do. Between two places lie only free ones, or what was left out, which is that far away.
    """
    places, n = histogram.places, histogram.total
    assert not places.size or low <= places[0] <= places[-1] <= high, "a row stands outside the grid"
    assert n * wanted.steps < FAR, "ranks are counted in 64 bits"
    p, most = wanted.of(n), wanted.deepest
    before, upto = histogram.before * wanted.steps, histogram.upto * wanted.steps
    under, over = np.concatenate(([0], upto)), np.concatenate((before, [n * wanted.steps]))
    free = np.concatenate(([low], places + 1))
    gaps = np.maximum(under - p, p - over)
    assert bool(np.all((under == over) | (gaps >= most))), "places near the rank were left out"
    first = np.concatenate((free, places))
    sizes = np.concatenate((np.append(places, high + 1) - free, np.ones_like(places)))
    scores = np.concatenate((gaps, np.maximum(0, np.maximum(p - upto, before - p))))
    there = sizes > 0
    return first[there], sizes[there], np.minimum(scores[there], most)


@lru_cache(maxsize=1 << 16)
def _weight(score: int, rate: Fraction) -> int:
    """An integer proportional to exp(-(w'/2D) min(score, K)), at least 2^80."""
    exponent = _WIDE.divide(Decimal(score * rate.numerator), Decimal(rate.denominator))
    return int(_WIDE.multiply(_WIDE.exp(-min(exponent, Decimal(DEEPEST))), _scale()))


@lru_cache(maxsize=1)
def _scale() -> Decimal:
    return _UP.divide(Decimal((1 << LEAST) + 1), _WIDE.exp(Decimal(-DEEPEST)))


def _uniform(places: int) -> int:
    return int(below(places, 1)[0])
