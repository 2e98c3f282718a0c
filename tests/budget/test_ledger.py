"""What a ledger admits, replays, remembers and tells."""

from __future__ import annotations

import gc
import os
import sqlite3
import stat
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpsql.budget.events import Cost, Event
from dpsql.budget.history import recount
from dpsql.budget.ledger import Ledger
from dpsql.errors import BudgetError, InternalError, LedgerError
from dpsql.policy import Budget, Policy

Open = Callable[..., Ledger]
Charge = Callable[..., int]
TWO = {"alice": (3, "1e-6"), "bob": (2, "1e-6")}


def spent(ledger: Ledger, analyst: str | None = None) -> float:
    return ledger.balance(analyst).epsilon_spent


def test_a_new_ledger_holds_the_policys_limits(opened: Open, path: Path) -> None:
    ledger = opened(analysts=TWO)
    kinds = [(entry.kind, entry.analyst, entry.epsilon, entry.delta) for entry in ledger.entries()]
    assert kinds == [
        ("create", None, None, None), ("limits", None, 10, Fraction("1e-6")),
        ("limits", "alice", 3, Fraction("1e-6")), ("limits", "bob", 2, Fraction("1e-6"))]
    assert ledger.limits() == {
        None: Budget(Fraction(10), Fraction("1e-6")), "alice": Budget(Fraction(3), Fraction("1e-6")),
        "bob": Budget(Fraction(2), Fraction("1e-6"))}
    assert len(ledger.id) == 32 and int(ledger.id, 16) >= 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    balance = ledger.balance("alice")
    assert (balance.analyst, balance.epsilon_limit, balance.epsilon_spent, balance.delta_limit) == ("alice", 3, 0, 5e-7)


def test_ids_differ_and_stay(opened: Open, path: Path, tmp_path: Path) -> None:
    first = opened()
    assert opened(at=tmp_path / "b.ledger").id != first.id
    assert opened(ledger=first.id).id == first.id


def test_both_limits_count(opened: Open, charge: Charge) -> None:
    ledger = opened(epsilon=4, analysts=TWO)
    charge(ledger, 2, analyst="alice")
    with pytest.raises(BudgetError, match=r"epsilon 2 and .* analyst 'alice' has epsilon 1 "):
        charge(ledger, 2, analyst="alice")
    charge(ledger, 2, analyst="bob")
    with pytest.raises(BudgetError, match="the policy has epsilon 0 "):
        charge(ledger, 1, analyst="alice")
    assert (spent(ledger), spent(ledger, "alice"), spent(ledger, "bob")) == (4, 2, 2)
    ledger.verify()


def test_a_refused_charge_leaves_nothing(opened: Open, charge: Charge) -> None:
    ledger = opened(analysts=TWO)
    before = ledger.entries()
    with pytest.raises(BudgetError, match="nothing was charged"):
        charge(ledger, 5, analyst="alice")
    assert ledger.entries() == before
    assert spent(ledger) == 0


def test_thirds_fill_a_budget_exactly(opened: Open, charge: Charge) -> None:
    ledger = opened(epsilon=1)
    for _ in range(3):
        charge(ledger, Fraction(1, 3))
    with pytest.raises(BudgetError):
        charge(ledger, Fraction(1, 10**100))
    charge(ledger, 0)
    assert spent(ledger) == 1


def test_half_of_delta_can_be_spent(opened: Open, charge: Charge) -> None:
    ledger = opened(delta="1e-6")
    charge(ledger, 1, "5e-7")
    with pytest.raises(BudgetError, match="1/2 of a limit's delta"):
        charge(ledger, 1, "1e-12")
    balance = ledger.balance(None)
    assert (balance.delta_limit, balance.delta_spent) == (5e-7, 5e-7)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(
    st.sampled_from(["alice", "bob"]), st.fractions(0, 2, max_denominator=12) | st.sampled_from([Fraction(0.1)]),
    st.sampled_from("kl"), st.booleans()), max_size=15))
