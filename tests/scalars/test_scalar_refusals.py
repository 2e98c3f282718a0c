"""What is refused, why, where, and what the analyst is told to write instead."""

from __future__ import annotations

import pytest
import sqlglot
from expressions import COLUMNS, read, text_of
from sqlglot import exp

from dpsql.expression import Ref
from dpsql.scalars import ScalarError, build


@pytest.mark.parametrize(
    "text, reason, hint",
    [
        ("current_date", "clock", "DATE '1998-09-02'"),
        ("today() - dt", "clock", "literal"),
        ("now()", "clock", None),
        ("random()", "deterministic", None),
        ("uuid()", "deterministic", None),
        ("uper(v)", "uper() is not admitted", "upper"),
        ("typeof(i)", "not admitted", None),
        ("hash(v)", "not admitted", None),
        ("stats(i)", "not admitted", None),
        ("error('x')", "not admitted", None),
        ("getenv('HOME')", "not admitted", None),
        ("current_setting('memory_limit')", "not admitted", None),
        ("repeat(v, 3)", "not admitted", None),
        ("replace(v, w, 'b')", "literal text", None),
        ("replace(v, 'a', repeat('b', 9))", "not admitted", None),
        (f"replace(v, 'a', '{'b' * 101}')", "at most 100", None),
        ("lpad(v, 10001, 'x')", "at most 1000", None),
        ("lpad(v, 10, '')", "at least one letter", None),
        ("lpad(v, i, 'x')", "literal length", None),
        ("i << j", "literal below 64", None),
        ("i << -1", "literal below 64", None),
        ("f << 2", "takes an integer", None),
        ("i >> 64", "literal below 64", None),
        ("gcd(f, 2)", "takes integers", None),
        ("gcd(i)", "takes 2 arguments", None),
        ("strlen(v, w)", "takes 1 argument", None),
        ("bit_count(h)", "at most 64 bits", None),
        ("width_bucket(f, 0, i, 5)", "literal ends", "width_bucket(x"),
        ("width_bucket(f, 5, 5, 5)", "below the upper", None),
        ("width_bucket(f, 0, 1, 1001)", "at most 1000", None),
        ("regexp_replace(v, '(a)', '\\2')", "groups of its pattern", None),
        ("regexp_replace(v, 'a', 'b', 'x')", "options", None),
        ("regexp_extract(v, 'a', 1)", "number of a group", None),
        ("chr(f)", "takes an integer", None),
        ("chr(55296)", "surrogate", None),
        ("to_days(i)", "literal whole number", None),
        ("dt + INTERVAL 9000 YEAR * 3", "10,000 years", None),
        ("time_bucket(INTERVAL 0 DAY, ts)", "longer than nothing", None),
        ("to_timestamp(i)", "not read as moments", "TIMESTAMP"),
        ("age(dt, du)", "not admitted", "date_sub"),
        ("initcap(v)", "not admitted", None),
        ("levenshtein(v, w)", "not admitted", None),
        ("regexp_replace(v, 'a', w)", "literal text", None),
        ("epoch_ns(ts)", "not admitted", None),
        ("[1, 2]", "not admitted", None),
        ("v COLLATE nocase", "not admitted", None),
        ("i IN (SELECT 1)", "IN takes a list", None),
        ("(SELECT 1)", "subquery", None),
        ("EXISTS (SELECT 1)", "subquery", None),
        ("sum(i)", "aggregate", None),
        ("sum(i) FILTER (WHERE p)", "aggregate", None),
        ("sum(i) OVER ()", "window", None),
        ("row_number() OVER (ORDER BY i)", "window", None),
        ("?", "parameter", None),
        ("v = 5", "do not go together", "CAST(... AS INTEGER)"),
        ("dt = i", "do not go together", "DATE"),
        ("v + 1", "takes numbers", "DOUBLE"),
        ("p + 1", "takes numbers", "INTEGER"),
        ("upper(i)", "takes text", "VARCHAR"),
        ("i = 'abc'", "'abc' is no INTEGER", None),
        ("dt > 'yesterday'", "is no DATE", "'1998-09-02'"),
        ("DATE '1998-02-30'", "is no DATE", None),
        ("CAST(300 AS TINYINT)", "does not fit", None),
        ("CAST(dt AS FLOAT)", "cannot be cast to FLOAT", "DOUBLE"), ("CAST(-1 AS UINTEGER)", "is no UINTEGER", None),
        ("CAST('x' AS UUID)", "is no UUID", None), ("CAST(1e300 AS REAL)", "is no FLOAT", None),
        ("tm > 5", "TIME and INTEGER", None), ("tm = 'noon'", "is no TIME", "'12:30:00'"),
        ("CAST(v AS TIMESTAMPTZ)", "cannot be cast to TIMESTAMP WITH TIME ZONE", "AS TIMESTAMP"),
        ("TIMESTAMPTZ '2025-13-01'", "is no TIMESTAMP WITH TIME ZONE", "+02:00"),
        ("tm + INTERVAL 1 HOUR", "not admitted", None), ("year(tm)", "year takes a date", None),
        ("CAST(i AS BLOB)", "type", "VARCHAR"),
        ("CAST(v AS INTEGER[])", "type", None),
        ("CAST(v AS JSON)", "type", None),
        ("CAST(v AS DECIMAL(50, 2))", "DECIMAL", None),
        ("CAST(i AS DATE)", "cannot be cast", None),
        ("ts - tt", "INTERVAL", "date_diff"),
        ("ts + 1", "not admitted", "INTERVAL"),
        ("i - dt", "not admitted", None),
        ("dt + INTERVAL '1 month 2 days'", "months and days", None),
        ("dt + INTERVAL (f) DAY", "whole number of units", "INTEGER"),
        ("i IN ()", "at least one value", None),
        ("make_date(f, 1, 1)", "integers", None),
        ("dt + INTERVAL 99999999 YEAR", "10,000 years", None),
        ("INTERVAL 1 DAY = INTERVAL 2 DAY", "date arithmetic", None),
        ("date_trunc(v, dt)", "", None),
        ("date_trunc('era', dt)", "no unit", "month"),
        ("extract(timezone FROM ts)", "no unit", None),
        ("date_diff('nanosecond', ts, tt)", "no unit", "second"),
        ("date_part(v, dt)", "literal", None),
        ("v LIKE w", "literal", None),
        ("v LIKE 'a' ESCAPE 'bc'", "one character", None),
        ("v LIKE 'a!' ESCAPE '!'", "ends with", None),
        ("v ~ w", "literal", None),
        ("v ~ '('", "regular expression", None),
        ("v ~ 'a(?=b)'", "not admitted", None),
        ("v ~ '(a)\\1'", "not admitted", None),
        ("v ~ 'a{50}{50}'", "", None),
        ("v ~ '((a{20}){20}){20}'", "100 at most", None),
        ("regexp_matches(v, 'a', 'g')", "option 'i' only", None),
        ("substring(v, i)", "literal number", None),
        ("left(v, 99999999999)", "literal number", None),
        ("split_part(v, w, 1)", "literal text", None),
        ("trim(v, w)", "literal", None),
        ("strftime(dt, v)", "literal format", None),
        ("strftime(dt, '%')", "format", None),
        ("strftime(dt, '%Q')", "format", None),
        ("round(f, i)", "literal number", None),
        ("round(f, 400)", "literal number", None),
        ("(i, j) = (1, 2, 3)", "as many values", None),
        ("(i, j) < (1, 2)", "not admitted", None),
        ("1e999", "too large", None),
        ("9" * 70, "characters", None),
        ("9" * 45, "too large", "exponent"),
        ("'a\0b'", "zero character", None),
        ("E'\\xC3\\xA9'", "ASCII", "'...'"),
        ("f AND p", "condition", "compare"),
        ("CASE WHEN v THEN 1 END", "condition", None),
        ("IF(f, 1, 2)", "condition", None),
        ("i IS NOT DISTINCT FROM v", "do not go together", None),
        ("least(i, v)", "go together", None),
        ("ts AT TIME ZONE 'Europe/Pari'", "no time zone", "'Europe/Paris'"),
        ("ts AT TIME ZONE v", "literal", None),
        ("v[i]", "literal place", "substring"), ("i[1]", "of a text", None), ("v[-2:3]", "literal place", None),
        ("count(*)", "aggregate", None),
        ("grid(f, 3)", "not admitted", None),
        ("clip(i, 0, 1)", "not admitted", None),
        ("window(dt)", "", None),
        ("clamp(i, 0, 1)", "not admitted", None),
        ("plain_zero(f)", "not admitted", None),
    ],
)
def test_refused(text: str, reason: str, hint: str | None) -> None:
    with pytest.raises(ScalarError) as refused:
        read(text)
    assert reason in refused.value.reason
    assert isinstance(refused.value.node, exp.Expr)
    assert hint is None or (refused.value.hint is not None and hint in refused.value.hint)


