"""What mechanisms cost under zCDP: their Renyi divergences, summed up outcome by outcome, never pass it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.budget.events import GRID_BITS, Cost, Event, Spent, priced, pure, ranged, upwards

ORDERS = (1.0001, 1.1, 1.5, 2.0, 3.0, 6.0, 20.0, 100.0)
ROUNDING = 1e-9
calm = settings(deadline=None, max_examples=60)
epsilons = st.floats(0.01, 6)


def divergence(pairs: Iterable[tuple[float, float]], order: float) -> float:
    """The Renyi divergence of two measures, as pairs of probabilities; in logarithms, so that nothing vanishes."""
    terms = [order * math.log(p) + (1 - order) * math.log(q) for p, q in pairs if p > 0]
    top = max(terms)
    return (top + math.log(math.fsum(math.exp(term - top) for term in terms))) / (order - 1)


def worst(pairs: list[tuple[float, float]]) -> float:
    """The smallest rho that two measures have, at the orders tried, in either direction."""
    both = (pairs, [(q, p) for p, q in pairs])
    return max(divergence(each, order) / order for each in both for order in ORDERS)


def within(found: float, rho: Fraction) -> bool:
    return found <= float(rho) * (1 + ROUNDING) + 1e-12


@calm
@given(epsilons)
def test_theorem_pure(epsilon: float) -> None:
    """Randomised response is the worst epsilon-DP mechanism."""
    high = 1 / (1 + math.exp(-epsilon))
    assert within(worst([(high, 1 - high), (1 - high, high)]), pure(Fraction(epsilon)))


def test_pure_is_tight_for_small_epsilon() -> None:
    high = 1 / (1 + math.exp(-0.01))
    assert worst([(high, 1 - high), (1 - high, high)]) > 0.99 * float(pure(Fraction("0.01")))
    assert (pure(Fraction(3)), pure(Fraction(1)), ranged(Fraction(20)), ranged(Fraction(1))) == (
        3, Fraction(1, 2), 20, Fraction(1, 8))


@calm
@given(epsilons, epsilons, st.floats(0, 1))
def test_theorem_either(one: float, other: float, chance: float) -> None:
    """Two ways to answer, and which was taken is seen: no dearer than the dearer one."""
    ways = [[Event.laplace(1, 1 / Fraction(epsilon))] for epsilon in (one, other)]
    event = Event.either([*ways, [Event.selection(1, 1 / Fraction(one), Fraction(1, 10**6))]])
    assert (event.epsilon, event.delta, event.slack) == (Fraction(max(one, other)), *(Fraction(1, 10**6),) * 2)
    pairs = []
    for epsilon, taken in ((one, chance), (other, 1 - chance)):
        high = 1 / (1 + math.exp(-epsilon))
        pairs += [(taken * high, taken * (1 - high)), (taken * (1 - high), taken * high)]
    assert within(worst(pairs), event.rho)
    assert Event.either([[*ways[0], *ways[0]], ways[0]]).epsilon == 2 * Fraction(one)


def chosen(scores: list[float]) -> list[float]:
    weights = [math.exp(-score) for score in scores]
    return [weight / math.fsum(weights) for weight in weights]


@calm
@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), min_size=2, max_size=6), epsilons)
def test_theorem_ranged(candidates: list[tuple[float, float]], width: float) -> None:
    """An exponential mechanism whose scores move one way by at most `width` has that range."""
    before = chosen([score for score, _ in candidates])
    after = chosen([score + width * move for score, move in candidates])
    assert within(worst(list(zip(before, after, strict=True))), ranged(Fraction(width)))


@calm
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=2, max_size=6), epsilons)
def test_theorem_exponential(candidates: list[tuple[int, int]], width: float) -> None:
    event = Event.exponential(3, Fraction(width))
    before = chosen([score / float(event.scale) for score, _ in candidates])
    after = chosen([(score + move) / float(event.scale) for score, move in candidates])
    pairs = list(zip(before, after, strict=True))
    assert within(worst(pairs), event.rho)
    assert max(abs(math.log(p / q)) for p, q in pairs) <= float(event.epsilon) * (1 + ROUNDING)


def shifted(scale: float, shift: int, *, square: bool) -> list[tuple[float, float]]:
    """Discrete Laplace or Gaussian noise (of variance `scale`) around 0 and around `shift`."""
    reach = shift + math.ceil(60 * (math.sqrt(scale) if square else scale)) + 5
    size = (lambda x: x * x / (2 * scale)) if square else (lambda x: abs(x) / scale)
    total = math.fsum(math.exp(-size(x)) for x in range(-reach, reach + 1))
    floor = 1e-280
    return [(max(floor, math.exp(-size(x)) / total), max(floor, math.exp(-size(x - shift)) / total))
            for x in range(-reach // 2, reach // 2 + shift)]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.sampled_from(["1/2", "1", "7/3", "9"]))
def test_theorem_laplace(changes: list[int], scale: str) -> None:
    most = max(1, *changes, 1)
    event = Event.laplace(most * len(changes), Fraction(scale), len(changes))
    found = math.fsum(worst(shifted(float(Fraction(scale)), change, square=False)) for change in changes)
    assert within(found, event.rho)
    assert event.epsilon == most * len(changes) / Fraction(scale) and event.delta == event.slack == 0


def test_cells_that_change_little_cost_little() -> None:
    assert Event.laplace(100, Fraction(1000)).rho == Fraction(1, 200)
    assert Event.laplace(100, Fraction(1000), 10).rho == Fraction(1, 2000)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.sampled_from(["1/2", "1", "7/3", "20"]))
def test_theorem_gaussian(changes: list[int], variance: str) -> None:
    squared = max(1, sum(change**2 for change in changes))
    event = Event.gaussian(squared, Fraction(variance), Fraction(1), Fraction("1e-9"))
    pairs = [shifted(float(Fraction(variance)), change, square=True) for change in changes]
    found = math.fsum(divergence(each, 2.0) / 2 for each in pairs)
    assert within(found, event.rho)
    assert event.slack == 0 and event.rho == squared / (2 * Fraction(variance))


def truncated(rate: float, reach: int) -> dict[int, float]:
    weights = {z: math.exp(-rate * abs(z)) for z in range(-reach, reach + 1)}
    total = math.fsum(weights.values())
    return {z: weight / total for z, weight in weights.items()}


@calm
@given(st.floats(0.1, 2), st.integers(1, 20), st.integers(1, 3))
def test_theorem_selection(rate: float, reach: int, groups: int) -> None:
    """Truncated geometric noise around n and n + 1: but for an end each, the ratio is bounded; groups add up."""
    noise = truncated(rate, reach)
    missed = noise[reach]
    event = Event.selection(groups, 1 / Fraction(rate), min(Fraction(1), Fraction(missed) * groups))
    one = [(noise[z], noise[z - 1]) for z in noise if z - 1 in noise]
    assert within(worst(one) * groups, event.rho)
    assert math.fsum(p for p, _ in one) >= 1 - missed - 1e-12 and math.fsum(q for _, q in one) >= 1 - missed - 1e-12
    both = math.fsum(math.prod(p for p, _ in cell) for cell in product(one, repeat=min(groups, 2)))
    assert both >= 1 - float(event.slack) - 1e-12


@calm
@given(st.integers(2, 12), st.sampled_from([4.0, 9.0, 20.0]), st.booleans())
def test_theorem_threshold(tau: int, variance: float, lonely: bool) -> None:
    """A group that one unit joins, or that is that unit alone: shown when its noisy size passes tau."""
    pairs = shifted(variance, 1, square=True)
    low = -math.ceil(60 * math.sqrt(variance)) // 2
    sizes = dict(zip(range(low, low + len(pairs)), (p for p, _ in pairs), strict=False))
    with_unit = {n + 1: p for n, p in sizes.items()}
    shown = math.fsum(p for n, p in with_unit.items() if n > tau)
    event = Event.threshold(1, Fraction(variance), Fraction(1), Fraction(1), Fraction(shown) + Fraction(1, 10**9))
    if lonely:      # without the unit the group does not exist and is never shown
        kept = 1 - shown
        assert kept >= 1 - event.slack and within(worst([(kept, kept)]), event.rho)
        return
    hidden = [math.fsum(p for n, p in each.items() if n <= tau) for each in (sizes, with_unit)]
    values = [(sizes.get(n, 1e-280), with_unit.get(n, 1e-280)) for n in sizes if n > tau]
    assert max(divergence([(hidden[0], hidden[1]), *values], order) / order for order in (1.5, 2.0, 4.0)) <= event.rho


def test_a_threshold_includes_its_miss() -> None:
    with pytest.raises(ValueError, match="includes its chance"):
        Event.threshold(1, Fraction(9), Fraction(1), Fraction("1e-9"), Fraction("1e-8"))


@calm
@given(epsilons, st.floats(0, 0.5))
def test_theorem_priced(epsilon: float, delta: float) -> None:
    """Without events: the worst (epsilon, delta)-DP mechanism, but for the outcomes that tell all."""
    cost = Cost(Fraction(epsilon), Fraction(delta))
    price = priced(cost, ())
    high = (1 - delta) / (1 + math.exp(-epsilon))
    low = 1 - delta - high
    assert (price.epsilon, price.delta, price.slack) == (cost.epsilon, cost.delta, cost.delta)
    scaled = [(high / (1 - delta), low / (1 - delta)), (low / (1 - delta), high / (1 - delta))]
    assert within(worst(scaled), price.rho)


def test_events_add_up() -> None:
    laplace, choice = Event.laplace(1, Fraction(10)), Event.selection(2, Fraction(10), Fraction("1e-9"))
    assert priced(Cost(Fraction(1), Fraction("1e-8")), (laplace, choice)) == Spent(
        Fraction(1), Fraction("1e-8"), Fraction(3, 200), Fraction("1e-9"))


@given(st.fractions(0, 10))
def test_upwards_keeps_ordinary_numbers(value: Fraction) -> None:
    assert upwards(value) == value
    awkward = value + Fraction(1, 3**400)
    assert awkward <= upwards(awkward) <= awkward + Fraction(1, 2**GRID_BITS)


@pytest.mark.parametrize("make", [
    lambda: Event("laplace", Fraction(-1), Fraction(0), 1, Fraction(1), Fraction(0), Fraction(0)),
    lambda: Event("laplace", Fraction(1), Fraction(0), 1, Fraction(0), Fraction(0), Fraction(0)),
    lambda: Event("laplace", Fraction(1), Fraction(0), 1, Fraction(1), Fraction(0), Fraction(-1)),
    lambda: Spent(rho=Fraction(-1)), lambda: Cost(Fraction(0), Fraction(-1))])
def test_nothing_costs_less_than_nothing(make: object) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=r"less than nothing|never negative"):
        make()
