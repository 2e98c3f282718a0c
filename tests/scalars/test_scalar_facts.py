"""Literals, public values, NULLs, and the language of the finish."""

from __future__ import annotations

import datetime
from decimal import Decimal

import duckdb
import pytest
import sqlglot
from expressions import COLUMNS, read, text_of
from sqlglot import exp

from dpsql.expression import BOOLEAN, DATE, DOUBLE, INTEGER, TIMESTAMP, VARCHAR, Kind, Lit, Ref, SqlType
from dpsql.interval import between
from dpsql.scalars import FINISH_FUNCTIONS, admitted_in_finish, bounds, call, conjuncts, nullable, public_values


@pytest.mark.parametrize(
    "text, value, type_",
    [
        ("1_000", 1000, INTEGER),
        ("-5", -5, INTEGER),
        ("1.50", Decimal("1.50"), SqlType(Kind.DECIMAL, 3, 2)),
        ("1e3", 1000.0, DOUBLE),
        ("E'a\\nb'", "a\nb", VARCHAR),
        ("$$it's$$", "it's", VARCHAR),
        ("'it''s'", "it's", VARCHAR),
        ("TRUE", True, BOOLEAN),
        ("DATE '1998-09-02'", datetime.date(1998, 9, 2), DATE),
        ("CAST('1998-9-2' AS DATE)", datetime.date(1998, 9, 2), DATE),
        ("TIMESTAMP '1998-09-02 12:30:00.25'", datetime.datetime(1998, 9, 2, 12, 30, 0, 250000), TIMESTAMP),
        ("DATE '1998-12-01' - INTERVAL '90' DAY", datetime.datetime(1998, 9, 2), TIMESTAMP),
        ("DATE '2020-01-31' + INTERVAL 1 MONTH", datetime.datetime(2020, 2, 29), TIMESTAMP),
        ("DATE '1994-01-01' + INTERVAL '1' YEAR", datetime.datetime(1995, 1, 1), TIMESTAMP),
        ("CAST(DATE '1994-01-01' + INTERVAL '1' YEAR AS DATE)", datetime.date(1995, 1, 1), DATE),
        ("DATE '1994-01-01' + 31", datetime.date(1994, 2, 1), DATE),
        ("CAST('2.5' AS INTEGER)", 3, INTEGER),
        ("CAST(2.5 AS INTEGER)", 3, INTEGER),
        ("CAST(1 AS BOOLEAN)", True, BOOLEAN),
        ("'7'::DOUBLE", 7.0, DOUBLE),
    ],
)
def test_literals_fold_as_the_engine_folds_them(text: str, value: object, type_: SqlType) -> None:
    literal = read(text)
    assert literal == Lit(value, type_)  # type: ignore[arg-type]
    engine = duckdb.connect()
    (plain,), (ours,) = (engine.execute(f"SELECT {sql}").fetchall()[0] for sql in (text, text_of(literal)))
    assert plain == ours == value
    found = engine.execute(f"SELECT typeof({text_of(literal)})").fetchall()[0][0]
    assert found.replace(",", ", ") == str(type_)


def test_dates_are_compared_without_a_cast() -> None:
    assert text_of(read("dt <= DATE '1998-12-01' - INTERVAL '90' DAY")) == "\"dt\" <= CAST('1998-09-02' AS DATE)"
    assert "TRY_CAST" in text_of(read("dt <= TIMESTAMP '1998-12-01 12:00:00'"))


@pytest.mark.parametrize(
    "text, values",
    [
        ("p", (False, True, None)),
        ("i > 3", (False, True, None)),
        ("CASE WHEN p THEN 'a' WHEN q THEN 'b' ELSE 'a' END", ("a", "b")),
        ("CASE WHEN p THEN 1 END", (1, None)),
        ("CASE i WHEN 1 THEN 'x' ELSE 'y' END", ("x", "y")),
        ("CASE WHEN p THEN CASE WHEN q THEN 1 ELSE 2 END ELSE 3 END", (1, 2, 3)),
        ("coalesce(CASE WHEN p THEN 'a' END, 'none')", ("a", "none")),
        ("i", None),
        ("CASE WHEN p THEN i ELSE 0 END", None),
        ("v || 'x'", None),
    ],
)
def test_public_values(text: str, values: tuple[object, ...] | None) -> None:
    found = public_values(read(text))
    assert (None if found is None else tuple(lit.value for lit in found)) == values


