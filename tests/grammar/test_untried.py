"""What is computed around aggregates, windows and subqueries of a finish, which the engine admits in no TRY."""

from __future__ import annotations

import duckdb
import pytest

from dpsql.session import Session

GROUPS = "(SELECT sex, COUNT(*) AS n FROM patients GROUP BY sex) AS t"
PUBLIC = (
    "SELECT SUM(beds) * 100 AS x FROM wards", "SELECT SUM(beds) * 100000000000000000000 AS x FROM wards",
    "SELECT SUM(beds) * SUM(beds) AS x, -SUM(beds) AS y, ABS(MIN(beds)) AS z FROM wards",
    "SELECT ward, beds * SUM(beds) OVER () AS x FROM wards ORDER BY ward",
    "SELECT ward, SUM(beds) AS s, s * s AS x FROM wards GROUP BY ward HAVING SUM(beds) * SUM(beds) > 5 ORDER BY ward",
    "SELECT (SELECT SUM(beds) FROM wards) * (SELECT SUM(beds) FROM wards) AS x",
)


@pytest.mark.parametrize("sql", PUBLIC)
def test_public_answers_are_exact(clinic: Session, plain: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert list(clinic.query(sql).rows) == plain.execute(sql).fetchall()


@pytest.mark.parametrize("value", [
    "SUM(n) * SUM(n)", "SUM(n) * 100.0 / COUNT(*)", "SUM(n) % 7", "SUM(n) // 3", "SUM(n) - MAX(n)", "ROUND(AVG(n) * 2)",
    "(SELECT COUNT(*) FROM patients) * SUM(n)", "CAST(SUM(n) AS TINYINT)", "POWER(SUM(n), 2)",
])
def test_released_ones_are_planned(clinic: Session, value: str) -> None:
    assert clinic.columns(f"SELECT {value} AS x FROM {GROUPS}")[0][0] == "x"
