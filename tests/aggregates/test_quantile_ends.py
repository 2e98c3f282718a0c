"""The intervals of quantiles, MIN and MAX, where `quality` buys them: what they hold, of every type, and their cost."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import duckdb
import pytest

from dpsql.choose import choose
from dpsql.engines.base import Rows
from dpsql.release import release
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e12
delta = 1e-3
[query]
epsilon = 1
delta = 1e-6
{limits}
[tables.people]
unit = "id"
columns.x = {{ range = [0, 1000] }}
columns.age = {{ range = [0, 110] }}
columns.sex = {{ values = ["f", "m", "x"] }}
[tables.visits]
owner = "id -> people.id"
"""
LIMITS = "[limits]\nmax_groups = 2\nmax_rows_per_group = 3"
HUGE = 1e6


@pytest.fixture(scope="module", params=["stated", "open"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "policy.toml").write_text(POLICY.format(limits=LIMITS if request.param == "stated" else ""))
    connection = duckdb.connect()
    connection.execute("""CREATE TABLE people AS SELECT i::BIGINT AS id, pow(i, 1.7) / 1000 AS x,
        (i * 7 % 90)::INTEGER AS age, ['f', 'm'][1 + i % 2] AS sex, DATE '1990-01-01' + (i * 11 % 9000)::INTEGER AS d,
        (i * 1.25)::DECIMAL(12, 2) AS e, TIMESTAMP '2020-01-01' + to_seconds(i * 977.5) AS t,
        NULL::INTEGER AS nothing FROM range(3000) t(i)""")
    connection.execute("ALTER TABLE people ADD PRIMARY KEY (id)")
    connection.execute("CREATE TABLE visits AS SELECT i::BIGINT AS id, i % 5 AS ward, i * j % 60 AS days "
                       "FROM range(3000) t(i), range(1, 3) u(j)")
    with Session(connection, folder / "policy.toml", folder / "ledger") as session:
        yield session
    connection.close()


def exactly(session: Session, sql: str) -> tuple[object, ...]:
    (row,) = session.engine.run(sql).values
    return row


AGGREGATES = [
    ("MEDIAN({})", "QUANTILE_CONT({}, 0.5)"), ("QUANTILE_DISC({}, 0.25)", "QUANTILE_DISC({}, 0.25)"),
    ("QUANTILE_CONT({}, 0.97)", "QUANTILE_CONT({}, 0.97)"), ("MIN({})", "MIN({})"), ("MAX({})", "MAX({})"),
]


@pytest.mark.parametrize("column", ["x", "age", "d", "t", "e", "x - 500", "age * 1000000", "e * e"])
def test_intervals_of_every_type_hold_the_true_value(session: Session, column: str) -> None:
    """With much epsilon, the value, what plain SQL says, and at most a few of the grid's values around."""
    mine, theirs = (", ".join(each[k].format(column) for each in AGGREGATES) for k in (0, 1))
    answer = session.query(f"SELECT {mine} FROM people", epsilon=HUGE, quality=True)
    exact = exactly(session, f"SELECT {theirs} FROM people")
    for value, ends, true in zip(answer.rows[0], answer.intervals[0], exact, strict=True):
        assert ends is not None and type(ends[0]) is type(ends[1]) is type(value)
        low, near, high = map(_number, (ends[0], value, ends[1]))
        assert low <= near <= high and low <= _number(true) <= high
    for value, (low, high) in zip(answer.rows[0][:3], answer.intervals[0][:3], strict=True):  # type: ignore[misc]
        assert _number(high) - _number(low) <= 0.01 * abs(_number(value)) + 3


def _number(value: Any) -> float:
    if isinstance(value, datetime.datetime):
        return (value - datetime.datetime(1970, 1, 1)).total_seconds() / 86_400
    return float((value - datetime.date(1970, 1, 1)).days) if isinstance(value, datetime.date) else float(value)


def _drawn(session: Session, sql: str, runs: int, **options: Any) -> Iterator[tuple[tuple[object, ...], ...]]:
    """Released rows, again and again: the engine's rows are kept."""
    kept: dict[str, Rows] = {}

    def run(text: str, params: frozenset[str]) -> Rows:
        if text not in kept:
            kept[text] = session.engine.run(text, dict.fromkeys(params, "salt"))
        return kept[text]

    (statement,) = session.plan(sql, **options).statements
    for _ in range(runs):
        chosen, rows = choose(statement, run)
        yield release(chosen, rows, *(run(side.sql, side.params) for side in chosen.sides)).rows


@pytest.mark.parametrize("level", [0.5, 0.95])
@pytest.mark.parametrize(("what", "by", "epsilon"), [
    ("MEDIAN(x)", "", 1), ("QUANTILE_DISC(x, 0.9)", "", 0.2),
    ("MEDIAN(CASE WHEN id % 2 = 0 THEN x / 9 ELSE 990 END)", "", 1), ("MIN(age)", "", 0.1),
    ("MEDIAN(age)", "sex", 1), ("MAX(x)", "sex", 1),
])
def test_coverage(session: Session, what: str, by: str, epsilon: float, level: float) -> None:
    """At least the confidence asked for, in 200 draws, but for a probability of 1e-6."""
    sql = f"SELECT {f'{by}, ' * bool(by)}{what} FROM people{f' GROUP BY {by}' * bool(by)}"
    exact = {row[:-1]: _number(row[-1]) for row in session.engine.run(sql).values}
    held = tried = 0
    for rows in _drawn(session, sql, 200, epsilon=epsilon, quality=True, level=level):
        for row in rows:
            *key, value, low, high = row
            assert _number(low) <= _number(value) <= _number(high)
            if tuple(key) in exact:         # an empty group has no true value
                held, tried = held + (_number(low) <= exact[tuple(key)] <= _number(high)), tried + 1
    assert held >= tried * level - 5 * math.sqrt(tried * level * (1 - level))


def test_a_higher_level_is_wider(session: Session) -> None:
    widths = []
    for level in (0.5, 0.95, 0.999):
        pairs = [(float(row[1]), float(row[2])) for (row,) in _drawn(  # type: ignore[arg-type]
            session, "SELECT MEDIAN(x) FROM people", 60, epsilon=0.5, quality=True, level=level)]
        widths.append(sum(high - low for low, high in pairs))
    assert widths[0] < widths[1] < widths[2]


def test_half_of_a_quantile_is_spent_on_its_interval(session: Session) -> None:
    plan = session.plan("SELECT MEDIAN(x), MAX(age) FROM people", epsilon=1, quality=True)
    prices = [event.epsilon for each in plan.statements for event in each.spent()]
    assert prices == [Fraction(1, 4)] * 4 and plan.cost.epsilon == 1
    bare = session.plan("SELECT MEDIAN(x), MAX(age) FROM people", epsilon=1)
    assert [event.epsilon for each in bare.statements for event in each.spent()] == [Fraction(1, 2)] * 2
    assert bare.key != plan.key
    assert "has no interval" in str(bare.warnings) and "has no interval" not in str(plan.warnings)


def test_groups_that_are_empty_or_all_null_tell_nothing(session: Session) -> None:
    """The whole grid, but for the 1 in 10^7 that the level leaves; one that is empty is as any other."""
    sql = "SELECT sex, MEDIAN(age), MAX(age) FROM people WHERE x < 0 GROUP BY sex"
    answer = session.query(sql, epsilon=50, quality=True, level="0.9999999")
    assert answer.intervals == ((None, (0.0, 110.0), (0, 110)),) * 3
    sql = "SELECT MEDIAN(nothing), MIN(nothing) FROM people"
    ((one, other),) = session.query(sql, epsilon=50, quality=True, level="0.9999999").intervals
    assert one == (-(2.0**31), 2.0**31) and other == (-(2**31), 2**31 - 1)


def test_several_at_once_and_in_expressions(session: Session) -> None:
    answer = session.query(
        "SELECT QUANTILE_DISC(age, [0.25, 0.5]) AS both, 2 * MEDIAN(age) + 1 AS twice, MEDIAN(age) + COUNT(*) AS more, "
        "MAX(d) - DATE '2000-01-01' AS days FROM people", epsilon=HUGE, quality=True)
    quarters, twice, more, _ = answer.rows[0]
    assert answer.intervals[0][0] == (quarters, quarters)
    assert answer.intervals[0][1] == (twice, twice)
    low, high = answer.intervals[0][2]  # type: ignore[misc]
    assert low <= more <= high <= low + 1
    assert answer.intervals[0][3] is not None and not any(note.startswith("note") for note in answer.notes())


def test_private_groups_stages_and_searched_limits(session: Session) -> None:
    """Where bounds are open what is closed never costs more than was promised, or choosing fails."""
    sql = "SELECT ward, MEDIAN(days), COUNT(DISTINCT days) FROM visits GROUP BY ward"
    answer = session.query(sql, epsilon=40, delta=1e-5, quality=True)
    assert len(answer.rows) == 5
    for row, ends in zip(answer.rows, answer.intervals, strict=True):
        assert ends[1] is not None and ends[1][0] <= row[1] <= ends[1][1]  # type: ignore[operator]
    sql = "SELECT MEDIAN(age) FROM people WHERE age > (SELECT MEDIAN(age) FROM people)"
    answer = session.query(sql, epsilon=HUGE, quality=True)
    assert answer.rows[0][0] == 67 and answer.intervals[0][0] == (67, 67)


def test_without_it_nothing_is_shown(session: Session) -> None:
    answer = session.query("SELECT MEDIAN(age), MIN(age) FROM people", epsilon=HUGE)
    assert answer.intervals == ((None, None),)


def test_explain_says_how_wide(session: Session) -> None:
    wide, narrow = (session.explain("SELECT MEDIAN(age) FROM people", quality=True, level=level, epsilon=1).bounds
                    for level in (0.9, 0.5))
    assert "; 90 % interval: one of 22, some " in wide and "; 50 % interval: one of 22, some " in narrow
    assert int(wide.split("some ")[1].split()[0]) > int(narrow.split("some ")[1].split()[0])
