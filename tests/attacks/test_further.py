"""Every further attack: its verdict, and the same outcome with and without the worst patients."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
from further import PRIVATE, REJECT, Attack
from hospital_world import WORST, build
from test_corpus import Outcome, ask

from dpsql.session import Session

Sessions = dict[int | None, Session]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sessions]:
    """The hospital and its neighbours, all open."""
    folder = tmp_path_factory.mktemp("further")
    paths = {unit: build(folder / str(unit), unit) for unit in (None, *WORST)}
    found = {unit: Session(path, path.parent / "policy.toml", path.parent / "ledger") for unit, path in paths.items()}
    yield found
    for session in found.values():
        session.close()


def _flat(groups: dict[str, tuple[Attack, ...]]) -> list[tuple[str, str]]:
    return [(each, "duckdb") if isinstance(each, str) else each for group in groups.values() for each in group]


@pytest.mark.parametrize(("sql", "dialect"), _flat(REJECT))
def test_refused_and_free(sessions: Sessions, sql: str, dialect: str) -> None:
    outcome, _ = ask(sessions[None], sql, dialect)
    assert outcome == Outcome("QueryError", (), (), 0, (Fraction(0), Fraction(0)))


@pytest.mark.parametrize(("sql", "dialect"), _flat(PRIVATE))
def test_private_and_alike_on_neighbours(sessions: Sessions, sql: str, dialect: str) -> None:
    outcome, answer = ask(sessions[None], sql, dialect)
    assert answer is not None, outcome.error
    assert outcome.charge[0] == 1
    unit = (7, *WORST)[len(sql) % (len(WORST) + 1)]     # in turn, the worst one twice as often
    other, _ = ask(sessions[unit], sql, dialect)
    assert other == outcome, f"without patient {unit}"


@pytest.mark.parametrize(("options", "charge"), [
    ("epsilon = 1000000", 1), ("epsilon = 0.25", Fraction(1, 4)), ("epsilon = 1000000, delta = 0.4", 1),
])
def test_a_query_never_raises_what_its_caller_admits(sessions: Sessions, options: str, charge: Fraction) -> None:
    """GoogleSQL OPTIONS state an epsilon and a delta; the smaller ones of query and caller hold."""
    sql = f"SELECT WITH DIFFERENTIAL_PRIVACY OPTIONS ({options}) name, COUNT(*) FROM patients GROUP BY name"
    plan = sessions[None].plan(sql, epsilon=1, delta="1e-6", dialect="bigquery")
    assert plan.cost.epsilon == charge and plan.cost.delta <= Fraction(1, 10**6)


def test_there_are_a_hundred_more() -> None:
    assert len(set(_flat(REJECT))) >= 100
    assert len(set(_flat(PRIVATE))) >= 80
