"""Quantiles over a grid so fine that only the values near the rank wanted leave the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest

from dpsql.release import _histogram
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e12
delta = 1e-3
[query]
epsilon = 1e6
delta = 1e-6
[tables.people]
unit = "id"
columns.x = { range = [0, 1000] }
columns.sex = { values = ["f", "m", "x"] }
"""
FRACTIONS = (0.01, 0.04, 0.25, 0.5, 0.75, 0.96, 0.99)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("quantiles")
    (folder / "policy.toml").write_text(POLICY)
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE people AS SELECT i AS id, pow(i, 1.7) / 1000 AS x, ['f', 'm'][1 + i % 2] AS sex "
        "FROM range(3000) t(i)"
    )
    connection.execute("INSERT INTO people VALUES (9001, 'nan', 'f'), (9002, NULL, 'm'), (9003, 'inf', 'm'), "
                       "(9004, -5, 'f')")
    with Session(connection, folder / "policy.toml", folder / "ledger") as session:
        yield session
    connection.close()


def plain(session: Session, what: str, by: str = "") -> list[tuple[object, ...]]:
    """What DuckDB says of the same values, held within the range."""
    held = "(SELECT LEAST(GREATEST(x, 0), 1000) AS x, sex FROM people WHERE NOT isnan(x))"
    return session.engine.run(f"SELECT {by}{what} FROM {held} {'GROUP BY ALL' if by else ''}").values


def test_quantiles_of_doubles(session: Session) -> None:
    what = ", ".join(f"QUANTILE_DISC(x, {fraction})" for fraction in FRACTIONS)
    sides = session.plan(f"SELECT {what} FROM people").statements[0].sides
    assert [side.near for side in sides] == [True]
    (found,), (exact,) = session.query(f"SELECT {what} FROM people").rows, plain(session, what)
    assert found == pytest.approx(exact, abs=1000 / 2**20)


def test_extremes_of_doubles(session: Session) -> None:
    what = "MIN(x), MAX(x), MEDIAN(x)"
    (found,) = session.query(f"SELECT {what} FROM people").rows
    (exact,) = plain(session, "MIN(x), MAX(x), QUANTILE_DISC(x, 0.5)")
    assert found == pytest.approx(exact, abs=1000 / 2**20)


@pytest.mark.parametrize("where", ["", "WHERE x < 0"])
def test_quantiles_in_groups(session: Session, where: str) -> None:
    """Where no row stands, every value is as likely."""
    rows = session.query(f"SELECT sex, MEDIAN(x), COUNT(*) FROM people {where} GROUP BY sex").rows
    exact: dict[object, object] = dict(plain(session, "QUANTILE_DISC(x, 0.5)", "sex, "))  # type: ignore[arg-type]
    assert [row[0] for row in rows] == ["f", "m", "x"]
    for sex, middle, _ in rows:
        assert isinstance(middle, float) and 0 <= middle <= 1000
        if not where and sex in exact:
            assert middle == pytest.approx(exact[sex], abs=1000 / 2**18)


def test_cells_of_one_place_are_one() -> None:
    for rows in ([[1, 1, 3], [2, 3, 4], [2, 5, 9], [9, 9, 9]], [[1, 1, 3], [2, 3, 4]]):
        found = _histogram(np.array(rows, dtype=np.int64))
        assert (found.places.tolist(), found.total) == ([1, 3], 9)
        assert (found.before.tolist(), found.upto.tolist()) == ([0, 5], [5, 9])
    assert _histogram(np.zeros((4, 0), dtype=np.int64)).total == 0


WIDE = ("x", "x::DECIMAL(12, 3)", "-x", "x - 500", "(x * 1000)::BIGINT", "(x * 1e6)::HUGEINT")


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session whose policy states no range."""
    folder = tmp_path_factory.mktemp("loose")
    (folder / "policy.toml").write_text(POLICY.replace("columns.x = { range = [0, 1000] }", ""))
    connection = duckdb.connect()
    connection.execute("CREATE TABLE people AS SELECT i AS id, pow(i, 1.7) / 1000 AS x, i::SMALLINT AS s, "
                       "['f', 'm'][1 + i % 2] AS sex, DATE '1950-01-01' + i::INTEGER AS d FROM range(3000) t(i)")
    connection.execute("INSERT INTO people VALUES (9001, 'nan', NULL, 'f', NULL), (9002, NULL, NULL, 'm', NULL)")
    with Session(connection, folder / "policy.toml", folder / "ledger") as session:
        yield session
    connection.close()


@pytest.mark.parametrize("value", WIDE)
def test_no_range_is_needed(loose: Session, value: str) -> None:
    what = ", ".join(f"QUANTILE_DISC(v, {fraction})" for fraction in FRACTIONS)
    rows = f"(SELECT id, {value} AS v FROM people{{}}) t"
    (found,) = loose.query(f"SELECT {what}, MIN(v), MAX(v) FROM {rows.format('')}").rows
    (exact,) = loose.engine.run(f"SELECT {what}, MIN(v), MAX(v) FROM {rows.format(' WHERE NOT isnan(x)')}").values
    assert list(map(float, found)) == pytest.approx(list(map(float, exact)), rel=2**-12, abs=1e-3)


def test_narrow_types_and_dates_keep_their_values(loose: Session) -> None:
    sql = "SELECT QUANTILE_DISC(s, 0.25), MAX(s), QUANTILE_DISC(d, 0.75), MIN(d) FROM people"
    assert loose.query(sql).rows == tuple(loose.engine.run(sql).values)


@pytest.mark.parametrize(("type_", "ends"), [
    ("TINYINT", (-128, 127)), ("INTEGER", (-(2**31), 2**31 - 1)), ("BIGINT", (-(2**63), 2**63 - 1)),
    ("HUGEINT", (-(2**127), 2**127 - 1)), ("DECIMAL(38, 2)", ("-9", "9" * 36)),
    ("DECIMAL(4, 4)", ("-0.9999", "0.9999")),
    ("DOUBLE", ("-inf", "inf")), ("TIMESTAMP", ("0001-01-01", "9999-12-31")), ("DATE", ("0001-01-01", "9999-12-31")),
])
def test_the_ends_of_every_type_are_answered(tmp_path: Path, type_: str, ends: tuple[object, object]) -> None:
    """What is chosen at either end of the grid fits the type; one unit cannot make a query fail."""
    (tmp_path / "policy.toml").write_text(POLICY.replace("columns.x = { range = [0, 1000] }", ""))
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE people AS SELECT i AS id, CAST(['{ends[0]}', '{ends[1]}'][1 + i % 2] AS {type_}) "
                       "AS x, 'f' AS sex FROM range(100) t(i)")
    with Session(connection, tmp_path / "policy.toml", tmp_path / "ledger") as session:
        ((low, high, middle),) = session.query("SELECT MIN(x), MAX(x), QUANTILE_DISC(x, 0.5) FROM people").rows
        assert low <= middle <= high and low < high
        many = session.query("SELECT sex, MEDIAN(x), MIN(x) FROM people GROUP BY sex").rows
        assert len(many) == 3
    connection.close()
