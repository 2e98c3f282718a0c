"""Checks that pass on dpsql and fail on its mutants: facts, mechanisms, and what no answer may show by chance."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
import sqlglot
import test_policy
from small_worlds import Database, _keep_keys
from test_facts import (
    check_covers,
    check_fixed,
    check_groups_per_unit,
    check_one_row,
    check_owner,
    check_rows,
    check_unique,
)
from test_guards import totals
from test_mutants import made, order, rows
from test_owned import check_combined_rows, check_fixed_rows

from dpsql import choose, release
from dpsql.engines.base import Rows
from dpsql.errors import BudgetError, ExecutionError, PolicyError, QueryError
from dpsql.expression import TIMESTAMP, Column, Ref
from dpsql.noise import gain, gaussian, scheme, search, selection, threshold
from dpsql.probe import parameters
from dpsql.scalars import build, to_sql
from dpsql.schema import INSTANT, ColumnSchema
from dpsql.session import Session

DRAWS = 4000
_MANY: Database = rows(
    units=[(1, "a", 0.5, 1, 1, None), (2, "b", -0.5, 2, 1, None), (3, "a", 1.0, 1, 2, None)],
    orders=[order(i, 1 + i % 2, kind, i % 4) for i, kind in enumerate("abcdabcdab")] + [order(90, None), order(91, 3)],
    items=[(i, i % 10, 1 + i % 2, i, 0.5, True, [i % 3]) for i in range(25)], mode="keyed",
)
MANY = {name: _keep_keys(name, found) if name in ("orders", "items") else found for name, found in _MANY.items()}
FACTS = (
    "SELECT COUNT(*) FROM units", "SELECT kind, COUNT(*) FROM orders GROUP BY kind",
    "SELECT kind, SUM(v) FROM orders WHERE v > 0 GROUP BY kind",
    "SELECT COUNT(*) FROM units JOIN orders o ON o.u = units.u",
    "SELECT COUNT(*) FROM units LEFT JOIN orders o ON o.u = units.u",
    "SELECT grp, COUNT(*) FROM units JOIN orders o ON o.u = units.u JOIN items i ON i.o = o.o GROUP BY grp",
    "SELECT cat, COUNT(*) FROM orders o JOIN pub ON o.p = pub.p GROUP BY cat",
    "SELECT COUNT(*) FROM orders a JOIN orders b ON a.u = b.u",
    "SELECT k, COUNT(*) FROM (SELECT u, kind AS k FROM orders UNION ALL SELECT u, grp FROM units) t GROUP BY k",
    "SELECT c, COUNT(*) FROM (SELECT u, kind, COUNT(*) AS c FROM orders GROUP BY u, kind) t GROUP BY c",
    "SELECT COUNT(*) FROM (SELECT u, ROW_NUMBER() OVER (PARTITION BY u ORDER BY o) AS c FROM orders) t WHERE c > 1",
)


def check_facts() -> None:
    """What is derived of every relation holds in a database of many rows."""
    for text in FACTS:
        here, plan = made(text, "keyed")
        for check in (check_covers, check_unique, check_fixed, check_rows, check_groups_per_unit, check_one_row,
                      check_fixed_rows, check_combined_rows, check_owner):      # the last loads the neighbour
            here.load(MANY)
            check(here, plan, MANY, 1)


def check_nobody_behind_a_filter() -> None:
    """A filter that no NULL of its column passes says nothing of the owner."""
    here, plan = made("SELECT COUNT(*) FROM orders WHERE v > 0")
    exact = totals(here, plan.statements[0], rows(orders=[order(1, None), order(2, None)]))
    assert all(sum(values) == 0 for values in exact.values())


def check_plain_keys() -> None:
    """A group shows no sign of a zero, and so not whose row came first."""
    here, plan = made("SELECT x, COUNT(*) FROM units GROUP BY x")
    for first in (0.0, -0.0):
        here.load(rows(units=[(u, "a", x, 1, 1, None) for u, x in enumerate((first, -first))]))
        ((key, *_),) = here.run(plan.statements[0].sql, plan.statements[0].params)
        assert isinstance(key, float) and math.copysign(1, key) == 1


def check_instants() -> None:
    """Moments at the ends of time are read, and moved to the clocks of a place, whatever the time zone of a session."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/Los_Angeles'")
        connection.execute("CREATE TABLE t AS SELECT unnest(['infinity', '-infinity', '290309-12-22 (BC) 00:00:00+00', "
                           "'294247-01-10 04:00:54+00'])::TIMESTAMPTZ AS tz")
        read = ColumnSchema("tz", TIMESTAMP, INSTANT, True).read()
        column = Column(1, "tz", TIMESTAMP, table="t", source="tz", stored=INSTANT)
        for text in ("tz", "tz AT TIME ZONE 'Asia/Tokyo'"):
            scalar = build(sqlglot.parse_one(text, dialect="duckdb"), lambda _: Ref(column))
            printed = to_sql(scalar, lambda _: sqlglot.parse_one(read, dialect="duckdb")).sql(dialect="duckdb")
            assert len(connection.execute(f"SELECT {printed} FROM t").fetchall()) == 4


