"""Every construct of TPC-H gets its verdict; the private ones equal plain SQL where noise and caps are no matter."""

from __future__ import annotations

import math
import runpy
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from tpch_queries import QUERIES

from dpsql.errors import QueryError
from dpsql.session import Session

FOLDER = Path(__file__).parents[2] / "examples" / "tpch"
Worlds = tuple[Session, Session, duckdb.DuckDBPyConnection]
HUGE = 1e13         # epsilon: noise is then below a cent, whatever the caps
CAPS = 10_000       # groups of one customer, and rows in each: more than anybody has
CLOSE = 1e-6        # relative: means and ratios are of rounded sums
WITHHELD = {"13 a histogram of counts"}     # some numbers of orders are one customer's


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    """TPC-H under the policy of the example, under one whose caps and budget are out of the way, and plain."""
    folder = tmp_path_factory.mktemp("tpch")
    runpy.run_path(str(FOLDER / "make.py"))["make"](folder / "tpch.duckdb", 0.01)
    shutil.copy(folder / "tpch.duckdb", folder / "plain.duckdb")
    rules = (FOLDER / "policy.toml").read_text().partition("[tables.customer]")[2]
    rules = rules.replace("max_rows_per_group = 200", f"max_rows_per_group = {CAPS}")
    generous = folder / "policy.toml"
    generous.write_text(
        f'version = "1"\nunit = "customer"\n[budget]\nepsilon = 1e16\ndelta = 0.1\n[query]\ndelta = 1e-4\n'
        f"[limits]\nmax_groups = {CAPS}\nmax_rows_per_group = {CAPS}\n[tables.customer]{rules}"
    )
    with (
        Session(folder / "tpch.duckdb", FOLDER / "policy.toml", folder / "ledger") as usual,
        Session(folder / "tpch.duckdb", generous, folder / "other") as wide,
        duckdb.connect(str(folder / "plain.duckdb"), read_only=True) as plain,
    ):
        yield usual, wide, plain


@pytest.mark.parametrize("name", [name for name in QUERIES if QUERIES[name][0] == "refuse"])
def test_one_customer_a_group_is_refused(worlds: Worlds, name: str) -> None:
    with pytest.raises(QueryError, match="makes every group one person's"):
        worlds[0].plan(QUERIES[name][1], analyst="alice")


@pytest.mark.parametrize("name", [name for name in QUERIES if QUERIES[name][0] == "public"])
def test_public_tables_are_exact_and_free(worlds: Worlds, name: str) -> None:
    answer = worlds[0].query(QUERIES[name][1], analyst="alice")
    assert answer.cost.epsilon == 0 and list(answer.rows) == worlds[2].execute(QUERIES[name][1]).fetchall() != []


@pytest.mark.parametrize("name", [name for name in QUERIES if QUERIES[name][0] == "private"])
def test_private_and_right(worlds: Worlds, name: str) -> None:
    usual, wide, plain = worlds
    plan = usual.plan(QUERIES[name][1], analyst="alice")
    assert plan.statements and plan.cost.epsilon == 1
    answer = wide.query(QUERIES[name][1], epsilon=HUGE)
    expected = plain.execute(QUERIES[name][1]).fetchall()
    assert answer.cost.epsilon == HUGE
    shown = [row for row in answer.rows if not _empty(row)]
    missing = [row for row in expected if not any(_same(row, other) for other in shown)]
    assert not [row for row in shown if not any(_same(row, other) for other in expected)]
    assert all(row[-1] == 1 for row in missing) if name in WITHHELD else not missing and expected


def _empty(row: tuple[object, ...]) -> bool:
    """Whether a row is an empty public group: all of its numbers are noise."""
    numbers = [value for value in row if isinstance(value, int | float | Decimal)]
    return bool(numbers) and all(abs(float(value)) < 0.5 for value in numbers)


def _same(row: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(row) == len(other) and all(map(_equal, row, other))


def _equal(value: object, other: object) -> bool:
    if isinstance(value, int | float | Decimal) and isinstance(other, int | float | Decimal):
        return math.isclose(value, other, rel_tol=CLOSE, abs_tol=0.05)
    return value == other
