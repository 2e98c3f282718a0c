"""What one mechanism did, as the ledger stores it, and what a query costs. Exact numbers only."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Event:
    """One use of a mechanism. Its meaning never changes once a ledger holds it.

    `mechanism` is "laplace" (discrete Laplace noise of `scale` steps on integers of L1 sensitivity `sensitivity`) or
    "selection" (truncated geometric thresholding of group sizes; `sensitivity` is the groups one unit may touch).
    `epsilon` and `delta` are what it costs by itself.
    """

    mechanism: str
    epsilon: Fraction
    delta: Fraction
    sensitivity: int
    scale: Fraction


@dataclass(frozen=True, slots=True)
class Cost:
    """What a query costs: the sums over its events never pass these."""

    epsilon: Fraction
    delta: Fraction

    def __post_init__(self) -> None:
        if self.epsilon < 0 or self.delta < 0:
            raise ValueError("a cost is never negative")


FREE = Cost(Fraction(0), Fraction(0))
