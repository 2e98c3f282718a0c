"""The measurements on queries of seven worlds, and of what searches should cost, run and say what they found."""

from __future__ import annotations

import duckdb
import pytest

from dpsql.noise.search import SLOPE
from dpsql.probe import SEARCHES
from tests.bench import peers, searches
from tests.bench.peers import added, measure, references
from tests.bench.worlds import CASES, Case


def test_the_worlds_hold_many_queries() -> None:
    assert len({(case.world, case.what, case.rows, case.by, case.epsilon) for case in CASES}) >= 60


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert peers.main(["--only", "^survey\\+ AVG\\(score\\); COUNT", "--runs", "400"]) == 0
    _, average, count = capsys.readouterr().out.splitlines()
    assert average.startswith("survey+ AVG(score) by region") and count.endswith("5 of 5")
    error, maximum, best, one = map(float, count[76:120].split())
    assert 0.8 < maximum / 2.36 < 1.2 and best <= maximum * 1.01 and one == maximum     # a row each of 60 people
    assert 0.5 < error / maximum < 2


def test_references_know_the_law_of_their_noise() -> None:
    """A count of 1,000 rows, two a person: Laplace noise of scale 2, whose median is 2 ln 2; and the best cap is none
    for people who all have as many."""
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT i // 2 AS pid, 'g' || (i % 2) AS g FROM range(1000) AS t(i)")
        case = Case("", "COUNT(*)", "t")
        of = added(connection, case, ["1"])
        ((maximum, best, one),) = references(of, [(measure("COUNT(*)", lambda what: 0.0), [0])], 1)
        assert maximum == one == pytest.approx(100 * 2 * 0.693 / 1000, rel=0.25) and best <= maximum
        grouped = added(connection, Case("", "COUNT(*)", "t", by="g"), ["1"])
        assert grouped.many == 2 and int(grouped.rank.max()) == 2 and grouped.rows == 2
        assert grouped.totals(grouped.largest, 1).sum() == 500      # a person counts in one group


def test_other_ways_to_search_stand_beside_what_a_search_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert (float(SEARCHES), SLOPE) == searches.WAYS[0]
    assert searches.main(["--people", "300", "--runs", "40"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    more = lines[0].split("for ")[1].split(", ").index("0.2 ^2.5")
    median, mean = map(float, lines[3].split()[4 + more].split("/"))     # 300 people, one search, epsilon 1
    assert median < 0.95 and mean < 0.95
