"""Work on a text is tried in a child first: what ends is seen to end, the rest is killed, and the next is tried."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
import sqlglot
from sqlglot.errors import ParseError

from dpsql.engines.trials import Trials
from dpsql.errors import QueryError
from dpsql.trial import on_trial, tried


@pytest.fixture
def trials() -> Iterator[Trials]:
    trials = Trials(0.2)
    yield trials
    trials.close()


def test_what_ends_ends(trials: Trials) -> None:
    assert trials.ends(len, [1, 2, 3])
    assert trials.ends(int, "no number") and trials.ends(sqlglot.parse_one, "SELECT ((", "duckdb")      # by an error


def test_what_does_not_end_is_killed_and_the_next_is_tried(trials: Trials) -> None:
    began = time.perf_counter()
    for _ in range(2):
        assert not trials.ends(max, range(1 << 60))             # compiled code, which hears no signal
        assert trials.ends(len, "x")
    assert time.perf_counter() - began < 20


def test_no_time_is_carried_over(trials: Trials) -> None:
    for _ in range(40):
        assert trials.ends(sum, range(1 << 20))


def test_what_takes_all_memory_is_refused(trials: Trials) -> None:
    assert not trials.ends(bytes, 1 << 42) and trials.ends(len, "x")


def test_what_ends_its_process_is_refused(trials: Trials) -> None:
    assert not trials.ends(exit, 3) and trials.ends(len, "x")


def test_done_here_only_when_it_ended_there(trials: Trials) -> None:
    with on_trial(trials):
        assert tried(len, "abc") == 3
        with pytest.raises(ParseError):
            tried(sqlglot.parse_one, "SELECT ((", "duckdb")
        with pytest.raises(QueryError, match="takes more than 1 second"):
            tried(max, range(1 << 60))
    assert tried(next, itertools.count(5)) == 5                  # nowhere else
