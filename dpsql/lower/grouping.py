"""Groupings that SQL writes in short: ROLLUP, CUBE and GROUPING SETS as the UNION ALL of what they mean, and
SELECT DISTINCT over people as the groups it shows.

Every level of a ROLLUP is a question of its own. Adding up the noisy groups of the finest one would be cheaper for
that one alone, and worse for all others: a person is in several fine groups, and in one total.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

from sqlglot import exp

from dpsql.lower.sources import has_aggregate
from dpsql.output_name import output_name
from dpsql.parse import no_item, refusal

MAX_SETS = 32       # grouping sets of one block: each is a question, and they share the epsilon

Keys = tuple[exp.Expr, ...]
_CLAUSES = ("rollup", "cube", "grouping_sets")
_SETS = (exp.Rollup, exp.Cube, exp.GroupingSets)


def regrouped(select: exp.Select) -> exp.Query | None:
    """The query that a block over people means; None when it is plain already. Pure: the block is not changed.

    Raises QueryError for grouping sets that are too many, or that stand where they cannot be spelled out.
    """
    group = select.args.get("group")
    if group is None:
        return _distinct(select) if _only_distinct(select) else None
    if not _short(group):
        if (call := next(_groupings(select), None)) is not None:
            raise refusal("GROUPING tells the levels of GROUPING SETS, ROLLUP and CUBE", call, "leave it out")
        return None
    return _united(_alike(select))


def level_keys(select: exp.Select) -> list[exp.Expr]:
    """Every key of the grouping sets of a block; none where it has no sets."""
    group = select.args.get("group")
    if group is None or not _short(group):
        return []
    return list(dict.fromkeys(key for one in _sets(select, group) for key in one))


def _alike(select: exp.Select) -> exp.Select:
    """A copy in which each column is written in one way, `x`, `X` and `t.x` all as `t.x`: keys are told by spelling.

    Where both `x` and `t.x` are understood they are one column, unless USING merged it with another. ORDER BY and
    QUALIFY may mean an output of that name.
    """
    copied = select.copy()
    froms = [each for each in (copied.args.get("from_"), *(copied.args.get("joins") or ())) if each is not None]
    joins = [join for each in froms for join in each.find_all(exp.Join)]
    merged = {name.name.lower() for join in joins for name in join.args.get("using") or ()}
    tables = {each.this.alias_or_name.lower() for each in froms} if not any(join.method for join in joins) else set()
    columns = [node for node in copied.find_all(exp.Column) if node.find_ancestor(exp.Query) is copied]
    owners: dict[str, dict[str, exp.Identifier]] = {}
    for node in columns:
        if node.table.lower() in tables and not node.db and node.name.lower() not in merged:
            owners.setdefault(node.name.lower(), {}).setdefault(node.table.lower(), node.args["table"])
    outputs = {output_name(item).lower() for item in select.expressions}
    kept = {
        id(node) for clause in map(copied.args.get, ("order", "qualify")) if clause is not None
        for node in clause.find_all(exp.Column) if not node.table and node.name.lower() in outputs
    }
    spelled: dict[str, exp.Identifier] = {}
    for node in columns:
        known = owners.get(node.name.lower(), {})
        if not node.db and isinstance(node.this, exp.Identifier) and id(node) not in kept:
            _respell(node, "this", spelled.setdefault(node.name.lower(), node.this))
            _respell(node, "table", known.get(node.table.lower()) if node.table or len(known) != 1 else
                     next(iter(known.values())))
    return copied


def _respell(column: exp.Column, part: str, name: exp.Identifier | None) -> None:
    """Writes a part of a column's name as `name` is written, at its own place in the text."""
    old = column.args.get(part)
    if name is not None and name != old:
        column.set(part, exp.to_identifier(name.name, name.quoted))
        column.args[part].meta.update(old.meta if old is not None else column.this.meta)


def _short(group: exp.Group) -> bool:
    """Whether GROUP BY writes several groupings, or keys, in short."""
    clauses = any(group.args.get(clause) for clause in _CLAUSES)
    return clauses or any(isinstance(node, (*_SETS, exp.Tuple)) for node in group.expressions)


def _only_distinct(select: exp.Select) -> bool:
    distinct = select.args.get("distinct")
    return distinct is not None and not distinct.args.get("on") and not select.args.get("having") and not any(
        has_aggregate(item) for item in select.expressions
    )


