"""Which noise a question gets: the price of every choice, its size, and that the better one is taken."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.budget.events import Cost, priced
from dpsql.budget.record import short
from dpsql.noise import gaussian, scheme
from dpsql.noise.scheme import Cell, gaussian_scheme, laplace_scheme

ONE, DELTA = Fraction(1), Fraction(1, 10**6)
CELLS = st.lists(
    st.tuples(st.integers(1, 2**62), st.fractions(Fraction(1, 4), 9)).map(lambda pair: Cell(*pair)),
    min_size=1, max_size=6,
)


@given(st.lists(st.fractions(Fraction(1, 100), 100), min_size=1, max_size=40), st.sampled_from([1 / 2, 1 / 3]))
@settings(deadline=None)
def test_shares_add_up(worths, power):
    found = scheme.shares(worths, power)
    assert sum(found) == 1 and min(found) > 0
    raw = [float(worth) ** power for worth in worths]
    assert all(abs(float(part) - each / sum(raw)) < 0.02 for part, each in zip(found, raw, strict=True))


@given(CELLS, st.integers(1, 50), st.sampled_from([None, 1, 5]))
@settings(max_examples=60, deadline=None)
def test_theorem_laplace_scheme(cells, groups, min_units):
    """The price is what the noise itself says: groups * linf / scale over all cells, and the selection's."""
    found = laplace_scheme(cells, groups, ONE, DELTA, min_units)
    spent = sum(Fraction(groups * cell.linf) / noise.scale for cell, noise in zip(cells, found.noises, strict=True))
    chosen = found.chosen.event.epsilon if found.chosen else 0
    assert spent + chosen <= 1 and sum(event.epsilon for event in found.events) == spent + chosen
    assert spent + chosen > 1 - Fraction(1, 2**30)
    assert (found.chosen is None) == (min_units is None)


@given(CELLS, st.integers(1, 50), st.sampled_from([None, 1, 5]))
@settings(max_examples=60, deadline=None)
def test_theorem_gaussian_scheme(cells, groups, min_units):
    """The changes of one unit over their sigmas stay within 1 / multiplier, all cells and the selection together."""
    found = gaussian_scheme(cells, groups, ONE, DELTA, min_units)
    every = [*zip([cell.linf for cell in cells], found.noises, strict=True)]
    if found.chosen is not None:
        every.append((1, found.chosen.noise))
    assert all(noise.gaussian and noise.scale >= 1 << gaussian.FINE for _, noise in every)
    change = sum(Fraction(groups * (linf * noise.factor) ** 2) / noise.scale**2 for linf, noise in every)
    miss = DELTA * scheme.MISS if min_units else Fraction(0)
    ratio = gaussian.multiplier(ONE - 2 * miss, DELTA - miss, groups * len(every))
    assert Fraction(99, 100) / ratio**2 < change <= 1 / ratio**2
    (event,) = found.events
    assert (event.epsilon, event.delta, event.slack) == (ONE, DELTA, miss)
    assert 0 <= event.rho - change / 2 < Fraction(1, 1 << 500)      # rounded against the analyst


@given(CELLS, st.integers(1, 50), st.sampled_from([None, 1, 5]), st.sampled_from(["laplace", "gaussian", None]))
@settings(max_examples=60, deadline=None)
def test_theorem_promised(cells, groups, min_units, prefer):
    """Every price of the promise is at least the price of what is drawn, for other cells of the same worths."""
    promise = scheme.promised([Cell(1, cell.worth) for cell in cells], ONE, DELTA, min_units, prefer)
    drawn = scheme.scheme(cells, groups, ONE, DELTA, min_units, prefer)
    assert prefer is None or drawn.gaussian == (prefer == "gaussian")
    for amount in ("epsilon", "delta", "rho", "slack"):
        most, spent = (sum(getattr(event, amount) for event in each) for each in (promise, drawn.events))
        assert spent <= most
    assert sum(event.epsilon for event in promise) == 1


def test_a_forgotten_share_violates():
    """Mutant: every cell has the noise of a question of one cell."""
    alone = gaussian_scheme([Cell(7)], 1, ONE, DELTA, None).noises[0]
    ratio = gaussian.multiplier(ONE, DELTA, 4)
    assert 4 * Fraction((7 * alone.factor) ** 2) / alone.scale**2 > 1 / ratio**2


def test_one_count_is_laplace_and_many_cells_are_gaussian():
    one = scheme.scheme([Cell(1)], 1, ONE, DELTA)
    assert not one.noises[0].gaussian and one.noises[0].scale == 1
    many = scheme.scheme([Cell(1)] * 40, 1, ONE, DELTA)
    assert all(noise.gaussian for noise in many.noises)
    assert float(many.noises[0].steps) == pytest.approx(4.2249 * math.sqrt(40), rel=1e-3)
    groups = scheme.scheme([Cell(1)], 40, ONE, DELTA, 1)
    assert groups.chosen is not None and groups.chosen.tau is not None