def cast_instants(original: Callable[..., Any]) -> Callable[..., Any]:
    """A moment with a time zone is read by a CAST."""
    return lambda self, table="": f'CAST("{self.name}" AS TIMESTAMP)'


def check_plain_folds() -> None:
    """Neither does what is folded of one unit's rows, nor what a window or a set keeps of them."""
    for text in (
        "SELECT COUNT(*) FROM (SELECT u, MIN(x) AS z FROM units GROUP BY u) t WHERE 1 / z > 0",
        "SELECT COUNT(*) FROM (SELECT u, x AS z, COUNT(*) FROM units GROUP BY u, x) t WHERE 1 / z > 0",
        "SELECT COUNT(*) FROM (SELECT u, FIRST_VALUE(x) OVER (PARTITION BY u ORDER BY x) AS z FROM units) t "
        "WHERE 1 / z > 0",
        "SELECT SUM(CASE WHEN 1 / z > 0 THEN 1 ELSE 0 END) FROM "
        "(SELECT u, x AS z FROM units UNION SELECT u, x FROM units) t",
    ):
        here, plan = made(text)
        seen = []
        for first in (0.0, -0.0):
            exact = totals(here, plan.statements[0], rows(units=[(1, "a", x, 1, 1, None) for x in (first, -first)]))
            seen.append(list(exact.values()))
        assert seen[0] == seen[1], text


def check_key_order() -> None:
    """Groups come in the order of their keys, whatever order the engine found them in."""
    _, plan = made("SELECT kind, COUNT(*) FROM orders GROUP BY kind")
    found = [(f"k{i}", 10_000, 10_000) for i in range(9)]
    for each in (found, found[::-1]):
        shown = release.release(plan.statements[0], Rows(("k1", "p1", "units"), each))
        assert [row[0] for row in shown.rows] == [row[0] for row in found]


def check_scale() -> None:
    """A Laplace draw of scale 4 passes 4 with probability 0.322, half the scale 0.102, none never."""
    far = sum(abs(z) > 4 for z in scheme.Noise(False, Fraction(4)).added([0] * DRAWS))
    assert 0.27 * DRAWS < far < 0.375 * DRAWS       # 6 standard deviations are 0.045


def check_sigma() -> None:
    """A Gaussian draw passes sigma with probability 0.317, half of it 0.046, none never."""
    far = sum(abs(z) > 4096 for z in scheme.Noise(True, Fraction(4096)).added([0] * DRAWS))
    assert 0.27 * DRAWS < far < 0.36 * DRAWS        # 6 standard deviations are 0.044


def check_multiplier() -> None:
    """Sigma over sensitivity r is (1, 1e-6)-private for one cell: Balle and Wang's condition."""
    r = float(gaussian.multiplier(Fraction(1), Fraction(1, 10**6), 1))
    assert _normal(1 / (2 * r) - r) - math.e * _normal(-1 / (2 * r) - r) <= 1e-6


def _normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def check_selection() -> None:
    """A group of one unit is shown with probability delta at most."""
    shown = selection.select([1] * DRAWS, Fraction(1), Fraction(1, 100), 1)
    assert sum(each is not None for each in shown) < 80      # 40 expected, 6 standard deviations are 38


def check_bar() -> None:
    """So with Gaussian noise: one unit passes the bar with probability `miss` at most."""
    sigma = 1 << gaussian.FINE
    tau = threshold.bar(sigma, sigma, 1, Fraction(1, 100))
    assert sum(each is not None for each in threshold.shown([1] * DRAWS, sigma, sigma, tau)) < 80


