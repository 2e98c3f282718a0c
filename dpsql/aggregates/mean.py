"""AVG(x): a sum and a count. Alone, the sum is centred at the middle of the range, which halves its noise; where the
plain sum of x is asked too, that one is shared."""

from __future__ import annotations

from dpsql.aggregates.base import Family, Given, Noisy, Partial, Released
from dpsql.aggregates.moments import mean_partials
from dpsql.expression import DOUBLE, SqlType
from dpsql.noise.ratio import ratio_interval
from dpsql.program import Measure


def _partials(measure: Measure, given: Given) -> tuple[Partial, ...]:
    assert measure.arg is not None, "AVG has an argument"
    return mean_partials(measure.arg, given)


def _type(measure: Measure) -> SqlType:
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

    lows, highs = ratio_interval(
        total.values, count.values, total.scale, count.scale, bound, total.level, total.noise.gaussian
    )
    values = [value(s, max(n, 1)) for s, n in zip(total.values, count.shown, strict=True)]
    return Released(
        values,
        [min(end(float(theta)), v) for theta, v in zip(lows, values, strict=True)],
        [max(end(float(theta)), v) for theta, v in zip(highs, values, strict=True)],
    )


AVG = Family(_partials, _type, _finish)
