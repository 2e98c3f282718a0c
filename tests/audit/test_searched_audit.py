"""Black-box audits of automatic bounds, Gaussian cells and Gaussian thresholds, and of their mutants."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest
from auditor import Output, gaussian_bound, lower_bound
from draws import Draws, weights_kept

from dpsql import choose as choosing
from dpsql.noise import gaussian, scheme, search, threshold
from dpsql.release import ReleasedTable, steps
from dpsql.session import Session

pytestmark = pytest.mark.audit

RUNS = 3_000
MANY = 60_000        # draws of a single cell
DELTA = 1e-2
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 0.5
[tables.people]
unit = "u"
[tables.crowd]
owner = "u -> people.u"
[tables.pay]
owner = "u -> people.u"
[tables.clubs]
owner = "u -> people.u"
"""
# a crowd with a value each, and many groups of one person; the other side has a person with everything
_MAKE = """
CREATE TABLE people(u BIGINT, kind VARCHAR, v BIGINT);
INSERT INTO people SELECT i, 'k' || (i % 4), 1 FROM range(1, 41) AS t(i);
CREATE TABLE crowd AS SELECT 1 + i % 103 AS u FROM range(103 * 64) AS t(i);
CREATE TABLE pay AS SELECT i AS u, CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END AS v FROM range(1, 101) AS t(i);
CREATE TABLE clubs AS SELECT i AS u, 'all' AS club FROM range(1, 201) AS t(i);
"""
# one more of 64 rows each, and the likeliest bound is 64 instead of 1: exp(-104/10) < 64^(-5/2) < exp(-103/10)
_WORST = ("INSERT INTO people SELECT 0, 'k' || (i % 8), 1000000 FROM range(400) AS t(i);"
          "INSERT INTO crowd SELECT 0 FROM range(64);"
          # alone it moves a mean off 0, and is in one group only, which no cap takes it out of
          "INSERT INTO pay VALUES (0, 1000000); INSERT INTO clubs SELECT 0, 'all' FROM range(400);")
_CELLS = ", ".join(f"COUNT(DISTINCT u) FILTER (WHERE v > {i - 1})" for i in range(40))
CASES = {
    "count": "SELECT COUNT(*) FROM people", "sum": "SELECT SUM(v) FROM people", "avg": "SELECT AVG(v) FROM pay",
    "one group": "SELECT club, COUNT(*) FROM clubs GROUP BY club",
    "cells": f"SELECT {_CELLS} FROM people", "groups": "SELECT kind, COUNT(*) FROM people GROUP BY kind",
    "crowd": "SELECT COUNT(*) FROM crowd",
    "distinct": "SELECT COUNT(DISTINCT kind) FROM people", "bins": "SELECT HISTOGRAM(v, [10, 10000000]) FROM people",
}
# what is asked where less shows nothing, and the part of it that an audit must see at least: of one noise half; a mean
# hides its count, and a count the units and the rows that it is made of
ASKED = {"avg": 4, "one group": 4}
SEEN = {"count": 0.5, "sum": 0.5, "one group": 0.35, "avg": 0.25}
Pair = tuple[Session, Session]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("searched")
    (folder / "policy.toml").write_text(POLICY)
    opened = []
    for name, extra in (("with", _WORST), ("without", "")):
        (folder / name).mkdir()
        path = folder / name / "people.duckdb"
        with duckdb.connect(path) as connection:
            connection.execute(_MAKE + extra)
        opened.append(Session(path, folder / "policy.toml", path.with_name("ledger")))
    yield opened[0], opened[1]
    for session in opened:
        session.close()


def outputs(session: Session, sql: str, runs: int, epsilon: int = 1) -> list[Output]:
    """What is released, `runs` times."""
    with weights_kept():
        draws = Draws(session, sql, epsilon, DELTA)
        keys = len(draws.statement.question.keys)
        return [_numbers(draws.drawn()[1], keys) for _ in range(runs)]


def _numbers(table: ReleasedTable, keys: int) -> Output:
    names = [name for name, _ in table.columns]
    found = {
        f"{row[:keys]} {name}{' is NULL' * (value is None)}": float(value or 0)  # type: ignore[arg-type]
        for row in table.rows for name, value in list(zip(names, row, strict=True))[keys:]
    }
    return {**found, "groups": float(len(table.rows))}


def audited(pair: Pair, name: str, runs: int = RUNS) -> float:
    both = [outputs(session, CASES[name], runs, ASKED.get(name, 1)) for session in pair]
    return lower_bound(both[0], both[1], DELTA)


