"""Result types are DuckDB's own wherever no value can overflow; else they are wider, and still exact."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import duckdb
import pytest
from expressions import TYPES, read, text_of

from dpsql.expression import BIGINT, HUGEINT, INTEGER, Column, Kind, SqlType
from dpsql.interval import between
from dpsql.scalars import enforced

NUMERIC = [name for name, type_ in TYPES.items() if type_.numeric and name not in ("j", "g")]
SMALL = {
    name: Column(place, name, type_, table="t", declared=between(-3, 3))
    for place, (name, type_) in enumerate(TYPES.items())
}
PRICES = {
    name: Column(
        place, name, SqlType(Kind.DECIMAL, 15, 2), table="lineitem", declared=between(Fraction(low), Fraction(high))
    )
    for place, (name, low, high) in enumerate(
        [("price", "900", "105000"), ("discount", "0", "0.1"), ("tax", "0", "0.08")]
    )
}


@pytest.fixture(scope="module")
def engine() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE t (" + ", ".join(f'"{name}" {type_}' for name, type_ in TYPES.items()) + ")")
    return connection


def described(engine: duckdb.DuckDBPyConnection, texts: list[str]) -> list[str]:
    listed = ", ".join(f"{text} AS c{place}" for place, text in enumerate(texts))
    rows = engine.execute(f"DESCRIBE SELECT {listed} FROM t").fetchall()
    return [str(row[1]).replace(",", ", ") for row in rows]


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%"])
def test_operators_give_the_types_of_the_engine(engine: duckdb.DuckDBPyConnection, operator: str) -> None:
    texts = [f"{a} {operator} {b}" for a, b in product(NUMERIC, NUMERIC)]
    if operator == "%":  # a HUGEINT that is proved small meets a DECIMAL exactly, not as a DOUBLE
        texts = [text for text in texts if not ("h" in text and "d" in text)]
    texts += [f"{a} {operator} {literal}" for a in NUMERIC for literal in ("1", "1e1", "-2")]
    scalars = [read(text, SMALL) for text in texts]
    plain = described(engine, texts)
    assert [str(scalar.type) for scalar in scalars] == plain
    assert described(engine, [text_of(scalar) for scalar in scalars]) == plain


@pytest.mark.parametrize(
    "template",
    [
        "-{}",
        "abs({})",
        "round({})",
        "round({}, 1)",
        "trunc({})",
        "floor({})",
        "ceil({})",
        "sign({})",
        "sqrt({})",
        "coalesce({}, 1)",
        "greatest({}, 2.5)",
        "CASE WHEN p THEN {} ELSE 1 END",
        "nullif({}, 0)",
        "power({}, 2)",
    ],
)
def test_functions_give_the_types_of_the_engine(engine: duckdb.DuckDBPyConnection, template: str) -> None:
    texts = [template.format(name) for name in NUMERIC]
    assert [str(read(text, SMALL).type) for text in texts] == described(engine, texts)


def test_what_could_overflow_is_wider() -> None:
    assert read("i + j").type == BIGINT
    assert read("b * i").type == HUGEINT
    assert read("t + 1").type == BIGINT
    assert read("-t").type == BIGINT
    assert "TRY" in text_of(read("h + h"))
    assert "TRY" not in text_of(read("b * b + b"))


def test_declared_ranges_are_clamped_and_then_excuse_widening() -> None:
    revenue = read("price * (1 - discount) * (1 + tax)", PRICES)
    text = text_of(revenue)
    assert str(revenue.type) == "DECIMAL(18, 6)"
    assert enforced(revenue) == between(810, 113400)
    assert "TRY" not in text and "DOUBLE" not in text
    assert text.count("CASE") == 3
    assert "* (1 - (CASE" in text and "* (1 + (CASE" in text


def test_without_a_range_the_product_is_wider() -> None:
    bare = {name: Column(column.id, name, column.type, table="lineitem") for name, column in PRICES.items()}
    revenue = read("price * (1 - discount)", bare)
    assert revenue.type == SqlType(Kind.DECIMAL, 35, 4)
    assert "TRY" not in text_of(revenue)


@pytest.mark.parametrize(
    "text", ["i > 2", "i BETWEEN 1 AND 2", "i IN (1, 2)", "i IS NULL", "i = j", "i IS DISTINCT FROM 3"]
)
def test_comparisons_see_the_raw_column(text: str) -> None:
    assert "CASE" not in text_of(read(text, SMALL))


@pytest.mark.parametrize(
    "text",
    [
        "i + 1",
        "abs(i)",
        "CASE WHEN p THEN i END",
        "coalesce(i, 0)",
        "CAST(i AS DOUBLE)",
        "greatest(i, 0)",
        "CASE v WHEN 'a' THEN i ELSE 0 END",
        "round(d15, 1)",
    ],
)
def test_values_are_clamped(text: str) -> None:
    scalar = read(text, SMALL)
    assert enforced(scalar).within(between(-4, 4))


def test_integer_is_the_type_of_a_small_literal() -> None:
    assert [read(text).type for text in ("1", "3000000000", "99999999999999999999", "-2147483648")] == [
        INTEGER,
        BIGINT,
        HUGEINT,
        INTEGER,
    ]
