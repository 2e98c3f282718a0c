"""Weeks of other dialects, over every day of forty years: where they start, how they are counted and numbered."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import duckdb
import pytest

from dpsql.dialects import read

DAYS = [datetime.date(1990, 1, 1) + datetime.timedelta(days=i) for i in range(40 * 366)]
LATER = datetime.date(2031, 5, 7)       # a Wednesday
Number = Callable[[datetime.date], object]


def start(day: datetime.date, first: int) -> datetime.date:
    """The last `first` (0 is Sunday) up to a day."""
    return day - datetime.timedelta(days=(day.isoweekday() - first) % 7)


def since(first: int) -> Number:
    return lambda day: (start(LATER, first) - start(day, first)).days // 7


def number(first: int) -> Number:
    """How many days `first` of its year have come."""
    return lambda day: sum(datetime.date(day.year, 1, 1 + i).isoweekday() % 7 == first and day.timetuple().tm_yday > i
                           for i in range(7)) and 1 + (start(day, first) - start(
                               datetime.date(day.year, 1, 7), first)).days // 7


@pytest.mark.parametrize(("dialect", "text", "meant"), [
    ("bigquery", "date_trunc(d, WEEK)", lambda day: start(day, 0)),
    ("bigquery", "date_trunc(d, WEEK(THURSDAY))", lambda day: start(day, 4)),
    ("bigquery", "date_trunc(d, ISOWEEK)", lambda day: start(day, 1)),
    ("bigquery", "date_diff(DATE '2031-05-07', d, WEEK)", since(0)),
    ("bigquery", "date_diff(DATE '2031-05-07', d, WEEK(SATURDAY))", since(6)),
    ("bigquery", "date_diff(DATE '2031-05-07', d, ISOWEEK)", since(1)),
    ("tsql", "datediff(week, d, CAST('2031-05-07' AS DATE))", since(0)),
    ("snowflake", "datediff(week, d, DATE '2031-05-07')", since(1)),
    ("bigquery", "extract(WEEK FROM d)", lambda day: int(day.strftime("%U"))),
    ("bigquery", "extract(WEEK(MONDAY) FROM d)", lambda day: int(day.strftime("%W"))),
    ("bigquery", "extract(WEEK(FRIDAY) FROM d)", number(5)),
    ("bigquery", "extract(ISOWEEK FROM d)", lambda day: day.isocalendar().week),
    ("mysql", "week(d)", lambda day: int(day.strftime("%U"))), ("mysql", "week(d, 0)", number(0)),
    ("mysql", "week(d, 3)", lambda day: day.isocalendar().week),
])
def test_weeks(dialect: str, text: str, meant: Number) -> None:
    expression = read(f"SELECT {text} AS w", None, dialect).expressions[0].this.sql("duckdb")
    days = ", ".join(f"DATE '{day}'" for day in DAYS)
    found = duckdb.connect().execute(f"SELECT {expression} FROM (SELECT UNNEST([{days}]) AS d)").fetchall()
    for day, (value,) in zip(DAYS, found, strict=True):
        assert (value.date() if isinstance(value, datetime.datetime) else value) == meant(day), day
