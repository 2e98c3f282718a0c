"""What a history proves by privacy loss distributions: the tightest account of it, for people to read.

It admits nothing: the filter's two ways stay valid when queries are chosen adaptively, this is a sum after the fact.
"""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsql.budget.conversion import epsilon_of
from dpsql.budget.events import ZERO, Event, pure

if TYPE_CHECKING:
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution

_FINE = 1e-4       # width of a step of privacy loss, dp-accounting's own
_POINTS = 100_000  # steps of a distribution, so that a report takes seconds at most
_KINDS = 1_000     # different events in one report
_PARTS = 8         # of delta, that are tried for what zCDP adds up

Part = tuple[str, float, float]     # "pair", epsilon, delta; "normal", sigma of a change by 1, 0; "range", width, 0


def installed() -> bool:
    """Whether dp-accounting is there (extra `accounting`); it is loaded when it is needed, for it takes seconds."""
    return importlib.util.find_spec("dp_accounting") is not None


def pld_epsilon(events: Sequence[Event], delta: Fraction) -> float | None:
    """The epsilon that `events` together have at `delta`, by dp-accounting; None for more than it adds up in seconds.

    Up to the library's floating point it is no less than the truth; discrete Gaussians count as continuous ones, from
    which theirs differ by a part in 2^10 at most. Never more than zCDP proves. ImportError without dp-accounting.

    Theorem: events of which some are replaced by a pair (epsilon, d + slack) that follows from the sum of their rho,
    and the others by pairs of distributions that are at least as far apart, are together as private as those.
    Proof: divergences of a product do not shrink when a factor is replaced by one that is at least as far apart at
    every epsilon, also where mechanisms are chosen adaptively. Bounded range has at most the divergences of
    `within_range`. Of several such proofs the smallest epsilon is returned.
    Needs: each event's own prices.
    Source: Zhu, Dong, Wang, "Optimal Accounting of Differential Privacy via Characteristic Function" (2022), theorem
    10; Dong, Durfee, Rogers (2020).
    """
    if len(set(events)) > _KINDS or sum(event.epsilon for event in events) > _POINTS // 10:
        return None
    coarse = [event for event in events if _coarse(event)]
    fine = Counter(part for event in events if not _coarse(event) for part in _parts(event))
    found = [_composed(fine + Counter(part for event in coarse for part in _parts(event)), delta)]
    slack = sum((event.slack for event in coarse), ZERO)
    for most in (Fraction(i, _PARTS) * delta for i in range(1, _PARTS) if coarse and fine and delta > slack):
        added = _converted(coarse, most, most + slack)
        found.append(_composed(fine + Counter([added]), delta))
    if delta > (missed := sum((event.slack for event in events), ZERO)):
        found.append(_converted(events, delta - missed, delta)[1])
    return min(found) if math.isfinite(min(found)) else None


def _converted(events: Sequence[Event], conversion: Fraction, delta: Fraction) -> Part:
    """The pair that zCDP proves of events."""
    return "pair", float(epsilon_of(sum((event.rho for event in events), ZERO), conversion)), float(delta)


def _composed(kinds: Mapping[Part, int], delta: Fraction) -> float:
    step = max(_FINE, sum(part[1] * many for part, many in kinds.items() if part[0] != "normal") / _POINTS)
    whole: PrivacyLossDistribution | None = None
    for part, count in sorted(kinds.items()):
        each = _distribution(part, step).self_compose(count)
        whole = each if whole is None else whole.compose(each)
    return 0.0 if whole is None else float(whole.get_epsilon_for_delta(float(delta)))


def _coarse(event: Event) -> bool:
    """Whether zCDP may know more of an event than its distributions tell: of many choices, of Laplace noise on many
    cells, of what may be answered either way."""
    return event.mechanism in ("either", "exponential") or (
        event.mechanism == "laplace" and event.rho < pure(event.epsilon))


def _parts(event: Event) -> list[Part]:
    """An event as distributions, those of single groups apart."""
    match event.mechanism:
        case "gaussian":
            return [("normal", float(event.scale / event.sensitivity) ** 0.5, 0.0)]
        case "threshold":
            return [("normal", float(event.scale / event.sensitivity) ** 0.5, 0.0), ("pair", 0.0, float(event.slack))]
        case "selection":
            groups = event.sensitivity
            return [("pair", float(event.epsilon / groups), float(event.delta / groups))] * groups
        case "exponential":
            width = event.sensitivity / event.scale
            return [("range", float(width), 0.0)] * int(event.epsilon / width)
        case _:
            return [("pair", float(event.epsilon), float(event.delta))]


def _distribution(part: Part, step: float) -> PrivacyLossDistribution:
    from dp_accounting.pld import privacy_loss_distribution
    from dp_accounting.pld.common import DifferentialPrivacyParameters

    kind, first, second = part
    if kind == "normal":
        return privacy_loss_distribution.from_gaussian_mechanism(first, value_discretization_interval=step)
    if kind == "range":
        return within_range(first, step)
    return privacy_loss_distribution.from_privacy_parameters(
        DifferentialPrivacyParameters(first, second), value_discretization_interval=step)


def within_range(width: float, step: float) -> PrivacyLossDistribution:
    """The losses of a mechanism of bounded range.

    Theorem: if the privacy loss lies in an interval of length w that holds 0, whichever, delta(epsilon) is at most
    (1 - exp((epsilon - w)/2))^2 / (1 - exp(-w)) for epsilon in [-w, w].
    Proof: let it lie in [t - w, t]. Of E_Q[exp(L)] = 1 follows E_Q[(exp(L) - exp(epsilon))+] <=
    (1 - exp(t - w)) (1 - exp(epsilon - t)) / (1 - exp(-w)), for on the interval (exp(L) - exp(epsilon))+ is convex in
    exp(L), so at most its chord between the ends. The largest over t is at t = (epsilon + w)/2.
    Needs: the range, of either order of the neighbours.
    Source: Dong, Durfee, Rogers (2020).
    """
    from dp_accounting.pld import pld_pmf, privacy_loss_distribution

    ends = math.ceil(width / step)
    whole = ends * step
    places = range(-ends, ends + 1)
    deltas = [math.expm1((place * step - whole) / 2) ** 2 / -math.expm1(-whole) for place in places]
    return privacy_loss_distribution.PrivacyLossDistribution(
        pld_pmf.create_pmf_pessimistic_connect_dots(step, list(places), deltas))
