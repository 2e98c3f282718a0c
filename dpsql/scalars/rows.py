"""The table of admitted scalars: what a row states, and `call`, which applies one. Adding a scalar is a row.

A row states how it takes its arguments (casting them explicitly) and what type it gives, the range of its value, when
it is NULL (or NaN), the SQL that is printed, and when that SQL could raise: then the printer wraps it in TRY, and the
failed value is NULL. `nodes` says which nodes of the analyst's tree mean this row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from dpsql.expression import Call, Lit, Scalar, SqlType, Value
from dpsql.interval import Interval

Taken = tuple[tuple[Scalar, ...], SqlType]
Takes = Callable[[tuple[Scalar, ...]], Taken]
Ranges = tuple[Interval, ...]
Sql = Callable[[Call, Sequence[exp.Expr], Ranges], exp.Expr]


def unknown(call: Call, ranges: Ranges) -> Interval:
    """The range of what is no number, or of a number nobody bounds."""
    return call.type.range


def strict(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    """NULL when an argument is."""
    return any(nulls)


def always(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    """Perhaps NULL (or NaN), whatever the arguments."""
    return True


def never(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    """Never NULL, whatever the arguments."""
    return False


def total(call: Call, ranges: Ranges) -> bool:
    """Raises for no value."""
    return False


@dataclass(frozen=True, slots=True)
class Row:
    """One admitted scalar."""

    name: str
    takes: Takes
    sql: Sql
    range: Callable[[Call, Ranges], Interval] = unknown
    nulls: Callable[[Call, tuple[bool, ...], Ranges], bool] = strict
    raises: Callable[[Call, Ranges], bool] = total
    nodes: tuple[str, ...] = ()      # "Class" or "Class key key": sqlglot's node and the order of its arguments
    names: tuple[str, ...] = ()      # the spellings sqlglot does not know, as it keeps them
    arity: int = 1                   # arguments under those names
    value: bool = False              # numeric columns are clamped to their declared range when they stand here
    guard: bool = False              # only dpsql itself writes it
    fold: Callable[[tuple[Lit, ...]], Scalar] | None = None   # the value of literals alone
    values: Callable[[Call], tuple[Value, ...]] | None = None   # all it can give beside NULL, where those are few


ROWS: dict[str, Row] = {}
MACROS: dict[str, Callable[..., Scalar]] = {}                                 # guards composed of other rows
REDIRECTS: dict[str, list[Callable[[tuple[Scalar, ...]], str | None]]] = {}   # operators that other types take over


def add(*rows: Row) -> None:
    """Put rows into the table."""
    for row in rows:
        assert row.name not in ROWS, f"{row.name} is defined twice"
        ROWS[row.name] = row


def call(name: str, *args: Scalar) -> Scalar:
    """The scalar `name` of `args`, its arguments cast, widened and guarded. ScalarError when it takes no such types."""
    if name in MACROS:
        return MACROS[name](*args)
    name = next((found for rule in REDIRECTS.get(name, ()) if (found := rule(args))), name)
    row = ROWS[name]
    taken, type_ = row.takes(args)
    literals = tuple(arg for arg in taken if isinstance(arg, Lit))
    if row.fold is not None and len(literals) == len(taken):
        return row.fold(literals)
    return Call(name, taken, type_)


def interval_of(node: Call, ranges: Ranges) -> Interval:
    """The range of a call whose arguments lie in `ranges`."""
    return ROWS[node.name].range(node, ranges).meet(node.type.range)
