"""Black-box audits of COUNT, SUM, AVG and private groups at epsilon 1, on neighbours that differ in the worst unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pytest
from auditor import Output, lower_bound

from dpsql import release as releasing
from dpsql.answer import Answer
from dpsql.engines.base import Rows
from dpsql.noise import laplace, selection
from dpsql.release import ReleasedTable, release
from dpsql.session import Session

pytestmark = pytest.mark.audit

RUNS = 6_000
DELTA = 1e-2      # large, so that private groups show at all and an audit can see them
TIGHT = 0.0675    # just above P(Z = 2), so that the smallest groups show as often as delta admits
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 0.5
[query]
epsilon = 1
delta = 0.01
[limits]
max_groups = 1
max_rows_per_group = 5
[tables.people]
unit = "u"
columns.v = { range = [0, 10] }
"""
_MAKE = """
CREATE TABLE people(u BIGINT, kind VARCHAR, v DOUBLE);
INSERT INTO people SELECT i, 'big', 1 FROM range(1, 9) AS t(i);
INSERT INTO people VALUES (9, 'few', 1);
"""
# many rows of the largest value: alone in a group, in one that shows, in one that hardly shows
_WORST = "INSERT INTO people SELECT 0, '{}', 1e300 FROM range(500)"
QUERIES = {
    "count": "SELECT COUNT(*) AS n FROM people", "units": "SELECT COUNT(DISTINCT u) AS n FROM people",
    "sum": "SELECT SUM(v) AS s FROM people", "avg": "SELECT AVG(v) AS a FROM people",
    "groups": "SELECT kind, COUNT(DISTINCT u) AS n FROM people GROUP BY kind",
    "sums of groups": "SELECT kind, SUM(v) AS s FROM people GROUP BY kind",
}
Pair = tuple[Session, Session]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    """By the group of the worst unit: the database with it and the one without."""
    folder = tmp_path_factory.mktemp("audit")
    (folder / "policy.toml").write_text(POLICY)
    opened = {}
    for name, extra in {"": "", **{kind: _WORST.format(kind) for kind in ("solo", "big", "few")}}.items():
        (folder / f"db{name}").mkdir()
        path = folder / f"db{name}" / "people.duckdb"
        with duckdb.connect(path) as connection:
            connection.execute(_MAKE + extra)
        opened[name] = Session(path, folder / "policy.toml", path.with_name("ledger"))
    yield {kind: (session, opened[""]) for kind, session in opened.items() if kind}
    for session in opened.values():
        session.close()


@pytest.fixture(scope="module")
def pair(pairs: dict[str, Pair]) -> Pair:
    return pairs["solo"]


def outputs(session: Session, sql: str, runs: int, delta: float | None = None) -> list[Output]:
    """What is released of one exact result, `runs` times."""
    (statement,) = session.plan(sql, delta=delta).statements
    rows: Rows = session.engine.run(statement.sql, dict.fromkeys(statement.params, "salt"))
    keys = len(statement.question.keys)
    return [_numbers(release(statement, rows), keys) for _ in range(runs)]


def _numbers(table: ReleasedTable, keys: int) -> Output:
    names = [name for name, _ in table.columns]
    return {
        f"{row[:keys]} {name}": float(value)  # type: ignore[arg-type]
        for row in table.rows for name, value in list(zip(names, row, strict=True))[keys:]
    }


def audited(pair: Pair, name: str, runs: int = RUNS, delta: float = DELTA) -> float:
    both = [outputs(session, QUERIES[name], runs, delta) for session in pair]
    return lower_bound(both[0], both[1], delta if "groups" in name else 0.0)


@pytest.mark.parametrize("name", QUERIES)
def test_epsilon_is_what_was_charged(pair: Pair, name: str) -> None:
    bound = audited(pair, name)
    print(f"{name}: epsilon at least {bound:.3f}")
    assert bound < 1
    if name in ("count", "units"):
        assert bound > 0.5


@pytest.mark.parametrize(("kind", "name", "delta", "runs"), [
    ("big", "groups", DELTA, RUNS), ("big", "sums of groups", DELTA, RUNS), ("few", "groups", TIGHT, 4 * RUNS),
])
def test_selection_costs_what_was_charged(
    pairs: dict[str, Pair], kind: str, name: str, delta: float, runs: int,
) -> None:
    """A group that shows anyway tells by its number, one that hardly shows by showing at all: both are near 1."""
    bound = audited(pairs[kind], name, runs, delta)
    print(f"{name}, {kind}: epsilon at least {bound:.3f}")
    assert 0.2 < bound < 1


def test_a_group_of_one_shows_within_delta(pair: Pair) -> None:
    assert audited(pair, "groups", delta=TIGHT) < 1


@pytest.mark.parametrize("name", ["count", "avg", "sums of groups"])
def test_the_whole_session(pair: Pair, name: str) -> None:
    def asked(session: Session) -> Output:
        answer: Answer = session.query(QUERIES[name], fresh=True, delta=DELTA / 100)
        keys = len(answer.columns) - 1
        return {str(row[:keys]): float(row[-1]) for row in answer.rows} | {"epsilon": answer.cost.epsilon}  # type: ignore[arg-type]

    both = [[asked(session) for _ in range(600)] for session in pair]
    assert lower_bound(both[0], both[1], DELTA / 100 if "groups" in name else 0.0) < 1


def _half_scale(patch: pytest.MonkeyPatch) -> None:
    sample = laplace.sample
    patch.setattr(laplace, "sample", lambda scale, n: sample(scale / 2, n))


def _no_noise(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(laplace, "sample", lambda scale, n: [0] * n)


def _bare_cut(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(selection, "select", lambda units, *rest: [n if n >= rest[-1] else None for n in units])


def _groups_of_the_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(releasing, "_chosen", lambda statement, rows: (list(rows), [row[-1] for row in rows]))


def _lower_bar(patch: pytest.MonkeyPatch) -> None:
    threshold = selection.threshold
    patch.setattr(selection, "threshold", lambda *asked: threshold(*asked) - 1)


def _half_selection(patch: pytest.MonkeyPatch) -> None:
    truncated = laplace.truncated
    patch.setattr(laplace, "truncated", lambda scale, reach, n: truncated(scale / 2, reach, n))


@pytest.mark.parametrize(("mutant", "kind", "delta"), [
    (_lower_bar, "solo", TIGHT), (_lower_bar, "few", TIGHT), (_half_selection, "big", DELTA),
])
def test_a_mutant_of_the_selection_shows(
    pairs: dict[str, Pair], mutant: Callable[[pytest.MonkeyPatch], None], kind: str, delta: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutant(monkeypatch)
    assert audited(pairs[kind], "groups", delta=delta) > 1


@pytest.mark.parametrize(("mutant", "name"), [
    (_half_scale, "count"), (_half_scale, "sum"), (_no_noise, "avg"), (_bare_cut, "groups"),
    (_groups_of_the_rows, "sums of groups"),
])
def test_a_mutant_shows(
    pair: Pair, mutant: Callable[[pytest.MonkeyPatch], None], name: str, monkeypatch: pytest.MonkeyPatch,
) -> None:
    mutant(monkeypatch)
    assert audited(pair, name) > 1


def test_the_auditor_knows_randomized_response() -> None:
    """Known answers: truth with probability 0.7 has epsilon ln(7/3) = 0.847; equal sides have none."""
    one, other = ([{"x": float(i % 10 < share)} for i in range(RUNS)] for share in (7, 3))
    assert 0.6 < lower_bound(one, other) < 0.85
    assert lower_bound(one, one) == 0