def test_the_node_is_the_piece_at_fault() -> None:
    tree = sqlglot.parse_one("i + 1 > 2 AND upper(v) = soundex(w)", dialect="duckdb")
    with pytest.raises(ScalarError) as refused:
        build(tree, lambda node: Ref(COLUMNS[node.name]))
    assert refused.value.node is not None and refused.value.node.sql(dialect="duckdb").lower() == "soundex(w)"


def test_what_the_resolver_raises_passes() -> None:
    def unknown(node: exp.Column) -> Ref:
        raise KeyError(node.name)

    with pytest.raises(KeyError):
        build(sqlglot.parse_one("nowhere + 1", dialect="duckdb"), unknown)


def test_long_chains_are_not_deep() -> None:
    chain = " OR ".join(f"i = {value}" for value in range(900))
    tree: exp.Expr = exp.column("p")
    for value in range(900):
        tree = exp.Or(this=tree, expression=exp.column("q") if value % 2 else exp.column("p"))
    scalar = build(tree, lambda node: Ref(COLUMNS[node.name]))
    assert len(scalar.args) == 901  # type: ignore[union-attr]
    assert len(chain) > 900


def test_the_engine_is_never_asked_about_unknown_arguments() -> None:
    """A clause the parser hangs on a known function is refused, not dropped."""
    for text in ("round(f, 1, 'half')", "trim(v COLLATE x)", "coalesce(i)[1]", "substring(v, 1, 2, 3)", "nullif(i)"):
        with pytest.raises((ScalarError, sqlglot.ParseError)):
            read(text)


def test_date_expressions_do_not_double_without_end() -> None:
    """The window prints its argument twice; what is proved near the years 1 to 9999 needs none, the rest is bounded."""
    shifted = "dt" + " + INTERVAL 1 DAY" * 40
    assert len(text_of(read(shifted))) < 3000
    nested = "least(dt, du)"
    for _ in range(2):
        nested = f"least({nested} + 1, du)"
    assert len(text_of(read(nested))) < 5000
    with pytest.raises(ScalarError, match="too large"):
        read("coalesce(" + ", ".join(["dt", "du"] * 10) + ") + 1")


def test_no_date_needs_a_costly_try() -> None:
    for text in (
        "dt + i",
        "coalesce(dt, du) + 5",
        "CAST(v AS DATE) - 3",
        "ts + INTERVAL 9999 YEAR",
        "make_date(i, s, t)",
        "date_trunc('month', CAST(v AS TIMESTAMP))",
        "date_diff('day', least(dt, du), ts)",
        "last_day(coalesce(dt, du))",
    ):
        assert "TRY(" not in text_of(read(text))
