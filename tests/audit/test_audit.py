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
"""
# many rows of the largest value, alone in a group
_WORST = "INSERT INTO people SELECT 0, 'solo', 1e300 FROM range(500)"
QUERIES = {
    "count": "SELECT COUNT(*) AS n FROM people", "units": "SELECT COUNT(DISTINCT u) AS n FROM people",
    "sum": "SELECT SUM(v) AS s FROM people", "avg": "SELECT AVG(v) AS a FROM people",
    "groups": "SELECT kind, COUNT(DISTINCT u) AS n FROM people GROUP BY kind",
    "sums of groups": "SELECT kind, SUM(v) AS s FROM people GROUP BY kind",
}
Pair = tuple[Session, Session]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("audit")
    (folder / "policy.toml").write_text(POLICY)
    opened = []
    for name, extra in (("with", _WORST), ("without", "")):
        (folder / name).mkdir()
        path = folder / name / "people.duckdb"
        with duckdb.connect(path) as connection:
            connection.execute(_MAKE + extra)
        opened.append(Session(path, folder / "policy.toml", folder / name / "ledger"))
    yield opened[0], opened[1]
    for session in opened:
        session.close()


def outputs(session: Session, sql: str, runs: int) -> list[Output]:
    """What is released of one exact result, `runs` times."""
    (statement,) = session.plan(sql).statements
    rows: Rows = session.engine.run(statement.sql, ("salt",) * statement.salted)
    keys = len(statement.question.keys)
    return [_numbers(release(statement, rows), keys) for _ in range(runs)]


def _numbers(table: ReleasedTable, keys: int) -> Output:
    names = [name for name, _ in table.columns]
    return {
        f"{row[:keys]} {name}": float(value)  # type: ignore[arg-type]
        for row in table.rows for name, value in list(zip(names, row, strict=True))[keys:]
    }


def audited(pair: Pair, name: str, runs: int = RUNS) -> float:
    delta = DELTA if "groups" in name else 0.0
    both = [outputs(session, QUERIES[name], runs) for session in pair]
    return lower_bound(both[0], both[1], delta)


@pytest.mark.parametrize("name", QUERIES)
def test_epsilon_is_what_was_charged(pair: Pair, name: str) -> None:
    bound = audited(pair, name)
    print(f"{name}: epsilon at least {bound:.3f}")
    assert bound < 1
    if name in ("count", "units"):
        assert bound > 0.5


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
