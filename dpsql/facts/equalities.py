"""Which columns a conjunction makes equal. Only bare columns of one exact type family, so equality is transitive.

Decimals of one type are compared as integers; of two types one of them is cast, which may round or fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dpsql.expression import Call, Column, Kind, Ref, Scalar

_EXACT = (Kind.INTEGER, Kind.VARCHAR, Kind.DATE, Kind.TIMESTAMP, Kind.TIME, Kind.BOOLEAN)


def equal_pairs(conjuncts: Iterable[Scalar]) -> Iterator[tuple[Column, Column]]:
    """The pairs of columns that a conjunct of the form `a = b` makes equal (lossless integer casts ignored)."""
    for conjunct in conjuncts:
        if isinstance(conjunct, Call) and conjunct.name == "=":
            match conjunct.args:
                case (Ref(one), Ref(other)) if one.type.kind is Kind.DECIMAL and one.type == other.type:
                    yield one, other
                    continue
            left, right = (bare_column(arg) for arg in conjunct.args)
            if left is not None and right is not None:
                yield left, right


def same(conjuncts: Iterable[Scalar], a: Column, b: Column) -> bool:
    """Whether a conjunct says `a = b` directly."""
    return any({left.id, right.id} == {a.id, b.id} for left, right in equal_pairs(conjuncts))


def classes(conjuncts: Iterable[Scalar]) -> list[dict[int, Column]]:
    """The columns made equal, closed under transitivity: one dictionary of columns by id per class."""
    found: list[dict[int, Column]] = []
    for left, right in equal_pairs(conjuncts):
        merged = {left.id: left, right.id: right}
        for group in [group for group in found if left.id in group or right.id in group]:
            merged |= group
            found.remove(group)
        found.append(merged)
    return found


def bare_column(scalar: Scalar) -> Column | None:
    """The column that a scalar is, lossless integer casts ignored; only of a type whose equal values are the same."""
    while isinstance(scalar, Call) and scalar.name == "cast" and _widens(scalar):
        scalar = scalar.args[0]
    return scalar.column if isinstance(scalar, Ref) and scalar.type.kind in _EXACT else None


def _widens(cast: Call) -> bool:
    source = cast.args[0].type
    return source.kind is cast.type.kind is Kind.INTEGER and source.width <= cast.type.width
