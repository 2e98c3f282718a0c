"""From rho to epsilon and back: sound against exact losses, tight, and the same as dp-accounting's."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.budget.conversion import epsilon_of, rho_within
from dpsql.budget.events import Event
from dpsql.budget.pld import pld_epsilon, within_range
from dpsql.noise.gaussian import multiplier

calm = settings(deadline=None, max_examples=60)
deltas = st.sampled_from([Fraction(1, 10**k) for k in (1, 3, 6, 9, 30)])
normal = NormalDist()
TINY, LITTLE = Fraction("1e-8"), Fraction("0.05")
VARIANCE = multiplier(LITTLE, TINY, 1) ** 2


def gaussian_delta(rho: float, epsilon: float) -> float:
    """The delta of Gaussian noise of that rho, exactly (Balle and Wang 2018)."""
    mu = math.sqrt(2 * rho)
    return normal.cdf(mu / 2 - epsilon / mu) - math.exp(epsilon) * normal.cdf(-mu / 2 - epsilon / mu)


@calm
@given(st.floats(0.001, 20), deltas)
def test_theorem_rho_within(epsilon: float, delta: Fraction) -> None:
    rho = rho_within(Fraction(epsilon), delta)
    assert rho > 0
    assert gaussian_delta(float(rho), epsilon) <= float(delta) * (1 + 1e-6) + 1e-13
    classic = (math.sqrt(epsilon + math.log(1 / delta)) - math.sqrt(math.log(1 / delta))) ** 2
    assert float(rho) >= classic * (1 - 1e-9)       # Bun and Steinke's conversion is never better


@calm
@given(st.floats(1e-6, 20), deltas)
def test_theorem_epsilon_of(rho: float, delta: Fraction) -> None:
    epsilon = epsilon_of(Fraction(rho), delta)
    if epsilon > 0:
        assert gaussian_delta(rho, float(epsilon)) <= float(delta) * (1 + 1e-6) + 1e-13
    back = rho_within(epsilon, delta)
    assert back <= Fraction(rho) * (1 + Fraction(1, 10**15))
    assert epsilon == 0 or back >= Fraction(rho) * (1 - Fraction(1, 10**15))


@pytest.mark.parametrize("rho", ["0.0001", "0.0265", "0.5", "3", "40"])
@pytest.mark.parametrize("delta", ["1e-3", "2.5e-6", "1e-12"])
def test_every_order_is_worse(rho: str, delta: str) -> None:
    """The order chosen is the best: a fine grid of others gives nothing smaller."""
    r, d = float(rho), float(delta)
    grid = (10 ** (k / 200) for k in range(-1000, 1000))
    least = min((1 + t) * r + (math.log(1 / d) - (1 + t) * math.log1p(t)) / t + math.log(t) for t in grid)
    found = float(epsilon_of(Fraction(rho), Fraction(delta)))
    assert max(0.0, least) * (1 - 2e-4) <= found <= max(0.0, least) * (1 + 1e-9)


def test_where_nothing_is_to_be_had() -> None:
    assert rho_within(Fraction(1), Fraction(0)) == rho_within(Fraction(0), Fraction(1, 2)) == 0
    assert epsilon_of(Fraction(0), Fraction(1, 10**9)) == 0
    with pytest.raises(ValueError, match="without a delta"):
        epsilon_of(Fraction(1), Fraction(0))


@pytest.mark.parametrize(("epsilon", "delta"), [
    (Fraction(2**1074), Fraction(1, 2**1074)), (Fraction(1, 2**1074), Fraction(1, 2**1074)),
    (Fraction(10**9), Fraction(1, 10)), (Fraction(1, 10**9), Fraction(249, 1000))])
def test_amounts_beyond_every_double(epsilon: Fraction, delta: Fraction) -> None:
    rho = rho_within(epsilon, delta)
    assert rho >= 0 and rho.denominator.bit_length() <= 512
    assert epsilon_of(rho, delta) <= epsilon * (1 + Fraction(1, 10**20)) + Fraction(1, 10**150)


# --- dp-accounting as the oracle ---

@pytest.fixture(scope="module")
def accounting() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("dp_accounting", reason="needs the extra `accounting`")


@pytest.mark.parametrize(("rho", "delta"), [("0.0265", "2.5e-6"), ("0.2", "1e-9"), ("2", "1e-5")])
def test_dp_accounting_agrees_on_rho(accounting: object, rho: str, delta: str) -> None:
    from dp_accounting.rdp import rdp_privacy_accountant as rdp

    orders = [1 + 1.02**k for k in range(-250, 400)]
    oracle, _ = rdp.compute_epsilon(orders, [order * float(rho) for order in orders], float(delta))
    found = float(epsilon_of(Fraction(rho), Fraction(delta)))
    assert oracle * (1 - 1e-3) <= found <= oracle * (1 + 1e-9)


def test_dp_accounting_proves_less_epsilon_for_the_same_noise(accounting: object) -> None:
    event, delta = Event.gaussian(1, Fraction(51**2), Fraction("0.1"), Fraction("1e-7")), Fraction("1e-5")
    exact = pld_epsilon([event] * 138, delta)
    assert exact is not None
    assert gaussian_delta(138 * float(event.rho), exact) == pytest.approx(1e-5, rel=1e-3)
    assert exact < float(epsilon_of(138 * event.rho, delta)) < 1


@pytest.mark.parametrize("many", [1, 20, 200])
@pytest.mark.parametrize("event", [
    Event.laplace(1, 1 / LITTLE), Event.laplace(10, 10 / LITTLE, 10), Event.exponential(1, LITTLE),
    Event.either([[Event.laplace(1, 1 / LITTLE)], [Event.gaussian(1, VARIANCE, LITTLE, TINY)]]),
    Event.selection(5, 5 / LITTLE, TINY), Event.threshold(1, VARIANCE, LITTLE + 2 * TINY, 2 * TINY, TINY),
    Event.gaussian(1, VARIANCE, LITTLE, TINY)], ids=lambda event: event.mechanism)
def test_theorem_pld_epsilon(
    accounting: object, event: Event, many: int,
) -> None:
    """It proves no more epsilon than either way of adding up, also beside noise that is known exactly, and no less
    than the noise has (`test_oracles`)."""
    delta, noise = Fraction("1e-5"), [Event.gaussian(1, VARIANCE, LITTLE, TINY)] * 20
    for events in ([event] * many, [event] * many + noise):
        found = pld_epsilon(events, delta)
        assert found is not None
        assert found <= float(epsilon_of(sum(e.rho for e in events), delta - sum(e.slack for e in events))) * (1 + 1e-9)
        if sum(e.delta for e in events) <= delta:
            assert found <= float(sum(e.epsilon for e in events)) + 1e-3


@calm
@given(st.floats(0.01, 4), st.floats(0, 1), st.floats(-1, 1))
def test_theorem_within_range(accounting: object, width: float, place: float, at: float) -> None:
    """The worst loss of two values within the range is what the theorem says, and dp-accounting adds it up so."""
    top, epsilon = place * width, at * width
    chance = (1 - math.exp(top - width)) / (math.exp(top) - math.exp(top - width))      # of Q, that the loss is `top`
    worst = sum(q * max(0.0, math.exp(loss) - math.exp(epsilon))
                for q, loss in ((chance, top), (1 - chance, top - width)))
    bound = math.expm1((epsilon - width) / 2) ** 2 / -math.expm1(-width)
    assert worst <= bound * (1 + 1e-9) + 1e-12
    made = within_range(width, 1e-4)
    assert bound - 1e-9 <= made.get_delta_for_epsilon(epsilon) <= bound + 3e-4


def test_reports_of_every_mechanism(accounting: object) -> None:
    third = Fraction("1e-7")
    events = [
        Event.laplace(1, Fraction(10)), Event.selection(3, Fraction(30), third),
        Event.exponential(1, Fraction("0.1")), Event.threshold(2, Fraction(10**4), Fraction("0.1"), 2 * third, third),
        Event.either([[Event.laplace(1, Fraction(10))], [Event.selection(1, Fraction(20), third)]])]
    for event in events:
        alone = pld_epsilon([event], Fraction("1e-6"))
        assert alone is not None and 0 < alone <= float(event.epsilon) + 1e-3
    together = pld_epsilon(events * 5, Fraction("1e-5"))
    assert together is not None and together < 5 * sum(float(event.epsilon) for event in events)
    assert pld_epsilon([], Fraction("1e-6")) == 0
    assert pld_epsilon([Event.laplace(1, Fraction(1, 10**9))], Fraction("1e-6")) is None