def test_totals_are_the_sum_of_the_entries(
    tmp_path_factory: pytest.TempPathFactory, policy: Callable[..., Policy], charge: Charge,
    steps: list[tuple[str, Fraction, str, bool]],
) -> None:
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "a", policy(analysts=TWO)) as ledger:
        expected = {"alice": Fraction(0), "bob": Fraction(0)}
        for analyst, epsilon, key, replay in steps:
            try:
                if replay:
                    ledger.replay(key=key, version="v1", analyst=analyst)
                else:
                    charge(ledger, epsilon, analyst=analyst, key=key, answer="x")
            except BudgetError:
                continue
        for entry in ledger.entries():
            if entry.kind in ("charge", "sight"):
                expected[entry.analyst or ""] += entry.epsilon or 0
        ledger.verify()
        assert expected["alice"] <= 3 and expected["bob"] <= 2
        for name, total in expected.items():
            assert ledger.balance(name).epsilon_spent == float(total)
        totals = recount(ledger.entries())
        assert totals[None].spent.epsilon == sum(e.epsilon or 0 for e in ledger.entries() if e.kind == "charge")


def test_events_and_text_are_kept_exactly(opened: Open) -> None:
    ledger = opened()
    events = (
        Event.laplace(2**62, 3 * Fraction(2**62)),
        Event.selection(10, Fraction(1000), Fraction(1, 10**10)),
        Event.gaussian(7, Fraction(10**8, 3), Fraction("0.1"), Fraction(1, 10**10)),
        Event.threshold(7, Fraction(10**8, 3), Fraction("0.1"), Fraction(2, 10**10), Fraction(1, 10**10)),
        Event.exponential(10, Fraction("0.1")),
    )
    cost = Cost(Fraction(1), Fraction(1, 10**9))
    number = ledger.charge(
        key="k\0é", version="v1", analyst=None, cost=cost, events=events, sql="SELECT 'é\0' -- \ud800")
    entry = ledger.entries()[-1]
    assert (entry.id, entry.kind, entry.key, entry.version, entry.events) == (number, "charge", "k\0é", "v1", events)
    assert entry.sql == "SELECT 'é\0' -- \\ud800"
    assert (entry.epsilon, entry.delta, entry.time[-6:]) == (1, cost.delta, "+00:00")


def test_events_dearer_than_the_query_are_a_bug(opened: Open) -> None:
    ledger = opened()
    event = Event.laplace(3, Fraction(5))
    cost = Cost(Fraction(1), Fraction(0))
    with pytest.raises(InternalError):
        ledger.charge(key="k", version="v1", analyst=None, cost=cost, events=(event, event), sql="")
    assert spent(ledger) == 0


@pytest.mark.parametrize("epsilon", [Fraction(1, 10**700), Fraction(10**5000), 1 + Fraction(1, 3**2000)])
def test_absurdly_long_numbers_are_refused(opened: Open, charge: Charge, epsilon: Fraction) -> None:
    with pytest.raises(BudgetError, match="digits"):
        charge(opened(), epsilon)


def test_a_huge_request_is_refused_in_words(opened: Open, charge: Charge) -> None:
    with pytest.raises(BudgetError, match="more than 1e308"):
        charge(opened(), 10**320)


def test_awkward_denominators_never_jam_a_ledger(opened: Open, charge: Charge) -> None:
    ledger = opened(epsilon=1000)
    for number in range(40):
        charge(ledger, Fraction(1, 2**90 + 2 * number + 1))
    charge(ledger, 5e-324)
    ledger.verify()
    charge(ledger, 999)
    with pytest.raises(BudgetError):
        charge(ledger, 1)


# --- analysts ---

@pytest.mark.parametrize("name", [None, "", "carol", "Alice", "policy"])
def test_unknown_analysts_get_nothing(opened: Open, charge: Charge, name: str | None) -> None:
    ledger = opened(analysts=TWO)
    charge(ledger, analyst="alice", answer="a")
    with pytest.raises(BudgetError, match="analyst"):
        charge(ledger, analyst=name)
    with pytest.raises(BudgetError, match="analyst"):
        ledger.replay(key="k", version="v1", analyst=name)
    if name is not None:
        with pytest.raises(BudgetError, match="analyst"):
            ledger.balance(name)


def test_an_empty_list_of_analysts_admits_nobody(opened: Open, charge: Charge) -> None:
    with pytest.raises(BudgetError):
        charge(opened(analysts={}), analyst="alice")


