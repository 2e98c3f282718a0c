"""The filter is exact, sound and sharp, and a filter that is not fails here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsql.budget.events import FREE, Cost
from dpsql.budget.filter import GRID_BITS, admits, left, rectangle, spend
from dpsql.policy import Budget

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
Filter = Callable[[Budget, Cost, Cost], bool]
ONE = Budget(Fraction(1), Fraction("1e-6"))
amounts = st.fractions(min_value=0, max_value=2, max_denominator=60) | st.sampled_from(
    [Fraction(1, 3), Fraction(0.1), Fraction("0.1"), Fraction(1, 3) + Fraction(1, 10**40), Fraction(5e-324)])
costs = st.builds(Cost, amounts, amounts)
limits = st.builds(Budget, amounts, amounts)


def run(limit: Budget, asked: Iterable[Cost], decide: Filter = admits) -> list[Cost]:
    """The charges that a filter admits."""
    spent, admitted = FREE, []
    for cost in asked:
        if decide(limit, spent, cost):
            spent = spend(spent, cost)
            admitted.append(cost)
    return admitted


def inside(limit: Budget, charges: list[Cost]) -> bool:
    return (sum(cost.epsilon for cost in charges) <= limit.epsilon
            and sum(cost.delta for cost in charges) * 2 <= limit.delta)


@calm
@given(limits, st.lists(costs, max_size=30))
def test_no_sequence_passes_the_budget(limit: Budget, asked: list[Cost]) -> None:
    assert inside(limit, run(limit, asked))


@calm
@given(limits, st.lists(st.builds(Cost, *[st.fractions(0, 2, max_denominator=60)] * 2), max_size=30))
def test_only_what_would_pass_it_is_refused(limit: Budget, asked: list[Cost]) -> None:
    admitted: list[Cost] = []
    for cost in asked:
        spent = Cost(sum((c.epsilon for c in admitted), Fraction(0)), sum((c.delta for c in admitted), Fraction(0)))
        fits = inside(limit, [*admitted, cost])
        assert admits(limit, spent, cost) is fits
        if fits:
            admitted.append(cost)


def test_three_thirds_are_one() -> None:
    third = Cost(Fraction(1, 3), Fraction(1, 6 * 10**6))
    assert len(run(ONE, [third] * 5)) == 3
    assert left(ONE, Cost(Fraction(1), Fraction("5e-7"))) == FREE


def test_half_of_delta_is_kept() -> None:
    assert rectangle(ONE) == Cost(Fraction(1), Fraction("5e-7"))
    assert admits(ONE, FREE, Cost(Fraction(0), Fraction("5e-7")))
    assert not admits(ONE, FREE, Cost(Fraction(0), Fraction("5e-7") + Fraction(1, 10**100)))


MUTANTS: dict[str, Filter] = {
    "floats": lambda limit, spent, cost: float(spent.epsilon) + float(cost.epsilon) <= float(limit.epsilon),
    "strict": lambda limit, spent, cost: spent.epsilon + cost.epsilon < limit.epsilon,
    "all of delta": lambda limit, spent, cost: spent.delta + cost.delta <= limit.delta,
    "spent only": lambda limit, spent, cost: spent.epsilon <= limit.epsilon and spent.delta * 2 <= limit.delta,
    "epsilon only": lambda limit, spent, cost: spent.epsilon + cost.epsilon <= limit.epsilon,
}


def exact(decide: Filter) -> bool:
    """Whether a filter admits just what fits, on the cases that tell filters apart."""
    tenth, hair = Cost(Fraction(1, 10), Fraction(0)), Cost(Fraction(1, 2**200), Fraction(0))
    small = Cost(Fraction(0), Fraction("2e-7"))
    return (len(run(ONE, [tenth] * 11, decide)) == 10 and len(run(ONE, [tenth] * 10 + [hair] * 3, decide)) == 10
            and len(run(ONE, [small] * 10, decide)) == 2)


def test_the_filter_is_exact() -> None:
    assert exact(admits)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_caught(name: str) -> None:
    assert not exact(MUTANTS[name])


@calm
@given(st.lists(st.integers(2, 2**80), min_size=1, max_size=60, unique=True))
def test_awkward_totals_are_rounded_against_the_analyst(denominators: list[int]) -> None:
    total, exact_sum = FREE, Fraction(0)
    for denominator in denominators:
        cost = Cost(Fraction(1, denominator), Fraction(1, denominator))
        total, exact_sum = spend(total, cost), exact_sum + cost.epsilon
    assert exact_sum <= total.epsilon <= exact_sum + Fraction(len(denominators), 2**GRID_BITS)
    assert total.epsilon.denominator <= 2 ** (GRID_BITS + 1)


# --- the theorem: adaptive adversaries against real mechanisms, distributions computed exactly ---

E = 1.2
MENU = [(e, d) for e in (0.0, 0.3, 0.5, 0.9, 1.2) for d in (0.0, 0.01, 0.05, 0.1)]
DEPTH = 4
LIMIT = Budget(Fraction("1.2"), Fraction("0.2"))


def outcomes(epsilon: float, delta: float, side: int) -> dict[str, float]:
    """The worst (epsilon, delta) mechanism: tells the side with delta, else randomised response."""
    high = math.exp(epsilon) / (1 + math.exp(epsilon)) * (1 - delta)
    low = 1 / (1 + math.exp(epsilon)) * (1 - delta)
    return {f"told {side}": delta, "zero": low if side else high, "one": high if side else low}


def transcripts(strategy: dict[str, int], side: int, decide: Filter) -> dict[str, float]:
    """The distribution of all an adaptive analyst sees; `strategy` chooses from the menu by what was seen."""
    done: dict[str, float] = {}
    states = [("", 1.0, FREE)]
    for _ in range(DEPTH):
        following = []
        for seen, weight, spent in states:
            epsilon, delta = MENU[strategy.get(seen, len(seen) * 7 % len(MENU))]
            cost = Cost(Fraction(str(epsilon)), Fraction(str(delta)))
            if not decide(LIMIT, spent, cost):
                following.append((seen + "/no", weight, spent))
                continue
            following += [(f"{seen}/{word}", weight * chance, spend(spent, cost))
                          for word, chance in outcomes(epsilon, delta, side).items() if chance]
        states = following
    for seen, weight, _ in states:
        done[seen] = done.get(seen, 0.0) + weight
    return done


def beyond(strategy: dict[str, int], decide: Filter) -> float:
    """The smallest delta for which the analyst's view is (E, delta)-private."""
    views = [transcripts(strategy, side, decide) for side in (0, 1)]
    return max(sum(max(0.0, p - math.exp(E) * b.get(seen, 0.0)) for seen, p in a.items())
               for a, b in (views, views[::-1]))


words = st.lists(st.sampled_from(["/zero", "/one", "/no"]), max_size=DEPTH - 1).map("".join)
strategies = st.dictionaries(words, st.integers(0, len(MENU) - 1), max_size=12)


@calm
@given(strategies)
def test_theorem_admits(strategy: dict[str, int]) -> None:
    assert beyond(strategy, admits) <= float(LIMIT.delta) / 2 + 1e-12


def test_the_theorem_is_tight_and_catches_mutants() -> None:
    greedy = {"": MENU.index((1.2, 0.1))}
    assert beyond(greedy, admits) > 0.099
    for name in ("all of delta", "spent only", "epsilon only"):
        always = (dict.fromkeys(("", "/zero", "/one", "/zero/zero", "/one/one"), index) for index in range(len(MENU)))
        assert any(beyond(strategy, MUTANTS[name]) > 0.1 for strategy in always), name
