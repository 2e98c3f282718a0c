"""The privacy filter: whether a charge may still be admitted. Pure, and exact: Fractions only.

The owner's limit (epsilon E, delta D) is shared by two rectangles, fixed when a ledger is created. This is the basic
one, with delta D/2; the other half of D is kept for the zCDP rectangle, so that adding it never changes a promise.
"""

from __future__ import annotations

import math
from fractions import Fraction

from dpsql.budget.events import Cost
from dpsql.policy import Budget

SPLIT = "basic E, D/2"

# A total keeps its exact value up to this many bits of denominator; beyond, it is rounded up (see `spend`).
GRID_BITS = 512


def rectangle(limit: Budget) -> Cost:
    """What all charges together may cost under `limit`: its epsilon, and half of its delta."""
    return Cost(limit.epsilon, limit.delta / 2)


def spend(spent: Cost, cost: Cost) -> Cost:
    """The total after a charge of `cost`: never below `spent + cost`, and equal to it for any ordinary numbers.

    A total whose denominator passes 2^512 (nobody's decimals; an analyst who asks for 1/p with ever new primes p) is
    rounded up to a multiple of 2^-512, against the analyst, so that a total has at most 512 bits after the point.
    """
    return Cost(_round_up(spent.epsilon + cost.epsilon), _round_up(spent.delta + cost.delta))


def admits(limit: Budget, spent: Cost, cost: Cost) -> bool:
    """Whether a charge of `cost` may follow charges that total `spent`, under `limit`.

    Theorem: let every charge i be (epsilon_i, delta_i)-differentially private given all answers before it, its cost
    chosen adaptively from them, and let a charge run only when this function is true, `spent` being the fold of
    `spend` over the charges before. Then all answers together, and the refusals, are (E, D/2)-differentially private,
    E and D being the limit's.

    Proof: `spend` never rounds down, so the exact sums stay in the rectangle (E, D/2). Claim: whatever the
    analyst does next with (e, d) of the rectangle left, P(S) <= exp(e) Q(S) + d for every set S of further
    transcripts, P and Q belonging to neighbours. Induction over the number of charges left, which is finite; with none
    left the further transcript is a function of what is known, P(S) = Q(S). Else the next charge costs
    (e1, d1), e1 <= e, d1 <= d, numbers fixed by the transcript so far and equal on both neighbours; so is a refusal,
    which thus tells nothing. Let f(y), g(y) be the probabilities of S after its answer y. By the claim
    f <= h + (d - d1) with h = min(1, exp(e - e1) g), and E_P[h] <= exp(e1) E_Q[h] + d1 because h lies in [0, 1].
    So P(S) = E_P[f] <= exp(e1) exp(e - e1) E_Q[g] + d1 + d - d1 = exp(e) Q(S) + d. At the start (e, d) = (E, D/2).

    For an analyst's own limit the transcript is what that analyst was answered (their charges and first sights);
    colluding analysts are covered by the policy's limit alone, which counts every charge.

    Needs: E and D do not depend on the data nor on answers (an owner who raises a limit promises the raised one);
    a charge is durable before its mechanism runs; costs never negative (`Cost` checks) and never refunded; every
    answer to an analyst counted once in the history of `spent`, a replay being the same answer.

    Source: Rogers, Roth, Ullman, Vadhan, "Privacy Odometers and Filters", NeurIPS 2016 (basic composition);
    Whitehouse, Ramdas, Rogers, Wu, "Fully-Adaptive Composition in Differential Privacy", ICML 2023.
    """
    total, allowed = spend(spent, cost), rectangle(limit)
    return total.epsilon <= allowed.epsilon and total.delta <= allowed.delta


def left(limit: Budget, spent: Cost) -> Cost:
    """The largest cost that is still admitted."""
    allowed = rectangle(limit)
    return Cost(max(Fraction(0), allowed.epsilon - spent.epsilon), max(Fraction(0), allowed.delta - spent.delta))


def _round_up(value: Fraction) -> Fraction:
    if value.denominator.bit_length() <= GRID_BITS:
        return value
    return Fraction(math.ceil(value * (1 << GRID_BITS)), 1 << GRID_BITS)