def test_names_without_limits_are_recorded(opened: Open, charge: Charge) -> None:
    ledger = opened()
    charge(ledger, 2, analyst="alice\udcff")
    assert ledger.entries()[-1].analyst == "alice\\udcff"
    assert ledger.balance("alice\udcff").analyst is None
    charge(ledger, 2, analyst="alice")
    limited = opened(analysts=TWO)
    assert (limited.balance("alice").epsilon_limit, spent(limited, "alice")) == (3, 2)
    with pytest.raises(BudgetError):
        charge(limited, 2, analyst="alice")
    limited.verify()


@pytest.mark.parametrize("name", ["", "policy", "@", "None", "é"])
def test_no_name_is_the_policys(opened: Open, charge: Charge, name: str) -> None:
    ledger = opened(analysts={name: (3, 0), "alice": (3, 0)})
    charge(ledger, 2, analyst=name, answer="a")
    ledger.raise_limits(analyst=name, epsilon=Fraction(2))
    assert ledger.replay(key="k", version="v1", analyst="alice") is not None
    assert (ledger.balance(name).epsilon_limit, spent(ledger, name)) == (2, 2)
    assert (ledger.balance(None).epsilon_limit, spent(ledger), spent(ledger, "alice")) == (10, 2, 2)
    ledger.verify()


def test_new_analysts_are_adopted_once(opened: Open) -> None:
    opened()
    ledger = opened(analysts=TWO)
    assert [entry.analyst for entry in ledger.entries() if entry.kind == "limits"] == [None, "alice", "bob"]
    before = ledger.entries()
    later = opened(epsilon=5, analysts={"alice": (9, 0), "bob": (2, "1e-6")})
    assert later.entries() == before
    assert later.balance("alice").epsilon_limit == 3


def test_differences_are_told_to_the_owner(opened: Open, policy: Callable[..., Policy]) -> None:
    ledger = opened(analysts=TWO)
    assert ledger.differences(policy(analysts=TWO)) == []
    told = ledger.differences(policy(epsilon=12, analysts={"alice": (3, "1e-7")}))
    assert len(told) == 3
    assert "the policy: the policy file says epsilon 12" in told[0] and "ledger says epsilon 10" in told[0]
    assert "alice" in told[1] and "delta 1e-07" in told[1]
    assert "bob" in told[2] and "does not name" in told[2]


# --- replay ---

def test_only_stored_answers_are_replayed(opened: Open, charge: Charge) -> None:
    ledger = opened()
    number = charge(ledger)
    assert ledger.replay(key="k", version="v1", analyst=None) is None
    ledger.store(number, '{"a": "\ud800"}')
    stored = ledger.replay(key="k", version="v1", analyst=None)
    assert stored is not None and (stored.charge, stored.answer) == (number, '{"a": "\\ud800"}')
    assert ledger.replay(key="other", version="v1", analyst=None) is None
    assert ledger.replay(key="k", version="v2", analyst=None) is None
    assert spent(ledger) == 1


def test_the_newest_answer_is_replayed(opened: Open, charge: Charge) -> None:
    ledger = opened()
    charge(ledger, answer="old")
    charge(ledger, answer="new")
    charge(ledger)
    stored = ledger.replay(key="k", version="v1", analyst=None)
    assert stored is not None and stored.answer == "new"


def test_answers_survive_and_never_change(opened: Open, charge: Charge) -> None:
    ledger = opened()
    number = charge(ledger, answer="first")
    with pytest.raises(InternalError):
        ledger.store(number, "second")
    with pytest.raises(InternalError):
        ledger.store(1, "an answer to the creation")
    with pytest.raises(InternalError):
        ledger.store(99, "to nothing")
    ledger.close()
    stored = opened().replay(key="k", version="v1", analyst=None)
    assert stored is not None and stored.answer == "first"


def test_a_first_sight_is_paid_by_the_analyst_alone_once(opened: Open, charge: Charge) -> None:
    ledger = opened(analysts=TWO)
    bought = charge(ledger, 2, "1e-8", analyst="alice", answer="a")
    for _ in range(3):
        for name in ("alice", "bob"):
            stored = ledger.replay(key="k", version="v1", analyst=name)
            assert stored is not None and (stored.charge, stored.answer) == (bought, "a")
    assert (spent(ledger), spent(ledger, "alice"), spent(ledger, "bob")) == (2, 2, 2)
    sight = ledger.entries()[-1]
    assert (sight.kind, sight.analyst, sight.charge, sight.epsilon, sight.delta) == (
        "sight", "bob", bought, 2, Fraction("1e-8"))
    ledger.verify()


