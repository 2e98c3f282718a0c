"""How much of epsilon a search takes, and how fast its prior falls: python -m tests.bench.searches [--runs 400]

Simulated totals of twenty kinds of data, clipped where a search chose and with Laplace noise of what is left. For
numbers of people and searches of a question, and its epsilon: median and mean errors of each share and slope, as
multiples of those of the design's (a tenth, 5/2), as geometric means over the kinds of data; beside them that one's
own median error. `dpsql.probe.SEARCHES` and `dpsql.noise.search.SLOPE` are the design's; this is what others would do.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from dpsql.noise.search import DEEPEST, ladder

Floats = NDArray[np.float64]
COUNTS, LOOSE = np.array(ladder(1, 1 << 24), float), np.array(ladder(1, 1 << 62), float)
WHOLE = 1 << 20         # steps in one of undeclared values
WAYS = ((1 / 10, 2.5), (1 / 7, 2.5), (1 / 5, 2.5), (1 / 10, 3.0), (1 / 7, 3.0), (1 / 5, 3.0), (1 / 4, 3.0))


def kinds(n: int, random: np.random.Generator) -> list[tuple[Floats, int]]:
    """What n people add, in steps, and how many steps are one: counts, then values nobody stated a range of."""
    u = random.random(n)
    counts = (
        1 + np.floor(-3 * np.log(1 - u)), 1 + np.floor(-29 * np.log(1 - u)), np.ceil((1 - u) ** (-1 / 1.5)),
        np.ceil((1 - u) ** (-1 / 1.1)), np.ceil(10 * u), np.ceil(100 * u), np.ones(n), np.full(n, 7.0),
        np.full(n, 40.0), (u < 0.05) * random.integers(1, 6, n), 18 + np.floor(72 * u),
        np.floor(30000 * (1 - u) ** -0.35),
    )
    values = (
        30000 * (1 - u) ** -0.35, 100 * (1 - u) ** -0.7, u, -20 * np.log(1 - u), 1e4 + 100 * u, (u < 0.05) * 1.0,
        1e7 * (1 - u) ** -0.3, (u - 0.4) * 500,
    )
    return [*((each, 1) for each in counts), *((np.round(each * WHOLE), WHOLE) for each in values)]


def errors(
    added: Floats, whole: int, epsilon: float, share: float, slope: float, runs: int, random: np.random.Generator,
) -> tuple[float, float]:
    """Median and mean relative error of a total; none counts for more than 3."""
    rungs, sizes = LOOSE if whole > 1 else COUNTS, np.sort(np.abs(added))
    above = sizes.size - np.searchsorted(sizes, rungs, side="right")
    depth = np.log(rungs / whole)
    weights = -np.minimum(epsilon * share * above, DEEPEST) - np.where(depth < 0, depth, slope * depth)
    chances = np.exp(weights - weights.max())
    places, which = np.unique(random.choice(rungs.size, runs, p=chances / chances.sum()), return_inverse=True)
    totals = np.array([np.clip(added, -t, t).sum() for t in rungs[places]])[which]
    noise = random.laplace(size=runs) * rungs[places][which] / (epsilon * (1 - share))
    off = np.abs(totals + noise - added.sum()) / max(1.0, abs(added.sum()))
    return max(1e-9, float(np.median(off))), max(1e-9, float(np.mean(np.minimum(off, 3))))


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each number of people, of searches, and epsilon."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="totals of each kind of data (default: 400)")
    parser.add_argument("--people", default="100,300,1000,3000,10000,150000", help="numbers of people")
    options = parser.parse_args(arguments)
    random = np.random.default_rng(5)
    print(f"{'people':>8}{'searches':>10}{'eps':>5}{'median':>9}  median / mean, of that, for " + ", ".join(
        f"{share:.3g} ^{slope:g}" for share, slope in WAYS[1:]))
    for people in map(int, options.people.split(",")):
        for many in (1, 3):
            for epsilon in (0.1, 0.3, 1.0, 3.0):
                found = np.log([[errors(added, whole, epsilon / many, *way, options.runs, random) for way in WAYS]
                                for added, whole in kinds(people, random)])
                ratios = np.exp((found - found[:, :1]).mean(axis=0))[1:]
                base = 100 * float(np.exp(np.median(found[:, 0, 0])))
                print(f"{people:8}{many:10}{epsilon:5g}{base:8.3g}%  " + "  ".join(
                    f"{median:.2f}/{mean:.2f}" for median, mean in ratios), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
