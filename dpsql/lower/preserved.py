"""A public table on the preserved side of LEFT JOIN: what the inner join may stand for.

The rows that a public row without matches would add have NULL in every column of the other side. An aggregate that is
NULL on such rows does not see them, and the public groups are listed anyway; so the inner join gives the same answer.
Only meaning rests on this, no privacy: the relation that runs is the inner join.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp

from dpsql.expression import Call, Lit, Ref, Scalar, columns_of
from dpsql.lower.joins import Group, Outer
from dpsql.parse import refusal
from dpsql.program import Key, Measure
from dpsql.relation import Scan


@dataclass(frozen=True, slots=True)
class Loose:
    """The columns that are NULL in rows of a public table which match nobody, and those that are false there."""

    null: frozenset[int] = frozenset()
    false: frozenset[int] = frozenset()

    def __or__(self, other: Loose) -> Loose:
        return Loose(self.null | other.null, self.false | other.false)

    def __bool__(self) -> bool:
        return bool(self.null)

    def reads(self, scalar: Scalar) -> bool:
        """Whether a scalar reads any of them."""
        return any(column.id in self.null or column.id in self.false for column in columns_of(scalar))


_SEES_NULL = {"is_null", "is_not_null", "is_true", "is_false", "is_distinct", "is_not_distinct", "concat", "concat_ws"}
_ALL = {"and", "or", "coalesce", "least", "greatest"}   # surely NULL only when every argument is


def absent(scalar: Scalar, loose: Loose) -> bool:
    """Whether a scalar is NULL on rows where the `loose` columns are all NULL."""
    match scalar:
        case Ref(column):
            return column.id in loose.null
        case Lit(value):
            return value is None
        case Call(name, _) if name in _SEES_NULL:
            return False
        case Call(name, args) if name in _ALL:
            return all(absent(arg, loose) for arg in args)
        case Call("case", args):
            pairs = zip(args[:-1:2], args[1:-1:2], strict=True)
            return absent(args[-1], loose) and all(fails(c, loose) or absent(v, loose) for c, v in pairs)
        case Call("switch", _):
            return False
        case Call("in" | "nullif" | "clamp", args):
            return absent(args[0], loose)
        case Call(_, args):
            return any(absent(arg, loose) for arg in args)


def fails(condition: Scalar, loose: Loose) -> bool:
    """Whether a condition is false or NULL on rows where the `loose` columns are all NULL."""
    match condition:
        case Call("and", args):
            return any(fails(arg, loose) for arg in args)
        case Call("or", args):
            return all(fails(arg, loose) for arg in args)
        case Call("is_not_null", (arg,)):
            return absent(arg, loose)
        case Ref(column) if column.id in loose.false:
            return True
        case Lit(False):
            return True
        case _:
            return absent(condition, loose)


def nothing(scalar: Scalar, loose: Loose) -> bool:
    """Whether a scalar is 0 or NULL on such rows, and adds nothing to a sum."""
    match scalar:
        case Lit(value):
            return value is None or (not isinstance(value, str) and value == 0)
        case Call("coalesce", args):
            return all(nothing(arg, loose) for arg in args)
        case Call("case", args):
            pairs = zip(args[:-1:2], args[1:-1:2], strict=True)
            return nothing(args[-1], loose) and all(fails(c, loose) or nothing(v, loose) for c, v in pairs)
        case Call("cast", (arg, *_)):
            return nothing(arg, loose)
        case _:
            return absent(scalar, loose)


def preserved_table(group: Group) -> str | None:
    """The one table that a FROM clause preserves through all its LEFT JOINs; None where others are joined to it."""
    while len(group.items) == 1:
        item = group.items[0]
        if isinstance(item, Scan):
            return item.table
        if not isinstance(item, Outer):
            return None
        group = item.left
    return None


def require_matched(conjuncts: Iterable[Scalar], loose: Loose, place: exp.Expr) -> None:
    """Refuses conditions that rows without a match could pass."""
    for conjunct in conjuncts:
        if loose.reads(conjunct) and not fails(conjunct, loose):
            raise refusal(
                "rows of a public table that match nobody are not told apart: who they are is private", place,
                "use JOIN, or leave out the condition that looks for NULL",
            )


def require_on(on: Iterable[Scalar], loose: Loose, place: exp.Expr) -> None:
    """Refuses a condition of the join itself on the public side alone, which would not remove its rows."""
    for conjunct in on:
        if not loose.reads(conjunct):
            raise refusal(
                "a condition on the public table alone in ON of its LEFT JOIN is not answered", place,
                "put it into WHERE",
            )


def require_public_keys(keys: Iterable[Key], loose: Loose, place: exp.Expr) -> None:
    """Refuses to group by the side that may be absent: its NULL group would hold the rows without a match."""
    for key in keys:
        if loose.reads(key.scalar):
            raise refusal(
                "grouping by a table about people that is LEFT JOINed to a public one is not answered", place,
                "use JOIN, or group by the public table",
            )


def at_least_one(
    measure: Measure, keys: Iterable[Key], loose: Loose, known: Iterable[tuple[str, ...]], place: exp.Expr,
) -> bool:
    """Whether a measure counts the preserved row itself where nothing matches: COUNT(*) per row of the public table.

    `known` are the keys of the one table on the preserved side (none where there are several). Raises QueryError for a
    measure that sees rows without a match in another way.
    """
    if measure.family == "units" or (measure.arg is not None and absent(measure.arg, loose)):
        return False
    if measure.family == "sum" and measure.arg is not None and nothing(measure.arg, loose):
        return False
    grouped = {key.scalar.column.source for key in keys if isinstance(key.scalar, Ref)}
    if measure == Measure("count", None) and any(set(columns) <= grouped for columns in known):
        return True
    raise refusal(
        "this counts rows of the public table that match nobody, and how many those are is private", place,
        "aggregate a column of the table about people, as in COUNT(its key), or use JOIN",
    )
