"""CSV and JSON: every value has a text that the other side can read."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
from decimal import Decimal
from uuid import UUID

from dpsql.answer import Answer, AnswerCost
from dpsql.doors.formats import to_csv, to_json, to_markdown

VALUES = (
    math.nan, -math.inf, 0.1, 10**38, Decimal("1234.56"), Decimal("0." + "1" * 38), True, None,
    datetime.date(2025, 1, 2), datetime.datetime(2025, 1, 2, 3), UUID(int=1), 'a "quoted", text\nof two lines é',
)
NAMES = tuple(f"c{i}" for i in range(len(VALUES)))
ANSWER = Answer(
    NAMES, ("X",) * len(VALUES), (VALUES,), ((None,) * len(VALUES),), (False,) * len(VALUES), AnswerCost(0.0, 0.0))


def test_json() -> None:
    row = json.loads(to_json(ANSWER))["rows"][0]
    assert row == [
        "nan", "-inf", 0.1, 10**38, 1234.56, "0." + "1" * 38, True, None, "2025-01-02", "2025-01-02T03:00:00",
        str(UUID(int=1)), VALUES[-1]]


def test_csv() -> None:
    header, row = csv.reader(io.StringIO(to_csv(ANSWER)))
    assert header == list(NAMES) and row == ["" if value is None else str(value) for value in VALUES]


def test_no_rows() -> None:
    empty = Answer(("n",), ("BIGINT",), (), (), (True,), AnswerCost(1.0, 0.0))
    assert to_csv(empty) == "n,n_low,n_high\n" and json.loads(to_json(empty))["rows"] == []


def test_markdown() -> None:
    texts = ("a|b", "*x*", "two\nlines", "a\\b" + "c" * 100)
    answer = Answer(("n|m", "t"), ("BIGINT", "VARCHAR"), tuple((i, text) for i, text in enumerate(texts)),
                    tuple(((i - 2, i + 2), None) for i in range(4)), (True, False), AnswerCost(1.0, 0.0))
    assert to_markdown(answer).splitlines() == [
        "| n\\|m | t |", "| --: | :-- |", "| 0 ± 2 | a\\|b |", "| 1 ± 2 | \\*x\\* |", "| 2 ± 2 | two<br>lines |",
        "| 3 ± 2 | a\\\\b" + "c" * 100 + " |"]
