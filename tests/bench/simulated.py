"""How often intervals of moments hold the truth, by simulating the noise alone: `python -m tests.bench.simulated`.

No engine: exact totals of drawn rows, noise of the planner's schemes on them, the family's own finish. Where noise is
well below the value (the interval is narrower than a third of it) 94 to 96 % hold it, or 93 to 98 % where the range is
one step and noise is of few; elsewhere about 93 % and more: there wide is honest.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from statistics import median
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from dpsql.aggregates import FAMILIES, Given, Noisy, Number, Partial
from dpsql.expression import BIGINT, DOUBLE, HUGEINT, Column, Ref, Scalar
from dpsql.interval import between
from dpsql.noise.scheme import USUAL, Cell, Noise, scheme
from dpsql.program import Measure
from dpsql.scalars import clamp

Rows = NDArray[np.int64]

Y, X = Ref(Column(1, "y", BIGINT)), Ref(Column(2, "x", BIGINT))
ALONE = ("avg", "var_pop", "var_samp", "stddev_pop", "stddev_samp")
PAIRS = tuple(name for name in FAMILIES if name.startswith(("covar", "corr", "regr")) and name != "regr_count")
LETTERS = {      # the totals of each family, in the order of its partials
    **dict.fromkeys(PAIRS, "nyxp"), **dict.fromkeys(ALONE, "yqn"), "avg": "yn", "corr": "nyxpqr", "regr_r2": "nyxpqr",
    "regr_slope": "nyxpr", "regr_intercept": "nyxpr", "regr_syy": "nyq", "regr_sxx": "nxr", "regr_avgy": "ny",
    "regr_avgx": "nx",
}
NARROW = 1 / 3
SHOWN = 1 / 20      # of draws that have an interval, at least, to be told of
WIDTHS = (1, 1000)      # of the range, in steps


@dataclass(frozen=True, slots=True)
class Regime:
    """So many rows of pairs whose numbers have this mean and deviation, as parts of the range, and this correlation."""

    rows: int
    mean: float
    deviation: float
    correlation: float
    epsilon: float
    gaussian: bool
    width: int = 1000

    def drawn(self) -> tuple[Rows, Rows]:
        """Rows of y and x; any will do, for it is the noise on them that is simulated."""
        draw = np.random.default_rng()
        y = draw.normal(size=self.rows)
        x = self.correlation * y + math.sqrt(1 - self.correlation**2) * draw.normal(size=self.rows)
        numbers = (np.rint(self.width * (self.mean + self.deviation * each)) for each in (y, x))
        first, second = (np.clip(each, 0, self.width).astype(np.int64) for each in numbers)
        return first, second


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the draws had an interval, how many of these held the truth, and the median width over the truth."""

    draws: int
    given: int
    held: int
    width: float

    @property
    def narrow(self) -> bool:
        """Whether noise is well below the value."""
        return self.width < NARROW


def simulated(family: str, regime: Regime, draws: int, level: float = USUAL) -> Coverage | None:
    """Draws the noise so often; None where the exact totals have no value."""
    partials = _partials(family, regime.width)
    exact = _totals(LETTERS[family], regime.width, *regime.drawn())
    sure = Noise(False, Fraction(1, 10**6))
    told = tuple(Noisy([total], sure, each.unit) for total, each in zip(exact, partials, strict=True))
    (truth,) = FAMILIES[family].finish(partials, told, DOUBLE).values
    if not isinstance(truth, float):
        return None
    noises = scheme(
        [Cell(max(each.high, -each.low)) for each in partials], 1, Fraction(str(regime.epsilon)),
        Fraction(1, 10**6), None, "gaussian" if regime.gaussian else "laplace",
    ).noises
    noisy = tuple(
        Noisy(noise.added([total] * draws), noise, each.unit, level)
        for total, each, noise in zip(exact, partials, noises, strict=True)
    )
    found = FAMILIES[family].finish(partials, noisy, DOUBLE)
    ends = np.array([pair for pair in zip(found.lows, found.highs, strict=True) if None not in pair], dtype=float)
    if not len(ends):
        return Coverage(draws, 0, 0, math.inf)
    slack = 1e-9 * max(1.0, abs(truth))
    held = int(np.sum((ends[:, 0] - slack <= truth) & (truth <= ends[:, 1] + slack)))
    low, high = np.median(ends, axis=0)
    width = math.inf if math.isinf(high) else float(high - low) / max(abs(truth), 1e-300)
    return Coverage(draws, len(ends), held, width)


def regimes() -> Iterator[Regime]:
    """From a few people to a million, means at the middle and at an end, hardly any spread and nothing else."""
    shapes = ((0.5, 0.2, 0.5), (0.1, 0.05, 0.0), (0.5, 0.01, 0.95), (0.8, 0.1, 0.95), (0.5, 0.6, -0.9))
    for rows, shape, epsilon, gaussian, width in product(
        (30, 300, 3000, 30_000, 1_000_000), shapes, (0.05, 1, 5), (False, True), WIDTHS,
    ):
        yield Regime(rows, *shape, epsilon, gaussian, width)


def _partials(family: str, width: int) -> tuple[Partial, ...]:
    def number(scalar: Scalar) -> Number:
        return Number(clamp(scalar, between(0, width)), 0, width, Fraction(1), HUGEINT)

    given = Given(number, number, _nothing, _nothing, lambda scalar: False, frozenset())
    return FAMILIES[family].partials(Measure(family, Y, (X,) if family in PAIRS else ()), given)


def _nothing(*asked: Scalar) -> NoReturn:
    raise AssertionError("numbers with a range need neither products nor cells")


def _totals(letters: str, width: int, y: Rows, x: Rows) -> list[int]:
    """What the partials sum, by `dpsql.aggregates.moments`."""
    a, b = 2 * y - width, 2 * x - width
    rows = {"y": a, "x": b, "p": a * b, "q": 2 * a * a - width**2, "r": 2 * b * b - width**2, "n": np.ones_like(a)}
    return [int(rows[letter].sum()) for letter in letters]


def main() -> int:
    """Prints a line for each family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000, help="of each regime (default: 4000)")
    parser.add_argument("--level", type=float, default=USUAL, help="of the intervals (default: 0.95)")
    options = parser.parse_args()
    print(f"level {options.level:g}, {options.draws} draws a regime, % held: least, median and most")
    for family in (*ALONE, *PAIRS):
        found = [each for regime in regimes() if (each := simulated(family, regime, options.draws, options.level))]
        shares = [(each.narrow, 100 * each.held / each.given) for each in found if each.given > SHOWN * each.draws]
        print(f"{family:15}", *(
            f"{name} {min(held):6.2f} {median(held):6.2f} {max(held):6.2f} of {len(held):3} regimes; "
            for name, kind in (("narrow", True), ("wide", False))
            if (held := [share for narrow, share in shares if narrow is kind])
        ), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
