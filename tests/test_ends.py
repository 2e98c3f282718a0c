"""Intervals of a finish whose output rows are each made of one row of every source."""

from __future__ import annotations

import math
from collections.abc import Iterator

import duckdb
import pytest

from dpsql.ends import WRITTEN, ends
from dpsql.noise.ratio import sum_quantile
from dpsql.noise.scheme import Noise
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
[tables.people]
unit = "id"
columns.age = { range = [0, 100] }
columns.sex = { values = ["f", "m"] }
[tables.places]
public = true
keys = ["place"]
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("ends")
    (folder / "policy.toml").write_text(POLICY)
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE people AS SELECT i AS id, i % 90 AS age, ['f', 'm'][1 + i % 2] AS sex, "
        "CASE WHEN i < 495 THEN 'town' ELSE 'hamlet' END AS place FROM range(500) t(i)"
    )
    connection.execute("CREATE TABLE places (place VARCHAR PRIMARY KEY, area INTEGER, a1 INTEGER)")
    connection.execute("INSERT INTO places VALUES ('town', 10, 1), ('hamlet', 2, 2)")
    with Session(connection, folder / "policy.toml", folder / "ledger") as session:
        yield session
    connection.close()


SEXES = "SELECT sex AS s, COUNT(*) AS n, SUM(age) AS years FROM people GROUP BY sex"
PLACES = "SELECT place, COUNT(*) AS n FROM people GROUP BY place"


@pytest.mark.parametrize("sql, have", [
    (f"SELECT s, 2 * n AS d FROM ({SEXES} LIMIT 1) x", "01"),
    (f"SELECT q.c FROM ({SEXES}) q(a, c, d)", "1"),
    (f"SELECT * FROM ({SEXES} ORDER BY n) x WHERE n > -1000", "011"),
    ("SELECT sex, COUNT(*) AS n FROM people GROUP BY ROLLUP (sex) ORDER BY n", "01"),
    (f"SELECT place, area, a1, n * 10 AS ten FROM places JOIN ({PLACES}) t USING (place)", "0001"),
    (f"WITH t AS ({SEXES}) SELECT a.n, b.years FROM t a JOIN t b ON a.s = b.s", "11"),
    (f"WITH t(v, w) AS (SELECT s, n FROM ({SEXES})) SELECT * FROM t UNION ALL SELECT v, 3 * w FROM t", "01"),
    ("SELECT (SELECT COUNT(*) FROM people) AS n", "1"),
    ("SELECT sex, COUNT(*) / (SELECT COUNT(*) FROM people) AS share FROM people GROUP BY sex", "01"),
    ("WITH t AS (SELECT COUNT(*) AS n FROM people) SELECT sex, 100.0 * COUNT(*) / (SELECT n FROM t) AS share, "
     "(SELECT n FROM t) AS n FROM people GROUP BY sex", "011"),
    ("SELECT AVG(age) - (SELECT AVG(age) FROM people WHERE sex = 'f') AS d, (SELECT (SELECT COUNT(*) FROM people) * 2) "
     "AS two FROM people", "11"),
    ("SELECT place, area, (SELECT COUNT(*) FROM people AS p WHERE p.place = places.place) AS n FROM places "
     "WHERE area > 2", "001"),
    (f"SELECT n, s FROM ({SEXES}) UNION ALL (SELECT n, place FROM ({PLACES}) LIMIT 1) ORDER BY 1", "10"),
])
def test_intervals_pass_on(session: Session, sql: str, have: str) -> None:
    answer = session.query(sql)
    assert answer.rows and [str(int(noisy)) for noisy in answer.noisy] == list(have)
    for row, pairs in zip(answer.rows, answer.intervals, strict=True):
        assert [str(int(pair is not None)) for pair in pairs] == list(have)
        for value, pair in zip(row, pairs, strict=True):
            assert pair is None or (pair[0] <= value <= pair[1] and pair[0] < pair[1])      # type: ignore[operator]


def test_an_interval_moves_with_its_row(session: Session) -> None:
    answer = session.query(
        f"WITH t AS ({SEXES}) SELECT s, n FROM t UNION ALL SELECT s, -3 * n - 1 FROM t ORDER BY s, n"
    )
    for i in (0, 2):
        (low, high), (_, n) = answer.intervals[i][1], answer.rows[i + 1]        # type: ignore[misc]
        assert answer.rows[i] == (answer.rows[i + 1][0], -3 * n - 1)            # type: ignore[operator]
        plain = answer.intervals[i + 1][1]
        assert (low, high) == (-3 * plain[1] - 1, -3 * plain[0] - 1)            # type: ignore[index, operator]