def _distinct(select: exp.Select) -> exp.Select:
    """SELECT DISTINCT a, b as SELECT a, b ... GROUP BY 1, 2."""
    grouped = select.copy()
    grouped.set("distinct", None)
    places = [exp.Literal.number(i + 1) for i in range(len(select.expressions))]
    for place, item in zip(places, select.expressions, strict=True):
        place.meta.update(item.meta)
    grouped.set("group", exp.Group(expressions=places))
    return grouped


def _united(select: exp.Select) -> exp.Query:
    """One block for each grouping set, their rows together; ORDER BY and LIMIT are those of the whole."""
    sets = _sets(select, select.args["group"])
    every = tuple(dict.fromkeys(key for one in sets for key in one))
    items, order = _outputs(select)
    above = _Above(every)
    windowed = {item.alias: above.of(item.this) for item in items if item.find(exp.Window) is not None}
    qualify = select.args.get("qualify")
    tested = exp.Qualify(this=above.of(qualify.this)) if qualify is not None else None
    items = [item for item in items if item.alias not in windowed] + above.items
    for node in order.expressions if order is not None else ():
        if node.this.name in windowed:
            node.set("this", windowed[node.this.name].copy())
    blocks = [_block(select, items, one, tuple(key for key in every if key not in one)) for one in sets]
    union: exp.Query = blocks[0]
    for block in blocks[1:]:
        union = exp.Union(this=union, expression=block, distinct=False)
    whole = exp.Select(
        expressions=[
            exp.alias_(windowed[name].copy(), name, quoted=True) if name in windowed else
            exp.column(exp.to_identifier(name, True)) for name in map(output_name, select.expressions)
        ],
        from_=exp.From(this=exp.Subquery(this=union, alias=exp.TableAlias(this=exp.to_identifier("grouped", True)))),
        distinct=select.args.get("distinct"), order=order, qualify=tested,
        **{clause: select.args.get(clause) for clause in ("limit", "offset", "with_")},
    )
    return whole.copy()