def check_search_odds() -> None:
    """A unit that passes every rung but the last moves the odds of each by the width at most, and of the last by it."""
    rungs = search.ladder(1, 1000)
    before, after = (
        search.weights([many] * (len(rungs) - 1) + [0], rungs, 2, Fraction(1, 2)) for many in (0, 2)
    )
    odds = [Fraction(a, sum(before)) / Fraction(b, sum(after)) for a, b in zip(before, after, strict=True)]
    assert max(*odds, *(1 / each for each in odds)) <= Fraction(16488, 10000)       # exp(1/2) = 1.6487


def check_gain_odds() -> None:
    """A unit whose first values others have second, and with more of its own, moves the odds by the width at most."""
    limits = gain.doublings(16)
    before, after = (gain.gain_weights(counts, limits, 1, Fraction(1))
                     for counts in ([10, 10, 0, 0, 0], [11, 9, 2, 4, 8]))
    odds = [Fraction(a, b) for a, b in zip(after, before, strict=True)]
    assert max(odds) / min(odds) <= Fraction(27183, 10000)       # e = 2.71828


def hasty_weights(weigh: Callable[..., list[int]]) -> Callable[..., list[int]]:
    """Weights as of a score that moves one way only."""
    return lambda scores, limits, groups, width: weigh(scores, limits, groups * 2 // 3, width)


def check_limit_groups() -> None:
    """A limit on rows is chosen for all the groups that a person may be in."""
    asked: list[int] = []
    rows_ = "CREATE TABLE t AS SELECT i // 8 AS u, i % 8 AS k, i AS v FROM range(800) t(i)"
    kinds = "columns.k = { values = [0, 1, 2, 3, 4, 5, 6, 7] }\n"
    with session(rows_, 8, kinds) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "most_gained", lambda counts, limits, groups, width: asked.append(groups) or 0)
        opened.query("SELECT k, COUNT(DISTINCT v) FROM t GROUP BY k")
    assert asked == [8]


def check_search_draws() -> None:
    """Equal weights are each drawn at times: a rung is chosen, not computed."""
    rungs = search.ladder(1, 1000)
    assert len({search.search([0] * len(rungs), rungs, 1, Fraction(1)) for _ in range(200)}) > 3


def check_one_price() -> None:
    """Questions of one query share its epsilon."""
    for text in ("SELECT (SELECT COUNT(*) FROM orders) + (SELECT COUNT(*) FROM units)",
                 "SELECT MEDIAN(v), COUNT(DISTINCT o), COUNT(*), SUM(v) FROM orders"):
        _, plan = made(text)
        assert sum(event.epsilon for each in plan.statements for event in each.spent()) <= plan.cost.epsilon == 1


