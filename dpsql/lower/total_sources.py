"""What the FROM of a finish shows, typed; its joins compare what has one type."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import INTEGER, NULL, Call, Column, Ref
from dpsql.lower.alike import refused_at
from dpsql.lower.scope import Scope, Visible, lookup, merged, renamed
from dpsql.parse import refusal
from dpsql.scalars.conversion import cast_fails
from dpsql.scalars.unify import cast, common, merge

if TYPE_CHECKING:
    from dpsql.lower.total import Block

def seen(node: exp.Expr, block: Block) -> Scope:
    """The columns that a source shows, with those joined to it in brackets."""
    match node:
        case exp.Table() if not node.args.get("db"):
            columns = block.finish.tables[node.name]
        case exp.Table():
            columns = block.finish.public(node)
        case exp.Subquery() if isinstance(node.this, exp.Table):
            return _beside(node, seen(node.this, block), block)
        case exp.Subquery():
            columns = block.finish.query(node.this, block)
        case exp.Values():
            columns = _values(node, block)
        case _:
            raise refusal("this kind of FROM is not answered", node, "name a table of the policy")
    alias = node.args.get("alias")
    names = tuple(each.name for each in alias.args.get("columns") or ()) if alias is not None else ()
    scope = tuple(Visible(None, c.name, Ref(replace(c, type=INTEGER) if c.type == NULL else c)) for c in columns)
    if names:
        scope = renamed(scope, node.alias_or_name, names, node)
    return _beside(node, tuple(replace(v, table=node.alias_or_name) for v in scope), block)


def _beside(node: exp.Expr, scope: Scope, block: Block) -> Scope:
    joins = node.args.get("joins")
    if not joins:
        return scope
    kept, block.scope = block.scope, scope
    for join in joins:
        joined(join, block)
    scope, block.scope = block.scope, kept
    return scope


def _values(node: exp.Values, block: Block) -> tuple[Column, ...]:
    rows = [[block.value(cell) for cell in row.expressions] for row in node.expressions]
    with refused_at(node):
        types = [common(cells) for cells in zip(*rows, strict=False)]
        for row, cells in zip(node.expressions, rows, strict=True):
            row.set("expressions", [block.sql(cast(cell, each)) for cell, each in zip(cells, types, strict=False)])
    return tuple(block.finish.typed(f"col{i}", each) for i, each in enumerate(types))


def joined(join: exp.Join, block: Block) -> None:
    """One more source in the scope of a block, its condition typed."""
    left, right = block.scope, seen(join.this, block)
    names = [each.name for each in join.args.get("using") or ()]
    if join.args.get("method") == "NATURAL":
        there = {v.name.lower() for v in left}
        names = [v.name for v in right if v.name.lower() in there]
    for name in names:
        _require_alike(lookup(exp.column(name), left)[:1] + lookup(exp.column(name), right)[:1], join)
    block.scope = left if join.args.get("kind") in ("SEMI", "ANTI") else merged(left, right, names)
    if (on := join.args.get("on")) is not None:
        kept, block.scope = block.scope, left + right
        join.set("on", block.condition(on))
        block.scope = kept


def _require_alike(both: list[Visible], place: exp.Expr) -> None:
    """USING compares columns as they are: both casts to the type they share must be sure."""
    if len(both) < 2:
        return
    types = [v.scalar.type for v in both]
    try:
        type_ = merge(*types)
        sure = not any(cast_fails(Call("cast", (v.scalar,), type_), (scalars.enforced(v.scalar),)) for v in both)
    except scalars.ScalarError:
        sure = False
    if not sure:
        raise refusal(f"the column {both[0].name} is {types[0]} on one side and {types[1]} on the other", place,
                      "join them ON, and write CAST(... AS ...)")
