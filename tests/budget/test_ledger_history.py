"""The chain of entries, what it proves and what not; the split, periods, and ledgers of the first format."""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from dpsql.budget import chain, owner
from dpsql.budget.chain import Head
from dpsql.budget.events import Cost, Event, Spent
from dpsql.budget.filter import EVEN, Split, room
from dpsql.budget.ledger import Ledger
from dpsql.errors import BudgetError, LedgerError
from dpsql.policy import Budget, Policy

Open = Callable[..., Ledger]
Charge = Callable[..., int]
OLD = Path(__file__).with_name("first_format.sql")
TWO = {"alice": (5, "1e-6"), "bob": (3, 0)}
UNLOCK = ("PRAGMA foreign_keys = OFF", "DROP TRIGGER entry_kept", "DROP TRIGGER entry_fixed")


def tamper(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in (*UNLOCK, *statements):
            connection.execute(statement)


# --- the chain ---

@pytest.fixture
def written(opened: Open, charge: Charge, path: Path) -> Head:
    """A ledger with some history, closed, and its head."""
    with opened(analysts=TWO) as ledger:
        for number in range(4):
            charge(ledger, "0.5", analyst="alice", key=f"k{number}", answer="a")
        ledger.replay(key="k1", version="v1", analyst="bob")
        ledger.raise_limits(analyst="bob", epsilon=Fraction(4))
        return ledger.verify()


@pytest.mark.parametrize("change", [
    "UPDATE entry SET sql = 'SELECT 2' WHERE id = 6", "UPDATE entry SET time = '2000-01-01' WHERE id = 1",
    "UPDATE entry SET analyst = 'bob' WHERE id = 6", "UPDATE entry SET version = 'v0' WHERE id = 6",
    "UPDATE entry SET rho = '0/1' WHERE id = 6", "UPDATE entry SET note = 'x' WHERE id = 3",
    "UPDATE entry SET hash = (SELECT hash FROM entry WHERE id = 5) WHERE id = 6", "DELETE FROM entry WHERE id = 3",
    "DELETE FROM entry WHERE id = 1", "UPDATE entry SET key = NULL WHERE id = 5",
    "INSERT INTO entry (id, time, kind, hash) SELECT 0, time, 'backup', hash FROM entry WHERE id = 1",
    "INSERT INTO entry (id, time, kind, hash) SELECT 99, time, 'backup', hash FROM entry WHERE id = 1"])
def test_a_change_anywhere_breaks_the_chain(opened: Open, written: Head, path: Path, change: str) -> None:
    tamper(path, change)
    with pytest.raises(LedgerError, match=r"damaged.*entry"):
        opened(analysts=TWO).verify()


def test_the_chain_belongs_to_one_ledger(opened: Open, written: Head, path: Path) -> None:
    tamper(path, "UPDATE meta SET value = '00' WHERE name = 'id'")
    with pytest.raises(LedgerError, match="entry 1 is not what was written"):
        opened(analysts=TWO).verify()


def test_a_kept_head_goes_on(opened: Open, charge: Charge, written: Head) -> None:
    ledger = opened(analysts=TWO)
    assert ledger.head() == written == ledger.verify(written)
    charge(ledger, analyst="alice")
    later = ledger.verify(written)
    assert later.entry == written.entry + 1 and ledger.verify(later) == later
    assert Head.read(f" {later}\n") == later


def test_a_cut_end_shows_only_against_a_kept_head(opened: Open, written: Head, path: Path) -> None:
    """Totals put right, everything fits: the file alone cannot know; whoever kept the head does."""
    tamper(path, f"DELETE FROM entry WHERE id = {written.entry}",
           "UPDATE account SET epsilon_limit = '3/1' WHERE name = '@bob'")
    ledger = opened(analysts=TWO)
    assert ledger.verify().entry == written.entry - 1
    with pytest.raises(LedgerError, match=f"ends at entry {written.entry - 1}"):
        ledger.verify(written)


def forge(path: Path, *statements: str) -> Head:
    """What `tamper` does, and all hashes anew."""
    tamper(path, *statements)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        last = Head(0, connection.execute("SELECT value FROM meta WHERE name = 'id'").fetchone()[0])
        for *fields, _ in connection.execute(chain.ROWS).fetchall():
            last = Head(fields[0], chain.link(last.hash, fields))
            connection.execute("UPDATE entry SET hash = ? WHERE id = ?", (last.hash, last.entry))
    return last


def test_a_forged_history_shows_only_against_a_kept_head(opened: Open, written: Head, path: Path) -> None:
    last = forge(path, "UPDATE entry SET sql = 'harmless' WHERE id = 6")
    ledger = opened(analysts=TWO)
    assert ledger.verify() == last
    with pytest.raises(LedgerError, match=f"has another entry {written.entry}"):
        ledger.verify(written)


def test_a_limit_below_what_was_spent_before_it_is_no_damage(opened: Open, charge: Charge) -> None:
    """An analyst had no limit, then the policy gave them one: they may ask no more, all others may."""
    charge(opened(), 2, analyst="alice", key="a", answer="a")
    ledger = opened(analysts={"alice": (1, 0), "bob": (3, 0)})
    with pytest.raises(BudgetError, match="analyst 'alice' has epsilon 0 "):
        charge(ledger, "0.001", analyst="alice")
    charge(ledger, "0.001", analyst="bob")
    stored = ledger.replay(key="a", version="v1", analyst="alice")
    assert stored is not None and stored.paid == Cost(Fraction(0), Fraction(0))
    ledger.verify()


def test_a_charge_beyond_the_limits_of_its_time_is_damage(opened: Open, charge: Charge, path: Path) -> None:
    with opened(epsilon=3) as ledger:
        charge(ledger, 1)
        charge(ledger, 1)
    forge(path, *(f"UPDATE {table} SET {column} = '5/1' WHERE {row}" for table, column, row in (
        ("entry", "epsilon", "id = 3"), ("entry", "rho", "id = 3"))),
        "UPDATE account SET epsilon_spent = '6/1', rho_spent = '11/2'")
    with pytest.raises(LedgerError, match="entry 3 was admitted beyond the limits of its time"):
        opened(epsilon=3).verify()


@pytest.mark.parametrize("text", ["", "12", "12:abc", "0:" + "0" * 64, "x" * 70, "-1:" + "0" * 64])
def test_what_is_no_head(text: str) -> None:
    with pytest.raises(LedgerError, match="NUMBER:HASH"):
        Head.read(text)


def test_copies_carry_the_chain_on(opened: Open, written: Head, tmp_path: Path) -> None:
    ledger = opened(analysts=TWO)
    ledger.backup(tmp_path / "copy")
    ledger.move(tmp_path / "b.ledger")
    Ledger.restore(tmp_path / "copy", tmp_path / "c.ledger")
    for place in ("b.ledger", "c.ledger"):
        assert opened(at=tmp_path / place, analysts=TWO).verify(written).entry > written.entry


# --- both ways of adding up ---

def laplace(ledger: Ledger, epsilon: str, analyst: str | None = None) -> None:
    event = Event.laplace(1, 1 / Fraction(epsilon))
    ledger.charge(key="k", version="v1", analyst=analyst, cost=Cost(Fraction(epsilon), Fraction(0)), events=(event,),
                  sql="SELECT 1")


def test_either_way_admits(opened: Open) -> None:
    ledger = opened(epsilon=1, delta="1e-5")
    for _ in range(58):
        laplace(ledger, "0.03")
    with pytest.raises(BudgetError, match=r"has epsilon 0 and delta 0 left.*rho 0\.000410.* under zCDP, .*0\.00045"):
        laplace(ledger, "0.03")
    balance = ledger.balance(None)
    assert balance.epsilon_spent > balance.epsilon_limit == 1
    assert 0.02 < balance.epsilon_left < 0.03 and "rho 0.0261 of 0.02651 used" in str(balance)
    laplace(ledger, "0.02")
    ledger.verify()


def test_an_analysts_own_limit_has_both_ways_too(opened: Open) -> None:
    ledger = opened(epsilon=10, delta="1e-5", analysts={"alice": (1, "1e-5"), "bob": (1, 0)})
    for _ in range(58):
        laplace(ledger, "0.03", "alice")
    with pytest.raises(BudgetError, match="analyst 'alice'"):
        laplace(ledger, "0.03", "alice")
    for _ in range(33):
        laplace(ledger, "0.03", "bob")
    with pytest.raises(BudgetError, match=r"analyst 'bob' has epsilon 0\.01 and delta 0 left\. Nothing"):
        laplace(ledger, "0.03", "bob")
    ledger.verify()


def test_gaussian_noise_is_admitted_where_only_zcdp_can(opened: Open) -> None:
    ledger = opened(epsilon=1, delta="1e-5")
    event = Event.gaussian(1, Fraction(51) ** 2, Fraction("0.09"), Fraction("1e-7"))
    for _ in range(100):
        ledger.charge(key="k", version="v1", analyst=None, cost=Cost(event.epsilon, event.delta), events=(event,),
                      sql="")
    ledger.verify()
    assert ledger.accounts()[None].spent == Spent(Fraction(9), Fraction("1e-5"), 100 * event.rho, Fraction(0))


def test_the_split_is_the_owners_by_an_entry(opened: Open, charge: Charge) -> None:
    ledger = opened(epsilon=1, delta="1e-5", analysts={"alice": (1, "1e-6")})
    assert ledger.split() == EVEN
    before = ledger.accounts()
    even = Split(Fraction(1, 8), Fraction(1, 8), Fraction(3, 4))
    ledger.set_split(even)
    for name, each in ledger.accounts().items():
        old = before[name].room
        assert each.limit is not None and each.room is not None and old is not None
        assert each.room == room(each.limit, even) and each.room.rho > old.rho and each.room.delta < old.delta
    assert [entry.note for entry in ledger.entries()][-3:] == ["1/8 1/8 3/4", "by the split", "by the split"]
    assert opened(epsilon=1, delta="1e-5", analysts={"alice": (1, "1e-6")}).split() == even
    charge(ledger, "0.1", "1e-7", analyst="alice")
    with pytest.raises(LedgerError, match="would pass the limit"):
        ledger.set_split(Split(Fraction(1, 100), Fraction(1, 100), Fraction(1, 2)))
    ledger.raise_limits(analyst="alice", epsilon=Fraction(2))
    assert ledger.split() == even
    ledger.verify()


@pytest.mark.parametrize("statement", [
    "UPDATE meta SET value = '1/100 1/4 1/4' WHERE name = 'split'", "UPDATE account SET room_rho = '9/1'",
    "UPDATE account SET room_delta = '9/1'", "UPDATE account SET room_slack = '1/1'",
    "UPDATE account SET rho_spent = '0/1'", "UPDATE account SET slack_spent = '0/1'",
    "INSERT INTO meta VALUES ('period', '1 2026-01-01T00:00:00.000+00:00')"])
def test_forged_rooms_are_told(opened: Open, charge: Charge, path: Path, statement: str) -> None:
    with opened() as ledger:
        charge(ledger, 1, "1e-8")
    tamper(path, statement)
    with pytest.raises(LedgerError, match="damaged"):
        opened().verify()


# --- periods ---

class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.time = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

    def __call__(self) -> str:
        return self.time.isoformat(timespec="milliseconds")

    def go(self, days: float) -> None:
        self.time += datetime.timedelta(days=days)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("dpsql.budget.owner.now", made)
    monkeypatch.setattr("dpsql.budget.history.now", made)
    return made


def test_budgets_count_anew_in_a_new_period(opened: Open, charge: Charge, clock: Clock) -> None:
    ledger = opened(epsilon=2, analysts=TWO, refresh_days=30)
    assert ledger.period() == 30
    charge(ledger, 2, analyst="alice", answer="a")
    clock.go(29.9)
    with pytest.raises(BudgetError):
        charge(ledger, 1, analyst="alice")
    clock.go(0.2)
    assert (ledger.balance(None).epsilon_left, ledger.balance("alice").epsilon_left) == (2, 5)
    charge(ledger, 2, analyst="alice")
    assert ledger.entries()[-2].kind == "renewal" and ledger.balance("alice").epsilon_left == 3
    clock.go(75)
    charge(ledger, 2, analyst="bob")
    clock.go(14)            # periods start every 30 days, whenever the first query of one is asked
    with pytest.raises(BudgetError):
        charge(ledger, 1, analyst="bob")
    clock.go(1)
    charge(ledger, 1, analyst="bob")
    assert ledger.replay(key="k", version="v1", analyst="alice") is not None
    ledger.verify()


def test_a_clock_that_goes_back_renews_nothing(opened: Open, charge: Charge, clock: Clock) -> None:
    ledger = opened(epsilon=2, refresh_days=1)
    clock.go(3)
    charge(ledger, 2)
    for days in (-1, -400, 401.5):
        clock.go(days)
        with pytest.raises(BudgetError):
            charge(ledger, 1)
    clock.go(0.5)
    charge(ledger, 1)
    ledger.verify()


def test_without_a_period_time_is_nothing(opened: Open, charge: Charge, clock: Clock) -> None:
    ledger = opened(epsilon=1)
    charge(ledger)
    for days in (10_000, -20_000):
        clock.go(days)
        with pytest.raises(BudgetError):
            charge(ledger)
    ledger.verify()


def test_a_period_is_changed_by_an_entry(
    opened: Open, charge: Charge, clock: Clock, policy: Callable[..., Policy],
) -> None:
    ledger = opened(epsilon=1)
    charge(ledger)
    ledger.set_period(7)
    assert "refresh_days = 0; the ledger says 7" in ledger.differences(policy(epsilon=1))[0]
    clock.go(6)
    with pytest.raises(BudgetError):
        charge(ledger)
    ledger.set_period(0)
    clock.go(600)
    with pytest.raises(BudgetError):
        charge(ledger)
    for days in (-1, owner.MOST_DAYS + 1):
        with pytest.raises(LedgerError, match="whole number of days"):
            ledger.set_period(days)
    assert [entry.kind for entry in ledger.entries()] == ["create", "limits", "charge", "period", "period"]
    ledger.verify()


# --- the first format ---

@pytest.fixture
def old(path: Path) -> Path:
    """A ledger that dpsql 0.1.0 wrote: charges of alice and bob, a sight, a raised limit."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(OLD.read_text())
        for pragma in ("application_id = 1685091185", "user_version = 1", "journal_mode = WAL"):
            connection.execute(f"PRAGMA {pragma}")
    return path


def test_an_old_ledger_opens(opened: Open, charge: Charge, old: Path) -> None:
    ledger = opened(analysts=TWO)
    head = ledger.verify()
    accounts = ledger.accounts()
    assert accounts[None].spent == Spent(Fraction(8, 5), Fraction("1e-8"), Fraction(7, 25), Fraction("1e-8"))
    assert accounts["alice"].spent.rho == Fraction(11, 40) and accounts["bob"].spent.rho == Fraction(51, 200)
    assert accounts["alice"].limit == Budget(Fraction(6), Fraction("1e-6"))
    for each in accounts.values():
        assert each.limit is not None and each.room == room(each.limit)
    charges = [entry for entry in ledger.entries() if entry.kind == "charge"]
    assert [[event.rho for event in entry.events] for entry in charges] == [
        [Fraction(1, 8), Fraction(1, 8)], [Fraction(1, 40)], []]
    assert ledger.replay(key="second", version="v1", analyst="alice") is not None
    assert ledger.verify() == head
    charge(ledger, analyst="alice")
    assert opened(analysts=TWO).verify(head).entry == head.entry + 1


def test_an_old_backup_restores(opened: Open, old: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = 'backup' WHERE name = 'state'")
        connection.execute("INSERT INTO meta VALUES ('place', 'then')")
    with pytest.raises(LedgerError, match=r"is a backup .*restore"):
        opened(analysts=TWO)
    Ledger.restore(old, tmp_path / "b.ledger")
    assert opened(at=tmp_path / "b.ledger", analysts=TWO).entries()[-1].kind == "restore"


@pytest.mark.parametrize("statement", [
    "UPDATE account SET epsilon_spent = '1/10' WHERE name = 'policy'",
    "UPDATE account SET epsilon_limit = '99/1' WHERE name = 'policy'", "DELETE FROM account WHERE name = '@bob'",
    "DELETE FROM entry WHERE id = 4", "UPDATE entry SET epsilon = NULL WHERE id = 5",
    "UPDATE entry SET charge = 77 WHERE id = 8",
    """UPDATE entry SET events = replace(events, '"scale": "2/1"', '"scale": "9/1"') WHERE id = 5"""])
def test_a_damaged_old_ledger_is_not_upgraded(opened: Open, old: Path, statement: str) -> None:
    tamper(old, statement)
    before = old.read_bytes()
    with pytest.raises(LedgerError, match="damaged"):
        opened(analysts=TWO)
    assert old.read_bytes() == before


def test_an_upgrade_that_crashes_leaves_the_old_ledger(
    opened: Open, old: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("dpsql.budget.upgrade.room", lambda limit: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            opened(analysts=TWO)
    with contextlib.closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    opened(analysts=TWO).verify()