def test_a_sight_needs_budget(opened: Open, charge: Charge) -> None:
    ledger = opened(analysts=TWO)
    charge(ledger, 3, analyst="alice", answer="a")
    with pytest.raises(BudgetError, match="analyst 'bob' has epsilon 2 "):
        ledger.replay(key="k", version="v1", analyst="bob")
    assert spent(ledger, "bob") == 0


def test_what_an_analyst_has_stays_free_when_another_buys_anew(opened: Open, charge: Charge) -> None:
    ledger = opened(analysts=TWO)
    charge(ledger, analyst="alice", answer="alice's")
    charge(ledger, analyst="bob", answer="bob's")
    stored = ledger.replay(key="k", version="v1", analyst="alice")
    assert stored is not None and stored.answer == "alice's"
    assert spent(ledger, "alice") == 1


def test_a_sight_of_an_exhausted_policy_is_still_possible(opened: Open, charge: Charge) -> None:
    ledger = opened(epsilon=1, analysts=TWO)
    charge(ledger, 1, analyst="alice", answer="a")
    assert ledger.replay(key="k", version="v1", analyst="bob") is not None


# --- the owner ---

def test_limits_rise_by_an_entry(opened: Open, charge: Charge) -> None:
    ledger = opened(epsilon=1, analysts=TWO)
    charge(ledger, 1, analyst="alice")
    ledger.raise_limits(analyst=None, epsilon=Fraction(5), delta=None)
    ledger.raise_limits(analyst="alice", epsilon=None, delta=Fraction("1e-5"))
    charge(ledger, 2, "5e-7", analyst="alice")
    assert ledger.limits()[None] == Budget(Fraction(5), Fraction("1e-6"))
    assert ledger.limits()["alice"] == Budget(Fraction(3), Fraction("1e-5"))
    assert [(e.analyst, e.epsilon, e.note) for e in ledger.entries() if e.kind == "limits"][-2:] == [
        (None, 5, "by the owner"), ("alice", 3, "by the owner")]
    assert opened(epsilon=1, analysts=TWO).limits() == ledger.limits()
    ledger.verify()


def test_limits_never_fall_below_what_is_spent(opened: Open, charge: Charge) -> None:
    ledger = opened()
    charge(ledger, 4, "1e-7")
    ledger.raise_limits(analyst=None, epsilon=Fraction(4), delta=Fraction("2e-7"))
    for epsilon, delta in ((Fraction("3.9"), None), (None, Fraction("1.9e-7")), (Fraction(-1), None)):
        with pytest.raises(LedgerError):
            ledger.raise_limits(analyst=None, epsilon=epsilon, delta=delta)
    with pytest.raises(BudgetError):
        charge(ledger, Fraction(1, 10**9))
    ledger.verify()


@pytest.mark.parametrize(("analyst", "epsilon"), [("carol", Fraction(1)), (None, Fraction(1, 10**900))])
def test_impossible_limits_are_refused(opened: Open, analyst: str | None, epsilon: Fraction) -> None:
    ledger = opened()
    before = ledger.entries()
    with pytest.raises(LedgerError):
        ledger.raise_limits(analyst=analyst, epsilon=epsilon, delta=None)
    assert ledger.entries() == before


def test_a_policy_with_impossible_limits_makes_no_ledger(opened: Open, path: Path) -> None:
    with pytest.raises(LedgerError):
        opened(epsilon=-1)
    assert not path.exists() and not os.path.exists(f"{path}-new")


def test_a_ledger_that_nobody_closed_closes_when_it_is_forgotten(path: Path, policy: Callable[..., Policy]) -> None:
    ledger = Ledger.open(path, policy())
    circle: list[object] = [ledger]
    circle.append(circle)               # as a session is: it waits for the garbage collector
    with ledger._store.transaction(write=False) as connection:
        connection.execute("SELECT 1")
    del ledger, circle
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
