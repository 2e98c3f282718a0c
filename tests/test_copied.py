"""A copy of a tree is equal, and nothing done to it is seen in the tree."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from dpsql.copied import copied
from dpsql.parse import parse

TEXTS = (
    "SELECT a, COUNT(*) FILTER (WHERE b > 1) AS n FROM t WHERE c IN (1, 2) AND EXISTS (SELECT 1 FROM u) GROUP BY ALL",
    "WITH x AS (SELECT 1 AS one) SELECT x.*, CAST(NULL AS DECIMAL(9, 2)), [1, 2][1] FROM x LEFT JOIN y USING (k)",
    "SELECT QUANTILE_CONT(a, [0.1, 0.9]) OVER (PARTITION BY b ORDER BY c ROWS 2 PRECEDING) FROM t QUALIFY a > 1",
    "SELECT INTERVAL 1 DAY + d FROM t UNION ALL SELECT DATE '2020-01-01' ORDER BY 1 NULLS FIRST",
)


def nodes(tree: exp.Expr) -> list[object]:
    return [(type(node), list(node.args), node.meta, node.comments, node.type) for node in tree.walk()]


@pytest.mark.parametrize("text", TEXTS)
def test_as_its_own_copy(text: str) -> None:
    tree = parse(text)
    again = copied(tree)
    assert again == tree == tree.copy() and again.sql("duckdb") == tree.sql("duckdb")
    assert nodes(again) == nodes(tree) and again.parent is None
    assert not {id(node) for node in again.walk()} & {id(node) for node in tree.walk()}
    assert all(child.parent is node for node in again.walk() for child in node.iter_expressions())


def test_apart_from_the_tree() -> None:
    tree = parse(TEXTS[0])
    text, before = tree.sql(), nodes(tree)
    again = copied(tree)
    for node in list(again.walk()):
        node.meta["start"] = -1
        if isinstance(node, exp.Column):
            node.replace(exp.null())
    again.append("expressions", exp.true())
    assert tree.sql() == text and nodes(tree) == before


def test_a_part_of_a_tree() -> None:
    where = sqlglot.parse_one(TEXTS[0]).args["where"]
    assert copied(where).parent is None and where.parent is not None
    assert copied(exp.cast("a", "DATE")).is_type("DATE")
