"""Bounds nobody had to guess: how much of a unit's contribution to keep, chosen privately from a public ladder.

The statement counts what units contribute by rung of the ladder. An exponential mechanism picks a rung: it wants few
contributions above it, and no more of it than that takes. Where it picks t, the total clipped to [-t, t] is exact.

Where nobody stated a range, rungs begin far below one, as few data do: there the prior falls slowly, so that finding
the size of ordinary numbers takes fewer people (41 / e1 for amounts near 1e4 in steps of 2^-20, for 62), and numbers
far below one may get a few times the bound they need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, Context, Decimal
from fractions import Fraction
from functools import lru_cache

from dpsql.budget.events import Event
from dpsql.noise.entropy import weighted

STEPS = 8                            # rungs in every doubling
SLOPE = 2.5                          # of the prior, as a power (see `dpsql.probe.SEARCHES`)
DEEPEST = 300                        # weights fall by exp(-300) at most for what lies above (K = 300 C / e1)
LEAST = 80                           # bits of the smallest weight
ROUNDING = Fraction(1, 1 << 64)      # of the width, kept for the rounding of weights
LEAST_WIDTH = Fraction(1, 1 << 40)
USUAL, LOOSE = 40, 10**4             # how large a bound is that a search finds: of counts, of undeclared values

_WIDE = Context(prec=80, Emax=MAX_EMAX, Emin=MIN_EMIN)
_UP = Context(prec=80, rounding=ROUND_CEILING, Emax=MAX_EMAX, Emin=MIN_EMIN)


@lru_cache(maxsize=64)
def ladder(base: int, top: int) -> tuple[int, ...]:
    """The integers ceil(base 2^(i/8)), i = 0, 1, ..., without repeats, and `top` as the last.

    ValueError unless 1 <= base <= top.
    """
    if not 1 <= base <= top:
        raise ValueError(f"a ladder climbs from a positive base to a top not below it, not from {base} to {top}")
    rungs: dict[int, None] = {}
    for i in range(STEPS * (top.bit_length() - base.bit_length() + 2)):
        rung = _root(base**STEPS << i)
        if rung >= top:
            break
        rungs[rung] = None
    return (*rungs, top)


def search_event(groups: int, width: Fraction) -> Event:
    """The event of one `search`. ValueError when `width` is below 2^-40.

    Theorem: `search` is width-differentially private, of bounded range `width`, for adding or removing one unit.
    Proof: adding a unit raises every above[i] by some number from 0 to C = `groups`, so the exact weight
    exp(-min(w above / C, 300)) prior(t), w = width - 2^-64, whatever the public prior, is multiplied by a factor in
    [exp(-w), 1]; so is the sum of all weights. The ratio of the probabilities of one rung is a quotient of two such
    factors, the second the same for every rung: their logarithms lie in an interval of length w that holds 0. The
    weights drawn from are integers:
    floors of 80-digit numbers that are at least 2^80, so each is within a factor 1 +- 2^-79 of the exact one, which
    moves a logarithm of a ratio by less than 2^-76, either end, and both ends by less than 2^-64 together.
    Needs: the ladder, its base and C are public; `above` counts, for each rung, the contributions (pairs of a unit and
    a group, at most C of one unit) whose size passes it, so that one unit moves all of them the same way.
    Source: design.md, section 4; Dong, Durfee, Rogers, "Optimal Differential Privacy Composition for Exponential
    Mechanisms" (2020): a monotone score needs no factor 2.
    """
    if groups < 1 or width < LEAST_WIDTH:
        raise ValueError(f"a search needs groups >= 1 and a width of at least 2^-40, not {groups} and {width}")
    return Event.exponential(groups, width)


def search(above: Sequence[int], rungs: Sequence[int], groups: int, width: Fraction, whole: int = 1) -> int:
    """The place of the rung chosen. `above[i]` is how many contributions pass rung i. Costs `search_event`."""
    assert len(above) == len(rungs), "a count for every rung"
    return weighted(weights(above, rungs, groups, width, whole))


def weights(
    above: Sequence[int], rungs: Sequence[int], groups: int, width: Fraction, whole: int = 1,
) -> list[int]:
    """Integers proportional to exp(-(w/C) min(above, K)) prior(t), each at least 2^80; K = 300 C / w.

    prior(t) = (t / whole)^(-5/2), but (t / whole)^-1 below `whole`, a public number of steps.
    """
    rate = _decimal((width - ROUNDING) / groups)
    priors, scale = _public(tuple(rungs), whole)
    falls = {count: _fall(_WIDE.multiply(rate, Decimal(count))) for count in set(above)}
    return [
        int(_WIDE.multiply(_WIDE.multiply(falls[count], prior), scale))
        for count, prior in zip(above, priors, strict=True)
    ]


def _fall(depth: Decimal) -> Decimal:
    return _WIDE.exp(min(depth, Decimal(DEEPEST)).copy_negate())


@lru_cache(maxsize=64)
def _public(rungs: tuple[int, ...], whole: int) -> tuple[tuple[Decimal, ...], Decimal]:
    """The prior of each rung, and the scale that lifts the smallest weight possible to 2^80."""
    priors = []
    for rung in rungs:
        share = _WIDE.divide(Decimal(whole), Decimal(rung))
        fast = _WIDE.multiply(_WIDE.multiply(share, share), _WIDE.sqrt(share))     # to the power SLOPE
        priors.append(share if rung < whole else fast)
    smallest = _WIDE.multiply(_WIDE.exp(Decimal(-DEEPEST)), min(priors))
    return tuple(priors), _UP.divide(Decimal((1 << LEAST) + 1), smallest)


def beyond(counts: Sequence[int]) -> list[int]:
    """How many contributions pass each rung, from how many end at each: those of the rungs after it."""
    passed, found = 0, []
    for count in reversed(counts):
        found.append(passed)
        passed += count
    return found[::-1]


def clipped(sums: Sequence[int], signs: Sequence[int], rungs: Sequence[int], place: int) -> int:
    """The total of contributions clipped to [-t, t], t = rungs[place].

    `sums[i]` adds up the contributions x with rungs[i-1] < |x| <= rungs[i], `signs[i]` their signs.

    Theorem: it is the sum of max(-t, min(t, x)) over all contributions.
    Proof: |x| <= t holds exactly for those of the rungs up to `place`, which stay; the others become t sign(x).
    Needs: each contribution is counted at its rung, compared exactly.
    Source: design.md, section 4.
    """
    return sum(sums[: place + 1]) + rungs[place] * sum(signs[place + 1 :])


def passing(
    rungs: Sequence[int], t: int, groups: int, width: Fraction, confidence: float, whole: int = 1,
) -> int:
    """How many contributions pass the rung that a search chose, at most, with that probability; t is the rung.

    Theorem: whatever the data, the rung t that `search` picks has above(t) <= passing(t) with at least `confidence`.
    Proof: write R for the number of rungs, w for the width, x(t) = C/w (ln(prior(t)/prior(top)) +
    ln(R / (1 - confidence))). A rung with above(t) > x(t) has at most the weight exp(-w x(t)/C) prior(t), which is
    (1 - confidence) / R of prior(top), the weight of the top that nothing passes. So all such rungs together are chosen
    with at most 1 - confidence. x(t) is below K, down to which weights fall: its logarithms are at most 107 and 43.
    Needs: t was chosen from `rungs` by `search` with these groups, this width and this `whole`; that alone is released.
    Source: McSherry and Talwar, "Mechanism Design via Differential Privacy" (2007), theorem 6, for each rung apart.
    """
    depth = _drop(rungs[-1], whole) - _drop(t, whole) + math.log(len(rungs) / (1 - confidence))
    assert depth < DEEPEST, "weights fall as far as this"
    return math.ceil(groups * depth / float(width - ROUNDING) * (1 + 1e-12))


def _drop(rung: int, whole: int) -> float:
    """-ln prior(rung)."""
    return math.log(rung / whole) * (1 if rung < whole else SLOPE)


def needed(groups: int, width: Fraction, reach: float, whole: int = 1) -> int:
    """About how many contributions a search needs to find a largest one of `reach` times `whole`, or the base.

    Source: design.md, section 4, measured: C (2.5 ln(reach) + 5) / e1, and what the prior falls by below `whole`.
    """
    return math.ceil(groups * (SLOPE * math.log(max(1.0, reach)) + math.log(whole) + 5) / float(width))


def _root(value: int) -> int:
    """The eighth root of an integer, rounded up."""
    found = math.isqrt(math.isqrt(math.isqrt(value)))
    return found if found**STEPS == value else found + 1


def _decimal(value: Fraction) -> Decimal:
    return _WIDE.divide(Decimal(value.numerator), Decimal(value.denominator))
