"""Expressions of DuckDB written as text, with holes for the pieces of a query."""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp

_WHOLE = (exp.Column, exp.Literal, exp.Paren, exp.Func, exp.Null, exp.Boolean, exp.Interval)


def made(text: str, **pieces: exp.Expr) -> exp.Expr:
    """The expression that `text` is in DuckDB's SQL; a column named as a piece stands for that piece."""
    tree = _read(text).copy()
    for hole in list(tree.find_all(exp.Column)):
        piece = pieces[hole.name].copy()
        kept = isinstance(piece, _WHOLE) and not isinstance(piece, exp.Connector | exp.Case)
        hole.replace(piece if kept else exp.Paren(this=piece))
    return exp.Paren(this=tree) if isinstance(tree, exp.Binary) else tree


@cache
def _read(text: str) -> exp.Expr:
    tree: exp.Expr = sqlglot.parse_one(text, read="duckdb")
    for node in tree.walk():
        node.meta.clear()           # places of this text, not of the query's
    return tree
