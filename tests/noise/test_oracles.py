"""OpenDP and dp-accounting as oracles: what noise is calibrated to, what it costs, what costs add up to.

Samplers are compared with OpenDP's in `test_laplace` and `test_gaussian`, ledgers' reports in `tests/budget`.
"""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from typing import Any

import pytest

from dpsql.budget.conversion import epsilon_of
from dpsql.budget.events import Event
from dpsql.budget.pld import pld_epsilon
from dpsql.noise import gaussian, quantile, selection, threshold
from dpsql.noise.laplace import laplace_event
from dpsql.noise.scheme import Cell, gaussian_scheme
from dpsql.noise.search import search_event

CLOSE = 1e-9


@pytest.fixture(scope="module")
def dp() -> Any:
    found = pytest.importorskip("opendp.prelude", reason="opendp is not installed: nothing is compared with it")
    found.enable_features("contrib")
    return found


@pytest.fixture(scope="module")
def pld() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("dp_accounting.pld.privacy_loss_distribution",
                                   reason="dp-accounting is not installed: nothing is compared with it")


def _laplace(dp: Any, scale: float) -> Any:
    return dp.m.make_laplace(dp.vector_domain(dp.atom_domain(T="i32")), dp.l1_distance(T="i32"), scale=scale)


def _gaussian(dp: Any, scale: float) -> Any:
    return dp.m.make_gaussian(dp.vector_domain(dp.atom_domain(T="i32")), dp.l2_distance(T="f64"), scale=scale)


def _counts(dp: Any) -> Any:
    return dp.map_domain(dp.atom_domain(T=str), dp.atom_domain(T="i32"))


@pytest.mark.parametrize(("sensitivity", "epsilon"), [(1, "1"), (7, "0.3"), (1000, "4")])
def test_laplace_noise_costs_what_opendp_says(dp: Any, sensitivity: int, epsilon: str) -> None:
    event = laplace_event(sensitivity, Fraction(epsilon))
    noise = _laplace(dp, float(event.scale))
    assert noise.map(sensitivity) == pytest.approx(float(epsilon), rel=CLOSE)
    assert dp.c.make_pureDP_to_zCDP(noise).map(sensitivity) >= float(event.rho) * (1 - CLOSE)


@pytest.mark.parametrize(("groups", "many"), [(1, 1), (4, 3), (9, 10)])
def test_gaussian_noise_costs_what_opendp_says(dp: Any, groups: int, many: int) -> None:
    """Cells with noise of their own: of each the rho of OpenDP, and together the rho of the event."""
    made = gaussian_scheme([Cell(i + 1) for i in range(many)], groups, Fraction(1), Fraction(1, 10**6), None)
    rho = [
        _gaussian(dp, float(noise.scale)).map(math.sqrt(groups) * (i + 1) * noise.factor)
        for i, noise in enumerate(made.noises)
    ]
    assert sum(rho) == pytest.approx(float(made.events[0].rho), rel=CLOSE)


@pytest.mark.parametrize("sensitivity", [1, 3])
@pytest.mark.parametrize("width", ["1", "0.1"])
def test_a_search_costs_what_opendp_says(dp: Any, sensitivity: int, width: str) -> None:
    """Neighbours move all scores the same way ("monotonic"): no factor 2, and an eighth of the square."""
    event, space = search_event(sensitivity, Fraction(width)), dp.vector_domain(dp.atom_domain(T="i32"))
    for measure, price in ((dp.max_divergence(), event.epsilon), (dp.zero_concentrated_divergence(), event.rho)):
        theirs = dp.m.make_noisy_max(space, dp.linf_distance(T="i32", monotonic=True), measure, float(event.scale))
        assert theirs.map(sensitivity) == pytest.approx(float(price), rel=CLOSE)


@pytest.mark.parametrize("fraction", ["1/2", "1/10"])
def test_a_quantile_costs_what_opendp_says(dp: Any, fraction: str) -> None:
    """Distances from a rank may move either way: half the rate of a search, for the same range."""
    wanted = quantile.rank(Fraction(fraction), 3, Fraction("0.5"), 1000)
    space = dp.vector_domain(dp.atom_domain(T="i32"))
    event = quantile.choice_event(wanted, 1)
    for measure, price in ((dp.max_divergence(), event.epsilon), (dp.zero_concentrated_divergence(), event.rho)):
        scale = 2 * wanted.sensitivity / float(wanted.width)
        theirs = dp.m.make_noisy_max(space, dp.linf_distance(T="i32"), measure, scale)
        assert theirs.map(wanted.sensitivity) == pytest.approx(float(price), rel=CLOSE)


