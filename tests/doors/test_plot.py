"""Bars."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.answer import Answer, AnswerCost
from dpsql.doors.plot import ROWS, plot
from dpsql.errors import ProgrammingError


def answer(*rows: tuple[Any, ...]) -> Answer:
    return Answer(("ward", "n"), ("VARCHAR", "BIGINT"), tuple(row[:2] for row in rows),
                  tuple((None, row[2]) for row in rows), (False, True), AnswerCost(1.0, 0.0))


def test_bars_are_shaded_where_the_true_value_may_end() -> None:
    shown = plot(answer(("a", -50, (-70, -30)), ("bb", 100, (60, 140)), ("c", None, None), ("d", 3, (None, 16))), 60)
    assert shown.splitlines() == [
        "n",
        "a   ▒▒▒▒▒▒▒▒██████│                                 -50 ± 20",
        "bb                ████████████▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒      100 ± 40",
        "c                                                       NULL",
        "d   ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒                           3 [-inf, 16]",
    ]


def test_many_rows_and_nothing() -> None:
    assert f"... 1 more of {ROWS + 1} rows" in plot(answer(*((str(i), i, None) for i in range(ROWS + 1))))
    for nothing in (answer(), answer(("a", None, None)), answer(("a", math.nan, None))):
        with pytest.raises(ProgrammingError, match="nothing to plot"):
            plot(nothing)


numbers = st.one_of(
    st.integers(), st.floats(), st.none(), st.decimals(allow_nan=False),
    st.sampled_from((Decimal("NaN"), Decimal("1e400"))),
)


@given(st.lists(st.tuples(st.text(max_size=5), numbers, st.one_of(st.none(), st.tuples(numbers, numbers))), max_size=5),
       st.integers(1, 200))
def test_any_answer_is_drawn_within_its_width(rows: list[tuple[Any, ...]], width: int) -> None:
    try:
        shown = plot(answer(*rows), width)
    except ProgrammingError:
        return
    assert len(shown.splitlines()) == len(rows) + 1
