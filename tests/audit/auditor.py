"""A black-box audit: a lower bound on epsilon from outputs alone, on two neighbours, that holds with high confidence.

The first half of the outputs picks the events that tell the neighbours apart best; the second half, which did not pick,
bounds their probabilities (Chernoff's bound in its exact, Kullback-Leibler form), each at its share of the error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Output = dict[str, float]                # named numbers; a name that is absent is an event too
Event = Callable[[Output], bool]

PICKED = 5
CONFIDENCE = 0.999


def lower_bound(
    with_unit: Sequence[Output], without: Sequence[Output], delta: float = 0.0, confidence: float = CONFIDENCE,
) -> float:
    """The largest epsilon that the outputs disprove, at this confidence; 0 when they disprove none."""
    half = len(with_unit) // 2
    sides = (with_unit[:half], without[:half]), (with_unit[half:], without[half:])
    rated = [(event, _rates((event, False), sides[0])) for event in _events(*sides[0])]
    both = [((event, flipped), rates[::-1] if flipped else rates)
            for event, rates in rated for flipped in (False, True)]
    chosen = sorted(both, key=lambda each: -_plain(*each[1], delta, half))[:PICKED]
    alpha = (1 - confidence) / (2 * PICKED)
    return max(_proved(*_rates(each, sides[1]), delta, half, alpha) for each, _ in chosen)


def by_one_number(
    with_unit: Sequence[float], without: Sequence[float], delta: float = 0.0, confidence: float = CONFIDENCE,
) -> float:
    """The same of one number an output, which may be anything computed from it: quick, for many draws of mechanisms
    whose worst outputs are known, as the sum of all cells is for noise on all of them."""
    half = len(with_unit) // 2
    one, other = (np.sort(np.asarray(side[:half], dtype=float)) for side in (with_unit, without))
    cuts = np.unique(np.quantile(np.concatenate((one, other)), np.linspace(0, 1, 400)))

    def rates(side: NDArray[np.float64], cut: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 - np.searchsorted(np.sort(side), cut) / len(side)

    tried = []
    for flipped in (False, True):
        for below in (False, True):
            pair = (other, one) if flipped else (one, other)
            p, q = (1 - rates(side, cuts) if below else rates(side, cuts) for side in pair)
            guesses = [_plain(float(a), float(b), delta, half) for a, b in zip(p, q, strict=True)]
            best = int(np.argmax(guesses))
            tried.append((guesses[best], flipped, below, cuts[best]))
    _, flipped, below, cut = max(tried)
    sides = [np.asarray(side[half:], dtype=float) for side in (with_unit, without)]
    p, q = (float(np.mean(side < cut if below else side >= cut)) for side in (sides[::-1] if flipped else sides))
    return _proved(p, q, delta, len(sides[0]), (1 - confidence) / 2)


def _events(first: Sequence[Output], second: Sequence[Output]) -> list[Event]:
    names = sorted({name for output in (*first, *second) for name in output})
    found: list[Event] = [lambda output, n=n: len(output) > n for n in range(len(names))]  # type: ignore[misc]
    for name in names:
        values = sorted(output[name] for output in (*first, *second) if name in output)
        cuts = sorted({values[i * len(values) // 30] for i in range(30)})
        found.append(lambda output, name=name: name in output)  # type: ignore[misc]
        found += [lambda output, name=name, cut=cut: output.get(name, math.nan) >= cut for cut in cuts]  # type: ignore[misc]
        found += [lambda output, name=name, cut=cut: output.get(name, math.nan) < cut for cut in cuts]  # type: ignore[misc]
    return found


def _rates(each: tuple[Event, bool], sides: tuple[Sequence[Output], Sequence[Output]]) -> tuple[float, float]:
    event, flipped = each
    first, second = (sum(map(event, side)) / len(side) for side in sides)
    return (second, first) if flipped else (first, second)


def _plain(p: float, q: float, delta: float, n: int) -> float:
    """A guess that prefers events that happen often enough to be proved."""
    slack = 3.5 * math.sqrt(max(p * (1 - p), 1 / n) / n), 3.5 * math.sqrt(max(q * (1 - q), 1 / n) / n)
    return math.log(max(p - delta - slack[0], 1e-9) / (q + slack[1]))


def _proved(p: float, q: float, delta: float, n: int, alpha: float) -> float:
    low, high = _limit(p, n, alpha, 0.0), _limit(q, n, alpha, 1.0)
    return max(0.0, math.log((low - delta) / high)) if low > delta else 0.0


def _limit(rate: float, n: int, alpha: float, end: float) -> float:
    """The probability between `rate` and `end` at which n KL(rate, p) reaches ln(1/alpha)."""
    near, far = rate, end
    for _ in range(60):
        middle = (near + far) / 2
        near, far = (middle, far) if n * _divergence(rate, middle) < math.log(1 / alpha) else (near, middle)
    return far


def _divergence(rate: float, p: float) -> float:
    if not 0 < p < 1:
        return 0.0 if rate == p else math.inf
    return sum(a * math.log(a / b) for a, b in ((rate, p), (1 - rate, 1 - p)) if a > 0)


def gaussian_bound(p: float, q: float, n: int, delta: float, confidence: float = CONFIDENCE) -> float:
    """The largest epsilon that n draws of either side disprove, for noise that is Gaussian in law but of unknown size.

    `p` and `q` are how often either side passed one cut that was fixed before. With mu = 1 / sigma they are at most mu
    apart in normal quantiles, and delta(e) = Phi(mu/2 - e/mu) - exp(e) Phi(-mu/2 - e/mu) (Balle and Wang 2018, theorem
    8; Nasr et al. 2023 audit so). Events far out, rarer than draws can show, are not needed then.
    """
    normal, alpha = NormalDist(), (1 - confidence) / 2
    mu = normal.inv_cdf(_limit(p, n, alpha, 0.0)) - normal.inv_cdf(_limit(q, n, alpha, 1.0))
    if mu <= 0:
        return 0.0
    low, high = 0.0, 50.0
    for _ in range(80):
        middle = (low + high) / 2
        spent = normal.cdf(mu / 2 - middle / mu) - math.exp(middle) * normal.cdf(-mu / 2 - middle / mu)
        low, high = (middle, high) if spent > delta else (low, middle)
    return low
