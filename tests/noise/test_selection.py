"""Thresholded selection: its whole output distribution against (e', d'), to 60 digits, and broken copies of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.noise import selection

Shown = int | None
Distribution = dict[Shown, Decimal]

PARAMETERS = [
    (Fraction(1), Fraction(1, 10**8), 1, 1),
    (Fraction(1), Fraction(1, 10**4), 3, 1),
    (Fraction(1), Fraction(1, 10**4), 3, 4),
    (Fraction(5), Fraction(1, 10**6), 2, 10),
    (Fraction(1, 3), Fraction(1, 50), 2, 2),
    (Fraction(30), Fraction(1, 10**9), 1, 3),
    (Fraction(1, 100), Fraction(9, 10), 1, 2),
    (Fraction(7, 3), Fraction(1, 2), 1, 1),
]


def number(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def noise(rate: Fraction, reach: int) -> dict[int, Decimal]:
    """P(Z = z), straight from the definition."""
    weights = {z: (-abs(z) * number(rate)).exp() for z in range(-reach, reach + 1)}
    total = sum(weights.values())
    return {z: weight / total for z, weight in weights.items()}


def released(units: int, pmf: dict[int, Decimal], reach: int, min_units: int) -> Distribution:
    """What design.md states, outcome by outcome."""
    outcome: Distribution = Counter()
    shifted = max(0, units - (min_units - 1))
    for z, p in pmf.items():
        shown = shifted > 0 and shifted + z > reach
        outcome[min_units - 1 + shifted + z if shown else None] += p
    return outcome


def bare_cut(units: int, pmf: dict[int, Decimal], reach: int, min_units: int) -> Distribution:
    """Mutant: shown as soon as there are min_units units, with no threshold."""
    outcome: Distribution = Counter()
    for z, p in pmf.items():
        outcome[units + z if units >= min_units else None] += p
    return outcome


def zero_released(units: int, pmf: dict[int, Decimal], reach: int, min_units: int) -> Distribution:
    """Mutant: the threshold itself passes, so that a group of n' = 0 that exists is shown now and then."""
    outcome: Distribution = Counter()
    shifted = max(0, units - (min_units - 1))
    for z, p in pmf.items():
        shown = units > 0 and shifted + z >= reach   # a group without any unit is not in the data at all
        outcome[min_units - 1 + shifted + z if shown else None] += p
    return outcome


def bare_min_units(units: int, pmf: dict[int, Decimal], reach: int, min_units: int) -> Distribution:
    """Mutant: groups below min_units are dropped, the others go through the threshold unshifted."""
    outcome: Distribution = Counter()
    for z, p in pmf.items():
        shown = units >= min_units and units + z > reach
        outcome[units + z if shown else None] += p
    return outcome


def excess(p: Distribution, q: Distribution, epsilon: Fraction) -> Decimal:
    """The smallest delta for which P <= exp(epsilon) Q + delta on every event."""
    factor = number(epsilon).exp()
    return sum((max(Decimal(0), p[v] - factor * q.get(v, Decimal(0))) for v in p), Decimal(0))


def worst_excess(mechanism: Callable[..., Distribution], epsilon, delta, groups, min_units, reach=None) -> Decimal:
    """The smallest delta of one group over all sizes that behave differently, both directions."""
    reach = selection.threshold(epsilon, delta, groups) if reach is None else reach
    pmf = noise(selection.rate(epsilon, groups), reach)
    sizes = [mechanism(n, pmf, reach, min_units) for n in range(min_units + min(2 * reach, 120) + 3)]
    pairs = pairwise(sizes)
    return max(max(excess(a, b, epsilon / groups), excess(b, a, epsilon / groups)) for a, b in pairs)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_theorem_selection_event(parameters):
    epsilon, delta, groups, _ = parameters
    with localcontext(prec=60):
        found = worst_excess(released, *parameters)
        assert found <= number(delta / groups) * (1 + Decimal(10) ** -40)
    event = selection.selection_event(epsilon, delta, groups)
    assert (event.mechanism, event.epsilon, event.delta, event.sensitivity) == ("selection", epsilon, delta, groups)
    assert event.scale == groups / epsilon


@pytest.mark.parametrize("parameters", PARAMETERS[:4], ids=str)
def test_a_bare_cut_at_min_units_violates(parameters):
    with localcontext(prec=60):
        assert worst_excess(bare_cut, *parameters) > number(parameters[1] / parameters[2])


def test_releasing_zero_violates():
    """Without min_units it passes delta; with it, it stays private but shows a group of too few units."""
    epsilon, delta, groups, _ = PARAMETERS[0]
    with localcontext(prec=60):
        assert worst_excess(zero_released, epsilon, delta, groups, 1) > number(delta)
    reach = selection.threshold(epsilon, delta, groups)
    pmf = noise(selection.rate(epsilon, groups), reach)
    assert zero_released(3, pmf, reach, 4).keys() != {None} == released(3, pmf, reach, 4).keys()


def test_a_cut_below_an_unshifted_threshold_violates():
    """Where min_units comes near the threshold, the k-th unit would show."""
    epsilon, delta, groups = Fraction(1), Fraction(1, 10**4), 1
    with localcontext(prec=60):
        assert worst_excess(bare_min_units, epsilon, delta, groups, 8) > number(delta)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_a_smaller_threshold_violates(parameters):
    epsilon, delta, groups, min_units = parameters
    reach = selection.threshold(epsilon, delta, groups)
    with localcontext(prec=60):
        assert worst_excess(released, epsilon, delta, groups, min_units, reach - 1) > number(delta / groups)