class _Above:
    """Expressions over the rows of all grouping sets together: keys and aggregates are columns of them, `items`."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys
        self.items: list[exp.Expr] = []

    def of(self, node: exp.Expr) -> exp.Expr:
        """A copy of an expression that holds windows."""
        own = isinstance(node.parent, exp.Window) and node.arg_key == "this"
        if node in self.keys or (
            isinstance(node, exp.Grouping | exp.GroupingId | exp.AggFunc | exp.Filter | exp.WithinGroup) and not own
        ):
            name = f"above_{len(self.items) + 1}"
            self.items.append(exp.alias_(node.copy(), name, quoted=True))
            return exp.column(exp.to_identifier(name, True))
        copied = node.copy()
        for old, child in zip(list(node.iter_expressions()), list(copied.iter_expressions()), strict=True):
            child.replace(self.of(old))
        return copied


def _block(select: exp.Select, items: list[exp.Expr], kept: Keys, dropped: Keys) -> exp.Select:
    """The block of one grouping set: keys outside it are NULL."""
    block = select.copy()
    for clause in ("order", "limit", "offset", "with_", "distinct", "qualify"):
        block.set(clause, None)
    names = {node.name.lower() for node in dropped if isinstance(node, exp.Column) and not node.table}
    shown = [
        exp.alias_(
            exp.Null() if item.alias.lower() in names - _read(item.this) else _without(item.this, dropped),
            item.alias, quoted=True,
        ) for item in items
    ]
    block.set("expressions", shown)
    if having := block.args.get("having"):
        having.set("this", _without(having.this, dropped))
    block.set("group", exp.Group(expressions=[key.copy() for key in kept]) if kept else None)
    if not kept and not block.args.get("having") and not any(has_aggregate(item) for item in shown):
        return exp.Select(expressions=shown)        # the total of nothing is one row, whoever is there
    return block


def _read(node: exp.Expr) -> set[str]:
    """The columns that an item reads: a key of such a name is the column, not the item that is called so too."""
    return {column.name.lower() for column in node.find_all(exp.Column)}


def _without(node: exp.Expr, dropped: Keys) -> exp.Expr:
    """An expression with the keys that are not grouped by as NULL, arguments of aggregates aside."""
    if isinstance(node, exp.Grouping | exp.GroupingId):
        bits = "".join("1" if arg in dropped else "0" for arg in _arguments(node))
        return exp.Literal.number(int(bits, 2))
    if node in dropped:
        return exp.Null()
    if isinstance(node, exp.AggFunc | exp.WithinGroup | exp.Filter | exp.Query):
        return node.copy()
    fresh = node.copy()
    for child in list(fresh.iter_expressions()):
        child.replace(_without(child, dropped))
    return fresh


def _arguments(node: exp.Expr) -> list[exp.Expr]:
    return list(node.expressions) or [node.this]


def _groupings(select: exp.Select) -> Iterator[exp.Expr]:
    for item in (*select.expressions, select.args.get("having"), select.args.get("order")):
        if item is not None:
            yield from item.find_all(exp.Grouping, exp.GroupingId)


def _outputs(select: exp.Select) -> tuple[list[exp.Expr], exp.Order | None]:
    """The items of every block, each with a name, and the order of the whole: by outputs, hidden ones if need be."""
    items = [
        exp.alias_(item.this if isinstance(item, exp.Alias) else item, output_name(item), quoted=True)
        for item in select.expressions
    ]
    order = select.args.get("order")
    if order is None:
        return items, None
    ordered = []
    for node in order.expressions:
        inner = node.this if isinstance(node, exp.Ordered) else node
        if isinstance(inner, exp.Var):          # ALL
            ordered += [exp.Ordered(**node.args | {"this": exp.column(exp.to_identifier(item.alias, True))})
                        for item in items[: len(select.expressions)]]
            continue
        name = _output(inner, select, items)
        if name is None:
            name = f"order_{len(items) + 1}"
            items.append(exp.alias_(inner.copy(), name, quoted=True))
        output = exp.column(exp.to_identifier(name, True))
        rest = {key: value for key, value in node.args.items() if key != "this"}
        ordered.append(exp.Ordered(this=output, **rest if isinstance(node, exp.Ordered) else {}))
    return items, exp.Order(expressions=ordered)


def _output(node: exp.Expr, select: exp.Select, items: list[exp.Expr]) -> str | None:
    """The name of the output that an ORDER BY item means."""
    if isinstance(node, exp.Literal) and node.is_int:
        if not 1 <= int(node.name) <= len(select.expressions):
            raise no_item(node)
        return items[int(node.name) - 1].alias
    for item in items:
        if item.this == node or (isinstance(node, exp.Column) and not node.table
                                 and item.alias.lower() == node.name.lower()):
            return item.alias
    return None


def _sets(select: exp.Select, group: exp.Group) -> list[Keys]:
    """Every grouping set, as SQL multiplies them out."""
    if any(isinstance(node, exp.Rollup | exp.Cube) and not node.expressions
           for clause in ("rollup", "cube") for node in group.args.get(clause) or ()):
        function = exp.Rollup if group.args.get("rollup") else exp.Cube       # GROUP BY a, b WITH ROLLUP
        parts = [_listed(function(expressions=group.expressions), select)]
    else:
        nodes = [*group.expressions, *(node for clause in _CLAUSES for node in group.args.get(clause) or ())]
        parts = [_listed(node, select) for node in nodes]
    count = 1
    for part in parts:
        count *= len(part)
        if count > MAX_SETS:
            raise refusal(f"these are more than {MAX_SETS} grouping sets", group, "name the ones you need")
    return [tuple(dict.fromkeys(key for one in choice for key in one)) for choice in product(*parts)]


def _listed(node: exp.Expr, select: exp.Select) -> list[Keys]:
    """The grouping sets of one item of GROUP BY."""
    members = [_keys(member, select) for member in node.expressions] if isinstance(node, _SETS[:2]) else []
    match node:
        case exp.Rollup():
            return [_flat(members[:n]) for n in range(len(members), -1, -1)]
        case exp.Cube():
            if len(members) > 5:
                raise refusal(f"these are more than {MAX_SETS} grouping sets", node, "name the ones you need")
            return [_flat(one) for n in range(len(members), -1, -1) for one in combinations(members, n)]
        case exp.GroupingSets():
            return [one for member in node.expressions for one in _listed(member, select)]
        case _:
            return [_keys(node, select)]


def _flat(members: tuple[Keys, ...] | list[Keys]) -> Keys:
    return tuple(key for member in members for key in member)


def _keys(node: exp.Expr, select: exp.Select) -> Keys:
    """The keys of one member: (a, b) are several, a position means the select item there."""
    if isinstance(node, exp.Tuple):
        return tuple(key for member in node.expressions for key in _keys(member, select))
    node = node.unnest()
    if isinstance(node, exp.Literal) and node.is_int:
        if not 1 <= int(node.name) <= len(select.expressions):
            raise no_item(node)
        item = select.expressions[int(node.name) - 1]
        return (item.this if isinstance(item, exp.Alias) else item,)
    return (node,)
