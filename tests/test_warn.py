"""What the plan alone tells an analyst."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from dpsql.session import Session
from dpsql.warn import notice

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
    with opened(tmp_path_factory.mktemp("warn"), POLICY) as session:
        yield session


@contextmanager
def opened(folder: Path, policy: str) -> Iterator[Session]:
    (folder / "policy.toml").write_text(policy)
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


def test_small_private_groups_are_shown_for_their_noise(session: Session) -> None:
    """How few people a group has when its number's noise decides is told; not where nothing released decides."""
    plan = session.plan("SELECT age, COUNT(*) FROM people GROUP BY age")
    chosen = plan.statements[0].chosen
    assert chosen is not None and not chosen.bit
    (told,) = (each for each in plan.warnings if each.startswith("groups are private"))
    assert f"one of fewer than {chosen.visible()} people is shown only if noise adds to its number" in told
    few, many = (sum(v is not None for v in chosen.shown([chosen.visible() + d] * 400)) for d in (-2, 2))
    assert few < many
    shown = [v for v in chosen.shown([chosen.visible() - 6] * 4000) if v is not None]
    assert shown and min(shown) > chosen.visible() - 6
    plain = session.plan("SELECT age, SUM(age) FROM people GROUP BY age").warnings
    assert "groups are private: those with few people are not shown" in plain


def test_rows_outside_the_declared_values_are_told(session: Session) -> None:
    outside = "rows whose sex is NULL or none of its 2 declared values are in no group"
    assert outside in session.plan("SELECT sex, COUNT(*) FROM people GROUP BY sex").warnings
    assert outside in session.plan("SELECT sex, age > 9, COUNT(*) FROM people GROUP BY ALL").warnings
    for sql in ("SELECT sex, COUNT(*) FROM people WHERE sex = 'f' GROUP BY sex", "SELECT COUNT(*) FROM people",
                "SELECT age, COUNT(*) FROM people GROUP BY age"):
        assert outside not in session.plan(sql).warnings


def test_an_empty_group_of_null_is_told(session: Session) -> None:
    empty = "a group of NULL is shown whether or not anybody is in it"
    assert empty in session.plan("SELECT age > 9 AS old, COUNT(*) FROM people GROUP BY old").warnings
    for sql in ("SELECT age IS NULL AS none, COUNT(*) FROM people GROUP BY none", "SELECT NULL, COUNT(*) FROM people",
                "SELECT age > 9 AS old, COUNT(*) FROM people WHERE age > 9 GROUP BY old"):
        assert empty not in session.plan(sql).warnings


def test_warnings_travel(session: Session) -> None:
    answer = session.query("SELECT sex, COUNT(*) AS n FROM people GROUP BY sex", fresh=True)
    (told,) = [text for text in answer.warnings if "declared values" in text]
    assert told in str(answer) and told in answer.to_json()


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
    assert low.startswith("MIN is a value with about ")
    assert low.endswith(" people below it: the very lowest is one person's")
    assert high == low.replace("MIN", "MAX").replace("below", "above").replace("lowest", "highest")


def test_a_cap_is_told(session: Session) -> None:
    warnings = session.plan("SELECT ward, COUNT(*) FROM stays GROUP BY ward").warnings
    assert "a person counts in at most 3 groups: of people in more, some groups are left out" in warnings


def test_one_line_says_what_several_would(session: Session) -> None:
    """Limits of one question, ranges of several, columns of an answer: one warning each."""
    told = session.plan("SELECT COUNT(DISTINCT ward), HISTOGRAM(ward, [1, 2]) FROM stays").warnings
    assert told == ("a person counts with at most 4 distinct values in COUNT(DISTINCT) and 4 rows in HISTOGRAM: of "
                    "people with more, some are left out",)
    both = "SELECT (SELECT SUM(days) FROM stays WHERE bed = 1), (SELECT AVG(age) FROM people)"
    held = [each for each in session.plan(both).warnings if "declared range" in each]
    assert held == ["values outside a declared range count as its nearest end: days 0 to 30, age 0 to 100"]
    (few,) = notice(("s", "n", "k"), [(3, 2, 7)], [((-90, 96), (-9, 13), None)])
    assert few == "the noise of s and n is larger than their values: ask about more people, or with more epsilon"


def test_what_is_bought_is_not_warned_of_twice(session: Session) -> None:
    """A noisy share says where a cap or a limit cuts; the plan need not say that there is one."""
    for sql in ("SELECT ward, COUNT(*) FROM stays GROUP BY ward", "SELECT MEDIAN(ward), COUNT(*) FROM stays",
                "SELECT sex, ward, COUNT(DISTINCT bed) FROM stays JOIN people USING (id) GROUP BY ALL"):
        plain, bought = session.plan(sql).warnings, session.plan(sql, quality=True).warnings
        cut = {each for each in plain if "counts in at most" in each or "counts with at most" in each}
        assert cut and cut.isdisjoint(bought)
        shares = session.query(sql, quality=True).clipped
        assert len(shares) >= len(cut)


def test_one_is_one(tmp_path: Path) -> None:
    with opened(tmp_path, POLICY.replace("max_groups = 3", "max_groups = 1").replace("group = 4", "group = 1")) as one:
        told = one.plan("SELECT ward, COUNT(*), COUNT(DISTINCT days) FROM stays GROUP BY ward").warnings
    for said in ("in at most 1 group:", "at most 1 row in a group:", "at most 1 distinct value in a group in COUNT("):
        assert any(said in each for each in told), said


def test_what_shortens_a_search_is_told(session: Session) -> None:
    """A range of the column is the owner's to declare, and the query's own to state where nobody did."""
    sql = "SELECT SUM({}) FROM stays"
    (told,) = [each for each in session.plan(sql.format("ward")).warnings if "chosen privately" in each]
    assert told.endswith(" declare a range of the column, or the query hold values within one by LEAST and GREATEST")
    held = session.plan(sql.format("LEAST(GREATEST(ward, 0), 9)")).warnings
    assert held == ("a person counts with at most 4 rows: people with more are scaled down to that",)


def test_declared_ranges_are_told_where_values_are_added_up(session: Session) -> None:
    """A range holds values within it, so one that is wrong makes sums and means wrong; a count does not read values."""
    held = "values outside a declared range count as its nearest end: days 0 to 30"
    assert held in session.plan("SELECT SUM(days), AVG(days) FROM stays").warnings
    assert held in session.plan("SELECT VARIANCE(days * 2) FROM stays").warnings
    both = session.plan("SELECT SUM(days), AVG(age) FROM stays JOIN people USING (id)").warnings
    assert held + ", age 0 to 100" in both
    for of in ("COUNT(days) FROM stays", "SUM(ward) FROM stays", "COUNT(*) FROM stays WHERE days > 3"):
        sql = f"SELECT {of}"
        assert not any("declared range" in warning for warning in session.plan(sql).warnings)
