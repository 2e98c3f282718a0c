"""The privacy filter: whether a charge may still be admitted. Pure, and exact: Fractions only.

The owner's limit (epsilon E, delta D) is kept by either of two ways of adding up, each with a part of D of its own: a
rectangle of (epsilon, delta) and one of (rho, slack). A history that lies in one of them is admitted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from dpsql.budget.conversion import rho_within
from dpsql.budget.events import Spent, upwards
from dpsql.policy import Budget

_PART = re.compile(r"[0-9]{1,40}(/0*[1-9][0-9]{0,40}|\.[0-9]{1,40})?")


@dataclass(frozen=True, slots=True)
class Split:
    """The parts of every delta D: for basic composition, for the slack of zCDP, for turning zCDP into epsilon.

    ValueError when a part is negative or the parts are more than the whole.
    """

    basic: Fraction
    slack: Fraction
    conversion: Fraction

    def __post_init__(self) -> None:
        if min(self.basic, self.slack, self.conversion) < 0 or self.basic + self.slack + self.conversion > 1:
            raise ValueError("the parts of a split are not negative and add up to at most 1")

    @staticmethod
    def read(text: str) -> Split:
        """The split of three numbers such as 1/4 or 0.25, with spaces or commas between. ValueError for others."""
        parts = text.replace(",", " ").split()
        if len(parts) != 3 or not all(_PART.fullmatch(part) for part in parts):
            raise ValueError("a split is three numbers such as 1/4 or 0.25")
        return Split(*map(Fraction, parts))

    def __str__(self) -> str:
        return " ".join(map(str, (self.basic, self.slack, self.conversion)))


EVEN = Split(Fraction(1, 2), Fraction(1, 4), Fraction(1, 4))  # of a new ledger (design, section 5)


@dataclass(frozen=True, slots=True)
class Room:
    """The two rectangles of a limit: what all charges may add up to, in (epsilon, delta) or in (rho, slack)."""

    epsilon: Fraction
    delta: Fraction
    rho: Fraction
    slack: Fraction

    def basic(self, total: Spent) -> bool:
        """Whether `total` lies in the rectangle of basic composition."""
        return total.epsilon <= self.epsilon and total.delta <= self.delta

    def zcdp(self, total: Spent) -> bool:
        """Whether `total` lies in the rectangle of zCDP."""
        return total.rho <= self.rho and total.slack <= self.slack


def room(limit: Budget, split: Split = EVEN) -> Room:
    """The rectangles of a limit. Without a delta the second one is empty: it admits only what costs nothing."""
    rho = rho_within(limit.epsilon, limit.delta * split.conversion)
    return Room(limit.epsilon, limit.delta * split.basic, rho, limit.delta * split.slack)


def spend(spent: Spent, cost: Spent) -> Spent:
    """The total after a charge of `cost`: never below `spent + cost`, and equal to it for any ordinary numbers."""
    return Spent(upwards(spent.epsilon + cost.epsilon), upwards(spent.delta + cost.delta),
                 upwards(spent.rho + cost.rho), upwards(spent.slack + cost.slack))


def admits(allowed: Room, spent: Spent, cost: Spent) -> bool:
    """Whether a charge of `cost` may follow charges that total `spent`, in the room `allowed` of a limit.

    Theorem: let every charge i, chosen adaptively, be (epsilon_i, delta_i)-DP and also slack_i-approximately
    rho_i-zCDP, given all answers before it, and let it run only when this function is true, `spent` being the fold of
    `spend` over the charges before. Then all answers together, and the refusals, are (E, D)-DP, E and D being the
    limit's that `room` made `allowed` of.

    Proof: what is decided is a function of the transcript, equal on both neighbours, so a refusal tells nothing.
    `spend` never rounds down. Costs only grow, so a transcript that ends in a rectangle lay in it all along. Let B be
    the transcripts that end in the basic rectangle, Z those that end in the other alone; every transcript is in one.
    P(S) <= e^E Q(S) + D follows from the two lemmas for the parts of S in B and in Z, as the parts of a split add up to
    at most 1: an analyst who stops of their own accord at the first charge that would leave the rectangle gives each
    transcript that ends in it the same probability, on P and on Q, and meets the lemma.

    Lemma, basic: if every charge is made within (e, d) of epsilon and delta left, P(S) <= e^e Q(S) + d. Induction over
    the charges left, finitely many; with none the transcript is known. The next costs (e1, d1). Let f(y), g(y) be the
    probabilities of S after its answer y. By induction f <= h + (d - d1) with h = min(1, exp(e - e1) g), and
    E_P[h] <= exp(e1) E_Q[h] + d1 because h lies in [0, 1]. So P(S) = E_P[f] <= exp(e) Q(S) + d.

    Lemma, zCDP: within (r, d) of rho and slack left there are measures P' <= P, Q' <= Q of total mass at least 1 - d
    with integrals of P'^a Q'^(1-a), and of Q'^a P'^(1-a), of at most exp((a - 1) a r), for every a > 1. Induction: the
    next charge has such p', q' of mass at least 1 - d1 with r1, and after its answer y there are P'_y, Q'_y with
    (r - r1, d - d1). Their products have mass at least (1 - d1)(1 - d + d1) >= 1 - d, and the integral of the product
    is that of p'^a q'^(1-a) times at most exp((a - 1) a (r - r1)). At the start r is `rho_within` of E and the
    conversion's part of D, so P(S) <= P'(S) + d <= e^E Q'(S) + (conversion) + (slack), and Q' <= Q.

    For an analyst's own limit the transcript is what that analyst was answered (their charges and first sights);
    colluding analysts are covered by the policy's limit alone, which counts every charge.

    Needs: E, D and the split do not depend on the data nor on answers (an owner who changes them without looking at
    answers promises the new ones, of a history that lies in the new room); a charge is durable before its mechanism
    runs; costs are never negative (`Spent` checks) and never refunded; every answer to an analyst counted once.

    Source: Rogers, Roth, Ullman, Vadhan, "Privacy Odometers and Filters" (2016); Whitehouse, Ramdas, Rogers, Wu,
    "Fully-Adaptive Composition in Differential Privacy" (2023), theorem 1; Bun, Steinke (2016), section 8.
    """
    return fits(allowed, spend(spent, cost))


def fits(allowed: Room, total: Spent) -> bool:
    """Whether a total lies in either rectangle."""
    return allowed.basic(total) or allowed.zcdp(total)


def left(allowed: Room, spent: Spent) -> Spent:
    """What is left in each rectangle; nothing in one that was left behind."""
    basic = (allowed.epsilon - spent.epsilon, allowed.delta - spent.delta)
    zcdp = (allowed.rho - spent.rho, allowed.slack - spent.slack)
    none = (Fraction(0), Fraction(0))
    return Spent(*(basic if min(basic) >= 0 else none), *(zcdp if min(zcdp) >= 0 else none))


def part(allowed: Room, cost: Spent) -> Fraction | None:
    """The part of a fresh budget that a charge takes, by the way of adding up that is better for it; None: too dear.

    Of two charges for the same width, the one with the smaller part can be repeated more often.
    """
    ways = (((allowed.epsilon, cost.epsilon), (allowed.delta, cost.delta)),
            ((allowed.rho, cost.rho), (allowed.slack, cost.slack)))
    parts = [max(amount / most if most else Fraction(amount > 0) * 2 for most, amount in way) for way in ways]
    return min(parts) if min(parts) <= 1 else None
