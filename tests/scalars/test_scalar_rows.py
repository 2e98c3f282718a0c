"""Every row of the table, on every edge value of its arguments."""

from __future__ import annotations

import random

import duckdb
import pytest
from differential import check_facts, check_plain, check_round_trip, check_total, connections
from expressions import read

from dpsql.expression import Call, Scalar
from dpsql.scalars.rows import ROWS

SAMPLES = {
    "+": "i + j; t + 1; b + i; h + b; d15 + d9; 1 + d4; d38 + h; f + i; d18 + 0.5; t + s",
    "-": "i - j; 1 - d15; d4 - d38; f - g; b - 5; h - h",
    "*": "i * j; b * b; h * i; d15 * d15; d15 * 2; d38 * d38; d18 * d9 * d4; f * 2.5; t * t; d38 * 1.0000000000000001;"
    "(-(~b)) * (2 * (~b))",
    "/": "i / j; d15 / 3; f / g; 1 / 0; h / b",
    "//": "i // j; t // t; b // -1; h // h; d15 // 3; f // g; i // 2",
    "%": "i % j; t % -1; b % 7; d15 % 3; d9 % d4; f % g; h % 2.5; h % h",
    "neg": "-i; -t; -h; -d15; -f; -(i + j); - -b",
    "abs": "abs(i); abs(t); abs(h); abs(d15); @f",
    "=": "i = j; i = 1.5; d15 = d4; f = i; v = w; dt = ts; p = q; i = '5'; d38 = h; p = 1",
    "<>": "i <> b; v != 'a'; dt <> '2020-01-01'",
    "<": "d15 < 5; v < w; dt < ts; ts < '2020-01-01 10:00:00'; p < q",
    "<=": "i <= 2.5; f <= g; dt <= TIMESTAMP '2020-01-01 00:00:00'",
    ">": "h > d38; f > 1; t > 1000",
    ">=": "d4 >= i; dt >= '1998-09-02'; b >= h",
    "is_distinct": "i IS DISTINCT FROM j; v IS DISTINCT FROM NULL",
    "is_not_distinct": "f IS NOT DISTINCT FROM g; (i, v) = (1, 'a'); (i, j) <> (1, 2); row(i, v) = row(j, w)",
    "between": "i BETWEEN 1 AND 2.5; dt BETWEEN '1998-01-01' AND '2020-01-01'; f NOT BETWEEN 0 AND g;"
    "v BETWEEN 'a' AND w",
    "in": "i IN (1, 2.5, j); v IN ('a', w); dt NOT IN ('2020-02-29', du); (i, v) IN ((1, 'a'), (2, w)); p IN (q)",
    "and": "p AND q AND i = 1; i AND p",
    "or": "p OR NOT q OR v = 'a'",
    "not": "NOT p; NOT i; NOT (p OR q)",
    "is_null": "i IS NULL; f IS NULL; p IS UNKNOWN",
    "is_not_null": "v IS NOT NULL; (i + j) IS NOT NULL",
    "is_true": "p IS TRUE; (i > 3) IS NOT TRUE",
    "is_false": "q IS FALSE; (v = 'a') IS NOT FALSE",
    "case": "CASE WHEN p THEN i WHEN q THEN 2.5 ELSE d4 END; if(p, 1, 0); CASE WHEN p THEN 'a' END; if(p, dt, ts)",
    "switch": "CASE i WHEN 1 THEN 'a' WHEN 2.5 THEN 'b' END; CASE v WHEN w THEN 1 ELSE 2.5 END; "
    "CASE dt WHEN '2020-02-29' THEN 1 END",
    "coalesce": "coalesce(i, 2.5); ifnull(v, 'x'); coalesce(dt, ts); coalesce(t, 1000); coalesce(f, g, 0)",
    "nullif": "nullif(i, 0); nullif(d15, 2); nullif(v, ''); nullif(f, 0);"
    "nullif(ts, dt); nullif(i, 2.5); nullif(b, f); nullif(i, d4)",
    "least": "least(i, 2.5); least(f, g); least(dt, du); least(v, w)",
    "greatest": "greatest(i, j, b); greatest(f, 0)",
    "cast": "CAST(i AS TINYINT); CAST(d15 AS INTEGER); CAST(f AS BIGINT); CAST(v AS DOUBLE); v::DECIMAL(9, 2);"
    "h::DOUBLE;"
    "TRY_CAST(v AS DATE); CAST(dt AS TIMESTAMP); CAST(ts AS DATE); p::INTEGER; i::BOOLEAN; f::BOOLEAN; v::BOOLEAN;"
    "d38::HUGEINT; b::DECIMAL(38, 20); f::DECIMAL(4, 1); d15::VARCHAR; ts::VARCHAR; f::VARCHAR; v::TIMESTAMP; date(ts);"
    "CAST(d15 AS DECIMAL(18, 4)); CAST(d18 AS DECIMAL(15, 2)); CAST(h AS DECIMAL(38, 0)); TRY_CAST('x' AS INTEGER)",
    "round": "round(i); round(i, -1); round(t, -2); round(d15, 1); round(d9, -1); round(f, 2); round(f); round(d4, 5)",
    "trunc": "trunc(i); trunc(d15); trunc(f, 1); trunc(d18, 2); trunc(b, -3); trunc(d4, -1)",
    "floor": "floor(i); floor(d15); floor(f)",
    "ceil": "ceil(h); ceil(d4); ceiling(f)",
    "sign": "sign(i); sign(f); sign(d4)",
    "sqrt": "sqrt(i); sqrt(f); sqrt(d15)",
    "cbrt": "cbrt(i); cbrt(f)",
    "ln": "ln(i); ln(f)",
    "exp": "exp(t); exp(f)",
    "sin": "sin(f)",
    "cos": "cos(i)",
    "tan": "tan(f)",
    "asin": "asin(f)",
    "acos": "acos(f)",
    "atan": "atan(f)",
    "degrees": "degrees(f)",
    "radians": "radians(i)",
    "log10": "log(i); log10(f)",
    "log": "log2(i); log(3, f)",
    "power": "power(i, 2); f ** 0.5; i ^ j; pow(2, t)",
    "atan2": "atan2(f, g)",
    "pi": "pi(); pi() * i",
    "isnan": "isnan(f); isnan(i)",
    "isinf": "isinf(f)",
    "isfinite": "isfinite(g)",
    "&": "i & j; t & 3",
    "|": "b | i",
    "xor": "xor(i, 3)",
    "~": "~i; ~h",
    "upper": "upper(v); ucase(w)",
    "lower": "lower(v)",
    "reverse": "reverse(v)",
    "length": "length(v); char_length(w)",
    "strlen": "strlen(v)",
    "trim": "trim(v); trim(v, 'ab'); trim(BOTH 'x' FROM v)",
    "ltrim": "ltrim(v); ltrim(v, 'a')",
    "rtrim": "rtrim(v); rtrim(w, ' d')",
    "substring": "substring(v, 2); substr(v, -3, 2); substring(v FROM 1 FOR 2)",
    "left": "left(v, 2); left(w, -1)",
    "right": "right(v, 3)",
    "||": "v || w || 'x'; upper(v) || 'y'; v || CAST(i AS VARCHAR)",
    "concat": "concat(v, w); concat(i, '-', dt); concat(v)",
    "starts_with": "starts_with(v, 'a'); v ^@ w; prefix(v, 'a')",
    "ends_with": "ends_with(v, w); suffix(v, 'c')",
    "contains": "contains(v, 'b'); contains(v, w)",
    "strpos": "strpos(v, 'b'); position('a' IN v); instr(v, w)",
    "split_part": "split_part(v, 'b', 1); split_part(v, ' ', -1)",
    "like": "v LIKE 'a%'; v NOT LIKE '_b%'; v ~~ 'x'; v LIKE ''",
    "ilike": "v ILIKE 'A%'; NOT v ILIKE '%z'",
    "like_escape": "v LIKE 'a!%%' ESCAPE '!'; v NOT LIKE '%!_' ESCAPE '!'",
    "ilike_escape": "v ILIKE 'A!%%' ESCAPE '!'",
    "regexp_matches": "v ~ '^a.*[bc]$'; regexp_matches(v, '[0-9]+'); v !~ 'x{2,3}'",
    "regexp_full_match": "regexp_full_match(v, 'a(b|c)+'); v SIMILAR TO '[a-z]*'",
    "days_+": "dt + 3; 5 + dt; dt + i; dt + 1 + 1; dt + t; dt + NULL",
    "days_-": "dt - 400; dt - i",
    "interval_+": "dt + INTERVAL 1 MONTH; ts + INTERVAL '2' DAY; INTERVAL 3 HOUR + ts; dt + INTERVAL '1 year 2 months';"
    "date_add(dt, INTERVAL 1 WEEK); dt + INTERVAL 1 DAY + INTERVAL 1 DAY; last_day(dt) + INTERVAL 1 DAY",
    "interval_-": "dt - INTERVAL '90' DAY; ts - INTERVAL '1' SECOND; ts - INTERVAL 10 MINUTES",
    "days_between": "dt - du; DATE '2020-01-01' - dt",
    "year": "year(dt); extract(year FROM ts); date_part('year', dt)",
    "quarter": "quarter(dt)",
    "month": "month(ts); month(dt)",
    "day": "day(dt); dayofmonth(ts)",
    "hour": "hour(ts); hour(dt)",
    "minute": "minute(ts)",
    "second": "second(ts)",
    "week": "week(dt); weekofyear(ts)",
    "dow": "dayofweek(dt); extract(dow FROM ts); weekday(dt)",
    "isodow": "isodow(dt)",
    "doy": "dayofyear(ts); extract(doy FROM dt)",
    "decade": "decade(dt)",
    "century": "century(ts)",
    "isoyear": "isoyear(dt)",
    "yearweek": "yearweek(dt); yearweek(ts)",
    "epoch": "epoch(dt); extract(epoch FROM ts)",
    "date_trunc": "date_trunc('month', dt); date_trunc('hour', ts); datetrunc('week', dt);"
    "date_trunc('year', CAST(v AS DATE));"
    "date_trunc('day', CAST(ts AS DATE)); date_trunc('month', dt + 5)",
    "date_diff": "date_diff('day', dt, du); datediff('month', dt, ts); date_diff('week', dt, du);"
    "date_diff('second', ts, tt);"
    "date_diff('hour', dt, ts); date_diff('year', DATE '2000-01-01', dt); date_diff('quarter', last_day(dt), ts)",
    "last_day": "last_day(dt); last_day(ts); last_day(dt + 5)",
    "dayname": "dayname(dt); dayname(ts)",
    "monthname": "monthname(ts)",
    "make_date": "make_date(abs(t) + 1, 1, 31); make_date(2020, t, s); make_date(2021, 2, 29)",
    "strftime": "strftime(dt, '%Y-%m'); strftime(ts, '%d.%m.%y %H:%M:%S %%')",
    "strptime": "strptime(v, '%Y-%m-%d'); try_strptime(v, '%d.%m.%Y')",
}


