"""What one mechanism did, as the ledger stores it, and what a query costs. Exact numbers only.

Every event has two prices, and the filter (`dpsql.budget.filter`) adds up both: it is (epsilon, delta)-differentially
private, and slack-approximately rho-zCDP. Make events by their mechanism, so that no price is ever forgotten:
`Event.laplace`, `Event.gaussian`, `Event.selection`, `Event.threshold`, `Event.exponential`, `Event.either`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

ZERO = Fraction(0)

# An amount keeps its exact value up to this many bits of denominator; beyond, it is rounded up (see `upwards`).
GRID_BITS = 512


def upwards(value: Fraction) -> Fraction:
    """`value`, or, where its denominator passes 2^512, the next multiple of 2^-512: never less.

    Ordinary numbers stay exact. Nobody's decimals, or an analyst who asks for 1/p with ever new primes p, would make
    amounts grow without end: they are rounded against the analyst.
    """
    if value.denominator.bit_length() <= GRID_BITS:
        return value
    return Fraction(math.ceil(value * (1 << GRID_BITS)), 1 << GRID_BITS)


def pure(epsilon: Fraction) -> Fraction:
    """The rho of whatever is `epsilon`-differentially private.

    Theorem: epsilon-DP implies rho-zCDP for rho = min(epsilon^2/2, epsilon).
    Proof: the privacy loss lies in [-epsilon, epsilon], an interval of width 2 epsilon: `ranged` gives
    (2 epsilon)^2/8. The loss never passes epsilon, so no Renyi divergence does, and epsilon <= epsilon * alpha.
    Needs: the mechanism is epsilon-DP in both directions between neighbours.
    Source: Bun, Steinke, "Concentrated Differential Privacy" (2016), proposition 1.4.
    """
    return upwards(min(epsilon * epsilon / 2, epsilon))


def ranged(width: Fraction) -> Fraction:
    """The rho of a mechanism whose privacy loss, for any two neighbours, lies in an interval of length `width`.

    Theorem: bounded range `width` implies rho-zCDP for rho = min(width^2/8, width).
    Proof: let L = ln(P/Q) lie in [a, a + w], and f(t) = ln E_Q[exp(t L)]. Then f(0) = f(1) = 0, and f''(t) is the
    variance of L under a tilted measure, at most w^2/4. So f(t) - w^2 t (t - 1)/8 is concave and 0 at 0 and at 1, hence
    at most 0 for every alpha > 1: the divergence f(alpha)/(alpha - 1) is at most alpha w^2/8. As E_Q[exp(L)] = 1, some
    L is at most 0, so every L is at most w, hence every divergence too, and w <= w alpha.
    Needs: the interval may depend on the neighbours, its length may not.
    Source: Dong, Durfee, Rogers, "Optimal Differential Privacy Composition for Exponential Mechanisms" (2020);
    Cesar, Rogers, "Bounding, Concentrating, and Truncating" (2021), lemma 3.4.
    """
    return upwards(min(width * width / 8, width))


@dataclass(frozen=True, slots=True)
class Event:
    """One use of a mechanism. Its meaning never changes once a ledger holds it.

    `mechanism` names the constructor below, which says what `sensitivity` and `scale` are (in steps).
    `epsilon`, `delta`: what it costs by itself under basic composition. `rho`, `slack`: what it costs under zCDP; but
    for an outcome of probability at most `slack`, it is rho-zCDP.
    """

    mechanism: str
    epsilon: Fraction
    delta: Fraction
    sensitivity: int
    scale: Fraction
    rho: Fraction
    slack: Fraction

    def __post_init__(self) -> None:
        if min(self.epsilon, self.delta, self.rho, self.slack) < 0 or self.sensitivity < 0 or self.scale <= 0:
            raise ValueError("an event never costs less than nothing, and its noise is positive")

    @staticmethod
    def laplace(sensitivity: int, scale: Fraction, cells: int = 1) -> Event:
        """Discrete Laplace noise of `scale` on integers whose L1 distance between neighbours is at most `sensitivity`.

        `cells`: no single cell changes by more than sensitivity/cells (C groups of Linf each: C), which lowers rho.

        Theorem: it is (sensitivity/scale)-DP, and rho-zCDP for rho = cells * pure(sensitivity/(cells scale)).
        Proof: the first is `dpsql.noise.laplace.laplace_event`'s. A cell that changes by c is (c/scale)-DP alone, so
        pure(c/scale)-zCDP; the noise of cells is independent, so their rho add. pure(x)/x = min(x/2, 1) never falls, so
        with X = D/(cells scale) and every c/scale <= X, the sum is at most (D/scale) pure(X)/X = cells * pure(X).
        Needs: as `laplace_event`, and the bound on each cell.
        Source: Bun, Steinke (2016), propositions 1.4 and 1.7.
        """
        epsilon = sensitivity / scale
        return Event("laplace", epsilon, ZERO, sensitivity, scale, cells * pure(epsilon / cells), ZERO)

    @staticmethod
    def gaussian(squared: int, variance: Fraction, epsilon: Fraction, delta: Fraction) -> Event:
        """Discrete Gaussian noise; `sensitivity` holds the squared joint L2 sensitivity, `scale` the variance.

        `epsilon` and `delta` are a pair of the mechanism, which the caller has proved (`dpsql.noise`). For several
        totals with noise of their own, released together: one event of squared sensitivity 1 and variance
        1/sum(D_i^2/sigma_i^2).

        Theorem: it is rho-zCDP for rho = squared / (2 variance), with no slack.
        Proof: D_alpha between discrete Gaussians of one sigma at integers x and y is at most
        alpha (x - y)^2/(2 sigma^2), for it equals that but for a quotient of theta sums that is at most 1. Cells are
        independent, so divergences add to alpha |x - y|_2^2/(2 sigma^2).
        Needs: totals are integers in steps, and sigma^2 is the sampler's parameter, exactly.
        Source: Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy" (2020), theorem 14.
        """
        return Event("gaussian", epsilon, delta, squared, variance, upwards(squared / (2 * variance)), ZERO)

    @staticmethod
    def selection(groups: int, scale: Fraction, delta: Fraction) -> Event:
        """A choice among private groups, each (1/scale, delta/groups)-DP; one unit touches at most `groups` of them.

        Truncated geometric noise of `scale`, or optimal keep-probabilities of the same pair.

        Theorem: it is (groups/scale, delta)-DP, and delta-approximately rho-zCDP for rho = groups * pure(1/scale).
        Proof: one group is (e', d')-DP, so but for outcomes of probability d' on either side it is e'-DP (Kairouz, Oh,
        Viswanath: such a pair is a post-processing of a mechanism that tells all with probability d' and is e'-DP
        otherwise), hence d'-approximately pure(e')-zCDP. Groups are independent, at most C differ: both prices add.
        Needs: every unit touches at most `groups` groups, and each group's draw is (1/scale, delta/groups)-DP.
        Source: Bun, Steinke (2016), section 8; Kairouz, Oh, Viswanath, "The Composition Theorem" (2015).
        """
        return Event("selection", groups / scale, delta, groups, scale, groups * pure(1 / scale), delta)

    @staticmethod
    def threshold(squared: int, variance: Fraction, epsilon: Fraction, delta: Fraction, miss: Fraction) -> Event:
        """A choice of groups by a noisy number of units over a threshold, and Gaussian totals of the groups shown.

        `squared` and `variance` as for `gaussian`, over units and totals together. `miss` bounds the chance that any of
        the groups which are a single unit's is shown; `delta` includes it.

        Theorem: it is miss-approximately rho-zCDP for rho = squared / (2 variance).
        Proof: leave out the outcomes that show a group which only one of the neighbours has, of probability at most
        `miss`, and an equal share of the other neighbour's, which never shows it. What is left are, times one
        constant, post-processed discrete Gaussians of squared L2 sensitivity at most `squared` (`gaussian`).
        Needs: groups that do not exist are never shown; noise is independent; the pair (epsilon, delta) is proved.
        Source: design.md, section 5; Canonne, Kamath, Steinke (2020), theorem 14.
        """
        if miss > delta:
            raise ValueError("the delta of a threshold includes its chance to show a group of one unit")
        return Event("threshold", epsilon, delta, squared, variance, upwards(squared / (2 * variance)), miss)

    @staticmethod
    def exponential(sensitivity: int, width: Fraction) -> Event:
        """An exponential mechanism of bounded range `width` over a public list; `scale` is sensitivity/width.

        Pr[t] proportional to exp(-score/scale): a score that neighbours move all in one direction by at most
        `sensitivity` has width sensitivity/scale; one that may move either way, twice that.

        Theorem: it is width-DP, and ranged(width)-zCDP.
        Proof: E_Q[P/Q] = 1, so the interval of the privacy loss holds 0 and the loss is at most `width` in size;
        the other is `ranged`.
        Needs: `width` includes whatever rounding of the weights adds.
        Source: Dong, Durfee, Rogers (2020).
        """
        return Event("exponential", width, ZERO, sensitivity, sensitivity / width, ranged(width), ZERO)

    @staticmethod
    def either(ways: Sequence[Sequence[Event]]) -> Event:
        """One of several ways to answer, each with its events; which of them is not known yet, but public when it is.

        Theorem: it is (epsilon, delta)-DP and slack-approximately rho-zCDP for the largest sum of each over the ways.
        Proof: given what decides, the events are those of one way, whose sums are no larger; a price of mechanisms that
        follow one another adaptively holds when each holds given what was released before.
        Needs: what decides is public, or released by events that are charged beside this one.
        Source: Bun, Steinke (2016), lemma 2.3; design.md, section 5, The filter.
        """
        epsilon, delta, rho, slack = (
            max(sum((getattr(event, amount) for event in way), ZERO) for way in ways)
            for amount in ("epsilon", "delta", "rho", "slack")
        )
        return Event("either", epsilon, delta, 1, 1 / epsilon, rho, slack)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a query costs: the sums over its events never pass these."""

    epsilon: Fraction
    delta: Fraction

    def __post_init__(self) -> None:
        if self.epsilon < 0 or self.delta < 0:
            raise ValueError("a cost is never negative")


