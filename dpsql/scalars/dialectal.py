"""Nodes whose meaning hangs on a dialect's mark and on types: casts, division, rounding, sums of dates and texts."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from dpsql.expression import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INTEGER,
    NULL,
    TIMESTAMP,
    VARCHAR,
    Kind,
    Lit,
    Scalar,
    SqlType,
)
from dpsql.scalars import spelling
from dpsql.scalars.clamps import declared
from dpsql.scalars.conversion import through
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.marks import CUTS, DIGITS, EVEN, JOINS, NUMERALS, OF_DATE, READS, ROUNDS, STAYS, TRUTHS
from dpsql.scalars.rows import ROWS, Row, call
from dpsql.scalars.time_forms import moved
from dpsql.scalars.unify import MAX_DIGITS, as_decimal, cast, decimal

Visit = Callable[[exp.Expr], Scalar]
Rule = Callable[[exp.Expr, Visit], Scalar]

_WHOLE = 1 << 53        # larger DOUBLEs are whole numbers


def apply(row: Row, args: list[Scalar]) -> Scalar:
    """One row of the table, its column arguments clamped where their value is used."""
    return call(row.name, *(declared(arg) for arg in args) if row.value else args)


def _cast(node: exp.Expr, visit: Visit) -> Scalar:
    if {key for key, value in node.args.items() if value} - {"this", "to", "safe"}:
        raise ScalarError("this form of CAST is not admitted")
    value, stand_in = visit(node.this), spelling.stand_in(node.args["to"])
    if node.meta.get(TRUTHS) and value.type != BOOLEAN:
        return value
    if stand_in is not None:
        return through(declared(value), stand_in)
    to = _exact(value, node) if DIGITS in node.meta else spelling.type_of(node.args["to"])
    if node.meta.get(READS) and value.type == VARCHAR and not (isinstance(value, Lit) and "." not in str(value.value)):
        value = apply(ROWS["trunc"], [cast(value, decimal(MAX_DIGITS, MAX_DIGITS // 2))])
    elif node.meta.get(CUTS) and value.type.kind in (Kind.DOUBLE, Kind.DECIMAL):
        value = apply(ROWS["trunc"], [value])
    elif node.meta.get(ROUNDS) and value.type.kind is Kind.DOUBLE:
        value = apply(ROWS["round"], [value])
    try:
        return cast(declared(value) if to.numeric else value, to)
    except ScalarError:
        if isinstance(node, exp.TryCast) and isinstance(value, Lit) and value.type == VARCHAR:
            return Lit(None, to)
        raise


def _exact(value: Scalar, node: exp.Expr) -> SqlType:
    """The type of a NUMERIC that keeps all digits."""
    if value.type.kind in (Kind.DOUBLE, Kind.DECIMAL):
        return value.type
    if value.type.kind in (Kind.INTEGER, Kind.NULL):
        return as_decimal(BIGINT if value.type == NULL else value.type)
    raise ScalarError(f"a NUMERIC of {value.type} without digits keeps them all in {node.meta[DIGITS]}",
                      hint="write how many, as in NUMERIC(18, 4), or CAST(... AS DOUBLE)")


def _divided(node: exp.Expr, visit: Visit) -> Scalar:
    """In some dialects whole numbers are divided as whole numbers, and nothing is divided by zero."""
    left, right = visit(node.this), visit(node.expression)
    if not node.args.get("typed"):
        return apply(ROWS["/"], [left, right])
    if {left.type.kind, right.type.kind} <= {Kind.INTEGER, Kind.NULL}:
        return apply(ROWS["//"], [left, right])
    stated = isinstance(right, Lit) and right.value
    return apply(ROWS["/"], [left, right if stated else call("nullif", right, Lit(0, INTEGER))])


def _wholly_divided(node: exp.Expr, visit: Visit) -> Scalar:
    found = apply(ROWS["//"], [visit(node.this), visit(node.expression)])
    cut = node.meta.get(CUTS) and found.type.kind is not Kind.INTEGER
    return cast(apply(ROWS["trunc"], [found]), BIGINT) if cut else found


def _added(node: exp.Expr, visit: Visit) -> Scalar:
    sign = "+" if isinstance(node, exp.Add) else "-"
    if (later := moved(node, visit)) is not None:
        return cast(later, DATE) if node.meta.get(STAYS) and visit(node.this).type == DATE else later
    left, right = visit(node.this), visit(node.expression)
    if node.meta.get(JOINS) and VARCHAR in (left.type, right.type) and {left.type, right.type} <= {VARCHAR, NULL}:
        return call("||", left, right)
    if node.meta.get(NUMERALS) and {left.type, right.type} & {DATE, TIMESTAMP} and Kind.INTERVAL not in (
            left.type.kind, right.type.kind):
        raise ScalarError(f"{sign} of dates takes them as numbers here, not as days", node, node.meta[NUMERALS])
    found = apply(ROWS[sign], [left, right])
    return cast(found, DATE) if node.meta.get(STAYS) and left.type == DATE else found


def _placed(node: exp.Expr, visit: Visit) -> list[Scalar]:
    """A number and perhaps its decimals."""
    if {key for key, value in node.args.items() if value} - {"this", "decimals"}:
        raise ScalarError(f"{spelling.name(node)} takes a number, and how many decimals")
    return [visit(node.args[key]) for key in ("this", "decimals") if node.args.get(key) is not None]


def _rounded(node: exp.Expr, visit: Visit) -> Scalar:
    values = _placed(node, visit)
    if not node.meta.get(EVEN) or values[0].type != DOUBLE:
        return apply(ROWS["round"], values)
    value = declared(values[0])         # a cast rounds so; beyond 2^53 there are no fractions
    small = call("between", value, Lit(float(-_WHOLE), DOUBLE), Lit(float(_WHOLE), DOUBLE))
    return call("case", small, cast(cast(value, BIGINT), DOUBLE), value)


def _truncated(node: exp.Expr, visit: Visit) -> Scalar:
    values = _placed(node, visit)
    day = node.meta.get(STAYS) and len(values) == 1 and values[0].type in (DATE, TIMESTAMP)
    return cast(values[0], DATE) if day else apply(ROWS["trunc"], values)


def _formatted(node: exp.Expr, visit: Visit) -> Scalar:
    value = visit(node.this)
    of_date = node.meta.get(OF_DATE) if value.type == DATE else None
    return call("strftime", value, visit(node.args["format"]) if of_date is None else Lit(of_date, VARCHAR))


RULES: dict[str, Rule] = {
    "Add": _added, "Cast": _cast, "Div": _divided, "IntDiv": _wholly_divided, "Round": _rounded, "Sub": _added,
    "TimeToStr": _formatted, "Trunc": _truncated, "TryCast": _cast,
}
