"""Ranges that nobody stated: what rests on the ends of a type is chosen privately, on a grid fine enough for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import duckdb
import pytest

from dpsql.session import Session

POLICY = """
version = "1"
unit = "person"
[budget]
epsilon = 1e9
delta = 0.5
[query]
epsilon = 1.0
[tables.person]
unit = "id"
keys = ["id"]
[tables.row]
owner = "id -> person.id"
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    file, policy = tmp_path / "a.duckdb", tmp_path / "policy.toml"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE person AS SELECT i AS id FROM range(4000) t(i)")
        connection.execute("ALTER TABLE person ADD PRIMARY KEY (id)")
        connection.execute("CREATE TABLE row AS SELECT i % 4000 AS id, (i % 7) * 1e4 AS x, (i % 7)::BIGINT AS n "
                           "FROM range(8000) t(i)")
    policy.write_text(POLICY)
    with Session(file, policy, tmp_path / "ledger") as opened:
        yield opened


@pytest.mark.parametrize(("sql", "true", "off"), [
    ("SELECT SUM(w) FROM (SELECT SUM(x) OVER (PARTITION BY id) AS w FROM row) t", 4.8e8, 0.02),
    ("SELECT SUM(w) FROM (SELECT SUM(x) OVER (PARTITION BY id) AS w FROM row WHERE x < 1e5 AND x > -1) t", 4.8e8, 0.02),
    ("SELECT SUM(w) FROM (SELECT id, SUM(x) AS w FROM row GROUP BY id) t", 2.4e8, 0.02),
    ("SELECT AVG(w * 1.5) FROM (SELECT id, SUM(n) * 2 AS w FROM row GROUP BY id) t", 18, 0.02),
    ("SELECT AVG(w) FROM (SELECT id, VAR_POP(n) AS w FROM row GROUP BY id) t", 2.5, 0.5),
    ("SELECT VAR_POP(x) FROM row", 4e8, 0.05),
    ("SELECT STDDEV_POP(n) FROM row", 2, 0.05),
    ("SELECT CORR(x, n) FROM row", 1, 0.05),
    ("SELECT COVAR_POP(x, n) FROM row", 4e4, 0.05),
])
def test_nobody_states_a_range(session: Session, sql: str, true: float, off: float) -> None:
    """Mutant: a fold of rows takes its type's ends for stated, and the noise is 1e29."""
    answer = session.query(sql, epsilon=Fraction(1000))
    ((value,),) = answer.rows
    assert isinstance(value, int | float)
    assert value == pytest.approx(true, rel=off)


def test_a_search_climbs_no_further_than_can_be_summed(session: Session) -> None:
    (statement,) = session.plan("SELECT SUM(w) FROM (SELECT SUM(x) OVER (PARTITION BY id) AS w FROM row) t").statements
    assert statement.opening is not None
    (rungs, *_) = statement.opening.probe.rungs
    assert rungs is not None
    assert rungs[-1] * statement.question.partials[0].unit <= 1 << 42


def test_the_answer_says_where_it_was_cut_and_how_much(session: Session) -> None:
    """Of 8,000 rows of 4,000 people, nobody has more than 2, so 1 cuts off all and 2 none."""
    answer = session.query("SELECT COUNT(*) FROM row", epsilon=Fraction(100))
    (note,) = [warning for warning in answer.warnings if " was cut " in warning]
    found = re.fullmatch(r"what a person adds was cut where it was chosen privately, COUNT at (\d+): with 95 % at most "
                         r"(\d+) people had more; intervals are of the noise alone, and where some had far more "
                         r"than the cut the true number lies outside, above the interval of COUNT", note)
    assert found is not None
    assert int(found[1]) >= 2
    assert int(found[2]) < 10
    assert session.query("SELECT COUNT(*) FROM row", epsilon=Fraction(100)).warnings == answer.warnings


def test_of_what_is_never_negative_the_lower_end_holds(tmp_path: Path) -> None:
    """Where a few have most rows the truth is above nearly every interval, as the answer says, and below none."""
    (tmp_path / "policy.toml").write_text(POLICY)
    connection = duckdb.connect()
    connection.execute("CREATE TABLE person (id INTEGER PRIMARY KEY)")
    connection.execute("INSERT INTO person SELECT * FROM range(3000)")
    connection.execute("CREATE TABLE row AS SELECT i AS id, 1.5 AS x FROM range(3000) t(i), "
                       "range(CAST(1 + 2000 / (1 + i) AS BIGINT))")
    ((truth,),) = connection.execute("SELECT COUNT(*) FROM row").fetchall()
    with Session(connection, tmp_path / "policy.toml", tmp_path / "ledger") as session:
        answers = [session.query("SELECT COUNT(*) FROM row", epsilon=1, fresh=True) for _ in range(40)]
    connection.close()
    said = [any(note.endswith("above the interval of COUNT") for note in answer.warnings) for answer in answers]
    ends = [answer.intervals[0][0] for answer in answers]
    below = [end is not None and end[0] <= truth for end, told in zip(ends, said, strict=True) if told]
    assert sum(below) >= len(below) - 6         # by noise, one in forty is not
    missed = [told for end, told in zip(ends, said, strict=True) if end is not None and end[1] < truth]
    assert len(missed) > 20 and all(missed)