def test_half_the_scale_violates():
    epsilon, delta, groups = Fraction(1), Fraction(1, 10**4), 2
    reach = selection.threshold(epsilon, delta, groups)
    with localcontext(prec=60):
        pmf = noise(2 * selection.rate(epsilon, groups), reach)
        sizes = [released(n, pmf, reach, 1) for n in range(2 * reach)]
        assert max(excess(b, a, epsilon / groups) for a, b in pairwise(sizes)) > number(delta / groups)


@given(
    st.fractions(Fraction(1, 10**6), 50).filter(lambda e: e > Fraction(1, 10**6)),
    st.integers(1, 40).map(lambda power: Fraction(1, 10**power)),
    st.integers(1, 1000),
)
def test_theorem_threshold(epsilon, delta, groups):
    """P(Z = m) <= d' < P(Z = m - 1's own end), by the closed form in 120 digits."""
    reach, rate = selection.threshold(epsilon, delta, groups), selection.rate(epsilon, groups)
    with localcontext(prec=120):
        q, share = (-number(rate)).exp(), number(delta / groups)

        def end(m: int) -> Decimal:
            power = (-m * number(rate)).exp()
            return power * (1 - q) / (1 + q - 2 * power * q)

        assert end(reach) <= share < end(reach - 1)
        assert rate <= epsilon / groups


def test_threshold_of_extremes():
    assert selection.threshold(Fraction(10**9), Fraction(1, 10**8), 10) == 1
    assert selection.threshold(Fraction(10**30), Fraction(1, 10**300), 1) == 1
    assert selection.threshold(Fraction(1, 10**9), Fraction(1, 2), 1) == 1    # nearly uniform on -1, 0, 1
    assert selection.threshold(Fraction(1), Fraction(1, 10**400), 1) > 900


@pytest.mark.parametrize("parameters", [PARAMETERS[1], PARAMETERS[2], PARAMETERS[4], PARAMETERS[6]], ids=str)
def test_select_has_the_stated_distribution(parameters, fits):
    epsilon, delta, groups, min_units = parameters
    reach = selection.threshold(epsilon, delta, groups)
    pmf = noise(selection.rate(epsilon, groups), reach)
    for units in (min_units, min_units + reach // 2, min_units + reach, min_units + 3 * reach):
        drawn = selection.select([units] * 20_000, epsilon, delta, groups, min_units)
        exact = released(units, pmf, reach, min_units)
        hidden = -1
        table = {hidden if value is None else value: float(p) for value, p in exact.items()}
        values = range(hidden, max(table) + 1)
        assert fits([hidden if value is None else value for value in drawn], lambda v, t=table: t.get(v, 0.0), values)
        kept = selection.keep_probability(units, epsilon, delta, groups, min_units)
        assert kept == pytest.approx(1 - float(exact.get(None, 0)), abs=1e-12)


def test_too_few_units_are_never_shown():
    shown = selection.select([0, 1, 2, 3, 4] * 4000, Fraction(1, 100), Fraction(9, 10), 1, min_units=5)
    assert shown == [None] * 20_000
    assert selection.keep_probability(4, Fraction(1), Fraction(1, 2), 1, 5) == 0.0
    assert selection.keep_probability(5, Fraction(1), Fraction(1, 2), 1, 5) > 0.2
    some = selection.select([5] * 4000, Fraction(1, 100), Fraction(9, 10), 1, min_units=5)
    assert {value for value in some if value is not None} == {6}   # base 4, n' = 1, and Z = 1 alone passes
    assert selection.select([], Fraction(1), Fraction(1, 100), 1) == []
    assert all(type(value) is int for value in selection.select([10**6] * 5, Fraction(1), Fraction(1, 100), 1))


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
@pytest.mark.parametrize("probability", [0.5, 0.95])
def test_expected_visible_is_the_smallest(parameters, probability):
    epsilon, delta, groups, min_units = parameters
    found = selection.expected_visible(*parameters, probability=probability)
    assert selection.keep_probability(found, *parameters) >= probability
    assert selection.keep_probability(found - 1, *parameters) < probability
    if probability == 0.5:
        assert found <= min_units + selection.threshold(epsilon, delta, groups)


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_quantile_of_the_truncated_noise(parameters):
    epsilon, delta, groups, _ = parameters
    reach = selection.threshold(epsilon, delta, groups)
    pmf = noise(selection.rate(epsilon, groups), reach)
    found = selection.quantile(epsilon, delta, groups)
    inside = math.fsum(float(pmf[z]) for z in range(-found, found + 1))
    assert inside >= 0.95 - 1e-12
    assert found == 0 or inside - 2 * float(pmf[found]) < 0.95


@pytest.mark.parametrize(
    ("epsilon", "delta", "groups", "min_units"),
    [
        (Fraction(1), Fraction(0), 1, 1), (Fraction(1), Fraction(1), 1, 1), (Fraction(1), Fraction(-1), 1, 1),
        (Fraction(0), Fraction(1, 2), 1, 1), (Fraction(1), Fraction(1, 2), 0, 1), (Fraction(1), Fraction(1, 2), 1, 0),
        (Fraction(1, 2**50), Fraction(1, 2), 1, 1),
    ],
)
def test_select_refuses(epsilon, delta, groups, min_units):
    with pytest.raises(ValueError, match=r"delta|epsilon|min_units"):
        selection.select([5], epsilon, delta, groups, min_units)