@dataclass(frozen=True, slots=True)
class Spent:
    """Totals, or one charge, under both ways of adding up: (epsilon, delta), and (rho, slack)."""

    epsilon: Fraction = ZERO
    delta: Fraction = ZERO
    rho: Fraction = ZERO
    slack: Fraction = ZERO

    def __post_init__(self) -> None:
        if min(self.epsilon, self.delta, self.rho, self.slack) < 0:
            raise ValueError("a cost is never negative")


FREE = Cost(ZERO, ZERO)
NOTHING = Spent()


def priced(cost: Cost, events: Sequence[Event]) -> Spent:
    """What a charge counts: `cost` under basic composition, the sum of its events under zCDP.

    Theorem: a query whose events are all there is to it is slack-approximately rho-zCDP; one that states no events,
    but is (epsilon, delta)-DP, is delta-approximately pure(epsilon)-zCDP.
    Proof: adaptive composition adds rho and slack (`dpsql.budget.filter.admits`); the other as in `Event.selection`.
    Needs: the events given are all of the query's, or none.
    Source: Bun, Steinke (2016), sections 2 and 8.
    """
    if not events:
        return Spent(cost.epsilon, cost.delta, pure(cost.epsilon), cost.delta)
    rho, slack = sum((event.rho for event in events), ZERO), sum((event.slack for event in events), ZERO)
    return Spent(cost.epsilon, cost.delta, upwards(rho), upwards(slack))    # of many events the sum has many digits