def test_no_delta_no_gaussian():
    found = scheme.scheme([Cell(1)] * 40, 1, ONE, Fraction(0))
    assert not any(noise.gaussian for noise in found.noises)
    assert all(noise.gaussian for noise in scheme.scheme([Cell(1)], 1, ONE, DELTA, prefer="gaussian").noises)
    with pytest.raises(ValueError, match="no noise"):
        scheme.scheme([Cell(1)], 1, ONE, Fraction(0), prefer="gaussian")
    with pytest.raises(ValueError, match="no noise"):
        scheme.scheme([Cell(1)], 1, ONE, Fraction(0), 1)


def test_groups_alone_cost_nothing_else():
    for make in (laplace_scheme, gaussian_scheme):
        found = make([], 3, ONE, DELTA, 1)
        assert found.noises == () and found.chosen is not None and len(found.events) == 1
        assert found.chosen.event.epsilon <= 1 and found.chosen.event.delta == DELTA


@pytest.mark.parametrize("make", [laplace_scheme, gaussian_scheme])
def test_added_and_reach(make, plausible):
    noise = make([Cell(3)], 2, Fraction(1, 4), DELTA, None).noises[0]
    drawn = noise.added([-5, 10**30] * 10_000)
    reach = noise.reach()
    off = [abs(value - exact) for value, exact in zip(drawn, [-5, 10**30] * 10_000, strict=True)]
    inside = sum(each <= reach for each in off)
    assert 0.945 < inside / 20_000 < 0.96
    assert noise.added([]) == []


@pytest.mark.parametrize("make", [laplace_scheme, gaussian_scheme])
def test_chosen_shows_large_groups_alone(make):
    chosen = make([Cell(1)], 2, ONE, DELTA, 5).chosen
    assert chosen is not None
    edge = chosen.visible(0.95)
    shown = chosen.shown([4] * 500 + [edge] * 500 + [10 * edge] * 500)
    assert shown[:500] == [None] * 500 and None not in shown[1000:]
    assert sum(value is not None for value in shown[500:1000]) > 400
    assert chosen.visible(0.5) < edge
    assert abs(sum(value or 0 for value in shown[1000:]) / 500 - 10 * edge) < chosen.noise.reach()


@given(st.integers(-(10**30), 10**30), st.integers(0, 40))
def test_nearest(value, power):
    assert abs(Fraction(value, 1 << power) - scheme.nearest(value, 1 << power)) <= Fraction(1, 2)


@given(st.integers(1, 20), st.sampled_from([Fraction(1, 2), ONE, Fraction(5)]), st.sampled_from([1, 4]))
@settings(max_examples=30, deadline=None)
def test_theorem__by_bits(groups, epsilon, min_units):
    """Where nobody is told numbers of units, groups show no later, at the same price, and no number is told."""
    told = scheme.scheme([], groups, epsilon, DELTA, min_units, "laplace")
    found = scheme.scheme([], groups, epsilon, DELTA, min_units, "laplace", counted=False)
    assert found.events == told.events and not told.chosen.bit and found.chosen.bit
    assert found.chosen.visible() <= told.chosen.visible()
    assert found.chosen.shown([0, min_units - 1, 10**9]) == [None, None, 0]


def test_numbers_that_are_told_are_never_bits():
    """Gaussian thresholds, and choices that need many units, stay; so does every choice whose number is told."""
    assert not scheme.scheme([], 1, ONE, DELTA, 1).chosen.bit
    assert scheme.scheme([], 50, ONE, DELTA, 1, counted=False).chosen.tau is not None
    assert not scheme.scheme([], 1, Fraction(1, 1000), DELTA, 1, "laplace", counted=False).chosen.bit


@pytest.mark.parametrize("min_units", [None, 1])
def test_the_price_of_many_totals_can_be_stored(min_units):
    made = gaussian_scheme([Cell(3 + i) for i in range(200)], 7, Fraction(1, 3), Fraction(1, 10**9), min_units)
    (event,) = made.events
    assert short(event.epsilon, event.delta, event.scale, event.sensitivity, event.rho, event.slack)


@pytest.mark.parametrize("min_units", [None, 1])
def test_the_price_of_many_laplace_totals_can_be_stored(min_units):
    cells = [Cell(3 + i, Fraction(1, i + 1)) for i in range(200)]
    made = laplace_scheme(cells, 7, Fraction("7.77"), Fraction(1, 10**9), min_units)
    price = priced(Cost(Fraction("7.77"), Fraction(1, 10**9)), made.events)
    assert short(price.rho, price.slack, *(event.rho for event in made.events))
    assert 0 <= price.rho - sum(event.rho for event in made.events) < Fraction(1, 1 << 500)
