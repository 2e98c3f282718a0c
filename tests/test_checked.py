"""What is printed is parsed again and compared, also where it is said what the tree was read from."""

from __future__ import annotations

import pytest
import sqlglot
from sqlglot import exp

from dpsql.errors import InternalError
from dpsql.render import checked


def test_a_tree_and_its_text() -> None:
    text = 'SELECT "t"."a" AS "b" FROM "t" AS "t"'
    tree = sqlglot.parse_one(text, read="duckdb")
    assert checked(tree) == checked(tree, text) == checked(tree, "SELECT 1") == text


def test_a_tree_that_changed_since_it_was_read() -> None:
    text = 'SELECT "t"."a" AS "b" FROM "t" AS "t"'
    tree = sqlglot.parse_one(text, read="duckdb")
    tree.expressions[0].this.replace(exp.Var(this='"t"."a" + 1'))
    with pytest.raises(InternalError, match="mean"):
        checked(tree, text)
    tree.expressions[0].this.replace(exp.Var(this="FROM ("))
    with pytest.raises(InternalError, match="parse"):
        checked(tree, text)
