"""Random queries of the whole language: none crashes, and every accepted one keeps its bounds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from small_worlds import MODES, databases

from tests.fuzz.measured import check_distances, fed, plan_of
from tests.fuzz.query_words import Written, queries


def attack(examples: int) -> Any:
    """The attack on so many queries."""

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data(), queries(), st.sampled_from(MODES), st.sampled_from([1, 2, 3]))
    def run(data: Any, written: Written, mode: str, unit: int) -> None:
        plan = plan_of(written, mode)
        if plan is not None and plan.statements:
            check_distances(plan, mode, data.draw(fed(plan)), data.draw(databases(mode)), unit)

    return run


test_queries = attack(200)
