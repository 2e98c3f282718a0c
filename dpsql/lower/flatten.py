"""A finish that only selects from a finish reads the released table itself: simpler to print, and intervals survive."""

from __future__ import annotations

from sqlglot import exp

_OUTER = {"expressions", "from_", "where", "order", "limit", "offset", "with_", "kind"}
_INNER = {"expressions", "from_", "where", "kind"}


def flattened(finish: exp.Query) -> exp.Query:
    """The finish with derived tables and WITH names merged into it, as long as they merely pass rows on."""
    merged = _merged(finish) if isinstance(finish, exp.Select) else None
    return finish if merged is None else merged


def _merged(outer: exp.Select) -> exp.Select | None:
    source = outer.args["from_"].this if outer.args.get("from_") else None
    found = _inner(outer, source)
    inner = None if found is None else flattened(found)
    if not isinstance(inner, exp.Select) or not (_only(outer, _OUTER) and _only(inner, _INNER)):
        return None
    if not _plain(outer, inner):
        return None
    items = {item.alias.lower(): item.this for item in inner.expressions}
    if len(items) < len(inner.expressions) or any(not isinstance(item, exp.Alias) for item in inner.expressions):
        return None
    if any(star.args.get("except_") or star.args.get("replace") for star in outer.find_all(exp.Star)):
        return None
    names = {outer_item.alias.lower() for outer_item in outer.expressions if isinstance(outer_item, exp.Alias)}
    shown = [item for each in outer.expressions for item in _expanded(each, inner)]
    merged = exp.Select(expressions=[_replaced(item, items, set()) for item in shown], from_=inner.args["from_"].copy())
    conditions = [exp.Paren(this=inner.args["where"].this.copy())] if inner.args.get("where") else []
    if where := outer.args.get("where"):
        conditions.append(exp.Paren(this=_replaced(where.this, items, set())))
    if conditions:
        merged.set("where", exp.Where(this=exp.and_(*conditions, copy=False) if conditions[1:] else conditions[0]))
    if order := outer.args.get("order"):
        merged.set("order", _replaced(order, items, names))
    for clause in ("limit", "offset"):
        if node := outer.args.get(clause):
            merged.set(clause, node.copy())
    return merged


def _inner(outer: exp.Select, source: exp.Expr | None) -> exp.Select | None:
    """The SELECT that is the only source: a derived table, or the only WITH name."""
    if isinstance(source, exp.Subquery) and isinstance(source.this, exp.Select) and not outer.args.get("with_"):
        alias = source.args.get("alias")
        return source.this if alias is None or not alias.args.get("columns") else None
    with_ = outer.args.get("with_")
    if not isinstance(source, exp.Table) or source.args.get("db") or with_ is None or len(with_.expressions) != 1:
        return None
    body, alias = with_.expressions[0].this, source.args.get("alias")
    if source.name != with_.expressions[0].alias or (alias is not None and alias.args.get("columns")):
        return None
    return body if isinstance(body, exp.Select) else None


def _only(select: exp.Select, known: set[str]) -> bool:
    return all(name in known for name, value in select.args.items() if value)


def _plain(outer: exp.Select, inner: exp.Select) -> bool:
    """Row in, row out: the inner SELECT reads a released table, and nothing aggregates, ranks or asks another query."""
    source = inner.args["from_"].this if inner.args.get("from_") else None
    released = isinstance(source, exp.Table) and source.name.startswith("released_") and not source.args.get("db")
    parts = [*outer.expressions, *inner.expressions, outer.args.get("where"), inner.args.get("where"),
             outer.args.get("order")]
    return released and not any(
        part is not None and part.find(exp.AggFunc, exp.Window, exp.Query) for part in parts
    )


def _expanded(item: exp.Expr, inner: exp.Select) -> list[exp.Expr]:
    """A select item under its own name; `*` as the items it stands for."""
    star = item.this if isinstance(item, exp.Column) and isinstance(item.this, exp.Star) else item
    if isinstance(star, exp.Star):
        names = [each.alias for each in inner.expressions]
        return [exp.alias_(exp.column(exp.to_identifier(name, True)), name, quoted=True) for name in names]
    return [exp.alias_(item, item.name, quoted=True) if isinstance(item, exp.Column) else item]


def _replaced(node: exp.Expr, items: dict[str, exp.Expr], kept: set[str]) -> exp.Expr:
    """A copy in which columns of the inner SELECT are what they stand for; names of outputs (`kept`) stay."""
    if isinstance(node, exp.Column) and node.name.lower() in items and (node.table or node.name.lower() not in kept):
        inner = items[node.name.lower()]
        return inner.copy() if isinstance(inner, exp.Column) else exp.Paren(this=inner.copy())
    args: dict[str, object] = {}
    for name, value in node.args.items():
        if isinstance(value, exp.Expr):
            args[name] = _replaced(value, items, kept)
        elif isinstance(value, list):
            args[name] = [_replaced(each, items, kept) if isinstance(each, exp.Expr) else each for each in value]
        else:
            args[name] = value
    return node.__class__(**args)
