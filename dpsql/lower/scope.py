"""Names: which column an analyst's name means, by identity and never by spelling alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import Lit, Scalar
from dpsql.output_name import output_name
from dpsql.parse import refusal


@dataclass(frozen=True, slots=True)
class Visible:
    """A column that a FROM clause shows: under which table name, what it is, and whether only `table.name` finds it.

    `outer` is one of the query around: it is found only when no column of the block has that name.
    """

    table: str | None
    name: str
    scalar: Scalar
    hidden: bool = False
    outer: bool = False


Scope = tuple[Visible, ...]
_PARTS = ("this", "table", "db", "catalog")
UNREAD = "\0unread"     # begins the table name of columns that dpsql does not compute with; their scalar is their type
_SHOWN = 12     # columns named in a hint


def resolve(node: exp.Column, scope: Scope) -> Scalar:
    """What a column name means. Raises QueryError when nothing or more than one thing has that name."""
    found = lookup(node, scope)
    if len(found) == 1:
        return found[0].scalar
    shown = f"{node.table}.{node.name}" if node.table else node.name
    if found:
        tables = ", ".join(sorted(f"{v.table}.{v.name}" for v in found if v.table))
        raise refusal(f"the column {shown} is ambiguous", node, f"write one of {tables}" if tables else None)
    for v in scope:
        if (v.table or "").startswith(UNREAD) and isinstance(v.scalar, Lit) \
                and v.name.lower() in (node.name.lower(), node.table.lower()):
            fields = [other.name for other in scope if other.name.startswith(f"{v.name}.") and not other.hidden]
            raise refusal(f"{v.name} is of type {v.scalar.value}, which dpsql does not compute with", node,
                          f"it has {', '.join(fields)}" if fields else "the owner can offer a view that CASTs it")
    if node.table and not any(_is(v.table, node.table) for v in scope):
        known = ", ".join(sorted({v.table for v in scope if v.table and v.table.lower() in tables_of(scope)}))
        raise refusal(f"there is no table {node.table} in this FROM", node, f"it has {known}" if known else None)
    there = {v.name.lower(): v.name for v in scope if not v.hidden and (not node.table or _is(v.table, node.table))}
    close = get_close_matches(node.name.lower(), there, 1)
    way = f"did you mean {there[close[0]]}?" if close else _listed(list(there.values()))
    if node.this.args.get("quoted") and not node.table and not close:
        way = f"a text stands in single quotes, as '{node.name}'; {way}"
    raise refusal(
        f"there is no column {shown} here", node, way,
    )


def shown_as(item: exp.Expr, scope: Scope) -> str:
    """The name of a select item; a column has the spelling of where it comes from, as in DuckDB."""
    found = lookup(item, scope) if isinstance(item, exp.Column) else []
    name = output_name(item)
    return found[0].name if len(found) == 1 and found[0].name.lower() == name.lower() else name


def _listed(names: list[str]) -> str | None:
    """What columns there are, when they are few enough to read."""
    if len(names) < 2:
        return f"the only column here is {names[0]}" if names else None
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "the columns here are " + ", ".join(names[:_SHOWN]) + more


def lookup(node: exp.Column, scope: Scope) -> list[Visible]:
    """Every visible column of that name; where there is none, every field of a STRUCT."""
    parts = [part.name for part in node.parts]
    found = _called(node.name, node.table, scope)
    for table in ("", parts[0]) if not found and len(parts) > 1 else ():
        found = found or _called(".".join(parts[1:] if table else parts), table, scope)
    return [v for v in found if not v.outer] or found


def _called(name: str, table: str, scope: Scope) -> list[Visible]:
    wanted = name.lower()
    return [v for v in scope if v.name.lower() == wanted and (_is(v.table, table) if table else not v.hidden)]


def struct_field(node: exp.Expr) -> exp.Column | None:
    """The column that `column['field']`, `(column).field` or struct_extract(column, 'field') is; None for others."""
    if isinstance(node, exp.Column):
        return node
    match node:
        case exp.Bracket() if len(node.expressions) == 1:
            key = node.expressions[0]
        case exp.StructExtract() | exp.Dot():
            key = node.expression
        case _:
            return None
    whole = struct_field(node.this.unnest())
    named = isinstance(key, exp.Identifier) or (isinstance(key, exp.Literal) and key.is_string)
    if whole is None or not named or len(whole.parts) == len(_PARTS):
        return None
    parts = [*whole.parts, exp.to_identifier(key.name, True)]
    return exp.Column(**{name: part.copy() for name, part in zip(_PARTS, reversed(parts), strict=False)})


def renamed(scope: Scope, table: str, columns: tuple[str, ...], node: exp.Expr) -> Scope:
    """The columns of a table under an alias, the first ones under new names if a column list is given."""
    shown = [v for v in scope if not v.hidden and not v.outer]
    if len(columns) > len(shown):
        many = "1 column" if len(shown) == 1 else f"{len(shown)} columns"
        raise refusal(f"{table} has {many}, and {len(columns)} names are given", node)
    names = [*columns, *(v.name for v in shown[len(columns):])]
    lowered = [name.lower() for name in names]
    if len(set(lowered)) < len(lowered) and (twice := [name for name in names if lowered.count(name.lower()) > 1]):
        raise refusal(f"two columns are called {twice[0]}", node, "give each an alias of its own")
    return tuple(Visible(table, name, v.scalar) for name, v in zip(names, shown, strict=True))


def tables_of(scope: Scope) -> set[str]:
    """The names of the tables that a FROM shows, in lower case."""
    return {table.lower() for table in {v.table for v in scope} if table and not table.startswith("\0")}


def merged(left: Scope, right: Scope, names: list[str]) -> Scope:
    """The columns after USING: the left one stands for both, the right one is found by its table's name only."""
    lowered = {name.lower() for name in names}
    return left + tuple(replace(v, hidden=True) if v.name.lower() in lowered else v for v in right)