LOST = "no size was found for "


def test_the_answer_says_where_no_size_was_found_and_has_no_interval_there(session: Session) -> None:
    """An epsilon for which 4,000 people are far too few: intervals of the noise would hold nothing."""
    sql = ("SELECT SUM(x * 1000 + 1e6) AS s, AVG(x * 1000 + 1e6) AS a, COUNT(*) AS n, 2 * SUM(x * 1000 + 1e6) "
           "FROM row")
    told = 0
    for _ in range(5):
        answer = session.query(sql, epsilon=Fraction(1, 1000), fresh=True)
        told += any(warning.startswith(f"{LOST}SUM/AVG, which was cut ") for warning in answer.warnings)
        said = any("has no interval" in warning for warning in answer.warnings)     # or one too small
        assert [pair is None for pair in answer.intervals[0]] == [said, said, False, said]
    assert told >= 3
    answer = session.query(sql, epsilon=Fraction(100))
    assert not any(LOST in warning for warning in answer.warnings)
    assert None not in answer.intervals[0]


def test_few_people_in_many_groups_have_no_false_interval(session: Session) -> None:
    """200 people in 7 private groups: at epsilon 1 no size is found, and no interval pretends that one was."""
    asked = (session.query("SELECT x, SUM(x * 1000 + 1e6) FROM row WHERE id < 200 GROUP BY x", fresh=True,
                           delta=Fraction(1, 1000)) for _ in range(20))
    answers = list(islice((answer for answer in asked if answer.rows), 5))      # rarely is no group shown
    assert len(answers) == 5
    told = 0
    for answer in answers:
        said = any("has no interval" in warning for warning in answer.warnings)
        assert all((pairs[1] is None) == said for pairs in answer.intervals)
        told += said
    assert told >= 3


FEW = "people are too few to find out whether it is more"


@pytest.mark.parametrize(("sql", "loose"), [
    ("SELECT SUM(n * 1000) FROM row WHERE id < 40", True), ("SELECT AVG(n * 1000) FROM row WHERE id < 40", True),
    ("SELECT COUNT(*) FROM row WHERE id < 20", False)])
def test_the_answer_says_where_people_are_too_few(session: Session, sql: str, loose: bool) -> None:
    """40 people with 6,000 or so each, of whom the answer is some hundreds: no interval may say that it is near."""
    told = 0
    for _ in range(10):
        answer = session.query(sql, fresh=True)
        (pair,) = answer.intervals[0]
        said = any(FEW in warning for warning in answer.warnings)
        assert (pair is None) == (said and loose)
        told += said
    assert told >= 7
    answer = session.query(sql.replace("40", "4000").replace("20", "4000"), epsilon=Fraction(100))
    assert not any(FEW in warning for warning in answer.warnings)
    assert answer.intervals[0][0] is not None


def test_what_is_too_few_for_several_is_said_once(session: Session) -> None:
    """Once for what has an interval all the same, once for what has none."""
    several = 0
    for _ in range(10):
        answer = session.query("SELECT VAR_POP(n), CORR(x, n), COUNT(*) FROM row WHERE id < 40", fresh=True)
        few = [warning for warning in answer.warnings if FEW in warning]
        assert len({each.endswith("no interval") for each in few}) == len(few)
        several += any(each.count(" at ") > 1 for each in few)
    assert several >= 1


def test_a_count_beside_it_shows_that_people_are_enough(session: Session) -> None:
    """A sum of both signs says nothing of how many people there are."""
    alone, beside = "SELECT SUM(n - 3) FROM row", "SELECT SUM(n - 3), COUNT(*) FROM row"
    said = [sum(any(FEW in warning for warning in session.query(sql, fresh=True).warnings) for _ in range(10))
            for sql in (alone, beside)]
    assert said[0] > 5 > said[1]


def test_the_answer_says_how_many_groups_of_a_person_count(session: Session) -> None:
    answer = session.query("SELECT x, COUNT(*) FROM row GROUP BY x", epsilon=Fraction(100), delta=Fraction(1, 10**6))
    assert len(answer.rows) == 7
    assert any(re.match(r"a person counts in at most \d+ groups, as chosen", warning) for warning in answer.warnings)
