"""Which private groups may be shown: group sizes, in units, plus discrete Gaussian noise, above a threshold.

One event releases both the choice and the noisy number of units. Sizes are counted in `factor` steps a unit, so that
sigma is fine enough (`dpsql.noise.gaussian`). Noise grows with the square root of the groups of a unit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from dpsql.noise import gaussian
from dpsql.noise.normal import normal_reach, tail

_WIDE = Context(prec=80, Emax=MAX_EMAX, Emin=MIN_EMIN)


@lru_cache(maxsize=256)
def bar(sigma: int, factor: int, groups: int, miss: Fraction) -> int:
    """tau, in steps: a group is shown when its size in steps plus its noise passes it.

    ValueError unless 0 < miss <= 1/2, groups >= 1 and sigma >= 2^FINE.

    Theorem: whichever up to `groups` groups only one unit is in, the chance that any of them is shown is at most
    `miss`; and `shown` of all groups is (epsilon, delta + miss)-differentially private when noise of sigma makes the
    sizes (epsilon - 2 miss, delta)-differentially private.
    Proof: tau = factor + q, so a group of n' = 1 is shown iff its noise passes q. P(X > q) is at most the normal tail
    at q/sigma: the sum of exp(-x^2/2 sigma^2) over x > q lies below its integral from q, and over all integers above
    sigma sqrt(2 pi) (Poisson summation). q is such that this is at most p, 1 - (1-p)^C <= miss. Let D' have a unit
    more than D, A be the groups that D lacks (n' = 0, never shown), at most C, and write P, P' for outcomes on the
    other groups, whose noise is independent of theirs. On D' with probability h >= 1 - miss no group of A is shown.
    M(D')(S) <= miss + P'(S) <= miss + exp(epsilon) P(S) + delta = exp(epsilon) M(D)(S) + delta + miss. Conversely
    M(D)(S) = P(S) <= exp(epsilon - 2 miss) P'(S) + delta <= exp(epsilon) h P'(S) + delta <= exp(epsilon) M(D')(S) +
    delta, since 1 - miss >= exp(-2 miss) for miss <= 1/2. Of a unit in no group of A, h = 1.
    Needs: n' counts units in the very rows released, each once; groups of n' = 0 are never shown; other totals of
    groups not shown are not released.
    Source: design.md, section 5; Desfontaines, Voss, Gipson, "Differentially Private Partition Selection" (2020).
    """
    if not 0 < miss <= Fraction(1, 2) or groups < 1 or sigma < 1 << gaussian.FINE:
        raise ValueError(f"no threshold for {groups} groups, a miss of {miss} and sigma {sigma}")
    each = share(miss, groups)
    reach = Fraction(normal_reach(float(each)))
    step = Fraction(1, 1 << 40)
    while tail(reach) > each:
        reach, step = reach + step, 2 * step
    return factor + math.ceil(reach * sigma)


def share(miss: Fraction, groups: int) -> Fraction:
    """p with 1 - (1 - p)^groups <= miss: 1 - (1 - miss)^(1/groups), rounded down."""
    if groups == 1:
        return miss
    kept = _WIDE.ln(_WIDE.subtract(Decimal(1), _WIDE.divide(Decimal(miss.numerator), Decimal(miss.denominator))))
    found = Fraction(_WIDE.subtract(Decimal(1), _WIDE.exp(_WIDE.divide(kept, Decimal(groups)))))
    return max(found * (1 - Fraction(1, 10**20)) - Fraction(1, 10**70), miss / groups)


def shown(units: Sequence[int], sigma: int, factor: int, tau: int, min_units: int = 1) -> list[int | None]:
    """For each group's exact number of units: its noisy number in steps, or None when the group is not shown.

    The number is (min_units - 1 + n') * factor + noise; a group of fewer than `min_units` is never shown.
    """
    if min_units < 1:
        raise ValueError(f"min_units must be at least 1, not {min_units}")
    base = min_units - 1
    sizes = [max(0, n - base) for n in units]
    noise = gaussian.sample(sigma, len(sizes))
    noisy = [size * factor + z for size, z in zip(sizes, noise, strict=True)]
    return [base * factor + v if size and v > tau else None for size, v in zip(sizes, noisy, strict=True)]


def visible(sigma: int, factor: int, tau: int, min_units: int = 1, probability: float = 0.5) -> int:
    """The smallest number of units at which a group is shown with at least `probability`."""
    beyond = tau + math.copysign(1, probability - 0.5) * normal_reach(min(probability, 1 - probability)) * sigma
    return min_units - 1 + max(1, math.ceil(beyond / factor))
