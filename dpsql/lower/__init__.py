"""lower: the analyst's tree to a Program of our own relations, every expression typed; anything else is refused."""

from __future__ import annotations

from dataclasses import replace

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from dpsql.catalog import Catalog
from dpsql.expression import Column
from dpsql.lower.context import Context, Describe, Env
from dpsql.lower.feeds import Stages
from dpsql.lower.finish import admitted, lower_open
from dpsql.lower.flatten import flattened
from dpsql.lower.named import named_windows
from dpsql.lower.pivots import pivoted
from dpsql.lower.released import released
from dpsql.lower.total import total
from dpsql.parse import refusal
from dpsql.program import Program
from dpsql.render import checked
from dpsql.trial import tried

__all__ = ["Describe", "lower"]


def lower(tree: exp.Query, catalog: Catalog, describe: Describe) -> Program:
    """The questions of a query, what they feed to one another, and the finish over what they release.

    Raises QueryError, pointing at the piece of the text, for whatever cannot be understood or may not be answered.
    """
    context = Context(catalog)
    context.stages = Stages(context, _opened, describe)
    finish = _opened(named_windows(pivoted(tree, catalog)), context, {})
    feeds = []
    for feed in context.feeds:
        query, sql = _spelled(feed.query)
        feeds.append(replace(feed, query=query, sql=sql))
    return Program(tuple(context.asks), *_spelled(flattened(finish)), tuple(context.public), tuple(feeds))


def _opened(query: exp.Query, context: Context, env: Env) -> exp.Query:
    """The finish of a query that stands for itself: with every WITH name that was read so far."""
    finish = lower_open(query, context, env)
    if context.ctes:
        finish.set("with_", exp.With(expressions=[
            exp.CTE(this=body.copy(), alias=exp.TableAlias(this=exp.to_identifier(name, True)))
            for name, body in context.ctes
        ]))
    return total(finish, {ask.name: released(ask) for ask in context.asks}, lambda table: _public(table, context))


def _public(table: exp.Table, context: Context) -> tuple[Column, ...]:
    """The columns of a public table, as the finish's database names it."""
    path = (table.db, table.name)
    schema = next(found for name in context.public if (found := context.catalog.table(name)).path[1:] == path)
    return tuple(Column(0, c.name, c.type) for c in schema.columns if c.type is not None)


def _spelled(finish: exp.Query) -> tuple[exp.Query, str]:
    """The finish as its own text is read: IF is CASE then, and the like; and the text that says so. Every piece passes
    the allow-list again."""
    tables = {(table.db, table.name) for table in finish.find_all(exp.Table)}
    try:
        text = finish.sql("duckdb", copy=False, comments=False, unsupported_level=ErrorLevel.RAISE)
        trees = tried(sqlglot.parse, text, "duckdb")
    except (SqlglotError, RecursionError):
        raise refusal("this cannot be written down for the engine", finish, "write it another way") from None
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, exp.Query) or any(
        not admitted(node) or (isinstance(node, exp.Table) and (node.db, node.name) not in tables)
        for node in tree.walk()
    ):
        raise refusal("this is read in another way than it is written", finish, "write it another way")
    return tree, checked(tree, text)
