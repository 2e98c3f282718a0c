"""What a history proves by privacy loss distributions: the tightest account of it, for people to read.

It admits nothing: the filter's two ways stay valid when queries are chosen adaptively, this is a sum after the fact.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from dpsql.budget.events import Event

if TYPE_CHECKING:
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution

_FINE = 1e-4       # width of a step of privacy loss, dp-accounting's own
_POINTS = 100_000  # steps of a distribution, so that a report takes seconds at most
_KINDS = 1_000     # different events in one report


def installed() -> bool:
    """Whether dp-accounting is there (extra `accounting`); it is loaded when it is needed, for it takes seconds."""
    return importlib.util.find_spec("dp_accounting") is not None


def pld_epsilon(events: Sequence[Event], delta: Fraction) -> float | None:
    """The epsilon that `events` together have at `delta`, by dp-accounting; None for more than it adds up in seconds.

    Laplace noise, choices and exponential mechanisms count as the worst of their (epsilon, delta), so up to the
    library's floating point it is no less than the truth; discrete Gaussians count as continuous ones, from which
    theirs differ by a part in 2^10 at most. ImportError without dp-accounting.
    """
    kinds = Counter(part for event in events for part in _parts(event))
    total = float(sum(event.epsilon for event in events))
    if len(kinds) > _KINDS or total > _POINTS / 10:
        return None
    step = max(_FINE, total / _POINTS)
    whole: PrivacyLossDistribution | None = None
    for part, count in sorted(kinds.items()):
        each = _distribution(part, step).self_compose(count)
        whole = each if whole is None else whole.compose(each)
    return 0.0 if whole is None else float(whole.get_epsilon_for_delta(float(delta)))


def _parts(event: Event) -> list[tuple[str, float, float]]:
    """An event as ("pair", epsilon, delta) or ("normal", sigma of a query that changes by 1, 0), by group."""
    match event.mechanism:
        case "gaussian":
            return [("normal", float(event.scale / event.sensitivity) ** 0.5, 0.0)]
        case "threshold":
            return [("normal", float(event.scale / event.sensitivity) ** 0.5, 0.0), ("pair", 0.0, float(event.slack))]
        case "selection":
            groups = event.sensitivity
            return [("pair", float(event.epsilon / groups), float(event.delta / groups))] * groups
        case _:
            return [("pair", float(event.epsilon), float(event.delta))]


def _distribution(part: tuple[str, float, float], step: float) -> PrivacyLossDistribution:
    from dp_accounting.pld import privacy_loss_distribution
    from dp_accounting.pld.common import DifferentialPrivacyParameters

    kind, first, second = part
    if kind == "normal":
        return privacy_loss_distribution.from_gaussian_mechanism(first, value_discretization_interval=step)
    return privacy_loss_distribution.from_privacy_parameters(
        DifferentialPrivacyParameters(first, second), value_discretization_interval=step)
