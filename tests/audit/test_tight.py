"""Queries on the neighbours that their mechanisms tell apart best: what outputs prove is below what was charged, and
above half of it. One number is looked at, which is in the answer or is computed from it.

Not here is what is loose by nature: a mean hides its sum and its count; a largest value has the event of a median.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import duckdb
import pytest
from auditor import CONFIDENCE, by_one_number, gaussian_bound
from draws import Draws, weights_kept

from dpsql import choose as choosing
from dpsql.noise import keeping, scheme, search, selection, threshold
from dpsql.probe import SEARCHES
from dpsql.release import ReleasedTable
from dpsql.session import Session
from dpsql.statement import Statement

SURE = 1 - 1e-8         # of the default run: never a false alarm
MANY = 100_000          # draws of a single mechanism
ONE, DELTA = Fraction(1), 1e-2
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 0.9
[query]
delta = 0.01
{limits}
[tables.people]
unit = "u"
[tables.visits]
owner = "u -> people.u"
[tables.pay]
owner = "u -> people.u"
{ranges}
[tables.pets]
owner = "u -> people.u"
[tables.clubs]
owner = "u -> people.u"
[tables.crowd]
owner = "u -> people.u"
[tables.edge]
owner = "u -> people.u"
"""
RANGES = "columns.v = { range = [0, 10] }"
POLICIES = {
    "two groups": POLICY.format(limits="[limits]\nmax_groups = 2\nmax_rows_per_group = 3", ranges=RANGES),
    "forty groups": POLICY.format(limits="[limits]\nmax_groups = 40\nmax_rows_per_group = 1", ranges=RANGES),
    "open": POLICY.format(limits="", ranges=""),
}
# Person 0 is the one that a side lacks. Visits: three rows in each of two kinds, with values of their own; pay: the
# largest, beyond those of somebody else; pets: in two groups that may show or not; clubs: in 40; edge: one more of
# 64 rows each, of so many that the likeliest bound is 64 instead of 1, at width 1; crowd: fewer, so that it seldom is
EDGE = math.ceil(search.SLOPE * math.log(64))
_MAKE = f"""
CREATE TABLE people AS SELECT i AS u FROM range(0, 200) AS t(i);
CREATE TABLE visits AS SELECT u, k, 'v' || u || k || r AS note
    FROM range(0, 30) AS a(u), (VALUES ('a'), ('b')) AS b(k), range(3) AS c(r);
CREATE TABLE pay AS SELECT i AS u, CASE WHEN i = 0 THEN 10.0 ELSE 9.0 END::DOUBLE AS v
    FROM range(0, 2) AS t(i), range(3);
CREATE TABLE pets AS SELECT u, k FROM range(0, 8) AS a(u), (VALUES ('a'), ('b')) AS b(k);
CREATE TABLE clubs AS SELECT u, 'c' || c AS club FROM range(0, 200) AS a(u), range(40) AS b(c);
CREATE TABLE crowd AS SELECT u FROM range(0, {EDGE - 3}) AS a(u), range(64) AS b(r);
CREATE TABLE edge AS SELECT u FROM range(0, {EDGE}) AS a(u), range(64) AS b(r);
"""
_TABLES = "people", "visits", "pay", "pets", "clubs", "crowd", "edge"
_LESS = "".join(f"DELETE FROM {table} WHERE u = 0;" for table in _TABLES)
Pair = tuple[Session, Session]
Of = Callable[[Statement, ReleasedTable], float]


def first(statement: Statement, table: ReleasedTable) -> float:
    return float(table.rows[0][len(statement.question.keys)])  # type: ignore[arg-type]


def second(statement: Statement, table: ReleasedTable) -> float:
    return float(table.rows[0][len(statement.question.keys) + 1])  # type: ignore[arg-type]


def least_of_two(statement: Statement, table: ReleasedTable) -> float:
    return min((float(row[1]) for row in table.rows), default=0.0) if len(table.rows) == 2 else 0.0  # type: ignore[arg-type]


def groups(statement: Statement, table: ReleasedTable) -> float:
    return float(len(table.rows))


def total(statement: Statement, table: ReleasedTable) -> float:
    return sum(float(row[1]) for row in table.rows)  # type: ignore[arg-type]


def bound_chosen(statement: Statement, table: ReleasedTable) -> float:
    return float(max(statement.sensitivities))


