"""Each expression of another dialect means what the DuckDB expression beside it means, to the last cast."""

from __future__ import annotations

import time

import duckdb
import pytest
from sqlglot import exp

from dpsql import scalars
from dpsql.dialects import DIALECTS, read
from dpsql.errors import QueryError
from dpsql.expression import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    TIMESTAMP,
    VARCHAR,
    Column,
    Ref,
    Scalar,
)
from dpsql.scalars import ScalarError, build

TYPES = {
    "i": INTEGER, "j": INTEGER, "b": BIGINT, "f": DOUBLE, "g": DOUBLE, "v": VARCHAR, "w": VARCHAR, "p": BOOLEAN,
    "dt": DATE, "du": DATE, "ts": TIMESTAMP, "tt": TIMESTAMP,
}
COLUMNS = {name: Column(place, name, type_, "t") for place, (name, type_) in enumerate(TYPES.items())}


def scalar(text: str, dialect: str) -> Scalar:
    query = read(f"SELECT {text} FROM t", None, dialect)
    assert isinstance(query, exp.Select)
    item = query.expressions[0]
    return build(item.this if isinstance(item, exp.Alias) else item, lambda node: Ref(COLUMNS[node.name.lower()]))


SAME = """
postgres | v IS NOT NULL | v IS NOT NULL
postgres | regexp_count(v, 'a.') | length(regexp_replace(v, 'a.', '\\0.', 'g')) - length(v)
postgres | width_bucket(i, array[1, 5]) | CASE WHEN i IS NULL THEN NULL WHEN i < 1 THEN 0 WHEN i < 5 THEN 1 ELSE 2 END
bigquery | range_bucket(i, [1, 5]) | CASE WHEN i IS NULL THEN NULL WHEN i < 1 THEN 0 WHEN i < 5 THEN 1 ELSE 2 END
bigquery | timestamp_micros(b) | TIMESTAMP '1970-01-01' + to_microseconds(b)
bigquery | timestamp_seconds(b) | TIMESTAMP '1970-01-01' + to_seconds(b)
snowflake | to_timestamp(dt) | CAST(dt AS TIMESTAMP)
spark | hypot(i, f) | sqrt(CAST(i AS DOUBLE) * i + CAST(f AS DOUBLE) * f)
spark | expm1(f) | exp(f) - 1
postgres | v NOTNULL | v IS NOT NULL
postgres | NOT v IS NOT NULL | NOT (v IS NOT NULL)
postgres | p IS NOT UNKNOWN | p IS NOT NULL
postgres | v NOT LIKE 'a%' | v NOT LIKE 'a%'
postgres | i / j | i // j
postgres | i::numeric / j | i::DECIMAL(10, 0) / nullif(j, 0)
postgres | f::numeric | f
postgres | floor(f) / 2 | floor(f) / 2
postgres | floor(i) / 2 | floor(i) / 2
postgres | round(f, 1) | round(f, 1)
postgres | round(i) | round(i)
postgres | i / 2.0 | i / 2.0
postgres | f / g | f / nullif(g, 0)
postgres | extract(year FROM dt) / 10 | year(dt) / 10
postgres | div(i, j) | i // nullif(j, 0)
postgres | v ~* 'a' | v ~* 'a'
postgres | to_char(dt, 'YYYY-MM') | strftime(dt, '%Y-%m')
postgres | to_date(v, 'YYYY-MM-DD') | CAST(strptime(v, '%Y-%m-%d') AS DATE)
postgres | extract(dow FROM dt) | dayofweek(dt)
postgres | extract(second FROM ts) | microsecond(ts) / 1e6
postgres | dt + interval '3 months' | dt + INTERVAL 3 MONTH
postgres | dt + '3 months'::interval | dt + INTERVAL 3 MONTH
postgres | ts - cast('7 days' as interval) | ts - INTERVAL 7 DAY
duckdb | dt + '1 year 2 months'::interval | dt + INTERVAL '14' MONTH
postgres | dt + 3 | dt + 3
postgres | v LIKE 'a\\_b' | v LIKE 'a\\_b' ESCAPE '\\'
postgres | i::varchar(2) | left(CAST(i AS VARCHAR), 2)
postgres | log(f) | log10(f)
postgres | octet_length(v) | strlen(v)
postgres | make_date(2020, i, 1) | make_date(2020, i, 1)
postgres | greatest(i, j) | greatest(i, j)
postgres | concat(v, w) | concat(v, w)
postgres | date_trunc('week', dt) | date_trunc('week', dt)
postgres | CAST(f AS integer) | CAST(f AS INTEGER)
redshift | datediff(month, dt, du) | date_diff('month', dt, du)
redshift | dateadd(minute, 30, ts) | ts + INTERVAL 30 MINUTE
redshift | dateadd(day, 1, date_trunc('hour', ts)) | date_trunc('hour', ts) + INTERVAL 1 DAY
redshift | nvl(i, 0) | coalesce(i, 0)
snowflake | datediff(month, dt, du) | date_diff('month', dt, du)
snowflake | dateadd(day, 3, dt) | CAST(dt + INTERVAL 3 DAY AS DATE)
snowflake | dateadd(hour, 3, dt) | dt + INTERVAL 3 HOUR
snowflake | dateadd(day, 3, ts) | ts + INTERVAL 3 DAY
snowflake | dateadd(day, i, dt) | dt + i
snowflake | CAST(f AS int) | CAST(round(f) AS INTEGER)
snowflake | CAST(i AS int) | i
snowflake | iff(p, 1, 2) | if(p, 1, 2)
snowflake | date_trunc(month, dt) | CAST(date_trunc('month', dt) AS DATE)
snowflake | date_trunc(hour, dt) | date_trunc('hour', dt)
snowflake | date_trunc(month, ts) | date_trunc('month', ts)
postgres | date_trunc('month', dt) | date_trunc('month', dt)
snowflake | dayofweek(dt) | dayofweek(dt)
snowflake | dayname(dt) | strftime(dt, '%a')
snowflake | regexp_like(v, 'a+') | regexp_full_match(v, 'a+')
snowflake | regexp_replace(v, 'a', 'b') | regexp_replace(v, 'a', 'b', 'g')
snowflake | regexp_substr(v, 'a+') | CASE WHEN v ~ 'a+' THEN regexp_extract(v, 'a+') END
snowflake | greatest(i, j) | CASE WHEN i IS NULL OR j IS NULL THEN NULL ELSE greatest(i, j) END
snowflake | concat(v, w) | v || w
snowflake | length(v) | length(v)
snowflake | zeroifnull(i) | CASE WHEN i IS NULL THEN 0 ELSE i END
snowflake | decode(i, 1, 'x', 'y') | CASE WHEN i IS NOT DISTINCT FROM 1 THEN 'x' ELSE 'y' END
snowflake | v::number(10, 2) | v::DECIMAL(10, 2)
snowflake | to_char(dt, 'YYYY-MM') | strftime(dt, '%Y-%m')
snowflake | f / g | f / nullif(g, 0)
snowflake | substr(v, 0, 2) | substr(v, 1, 2)
snowflake | split_part(v, '-', 2) | split_part(v, '-', 2)
snowflake | try_cast(v AS int) | TRY_CAST(v AS INTEGER)
snowflake | equal_null(i, j) | i IS NOT DISTINCT FROM j
snowflake | square(i) | power(i, 2)
bigquery | date_diff(du, dt, DAY) | date_diff('day', dt, du)
bigquery | date_diff(du, dt, ISOWEEK) | (date_diff('day', date_trunc('week', dt), date_trunc('week', du)) // 7)
bigquery | date_diff(du, dt, WEEK(MONDAY)) | (date_diff('day', date_trunc('week', dt), date_trunc('week', du)) // 7)
bigquery | timestamp_diff(tt, ts, HOUR) | date_sub('hour', ts, tt)
bigquery | date_add(dt, INTERVAL 3 DAY) | CAST(dt + INTERVAL 3 DAY AS DATE)
bigquery | date_sub(dt, INTERVAL 3 MONTH) | CAST(dt + INTERVAL (-3) MONTH AS DATE)
bigquery | date_trunc(dt, MONTH) | CAST(date_trunc('month', dt) AS DATE)
bigquery | extract(dayofweek FROM dt) | dayofweek(dt) + 1
bigquery | extract(isoweek FROM dt) | week(dt)
bigquery | extract(date FROM ts) | CAST(ts AS DATE)
bigquery | format_date('%Y-%m', dt) | strftime(dt, '%Y-%m')
bigquery | parse_date('%Y-%m-%d', v) | CAST(strptime(v, '%Y-%m-%d') AS DATE)
bigquery | safe_divide(i, j) | i / nullif(j, 0)
bigquery | safe_cast(v AS int64) | TRY_CAST(v AS BIGINT)
bigquery | regexp_contains(v, r'a+') | v ~ 'a+'
bigquery | log(f, 2) | log(2, f)
bigquery | log(f) | ln(f)
bigquery | date(2020, 1, 2) | make_date(2020, 1, 2)
bigquery | timestamp '2020-01-01 10:00:00' | TIMESTAMP '2020-01-01 10:00:00'
bigquery | CAST(v AS numeric) | v::DECIMAL(38, 9)
bigquery | "abc" | 'abc'
bigquery | starts_with(v, 'a') | starts_with(v, 'a')
spark | i / j | i / nullif(j, 0)
spark | datediff(du, dt) | date_diff('day', dt, du)
spark | datediff(MONTH, dt, du) | date_sub('month', dt, du)
spark | date_add(dt, 3) | CAST(dt + INTERVAL 3 DAY AS DATE)
spark | date_sub(dt, 3) | CAST(dt + INTERVAL (-3) DAY AS DATE)
spark | datediff(HOUR, ts, tt) | date_sub('hour', ts, tt)
spark | datediff(HOUR, to_date(ts), tt) | date_sub('hour', ts::DATE, tt)
spark | add_months(dt, 3) | CAST(dt + INTERVAL 3 MONTH AS DATE)
spark | trunc(dt, 'MM') | CAST(date_trunc('month', dt) AS DATE)
spark | dayofweek(dt) | dayofweek(dt) + 1
spark | weekday(dt) | isodow(dt) - 1
spark | date_format(ts, 'yyyy-MM') | strftime(ts, '%Y-%m')
tsql | CAST(2.7 AS int) | CAST(trunc(2.7) AS INTEGER)
spark | CAST(f AS int) | CAST(trunc(f) AS INTEGER)
spark | CAST(v AS int) | CAST(trunc(CAST(v AS DECIMAL(38, 19))) AS INTEGER)
spark | CAST(v AS decimal) | v::DECIMAL(10, 0)
spark | regexp_replace(v, '(a)b', '$1') | regexp_replace(v, '(a)b', '\\1', 'g')
spark | regexp_extract(v, '(a)b') | regexp_extract(v, '(a)b', 1)
spark | i <=> j | i IS NOT DISTINCT FROM j
databricks | datediff(DAY, ts, tt) | date_sub('day', ts, tt)
tsql | i / j | i // j
tsql | v + 'x' + w | v || 'x' || w
tsql | isnull(i, 0) | coalesce(i, 0)
tsql | iif(i > 1, 1, 2) | if(i > 1, 1, 2)
tsql | len(v) | length(rtrim(v))
tsql | datediff(day, ts, tt) | date_diff('day', ts, tt)
tsql | dateadd(month, -1, dt) | CAST(dt + INTERVAL (-1) MONTH AS DATE)
tsql | datepart(year, dt) | year(dt)
tsql | datepart(weekday, dt) | dayofweek(dt) + 1
tsql | charindex('x', v) | strpos(v, 'x')
tsql | convert(int, v) | CAST(v AS INTEGER)
tsql | CAST(v AS nvarchar(3)) | left(v, 3)
tsql | CAST(v AS float) | CAST(v AS DOUBLE)
spark | CAST(f AS float) | CAST(f AS REAL)
tsql | [i] | i
tsql | v LIKE 'x%' | v ILIKE 'x%'
tsql | log(f) | ln(f)
tsql | round(f, 2, 1) | trunc(f, 2)
tsql | format(dt, 'yyyy-MM') | strftime(dt, '%Y-%m')
tsql | choose(i, 'a', w) | CASE i WHEN 1 THEN 'a' WHEN 2 THEN w END
tsql | datefromparts(2020, i, 1) | make_date(2020, i, 1)
mysql | i / j | i / nullif(j, 0)
mysql | i DIV j | i // nullif(j, 0)
mysql | f DIV g | CAST(trunc(f // nullif(g, 0)) AS BIGINT)
mysql | datediff(du, dt) | date_diff('day', dt, du)
mysql | timestampdiff(MONTH, dt, du) | date_sub('month', dt, du)
mysql | date_add(dt, INTERVAL 3 DAY) | CAST(dt + INTERVAL 3 DAY AS DATE)
mysql | dayofweek(dt) | dayofweek(CAST(dt AS DATE)) + 1
mysql | week(dt, 3) | week(dt)
mysql | date_format(ts, '%Y-%m') | strftime(ts, '%Y-%m')
mysql | str_to_date(v, '%Y-%m-%d') | CAST(strptime(v, '%Y-%m-%d') AS DATE)
mysql | p || p | p OR p
mysql | length(v) | strlen(v)
mysql | char_length(v) | length(v)
mysql | v REGEXP 'a' | v ~* 'a'
mysql | v LIKE 'A%' | v ILIKE 'A%'
mysql | `i` | i
mysql | "abc" | 'abc'
mysql | truncate(f, 2) | trunc(f, 2)
mysql | CAST(v AS signed) | CAST(trunc(CAST(v AS DECIMAL(38, 19))) AS BIGINT)
mysql | if(p, 1, 2) | if(p, 1, 2)
trino | i / j | i // j
trino | date_diff('day', ts, tt) | date_sub('day', ts, tt)
trino | date_add('day', 3, dt) | CAST(dt + INTERVAL 3 DAY AS DATE)
trino | day_of_week(dt) | isodow(dt)
trino | date_format(ts, '%Y-%m') | strftime(ts, '%Y-%m')
trino | regexp_replace(v, '(a)', '$1$1') | regexp_replace(v, '(a)', '\\1\\1', 'g')
trino | v || w | v || w
trino | width_bucket(f, 0, 10, 5) | width_bucket(f, 0, 10, 5)
presto | CAST(v AS decimal) | v::DECIMAL(38, 0)
sqlite | i / j | i // j
sqlite | v LIKE 'a%' | v ILIKE 'a%'
sqlite | strftime('%Y', ts) | strftime(ts, '%Y')
sqlite | max(i, j) | CASE WHEN i IS NULL OR j IS NULL THEN NULL ELSE greatest(i, j) END
sqlite | i IS j | i IS NOT DISTINCT FROM j
"""

