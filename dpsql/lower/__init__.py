"""lower: the analyst's tree to a Program of our own relations, every expression typed; anything else is refused."""

from __future__ import annotations

from sqlglot import exp

from dpsql.catalog import Catalog
from dpsql.lower.context import Context
from dpsql.lower.finish import lower_open
from dpsql.lower.question import output_name
from dpsql.program import Program

__all__ = ["lower"]


def lower(tree: exp.Query, catalog: Catalog) -> Program:
    """The questions of a query and the finish over what they release.

    Raises QueryError, pointing at the piece of the text, for whatever cannot be understood or may not be answered.
    """
    context = Context(catalog)
    finish = lower_open(tree, context, {})
    if isinstance(finish, exp.Select):
        finish.set("expressions", [_named(item) for item in finish.expressions])
    if context.ctes:
        finish.set("with_", exp.With(expressions=[
            exp.CTE(this=body, alias=exp.TableAlias(this=exp.to_identifier(name, True)))
            for name, body in context.ctes
        ]))
    return Program(tuple(context.asks), finish, tuple(context.public))


def _named(item: exp.Expr) -> exp.Expr:
    """A select item with its name made explicit, so that no printer chooses one."""
    if isinstance(item, exp.Alias | exp.Column | exp.Star):
        return item
    return exp.alias_(item, output_name(item), quoted=True)
