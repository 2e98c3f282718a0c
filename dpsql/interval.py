"""Closed intervals of exact numbers. Rounded outwards; an end that is None is unbounded, never guessed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `low` to `high`, both included; None means without end on that side."""

    low: Fraction | None
    high: Fraction | None

    def __str__(self) -> str:
        return f"[{_show(self.low, '-inf')}, {_show(self.high, 'inf')}]"

    @property
    def finite(self) -> bool:
        """Whether both ends are known."""
        return self.low is not None and self.high is not None

    @property
    def ends(self) -> tuple[Fraction, Fraction]:
        """Both ends of a finite interval. ValueError when one is unknown."""
        if self.low is None or self.high is None:
            raise ValueError(f"{self} has no end")
        return self.low, self.high

    @property
    def magnitude(self) -> Fraction:
        """The largest absolute value in it. ValueError when it has no end."""
        low, high = self.ends
        return max(abs(low), abs(high))

    def within(self, other: Interval) -> bool:
        """Whether every number of this one lies in `other`."""
        below = other.low is None or (self.low is not None and self.low >= other.low)
        above = other.high is None or (self.high is not None and self.high <= other.high)
        return below and above

    def hull(self, other: Interval) -> Interval:
        """The smallest interval that holds both."""
        low = None if self.low is None or other.low is None else min(self.low, other.low)
        high = None if self.high is None or other.high is None else max(self.high, other.high)
        return Interval(low, high)

    def meet(self, other: Interval) -> Interval:
        """What lies in both; when nothing does, the point of `other` nearest to this one (a clamp's result)."""
        if other is ANY or self is ANY or self is other:
            return self if other is ANY else other
        below = self.low is None or (other.low is not None and self.low < other.low)
        above = self.high is None or (other.high is not None and self.high > other.high)
        if below is above:
            return other if below else self
        low, high = other.low if below else self.low, other.high if above else self.high
        if low is not None and high is not None and low > high:
            point = other.low if other.low is not None and low == other.low else other.high
            point = point if point is not None else low
            return Interval(point, point)
        return Interval(low, high)


    def doubles(self) -> Interval:
        """The ends moved outwards to floating-point numbers, one further, so that one rounding cannot leave it."""
        return Interval(_below(self.low), _above(self.high))

    def __neg__(self) -> Interval:
        return Interval(None if self.high is None else -self.high, None if self.low is None else -self.low)

    def __add__(self, other: Interval) -> Interval:
        low = None if self.low is None or other.low is None else self.low + other.low
        high = None if self.high is None or other.high is None else self.high + other.high
        return Interval(low, high)

    def __sub__(self, other: Interval) -> Interval:
        return self + (-other)

    def __mul__(self, other: Interval) -> Interval:
        if not (self.finite and other.finite):
            return ZERO if ZERO in (self, other) else _half_bounded_product(self, other)
        (low, high), (least, most) = self.ends, other.ends
        if low >= 0 and least >= 0:
            return Interval(low * least, high * most)
        products = [a * b for a in (low, high) for b in (least, most)]
        return Interval(min(products), max(products))


ANY = Interval(None, None)
ZERO = Interval(Fraction(0), Fraction(0))


def point(value: int | Fraction) -> Interval:
    """The interval that holds one number."""
    return Interval(Fraction(value), Fraction(value))


def between(low: int | Fraction, high: int | Fraction) -> Interval:
    """The finite interval from `low` to `high`."""
    return Interval(Fraction(low), Fraction(high))


def _half_bounded_product(a: Interval, b: Interval) -> Interval:
    """Signs alone decide: two non-negative factors have a non-negative product."""
    if a.low is not None and b.low is not None and a.low >= 0 and b.low >= 0:
        return Interval(a.low * b.low, None)
    return ANY


def _below(value: Fraction | None) -> Fraction | None:
    if value is None:
        return None
    try:
        near = float(value)
    except OverflowError:
        return None
    down = math.nextafter(near, -math.inf)
    return None if math.isinf(down) else Fraction(down)


def _above(value: Fraction | None) -> Fraction | None:
    low = _below(None if value is None else -value)
    return None if low is None else -low


def _show(value: Fraction | None, unknown: str) -> str:
    if value is None:
        return unknown
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.10g}"
