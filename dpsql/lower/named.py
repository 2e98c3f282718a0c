"""Windows that a WINDOW clause names, written out where they are used."""

from __future__ import annotations

from sqlglot import exp

from dpsql.parse import refusal

_PARTS = ("partition_by", "order", "spec")


def named_windows(tree: exp.Query) -> exp.Query:
    """The query without WINDOW clauses. Raises QueryError for a name nobody gave, or what may not be added to one."""
    for select in list(tree.find_all(exp.Select)):
        known: dict[str, exp.Window] = {}
        for defined in select.args.get("windows") or ():
            _fill(defined, known)
            known[defined.this.name.lower()] = defined
        select.set("windows", None)
        for window in list(select.find_all(exp.Window)):
            if window.find_ancestor(exp.Select) is select:
                _fill(window, known)
    return tree


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
