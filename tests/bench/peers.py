"""Queries nobody tuned dpsql for: python -m tests.bench.peers [--runs 100] [--only ^bank]

Median relative errors in percent, over runs and groups, of each measure, with shipped defaults: dpsql, and beside it
clipping and capping at the true maximum (nobody may know it), the best clip and cap found by trying all (likewise), and
one cap on rows of a declared range, as peers have it. The references take the better of Laplace and analytic Gaussian
noise for each number, share epsilon equally, and pay for no choice of groups, whose errors they are spared too.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from dpsql.noise.gaussian import multiplier
from dpsql.session import Session
from tests.bench.accuracy import DELTA, Kept
from tests.bench.overhead import database
from tests.bench.r2t import policy
from tests.bench.worlds import CASES, MAKE, POLICIES, Case

Floats = NDArray[np.float64]
DRAWS = 200
_MEASURE = re.compile(r"(COUNT|SUM|AVG|VARIANCE)\((.*?)\)( FILTER \(.*\))?$")


@dataclass(frozen=True, slots=True)
class Measure:
    """An aggregate by partials, each what a row adds as SQL; `finish` makes it of their totals."""

    rows: tuple[str, ...]
    finish: Callable[[Floats], Floats]


def measure(text: str, middle: Callable[[str], float]) -> Measure:
    """The partials of an aggregate, centred at the middle of what is there."""
    found = _MEASURE.match(text)
    assert found is not None, text
    name, what, condition = found[1], found[2], (found[3] or "").removeprefix(" FILTER (WHERE ").removesuffix(")")
    held = f"CASE WHEN {condition} THEN {{}} ELSE 0 END" if condition else "{}"
    if name == "COUNT":
        return Measure((held.format("1"),), lambda p: p[0])
    if name == "SUM":
        return Measure((held.format(f"({what})"),), lambda p: p[0])
    m = middle(what)
    one, x = held.format("1"), held.format(f"(CAST({what} AS DOUBLE) - {m!r})")
    if name == "AVG":
        return Measure((x, one), lambda p: m + p[0] / np.maximum(p[1], 1))
    return Measure((f"({x}) * ({x})", x, one), lambda p: (p[0] - p[1] ** 2 / np.maximum(p[2], 1)) / np.maximum(
        p[2] - 1, 1))


@dataclass(frozen=True, slots=True)
class Added:
    """What units add: `values[i, p]` of partial p, by unit and group, units in random order of their groups."""

    groups: NDArray[np.int64]
    rank: NDArray[np.int64]
    values: Floats
    many: int
    rows: int           # the most rows of a unit
    largest: Floats     # the most that a row adds to each partial

    def totals(self, clip: Floats, cap: int) -> Floats:
        """The totals (partial, group) when units are clipped, and counted in so many groups."""
        kept = self.rank <= cap
        inside = np.clip(self.values[kept], -clip, clip)
        return np.array([np.bincount(self.groups[kept], inside[:, p], self.many) for p in range(clip.size)])


def added(connection: duckdb.DuckDBPyConnection, case: Case, partials: Sequence[str]) -> Added:
    """What units add to the partials of a case."""
    key = f"hash(({case.by}))" if case.by else "0"
    listed = ", ".join(f"CAST(SUM({each}) AS DOUBLE)" for each in partials)
    found = connection.execute(
        f"SELECT dense_rank() OVER (ORDER BY k) - 1, row_number() OVER (PARTITION BY u ORDER BY hash((u, k))), s.* "
        f"FROM (SELECT {key} AS k, {case.unit} AS u, {listed} FROM {case.rows} GROUP BY 1, 2) AS s").fetchnumpy()
    columns = list(found.values())
    most = connection.execute(
        f"SELECT {', '.join(f'MAX(ABS(CAST({each} AS DOUBLE)))' for each in partials)} FROM {case.rows}").fetchone()
    rows = connection.execute(
        f"SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM {case.rows} GROUP BY {case.unit})").fetchone()
    assert most is not None and rows is not None
    groups = columns[0].astype(np.int64)
    values = np.array([np.ma.filled(each, 0) for each in columns[4:]], dtype=float).T
    return Added(groups, columns[1].astype(np.int64), values, int(groups.max()) + 1, rows[0], np.array(most, float))


def off(of: Measure, at: list[int], exact: Floats, biased: Floats, scales: Sequence[tuple[bool, Floats]]) -> float:
    """The median relative error in percent with the best noise: of each, a scale for every partial."""
    truth, best = of.finish(exact[at]), math.inf
    draw = np.random.default_rng(1)
    for gaussian, scale in scales:
        shape = (len(at), DRAWS, exact.shape[1])
        drawn = draw.normal(size=shape) if gaussian else draw.laplace(size=shape)
        found = of.finish(biased[at][:, None, :] + drawn * scale[at][:, None, None])
        best = min(best, float(np.median(np.abs(found - truth)[:, truth != 0] / np.abs(truth[truth != 0]))))
    return 100 * best


def scales(clip: Floats, cap: int, epsilon: float, joint: float) -> list[tuple[bool, Floats]]:
    """Laplace and Gaussian noise for so many partials, of equal shares."""
    many = clip.size
    return [(False, many * cap * clip / epsilon), (True, joint * math.sqrt(many * cap) * clip)]


def references(of: Added, measures: Sequence[tuple[Measure, list[int]]], epsilon: float) -> list[tuple[float, ...]]:
    """For each measure the errors at the true maximum, at the best clip and cap, and with one cap on rows."""
    joint = float(multiplier(Fraction(epsilon), Fraction(DELTA), 1))
    top, widest = np.maximum(np.abs(of.values).max(axis=0), 1e-9), int(of.rank.max())
    exact = of.totals(top, widest)
    caps = sorted({max(1, math.ceil(widest / 2**i)) for i in range(widest.bit_length() + 1)})
    sizes = np.sort(np.abs(of.values), axis=0)
    clips = [np.maximum(sizes[min(len(sizes) - 1, int(q * len(sizes)))], 1e-9) for q in (
        1, .9999, .9995, .999, .998, .995, .99, .98, .97, .95, .92, .9, .85, .8, .7, .6, .5)]
    clips += [top / 2 ** (i / 2) for i in range(1, 11)]
    tried = [(clip, cap, of.totals(clip, cap)) for clip in clips for cap in caps]
    rows: list[tuple[bool, Floats]] = [(False, top.size * of.rows * of.largest / epsilon)]
    return [(
        off(one, at, exact, exact, scales(top, widest, epsilon, joint)),
        min(off(one, at, exact, biased, scales(clip, cap, epsilon, joint)) for clip, cap, biased in tried),
        off(one, at, exact, exact, rows),
    ) for one, at in measures]


def measured(session: Session, case: Case, runs: int) -> tuple[list[float], str]:
    """The median error of each measure, in percent, and what else is to be seen."""
    keys = int(bool(case.by))
    listed = [each for each in (case.by, *case.what.split("; ")) if each]
    sql = case.sql or f"SELECT {', '.join(listed)} FROM {case.rows}" + f" GROUP BY {case.by}" * keys
    truth = {row[:keys]: row[keys:] for row in session.engine.run(sql, {}).values}
    errors: list[list[float]] = [[] for _ in case.what.split("; ")]
    shown, bare = [], 0
    for _ in range(runs):
        answer = session.query(sql, epsilon=case.epsilon, fresh=True)
        shown.append(sum(row[:keys] in truth for row in answer.rows))
        bare += any(pair is None for each in answer.intervals for pair in each[keys:])
        for row in answer.rows:
            for i, exact in enumerate(truth.get(row[:keys], ())):
                if exact:
                    errors[i].append(100 * abs(float(row[keys + i]) / float(exact) - 1))
    note = f"{statistics.median(shown):g} of {len(truth)}" if keys else ""
    return [statistics.median(each) if each else math.nan for each in errors], note + f" bare {bare}" * bool(bare)


def told(file: Path, case: Case) -> list[tuple[float, ...]]:
    """The references of a case."""
    with duckdb.connect(file, read_only=True) as connection:
        def middle(what: str) -> float:
            row = connection.execute(f"SELECT (MAX({what}) + MIN({what})) / 2 FROM {case.rows}").fetchone()
            assert row is not None
            return float(row[0])

        stated = [measure(text, middle) for text in case.what.split("; ")]
        partials = list(dict.fromkeys(each for one in stated for each in one.rows))
        of = added(connection, case, partials)
    return references(of, [(one, [partials.index(each) for each in one.rows]) for one in stated], case.epsilon)


def world(name: str, cases: Sequence[Case], folder: Path, scale: float, runs: int) -> None:
    """Prints a line for each measure of the cases of a world."""
    make, text = POLICIES.get(name, ("", ""))
    file = folder / f"{make}.duckdb" if make else database(scale / 10 if name == "orders" else scale)
    path = folder / f"{name}.toml"
    if make and not file.exists():
        with duckdb.connect(file) as connection:
            connection.execute("SET threads = 1")
            connection.execute(MAKE[make])
    path.write_text(text or policy(name))
    beside = [told(file, case) for case in cases]       # before: a file is not opened in two ways at once
    with Session(file, path, folder / f"{name}.ledger") as session:
        session.engine = Kept(session.engine)  # type: ignore[assignment]
        for case, known in zip(cases, beside, strict=True):
            found, note = measured(session, case, runs)
            by = f" by {case.by}" if case.by else ""
            for each, error, (maximum, best, one) in zip(case.what.split("; "), found, known, strict=True):
                shown = "".join(f"{number:11.4g}" for number in (error, maximum, best, one))
                print(f"{f'{name} {each}{by}, {case.sql or case.rows}'[:70]:71}{case.epsilon:5g}{shown}"
                      f"{error / maximum:8.2f}{error / best:8.2f} {note}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="answers to each query (default: 100)")
    parser.add_argument("--only", default="", help="only queries in whose world and text this expression is found")
    parser.add_argument("--scale", type=float, default=1.0, help="of TPC-H (default: 1; a tenth by orders)")
    options = parser.parse_args(arguments)
    print(f"{'relative error in %, median':71}{'eps':>5}{'dpsql':>11}{'maximum':>11}{'best':>11}{'one cap':>11}"
          f"{'/max':>8}{'/best':>8} groups shown")
    asked = [each for each in CASES if re.search(options.only, f"{each.world} {each.what} by {each.by} {each.rows}")]
    with tempfile.TemporaryDirectory() as folder:
        for name in dict.fromkeys(case.world for case in asked):
            world(name, [case for case in asked if case.world == name], Path(folder), options.scale, options.runs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