REFUSED = """
postgres | v::numeric | keeps them all
postgres | substring(v, -1, 2) | before the first
postgres | age(dt, du) | not read
tsql | datepart(week, dt) | first of January
bigquery | date_trunc(dt, WEEK(MOONDAY)) | no day of the week
mysql | week(dt, 1) | in this mode
snowflake | left(v, -2) | is none in snowflake
snowflake | dateadd(month, i, dt) | literal number
snowflake | haversine(f, f, f, f) | not read
snowflake | regexp_count(v, 'a{99999999999}') | literal pattern
postgres | substring(v from 'a{99999999999}') | a regular expression is a literal
tsql | v LIKE '[a-c]%' ESCAPE '!' | together are not read
tsql | convert(varchar(10), dt, 130) | style
postgres | to_char(i, '999') | formats of numbers
postgres | to_char(dt, 'WW') | not read
snowflake | to_char(dt, 'Day') | not read
spark | date_format(dt, 'u') | not read
tsql | format(dt, 'd') | not read
mysql | date_format(dt, '%D') | not read
spark | regexp_replace(v, 'a', '\\\\1') | backslash
sqlite | unixepoch(ts) | not read
tsql | datediff(dt, du) | not read in tsql
redshift | i = j (+) | LEFT JOIN
snowflake | i = j (+) | LEFT JOIN
oracle | i = j (+) | LEFT JOIN
oracle | trunc(dt, 'WW') | day of its own
"""


