"""Random expressions over edge values: never an error, the values of plain DuckDB, proved types, ranges and NULLs."""

from __future__ import annotations

import random

import duckdb
import pytest
from differential import check_facts, check_plain, check_round_trip, check_total, connections
from expressions import Maker, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsql.scalars import ScalarError

KINDS = ("number", "number", "number", "truth", "text", "date", "moment", "whole")
SEEDS = st.integers(min_value=0, max_value=2**63)


@pytest.fixture(scope="module")
def engines() -> list[duckdb.DuckDBPyConnection]:
    return connections(random.SystemRandom().randrange(2**32))


def holds(engines: list[duckdb.DuckDBPyConnection], seed: int, count: int, depth: int) -> None:
    rng = random.Random(seed)
    maker = Maker(rng)
    texts = [maker.of(rng.choice(KINDS), rng.randint(1, depth)) for _ in range(count)]
    admitted = []
    for text in texts:
        try:
            admitted.append((text, read(text)))
        except ScalarError:
            continue
    check_total(engines, [scalar for _, scalar in admitted])
    for text, scalar in admitted:
        check_round_trip(scalar)
        check_facts(engines[0], scalar)
        check_plain(engines[0], text, scalar)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_random_expressions(engines: list[duckdb.DuckDBPyConnection], seed: int) -> None:
    holds(engines, seed, count=5, depth=3)


@pytest.mark.slow
@settings(max_examples=800, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS)
def test_many_random_expressions(engines: list[duckdb.DuckDBPyConnection], seed: int) -> None:
    holds(engines, seed, count=5, depth=4)
