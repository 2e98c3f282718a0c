"""Dates beyond their declared range stand at its ends, several cells at one place: one person more is one row more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from dpsql import release
from dpsql.noise.quantile import Histogram
from dpsql.session import Session

_POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
[query]
epsilon = 1
[tables.people]
unit = "u"
keys = ["u"]
columns.born = { range = [1900-01-01, 2000-01-01] }
"""
# years beyond the end, before the start, and inside, and how many people have each
_CROWD = {1800: 40, 1850: 41, 1950: 300, 2050: 350, 2060: 350, 2070: 3}
QUERIES = ("SELECT MEDIAN(born) FROM people", "SELECT QUANTILE_DISC(born, 0.35), QUANTILE_DISC(born, 0.9) FROM people",
           "SELECT MAX(born), MIN(born) FROM people")


@pytest.fixture
def crowd(tmp_path: Path) -> Callable[[int | None], Session]:
    """Opens the crowd with one person more, born in a year."""
    (tmp_path / "policy.toml").write_text(_POLICY)

    def opened(year: int | None) -> Session:
        path = tmp_path / str(year) / "people.duckdb"
        path.parent.mkdir()
        with duckdb.connect(path) as connection:
            connection.execute("CREATE TABLE people(u BIGINT, born DATE)")
            for place, (born, many) in enumerate(_CROWD.items()):
                people = f"SELECT {place} * 1000 + i, DATE '{born}-01-01' FROM range({many}) t(i)"
                connection.execute(f"INSERT INTO people {people}")
            if year is not None:
                connection.execute(f"INSERT INTO people VALUES (99999, DATE '{year}-01-01')")
        return Session(path, tmp_path / "policy.toml", path.with_name("ledger"))

    return opened


def _histogram(session: Session, sql: str) -> list[Histogram]:
    (statement,) = session.plan(sql).statements
    found = []
    for side in statement.sides:
        grid, rows = side.choices[0].lookups[0].grid, session.engine.run(side.sql, dict.fromkeys(side.params, "salt"))
        assert grid is not None and side.near
        found += release._histograms(side, grid, rows.values, [()])
    return found


@pytest.mark.parametrize("year", _CROWD)
def test_one_person_more_is_one_row_more(crowd: Callable[[int | None], Session], year: int) -> None:
    """Every query answers, with and without the person; the rows below a place grow by one or by none."""
    with crowd(year) as one, crowd(None) as other:
        for sql in QUERIES:
            for session in (one, other):
                session.query(sql, fresh=True)
            for more, less in zip(_histogram(one, sql), _histogram(other, sql), strict=True):
                assert more.total == less.total + 1
                shared = set(more.places) & set(less.places)
                for place in shared:
                    a, b = (list(each.places).index(place) for each in (more, less))
                    assert 0 <= more.upto[a] - less.upto[b] <= 1 and 0 <= more.before[a] - less.before[b] <= 1
                    assert more.before[a] <= more.upto[a]


def test_a_full_join_keeps_columns_with_ranges_of_dates(crowd: Callable[[int | None], Session]) -> None:
    """The side that is not there is NULL; a range of dates is no clamp of it."""
    with crowd(None) as session:
        (row,) = session.query("SELECT COUNT(a.born), COUNT(b.born) FROM people a FULL JOIN people b ON a.u = b.u").rows
        assert all(abs(int(found) - sum(_CROWD.values())) < 300 for found in row)  # type: ignore[call-overload]