def lines(block: str) -> list[tuple[str, ...]]:
    rows = [tuple(part.strip() for part in line.split(" | ")) for line in block.strip().split("\n")]
    assert all(len(row) == 3 for row in rows)
    return rows


@pytest.mark.parametrize(("dialect", "theirs", "ours"), lines(SAME))
def test_same(dialect: str, theirs: str, ours: str) -> None:
    assert scalar(theirs, dialect) == scalar(ours, "duckdb")


@pytest.mark.parametrize(("dialect", "text", "reason"), lines(REFUSED))
def test_refused_with_its_reason(dialect: str, text: str, reason: str) -> None:
    with pytest.raises((QueryError, ScalarError), match=reason) as refused:
        scalar(text, dialect)
    if isinstance(refused.value, QueryError):
        assert refused.value.start is not None


def test_every_dialect_reads_what_all_share() -> None:
    text = "CASE WHEN i > 3 AND v LIKE 'a%' THEN upper(v) ELSE coalesce(w, 'x') END"
    found = {dialect: scalar(text, dialect) for dialect in DIALECTS if dialect not in ("mysql", "tsql", "sqlite")}
    assert len(set(found.values())) == 1


NOTS = ("v IS NOT NULL", "i NOT IN (1, 2)", "i NOT BETWEEN 1 AND 2", "v NOT LIKE 'a%'", "p IS NOT TRUE", "NOT p",
        "i IS NOT NULL AND NOT (i = 1 OR j <> 2)", "NOT (v IS NOT NULL)", "v IS NULL")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", NOTS)
