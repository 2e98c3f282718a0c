"""Which type several scalars share, as DuckDB decides it, and the explicit cast that takes them there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce

from dpsql.expression import DATE, DOUBLE, NULL, TIME, TIMESTAMP, VARCHAR, Call, Kind, Lit, Scalar, SqlType
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.literals import fold

DIGITS = {8: 3, 16: 5, 32: 10, 64: 19, 128: 38}   # decimal digits DuckDB gives an integer type that joins a DECIMAL
MAX_DIGITS = 38
FAST_DIGITS = 18                                  # the widest DECIMAL that is stored in 64 bits

NUMBERS = (Kind.BOOLEAN, Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)


def decimal(width: int, scale: int) -> SqlType:
    """DECIMAL(width, scale)."""
    return SqlType(Kind.DECIMAL, width, scale)


def as_decimal(type_: SqlType) -> SqlType:
    """The DECIMAL that stands for an integer type in arithmetic; a DECIMAL itself."""
    return decimal(DIGITS[type_.width], 0) if type_.kind is Kind.INTEGER else type_


def merge(a: SqlType, b: SqlType) -> SqlType:
    """The smallest type for both a and b, by DuckDB's rule. ScalarError when an explicit cast is needed."""
    if a == b or b == NULL:
        return a
    if a == NULL:
        return b
    kinds = {a.kind, b.kind}
    if kinds == {Kind.INTEGER}:
        return a if a.width >= b.width else b
    if kinds <= {Kind.INTEGER, Kind.DECIMAL}:
        left, right = as_decimal(a), as_decimal(b)
        scale = max(left.scale, right.scale)
        whole = max(left.width - left.scale, right.width - right.scale)
        if kinds == {Kind.DECIMAL}:   # beyond 38 digits two DECIMALs give up decimals, an integer and a DECIMAL do not
            scale = min(scale, MAX_DIGITS - whole)
        return decimal(min(MAX_DIGITS, whole + scale), scale)
    if a.numeric and b.numeric:
        return DOUBLE
    if kinds == {Kind.DATE, Kind.TIMESTAMP}:
        return TIMESTAMP
    if kinds == {Kind.BOOLEAN, Kind.INTEGER}:
        return a if a.kind is Kind.INTEGER else b
    dated = bool(kinds & {Kind.DATE, Kind.TIMESTAMP, Kind.TIME}) and VARCHAR not in (a, b)
    hint = "write a date as DATE '1998-09-02', or take a part of it, as in EXTRACT(year FROM d)"
    raise ScalarError(f"{a} and {b} do not go together",
                      hint=hint if dated else f"write CAST(... AS {b if a == VARCHAR else a})")


def common(scalars: Iterable[Scalar]) -> SqlType:
    """The type all scalars are cast to when they meet. Integer and string literals adapt to their company."""
    items = tuple(scalars)
    found = reduce(merge, (item.type for item in items if not _adapts(item)), NULL)
    literals = [item for item in items if isinstance(item, Lit) and item.value is not None and _adapts(item)]
    for item in literals:
        if item.type.kind is Kind.INTEGER and not _fits(item, found):
            found = merge(found, item.type)
    if found != NULL:
        return found
    return VARCHAR if literals else reduce(merge, (item.type for item in items), NULL)     # CAST(NULL AS INT) is typed


def _adapts(scalar: Scalar) -> bool:
    return isinstance(scalar, Lit) and (scalar.type.kind in (Kind.INTEGER, Kind.NULL) or scalar.type == VARCHAR)


def _fits(item: Lit, type_: SqlType) -> bool:
    low, high = type_.range.low, type_.range.high
    return isinstance(item.value, int) and low is not None and high is not None and low <= item.value <= high \
        and type_.kind is Kind.INTEGER


def cast(scalar: Scalar, to: SqlType) -> Scalar:
    """`scalar` as `to`, explicitly; literals are converted here and now. A value that does not fit becomes NULL."""
    if scalar.type == to:
        return scalar
    if isinstance(scalar, Lit):
        return fold(scalar, to)
    if scalar.type.kind is Kind.NULL:
        return Lit(None, to)
    if not castable(scalar.type, to):
        dated = scalar.type.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIME)
        raise ScalarError(f"{scalar.type} cannot be cast to {to}",
                          hint="take a part of it, as in EXTRACT(year FROM d)" if dated and to.numeric else None)
    return Call("cast", (scalar,), to)


def castable(source: SqlType, to: SqlType) -> bool:
    """Whether the engine knows the cast (of single values it may still make NULL)."""
    if source.kind in NUMBERS and to.kind in NUMBERS:
        return True
    if Kind.VARCHAR in (source.kind, to.kind):
        return not {source.kind, to.kind} & {Kind.INTERVAL, Kind.NULL, Kind.LIST, Kind.MAP}
    return {source, to} <= {DATE, TIMESTAMP} or (source, to) == (TIMESTAMP, TIME)
