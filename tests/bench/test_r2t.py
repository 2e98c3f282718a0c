"""The runner of other people's queries: policies without bounds, texts without `ids`, errors by what is published."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.bench.r2t import main, plain, units

_MAKE = """
CREATE TABLE region AS SELECT i AS r_regionkey FROM range(2) AS t(i);
CREATE TABLE nation AS SELECT i AS n_nationkey, 'n' || i AS n_name, i % 2 AS n_regionkey FROM range(4) AS t(i);
CREATE TABLE part AS SELECT i AS p_partkey FROM range(20) AS t(i);
CREATE TABLE supplier AS SELECT i AS s_suppkey, i % 4 AS s_nationkey FROM range(20) AS t(i);
CREATE TABLE partsupp AS SELECT i AS ps_partkey, i AS ps_suppkey FROM range(20) AS t(i);
CREATE TABLE customer AS SELECT i AS c_custkey, i % 4 AS c_nationkey FROM range(2000) AS t(i);
CREATE TABLE orders AS SELECT i AS o_orderkey, i % 2000 AS o_custkey FROM range(6000) AS t(i);
CREATE TABLE lineitem AS SELECT i % 6000 AS l_orderkey, i % 20 AS l_suppkey, i % 20 AS l_partkey
    FROM range(9000) AS t(i);
"""
_IDS = ("select count(*) from ids as id1, ids as id2, customer, orders, nation where id1.i_id = customer.c_id and "
        "c_custkey = o_custkey and c_nationkey = n_nationkey and id2.i_id = orders.o_id group by n_name;")


def test_ids_are_taken_out_and_groups_told_apart() -> None:
    assert plain(_IDS) == ("SELECT COUNT(*), n_name FROM customer, orders, nation WHERE c_custkey = o_custkey AND "
                           "c_nationkey = n_nationkey GROUP BY n_name")
    assert plain("select count(*) from orders, customer where o_custkey = c_custkey;") == (
        "SELECT COUNT(*) FROM orders, customer WHERE o_custkey = c_custkey")


def test_units() -> None:
    assert units({"private": "customer+supplier"}) == ("customer", "supplier")
    assert units({"private": ["ids"], "sql": _IDS}) == ("customer", "orders")
    assert units({"private": ["node"]}) == () == units({})


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect(tmp_path / "small.duckdb") as connection:
        connection.execute(_MAKE)
    queries = tmp_path / "queries.json"
    queries.write_text(json.dumps([
        {"src": "x", "name": "ids", "sql": _IDS, "private": ["ids"], "rel_err_pct": {"2": 12.5}},
        {"src": "x", "name": "most", "sql": "select max(o_orderkey, 3) from orders;", "private": ["orders"]},
        {"src": "x", "name": "triangle", "sql": "select count(*) from edge;", "private": ["node"]},
    ]))
    assert main([str(queries), str(tmp_path / "small.duckdb"), "--epsilons", "2", "--runs", "5"]) == 0
    shown = capsys.readouterr().out.splitlines()
    customer, orders = (next(line for line in shown if f"ids ({unit})" in line) for unit in ("customer", "orders"))
    assert "12.5000" in customer and "4 of 4" in customer
    assert float(orders.split()[3]) < 5
    assert any("most (orders)" in line and "refused: MAX" in line for line in shown)
    assert any("triangle: passed over" in line for line in shown)
