"""Range rules: the exact image of intervals under a function, before the rounding of the engine."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from dpsql.expression import Call, Kind, Lit
from dpsql.interval import ANY, Interval, between
from dpsql.scalars.rows import Ranges

Rule = Callable[[Call, Ranges], Interval]

_SLACK = Fraction(1, 10**9)   # relative error granted to the engine's transcendental functions, far above an ulp


def rounded(call: Call, interval: Interval) -> Interval:
    """The ends rounded to the nearest DOUBLE when the result is one: rounding keeps order, so nothing leaves them."""
    return nearest(interval) if call.type.kind is Kind.DOUBLE else interval


def nearest(interval: Interval) -> Interval:
    """Both ends rounded once as the engine rounds; an end that overflows is unbounded."""
    return Interval(_nearest(interval.low), _nearest(interval.high))


def _nearest(end: Fraction | None) -> Fraction | None:
    try:
        return None if end is None else Fraction(float(end))
    except OverflowError:
        return None


def added(call: Call, ranges: Ranges) -> Interval:
    """a + b."""
    return rounded(call, ranges[0] + ranges[1])


def subtracted(call: Call, ranges: Ranges) -> Interval:
    """a - b."""
    return rounded(call, ranges[0] - ranges[1])


def multiplied(call: Call, ranges: Ranges) -> Interval:
    """a * b. A zero times an infinity is NaN, so one factor without end makes the product unknown."""
    return rounded(call, ranges[0] * ranges[1])


def powered(call: Call, ranges: Ranges) -> Interval:
    """a ^ n for a finite a and a whole n from 1 to 64, widened by what pow may be off; unknown for any other."""
    base, exponent = ranges
    if not base.finite or exponent.low is None or exponent.low != exponent.high or exponent.low not in range(1, 65):
        return ANY
    power = int(exponent.low)
    ends = [end**power for end in base.ends]
    low, high = min(ends), max(ends)
    if power % 2 == 0 and base.ends[0] < 0 < base.ends[1]:
        low = Fraction(0)
    slack = max(abs(low), abs(high)) * _SLACK
    return nearest(Interval(low - slack if low else low, high + slack))


def negated(call: Call, ranges: Ranges) -> Interval:
    """-a."""
    return -ranges[0]


def magnitude(call: Call, ranges: Ranges) -> Interval:
    """|a|."""
    low, high = ranges[0].low, ranges[0].high
    top = None if low is None or high is None else max(abs(low), abs(high))
    bottom = low if low is not None and low > 0 else -high if high is not None and high < 0 else Fraction(0)
    return Interval(bottom, top)


def divided(call: Call, ranges: Ranges) -> Interval:
    """a / b, known when b keeps away from zero."""
    a, b = ranges
    if not (a.finite and b.finite) or b.ends[0] <= 0 <= b.ends[1]:
        return ANY
    quotients = [x / y for x in a.ends for y in b.ends]
    return rounded(call, Interval(min(quotients), max(quotients)))


def whole_quotient(call: Call, ranges: Ranges) -> Interval:
    """a // b, towards zero; b is an integer other than 0, or NULL."""
    a, b = ranges
    if not (a.finite and b.finite) or call.type.kind is not Kind.INTEGER:
        return ANY
    divisors = [end for part in _nonzero(b) for end in part]
    quotients = [Fraction(math.trunc(x / y)) for x in a.ends for y in divisors] + [Fraction(0)]
    if a.ends[0] > 0 and b.ends[0] > 0 and b.finite:
        return Interval(Fraction(math.trunc(a.ends[0] / b.ends[1])), max(quotients))
    return Interval(min(quotients), max(quotients))


def _nonzero(b: Interval) -> list[tuple[Fraction, Fraction]]:
    low, high = b.ends
    parts = []
    if low < 0:
        parts.append((low, min(high, Fraction(-1))))
    if high > 0:
        parts.append((max(low, Fraction(1)), high))
    return parts


def remainder(call: Call, ranges: Ranges) -> Interval:
    """a % b has the sign of a, and is smaller than b and not larger than a."""
    a, b = ranges
    if not (a.finite and b.finite):
        return ANY
    top = min(a.magnitude, b.magnitude)
    return Interval(Fraction(0) if a.ends[0] >= 0 else -top, Fraction(0) if a.ends[1] <= 0 else top)


def fixed(low: int, high: int) -> Rule:
    """A range that does not depend on the arguments."""
    return lambda call, ranges: between(low, high)


def unbounded(call: Call, ranges: Ranges) -> Interval:
    """Unknown."""
    return ANY


def same(call: Call, ranges: Ranges) -> Interval:
    """That of the first argument."""
    return ranges[0]


def hull(call: Call, ranges: Ranges) -> Interval:
    """One of the arguments."""
    found = ranges[0]
    for other in ranges[1:]:
        found = found.hull(other)
    return found


def stepped(down: bool, up: bool) -> Rule:
    """Moved to a multiple of the step that the second argument (a literal number of digits, or 0) gives."""

    def rule(call: Call, ranges: Ranges) -> Interval:
        digits = call.args[1].value if len(call.args) > 1 and isinstance(call.args[1], Lit) else 0
        assert isinstance(digits, int)
        step = Fraction(10) ** -digits
        low, high = ranges[0].low, ranges[0].high
        moved = Interval(
            None if low is None else (math.floor(low / step) if down or low > 0 else math.ceil(low / step)) * step,
            None if high is None else (math.ceil(high / step) if up or high < 0 else math.floor(high / step)) * step,
        )   # the engine multiplies, rounds and divides: three roundings of a DOUBLE
        return moved.doubles().doubles().doubles() if call.type.kind is Kind.DOUBLE and digits else moved

    return rule


def rising(function: Callable[[float], float], floor: Fraction | None = None, low: float = -math.inf) -> Rule:
    """A non-decreasing function, defined from `low`, never below `floor`; a generous slack covers its rounding."""

    def image(end: Fraction | None, sign: int) -> Fraction | None:
        try:
            if end is None or float(end) <= low:
                return None
            value = function(float(end))
            exact = Fraction(value)
        except (OverflowError, ValueError):
            return None
        return exact + sign * (abs(exact) * _SLACK + _SLACK)

    def rule(call: Call, ranges: Ranges) -> Interval:
        bottom, top = image(ranges[0].low, -1), image(ranges[0].high, 1)
        if floor is not None:
            bottom = floor if bottom is None else max(floor, bottom)
        return Interval(bottom, top)

    return rule
