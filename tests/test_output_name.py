"""A select item without an alias is called what DuckDB calls it."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from dpsql.dialects import read
from dpsql.lower.named import named_windows
from dpsql.output_name import _KEYWORDS, output_name

ITEMS = """
COUNT(*); count( * ); COUNT(1); count(); COUNT(x); COUNT(DISTINCT x); SUM(X); sum( x ) + 1; SUM("x"); SUM(t.x)
MIN("day"); AVG(LENGTH(name)); round(avg(x),2); ROUND(x, -1); AVG((x-70)*2); SUM(x)/NULLIF(COUNT(*),0)
100.0*COUNT(*)/3; (COUNT(*)+1)*2; -x; -1; abs(-1); 1e3; 1.50; 'it''s'; TRUE; null; [1,2]; x*-1; (-1); ((x)); x%2
x//2; x**2; mod(x,3); pow(x,2); log10(x); log(x); log2(x); ln(x); CEILING(x); greatest(x,0); coalesce(x,0)
IFNULL(x,1); nullif(x,0); if(x>1,2,3); s||'!'; concat(s,x); CASE WHEN x=1 THEN 'a' ELSE 'b' END
CASE x WHEN 1 THEN 'a' END; SUM(CASE WHEN x>1 AND x<9 AND s='a' THEN 1 ELSE 0 END); x>1; x<>1; x != 1; x == 1
NOT x=1; x=1 OR x=2 AND s='a'; x IN (1,2); x NOT IN (1,2); x BETWEEN 1 AND 2; x NOT BETWEEN 1 AND 2; x IS NULL
x IS NOT NULL; x IS DISTINCT FROM 1; x IS NOT DISTINCT FROM 1; s LIKE 'a%'; s NOT LIKE 'a%'; s ILIKE 'a%'; x::INT
CAST(x AS INTEGER); x::BIGINT; x::DOUBLE; x::REAL; CAST(x AS FLOAT); x::DECIMAL(10,2); CAST(x AS NUMERIC)
s::VARCHAR; TRY_CAST(s AS INT); DATE '2024-01-01'; day::TIMESTAMP; year(day); EXTRACT(YEAR FROM day)
extract('month' from day); date_part('year',day); date_trunc('month',day)::DATE
date_diff('day',day,DATE '2025-01-01'); datediff('year',day,day); strftime(day,'%Y'); day + 1; monthname(day)
dayofweek(day); quarter(day); substring(s,1,2); substr(s,1,2); left(s,1); SUBSTRING(s FROM 1 FOR 1); trim(s)
replace(s,'a','b'); UPPER(s); regexp_matches(s,'a'); strpos(s,'a'); len(s); MEDIAN(x); QUANTILE_CONT(x,0.5)
quantile_cont(x,[0.25,0.5]); PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x DESC); VAR_SAMP(x); stddev_pop(x)
CORR(x,x); REGR_SLOPE(x,x); COUNT_IF(x>1); countif(x>1); SUM(x) FILTER (WHERE x>1); SUM(x) FILTER (x>1)
SUM(DISTINCT x); SUM(COUNT(*)) OVER (); RANK() OVER (ORDER BY x DESC NULLS FIRST, s); COUNT(*) OVER (PARTITION BY s)
LAG(x,1) OVER (PARTITION BY s ORDER BY day); SUM(x) OVER (ORDER BY day ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
SUM(x) OVER (ORDER BY day ROWS UNBOUNDED PRECEDING); x + (SELECT MAX(x) FROM t); (SELECT COUNT(*) FROM t)
mean(x); geomean(x); arbitrary(x)
x; "x"; t.x; AVG(x) AS "Mean"; approx_count_distinct(s); t."day"; SUM("a b")
"""


@pytest.fixture(scope="module")
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute('CREATE TABLE t (x INT, s VARCHAR, day DATE, name VARCHAR, "a b" INT)')
        yield connection


@pytest.mark.parametrize("item", [each.strip() for each in ITEMS.strip().replace("\n", ";").split(";")])
def test_is_duckdbs(item: str, plain: duckdb.DuckDBPyConnection) -> None:
    sql = f"SELECT {item} FROM t"
    assert [output_name(each) for each in read(sql).selects] == plain.sql(sql).columns


def test_a_window_by_name_is_called_by_the_whole_window(plain: duckdb.DuckDBPyConnection) -> None:
    sql = "SELECT SUM(x) OVER w FROM t WINDOW w AS (ORDER BY day)"
    assert [output_name(each) for each in named_windows(read(sql)).selects] == plain.sql(sql).columns


def test_what_is_quoted_is_a_keyword(plain: duckdb.DuckDBPyConnection) -> None:
    known = plain.sql("SELECT keyword_name FROM duckdb_keywords()").fetchall()
    assert {(word,) for word in _KEYWORDS} <= set(known)
