"""lower: the analyst's tree to a Program of our own relations, every expression typed; anything else is refused."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from dpsql.catalog import Catalog
from dpsql.lower.context import Context
from dpsql.lower.finish import admitted, lower_open
from dpsql.lower.flatten import flattened
from dpsql.lower.scope import output_name
from dpsql.parse import refusal
from dpsql.program import Program

__all__ = ["lower"]


def lower(tree: exp.Query, catalog: Catalog) -> Program:
    """The questions of a query and the finish over what they release.

    Raises QueryError, pointing at the piece of the text, for whatever cannot be understood or may not be answered.
    """
    context = Context(catalog)
    finish = lower_open(tree, context, {})
    if context.ctes:
        finish.set("with_", exp.With(expressions=[
            exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name, True)))
            for name, body in context.ctes
        ]))
    if isinstance(finish, exp.Select):
        finish.set("expressions", [_named(item) for item in finish.expressions])
    return Program(tuple(context.asks), _spelled(flattened(finish)), tuple(context.public))


def _spelled(finish: exp.Query) -> exp.Query:
    """The finish as its own text is read: IF is CASE then, and the like. Every piece passes the allow-list again."""
    try:
        trees = sqlglot.parse(finish.sql("duckdb", comments=False, unsupported_level=ErrorLevel.RAISE), read="duckdb")
    except (SqlglotError, RecursionError):
        raise refusal("this cannot be written down for the engine", finish, "write it another way") from None
    tree = trees[0] if len(trees) == 1 else None
    tables = {(table.db, table.name) for table in finish.find_all(exp.Table)}
    if not isinstance(tree, exp.Query) or any(
        not admitted(node) or (isinstance(node, exp.Table) and (node.db, node.name) not in tables)
        for node in tree.walk()
    ):
        raise refusal("this is read in another way than it is written", finish, "write it another way")
    return tree


def _named(item: exp.Expr) -> exp.Expr:
    """A select item with its name made explicit, so that no printer chooses one."""
    if isinstance(item, exp.Alias | exp.Column | exp.Star):
        return item
    return exp.alias_(item, output_name(item), quoted=True)