def test_noise_on_many_cells_costs_what_opendp_says(dp: Any) -> None:
    """Of each cell the rho of OpenDP, together that of the event: a tenth of what the whole epsilon would cost."""
    event = laplace_event(50, Fraction(1), 10)
    one = dp.c.make_pureDP_to_zCDP(_laplace(dp, float(event.scale)))
    assert dp.c.make_composition([one] * 10).map(5) == pytest.approx(float(event.rho), rel=CLOSE)


@pytest.mark.parametrize("root", [1, 2, 3])
def test_a_gaussian_threshold_is_opendps_to_the_step(dp: Any, root: int) -> None:
    """A step lower, and OpenDP's delta passes the miss."""
    groups, miss, factor, sigma = root * root, Fraction(1, 10**7), 1 << 5, 1 << gaussian.FINE
    tau = threshold.bar(sigma, factor, groups, miss)

    def price(bar: int) -> tuple[float, float]:
        distance = dp.l02inf_distance(dp.absolute_distance(T="i32"))
        theirs = dp.m.make_gaussian_threshold(_counts(dp), distance, scale=float(sigma), threshold=bar)
        found: tuple[float, float] = theirs.map((groups, root * factor, factor))
        return found

    rho, delta = price(tau)
    assert rho == pytest.approx(groups * factor**2 / (2 * sigma**2), rel=CLOSE)
    assert delta <= float(miss) < price(tau - 1)[1]


@pytest.mark.parametrize("groups", [1, 3, 10])
@pytest.mark.parametrize("epsilon", ["1", "0.2"])
def test_a_truncated_threshold_shows_sooner_than_opendps(dp: Any, groups: int, epsilon: str) -> None:
    """Theirs is of noise that is not truncated, whose tail is 1/(1 - exp(-e')) of what ours has at its end."""
    delta, each = Fraction(1, 10**6), float(Fraction(epsilon)) / groups
    ours = selection.threshold(Fraction(epsilon), delta, groups) + 1
    distance = dp.l01inf_distance(dp.absolute_distance(T="i32"))

    def least(bar: int) -> float:
        theirs = dp.m.make_laplace_threshold(_counts(dp), distance, scale=1 / each, threshold=bar)
        found: float = theirs.map((groups, groups, 1))[1]
        return found

    theirs = next(bar for bar in range(1, 10**4) if least(bar) <= delta)
    assert ours <= theirs + 1
    assert theirs == pytest.approx(ours - math.log(-math.expm1(-each)) / each, abs=2)


@pytest.mark.parametrize(("epsilon", "delta"), [("1", "1e-6"), ("0.1", "1e-5"), ("4", "1e-8")])
def test_the_noise_that_is_drawn_has_the_delta_of_dp_accounting(pld: Any, epsilon: str, delta: str) -> None:
    """Of the discrete Gaussian itself, by its whole distribution, up to their grid of losses."""
    ratio = float(gaussian.multiplier(Fraction(epsilon), Fraction(delta), 1))
    theirs = pld.from_discrete_gaussian_mechanism(40 * ratio, sensitivity=40)
    assert theirs.get_delta_for_epsilon(float(epsilon)) == pytest.approx(float(delta), rel=0.01)


def test_basic_composition_is_opendps(dp: Any) -> None:
    events = [laplace_event(3, Fraction(part)) for part in ("0.1", "0.25", "0.4")]
    together = dp.c.make_composition([_laplace(dp, float(event.scale)) for event in events])
    assert together.map(3) == pytest.approx(float(sum(event.epsilon for event in events)), rel=CLOSE)


@pytest.mark.parametrize("many", [1, 20, 138])
def test_zcdp_composition_and_its_epsilon_are_opendps(dp: Any, many: int) -> None:
    event, delta = Event.gaussian(4, Fraction(900), Fraction(1), Fraction(1, 10**6)), Fraction("2.5e-6")
    together = dp.c.make_composition([_gaussian(dp, 30.0)] * many)
    assert together.map(2.0) == pytest.approx(float(many * event.rho), rel=CLOSE)
    profile = dp.c.make_zCDP_to_approxDP(together).map(2.0)
    assert profile.epsilon(float(delta)) == pytest.approx(float(epsilon_of(many * event.rho, delta)), rel=1e-6)


def test_a_report_is_never_below_the_composition_of_the_noise_itself(pld: Any) -> None:
    """Counts of Laplace and Gaussian noise together: ours takes the worst of each (epsilon, delta)."""
    noise = [laplace_event(1, Fraction("0.1"))] * 20
    normal = [Event.gaussian(1, Fraction(40**2), Fraction(1), Fraction(1, 10**6))] * 30
    exact = pld.from_discrete_laplace_mechanism(0.1, sensitivity=1).self_compose(20).compose(
        pld.from_discrete_gaussian_mechanism(40.0).self_compose(30)).get_epsilon_for_delta(1e-5)
    found = pld_epsilon([*noise, *normal], Fraction(1, 10**5))
    assert found is not None
    assert exact * (1 - 1e-3) <= found <= exact * 1.1