@pytest.mark.parametrize(
    "text, null",
    [
        ("i + j", False),
        ("i // j", True),
        ("i // 2", False),
        ("i / 2", False),
        ("i / j", True),
        ("sqrt(i)", True),
        ("sqrt(abs(i))", False),
        ("CASE WHEN p THEN 1 END", True),
        ("CASE WHEN p THEN 1 ELSE 2 END", False),
        ("coalesce(nullif(i, 0), 0)", False),
        ("CAST(v AS INTEGER)", True),
        ("CAST(i AS BIGINT)", False),
        ("f + 1", True),
        ("h * h", True),
        ("i IS NULL", False),
        ("dt + 1", True),
        ("length(v)", False),
        ("concat(v, w)", False),
        ("CAST(i AS TINYINT)", True),
    ],
)
def test_nullable_when_no_column_is(text: str, null: bool) -> None:
    assert nullable(read(text), lambda column: False) is null


def test_bounds_believe_what_they_are_told() -> None:
    told = {"i": between(0, 10), "j": between(-2, 3)}

    def found(text: str) -> object:
        return bounds(read(text), lambda column: told.get(column.name, column.type.range))

    assert found("i + j") == between(-2, 13)
    assert found("i * j") == between(-20, 30)
    assert found("CASE WHEN p THEN i ELSE 100 END") == between(0, 100)
    assert found("abs(j)") == between(0, 3)
    assert found("month(dt)") == between(1, 12)
    assert found("least(i, 5)") == between(0, 10) or found("least(i, 5)") == between(0, 5)


def test_conjuncts() -> None:
    parts = list(conjuncts(read("p AND (q AND i = 1) AND (v = 'a' OR p)")))
    assert [text_of(part) for part in parts] == ['"p"', '"q"', '"i" = 1', '("v" = \'a\') OR "p"']


def test_calls_of_dpsql_itself() -> None:
    i, b = Ref(COLUMNS["i"]), Ref(COLUMNS["b"])
    assert text_of(call("=", i, b)) == 'CAST("i" AS BIGINT) = "b"'
    assert text_of(call("and", call("is_not_null", i), call("=", i, b))).startswith('(NOT ("i" IS NULL)) AND (')


@pytest.mark.parametrize(
    "text",
    [
        "sum(x)",
        "count(*)",
        "avg(x)",
        "stddev(x)",
        "var_samp(x)",
        "median(x)",
        "quantile_cont(x, 0.5)",
        "bool_and(x)",
        "rank() OVER (ORDER BY x)",
        "lag(x, 1) OVER (ORDER BY x)",
        "ntile(4) OVER (ORDER BY x)",
        "upper(x)",
        "x + 1",
        "round(x, 2)",
        "CASE WHEN x THEN 1 END",
        "CAST(x AS DECIMAL(9, 2))",
        "x BETWEEN 1 AND 2",
        "x LIKE 'a%' ESCAPE '!'",
        "date_part('year', x)",
        "isfinite(x)",
        "x IN (1, 2)",
        "extract(year FROM x)",
        "x::REAL",
        "greatest(x, 1)",
        "x // 2",
        "random()",
    ],
)
def test_admitted_in_the_finish(text: str) -> None:
    tree = sqlglot.parse_one(text, dialect="duckdb")
    structure = (exp.Window, exp.Order, exp.Ordered, exp.Star, exp.Var, exp.Column, exp.Identifier, exp.If)
    assert all(admitted_in_finish(node) for node in tree.walk() if not isinstance(node, structure))


@pytest.mark.parametrize(
    "text",
    [
        "string_agg(x, ',')",
        "list(x)",
        "uuid()",
        "now()",
        "current_date",
        "read_csv('x')",
        "getenv('x')",
        "repeat(x, 9)",
        "replace(x, y, 'b')",
        "replace(x, 'a', 'bbbbbbbbb')",
        "regexp_replace(x, 'a', y)",
        "range(9)",
        "unnest(x)",
        "current_setting('x')",
        "query('SELECT 1')",
        "stats(x)",
        "hash(x)",
        "[1]",
        "{'a': 1}",
        "any_value(x)",
        "approx_count_distinct(x)",
        "x COLLATE nocase",
        "nextval('s')",
        "duckdb_tables()",
        "lpad(x, y, ' ')",
        "lpad(x, 9, y)",
        "rpad(x, 1001, ' ')",
        "width_bucket(x, 0, 9, 3)",
        "x << 2",
        "error('x')",
        "x -> 'a'",
    ],
)
def test_refused_in_the_finish(text: str) -> None:
    tree = sqlglot.parse_one(text, dialect="duckdb")
    structure = (exp.Column, exp.Identifier, exp.Literal)
    assert not all(admitted_in_finish(node) for node in tree.walk() if not isinstance(node, structure))


def test_finish_functions_are_nodes_of_the_parser() -> None:
    assert all(hasattr(exp, name) for name in FINISH_FUNCTIONS)
