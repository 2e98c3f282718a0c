"""Spread: how far around a place that was chosen by rank the true quantile lies, chosen privately too.

Intervals around the place, each a quarter wider than the one before, the last the whole grid; an exponential mechanism
takes one that holds some rows more than it must. One choice of some 60 widths: two ends chosen among all places of the
grid, for half the epsilon each, lie about five times as far apart, for each must be right among a million places. Of
what both may cost, half serves the place and half the width: the product of their errors is then least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np

from dpsql.budget.events import Event
from dpsql.noise.quantile import FAR, Histogram, Integers, Rank, choice_event, drawn

SHARE = Fraction(1, 2)      # of an epsilon, that chooses how wide
FINER = 4                   # a width is so many times its growth
SUREST = 1 - 1e-9           # the highest confidence


@dataclass(frozen=True, slots=True)
class Spread:
    """Of a quantile on a grid of so many places; `rank` is the quantile's, without a margin, for the width's epsilon.

    An extreme has one end: beyond it may lie one person, whom nothing may show.
    """

    rank: Rank
    places: int

    @property
    def widths(self) -> Integers:
        """Places on either side: 0, then ever wider, up to the whole grid."""
        return _widths(self.places)

    def aim(self, level: float) -> int:
        """Rows from the quantile, in steps, to which an interval should reach on both sides (see `around`)."""
        fraction, wrong = self.rank.fraction, len(self.widths) - 1
        between = 2 * max(fraction.numerator, fraction.denominator - fraction.numerator) - 2
        odds = wrong * level / (1 - level)
        return between + (math.floor(math.log(odds) / float(self.rank.rate)) + 1 if odds > 1 else 0)

    @property
    def near(self) -> int:
        """Rows from the quantile, beyond which all places are as far as any, at every level."""
        return math.ceil(Fraction(self.aim(SUREST) + self.rank.deepest + 1, self.rank.steps))


def spread_event(spread: Spread, groups: int) -> Event:
    """The event of one `around` in every group.

    Theorem: for adding or removing one unit, which has at most `rows` rows in each of at most C = `groups` groups,
    `around` is w-differentially private in each group, of bounded range w; as `choice_event`.
    Proof: the place is released, so the intervals are public. A unit adds N rows, 0 <= N <= rows: the rows up to a
    place grow by between 0 and N, f n by f N. So what an interval holds beyond the quantile on one side, c_le - f n or
    f n - c_lt, changes by at most max(f, 1 - f) N, and so does the lesser of both sides, g; a side that ends with the
    grid is infinite whatever the rows. The score of the i-th, max(0, A - g_i, g_(i-1) - A), changes by no more than
    its parts: by at most D, the sensitivity, and so does min(score, K). The rest is `choice_event`'s, for these scores.
    Needs: as `choice_event`; the level is public.
    Source: McSherry, Talwar (2007); Dong, Durfee, Rogers (2020) for the range.
    """
    return choice_event(spread.rank, groups)


def around(
    histogram: Histogram, low: int, high: int, place: int, spread: Spread, level: float,
) -> tuple[int, int]:
    """The first and the last place of an interval around a place of the grid, from `low` to `high`.

    Theorem: whatever rows there are, n >= 1, and whatever the place, with probability at least `level` (less 2^-40) the
    interval holds the true quantile of the rows, by QUANTILE_DISC and both values that QUANTILE_CONT lies between.
    Proof: with steps 1/(2q) of a row, f = p/q. QUANTILE_DISC is row max(1, ceil(f n)), QUANTILE_CONT lies between rows
    floor(f (n-1)) + 1 and ceil(f (n-1)) + 1. Where the last place of an interval is before one of them,
    c_le <= ceil(f (n-1)) <= f (n-1) + 1 - 1/q or c_le < f n, so c_le - f n <= max(0, 1 - f - 1/q); where the first is
    behind one, c_lt >= floor(f (n-1)) + 1 or c_lt >= f n, so f n - c_lt <= max(0, f - 1/q). Both are at most B =
    max(f, 1-f) - 1/q, and the aim is A = B + a: a wrong interval has a score of at least a. Intervals are nested, so g
    rises, and the last g is infinite: some interval has g_(i-1) <= A <= g_i, a score of 0 and weight 1. At most m - 1
    of m are wrong, together with weight at most (m-1) exp(-a r), r the rate: their share is at most 1 - level when
    (m-1) exp(-a r) <= (1 - level)/level, which is how a is set. For f = 0 nothing lies before row 1 but the first place
    of the grid, which every interval then has; as for f = 1. Weights are floors of at least 2^80.
    Needs: a r <= 40, from which weights fall no further: m < 2^8 and a level of at most 1 - 10^-9.
    Source: McSherry, Talwar (2007), theorem 6, with the number of widths in place of that of values.
    """
    nested = _nested(low, high, place, spread)
    if spread.aim(level) > FAR // 8:        # so little epsilon that no number of rows would do
        return low, high
    scores = _scores(histogram, (low, high), nested, spread, level)
    run, _ = drawn(np.ones_like(scores), scores, spread.rank)
    first, last = nested
    return int(first[run]), int(last[run])


@lru_cache(maxsize=256)
def _widths(places: int) -> Integers:
    found = [0]
    while found[-1] < places - 1:
        found.append(min(places - 1, found[-1] + max(1, found[-1] // FINER)))
    return np.array(found, dtype=np.int64)


def _nested(low: int, high: int, place: int, spread: Spread) -> tuple[Integers, Integers]:
    """The first and the last place of every interval around a place."""
    assert low <= place <= high and high - low < spread.places, "a place of the grid"
    widths, fraction = spread.widths, spread.rank.fraction
    first = np.full_like(widths, low) if fraction == 0 else np.maximum(low, place - widths)
    return first, np.full_like(widths, high) if fraction == 1 else np.minimum(high, place + widths)


def _scores(
    histogram: Histogram, grid: tuple[int, int], nested: tuple[Integers, Integers], spread: Spread, level: float,
) -> Integers:
    """How far what each interval holds, and the one within it, is from the aim, in steps; see `spread_event`."""
    rank, aim, (first, last) = spread.rank, spread.aim(level), nested
    assert histogram.total * rank.steps < FAR // 4, "ranks are counted in 64 bits"
    middle, far = 2 * rank.fraction.numerator * histogram.total, aim + rank.deepest
    above = np.where(last >= grid[1], FAR // 2, _upto(histogram, last, middle, far, rank.steps) - middle)
    below = np.where(first <= grid[0], FAR // 2, middle - _upto(histogram, first - 1, middle, far, rank.steps))
    held = np.minimum(above, below)
    within = np.append(-FAR // 2, held[:-1])
    scores: Integers = np.minimum(np.maximum(0, np.maximum(aim - held, within - aim)), rank.deepest)
    return scores


def _upto(histogram: Histogram, places: Integers, middle: int, far: int, steps: int) -> Integers:
    """Rows up to each place, in steps. What was left out of the histogram lies `far` from the middle."""
    at = np.searchsorted(histogram.places, places, side="right")
    under = np.append(0, histogram.upto)[at] * steps
    over = np.append(histogram.before, histogram.total)[at] * steps
    assert bool(np.all((under == over) | (np.maximum(under - middle, middle - over) >= far))), \
        "places near the quantile were left out"
    return under
