"""Which private groups may be shown: group sizes, in units, plus truncated geometric noise, above a threshold.

One event releases both the choice and the noisy number of units. `groups` (C) is the most groups one unit may touch;
each group is released at rate e' = epsilon/C (or slightly less, see `rate`) and d' = delta/C.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction

from dpsql.budget.events import Event
from dpsql.noise import laplace


def rate(epsilon: Fraction, groups: int) -> Fraction:
    """The epsilon of one group: epsilon / groups, or less by a part in 2**38 where the exact sampler needs it.

    ValueError unless `groups` is at least 1 and that quotient at least 2**-40, which is all the sampler can draw.
    """
    if groups < 1 or epsilon * (1 << laplace.WORD) < groups:
        raise ValueError(f"selection needs groups >= 1 and epsilon / groups >= 2**-40, not {groups} and {epsilon}")
    return 1 / laplace.admissible(groups / epsilon)


def selection_event(epsilon: Fraction, delta: Fraction, groups: int) -> Event:
    """The event of one `select` over all groups of a question. ValueError unless 0 < delta < 1 and epsilon > 0.

    Theorem: `select` is (epsilon, delta)-differentially private for adding or removing one unit.
    Proof: write k for min_units, n for a group's units, n' = max(0, n - (k-1)) and m for `threshold`. A unit changes n
    by at most 1 in at most C groups; x -> max(0, x - (k-1)) is 1-Lipschitz on integers, so n' changes by at most 1 in
    at most C groups. One group releases f(n' + Z), Z the truncated noise on [-m, m] with P(Z = z) = c exp(-|z| e'),
    f(v) = v + k-1 if v > m, else "not shown"; f is post-processing. Between n' and n'+1 the supports of n' + Z differ
    by one point at each end, of probability P(Z = m) = c exp(-m e'), and inside them the ratio of probabilities is
    at most exp(e'), for | |z| - |z-1| | <= 1. Hence one group is (e', P(Z = m))-DP, and m is chosen such that
    P(Z = m) <= d' (see `threshold`). Groups draw independent noise and at most C of them change: (C e', C d')-DP by
    composition. A group that no unit is in would have n' = 0, and 0 + Z > m never happens, so leaving out groups that
    do not exist, or have n < k, changes nothing: only the data's own groups need a draw.
    Needs: every unit touches at most C groups; n counts distinct units, among the very rows that are released, each
    unit once; k, epsilon, delta and C are public.
    Source: Desfontaines, Voss, Gipson, "Differentially Private Partition Selection" (2020), section 3.
    """
    admit(delta)
    return Event.selection(groups, 1 / rate(epsilon, groups), delta)


def threshold(epsilon: Fraction, delta: Fraction, groups: int) -> int:
    """m, the reach of the noise and the size a noisy group must pass. ValueError as for `selection_event`.

    Theorem: the m returned has P(Z = m) <= delta/groups; it is the smallest such m but for ties within 1e-40.
    Proof: with q = exp(-e') the noise has c = 1 / (1 + 2 (q + ... + q^m)) = (1 - q) / (1 + q - 2 q^(m+1)), so
    c q^m <= d' iff q^m (1 - q + 2 d' q) <= d' (1 + q), which is m >= ln((e^e' + 2d' - 1) / ((e^e' + 1) d')) / e'.
    A guess starts at the floor of that quotient and grows until the inequality holds with its left side rounded up
    and its right side rounded down at every step.
    Needs: nothing but the numbers.
    Source: Desfontaines, Voss, Gipson (2020), theorem 5.
    """
    admit(delta)
    one, share = rate(epsilon, groups), delta / groups
    digits = 60 + len(str(one.denominator)) + len(str(one.numerator)) + len(str(share.denominator))
    down = Context(digits, ROUND_FLOOR, MIN_EMIN, MAX_EMAX)
    up = Context(digits, ROUND_CEILING, MIN_EMIN, MAX_EMAX)
    share_low, share_high = _decimal(share, down), _decimal(share, up)
    decay_low, decay_high = (decay(one, down), decay(one, up))
    left = up.add(up.subtract(Decimal(1), decay_low), up.multiply(up.multiply(Decimal(2), share_high), decay_high))
    right = down.multiply(share_low, down.add(Decimal(1), decay_low))
    reach = max(0, math.floor(down.divide(down.subtract(down.ln(left), down.ln(right)), _decimal(one, up))))
    while up.multiply(decay(reach * one, up), left) > right:
        reach += 1
    return reach


def select(
    units: Sequence[int], epsilon: Fraction, delta: Fraction, groups: int, min_units: int = 1
) -> list[int | None]:
    """For each group's exact number of units: its noisy number, or None when the group is not shown.

    The cost is `selection_event`'s. A number shown is at least min_units + threshold; a group of fewer than
    `min_units` units is never shown. ValueError as for `selection_event`, or when `min_units` is less than 1.
    """
    bar = threshold(epsilon, delta, groups)
    base = _base(min_units)
    noise = laplace.truncated(1 / rate(epsilon, groups), bar, len(units))
    noisy = (max(0, n - base) + z for n, z in zip(units, noise, strict=True))
    return [base + value if value > bar else None for value in noisy]


def keep_probability(units: int, epsilon: Fraction, delta: Fraction, groups: int, min_units: int = 1) -> float:
    """The probability that a group of so many units is shown."""
    bar = threshold(epsilon, delta, groups)
    return _keep(max(0, units - _base(min_units)), bar, float(rate(epsilon, groups)))


def expected_visible(
    epsilon: Fraction, delta: Fraction, groups: int, min_units: int = 1, probability: float = 0.5
) -> int:
    """The smallest number of units at which a group is shown with at least `probability`."""
    bar, one, base = threshold(epsilon, delta, groups), float(rate(epsilon, groups)), _base(min_units)
    low, high = 0, 2 * bar + 1   # never shown, always shown
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _keep(middle, bar, one) >= probability else (middle, high)
    return base + high


def quantile(epsilon: Fraction, delta: Fraction, groups: int, confidence: float = 0.95) -> int:
    """The smallest t with P(|Z| <= t) >= confidence for the noise of a unit count, before it is known to be shown."""
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, not {confidence}")
    bar, one = threshold(epsilon, delta, groups), float(rate(epsilon, groups))
    end = math.exp(-one * (bar + 1))
    tail = (1 - confidence) * (1 + math.exp(-one) - 2 * end) / 2 + end
    return min(bar, max(0, math.ceil(-math.log(tail) / one * (1 - 1e-15)) - 1))


def _keep(shifted: int, bar: int, one: float) -> float:
    """P(Z > bar - shifted), summed as a geometric series from the nearer end."""
    if shifted <= bar:
        return _upper_tail(bar - shifted + 1, bar, one)
    return 1 - _upper_tail(shifted - bar, bar, one)


def _upper_tail(start: int, bar: int, one: float) -> float:
    """P(Z >= start) for start >= 1."""
    if start > bar:
        return 0.0
    total = 1 + math.exp(-one) - 2 * math.exp(-one * (bar + 1))
    return math.exp(-one * start) * -math.expm1(-one * (bar + 1 - start)) / total


def _base(min_units: int) -> int:
    if min_units < 1:
        raise ValueError(f"min_units must be at least 1, not {min_units}")
    return min_units - 1


def admit(delta: Fraction) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"private groups need a delta between 0 and 1, not {delta}")


def _decimal(value: Fraction, context: Context) -> Decimal:
    return context.divide(Decimal(value.numerator), Decimal(value.denominator))


def decay(exponent: Fraction, context: Context) -> Decimal:
    """exp(-exponent), rounded the way of `context`; Decimal.exp is within one unit in the last place."""
    upwards = context.rounding == ROUND_CEILING
    opposite = Context(context.prec, ROUND_FLOOR if upwards else ROUND_CEILING, MIN_EMIN, MAX_EMAX)
    value = context.exp(_decimal(exponent, opposite).copy_negate())
    return context.next_plus(value) if upwards else context.next_minus(value)
