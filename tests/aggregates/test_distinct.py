"""COUNT(DISTINCT x): values that no two rows share are counted as rows; of others so many a person, and it says so."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e6
delta = 1e-3
[query]
epsilon = 1
delta = 1e-6
[tables.people]
unit = "id"
keys = ["id"]
columns.kind = { values = ["a", "b"] }
[tables.visits]
owner = "id -> people.id"
keys = ["visit"]
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("distinct")
    (folder / "policy.toml").write_text(POLICY)
    with duckdb.connect(folder / "d.duckdb") as connection:
        connection.execute(
            "CREATE TABLE people AS SELECT i AS id, ['a', 'b'][1 + i % 2] AS kind FROM range(2000) t(i);"
            "CREATE TABLE visits AS SELECT i AS visit, i % 2000 AS id, i % 7 AS ward FROM range(50000) t(i)"
        )
    with Session(folder / "d.duckdb", folder / "policy.toml") as session:
        yield session


@pytest.mark.parametrize(("sql", "truth"), [
    ("SELECT COUNT(DISTINCT visit) FROM visits", 50_000),
    ("SELECT COUNT(DISTINCT visit) FILTER (WHERE ward < 3) FROM visits", 21_429),
    ("SELECT COUNT(DISTINCT visit) FROM visits JOIN people USING (id) WHERE kind = 'a'", 25_000),
])
def test_a_key_is_counted_like_rows(session: Session, sql: str, truth: int) -> None:
    """Twenty-five visits a person: nothing limits them to a few."""
    (statement,) = session.plan(sql).statements
    assert not statement.sides
    assert statement.opening is not None
    ((found,),) = session.query(sql, epsilon=100).rows
    assert abs(int(found) - truth) < 20  # type: ignore[call-overload]


@pytest.mark.parametrize("sql", [
    "SELECT COUNT(DISTINCT ward) FROM visits",
    "SELECT COUNT(DISTINCT a.visit) FROM visits AS a JOIN visits AS b ON a.id = b.id",
])
def test_what_rows_may_share_is_not(session: Session, sql: str) -> None:
    assert session.plan(sql).statements[0].sides


def test_a_limit_on_rows_is_said(session: Session) -> None:
    plan = session.plan("SELECT kind, MEDIAN(ward) FROM visits JOIN people USING (id) GROUP BY kind")
    said = "a person counts with at most 10 rows in a group in quantiles: of people with more, some are left out"
    assert said in plan.warnings
    assert not any("left out" in warning for warning in session.plan("SELECT MEDIAN(id) FROM people").warnings)


@pytest.mark.parametrize(("sql", "truth", "limit", "within"), [
    ("SELECT COUNT(DISTINCT ward) FROM visits", 7, 2, 6),
    ("SELECT COUNT(DISTINCT visit % 49999) FROM visits", 49_999, 64, 250),
    ("SELECT HISTOGRAM(ward, [6]) FROM visits", 50_000, 64, 250),
])
def test_a_limit_is_chosen_for_what_it_gains(
    session: Session, sql: str, truth: int, limit: int, within: int,
) -> None:
    """A few values that all share take two of each person; values of their own take all twenty-five."""
    chosen, off = [], []
    for _ in range(15):
        answer = session.query(sql, fresh=True)
        ((found,),) = answer.rows
        number = found[6] if isinstance(found, dict) else found
        off.append(abs(number - truth))  # type: ignore[operator]
        (note,) = [warning for warning in answer.warnings if "as chosen privately" in warning]
        chosen.append(int(note.split(" at most ")[1].split()[0]))
    assert sorted(chosen)[7] == limit and sorted(off)[7] <= within


def test_public_groups_and_people_of_many(session: Session) -> None:
    """By group, and where a limit is open together with others: one cost, one bill."""
    sql = ("SELECT ward, COUNT(DISTINCT visit % 49999), COUNT(*), SUM(visit % 3) FROM visits "
           "WHERE ward IN (0, 1, 2) GROUP BY ward")
    plan = session.plan(sql)
    assert sum(event.epsilon for event in plan.statements[0].spent()) <= 1
    answer = session.query(sql, epsilon=50)
    exact = session.engine.run(sql, {}).values
    for row, true in zip(answer.rows, sorted(exact), strict=True):
        assert all(abs(float(a) - float(b)) < 60 for a, b in zip(row, true, strict=True))  # type: ignore[arg-type]
    told = str(session.explain(sql))
    assert "at most X distinct values per unit and group, X chosen from 2 to 16384" in told
