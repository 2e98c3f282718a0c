"""A value around aggregates, windows and subqueries, which stand inside no TRY: computed as DOUBLE instead."""

from __future__ import annotations

from collections.abc import Collection

from dpsql.expression import DOUBLE, Call, Scalar, columns_of
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.ranges import enforced
from dpsql.scalars.rows import ROWS, call
from dpsql.scalars.unify import cast

_ARITHMETIC = frozenset(("+", "-", "*", "//", "%", "neg", "abs"))


def untried(value: Scalar, whole: Collection[int]) -> Scalar:
    """The value, such that nothing around the columns `whole` may raise: arithmetic that could overflow is of DOUBLEs.

    ScalarError for anything else that could.
    """
    if not isinstance(value, Call) or not any(column.id in whole for column in columns_of(value)):
        return value
    args = tuple(untried(arg, whole) for arg in value.args)
    if any(new is not old for new, old in zip(args, value.args, strict=True)):
        value = cast(args[0], value.type) if value.name == "cast" else call(value.name, *args)
    if not isinstance(value, Call) or not ROWS[value.name].raises(value, tuple(enforced(arg) for arg in value.args)):
        return value
    if value.name in _ARITHMETIC:
        return call(value.name, *(cast(arg, DOUBLE) for arg in value.args))
    raise ScalarError("this may fail for some values, which nothing catches around an aggregate, window or subquery",
                      hint="give that a name in a derived table, and compute around it")
