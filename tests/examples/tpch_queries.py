"""Questions of the TPC-H schema, one for each construct of the benchmark's 22, and what becomes of each.

`private`: answered with noise; `public`: exact and free; `refuse`: each group would be one customer's.
"""

from __future__ import annotations

QUERIES: dict[str, tuple[str, str]] = {
    "01 many aggregates by two public columns": ("private", """
        SELECT l_returnflag AS flag, l_linestatus AS status, SUM(l_quantity) AS items, AVG(l_discount) AS discount,
            SUM(l_extendedprice * (1 - l_discount) * (1 + l_tax)) AS paid, COUNT(*) AS lines
        FROM lineitem WHERE l_shipdate <= DATE '1998-09-30' - INTERVAL '60' DAY
        GROUP BY l_returnflag, l_linestatus ORDER BY 1, 2"""),
    "02 the least of each part, public": ("public", """
        SELECT s_name, p_partkey, n_name FROM part, supplier, partsupp, nation
        WHERE p_partkey = ps_partkey AND s_suppkey = ps_suppkey AND s_nationkey = n_nationkey AND p_size < 4
            AND ps_supplycost = (SELECT MIN(other.ps_supplycost) FROM partsupp other WHERE other.ps_partkey = p_partkey)
        ORDER BY p_partkey, s_name LIMIT 40"""),
    "03 a row for each order": ("refuse", """
        SELECT o_orderkey, SUM(l_quantity) AS items FROM customer, orders, lineitem
        WHERE c_custkey = o_custkey AND o_orderkey = l_orderkey AND c_mktsegment = 'MACHINERY' GROUP BY o_orderkey"""),
    "04 EXISTS along the path": ("private", """
        SELECT o_orderstatus, COUNT(*) AS n FROM orders WHERE o_orderdate >= DATE '1995-01-01' AND EXISTS
            (SELECT * FROM lineitem WHERE l_orderkey = o_orderkey AND l_shipdate > l_commitdate)
        GROUP BY o_orderstatus ORDER BY o_orderstatus"""),
    "05 buyers and sellers of one country": ("private", """
        SELECT n_name, SUM(l_extendedprice) AS sold FROM customer, orders, lineitem, supplier, nation, region
        WHERE c_custkey = o_custkey AND l_orderkey = o_orderkey AND l_suppkey = s_suppkey AND c_nationkey = s_nationkey
            AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'AFRICA'
        GROUP BY n_name ORDER BY sold DESC"""),
    "06 one sum": ("private", """
        SELECT SUM(l_extendedprice * l_tax) AS tax FROM lineitem
        WHERE l_shipdate BETWEEN DATE '1993-02-01' AND DATE '1993-12-31' AND l_quantity < 30"""),
    "07 a public table twice": ("private", """
        SELECT seller, buyer, year, SUM(price) AS sold FROM (
            SELECT s.n_name AS seller, c.n_name AS buyer, EXTRACT(YEAR FROM o_orderdate) AS year,
                l_extendedprice AS price
            FROM supplier, lineitem, orders, customer, nation s, nation c
            WHERE s_suppkey = l_suppkey AND o_orderkey = l_orderkey AND c_custkey = o_custkey
                AND s_nationkey = s.n_nationkey AND c_nationkey = c.n_nationkey
                AND ((s.n_name = 'CHINA' AND c.n_name = 'INDIA') OR (s.n_name = 'INDIA' AND c.n_name = 'CHINA'))
                AND o_orderdate BETWEEN DATE '1993-01-01' AND DATE '1995-12-31') AS trade
        GROUP BY seller, buyer, year ORDER BY 1, 2, 3"""),
    "08 a share": ("private", """
        SELECT year, SUM(CASE WHEN seller = 'KENYA' THEN price ELSE 0 END) / SUM(price) AS share FROM (
            SELECT EXTRACT(YEAR FROM o_orderdate) AS year, l_extendedprice AS price, n_name AS seller
            FROM part, supplier, lineitem, orders, nation, region
            WHERE p_partkey = l_partkey AND s_suppkey = l_suppkey AND l_orderkey = o_orderkey
                AND s_nationkey = n_nationkey AND n_regionkey = r_regionkey AND r_name = 'AFRICA'
                AND o_orderdate < DATE '1995-01-01' AND p_size > 10) AS sales
        GROUP BY year ORDER BY year"""),
    "09 profit, with a composite key": ("private", """
        SELECT n_name, SUM(l_extendedprice - ps_supplycost * l_quantity) AS profit
        FROM part, supplier, lineitem, partsupp, nation
        WHERE s_suppkey = l_suppkey AND ps_suppkey = l_suppkey AND ps_partkey = l_partkey AND p_partkey = l_partkey
            AND s_nationkey = n_nationkey AND p_name LIKE '%blue%' GROUP BY n_name ORDER BY n_name"""),
    "10 a row for each customer": ("refuse", """
        SELECT c_custkey, c_name, SUM(o_totalprice) AS spent FROM customer, orders
        WHERE c_custkey = o_custkey GROUP BY c_custkey, c_name ORDER BY spent DESC LIMIT 20"""),
    "11 above a share of all, public": ("public", """
        SELECT ps_partkey, SUM(ps_availqty) AS stock FROM partsupp, supplier, nation
        WHERE ps_suppkey = s_suppkey AND s_nationkey = n_nationkey AND n_name = 'JAPAN' GROUP BY ps_partkey
        HAVING SUM(ps_availqty) > (SELECT AVG(ps_availqty) * 1.5 FROM partsupp) ORDER BY stock DESC, ps_partkey"""),
    "12 counted by CASE": ("private", """
        SELECT l_shipmode, SUM(CASE WHEN o_orderpriority IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) AS pressing,
            SUM(CASE WHEN o_orderpriority NOT IN ('1-URGENT', '2-HIGH') THEN 1 ELSE 0 END) AS other
        FROM orders, lineitem WHERE o_orderkey = l_orderkey AND l_shipmode IN ('AIR', 'RAIL')
            AND l_receiptdate < l_commitdate GROUP BY l_shipmode ORDER BY l_shipmode"""),
    "13 a histogram of counts": ("private", """
        SELECT many, COUNT(*) AS customers FROM (
            SELECT c_custkey, COUNT(o_orderkey) FROM customer LEFT JOIN orders
            ON c_custkey = o_custkey AND o_comment NOT LIKE '%pending%' GROUP BY c_custkey) AS each (who, many)
        GROUP BY many ORDER BY customers DESC, many"""),
    "14 a percentage": ("private", """
        SELECT 100.0 * SUM(CASE WHEN p_type LIKE 'SMALL%' THEN l_extendedprice ELSE 0 END)
            / SUM(l_extendedprice) AS small
        FROM lineitem, part WHERE l_partkey = p_partkey AND l_shipdate >= DATE '1994-01-01'"""),
    "15 a CTE beside its own maximum": ("private", """
        WITH sold AS (SELECT l_suppkey AS seller, SUM(l_extendedprice) AS total FROM lineitem
            WHERE l_shipdate >= DATE '1996-01-01' GROUP BY seller)
        SELECT s_suppkey, s_name, total FROM supplier, sold
        WHERE s_suppkey = seller AND total = (SELECT MAX(total) FROM sold) ORDER BY s_suppkey"""),
    "16 NOT IN, public": ("public", """
        SELECT p_brand, COUNT(DISTINCT ps_suppkey) AS sellers FROM partsupp, part WHERE p_partkey = ps_partkey
            AND p_size IN (7, 8, 9) AND ps_suppkey NOT IN (SELECT s_suppkey FROM supplier WHERE s_acctbal < 0)
        GROUP BY p_brand ORDER BY sellers DESC, p_brand"""),
    "17 below a correlated average": ("private", """
        SELECT SUM(l_extendedprice) / 52.0 AS weekly FROM lineitem, supplier
        WHERE s_suppkey = l_suppkey AND s_acctbal > 0
            AND l_quantity < (SELECT 0.4 * AVG(l_quantity) FROM lineitem WHERE l_suppkey = s_suppkey)"""),
    "18 large orders, each shown": ("refuse", """
        SELECT c_name, o_orderkey, SUM(l_quantity) AS items FROM customer, orders, lineitem WHERE o_orderkey IN
            (SELECT l_orderkey FROM lineitem GROUP BY l_orderkey HAVING SUM(l_quantity) > 250)
            AND c_custkey = o_custkey AND o_orderkey = l_orderkey GROUP BY c_name, o_orderkey"""),
    "19 one of several conditions on a public table": ("private", """
        SELECT SUM(l_extendedprice) AS sold FROM lineitem, part WHERE
            (p_partkey = l_partkey AND p_size BETWEEN 1 AND 9 AND l_quantity < 20 AND l_shipmode IN ('AIR', 'REG AIR'))
            OR (p_partkey = l_partkey AND p_brand = 'Brand#41' AND l_quantity >= 20)"""),
    "20 IN within IN, and a correlated sum": ("private", """
        SELECT s_name FROM supplier, nation WHERE s_nationkey = n_nationkey AND n_name < 'EGYPT' AND s_suppkey IN (
            SELECT ps_suppkey FROM partsupp WHERE ps_partkey IN (SELECT p_partkey FROM part WHERE p_name LIKE 'a%')
            AND 2 * ps_availqty > (SELECT 0.8 * SUM(l_quantity) FROM lineitem WHERE l_suppkey = ps_suppkey))
        ORDER BY s_name"""),
    "21 EXISTS and NOT EXISTS of the same order": ("private", """
        SELECT n_name, COUNT(*) AS waits FROM supplier, lineitem late, orders, nation
        WHERE s_suppkey = late.l_suppkey AND o_orderkey = late.l_orderkey AND o_orderstatus = 'F'
            AND late.l_receiptdate > late.l_commitdate AND s_nationkey = n_nationkey
            AND EXISTS (SELECT * FROM lineitem o WHERE o.l_orderkey = late.l_orderkey AND o.l_suppkey <> late.l_suppkey)
            AND NOT EXISTS (SELECT * FROM lineitem o WHERE o.l_orderkey = late.l_orderkey
                AND o.l_suppkey <> late.l_suppkey AND o.l_receiptdate > o.l_commitdate)
        GROUP BY n_name ORDER BY n_name"""),
    "22 above the average, in two stages": ("private", """
        SELECT prefix, COUNT(*) AS n, SUM(c_acctbal) AS balance FROM (
            SELECT SUBSTRING(c_phone FROM 1 FOR 2) AS prefix, c_acctbal FROM customer
            WHERE SUBSTRING(c_phone FROM 1 FOR 2) IN ('10', '20', '30')
                AND c_acctbal > (SELECT AVG(c_acctbal) FROM customer WHERE c_acctbal > 0)
                AND NOT EXISTS (SELECT * FROM orders WHERE o_custkey = c_custkey)) AS idle
        GROUP BY prefix ORDER BY prefix"""),
}
