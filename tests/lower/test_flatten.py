"""Intervals survive derived tables and WITH names that merely pass rows on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1000
[query]
epsilon = 1
[tables.people]
unit = "id"
columns.age = { range = [0, 100] }
columns.sex = { values = ["f", "m"] }
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    (tmp_path / "policy.toml").write_text(POLICY)
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE people AS SELECT i AS id, i % 90 AS age, ['f', 'm'][1 + i % 2] AS sex FROM range(500) t(i)"
    )
    with Session(connection, tmp_path / "policy.toml", tmp_path / "ledger") as session:
        yield session
    connection.close()


GROUPS = "SELECT sex AS s, COUNT(*) AS n, SUM(age) AS years FROM people GROUP BY sex"


@pytest.mark.parametrize("sql, columns", [
    (f"WITH t AS ({GROUPS}) SELECT s, n, years / n AS mean FROM t WHERE n > -1000 ORDER BY n", ("s", "n", "mean")),
    (f"SELECT * FROM ({GROUPS}) x ORDER BY x.n DESC", ("s", "n", "years")),
    (f"SELECT y.n * 2 AS n, y.s FROM (SELECT * FROM ({GROUPS}) x) y ORDER BY n LIMIT 2", ("n", "s")),
])
def test_intervals_survive(session: Session, sql: str, columns: tuple[str, ...]) -> None:
    answer = session.query(sql)
    assert answer.columns == columns and len(answer.rows) == 2
    for row, ends in zip(answer.rows, answer.intervals, strict=True):
        for name, value, pair in zip(columns, row, ends, strict=True):
            assert (pair is None) == (name == "s")
            if pair is not None:
                assert pair[0] <= value <= pair[1] and pair[0] < pair[1]  # type: ignore[operator]


@pytest.mark.parametrize("sql", [
    f"SELECT MAX(n) FROM ({GROUPS}) x", f"SELECT DISTINCT s FROM ({GROUPS}) x",
    f"SELECT RANK() OVER (ORDER BY n) FROM ({GROUPS}) x", f"SELECT * EXCLUDE (n) FROM ({GROUPS}) x",
])
def test_what_does_not_merely_pass_rows_on_stays(session: Session, sql: str) -> None:
    answer = session.query(sql)
    assert all(pair is None for ends in answer.intervals for pair in ends)
