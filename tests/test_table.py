"""Tables of text."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.table import cell, plain, table


@pytest.mark.parametrize(("value", "interval", "shown"), [
    (29752, (29749, 29755), ("29752", "± 3")),
    (29752, (29748.4, 29755.6), ("29752", "± 4")),                       # never narrower than it is
    (17, (0, 20), ("17", "[0, 20]")),
    (1234.5678, (1222.2568, 1246.8788), ("1235", "± 13")),
    (0.123456, (0.122456, 0.124456), ("0.1235", "± 0.0010")),
    (0.0, (-0.1, 0.1), ("0.00", "± 0.10")),
    (-0.00001, (-0.10001, 0.09999), ("0.00", "± 0.10")),                 # no minus before zero
    (Decimal("1234.56"), (Decimal("1234.06"), Decimal("1235.06")), ("1234.56", "± 0.50")),
    (Decimal("1234.50"), (Decimal("1234.47"), Decimal("1234.53")), ("1234.50", "± 0.03")),
    (Decimal("7"), (Decimal("6.5"), Decimal("7.5")), ("7", "± 1")),
    (3.5, (3.5, 3.5), ("3.5", "± 0")),
    (10**38, (10**38 - 5, 10**38 + 5), (str(10**38), "± 5")),
    (1e300, (0.9e300, 1.1e300), ("1.00e+300", "± 1.0e+299")),
    (1.2345e20, (1.2e20, 1.3e20), ("1.234e+20", "[1.200e+20, 1.300e+20]")),
    (5.0, (-1e17, 1e17), ("0", "± 1.1e+17")),                                 # far below its own error
    (25.300664010624170, (25.300664010624168, 25.300664010624171), ("25.3006640106", "± 2.0e-15")),
    (36201871.4, (35554792.1, 36848950.7), ("36201871", "± 647080")),
    (3e-14, (2.9e-14, 3.1e-14), ("3.00e-14", "± 1.0e-15")),
    (2.0, (None, 3.0), ("2", "[-inf, 3]")),
    (2.0, (1.0, math.inf), ("2", "[1, inf]")),
    (math.nan, (1.0, 2.0), ("nan", "[1, 2]")),
    (9.0, (1.0, 2.0), ("9.0", "[1.0, 2.0]")),                                  # a value outside of its own interval
    (None, (1, 2), ("NULL", "")),
    (None, None, ("NULL", "")),
    (True, None, ("true", "")),
    ("it's", None, ("it's", "")),
])
def test_cell(value: object, interval: tuple[object, object] | None, shown: tuple[str, str]) -> None:
    assert cell(value, interval) == shown


def test_text_cannot_move_the_cursor_nor_break_lines() -> None:
    assert plain("a\x1b[31m\nb\t\u202e") == r"a\x1b[31m\nb\t\u202e"
    assert len(plain("x" * 1000)) == 60


def test_columns_are_aligned() -> None:
    text = table(["日本", "n"], ["VARCHAR", "BIGINT"], [["é", 5], ["日本語", 12345]],
                 [[None, (0, 9)], [None, (12344, 12346)]])
    assert text.splitlines() == [
        "日本               n",
        "------  ------------",
        "é           5 [0, 9]",
        "日本語  12345 ± 1",
    ]


def test_empty_and_limited() -> None:
    assert table(["n"], ["BIGINT"], [], []) == "n\n-\n(no rows)"
    rows = [[i] for i in range(9)]
    assert table(["n"], ["BIGINT"], rows, [[None]] * 9, limit=2).splitlines()[-1] == "... 7 more of 9 rows"
    assert "more" not in table(["n"], ["BIGINT"], rows, [[None]] * 9)


NUMBERS = st.one_of(
    st.integers(-(10**38), 10**38), st.floats(), st.decimals(allow_nan=False, allow_infinity=False, places=3))


@given(NUMBERS, NUMBERS, NUMBERS)
def test_any_number_can_be_shown(value: object, low: object, high: object) -> None:
    for text in cell(value, (low, high)):
        assert text.isprintable() and "\n" not in text