@pytest.fixture(scope="module")
def engines() -> list[duckdb.DuckDBPyConnection]:
    return connections(random.SystemRandom().randrange(2**32))


@pytest.mark.parametrize(
    "text",
    [
        "w < split_part(v, 'b', 1)",
        "w < CASE WHEN v IS NULL THEN NULL ELSE 'x' END",
        "coalesce(nullif(v, 'a'), v) >= w",
        "CASE CASE WHEN v IS NULL THEN NULL ELSE 'x' END WHEN w THEN 1 END",
        "w BETWEEN nullif(v, v) AND 'z'",
        "i = CASE WHEN j IS NULL THEN NULL ELSE 5 END",
        "dt < CASE WHEN du IS NULL THEN NULL ELSE dt END",
        "f >= CASE WHEN g IS NULL THEN NULL ELSE 5 END",
        "w <> coalesce(nullif(v, 'a'), nullif(v, 'b'))",
    ],
)
def test_statistics_fold_nothing_into_an_error(engines: list[duckdb.DuckDBPyConnection], text: str) -> None:
    check_total(engines, [read(text)])


def rows_in(scalar: Scalar) -> set[str]:
    if isinstance(scalar, Call):
        return {scalar.name}.union(*(rows_in(arg) for arg in scalar.args))
    return set()


def test_every_row_has_a_sample() -> None:
    assert set(SAMPLES) == {row.name for row in ROWS.values() if not row.guard}


@pytest.mark.parametrize("name", SAMPLES)
def test_row(engines: list[duckdb.DuckDBPyConnection], name: str) -> None:
    texts = [text.strip() for text in SAMPLES[name].split(";")]
    scalars = [read(text) for text in texts]
    assert any(name in rows_in(scalar) for scalar in scalars)
    check_total(engines, scalars)
    for text, scalar in zip(texts, scalars, strict=True):
        check_round_trip(scalar)
        check_facts(engines[0], scalar)
        check_plain(engines[0], text, scalar)