@contextmanager
def session(
    sql: str = "CREATE TABLE t AS SELECT i AS u, i % 3 AS k FROM range(30) t(i)",
    groups: int | None = 1, rules: str = "",
) -> Iterator[Session]:
    """A small database under a budget of 2, a query costing 1; `rules` of its table stand at the end of the policy."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        with duckdb.connect(folder / "x.duckdb") as connection:
            connection.execute(sql)
        (folder / "p.toml").write_text(
            'version = "1"\nunit = "t"\n[budget]\nepsilon = 2\ndelta = 0.1\n[query]\nepsilon = 1\ndelta = 0.01\n'
            f'[limits]\n{"" if groups is None else f"max_groups = {groups}"}\n[tables.t]\nunit = "u"\n{rules}')
        with Session(folder / "x.duckdb", folder / "p.toml") as opened:
            yield opened


def check_listed_groups() -> None:
    """A person in a hundred groups that are not listed adds nothing to what a bound is searched among."""
    found = []
    for most in (2, 100):
        with session(f"CREATE TABLE t AS SELECT 1 AS u, i AS k FROM range({most}) t(i)", 2,
                     "columns.k = { values = [0, 1] }\n") as opened:
            (planned,) = opened.plan("SELECT k, COUNT(*) FROM t GROUP BY k").statements
            assert planned.opening is not None and planned.opening.probe.keyed
            given = {**parameters(planned.opening.probe), "salt": "salt"}
            rows_ = opened.engine.run(planned.opening.sql, {name: given[name] for name in planned.opening.params})
            found.append(sorted(map(repr, choose.inside(planned, rows_.values))))
    assert found[0] == found[1]


def check_wrong_policies() -> None:
    """Every wrong policy is refused, where it is wrong (`test_policy.WRONG`); so is a key that does not hold."""
    with TemporaryDirectory() as name:
        for text in test_policy.WRONG:
            test_policy.test_errors_name_the_place_and_the_mend(Path(name), text)
        test_policy.test_no_file(Path(name))
        test_policy.test_no_text(Path(name))
    with pytest.raises(PolicyError, match="is no key"), session(rules='keys = ["k"]\n'):
        pass


def check_one_select() -> None:
    """What is no SELECT is not run, though the lock admits it."""
    with session() as opened:
        for sql in ("DETACH x", "SELECT 1; SELECT 2", "CREATE TEMP TABLE kept AS SELECT 1", "BEGIN"):
            with pytest.raises(ExecutionError):
                opened.engine.run(sql)
        assert opened.engine.run("SELECT COUNT(*) FROM t").values == [(30,)]


def check_widest() -> None:
    """No bound that is chosen makes a paid query fail: what has no noise for the widest is refused before."""
    with session(groups=None) as opened, pytest.MonkeyPatch.context() as patch:
        patch.setattr(choose, "search", lambda above, *given: len(above) - 1)
        for least in (Fraction(1, 1 << power) for power in range(0, 25, 2)):
            with contextlib.suppress(QueryError):
                opened.query("SELECT k, COUNT(*) FROM t GROUP BY k", epsilon=least, delta="1e-6", fresh=True)


def check_paid_finish() -> None:
    """No released value makes a paid query fail."""
    with session() as opened:
        assert len(opened.query("SELECT COUNT(*) * 9223372036854775807 * COUNT(*) AS n FROM t").rows) == 1


def check_limit() -> None:
    """What the budget does not hold does not run."""
    with session() as opened:
        opened.query("SELECT COUNT(*) FROM t")
        opened.query("SELECT COUNT(*) FROM t", fresh=True)
        with pytest.raises(BudgetError):
            opened.query("SELECT COUNT(*) FROM t", fresh=True)


def check_replays() -> None:
    """Another query, or another price, is no replay; nor is what else may be made of the same totals."""
    with session() as opened:
        made = [opened.query(f"SELECT {family}(LEAST(GREATEST(u, 0), 9)) AS x FROM t", epsilon="0.1")
                for family in ("VAR_POP", "VAR_SAMP", "STDDEV_POP", "STDDEV_SAMP")]
        assert not any(answer.replayed for answer in made)
        first = opened.query("SELECT COUNT(*) FROM t", epsilon="0.1")
        assert not first.replayed and opened.query("SELECT COUNT(*) FROM t", epsilon="0.1").replayed
        assert not opened.query("SELECT COUNT(*) FROM t WHERE u > 3", epsilon="0.1").replayed
        assert not opened.query("SELECT COUNT(*) FROM t", epsilon="0.2").replayed


def check_fresh_salt() -> None:
    """No two questions choose a unit's groups alike."""
    with session() as opened:
        given, engine = [], opened.engine.run

        def spied(sql: str, params: Any = ()) -> Rows:
            given.append(params["salt"])
            return engine(sql, params)

        opened.engine.run = spied  # type: ignore[method-assign]
        for _ in range(2):
            opened.query("SELECT k, COUNT(*) FROM t GROUP BY k", fresh=True, epsilon="0.1")
        assert len(set(given)) == 2 and all(len(salt) >= 16 for salt in given)


def check_first_charge() -> None:
    """The cost of a query in two stages is on record before the first one runs, and stays when the second fails."""
    with session() as opened:
        spent, engine = [], opened.engine.run

        def spied(sql: str, params: Any = ()) -> Rows:
            spent.append(opened.balance().epsilon_spent)
            if len(spent) == 2:
                raise ValueError("the second stage fails")
            return engine(sql, params)

        opened.engine.run = spied  # type: ignore[method-assign]
        with pytest.raises(Exception, match="its cost was charged"):
            opened.query("SELECT COUNT(*) FROM t WHERE k > (SELECT COUNT(*) / 100 FROM t)", epsilon="0.5")
        assert spent == [0.5, 0.5] and opened.balance().epsilon_spent == 0.5
        assert [entry.kind for entry in opened.ledger.entries()].count("charge") == 1


def largest(weigh: Callable[..., int]) -> Callable[..., int]:
    """A choice that is no draw."""
    return lambda weights: max(range(len(weights)), key=weights.__getitem__)


def capped_rows(_: object) -> Callable[..., Any]:
    """A cap on groups that only says it is one."""
    return lambda source, *args: replace(source)


def anything(_: object) -> Callable[..., Any]:
    """Whatever the text is, it is run."""
    return lambda cursor, sql, params=(): cursor.execute(sql, params)
