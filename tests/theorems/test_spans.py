"""Listed values are what DuckDB gives for every moment between the ends, and nothing else is in the rows."""

from __future__ import annotations

import datetime
import itertools
from dataclasses import replace

import duckdb
import pytest
import sqlglot

from dpsql.expression import DATE, INTEGER, TIMESTAMP, Column, Ref, Scalar
from dpsql.facts.spans import spanned, together
from dpsql.interval import between
from dpsql.scalars import build, conjuncts

COLUMNS = {
    name: Column(place, name, type_, "t", name)
    for place, (name, type_) in enumerate((("d", DATE), ("ts", TIMESTAMP), ("n", INTEGER)))
}
KEYS = (
    "year({c})", "quarter({c})", "month({c})", "day({c})", "dayofweek({c})", "isodow({c})", "dayofyear({c})",
    "week({c})", "isoyear({c})", "yearweek({c})", "decade({c})", "century({c})", "dayname({c})", "monthname({c})",
    "date_trunc('day', {c})", "date_trunc('week', {c})", "date_trunc('month', {c})", "date_trunc('quarter', {c})",
    "date_trunc('year', {c})", "date_trunc('decade', {c})", "CAST({c} AS DATE)", "strftime({c}, '%Y-%m')",
    "strftime({c}, '%a %d.%m.%y %j')", "strftime({c}, '%B %b %A')",
)
WHERES = (
    "{c} >= '2023-11-28' AND {c} < '2024-03-02'", "{c} BETWEEN '2020-02-27' AND '2020-03-01'",
    "{c} > '1999-12-30' AND {c} <= '2000-01-02' AND {c} < '2030-01-01'", "'2021-01-01' <= {c} AND {c} < '2021-01-05'",
    "{c} BETWEEN '2020-02-27' AND '2020-03-01' OR {c} >= '2021-12-30' AND {c} < '2022-01-03'",
    "({c} < '2003-01-02' OR {c} >= '2010-05-01') AND {c} BETWEEN '2002-12-31' AND '2010-06-02' AND n >= 0",
)


def scalar(text: str) -> Scalar:
    return build(sqlglot.parse_one(text, dialect="duckdb"), lambda node: Ref(COLUMNS[node.name]))


def listed(key: str, where: str) -> tuple[object, ...] | None:
    return spanned(scalar(key), conjuncts(scalar(where)), lambda _: False)


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(
        "CREATE TABLE t AS SELECT CAST(ts AS DATE) AS d, ts, n FROM (SELECT TIMESTAMP '1999-12-01' + to_hours(6 * i) "
        "AS ts, CAST(i AS INTEGER) AS n FROM range(37000) r(i))"
    )
    return connection


@pytest.mark.parametrize("key", KEYS)
def test_calendar(engine: duckdb.DuckDBPyConnection, key: str) -> None:
    for column in ("d", "ts"):
        for where in WHERES:
            text, condition = key.format(c=column), where.format(c=column)
            found = listed(text, condition)
            assert found is not None, text
            there = {row[0] for row in engine.execute(f"SELECT DISTINCT {text} FROM t WHERE {condition}").fetchall()}
            plain = {as_moment(value) for value in found}
            assert {as_moment(value) for value in there} == plain, (text, condition)


def test_keys_of_one_date_are_listed_together(engine: duckdb.DuckDBPyConnection) -> None:
    """Every two keys of a date take the combinations that DuckDB finds on the days of the span, and no others."""
    for column in ("d", "ts"):
        for one, other in itertools.pairwise(KEYS):
            texts = [one.format(c=column), other.format(c=column)]
            where = WHERES[0].format(c=column)
            ((places, combinations),) = together([scalar(text) for text in texts], conjuncts(scalar(where)))
            found = engine.execute(f"SELECT DISTINCT {', '.join(texts)} FROM t WHERE {where}").fetchall()
            assert places == (0, 1)
            assert {tuple(map(as_moment, row)) for row in combinations} == {tuple(map(as_moment, row)) for row in found}


def test_without_a_span_the_calendar_alone_tells(engine: duckdb.DuckDBPyConnection) -> None:
    texts = ["monthname(d)", "month(d)", "quarter(d)", "dayofyear(d)"]
    ((_, combinations),) = together([scalar(text) for text in texts], ())
    assert set(combinations) == set(engine.execute(f"SELECT DISTINCT {', '.join(texts)} FROM t").fetchall())
    assert not list(together([scalar("month(d)"), scalar("year(d)")], ()))
    assert not list(together([scalar("month(d)"), scalar("month(ts)"), scalar("n")], ()))


def as_moment(value: object) -> object:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return datetime.datetime.combine(value, datetime.time())
    return value


def test_hours() -> None:
    found = listed("date_trunc('hour', ts)", "ts >= '2024-01-01 05:30:00' AND ts < '2024-01-01 08:00:00'")
    assert found == tuple(datetime.datetime(2024, 1, 1, hour) for hour in (5, 6, 7))
    assert listed("date_trunc('hour', ts)", "ts >= '2020-01-01' AND ts < '2024-01-01'") is None


def test_what_is_not_bounded_is_not_listed() -> None:
    for where in ("d >= '2024-01-01'", "ts < '2024-01-01'", "d < '2024-01-01' OR d >= '2023-01-01'", "n = 3",
                  "d BETWEEN '2024-01-01' AND '2024-02-01' OR n = 3", "d = '2024-01-01' OR ts = '2024-01-01'"):
        assert listed("date_trunc('month', d)", where) is None
    assert listed("strftime(ts, '%H')", "ts BETWEEN '2024-01-01' AND '2024-01-02'") is None
    assert listed("year(d)", "d BETWEEN '0001-01-01' AND '9999-12-31'") is None


def test_the_calendar_has_twelve_months() -> None:
    assert listed("month(d)", "n = 3") == tuple(range(1, 13))
    assert listed("monthname(ts)", "n = 3") is not None
    assert listed("dayofyear(d)", "n = 3") is None


def test_null_is_listed_where_the_column_may_be_null() -> None:
    found = spanned(scalar("month(d)"), (), lambda key: isinstance(key, Ref))
    assert found is not None and found[-1] is None


def test_whole_numbers() -> None:
    assert listed("n", "n BETWEEN 3 AND 5.5") == (3, 4, 5)
    assert listed("n", "n > 3") is None
    assert listed("n", "n BETWEEN 1 AND 1000") is None
    assert listed("n // 2", "n BETWEEN 3 AND 5") is None
    assert listed("width_bucket(n, 0, 10, 2)", "d IS NULL") == (0, 1, 2, 3)


def test_a_declared_range_of_days() -> None:
    column = replace(COLUMNS["d"], declared=between(19_723, 19_783))      # 2024-01-01 to 2024-03-01
    key = build(sqlglot.parse_one("date_trunc('month', d)", dialect="duckdb"), lambda node: Ref(column))
    found = spanned(key, (), lambda _: False)
    assert found == tuple(datetime.datetime(2024, month, 1) for month in (1, 2, 3))
