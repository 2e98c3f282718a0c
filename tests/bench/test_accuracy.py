"""Intervals hold the truth as often as they say, and searched bounds cost what the design measured, on a crowd."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import duckdb
import pytest

from dpsql.run import run
from dpsql.session import Session
from tests.bench.accuracy import Kept

RUNS = 2000     # 93 to 97 % is then four and a half standard deviations from 95 %
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e6
delta = 0.5
[query]
delta = 1e-6
{limits}
[tables.people]
unit = "u"
keys = ["u"]
{ranges}
columns.kind = {{ values = ["a", "b", "c"] }}
[tables.visits]
owner = "u -> people.u"
"""
_LIMITS = "[limits]\nmax_groups = 7\nmax_rows_per_group = 6"
_RANGES = "columns.v = { range = [0, 100] }\ncolumns.w = { range = [-50, 50] }"
_MAKE = """
CREATE TABLE people AS SELECT i AS u, (i * 37) % 101 AS v, CAST((i * 13) % 100 - 50 AS DOUBLE) AS w,
    ['a', 'b', 'c'][1 + i % 3] AS kind FROM range(20000) AS t(i);
CREATE TABLE visits AS SELECT i % 20000 AS u, 'w' || i % 7 AS ward, i % 11 AS cost FROM range(60000) AS t(i);
"""
UNBIASED = (
    "SELECT SUM(v) FROM people", "SELECT SUM(w) FROM people", "SELECT AVG(v) FROM people", "SELECT AVG(w) FROM people",
    "SELECT SUM(v), AVG(v), COUNT(*) FROM people", "SELECT COUNT(*) FROM visits",
    "SELECT kind, SUM(v), AVG(w) FROM people GROUP BY kind", "SELECT ward, COUNT(*) FROM visits GROUP BY ward",
    "SELECT kind, AVG(v) FROM people GROUP BY kind",
    "SELECT " + ", ".join(f"SUM(v + {i})" for i in range(12)) + " FROM people",
)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Session]]:
    """Under declared limits and ranges, and under none."""
    folder, opened = tmp_path_factory.mktemp("accuracy"), {}
    for name, limits, ranges in (("declared", _LIMITS, _RANGES), ("open", "", "")):
        path = folder / f"{name}.duckdb"
        with duckdb.connect(path) as connection:
            connection.execute(_MAKE)
        (folder / f"{name}.toml").write_text(POLICY.format(limits=limits, ranges=ranges))
        opened[name] = Session(path, folder / f"{name}.toml")
    yield opened
    for session in opened.values():
        session.close()


def covered(session: Session, sql: str, runs: int) -> list[float]:
    """How often each measure's interval holds the true value, over runs and groups; noise of few steps left out."""
    plan, kept = session.plan(sql), Kept(session.engine)
    (statement,) = plan.statements
    keys, many = len(statement.question.keys), len(statement.question.types)
    exact = {row[:keys]: row[keys:] for row in session.engine.run(sql, {}).values}
    held = [0] * many
    total = 0
    for _ in range(runs):
        (table,) = run(plan, kept, session._scratch)  # type: ignore[arg-type]
        for row in table.rows:
            total += 1
            for i, truth in enumerate(exact[row[:keys]]):
                low, high = row[keys + many + 2 * i : keys + many + 2 * i + 2]
                held[i] += float(low) <= float(truth) <= float(high)  # type: ignore[arg-type]
    return [each / total for each in held]


@pytest.mark.slow
@pytest.mark.parametrize("sql", UNBIASED)
def test_intervals_cover_what_they_say(sessions: dict[str, Session], sql: str) -> None:
    """93 to 97 %, where a step is small beside the noise; whole numbers of few steps reach a little beyond 95 %."""
    for share in covered(sessions["declared"], sql, RUNS):
        assert 0.93 <= share <= (0.985 if "COUNT(*) FROM people" in sql else 0.97)


def test_few_steps_take_the_smallest_whole_interval(sessions: dict[str, Session]) -> None:
    """A count at epsilon 1: +-3 holds 97.3 %, +-2 would hold 92.7 %."""
    (share,) = covered(sessions["declared"], "SELECT COUNT(*) FROM people", RUNS)
    assert 0.953 < share < 0.992


@pytest.mark.parametrize("sql", [
    "SELECT COUNT(*) FROM visits", "SELECT SUM(cost) FROM visits", "SELECT SUM(v) FROM people",
])
def test_a_searched_bound_is_near_the_true_maximum(sessions: dict[str, Session], sql: str) -> None:
    """Median error against clipping at the largest contribution: the design measured 1.3 to 1.5 times."""
    session, kept = sessions["open"], Kept(sessions["open"].engine)
    ((truth,),) = session.engine.run(sql, {}).values
    table = sql.rsplit(" ", 1)[1]
    value = sql.split(" ")[1]
    ((most,),) = session.engine.run(f"SELECT MAX(s) FROM (SELECT {value} AS s FROM {table} GROUP BY u)", {}).values
    plan = session.plan(sql)
    found = [run(plan, kept, session._scratch)[0].rows[0][0] for _ in range(300)]  # type: ignore[arg-type]
    errors = [abs(float(value) - float(truth)) for value in found]  # type: ignore[arg-type]
    assert statistics.median(errors) < 2.5 * 0.6931 * float(most)
    assert any("chosen privately" in warning for warning in plan.warnings)
