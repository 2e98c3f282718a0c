"""`quality`: the noisy shares of what bounds cut are bought beside the answer, and say what plain SQL says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from dpsql.engines.base import Rows
from dpsql.errors import QueryError
from dpsql.release import shares
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 1e-2
[query]
epsilon = 1e6
delta = 1e-7
{limits}
[tables.people]
unit = "id"
keys = ["id"]
[tables.visits]
owner = "id -> people.id"
columns.cost = {{ range = [0, 1000] }}
"""
LIMITS = "[limits]\nmax_groups = 2\nmax_rows_per_group = 3"
PEOPLE = "SELECT id, COUNT(*) AS n, COUNT(DISTINCT ward) AS w FROM visits GROUP BY id"


@pytest.fixture(scope="module", params=["stated", "searched"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("quality")
    (folder / "policy.toml").write_text(POLICY.format(limits=LIMITS if request.param == "stated" else ""))
    connection = duckdb.connect()
    connection.execute("CREATE TABLE people (id BIGINT PRIMARY KEY)")
    connection.execute("INSERT INTO people SELECT i FROM range(3000) t(i)")
    connection.execute("""CREATE TABLE visits AS SELECT i AS id, (i + j) % 7 AS ward, j * 10 AS cost
        FROM range(3000) t(i), range(20) u(j) WHERE j < 1 + i % 5 + 14 * (i % 50 = 0)::INTEGER""")
    with Session(connection, folder / "policy.toml", folder / "ledger") as session:
        yield session
    connection.close()


def plain(session: Session, sql: str) -> float:
    (row,) = session.engine.run(sql, {}).values
    return float(row[0])


def limit(what: str) -> float:
    found = re.search(r"than ([0-9.e+]+)", what)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(("sql", "column", "of"), [
    ("SELECT COUNT(*) FROM visits", "n", "people"),
    ("SELECT ward, COUNT(*) FROM visits GROUP BY ward", "w", "people"),
    ("SELECT COUNT(DISTINCT ward) FROM visits", "w", "people"),
    ("SELECT MEDIAN(cost) FROM visits", "n", "people"),
])
def test_shares_are_those_of_the_data(session: Session, sql: str, column: str, of: str) -> None:
    answer = session.query(sql, quality=True)
    share = answer.clipped[0]
    assert share.of == of and share.low <= share.share <= share.high
    most = limit(share.what)
    wanted = plain(session, f"SELECT AVG(({column} > {most})::INTEGER)::DOUBLE FROM ({PEOPLE})")
    assert abs(share.share - wanted) < 0.002
    assert [text for text in answer.warnings if text == str(share)]
    assert answer.cost.epsilon == 1e6


def test_pairs_of_a_person_and_a_group(session: Session) -> None:
    answer = session.query("SELECT ward, SUM(cost) FROM visits GROUP BY ward", quality=True)
    *_, share = answer.clipped
    assert share.of == "pairs of a person and a group" and 0 <= share.low <= share.share <= share.high <= 1


def test_it_is_bought_only_when_asked(session: Session) -> None:
    sql = "SELECT SUM(cost) FROM visits"
    without, bought = session.query(sql), session.query(sql, quality=True)
    assert without.clipped == () and bought.clipped and not bought.replayed
    again = session.query(sql, quality=True)
    assert again.replayed and again.clipped == bought.clipped and again.warnings == bought.warnings
    assert session.query(sql).clipped == ()


def test_explain_shows_what_is_bought(session: Session) -> None:
    asked = "SELECT ward, SUM(cost) FROM visits GROUP BY ward", "SELECT COUNT(DISTINCT ward) FROM visits"
    for sql, guard in zip(asked, ("the cap on groups", "the limit on the rows of t1"), strict=True):
        told = session.explain(sql, quality=True)
        assert re.search(f"quality: shares of people changed by {guard} \\(epsilon [0-9.]+\\)", told.bounds)
        assert '"cut1"' in told.rewritten and '"cut1"' not in session.explain(sql).rewritten
        assert "quality" not in session.explain(sql).bounds


@pytest.mark.parametrize("sql", ["SELECT SUM(cost) FROM visits", "SELECT COUNT(DISTINCT ward) FROM visits"])
def test_explain_is_as_sure_as_asked(session: Session, sql: str) -> None:
    def within(level: float) -> float:
        found = re.search(rf"{100 * level:g} % within ±([0-9.]+)", session.explain(sql, epsilon=1, level=level).bounds)
        assert found is not None
        return float(found[1])

    assert within(0.5) < within(0.95) < within(0.999)


@pytest.mark.parametrize("quality", ["no", "false", "on", None, 2])
def test_no_text_counts_as_yes(session: Session, quality: Any) -> None:
    spent = session.balance().epsilon_spent
    with pytest.raises(QueryError, match="quality is True or False"):
        session.query("SELECT MAX(cost) FROM visits", quality=quality)
    assert session.balance().epsilon_spent == spent


def test_nothing_to_cut_says_so(session: Session) -> None:
    answer = session.query("SELECT COUNT(*) FROM people", quality=True)
    assert answer.clipped == () and any("no cap or limit leaves anything out" in text for text in answer.warnings)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.3, 1.0])
def test_intervals_hold_the_share(session: Session, share: float) -> None:
    """At least 95 % of them do, and they are no wider than that takes: 93.5 % is 4 deviations below.

    None is a point: noise below no share or above every share leaves a share of 0 or 1 with its whole width.
    """
    plan = session.plan("SELECT COUNT(DISTINCT cost) FROM visits", quality=True, epsilon=1)
    if plan.statements[0].opening is not None:
        return                      # what is chosen does not matter to the interval: the stated form is enough
    many, cut = 3000, round(3000 * share)
    found = [shares(plan.statements[0], [Rows((), [(cut, many)])])[0] for _ in range(4000)]
    held = sum(each.low <= cut / many <= each.high for each in found) / len(found)
    assert held > 0.935
    assert all(0 <= each.low <= each.value <= each.high <= 1 and each.low < each.high for each in found)
    assert share in (0.0, 1.0) or held < 0.975
