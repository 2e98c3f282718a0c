"""GoogleSQL's privacy clause: what it states becomes the ask, the caps and the clips, and the noise follows."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

from dpsql.errors import QueryError
from dpsql.plan import Plan
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e6
delta = 0.1
[query]
epsilon = 1.0
delta = 1e-6
[limits]
max_groups = 4
max_rows_per_group = 10
[tables.people]
unit = "pid"
keys = ["pid"]
[tables.visits]
owner = "pid -> people.pid"
columns.cost = { range = [-50, 1000] }
columns.ward = { values = ["a", "b", "c", "d", "e", "f"] }
"""
CLAUSE = "SELECT WITH DIFFERENTIAL_PRIVACY "


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("google")
    with duckdb.connect(folder / "v.duckdb") as connection:
        connection.execute("CREATE TABLE people AS SELECT i AS pid FROM range(50) r(i)")
        rows = "i % 50 AS pid, i % 90 AS cost, 'a' AS ward FROM range(300) r(i)"
        connection.execute(f"CREATE TABLE visits AS SELECT {rows}")
    Path(folder / "policy.toml").write_text(POLICY)
    with Session(folder / "v.duckdb", folder / "policy.toml") as opened:
        yield opened


def planned(session: Session, sql: str, **price: float) -> Plan:
    return session.plan(sql, dialect="bigquery", **price)


def most(session: Session, sql: str) -> list[str]:
    """What the plan says of each partial's bound."""
    bounds = session.explain(sql, dialect="bigquery").bounds
    return [line.split("at most ")[1].split(" per")[0] for line in bounds.splitlines() if "at most " in line]


@pytest.mark.parametrize(("options", "price", "cost"), [
    ("OPTIONS (epsilon = 2)", {}, 2),
    ("OPTIONS (epsilon = 2e-1)", {}, Fraction(1, 5)),
    ("OPTIONS (epsilon = 2)", {"epsilon": 0.5}, Fraction(1, 2)),     # never above what the caller passes
    ("OPTIONS (epsilon = 0.25)", {"epsilon": 0.5}, Fraction(1, 4)),
    ("", {}, 1), ("OPTIONS ()", {}, 1), ("OPTIONS (delta = 0)", {}, 1),
])
def test_epsilon(session: Session, options: str, price: dict[str, float], cost: Fraction) -> None:
    assert planned(session, f"{CLAUSE}{options} COUNT(*) AS n FROM visits", **price).cost.epsilon == cost


def test_delta_is_asked_for_private_groups(session: Session) -> None:
    sql = CLAUSE + "OPTIONS (delta = {}) cost, COUNT(*) AS n FROM visits GROUP BY cost"
    assert planned(session, sql.format("1e-9")).cost.delta == Fraction(1, 10**9)
    with pytest.raises(QueryError, match="delta"):
        planned(session, sql.format("0"))


def test_the_tighter_cap_holds(session: Session) -> None:
    for stated, groups in ((2, 2), (4, 4), (100, 4)):
        sql = f"{CLAUSE}OPTIONS (max_groups_contributed = {stated}) ward, COUNT(*) AS n FROM visits GROUP BY ward"
        assert f"per unit: {groups} groups" in session.explain(sql, dialect="bigquery").bounds


def test_bounds_per_group_are_the_sensitivity(session: Session) -> None:
    def at_most(argument: str) -> list[str]:
        return most(session, f"{CLAUSE}{argument} AS x FROM visits")

    assert at_most("SUM(cost, contribution_bounds_per_group => (0, 70))") == ["70"]
    assert at_most("SUM(cost, contribution_bounds_per_group => (-90, 70))") == ["90"]
    assert at_most("SUM(cost, contribution_bounds_per_group => (5, 70))") == ["70"]
    assert at_most("COUNT(*, contribution_bounds_per_group => (0, 3))") == ["3"]
    assert at_most("SUM(cost, contribution_bounds_per_row => (0, 7))") == ["70"]       # ten rows
    assert at_most("SUM(cost)") == ["10000"]


def test_two_bounds_of_one_sum_are_two_sums(session: Session) -> None:
    sql = CLAUSE + "SUM(cost, contribution_bounds_per_group => (0, 7)) AS a, SUM(cost) AS b FROM visits"
    assert most(session, sql) == ["7", "10000"]


def test_a_unit_adds_no_more_than_its_bounds(session: Session) -> None:
    """The totals of all units lie between 50 times the ends; noise of scale 70 / 1e6 cannot hide that."""
    sql = CLAUSE + "SUM(cost, contribution_bounds_per_group => (20, 70)) AS s FROM visits"
    found = session.query(sql, dialect="bigquery", epsilon=1e6, fresh=True).rows[0][0]
    assert isinstance(found, int) and 50 * 20 - 1 <= found <= 50 * 70 + 1


@pytest.mark.parametrize("text", [
    "OPTIONS (epsilon = )", "OPTIONS (epsilon 1)", "OPTIONS (epsilon = 1", "OPTIONS epsilon", "OPTIONS (delta = 1)",
    "OPTIONS (epsilon = 1, epsilon = 2)", "OPTIONS (epsilon = 1e999)", "OPTIONS (epsilon = 'x')", "OPTIONS (",
])
def test_broken_clauses_are_refused(session: Session, text: str) -> None:
    with pytest.raises(QueryError):
        planned(session, f"{CLAUSE}{text} COUNT(*) AS n FROM visits")


@pytest.mark.parametrize("text", [
    "SUM(cost, contribution_bounds_per_group)", "SUM(cost, contribution_bounds_per_group =>",
    "SUM(cost, contribution_bounds_per_group => (1, 2, 3))", "SUM(cost, contribution_bounds_per_group => (1)",
    "ANON_SUM(cost CLAMPED BETWEEN 1)", "MAX(cost, contribution_bounds_per_group => (1, 2))",
])
def test_broken_bounds_are_refused(session: Session, text: str) -> None:
    with pytest.raises(QueryError):
        planned(session, f"{CLAUSE}{text} AS x FROM visits")


def test_other_dialects_do_not_know_it(session: Session) -> None:
    with pytest.raises(QueryError):
        session.plan(CLAUSE + "COUNT(*) AS n FROM visits", dialect="duckdb")
