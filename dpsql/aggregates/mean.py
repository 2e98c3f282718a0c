"""AVG(x): a sum and a count. Alone, the sum is centred at the middle of the range, which halves its noise; where the
plain sum of x is asked too, that one is shared."""

from __future__ import annotations

from decimal import Decimal

from dpsql import scalars
from dpsql.aggregates.base import Family, Given, Noisy, Number, Partial, Released
from dpsql.aggregates.count import counting
from dpsql.aggregates.sum import exactly, summing
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, INTEGER, Call, Kind, Lit, Scalar, SqlType
from dpsql.noise.ratio import ratio_interval
from dpsql.program import Measure
from dpsql.relation import Fold


def _partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
    assert measure.arg is not None, "AVG has an argument"
    number = given.number(measure.arg)
    count = counting(_witness(number.row), given)
    if Measure("sum", measure.arg) in given.siblings:
        return summing(number), count
    return _centred(number), count


def _centred(number: Number) -> Partial:
    """Sum of `2x - (L + U)` in half steps: each row adds at most `U - L` of them, either way."""
    reach, centre = number.high - number.low, number.low + number.high
    type_ = number.row.type
    if type_.kind is Kind.DECIMAL:
        digits = max(type_.width, len(str(abs(centre))))     # L + U may have one more than x
        two = Lit(Decimal(2), SqlType(Kind.DECIMAL, 1))
        middle = Lit(exactly(centre, type_.scale), SqlType(Kind.DECIMAL, min(38, digits), type_.scale))
    else:
        two, middle = Lit(2, INTEGER), Lit(centre, HUGEINT if abs(centre) >= 1 << 62 else BIGINT)
    row = scalars.call("-", scalars.call("*", two, number.row), middle)
    return Partial(Fold.SUM, row, -reach, reach, number.unit / 2, centre)


def _witness(row: Scalar) -> Scalar:
    """What is NULL exactly when `row` is: a clamp of a number without NaN keeps NULL, so COUNT(x) can be shared."""
    while isinstance(row, Call) and row.name == "clamp" and row.type.kind is not Kind.DOUBLE:
        row = row.args[0]
    return row


def _type(measure: Measure, given: Given) -> SqlType:
    return DOUBLE


def _finish(partials: tuple[Partial, ...], noisy: tuple[Noisy, ...], type_: SqlType) -> Released:
    """(centre * n + s) / n in exact integers, one division at the end, kept inside the range of a row.

    The interval is the exact confidence set of s/n (`ratio_interval`); a noisy count below 1 counts as 1 in the value.
    """
    total, count = noisy
    partial = partials[0]
    if partial.centre is None:
        shift, low, high = 0, partial.low, partial.high
    else:
        shift, low, high = partial.centre, partial.centre + partial.low, partial.centre + partial.high
    bound = max(abs(low - shift), abs(high - shift))
    up, down = total.unit.numerator, total.unit.denominator

    def value(steps: int, rows: int) -> float:
        inside = min(max(shift * rows + steps, low * rows), high * rows)
        return inside * up / (rows * down)

    def end(theta: float) -> float:
        return min(max(shift + theta, low), high) * up / down

    lows, highs = ratio_interval(total.values, count.values, total.scale, count.scale, bound)
    values = [value(s, max(n, 1)) for s, n in zip(total.values, count.values, strict=True)]
    return Released(
        values,
        [min(end(float(theta)), v) for theta, v in zip(lows, values, strict=True)],
        [max(end(float(theta)), v) for theta, v in zip(highs, values, strict=True)],
    )


AVG = Family(_partials, _type, _finish)
