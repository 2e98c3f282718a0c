"""Every attack of the corpus: its verdict, and the same outcome with and without the worst patient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest
from corpus import EITHER, PRIVATE, PUBLIC, REJECT
from hospital_world import WORST, build

from dpsql.answer import Answer
from dpsql.errors import Error
from dpsql.plan import Plan
from dpsql.session import Session

# Numbers only exact answers show: rows of each table, owned rows of each, and what one patient holds.
_SECRETS = ("2147483647", "9999999999", "Robert", "hermit", "attic", "12x", "5877642")


@dataclass(frozen=True)
class Outcome:
    """What an analyst sees of one query besides noise: the error's class, columns, types, rows, charge.

    `rows` is -1 where private groups are shown by chance.
    """

    error: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: int
    charge: tuple[Fraction, Fraction]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int | None, Session]]:
    """The hospital and its neighbours, all open."""
    folder = tmp_path_factory.mktemp("attacks")
    found = {unit: _open(build(folder / str(unit), unit)) for unit in (None, *WORST)}
    yield found
    for session in found.values():
        session.close()


def _open(path: Path) -> Session:
    return Session(path, path.parent / "policy.toml", path.parent / "ledger")


def ask(session: Session, sql: str, dialect: str = "duckdb") -> tuple[Outcome, Answer | None]:
    before = session.balance()
    answer, error = None, ""
    try:
        answer = session.query(sql, fresh=True, dialect=dialect)
    except Error as refused:
        error = type(refused).__name__
        _silent(str(refused), sql)
    after = session.balance()
    charge = (
        Fraction(str(after.epsilon_spent)) - Fraction(str(before.epsilon_spent)),
        Fraction(str(after.delta_spent)) - Fraction(str(before.delta_spent)),
    )
    if answer is None:
        return Outcome(error, (), (), 0, charge), None
    plan = answer.plan
    assert isinstance(plan, Plan)
    by_chance = any(statement.chosen is not None for statement in plan.statements)
    return Outcome(error, answer.columns, answer.types, -1 if by_chance else len(answer.rows), charge), answer


def _silent(message: str, sql: str) -> None:
    assert not [secret for secret in _SECRETS if secret in message and secret not in sql]


def _flat(groups: dict[str, tuple[str, ...]]) -> list[str]:
    return [sql for group in groups.values() for sql in group]


@pytest.mark.parametrize("sql", _flat(REJECT))
def test_refused_and_free(sessions: dict[int | None, Session], sql: str) -> None:
    outcome, _ = ask(sessions[None], sql)
    assert outcome == Outcome("QueryError", (), (), 0, (Fraction(0), Fraction(0)))


@pytest.mark.parametrize("sql", _flat(PRIVATE))
def test_private_and_alike_on_neighbours(sessions: dict[int | None, Session], sql: str) -> None:
    outcome, answer = ask(sessions[None], sql)
    assert answer is not None, outcome.error
    assert outcome.charge[0] == 1
    assert any(answer.noisy)
    for unit in {7, WORST[len(sql) % len(WORST)]}:   # the worst one always, the others in turn
        other, _ = ask(sessions[unit], sql)
        assert other == outcome, f"without patient {unit}"


@pytest.mark.parametrize("sql", PUBLIC)
def test_public_is_exact_and_free(sessions: dict[int | None, Session], sql: str) -> None:
    outcome, answer = ask(sessions[None], sql)
    assert answer is not None and outcome.charge == (0, 0)
    assert not any(answer.noisy)
    assert ask(sessions[7], sql)[1] is not None
    assert sorted(sessions[7].query(sql).rows, key=repr) == sorted(answer.rows, key=repr)   # no order was asked for


@pytest.mark.parametrize("sql", EITHER)
def test_private_or_refused(sessions: dict[int | None, Session], sql: str) -> None:
    outcome, answer = ask(sessions[None], sql)
    assert outcome.error in ("", "QueryError")
    assert (outcome.charge[0] > 0) == (answer is not None)
    for unit in WORST:
        assert ask(sessions[unit], sql)[0] == outcome


def test_the_corpus_is_large() -> None:
    assert len(_flat(REJECT)) + len(_flat(PRIVATE)) + len(PUBLIC) + len(EITHER) >= 120
