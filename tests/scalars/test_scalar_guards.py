"""Clamps and the integer guards: total, exact, and bounded as their ranges say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import duckdb
import pytest
import sqlglot
from expressions import printed, text_of
from hypothesis import given, settings
from hypothesis import strategies as st

from dpsql.errors import InternalError
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, INTEGER, VARCHAR, Column, Kind, Lit, Ref, Scalar, SqlType
from dpsql.interval import Interval, between
from dpsql.scalars import bounds, call, clamp, enforced, nullable

TOP = 1 << 62


def decimal(width: int, scale: int) -> SqlType:
    return SqlType(Kind.DECIMAL, width, scale)


def ref(name: str, type_: SqlType, place: int = 1) -> Ref:
    return Ref(Column(place, name, type_))


ENGINE = duckdb.connect()


def evaluate(scalar: Scalar, **columns: Sequence[object]) -> list[object]:
    """The values of a scalar over rows given as columns of SQL texts; the text must survive the parser."""
    text = text_of(scalar)
    assert sqlglot.parse_one(text, dialect="duckdb") == printed(scalar)
    rows = zip(*columns.values(), strict=True)
    listed = ", ".join("(" + ", ".join(str(cell) for cell in row) + ")" for row in rows)
    names = ", ".join(f'"{name}"' for name in columns)
    assert str(
        ENGINE.execute(f"SELECT typeof({text}) FROM (VALUES {listed}) t({names}) LIMIT 1").fetchall()[0][0]
    ).replace(",", ", ") == str(scalar.type)
    return [row[0] for row in ENGINE.execute(f"SELECT {text} FROM (VALUES {listed}) t({names})").fetchall()]


def cast(type_: SqlType, *values: object) -> list[str]:
    return [f"CAST({'NULL' if value is None else repr(str(value))} AS {type_})" for value in values]


class TestClamp:
    def test_integers(self) -> None:
        clamped = clamp(ref("x", INTEGER), Interval(Fraction(-5, 2), Fraction(7, 2)))
        assert evaluate(clamped, x=cast(INTEGER, None, -2147483648, -3, 0, 4, 2147483647)) == [None, -3, -3, 0, 4, 4]
        assert enforced(clamped) == between(-3, 4)

    def test_decimals_round_outwards(self) -> None:
        clamped = clamp(ref("x", decimal(4, 1)), Interval(Fraction("0.15"), Fraction("2.22")))
        assert evaluate(clamped, x=cast(decimal(4, 1), -999.9, 0.1, 2.3, 999.9)) == [
            Decimal("0.1"),
            Decimal("0.1"),
            Decimal("2.3"),
            Decimal("2.3"),
        ]
        assert enforced(clamped) == Interval(Fraction("0.1"), Fraction("2.3"))

    def test_doubles(self) -> None:
        clamped = clamp(ref("x", DOUBLE), Interval(Fraction(0), Fraction("0.1")))
        values = evaluate(clamped, x=cast(DOUBLE, None, "nan", "inf", "-inf", 0.1, 5e-324, 1e308, "-0.0"))
        assert values == [None, None, 0.1, 0.0, 0.1, 5e-324, 0.1, 0.0]
        assert enforced(clamped).ends == (0, Fraction(0.1))

    def test_one_end(self) -> None:
        clamped = clamp(ref("x", INTEGER), Interval(Fraction(0), None))
        assert evaluate(clamped, x=cast(INTEGER, -1, 5)) == [0, 5]
        assert enforced(clamped).low == 0

    def test_range_beyond_the_type(self) -> None:
        assert clamp(ref("x", INTEGER), between(-(10**12), 10**12)) == ref("x", INTEGER)
        beyond = clamp(ref("x", INTEGER), between(10**12, 10**13))
        assert evaluate(beyond, x=cast(INTEGER, 0, None)) == [2147483647, None]
        assert enforced(beyond) == between(2147483647, 2147483647)
        below = clamp(ref("x", decimal(4, 1)), between(-(10**9), -(10**8)))
        assert evaluate(below, x=cast(decimal(4, 1), 5)) == [Decimal("-999.9")]

    @settings(max_examples=40, deadline=None)
    @given(low=st.fractions(), width=st.fractions(min_value=0), value=st.floats(allow_nan=False))
    def test_any_double_lands_in_the_proved_range(self, low: Fraction, width: Fraction, value: float) -> None:
        clamped = clamp(ref("x", DOUBLE), Interval(low, low + width))
        (found,) = evaluate(clamped, x=cast(DOUBLE, value))
        assert isinstance(found, float) and math.isfinite(found)
        bottom, top = enforced(clamped).ends
        assert bottom <= Fraction(found) <= top

    def test_null_stays_null_and_nothing_else_becomes_null(self) -> None:
        column = ref("x", INTEGER)
        assert not nullable(clamp(column, between(0, 1)), lambda _: False)
        assert nullable(clamp(column, between(0, 1)), lambda _: True)
        assert nullable(clamp(Ref(Column(1, "x", DOUBLE, table="t")), between(0, 1)), lambda _: False)


class TestGrid:
    def grid(self, low: int, high: int, power: int) -> Scalar:
        return call("grid", clamp(ref("x", DOUBLE), between(low, high)), Lit(power, INTEGER))

    def test_values(self) -> None:
        values = evaluate(
            self.grid(-100, 100, 10), x=cast(DOUBLE, None, "nan", "inf", "-inf", "-0.0", 0.5, 1e-9, 5e-324)
        )
        assert values == [None, None, 102400, -102400, 0, 512, 0, 0]
        assert enforced(self.grid(-100, 100, 10)) == between(-102400, 102400)

    def test_the_limit(self) -> None:
        assert evaluate(self.grid(-1, 1, 62), x=cast(DOUBLE, "inf", "-inf")) == [TOP, -TOP]
        with pytest.raises(InternalError):
            self.grid(-1, 1, 63)
        with pytest.raises(InternalError):
            self.grid(-2, 1, 62)

    def test_extreme_powers(self) -> None:
        tiny = clamp(ref("x", DOUBLE), Interval(Fraction(0), Fraction(2) ** -900))
        assert evaluate(call("grid", tiny, Lit(960, INTEGER)), x=cast(DOUBLE, 1)) == [2**60]
        huge = clamp(ref("x", DOUBLE), Interval(Fraction(0), Fraction(2) ** 900))
        assert evaluate(call("grid", huge, Lit(-840, INTEGER)), x=cast(DOUBLE, "inf")) == [2**60]

    def test_only_over_a_clamp(self) -> None:
        with pytest.raises(InternalError):
            call("grid", ref("x", DOUBLE), Lit(3, INTEGER))
        with pytest.raises(InternalError):
            call("grid", clamp(ref("x", INTEGER), between(0, 1)), Lit(3, INTEGER))
        with pytest.raises(InternalError):
            call("grid", clamp(ref("x", DOUBLE), Interval(Fraction(0), None)), Lit(3, INTEGER))


class TestShrink:
    @settings(max_examples=40, deadline=None)
    @given(
        total=st.integers(min_value=-(2**127) + 1, max_value=2**127 - 1),
        rows=st.integers(min_value=0, max_value=2**63 - 1),
        limit=st.one_of(st.integers(min_value=1, max_value=2**63 - 1), st.integers(min_value=1, max_value=100)),
    )
    def test_towards_zero(self, total: int, rows: int, limit: int) -> None:
        found = call("shrink", ref("s", HUGEINT, 1), ref("n", BIGINT, 2), Lit(limit, BIGINT))
        shrunk = abs(total) * limit // rows * (1 if total >= 0 else -1) if rows > limit else total
        assert evaluate(found, s=cast(HUGEINT, total), n=cast(BIGINT, rows)) == [shrunk]

    def test_extremes(self) -> None:
        found = call("shrink", ref("s", HUGEINT, 1), ref("n", BIGINT, 2), Lit(1, BIGINT))
        assert evaluate(found, s=cast(HUGEINT, -(2**127), None, 5, 7), n=cast(BIGINT, 2, 3, None, 0)) == [
            -(2**126),
            None,
            5,
            7,
        ]
        assert enforced(found) == HUGEINT.range
        assert bounds(found, lambda column: between(5, 9)) == between(0, 9)


class TestShrinkDecimal:
    def test_values(self) -> None:
        found = call("shrink", ref("s", decimal(38, 2), 1), ref("n", BIGINT, 2), Lit(2, BIGINT))
        totals = cast(decimal(38, 2), 10, -10, None, 5, "9" * 36)
        assert evaluate(found, s=totals, n=cast(BIGINT, 4, 4, 9, 2, 2)) == [
            Decimal(5),
            Decimal(-5),
            None,
            Decimal(5),
            Decimal("9" * 36),
        ]


class TestClip:
    def test_integers(self) -> None:
        found = call("clip", ref("s", HUGEINT), Lit(-5, HUGEINT), Lit(TOP, HUGEINT))
        assert evaluate(found, s=cast(HUGEINT, -(2**127), -5, None, 3, 2**127 - 1)) == [-5, -5, None, 3, TOP]
        assert enforced(found) == between(-5, TOP)

    def test_decimals_in_steps_of_the_last_digit(self) -> None:
        found = call("clip", ref("s", decimal(38, 2)), Lit(-150, HUGEINT), Lit(TOP, HUGEINT))
        assert evaluate(found, s=cast(decimal(38, 2), "9" * 36, -2, 1, None)) == [
            Decimal(TOP).scaleb(-2),
            Decimal("-1.50"),
            Decimal(1),
            None,
        ]
        assert enforced(found) == Interval(Fraction(-3, 2), Fraction(TOP, 100))
        small = call("clip", ref("s", decimal(38, 2)), Lit(0, HUGEINT), Lit(10**10, HUGEINT))
        assert small.type == decimal(18, 2)

    def test_the_limit(self) -> None:
        for low, high in ((0, TOP + 1), (-TOP - 1, 0), (5, 4)):
            with pytest.raises(InternalError):
                call("clip", ref("s", HUGEINT), Lit(low, HUGEINT), Lit(high, HUGEINT))
        with pytest.raises(InternalError):
            call("clip", ref("s", DOUBLE), Lit(0, HUGEINT), Lit(1, HUGEINT))


def test_small_guards() -> None:
    assert evaluate(call("one_if", call("=", ref("x", INTEGER), Lit(1, INTEGER))), x=cast(INTEGER, 1, 2, None)) == [
        1,
        0,
        0,
    ]
    zeros = evaluate(call("plain_zero", ref("x", DOUBLE)), x=cast(DOUBLE, "-0.0", 1.5, "nan", None))
    assert math.copysign(1, zeros[0]) == 1 and zeros[1] == 1.5 and zeros[3] is None  # type: ignore[arg-type]
    assert isinstance(zeros[2], float) and math.isnan(zeros[2])


def test_text_is_never_clamped() -> None:
    column = Ref(Column(1, "v", VARCHAR, declared=None))
    assert call("=", column, Lit("a", VARCHAR)).args[0] is column  # type: ignore[union-attr]
