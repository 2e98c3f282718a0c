"""Random queries of the whole language: none crashes, and every accepted one keeps its bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import EXAMPLES, MODES, databases
from test_searched import open_world

from tests.fuzz.lengths import MANY, PARTS, examples, for_minutes
from tests.fuzz.measured import check_distances, check_searched, fed, plan_of
from tests.fuzz.query_words import Written, queries


def attack(length: settings) -> Callable[[], None]:
    """The attack with so many queries."""

    @length
    @given(st.data(), queries(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
    def run(data: Any, written: Written, mode: str, unit: int) -> None:
        plan = plan_of(written, mode)
        if plan is not None and plan.statements:
            check_distances(plan, mode, data.draw(fed(plan)), data.draw(databases(mode)), unit)

    return run


def searched(length: settings) -> Callable[[], None]:
    """The attack on bounds that are chosen from the data: a policy without limits, with ranges or without."""

    @length
    @given(st.data(), queries(), st.sampled_from(MODES), st.booleans(), st.sampled_from([1, 2, 3]))
    def run(data: Any, written: Written, mode: str, ranges: bool, unit: int) -> None:
        plan = plan_of(written, mode, open_world(mode, ranges))
        if plan is not None and plan.statements:
            check_searched(plan, mode, ranges, data.draw(databases(mode)), unit)

    return run


test_queries = attack(examples(4 * EXAMPLES))
test_searched_queries = searched(examples(EXAMPLES))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_twenty_thousand_queries(part: int) -> None:
    attack(examples(MANY // PARTS, new=True))()


@pytest.mark.fuzz
def test_queries_for_minutes() -> None:
    for_minutes(attack)()


@pytest.mark.fuzz
def test_searched_queries_for_minutes() -> None:
    for_minutes(searched)()