def expand(star: exp.Expr, scope: Scope) -> list[Visible]:
    """The columns of `*` or `t.*`, EXCLUDE, REPLACE and RENAME honoured."""
    inner = star.this if isinstance(star, exp.Column) else star
    named = {each.this.name.lower(): each.alias for each in inner.args.get("rename") or ()}
    instead = {each.alias.lower(): each.this for each in inner.args.get("replace") or ()}
    try:
        return [
            replace(v, name=named.get(v.name.lower(), v.name), scalar=v.scalar if v.name.lower() not in instead else
                    scalars.build(instead[v.name.lower()], lambda node: resolve(node, scope)))
            for v in starred(star, scope)
        ]
    except scalars.ScalarError as error:
        raise refusal(error.reason, error.node, error.hint) from None


def starred(star: exp.Expr, scope: Scope) -> list[Visible]:
    """The columns that `*` or `t.*` stands for, less those of EXCLUDE."""
    table = star.table if isinstance(star, exp.Column) else ""
    inner = star.this if isinstance(star, exp.Column) else star
    there = [v for v in scope if (_is(v.table, table) if table else not v.hidden) and not v.outer]
    names = {v.name.lower(): v.name for v in there}
    for key in ("except_", "replace", "rename"):
        for each in inner.args.get(key) or ():
            name = each.alias if key == "replace" else (each.this if key == "rename" else each).name
            if name.lower() not in names:
                close = get_close_matches(name.lower(), names, 1)
                way = f"did you mean {names[close[0]]}?" if close else _listed(list(names.values()))
                raise refusal(f"this * has no column {name}", each, way)
    left_out = {each.name.lower() for each in inner.args.get("except_") or ()}
    shown = [v for v in there if v.name.lower() not in left_out]
    if not shown:
        raise refusal("there are no columns for this *", star, "write FROM, and a table behind it")
    return shown


def _is(table: str | None, name: str) -> bool:
    return table is not None and table.lower() == name.lower()
