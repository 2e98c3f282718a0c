"""The session and its ledger: no answer without a durable charge, none lost after one, replays to whom they belong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.budget.ledger import Ledger
from dpsql.errors import BudgetError, ExecutionError, LedgerError, QueryError
from dpsql.session import NOT_KEPT, Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 4.0
delta = 1e-6
[query]
epsilon = 0.5
[analysts.alice]
epsilon = 3.0
[analysts.bob]
epsilon = 0.7
[tables.people]
unit = "id"
keys = ["id"]
"""
COUNT = "SELECT COUNT(*) AS n FROM people"


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    (tmp_path / "policy.toml").write_text(POLICY)
    with duckdb.connect(str(tmp_path / "town.duckdb")) as connection:
        connection.execute("CREATE TABLE people AS SELECT i AS id FROM range(50) t(i)")
    with Session(tmp_path / "town.duckdb", tmp_path / "policy.toml") as opened:
        yield opened


def kinds(session: Session) -> list[str]:
    return [entry.kind for entry in session.ledger.entries() if entry.kind in ("charge", "sight")]


def refuse(*arguments: object, **named: object) -> None:
    raise LedgerError("the ledger cannot grow: the disk is full")


def test_without_a_durable_charge_nothing_runs(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []
    monkeypatch.setattr(Session, "_answered", lambda self, plan, charge: ran.append(plan))
    monkeypatch.setattr(Ledger, "charge", refuse)
    with pytest.raises(LedgerError, match="disk is full"):
        session.query(COUNT, analyst="alice")
    assert not ran and kinds(session) == []


@pytest.mark.parametrize("step", ["store", "balance"])
def test_a_paid_answer_outlives_a_ledger_that_fails(
    session: Session, monkeypatch: pytest.MonkeyPatch, step: str,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, step, refuse)
        answer = session.query(COUNT, analyst="alice")
    assert len(answer.rows) == 1 and answer.warnings[-1] == NOT_KEPT and answer.balance is None
    assert answer.cost.epsilon == 0.5 and NOT_KEPT in str(answer)
    again = session.query(COUNT, analyst="alice")
    assert again.replayed is (step == "balance") and NOT_KEPT not in again.warnings
    session.ledger.verify()


def test_a_query_that_fails_after_its_charge_stays_charged(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpsql.session.finish", refuse)
    with pytest.raises(ExecutionError):
        session.query(COUNT, analyst="alice")
    assert kinds(session) == ["charge"] and session.balance("alice").epsilon_spent == 0.5


def test_a_replay_goes_to_who_may_ask_and_is_paid_once_by_each(session: Session) -> None:
    bought = session.query(COUNT, analyst="alice")
    seen = [session.query(COUNT, analyst=name) for name in ("bob", "bob", "alice")]
    assert [answer.rows for answer in seen] == [bought.rows] * 3
    assert [answer.cost.epsilon for answer in seen] == [0.5, 0, 0]
    assert kinds(session) == ["charge", "sight"]
    spent = [session.balance(name).epsilon_spent for name in (None, "alice", "bob")]
    assert spent == [0.5, 0.5, 0.5]
    for name in (None, "carol", "Alice", ""):
        with pytest.raises(BudgetError):
            session.query(COUNT, analyst=name)
    assert kinds(session) == ["charge", "sight"]


def test_a_replay_needs_the_budget_of_who_asks(session: Session) -> None:
    other = f"{COUNT} WHERE id < 9"
    session.query(COUNT, analyst="alice")
    session.query(other, analyst="alice")
    session.query(COUNT, analyst="bob")
    with pytest.raises(BudgetError, match=r"analyst 'bob' has epsilon 0\.2 "):
        session.query(other, analyst="bob")
    with pytest.raises(BudgetError):
        session.query(other, analyst="bob", fresh=True)
    assert session.query(COUNT, analyst="bob").replayed


def test_another_price_or_query_is_no_replay(session: Session) -> None:
    session.query(COUNT, analyst="alice")
    assert not session.query(COUNT, analyst="alice", epsilon=0.25).replayed
    assert not session.query(f"{COUNT} WHERE id >= 0", analyst="alice").replayed
    for epsilon in (0, -1, float("nan"), "1e99999"):
        with pytest.raises(QueryError):
            session.query(COUNT, analyst="alice", epsilon=epsilon)
    with pytest.raises(BudgetError):
        session.query(COUNT, analyst="alice", epsilon=1000)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"cost": 1}', '{"format": "later"}'])
def test_a_stored_answer_that_rotted_is_told(session: Session, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dpsql.answer.Answer.to_json", lambda self: text)
        session.query(COUNT, analyst="alice")
    with pytest.raises(LedgerError, match=r"keeps of entry 5 cannot be read.*fresh"):
        session.query(COUNT, analyst="alice")
    assert not session.query(COUNT, analyst="alice", fresh=True).replayed
    assert session.query(COUNT, analyst="alice").replayed


def test_events_of_a_charge_are_the_plans(session: Session) -> None:
    session.query(COUNT, analyst="alice")
    (charge,) = [entry for entry in session.ledger.entries() if entry.kind == "charge"]
    assert charge.events and charge.rho == sum(event.rho for event in charge.events)
    assert charge.epsilon is not None and sum(event.epsilon for event in charge.events) <= charge.epsilon
