"""Widths and their prices: as wide as wanted, and no dearer than needed."""

from __future__ import annotations

import math
from fractions import Fraction
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.budget.calibration import gaussian_rho, gaussian_variance, laplace_epsilon, laplace_rho, part
from dpsql.budget.events import Cost, Event, Spent, priced
from dpsql.budget.filter import room
from dpsql.noise import laplace
from dpsql.policy import Budget

confidences = st.sampled_from([0.5, 0.8, 0.95, 0.999])


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 1000), confidences)
def test_laplace_noise_is_as_narrow_as_wanted(half_width: int, sensitivity: int, confidence: float) -> None:
    epsilon = laplace_epsilon(half_width, sensitivity, confidence)
    assert laplace.quantile(sensitivity / epsilon, confidence) <= half_width
    assert laplace.quantile(sensitivity / (epsilon * Fraction("0.999")), confidence) >= half_width


@given(st.integers(1, 10**6), confidences)
def test_gaussian_noise_is_as_narrow_as_wanted(half_width: int, confidence: float) -> None:
    sigma = math.sqrt(gaussian_variance(half_width, confidence))
    assert math.isclose(2 * NormalDist().cdf(half_width / sigma) - 1, confidence, rel_tol=1e-9)
    assert gaussian_rho(half_width, 7, confidence) == 7 / (2 * gaussian_variance(half_width, confidence))


def test_the_numbers_of_issue_4() -> None:
    allowed = room(Budget(Fraction(1), Fraction("1e-5")))
    assert allowed.rho // gaussian_rho(100) == 138
    assert allowed.rho // laplace_rho(100) == 59
    assert allowed.epsilon // laplace_epsilon(100) == 33


def test_the_part_of_a_budget() -> None:
    allowed = room(Budget(Fraction(1), Fraction("1e-5")))
    laplace_ = Event.laplace(1, 1 / laplace_epsilon(100))
    gaussian = Event.gaussian(1, gaussian_variance(100), Fraction("0.1"), Fraction("1e-7"))
    parts = [part(allowed, priced(Cost(event.epsilon, event.delta), (event,))) for event in (laplace_, gaussian)]
    assert parts == [laplace_.rho / allowed.rho, gaussian.rho / allowed.rho] and parts[0] > parts[1]
    assert part(allowed, priced(Cost(Fraction(1), Fraction(0)), ())) == 1
    assert part(allowed, priced(Cost(Fraction(2), Fraction(0)), ())) is None
    pure_only = room(Budget(Fraction(1), Fraction(0)))
    assert part(pure_only, Spent(Fraction(1, 4), Fraction(0), Fraction(1, 32))) == Fraction(1, 4)
    assert part(pure_only, Spent(Fraction(1, 4), Fraction(1, 10**9), Fraction(1, 32))) is None


@pytest.mark.parametrize("wrong", [
    lambda: laplace_epsilon(-1), lambda: laplace_epsilon(1, 0), lambda: laplace_epsilon(1, 1, 1.0),
    lambda: gaussian_variance(0), lambda: gaussian_rho(1, 1, 0.0)])
def test_what_cannot_be_had(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(ValueError, match=r"width|within"):
        wrong()
