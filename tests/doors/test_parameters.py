"""Parameters as text."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from dpsql.doors.parameters import parameter, parameters
from dpsql.errors import ProgrammingError


@pytest.mark.parametrize(("text", "value"), [
    ("5", 5), ("-5", -5), ("1.50", Decimal("1.50")), ("1e3", 1000.0), ("null", None), ("TRUE", True), ("false", False),
    ("1995-01-31", datetime.date(1995, 1, 31)), ("1995-01-31 10:00:00", datetime.datetime(1995, 1, 31, 10)),
    ("1995-02-31", "1995-02-31"), ("'5'", "5"), ("'it''s'", "it's"), ("plain text", "plain text"), ("", ""),
    ("1_000", "1_000"), ("nan", "nan"), ("'", "'"), ("٣", "٣"),
])
def test_one(text: str, value: object) -> None:
    assert parameter(text) == value and type(parameter(text)) is type(value)


def test_all() -> None:
    assert parameters([]) is None
    assert parameters(["5", "x"]) == [5, "x"]
    assert parameters(["a=5", "b=x=y"]) == {"a": 5, "b": "x=y"}
    assert parameters(["'a=b'"]) == ["a=b"]
    with pytest.raises(ProgrammingError, match="NAME=VALUE"):
        parameters(["a=5", "5"])