def test_no_dialect_loses_a_not(text: str, dialect: str) -> None:
    """Evaluated over rows of all kinds, for a remark of a parser that is not looked at turns the meaning around."""
    ours = text.replace("LIKE", "ILIKE") if dialect in ("mysql", "tsql", "sqlite") else text
    rows = "(VALUES (1, 2, 'abc', TRUE), (3, NULL, 'xbc', FALSE), (NULL, 1, NULL, NULL)) AS t (i, j, v, p)"
    shown = scalars.to_sql(scalar(text, dialect), lambda column: exp.column(column.name)).sql("duckdb")
    assert duckdb.sql(f"SELECT {shown}, {ours} FROM {rows}").fetchall() == [
        (row[1], row[1]) for row in duckdb.sql(f"SELECT {shown}, {ours} FROM {rows}").fetchall()]


@pytest.mark.parametrize("dialect", ["db2", "", "DuckDBB", None])
def test_a_dialect_that_is_not_read(dialect: object) -> None:
    with pytest.raises(QueryError, match="is not read") as refused:
        read("SELECT 1", None, dialect)  # type: ignore[arg-type]
    assert "postgres" in str(refused.value.hint)


PARAMETERS = [
    ("duckdb", "ts > TIMESTAMP ?", ["2025-01-01 10:00:00"], "ts > TIMESTAMP '2025-01-01 10:00:00'"),
    ("duckdb", "dt > DATE ? + INTERVAL ? DAY", ["2025-01-01", 3], "dt > DATE '2025-01-01' + INTERVAL 3 DAY"),
    ("duckdb", "v LIKE ? ESCAPE ?", ["a!%", "!"], "v LIKE 'a!%' ESCAPE '!'"),
    ("duckdb", "date_trunc(?, dt)", ["month"], "date_trunc('month', dt)"),
    ("duckdb", "v ~ $1 OR i BETWEEN $2 AND $3", ["a+", -1, 2], "v ~ 'a+' OR i BETWEEN -1 AND 2"),
    ("duckdb", "i IN (?, ?) AND v = :name", {"1": 1, "2": 2, "name": "x"}, "i IN (1, 2) AND v = 'x'"),
    ("postgres", "v LIKE ?", ["a\\_"], "v LIKE 'a\\_' ESCAPE '\\'"),
    ("bigquery", "date_add(dt, INTERVAL @n DAY)", {"n": -3}, "CAST(dt + INTERVAL (-3) DAY AS DATE)"),
    ("tsql", "v LIKE @p", {"p": "a%"}, "v ILIKE 'a%'"),
    ("mysql", "i / ?", [2], "i / 2"),
    ("spark", "regexp_replace(v, '(a)', ?)", ["$1"], "regexp_replace(v, '(a)', '\\1', 'g')"),
    ("snowflake", "dateadd(day, ?, dt)", [3], "CAST(dt + INTERVAL 3 DAY AS DATE)"),
]


