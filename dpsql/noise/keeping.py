"""Which private groups may be shown, one bit each: the keep-probabilities that show most for their epsilon and delta.

Where the number of units is not released, nothing is drawn but the bit. `groups` (C) is the most groups a unit touches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, Context
from fractions import Fraction
from functools import lru_cache

from dpsql.budget.events import Event
from dpsql.noise.entropy import bits
from dpsql.noise.selection import admit, decay

PLACES = 128                # bits behind the point of a probability
LONGEST = 1 << 18           # entries of a table


def keeping_event(epsilon: Fraction, delta: Fraction, groups: int) -> Event:
    """The event of one `kept`. ValueError unless 0 < delta < 1, epsilon > 0, groups >= 1.

    Theorem: `kept` is (epsilon, delta)-differentially private for adding or removing one unit.
    Proof: with e = epsilon/C, d = delta/C a group of n' units is kept with probability p(n'), p(0) = 0, and the table
    satisfies p(n) <= p(n+1) <= exp(e) p(n) + d and 1 - p(n) <= exp(e) (1 - p(n+1)) + d, in integers over 2^128 (see
    `table`); the other two inequalities follow from p(n) <= p(n+1). So the bit of one group is (e, d)-DP, n' moves by
    at most 1 in at most C groups, and bits are independent. Groups that do not exist are never kept, p(0) = 0.
    Needs: as `dpsql.noise.selection.selection_event`.
    Source: Desfontaines, Voss, Gipson, "Differentially Private Partition Selection" (2020), theorem 1.
    """
    admit(delta)
    if groups < 1 or epsilon <= 0:
        raise ValueError(f"keeping groups needs groups >= 1 and a positive epsilon, not {groups} and {epsilon}")
    return Event.selection(groups, groups / epsilon, delta)


@lru_cache(maxsize=64)
def table(epsilon: Fraction, delta: Fraction, groups: int) -> tuple[int, ...]:
    """p(0), p(1), ... in units of 2^-128, the last being 1; more units keep a group for sure.

    Every step takes the smaller of exp(e) p + d and 1 - exp(-e) (1 - p - d), rounded down, so the inequalities of
    `keeping_event` hold exactly. ValueError as there, or when the table would be too long.
    """
    keeping_event(epsilon, delta, groups)
    one = 1 << PLACES
    shrink = _shrink(epsilon / groups)
    share = one * delta.numerator // (delta.denominator * groups)
    found = [0]
    while found[-1] < one:
        p = found[-1]
        grown = p * one // shrink + share                                # exp(e) p + d, from below
        left = one + -max(0, one - p - share) * shrink // one            # 1 - exp(-e) (1 - p - d), from below
        following = min(one, grown, left)
        if following <= p or len(found) > LONGEST:
            raise ValueError("the epsilon or delta of a group is too small to keep groups by a table")
        found.append(following)
    return tuple(found)


def kept(units: Sequence[int], epsilon: Fraction, delta: Fraction, groups: int, min_units: int = 1) -> list[bool]:
    """For each group's exact number of units, whether it is shown. Costs `keeping_event`."""
    if min_units < 1:
        raise ValueError(f"min_units must be at least 1, not {min_units}")
    chances = table(epsilon, delta, groups)
    last = len(chances) - 1
    drawn = bits(PLACES, len(units))
    return [z < chances[min(last, max(0, n - (min_units - 1)))] for n, z in zip(units, drawn, strict=True)]


def visible(epsilon: Fraction, delta: Fraction, groups: int, min_units: int = 1, probability: float = 0.5) -> int:
    """The smallest number of units at which a group is shown with at least `probability`."""
    least = int(Fraction(probability) * (1 << PLACES))
    return min_units - 1 + next(n for n, chance in enumerate(table(epsilon, delta, groups)) if chance >= least and n)


def _shrink(rate: Fraction) -> int:
    """exp(-rate) in units of 2^-128, from above: one unit where it is less, whose digits could be any number."""
    if rate >= PLACES:
        return 1
    context = Context(PLACES, ROUND_CEILING, MIN_EMIN, MAX_EMAX)
    return math.ceil(Fraction(decay(rate, context)) * (1 << PLACES))
