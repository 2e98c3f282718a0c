"""First and second moments around the middle of a range: the partials that variances and correlations are made of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from dpsql import scalars
from dpsql.aggregates.base import Given, Number, Partial
from dpsql.aggregates.count import counting
from dpsql.aggregates.sum import exactly, summing
from dpsql.expression import BIGINT, HUGEINT, INTEGER, Call, Kind, Lit, Scalar, SqlType
from dpsql.program import Measure
from dpsql.relation import Fold


def mean_partials(arg: Scalar, given: Given) -> tuple[Partial, Partial]:
    """The sum and the count that give a mean: centred, unless the plain sum is asked too or there is no centre."""
    number = given.number(arg)
    count = counting(witness(number.row), given)
    shared = Measure("sum", arg) in given.siblings
    return summing(number) if shared or number.loose else centred(number), count


def centred(number: Number) -> Partial:
    """Sum of `2x - (L + U)` in half steps: each row adds at most `U - L` of them, either way."""
    reach = number.high - number.low
    return Partial(Fold.SUM, offset(number), -reach, reach, number.unit / 2, number.low + number.high)


def offset(number: Number) -> Scalar:
    """`2x - (L + U)`, in half steps of x."""
    centre, type_ = number.low + number.high, number.row.type
    if type_.kind is Kind.DECIMAL:
        digits = max(type_.width, len(str(abs(centre))))     # L + U may have one more than x
        two = Lit(Decimal(2), SqlType(Kind.DECIMAL, 1))
        middle = Lit(exactly(centre, type_.scale), SqlType(Kind.DECIMAL, min(38, digits), type_.scale))
    else:
        two, middle = Lit(2, INTEGER), Lit(centre, HUGEINT if abs(centre) >= 1 << 62 else BIGINT)
    return scalars.call("-", scalars.call("*", two, number.row), middle)


def squared(number: Number) -> Partial:
    """The sum of centred squares of a number that has few steps.

    Theorem: for x in [L, U], c = 2x - (L + U) and w = U - L, the row 2 c^2 - w^2 lies in [-w^2, w^2], and
    (row + w^2) / 2 = c^2: so the sum of (x - mid)^2 is bought at half the sensitivity of the plain one.
    Proof: |c| <= w, so 0 <= 2 c^2 <= 2 w^2. With x in steps of u, (x - mid)^2 = c^2 (u/2)^2 = (row + w^2) u^2 / 8.
    Needs: the row is clipped to that range below the noise, which `bound` prints; nothing here is believed.
    Source: design.md, section 4, Aggregates as partials.
    """
    width = number.high - number.low
    square = width * width
    away = offset(number)
    double = scalars.call("*", Lit(2, INTEGER), scalars.call("*", away, away))
    row = scalars.call("-", double, Lit(square, BIGINT))
    middle = (number.low + number.high) * number.unit / 2
    return Partial(Fold.SUM, row, -square, square, number.unit * number.unit / 8, square, middle)


def crossed(one: Number, other: Number) -> Partial:
    """The sum of the products of two centred numbers, over the rows that have both.

    Theorem: with c = 2x - (Lx + Ux), d = 2y - (Ly + Uy), the row c d lies in [-wx wy, wx wy] and is
    (x - midx)(y - midy) in units of ux uy / 4.
    Proof: |c| <= wx and |d| <= wy.
    Needs: the row is clipped to that range below the noise, which `bound` prints.
    Source: design.md, section 4, Aggregates as partials.
    """
    reach = (one.high - one.low) * (other.high - other.low)
    return Partial(Fold.SUM, scalars.call("*", offset(one), offset(other)), -reach, reach, one.unit * other.unit / 4, 0)


def beside(partial: Partial, other: Number, given: Given) -> Partial:
    """The partial over the rows in which another number is there too."""
    assert partial.row is not None, "a moment has a row"
    if not given.nullable(other.row):
        return partial
    there = scalars.call("is_not_null", witness(other.row))
    row = scalars.call("case", there, partial.row, Lit(None, partial.row.type))
    return replace(partial, row=row)


def witness(row: Scalar) -> Scalar:
    """What is NULL exactly when `row` is: a clamp of a number without NaN keeps NULL, so COUNT(x) can be shared."""
    while isinstance(row, Call) and row.name == "clamp" and row.type.kind is not Kind.DOUBLE:
        row = row.args[0]
    return row