@pytest.mark.parametrize(("dialect", "text", "params", "ours"), PARAMETERS)
def test_parameters_stand_where_literals_do(dialect: str, text: str, params: list[object], ours: str) -> None:
    query = read(f"SELECT {text} FROM t", params, dialect)
    assert isinstance(query, exp.Select)
    assert build(query.expressions[0].unalias(), lambda node: Ref(COLUMNS[node.name.lower()])) == scalar(ours, "duckdb")


def test_a_parameter_is_looked_at_like_a_literal() -> None:
    with pytest.raises(QueryError, match="before the first"):
        read("SELECT substring(v, @p, 2) FROM t", {"p": -1}, "tsql")


@pytest.mark.parametrize(("dialect", "function"), [
    ("mysql", "substring_index({}, ',', 9)"), ("snowflake", "greatest({}, w)"), ("snowflake", "split({}, ',')[3]"),
    ("snowflake", "concat_ws('-', {}, w)"), ("tsql", "stuff({}, 2, 1, 'x')"), ("spark", "substring_index({}, '.', -3)"),
    ("snowflake", "decode({}, 'a', 'b', 'c', 'd')"), ("trino", "regexp_extract({}, 'a')"),
])
def test_what_is_copied_again_and_again_is_refused_in_time(dialect: str, function: str) -> None:
    """Each copies its argument: twelve deep they would be millions."""
    text = "v"
    for _ in range(12):
        text = function.format(text)
    started = time.process_time()
    try:
        read(f"SELECT {text} FROM t", None, dialect)
    except QueryError as error:
        assert "too long once it is written out" in error.reason
        assert error.start is not None
    assert time.process_time() - started < 5
