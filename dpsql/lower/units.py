"""Which groupings are by unit: blocks that group owned rows that way stay owned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from sqlglot import exp

from dpsql.errors import QueryError
from dpsql.expression import NULL, Column, Lit, Ref, Scalar
from dpsql.facts.equalities import classes
from dpsql.facts.public import null_extended
from dpsql.lower.context import Context, Env
from dpsql.lower.joins import Block, Group, Outer
from dpsql.lower.rows import Rows, build, is_star, lower_from, lower_where
from dpsql.lower.scope import Scope, Visible, expand
from dpsql.lower.sources import extended, grouped_by
from dpsql.output_name import output_name
from dpsql.relation import Fed, Relation, Scan, columns_out

if TYPE_CHECKING:
    from dpsql.lower.feeds import Stages


def names_units(keys: list[Scalar], group: Group, context: Context) -> bool:
    """Whether equal values of the keys are always those of one unit: one of them names it, or they hold a key that
    holds. Only meaning rests on this: the owner is always added to the keys below the noise."""
    found = {key.column.id: key.column for key in keys if isinstance(key, Ref)}
    for equal in classes(group.conjuncts):
        if not found.keys().isdisjoint(equal):
            found |= equal
    return any(_item_names(item, found, context) for item in group.items)


def _item_names(item: object, keys: dict[int, Column], context: Context) -> bool:
    match item:
        case Block(relation, owner):
            return owner is not None and (owner.id in keys or _shows_key(relation, keys, context))
        case Outer(left, _, _, _):
            return names_units([Ref(column) for column in keys.values()], left, context)
        case Scan(table, columns) if not context.catalog.rules(table).public:
            named = {column.source for column in columns if column.id in keys}
            path = context.catalog.rules(table).owner
            leads = path is not None and path.column in named and (
                context.catalog.carries(table) is not None or (path.key,) in context.catalog.keys.get(path.table, ())
            )
            return leads or context.catalog.rules(table).unit in named or any(
                set(key) <= named for key in context.catalog.keys.get(table, ())
            )
        case _:
            return False


def _shows_key(relation: Relation, keys: dict[int, Column], context: Context) -> bool:
    """Whether one of the keys is a column of a derived table that says whose a row is, by itself and in every row."""
    loose = frozenset(null_extended(relation))
    shown = {column for column in columns_out(relation) if column.id in keys and column.id not in loose}
    return any(
        column.table is not None and not context.catalog.rules(column.table).public
        and _item_names(Scan(column.table, (column,)), keys, context) for column in shown
    )


def stays_owned(select: exp.Select, context: Context, env: Env) -> bool:
    """Whether a block that groups owned rows, or takes DISTINCT ones, does so by unit. Remembered by the block."""
    if id(select) not in context.by_unit:
        context.by_unit[id(select)] = (select, _by_unit(select, context, env))
    return context.by_unit[id(select)][1]


def _by_unit(select: exp.Select, context: Context, env: Env) -> bool:
    if not select.args.get("group") and not select.args.get("distinct"):
        return False
    trial = replace(context, asks=[], feeds=[], ctes=[], emitted={}, public={}, stages=cast("Stages", _Names(context)))
    try:
        rows = lower_from(select, trial, extended(select, trial, env))
        simple = _without_queries(select)
        rows = lower_where(rows, simple)
        keys = [scalar for _, scalar in keys_of(simple, rows.scope)]
    except QueryError:
        return False        # whatever is wrong is said when the block is read
    return names_units(keys, rows.group, context)


@dataclass(frozen=True, slots=True)
class _Names:
    """Stages of a trial, which needs the names that a block shows and whose its rows are, and nothing else."""

    context: Context        # as `Context.probe` expects of stages

    def fed_rows(self, query: exp.Query, env: Env, place: exp.Expr) -> Rows:
        """The names of a released block, each standing for nothing."""
        while isinstance(query, exp.SetOperation | exp.Subquery):
            query = query.this
        names = [output_name(item) for item in query.expressions if not is_star(item)]
        return Rows(Group((Fed("", ()),)), tuple(Visible(None, name, Lit(None, NULL)) for name in names))

    def embedded(self, select: exp.Select, rows: Rows, env: Env) -> tuple[exp.Select, Rows]:
        """A block whose subqueries are NULL."""
        return _without_queries(select), rows


def _without_queries(select: exp.Select) -> exp.Select:
    """A copy of a block whose own expressions hold NULL where they asked a query."""
    copied = select.copy()
    parts = [*copied.expressions, *(copied.args.get(name) for name in ("where", "group", "having"))]
    for part in parts:
        for node in list(part.find_all(exp.Exists, exp.In, exp.Subquery)) if part is not None else ():
            if not isinstance(node, exp.In) or node.args.get("query") is not None:
                node.replace(exp.Null())
    return copied


def keys_of(select: exp.Select, scope: Scope) -> list[tuple[exp.Expr, Scalar]]:
    """What a block groups by: GROUP BY, or all that DISTINCT shows."""
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    return [(node, build(node, scope, aliases)) for node in grouped_by(select)] or [
        (item, v.scalar) for item in select.expressions for v in _shown(item, scope)
    ]


def _shown(item: exp.Expr, scope: Scope) -> list[Visible]:
    if is_star(item):
        return [Visible(None, v.name, v.scalar) for v in expand(item, scope)]
    return [Visible(None, output_name(item), build(item.this if isinstance(item, exp.Alias) else item, scope))]
