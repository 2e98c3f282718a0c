"""The moments: what a row adds, and what finishes make of noisy totals."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dpsql.aggregates import FAMILIES, Cells, Given, Noisy, Number, Partial
from dpsql.aggregates.moments import crossed, squared
from dpsql.expression import BIGINT, HUGEINT, Call, Column, Lit, Ref, Scalar
from dpsql.interval import between
from dpsql.noise.scheme import Noise
from dpsql.program import Measure
from dpsql.scalars import clamp

X, Y = Column(1, "x", BIGINT), Column(2, "y", BIGINT)
ends = st.tuples(st.integers(-1000, 1000), st.integers(0, 1000)).map(lambda pair: (pair[0], pair[0] + pair[1]))


def number(column: Column, low: int, high: int, unit: Fraction = Fraction(1)) -> Number:
    return Number(clamp(Ref(column), between(low, high)), low, high, unit, HUGEINT)


def value(scalar: Scalar, row: dict[Column, int]) -> int:
    """What the few rows that moments are made of compute."""
    match scalar:
        case Ref(column):
            return row[column]
        case Lit(int() as found):
            return found
        case Call("clamp", (inner, low, high)):
            return min(max(value(inner, row), value(low, row)), value(high, row))
        case Call("cast", (inner,)):
            return value(inner, row)
        case Call("*", (a, b)):
            return value(a, row) * value(b, row)
        case Call("-", (a, b)):
            return value(a, row) - value(b, row)
    raise AssertionError(f"moments do not use {scalar}")


@given(ends, st.integers(-3000, 3000), st.sampled_from([Fraction(1), Fraction(1, 100), Fraction(4)]))
def test_theorem_squared(range_: tuple[int, int], x: int, unit: Fraction) -> None:
    low, high = range_
    partial = squared(number(X, low, high, unit))
    assert partial.row is not None and partial.centre is not None
    row = value(partial.row, {X: x})
    assert partial.low <= row <= partial.high == (high - low) ** 2
    middle = Fraction(low + high, 2) * unit
    assert (row + partial.centre) * partial.unit == (min(max(x, low), high) * unit - middle) ** 2
    assert partial.about == middle


@given(ends, ends, st.integers(-3000, 3000), st.integers(-3000, 3000))
def test_theorem_crossed(one: tuple[int, int], other: tuple[int, int], x: int, y: int) -> None:
    unit = Fraction(1, 10)
    partial = crossed(number(X, *one, unit), number(Y, *other))
    assert partial.row is not None
    row = value(partial.row, {X: x, Y: y})
    assert partial.low <= row <= partial.high
    away = [Fraction(min(max(v, low), high)) - Fraction(low + high, 2) for v, (low, high) in ((x, one), (y, other))]
    assert row * partial.unit == away[0] * unit * away[1]


def bought(family: str, low: int, high: int) -> tuple[Partial, ...]:
    given_ = Given(
        lambda scalar: number(X if scalar == Ref(X) else Y, low, high),
        lambda scalar: number(X if scalar == Ref(X) else Y, low, high),
        _no_product, _no_cells, lambda scalar: False, frozenset(),
    )
    more = (Ref(Y),) if family.startswith(("covar", "corr", "regr")) else ()
    return FAMILIES[family].partials(Measure(family, Ref(X), more), given_)


def _no_product(one: Scalar, other: Scalar) -> Number:
    raise AssertionError("numbers with a range are squared around its middle")


def _no_cells(scalar: Scalar) -> Cells:
    raise AssertionError("moments need no cells")


PAIRED = [name for name in FAMILIES if name.startswith(("covar", "corr", "regr")) and name != "regr_count"]
SINGLE = [name for name in FAMILIES if name.startswith(("var", "stddev"))]


@given(st.sampled_from(SINGLE + PAIRED), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=3,
                                                 max_size=30))
def test_exact_totals_give_exact_statistics(family: str, rows: list[tuple[int, int]]) -> None:
    """Of exact totals the finish makes what NumPy makes of the rows; the interval holds it."""
    partials = bought(family, 0, 50)
    totals = [
        sum(1 if p.row is None else value(p.row, {X: x, Y: y}) for x, y in rows)
        for p in partials
    ]
    tiny = Fraction(1, 10**6)
    found = FAMILIES[family].finish(partials, tuple(
        Noisy([total], Noise(False, tiny), p.unit) for total, p in zip(totals, partials, strict=True)
    ), BIGINT)
    wanted = expected(family, np.array(rows, dtype=float))
    got, low, high = found.values[0], found.lows[0], found.highs[0]
    if wanted is None:
        return      # no spread: the answer is NULL or a rounding error's
    assert isinstance(got, float) and math.isclose(got, wanted, rel_tol=1e-9, abs_tol=1e-6)
    assert isinstance(low, float) and isinstance(high, float) and low - 1e-6 <= wanted <= high + 1e-6


def expected(family: str, rows: np.ndarray) -> float | None:  # type: ignore[type-arg]
    y, x = rows[:, 0], rows[:, 1]
    if family in SINGLE:
        spread = float(y.var(ddof="samp" in family))
        return spread**0.5 if family.startswith("stddev") else spread
    covariance = float(((y - y.mean()) * (x - x.mean())).mean())
    if family.startswith("covar"):
        return covariance * (len(rows) / (len(rows) - 1) if family.endswith("samp") else 1)
    if family in ("regr_avgy", "regr_avgx"):
        return float((y if family.endswith("y") else x).mean())
    if family.startswith("regr_s") and family != "regr_slope":
        return len(rows) * {"regr_sxx": float(x.var()), "regr_syy": float(y.var()), "regr_sxy": covariance}[family]
    if x.var() == 0 or y.var() == 0:
        return None
    slope = covariance / float(x.var())
    corr = covariance / float(x.var() * y.var()) ** 0.5
    found = {
        "corr": corr, "regr_slope": slope, "regr_intercept": float(y.mean() - slope * x.mean()), "regr_r2": corr**2,
    }
    return float(found[family])


@given(st.sampled_from(SINGLE + PAIRED), st.lists(st.integers(-(10**6), 10**6), min_size=6, max_size=6))
def test_results_are_feasible_whatever_the_noise(family: str, noise: list[int]) -> None:
    partials = bought(family, 0, 50)
    found = FAMILIES[family].finish(partials, tuple(
        Noisy([z], Noise(False, Fraction(100)), p.unit) for z, p in zip(noise, partials, strict=False)
    ), BIGINT)
    (got,), (low,), (high,) = found.values, found.lows, found.highs
    if got is None:
        assert low is None and high is None
        return
    assert low <= got <= high  # type: ignore[operator]
    top = {"corr": 1.0, "regr_r2": 1.0, "regr_avgx": 50.0, "regr_avgy": 50.0, "covar_pop": 625.0, "covar_samp": 1250.0}
    if family in SINGLE:
        assert 0 <= got <= 1250.0  # type: ignore[operator]
    elif family in top:
        assert abs(got) <= top[family] + 1e-9  # type: ignore[arg-type]
