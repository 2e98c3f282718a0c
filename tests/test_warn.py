"""What the plan alone tells an analyst."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1000
delta = 1e-5
[query]
epsilon = 1
delta = 1e-7
[limits]
max_groups = 3
max_rows_per_group = 4
[tables.people]
unit = "id"
columns.age = { range = [0, 100] }
columns.sex = { values = ["f", "m"] }
[tables.stays]
owner = "id -> people.id"
keys = [["ward", "bed"]]
columns.days = { range = [0, 30] }
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("warn")
    (folder / "policy.toml").write_text(POLICY)
    connection = duckdb.connect()
    connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, age INTEGER, sex VARCHAR)")
    connection.execute("CREATE TABLE stays (ward INTEGER, bed INTEGER, id INTEGER, days INTEGER, UNIQUE (ward, bed))")
    with Session(connection, folder / "policy.toml", folder / "ledger") as session:
        yield session
    connection.close()


SINGLE = "each group is a single person's: the noise hides it"


def test_groups_of_a_key_are_single_peoples(session: Session) -> None:
    assert SINGLE in session.plan("SELECT ward, bed, COUNT(*) FROM stays GROUP BY ward, bed").warnings
    assert SINGLE in session.plan("SELECT days, bed, ward, COUNT(*) FROM stays GROUP BY ALL").warnings
    assert SINGLE not in session.plan("SELECT ward, COUNT(*) FROM stays GROUP BY ward").warnings


def test_quantiles_say_that_they_have_no_interval(session: Session) -> None:
    kept, one = session.plan("SELECT QUANTILE_DISC(days, 0.9), MEDIAN(days) FROM stays").warnings
    assert kept.startswith("a person counts with at most 4 rows in ")
    assert one.startswith("a quantile has no interval: with 95 % at most ")
    reach = int(one.split(" rows lie")[0].split()[-1])
    _, half = session.plan("SELECT QUANTILE_DISC(days, 0.9), MEDIAN(days) FROM stays", epsilon=2).warnings
    assert reach // 2 - 1 <= int(half.split(" rows lie")[0].split()[-1]) <= reach // 2 + 1
    assert session.plan("SELECT COUNT(*) FROM stays").warnings == (
        "a person counts with at most 4 rows: people with more are scaled down to that",)
    assert not session.plan("SELECT COUNT(DISTINCT id) FROM stays").warnings


def test_extremes_keep_away_from_the_ends(session: Session) -> None:
    low, high = session.plan("SELECT MIN(days), MAX(days) FROM stays").warnings
    assert low.startswith("MIN is a value with about ") and low.endswith(" people below it: the last one's is private")
    assert high == low.replace("MIN", "MAX").replace("below", "above")


def test_a_cap_is_told(session: Session) -> None:
    warnings = session.plan("SELECT ward, COUNT(*) FROM stays GROUP BY ward").warnings
    assert "a person counts in at most 3 groups: of people in more, some groups are left out" in warnings
