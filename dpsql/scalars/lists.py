"""Rows of lists that a column stores, of values whose equality is that of their bytes; and texts split into one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from sqlglot import exp

from dpsql.expression import BIGINT, BOOLEAN, INTEGER, VARCHAR, Call, Kind, Lit, Scalar, SqlType
from dpsql.scalars import intervals
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.rows import REDIRECTS, Ranges, Row, Taken, add, always, call
from dpsql.scalars.sql import function, named
from dpsql.scalars.text import constant, text
from dpsql.scalars.unify import cast

MAX_PLACE = 1 << 20

Visit = Callable[[exp.Expr], Scalar]


def list_of(type_: SqlType) -> SqlType:
    """The type of a list of these."""
    return SqlType(Kind.LIST, parts=(type_,))


def _list(name: str, arg: Scalar) -> SqlType:
    """The type of what is in a list. ScalarError for what is none."""
    if arg.type.kind is not Kind.LIST:
        raise ScalarError(f"{name} takes a list, not {arg.type}")
    return arg.type.parts[0]


def _length(args: tuple[Scalar, ...]) -> Taken:
    _list("len", args[0])
    return args, BIGINT


def _contains(args: tuple[Scalar, ...]) -> Taken:
    return (args[0], cast(args[1], _list("list_contains", args[0]))), BOOLEAN


def _at(args: tuple[Scalar, ...]) -> Taken:
    inner, place = _list("[...]", args[0]), args[1]
    if not isinstance(place, Lit) or type(place.value) is not int or abs(place.value) > MAX_PLACE:
        raise ScalarError(f"a place in a list is a literal number, at most {MAX_PLACE}")
    return (args[0], Lit(place.value, BIGINT)), inner


def _split(args: tuple[Scalar, ...]) -> Taken:
    return (text("string_split", args[0]), constant("string_split", args[1])), list_of(VARCHAR)


def _split_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.Split(this=args[0], expression=args[1])


def any_of(value: Scalar, whole: Scalar) -> Scalar:
    """`value = ANY(list)`: as of a subquery over its values, so false of no list, and NULL where one may be it."""
    known = call("=", call("list_count", whole), call("list_length", whole))
    return call(
        "case", call("list_contains", whole, value), Lit(True, BOOLEAN), call("is_null", whole), Lit(False, BOOLEAN),
        call("=", call("list_length", whole), Lit(0, BIGINT)), Lit(False, BOOLEAN),
        call("and", known, call("is_not_null", value)), Lit(False, BOOLEAN), Lit(None, BOOLEAN),
    )


def _overlapping(node: exp.Expr, visit: Visit) -> Scalar:
    """Whether a list holds any, or all, of those that are written out."""
    if not isinstance(node.expression, exp.Array) or not node.expression.expressions:
        raise ScalarError("this takes a list that is written out, as in ['a', 'b']", node.expression)
    options = [visit(option) for option in node.expression.expressions]
    if any(not isinstance(option, Lit) or option.value is None for option in options):
        raise ScalarError("the list holds literals", node.expression)
    whole = visit(node.this)
    found = [call("list_contains", whole, option) for option in options]
    return reduce(lambda a, b: call("and" if isinstance(node, exp.ArrayContainsAll) else "or", a, b), found)


def element(whole: Scalar, place: exp.Expr | None, found: list[int]) -> Scalar:
    """list[n], which the parser counts from 0."""
    if isinstance(place, exp.Slice) or len(found) != 1:
        raise ScalarError("[...] of a list takes one literal place, from 1")
    return call("list_extract", whole, Lit(found[0] + 1, INTEGER))


RULES: dict[str, Callable[[exp.Expr, Visit], Scalar]] = {
    "ArrayContainsAll": _overlapping, "ArrayOverlaps": _overlapping,
}
REDIRECTS["length"] = [lambda args: "list_length" if args and args[0].type.kind is Kind.LIST else None]

add(
    Row("list_length", _length, function(exp.Length), intervals.fixed(0, 1 << 32), nodes=("ArraySize this",),
        names=("list_length",)),
    Row("list_count", _length, named("LIST_COUNT"), intervals.fixed(0, 1 << 32), names=("list_count",)),
    Row("list_contains", _contains, function(exp.ArrayContains, "this", "expression"), nulls=always,
        nodes=("ArrayContains this expression",)),
    Row("list_extract", _at, named("LIST_EXTRACT"), nulls=always, names=("list_extract", "array_extract"), arity=2),
    Row("string_split", _split, _split_sql, nodes=("Split this expression",)),
)