@pytest.mark.parametrize("name", [name for name in CASES if name != "cells"])
def test_epsilon_is_what_was_charged(pair: Pair, name: str) -> None:
    bound, asked = audited(pair, name, RUNS), ASKED.get(name, 1)
    print(f"{name}: epsilon at least {bound:.3f} of {asked}")
    assert SEEN.get(name, 0) * asked <= bound < asked


def together(pair: Pair) -> float:
    """What the sum of 40 cells tells, all of which a unit moves: each alone tells little."""
    passed = []
    for session in pair:
        (statement,) = session.plan(CASES["cells"], epsilon=1, delta=DELTA).statements
        (row,) = session.engine.run(statement.sql, {}).values
        cells = zip(row, statement.noises, strict=False)      # and then a number of units that is not bought
        noisy = [noise.added([steps(total, 0)] * (MANY // 3)) for total, noise in cells if noise is not None]
        assert len(noisy) == 40
        passed.append(sum(sum(draw) >= 100 for draw in zip(*noisy, strict=True)) / (MANY // 3))     # of 80 or 120
    return gaussian_bound(*passed, MANY // 3, DELTA)


def test_cells_together_are_tight(pair: Pair) -> None:
    bound = together(pair)
    print(f"40 cells together: epsilon at least {bound:.3f}")
    assert 0.5 < bound < 1


def test_the_search_alone_is_tight() -> None:
    """One search of width 1 on the worst neighbours: above half of the claim."""
    rungs = search.ladder(1, 64)

    def sizes(units: int) -> list[Output]:
        above = [units if rung < 64 else 0 for rung in rungs]
        return [{"t": float(rungs[search.search(above, rungs, 1, scheme.Fraction(1))])} for _ in range(MANY)]

    fall = round(search.SLOPE * math.log(64)) - 2       # where the likeliest bound is seldom the larger one
    assert 0.5 < lower_bound(sizes(fall), sizes(fall - 1), 0.0) < 1


def _passed(noise: scheme.Noise, exact: int) -> float:
    """How often a noisy cell is at least 1."""
    return sum(value >= 1 for value in noise.added([exact] * MANY)) / MANY


@pytest.mark.parametrize("factor", [1, 2])
def test_a_gaussian_cell_is_tight(factor: int) -> None:
    """Above half of what is charged, and not above it; with half the noise (mutant) above it."""
    cell = scheme.gaussian_scheme([scheme.Cell(1)], 1, scheme.Fraction(1), scheme.Fraction(1, 10**4), None).noises[0]
    noise = scheme.Noise(True, scheme.Fraction(int(cell.scale) // factor), cell.factor)
    bound = gaussian_bound(_passed(noise, 1), _passed(noise, 0), MANY, 1e-4)
    print(f"a Gaussian cell, noise over {factor}: epsilon at least {bound:.3f}")
    assert 0.5 < bound < 1 if factor == 1 else bound > 1


def _search_without_noise(patch: pytest.MonkeyPatch) -> None:
    def best(above: Any, rungs: Any, groups: int, width: Any, whole: int) -> int:
        weights = search.weights(above, rungs, groups, width, whole)
        return weights.index(max(weights))

    patch.setattr(choosing, "search", best)


def _threshold_too_low(patch: pytest.MonkeyPatch) -> None:
    bar = threshold.bar
    patch.setattr(threshold, "bar", lambda sigma, factor, groups, miss: bar(sigma, factor, groups, miss) - 3 * sigma)


def _share_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Of Gaussian noise: of Laplace noise the plan would cost more than was asked, and is stopped."""
    right, whole = scheme.shares, scheme.Fraction(1)
    patch.setattr(scheme, "shares", lambda worths, power: (
        tuple(whole for _ in worths) if power == 1 / 2 else right(worths, power)))


def _less_noise(patch: pytest.MonkeyPatch) -> None:
    sample = gaussian.sample
    patch.setattr(gaussian, "sample", lambda sigma, n: [z // 4 for z in sample(sigma, n)])


@pytest.mark.parametrize(("mutant", "name"), [
    (_search_without_noise, "crowd"), (_threshold_too_low, "groups"), (_share_forgotten, ""), (_less_noise, "")])
def test_a_mutant_shows(
    pair: Pair, mutant: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutant(monkeypatch)
    for session in pair:
        session._plans.clear()
    bound = audited(pair, name, RUNS // 4) if name else together(pair)
    print(f"{mutant.__name__}: epsilon at least {bound:.3f}")
    for session in pair:
        session._plans.clear()
    assert bound > 1
