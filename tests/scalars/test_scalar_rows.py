"""Every row of the table, on every edge value of its arguments."""

from __future__ import annotations

import random

import duckdb
import pytest
from differential import check_facts, check_plain, check_round_trip, check_total, connections
from expressions import read
from samples import SAMPLES

from dpsql.expression import Call, Scalar
from dpsql.scalars.rows import ROWS


@pytest.fixture(scope="module")
def engines() -> list[duckdb.DuckDBPyConnection]:
    return connections(random.SystemRandom().randrange(2**32))


@pytest.mark.parametrize(
    "text",
    [
        "w < split_part(v, 'b', 1)",
        "w < CASE WHEN v IS NULL THEN NULL ELSE 'x' END",
        "coalesce(nullif(v, 'a'), v) >= w",
        "CASE CASE WHEN v IS NULL THEN NULL ELSE 'x' END WHEN w THEN 1 END",
        "w BETWEEN nullif(v, v) AND 'z'",
        "i = CASE WHEN j IS NULL THEN NULL ELSE 5 END",
        "dt < CASE WHEN du IS NULL THEN NULL ELSE dt END",
        "f >= CASE WHEN g IS NULL THEN NULL ELSE 5 END",
        "w <> coalesce(nullif(v, 'a'), nullif(v, 'b'))",
    ],
)
def test_statistics_fold_nothing_into_an_error(engines: list[duckdb.DuckDBPyConnection], text: str) -> None:
    check_total(engines, [read(text)])


def rows_in(scalar: Scalar) -> set[str]:
    if isinstance(scalar, Call):
        return {scalar.name}.union(*(rows_in(arg) for arg in scalar.args))
    return set()


def test_every_row_has_a_sample() -> None:
    assert set(SAMPLES) == {row.name for row in ROWS.values() if not row.guard}


@pytest.mark.parametrize("name", SAMPLES)
def test_row(engines: list[duckdb.DuckDBPyConnection], name: str) -> None:
    texts = [text.strip() for text in SAMPLES[name].split(";")]
    scalars = [read(text) for text in texts]
    assert any(name in rows_in(scalar) for scalar in scalars)
    check_total(engines, scalars)
    for text, scalar in zip(texts, scalars, strict=True):
        check_round_trip(scalar)
        check_facts(engines[0], scalar)
        check_plain(engines[0], text, scalar)