@pytest.mark.parametrize("sql", [
    f"SELECT SUM(n) FROM ({SEXES}) x", f"SELECT s, MAX(n) AS m FROM ({SEXES}) x GROUP BY s",
    f"SELECT DISTINCT n FROM ({SEXES}) x", f"SELECT n FROM ({SEXES}) UNION SELECT n FROM ({PLACES})",
    f"SELECT n - LAG(n) OVER (ORDER BY n) AS d FROM ({SEXES}) x",
    f"WITH t AS ({SEXES}) SELECT n / (SELECT SUM(n) FROM t) AS share FROM t",
    "WITH t AS (SELECT COUNT(*) AS n FROM people) SELECT (SELECT n FROM t) - (SELECT n FROM t) AS same",
    f"SELECT (SELECT n FROM ({SEXES}) x ORDER BY n LIMIT 1) AS least", f"SELECT (SELECT n FROM ({SEXES}) x) AS several",
    "SELECT 1 / (SELECT COUNT(*) FROM people WHERE age > 200) AS far",
    f"SELECT places.*, t.* FROM places NATURAL JOIN ({PLACES}) t",
    f"WITH t AS ({SEXES}) SELECT a.n + b.n AS same FROM t a JOIN t b ON a.s = b.s",
    f"SELECT y.top FROM ({SEXES}) x, (SELECT MAX(area * n) AS top FROM places) y",
    f"SELECT y.top FROM ({SEXES}) x, (SELECT x.n * 2 AS top) y",
    f"SELECT n + 1 AS more, more * 2 AS most FROM (SELECT 1 - n AS n FROM ({SEXES}) x GROUP BY ALL) y",
])
def test_what_is_made_of_several_rows_has_none(
    session: Session, sql: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without noise, which now and then takes a count of nobody so far from 0 that its inverse has an interval."""
    monkeypatch.setattr(Noise, "added", lambda self, exact: list(exact))
    answer = session.query(sql)
    assert any(answer.noisy) and all(pair is None for pairs in answer.intervals for pair in pairs)


def test_a_group_that_is_not_shown_has_none(session: Session) -> None:
    """Beside a missing group stands a default, of which nothing is known."""
    answer = session.query(
        f"SELECT place, COALESCE(n, 0) AS n FROM places LEFT JOIN ({PLACES}) t USING (place) ORDER BY place"
    )
    (hamlet, nothing), (town, _) = answer.rows
    assert (hamlet, nothing, town) == ("hamlet", 0, "town")
    (_, missing), (_, there) = answer.intervals
    assert missing is None and there is not None


def test_a_share_is_right_as_often_as_it_says(session: Session) -> None:
    """Of 60 shares of a total that a scalar subquery counts, about 57 lie within their intervals."""
    sql = "SELECT COUNT(*) / (SELECT COUNT(*) FROM people) AS share FROM people WHERE sex = 'f'"
    pairs = [session.query(sql, epsilon=0.3, fresh=True).intervals[0][0] for _ in range(60)]
    assert sum(pair is not None and pair[0] <= 0.5 <= pair[1] for pair in pairs) >= 50      # type: ignore[operator]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.999])
def test_independent_errors_add_as_far_as_both_reach(session: Session, level: float) -> None:
    """As far as the sum of two Laplace noises reaches; a right angle's third side would be 6 % off at 50 %."""
    old = "SELECT COUNT(*) AS n FROM people WHERE age > 60"
    answer = session.query(
        f"SELECT a.n AS x, b.n AS y, a.n - b.n AS d FROM ({SEXES}) a, ({old}) b LIMIT 1", epsilon=0.01, level=level)
    x, y, d = ((pair[1] - pair[0]) / 2 for pair in answer.intervals[0] if pair)     # type: ignore[operator]
    own = -math.log(1 - level)
    assert max(x, y) < d < x + y
    assert d == pytest.approx(float(sum_quantile(x / own, y / own, level)), rel=0.02)


def test_no_number_has_no_interval(session: Session) -> None:
    answer = session.query(f"SELECT 0 * a.n / (0 * b.n) AS nothing, a.n + b.n AS n FROM ({SEXES}) a, ({SEXES}) b")
    assert all(math.isnan(row[0]) for row in answer.rows)       # type: ignore[arg-type]
    assert all(nothing is None and there is not None for nothing, there in answer.intervals)


def test_a_share_of_something_exact(session: Session) -> None:
    answer = session.query(f"SELECT 0 AS n, 'exact' AS what UNION ALL SELECT n, s FROM ({SEXES})")
    assert [pair == (0, 0) for pair, _ in answer.intervals] == [row == (0, "exact") for row in answer.rows]


def test_hidden_columns_are_no_work_without_end(session: Session) -> None:
    """A long item of ninety measures was written out 180 times, after the charge: ten of them took 28 seconds."""
    inner = ", ".join(f"SUM(CASE WHEN age > {i} THEN 1 ELSE 0 END) AS s{i}" for i in range(70))
    item = " + ".join(f"s{i}" for i in range(70))
    few, many = (
        ends(session.plan(f"SELECT s1 + s2 AS a, {', '.join([item] * times)} FROM (SELECT {inner} FROM people)")
             .program.finish) for times in (1, 3)
    )
    for block in (few, many):
        assert block is not None and block.outputs[0].ends and block.outputs[-1].ends is None
        assert sum(1 for _ in block.query.walk()) < 2 * WRITTEN