@dataclass(frozen=True)
class Case:
    """A query under a policy, what it asks for, the number looked at, and the draws of a side that show half of it.

    `part` is what the number comes of, of the epsilon charged.
    """

    policy: str
    sql: str
    of: Of
    draws: int
    epsilon: Fraction = ONE
    part: Fraction = ONE


CASES = {
    "a count": Case("two groups", "SELECT COUNT(*) FROM visits", first, 6_000),
    "a sum": Case("two groups", "SELECT SUM(v) FROM pay", first, 6_000),
    "distinct values": Case("two groups", "SELECT COUNT(DISTINCT note) FROM visits", first, 6_000),
    "bins": Case("two groups", "SELECT HISTOGRAM(v, [9, 20]) FROM pay", second, 6_000),
    "a median": Case("two groups", "SELECT MEDIAN(v) FROM pay", first, 16_000),
    "truncated noise": Case("two groups", "SELECT k, COUNT(DISTINCT u) FROM visits GROUP BY k", least_of_two, 8_000),
    "near the threshold": Case("two groups", "SELECT k, COUNT(DISTINCT u) FROM pets GROUP BY k", least_of_two, 16_000),
    "kept groups": Case("two groups", "SELECT k FROM pets GROUP BY k", groups, 16_000),
    "a searched count": Case("open", "SELECT COUNT(*) FROM crowd", first, 8_000),
    "the bound of a count": Case("open", "SELECT COUNT(*) FROM crowd", bound_chosen, 16_000, 1 / SEARCHES, SEARCHES),
    "searched values": Case("open", "SELECT COUNT(DISTINCT note) FROM visits", first, 8_000),
}
QUICK = {"a count": 2_000, "distinct values": 2_000, "truncated noise": 4_000, "kept groups": 16_000}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Pair]]:
    """The database with the unit and the one without, by policy."""
    made: dict[str, Pair] = {}

    def opened(policy: str) -> Pair:
        if policy not in made:
            folder = tmp_path_factory.mktemp("tight")
            (folder / "policy.toml").write_text(POLICIES[policy])
            sessions = []
            for name, less in (("with", ""), ("without", _LESS)):
                path = folder / f"{name}.duckdb"
                with duckdb.connect(path) as connection:
                    connection.execute(_MAKE + less)
                sessions.append(Session(path, folder / "policy.toml"))
            made[policy] = (sessions[0], sessions[1])
        return made[policy]

    yield opened
    for pair in made.values():
        for session in pair:
            session.close()


