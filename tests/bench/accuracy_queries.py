"""The queries of the accuracy table and the policies under which they are asked: no ranges, no limits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Question:
    """A query of one number: `largest` asks for the most that one unit adds; `most` is the median allowed, in percent
    (None: 2.25 times clipping at the true maximum, as the table allows)."""

    name: str
    sql: str
    largest: str
    policy: str
    most: float | None
    reference: str


_HEAD = """
version = "1"
unit = "{unit}"
[budget]
epsilon = 1e6
delta = 0.5
[query]
epsilon = 1.0
delta = 1e-6
"""
_PUBLIC = "".join(f"[tables.{name}]\npublic = true\nkeys = [\"{key}\"]\n"
                  for name, key in (("nation", "n_nationkey"), ("region", "r_regionkey"), ("part", "p_partkey")))
_CUSTOMER = """
[tables.customer]
unit = "c_custkey"
keys = ["c_custkey"]
{segments}
[tables.orders]
owner = "o_custkey -> customer.c_custkey"
keys = ["o_orderkey"]
[tables.lineitem]
owner = "l_orderkey -> orders.o_orderkey"
{flags}
[tables.supplier]
public = true
keys = ["s_suppkey"]
"""
_SUPPLIER = """
[tables.supplier]
unit = "s_suppkey"
keys = ["s_suppkey"]
[tables.lineitem]
owner = "l_suppkey -> supplier.s_suppkey"
[tables.partsupp]
owner = "ps_suppkey -> supplier.s_suppkey"
keys = [["ps_partkey", "ps_suppkey"]]
"""
_ORDERS = """
[tables.orders]
unit = "o_orderkey"
keys = ["o_orderkey"]
[tables.lineitem]
owner = "l_orderkey -> orders.o_orderkey"
"""
_SEGMENTS = 'columns.c_mktsegment = { values = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"] }'
_FLAGS = 'columns.l_returnflag = { values = ["A", "N", "R"] }\ncolumns.l_linestatus = { values = ["F", "O"] }'
_BARE = _HEAD.format(unit="customer") + _PUBLIC + _CUSTOMER

POLICIES = {
    "bare": _BARE.format(segments="", flags=""),
    "flags": _BARE.format(segments=_SEGMENTS, flags=_FLAGS),
    "supplier": _HEAD.format(unit="supplier") + _PUBLIC + _SUPPLIER,
    "orders": _HEAD.format(unit="orders") + _ORDERS,
    "small": _BARE.format(segments="", flags="").replace("epsilon = 1e6\ndelta = 0.5", "epsilon = 1\ndelta = 1e-5"),
}

_JOINED = "FROM customer, orders, lineitem WHERE o_custkey = c_custkey AND l_orderkey = o_orderkey"
_Q3 = f"{_JOINED} AND o_orderdate < DATE '1997-01-01' AND l_shipdate > DATE '1994-01-01'"
_Q6 = """FROM lineitem, orders WHERE l_orderkey = o_orderkey AND l_shipdate >= DATE '1994-01-01'
    AND l_shipdate < DATE '1995-01-01' AND l_discount BETWEEN 0.05 AND 0.07 AND l_quantity < 24"""
_Q5 = """FROM customer, orders, lineitem, supplier, nation, region WHERE s_suppkey = l_suppkey
    AND l_orderkey = o_orderkey AND o_custkey = c_custkey AND c_nationkey = n_nationkey AND n_nationkey = s_nationkey
    AND r_regionkey = n_regionkey"""
_Q8 = """FROM nation AS n1, nation AS n2, customer, orders, lineitem, supplier, region
    WHERE n1.n_nationkey = c_nationkey AND n2.n_nationkey = s_nationkey AND c_custkey = o_custkey
    AND o_orderkey = l_orderkey AND l_suppkey = s_suppkey AND n1.n_regionkey = r_regionkey
    AND o_orderdate >= DATE '1995-01-01' AND o_orderdate <= DATE '1996-12-31'"""
_Q11 = "FROM nation, supplier, partsupp WHERE ps_suppkey = s_suppkey AND s_nationkey = n_nationkey"
_Q20 = """FROM supplier, nation, partsupp, lineitem WHERE l_partkey = ps_partkey AND l_suppkey = ps_suppkey
    AND s_nationkey = n_nationkey AND s_suppkey = ps_suppkey"""


def _largest(value: str, rows: str, unit: str) -> str:
    return f"SELECT MAX(v) FROM (SELECT {value} AS v {rows} GROUP BY {unit})"


def _count(name: str, rows: str, unit: str, policy: str, most: float | None, reference: str) -> Question:
    return Question(name, f"SELECT COUNT(*) {rows}", _largest("COUNT(*)", rows, unit), policy, most, reference)


def _sum(
    name: str, what: str, rows: str, unit: str, policy: str, most: float | None, reference: str,
) -> Question:
    return Question(name, f"SELECT SUM({what}) {rows}", _largest(f"SUM({what})", rows, unit), policy, most, reference)


FIVE = (
    _count("Q3-like COUNT", _Q3, "c_custkey", "bare", 0.0045, "race-to-the-top 0.19 %"),
    _sum("Q18-like SUM(l_quantity)", "l_quantity", _JOINED, "c_custkey", "bare", 0.0045, "race-to-the-top 0.10 %"),
    _sum("Q6", "l_extendedprice * l_discount", _Q6, "o_custkey", "bare", 0.018, "race-to-the-top 0.73 %"),
    _count("Q10-like COUNT of orders", "FROM orders, customer, nation WHERE c_custkey = o_custkey AND c_nationkey = "
           "n_nationkey", "c_custkey", "bare", 0.0045, "race-to-the-top 0.156 %"),
    _count("COUNT of lineitem by suppliers", "FROM lineitem", "l_suppkey", "supplier", 0.018, "race-to-the-top 0.51 %"),
)
# of r2t_queries.json, at the units that a policy of one unit space can protect; the reference is theirs at epsilon 0.8
OTHERS = (
    _count("r2t Q5", _Q5, "c_custkey", "bare", None, "race-to-the-top 1.6 %"),
    _count("r2t Q8", _Q8, "c_custkey", "bare", None, "race-to-the-top 1.9 %"),
    _sum("r2t Q11", "ps_supplycost * ps_availqty / 1000000", _Q11, "s_suppkey", "supplier", None,
         "race-to-the-top 1.8 %"),
    _count("r2t Q12", "FROM orders, lineitem WHERE o_orderkey = l_orderkey", "o_orderkey", "orders", None,
           "race-to-the-top 0.023 %"),
    _count("r2t Q20", _Q20, "s_suppkey", "supplier", None, "race-to-the-top 0.58 %"),
)
Q1 = """
SELECT l_returnflag, l_linestatus, SUM(l_quantity) AS sum_qty, SUM(l_extendedprice) AS sum_base_price,
    SUM(l_extendedprice * (1 - l_discount)) AS sum_disc_price,
    SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS sum_charge, AVG(l_quantity) AS avg_qty,
    AVG(l_extendedprice) AS avg_price, AVG(l_discount) AS avg_disc, COUNT(*) AS count_order
FROM lineitem WHERE l_shipdate <= DATE '1998-12-01' - INTERVAL '90' DAY
GROUP BY l_returnflag, l_linestatus ORDER BY l_returnflag, l_linestatus"""
