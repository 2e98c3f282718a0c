"""What a block says in short, written out: windows by name, DISTINCT of windows, and UNNEST among its items."""

from __future__ import annotations

from sqlglot import exp

from dpsql.parse import refusal

_PARTS = ("partition_by", "order", "spec")


def named_windows(tree: exp.Query) -> exp.Query:
    """The query without WINDOW clauses. Raises QueryError for a name nobody gave, or what may not be added to one."""
    windowed = tree.find(exp.Window) is not None
    for select in list(tree.find_all(exp.Select)):
        if windowed:
            _filled(select)
        _unnest(select)
        if windowed and _distinct(select):
            _wrap(select)
    return tree


def _filled(select: exp.Select) -> None:
    """Puts what the WINDOW clause of a block says into the windows that name it."""
    known: dict[str, exp.Window] = {}
    for defined in select.args.get("windows") or ():
        _fill(defined, known)
        known[defined.this.name.lower()] = defined
    select.set("windows", None)
    for window in list(select.find_all(exp.Window)):
        if window.find_ancestor(exp.Select) is select:
            _fill(window, known)


def _unnest(select: exp.Select) -> None:
    """UNNEST(x) among the items of a plain block, as CROSS JOIN UNNEST(x)."""
    found = [
        (item, item.this if isinstance(item, exp.Alias) else item) for item in select.expressions
        if isinstance(item.this if isinstance(item, exp.Alias) else item, exp.Explode)
    ]
    plain = not any(select.args.get(name) for name in ("group", "having", "qualify", "distinct"))
    if len(found) != 1 or select.args.get("from_") is None or not plain or select.find(exp.Window, exp.AggFunc):
        return
    (item, call), = found
    alias = exp.TableAlias(this=exp.to_identifier("unnested", True), columns=[exp.to_identifier("value", True)])
    lists = exp.Unnest(expressions=[call.this.copy()], alias=alias)
    lists.meta.update(call.meta)
    select.append("joins", exp.Join(this=lists, kind="CROSS"))
    value = exp.column(exp.to_identifier("value", True), table=exp.to_identifier("unnested", True))
    value.this.meta.update(call.meta)
    item.replace(exp.alias_(value, item.alias or "unnest", quoted=True))


def _distinct(select: exp.Select) -> bool:
    """Whether a block takes DISTINCT rows that windows compute."""
    distinct = select.args.get("distinct")
    windows = [window for item in select.expressions for window in item.find_all(exp.Window)]
    plain = distinct is not None and not distinct.args.get("on") and not select.args.get("order")
    return plain and any(window.find_ancestor(exp.Select) is select for window in windows)


def _wrap(select: exp.Select) -> None:
    """SELECT DISTINCT items ... as SELECT DISTINCT * FROM (SELECT items ...), in place."""
    last = ("limit", "offset", "distinct", "kind")
    inner = exp.Select(**{name: value for name, value in select.args.items() if name not in (*last, "with_")})
    for name in [name for name in select.args if name not in (*last, "with_")]:
        select.set(name, None)
    star = exp.Star()
    star.meta.update(next((dict(node.meta) for node in inner.walk() if "start" in node.meta), {}))
    select.set("expressions", [star])
    alias = exp.TableAlias(this=exp.to_identifier("distinct_of", True))
    select.set("from_", exp.From(this=exp.Subquery(this=inner, alias=alias)))


def _fill(window: exp.Window, known: dict[str, exp.Window]) -> None:
    """Gives a window what the one it names has; it may add an order and a frame."""
    name = window.args.get("alias")
    if name is None:
        return
    found = known.get(name.name.lower())
    if found is None:
        raise refusal(f"there is no window {name.name} here", window, "write it out in OVER (...)")
    if window.args.get("partition_by") or (window.args.get("order") and found.args.get("order")):
        raise refusal(f"the window {name.name} has a PARTITION BY or an ORDER BY already", window, "write it out")
    if found.args.get("spec") and (window.args.get("order") or window.args.get("spec")):
        raise refusal(f"the window {name.name} has a frame already", window, "write it out")
    for part in _PARTS:
        value = found.args.get(part)
        if value and not window.args.get(part):
            window.set(part, [each.copy() for each in value] if isinstance(value, list) else value.copy())
    window.set("alias", None)