def audited(pair: Pair, case: Case, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The bound, and what was charged for the part looked at."""
    with weights_kept():
        sides = [Draws(session, case.sql, case.epsilon) for session in pair]
        both = [side.numbers(case.of, case.draws) for side in sides]
    delta = float(sum(event.delta for event in sides[0].statement.spent()))
    return by_one_number(both[0], both[1], delta, confidence), sides[0].claim * float(case.part)


@pytest.mark.parametrize("name", QUICK)
def test_quickly(pairs: Callable[[str], Pair], name: str) -> None:
    case = replace(CASES[name], draws=QUICK[name])
    bound, claim = audited(pairs(case.policy), case, SURE)
    assert 0 < bound < claim


@pytest.mark.audit
@pytest.mark.parametrize("name", CASES)
def test_more_than_half_of_what_is_charged_shows(pairs: Callable[[str], Pair], name: str) -> None:
    case = CASES[name]
    bound, claim = audited(pairs(case.policy), case)
    print(f"{name}: epsilon at least {bound:.3f} of {claim:g}")
    assert claim / 2 < bound < claim


# --- many cells of Gaussian noise, whose law is known: their sum, at delta ---

@pytest.mark.audit
def test_forty_groups_of_gaussian_noise_are_tight(pairs: Callable[[str], Pair]) -> None:
    """A threshold and units of 40 groups, all of which show: together above half of what they cost."""
    sql = "SELECT club, COUNT(DISTINCT u) FROM clubs GROUP BY club"
    sides = [Draws(session, sql) for session in pairs("forty groups")]
    assert [event.mechanism for event in sides[0].statement.spent()] == ["threshold"]
    both = [side.numbers(total, 12_000) for side in sides]
    passed = [sum(number >= 40 * 199.5 for number in side) / 12_000 for side in both]
    bound = gaussian_bound(passed[0], passed[1], 12_000, DELTA)
    print(f"40 groups: epsilon at least {bound:.3f} of 1")
    assert 0.5 < bound < 1


# --- what is at a threshold: a group of one unit is shown with the chance that is charged, and not more often ---

def _geometric() -> tuple[list[float], float]:
    """Just above P(Z = 2), so that a group of one unit is shown as often as delta admits."""
    delta = Fraction("0.0675")
    return [float(shown is not None) for shown in selection.select([1] * MANY, ONE, delta, 1)], float(delta)


def _kept() -> tuple[list[float], float]:
    return list(map(float, keeping.kept([1] * (4 * MANY), ONE, Fraction("0.01"), 2))), DELTA / 2


def _gaussian() -> tuple[list[float], float]:
    chosen = scheme.gaussian_scheme([scheme.Cell(1)], 2, ONE, Fraction("0.1"), 1).chosen
    assert chosen is not None
    miss = Fraction("0.1") * scheme.MISS
    return [float(shown is not None) for shown in chosen.shown([1] * (2 * MANY))], float(threshold.share(miss, 2))


SELECTIONS = {"truncated": _geometric, "kept": _kept, "Gaussian": _gaussian}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_group_of_one_unit_shows_as_often_as_is_charged(name: str) -> None:
    shown, chance = SELECTIONS[name]()
    nobody = [0.0] * len(shown)
    print(f"{name}: shown with {sum(shown) / len(shown):.5f} of {chance:.5f}")
    assert by_one_number(shown, nobody, chance, SURE) == 0 < by_one_number(shown, nobody, chance / 2)


# --- mutants ---

def _one_lower(patch: pytest.MonkeyPatch) -> None:
    bar = selection.threshold
    patch.setattr(selection, "threshold", lambda *asked: bar(*asked) - 1)


def _one_unit_lower(patch: pytest.MonkeyPatch) -> None:
    bar = threshold.bar
    patch.setattr(threshold, "bar", lambda sigma, factor, *rest: bar(sigma, factor, *rest) - factor)


def _one_entry_on(patch: pytest.MonkeyPatch) -> None:
    table = keeping.table
    patch.setattr(keeping, "table", lambda *asked: table(*asked)[1:])


@pytest.mark.parametrize(("mutant", "name"), [
    (_one_lower, "truncated"), (_one_unit_lower, "Gaussian"), (_one_entry_on, "kept")])
def test_a_threshold_off_by_one_shows(
    mutant: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutant(monkeypatch)
    shown, chance = SELECTIONS[name]()
    assert by_one_number(shown, [0.0] * len(shown), chance, SURE) > 0


def test_a_search_without_noise_shows(pairs: Callable[[str], Pair], monkeypatch: pytest.MonkeyPatch) -> None:
    def best(*given: object) -> int:
        weights = search.weights(*given)  # type: ignore[arg-type]
        return weights.index(max(weights))

    monkeypatch.setattr(choosing, "search", best)
    case = replace(CASES["the bound of a count"], sql="SELECT COUNT(*) FROM edge", draws=500)
    bound, claim = audited(pairs("open"), case, SURE)
    assert bound > claim


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_share_forgotten_shows(forgotten: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cells with all of the epsilon each: their sum tells more than was charged."""
    if forgotten:
        monkeypatch.setattr(scheme, "shares", lambda worths, power: tuple(ONE for _ in worths))
    noises = scheme.gaussian_scheme([scheme.Cell(1), scheme.Cell(1)], 1, ONE, Fraction("0.01"), None).noises
    sides = [[sum(pair) for pair in zip(*(noise.added([exact] * MANY) for noise in noises), strict=True)]
             for exact in (1, 0)]
    passed = [sum(number >= 1 for number in side) / MANY for side in sides]
    bound = gaussian_bound(passed[0], passed[1], MANY, DELTA)
    print(f"two Gaussian cells: epsilon at least {bound:.3f} of 1")
    assert bound > 1 if forgotten else 0.5 < bound < 1


@pytest.mark.audit
def test_gaussian_cells_are_tight_whatever_their_law() -> None:
    """One cell at delta 1e-2 and 1e-3: by counting alone, as an auditor does who does not know the noise."""
    for delta in (Fraction("0.01"), Fraction("0.01") / 10):
        (noise,) = scheme.gaussian_scheme([scheme.Cell(1)], 1, ONE, delta, None).noises
        draws = [noise.added([exact] * (4 * MANY)) for exact in (1, 0)]
        bound = by_one_number(draws[0], draws[1], float(delta))
        print(f"a Gaussian cell at delta {float(delta):g}: epsilon at least {bound:.3f} of 1")
        assert 0.5 < bound < 1
