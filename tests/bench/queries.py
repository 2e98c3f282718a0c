"""Ten TPC-H queries, each with the bounded SQL a careful person would write by hand for it.

By hand: the owner's join, one row per customer and group, each customer's partial clipped, then the totals. No noise.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """A query as an analyst writes it, and bounded by hand; `double` asks the database with DOUBLE columns."""

    name: str
    sql: str
    hand: str
    double: bool = False


def _clip(partial: str, top: int) -> str:
    return f"SUM(CASE WHEN {partial} > {top} THEN {top} WHEN {partial} < 0 THEN 0 ELSE {partial} END)"


_Q1 = """
SELECT l_returnflag, l_linestatus, SUM(l_quantity) AS sum_qty, SUM(l_extendedprice) AS sum_base_price,
    SUM(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
    SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, AVG(l_quantity) AS avg_qty,
    AVG(l_extendedprice) AS avg_price, AVG(l_discount) AS avg_disc, COUNT(*) AS count_order
FROM lineitem WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY
GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"""
_Q1_HAND = f"""
SELECT l_returnflag, l_linestatus, {_clip('q', 10_000)}, {_clip('p', 21_000_000)}, {_clip('d', 21_000_000)},
    {_clip('c', 23_000_000)}, {_clip('s', 20)}, {_clip('n', 200)}, COUNT(*)
FROM (
    SELECT o_custkey, l_returnflag, l_linestatus, SUM(l_quantity) AS q, SUM(l_extendedprice) AS p,
        SUM(l_extendedprice * (1 - l_discount)) AS d, SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS c,
        SUM(l_discount) AS s, COUNT(*) AS n
    FROM lineitem JOIN orders ON l_orderkey = o_orderkey
    WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY
    GROUP BY o_custkey, l_returnflag, l_linestatus)
GROUP BY l_returnflag, l_linestatus"""

_Q5_BODY = """
    FROM customer, orders, lineitem, supplier, nation, region
    WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey AND c_nationkey = s_nationkey
        AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'ASIA'
        AND o_orderdate >= DATE '1994-01-01' AND o_orderdate < DATE '1994-01-01' + INTERVAL '1' YEAR"""
_Q6_WHERE = """l_shipdate >= DATE '1994-01-01' AND l_shipdate < DATE '1994-01-01' + INTERVAL '1' YEAR
        AND l_discount BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 AND l_quantity < 24"""
_Q12_WHERE = """o_orderkey = l_orderkey AND l_shipmode IN ('MAIL', 'SHIP') AND l_commitdate < l_receiptdate
        AND l_shipdate < l_commitdate AND l_receiptdate >= DATE '1994-01-01'
        AND l_receiptdate < DATE '1994-01-01' + INTERVAL '1' YEAR"""
_HIGH = "SUM(CASE WHEN o_orderpriority = '1-URGENT' OR o_orderpriority = '2-HIGH' THEN 1 ELSE 0 END)"
_LOW = "SUM(CASE WHEN o_orderpriority <> '1-URGENT' AND o_orderpriority <> '2-HIGH' THEN 1 ELSE 0 END)"
_Q14_WHERE = """l_partkey = p_partkey AND l_shipdate >= DATE '1995-09-01'
        AND l_shipdate < DATE '1995-09-01' + INTERVAL '1' MONTH"""
_REVENUE = "SUM(l_extendedprice * (1 - l_discount))"
_PROMO = "SUM(CASE WHEN p_type LIKE 'PROMO%' THEN l_extendedprice * (1 - l_discount) ELSE 0 END)"

QUERIES = (
    Query("Q1", _Q1, _Q1_HAND),
    Query("Q1 DOUBLE", _Q1, _Q1_HAND, double=True),
    Query(
        "Q5",
        f"SELECT n_name, {_REVENUE} AS revenue {_Q5_BODY} GROUP BY n_name ORDER BY revenue DESC",
        f"SELECT n_name, {_clip('r', 21_000_000)} FROM (SELECT o_custkey, n_name, {_REVENUE} AS r {_Q5_BODY} "
        "GROUP BY o_custkey, n_name) GROUP BY n_name",
    ),
    Query(
        "Q6",
        f"SELECT SUM(l_extendedprice * l_discount) AS revenue FROM lineitem WHERE {_Q6_WHERE}",
        f"SELECT {_clip('r', 2_100_000)} FROM (SELECT o_custkey, SUM(l_extendedprice * l_discount) AS r "
        f"FROM lineitem JOIN orders ON l_orderkey = o_orderkey WHERE {_Q6_WHERE} GROUP BY o_custkey)",
    ),
    Query(
        "Q12",
        f"SELECT l_shipmode, {_HIGH} AS high_line_count, {_LOW} AS low_line_count FROM orders, lineitem "
        f"WHERE {_Q12_WHERE} GROUP BY l_shipmode ORDER BY l_shipmode",
        f"SELECT l_shipmode, {_clip('h', 200)}, {_clip('l', 200)} FROM (SELECT o_custkey, l_shipmode, {_HIGH} AS h, "
        f"{_LOW} AS l FROM orders, lineitem WHERE {_Q12_WHERE} GROUP BY o_custkey, l_shipmode) GROUP BY l_shipmode",
    ),
    Query(
        "Q14",
        f"SELECT 100.00 * {_PROMO} / {_REVENUE} AS promo_revenue FROM lineitem, part WHERE {_Q14_WHERE}",
        f"SELECT {_clip('a', 21_000_000)}, {_clip('b', 21_000_000)} FROM (SELECT o_custkey, {_PROMO} AS a, "
        f"{_REVENUE} AS b FROM lineitem, part, orders WHERE {_Q14_WHERE} AND l_orderkey = o_orderkey "
        "GROUP BY o_custkey)",
    ),
    Query("COUNT", "SELECT COUNT(*) AS n FROM customer", "SELECT COUNT(*) FROM customer"),
    Query(
        "SUM",
        "SELECT SUM(c_acctbal) AS s FROM customer",
        "SELECT SUM(CASE WHEN c_acctbal > 10000 THEN 10000 WHEN c_acctbal < -1000 THEN -1000 ELSE c_acctbal END) "
        "FROM customer",
    ),
    Query(
        "segments",
        "SELECT c_mktsegment, COUNT(*) AS n FROM customer GROUP BY c_mktsegment",
        "SELECT c_mktsegment, COUNT(*) FROM customer GROUP BY c_mktsegment",
    ),
    Query(
        "priorities",
        "SELECT o_orderpriority, COUNT(*) AS n FROM orders GROUP BY o_orderpriority",
        f"SELECT o_orderpriority, {_clip('n', 50)}, COUNT(*) FROM (SELECT o_custkey, o_orderpriority, COUNT(*) AS n "
        "FROM orders GROUP BY o_custkey, o_orderpriority) GROUP BY o_orderpriority",
    ),
    Query(
        "1e5 groups",
        "SELECT l_partkey, COUNT(*) AS n FROM lineitem WHERE l_partkey <= 100000 GROUP BY l_partkey",
        # ten parts of each customer: the cap by a hash of customer and part, as dpsql caps
        f"""
        SELECT l_partkey, {_clip('n', 200)}, COUNT(*)
        FROM (
            SELECT o_custkey, l_partkey, n FROM (
                SELECT o_custkey, l_partkey, COUNT(*) AS n FROM lineitem JOIN orders ON l_orderkey = o_orderkey
                WHERE l_partkey <= 100000 GROUP BY o_custkey, l_partkey)
            QUALIFY ROW_NUMBER() OVER (PARTITION BY o_custkey ORDER BY hash(o_custkey, l_partkey), l_partkey) <= 10)
        GROUP BY l_partkey""",
    ),
)
