"""`dpsql budget` as the owner uses it: accounts, history, proof, and the owner's own entries."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import duckdb
import pytest

from dpsql.budget.ledger import Ledger
from dpsql.doors import budget as door
from dpsql.doors.cli import main
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 2.0
delta = 1e-5
refresh_days = 365
[query]
epsilon = 0.1
[analysts.alice]
epsilon = 1.0
[analysts.bob]
epsilon = 1.0
delta = 0
[tables.people]
unit = "id"
keys = ["id"]
"""


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY)
    with duckdb.connect(str(tmp_path / "town.duckdb")) as connection:
        connection.execute("CREATE TABLE people AS SELECT i AS id FROM range(50) t(i)")
    monkeypatch.setenv("DPSQL_DATABASE", str(tmp_path / "town.duckdb"))
    for name in ("POLICY", "LEDGER", "ANALYST"):
        monkeypatch.delenv(f"DPSQL_{name}", raising=False)
    with Session(tmp_path / "town.duckdb", tmp_path / "policy.toml") as session:
        session.query("SELECT COUNT(*) AS n FROM people", analyst="alice")
        session.query("SELECT COUNT(*) AS n FROM people", analyst="bob")
        session.query("SELECT COUNT(*) AS n FROM people WHERE id < 9", analyst="alice", epsilon=0.25)
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["budget", *arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["budget", *arguments]) == 1
    return capsys.readouterr().err


def test_accounts_in_json(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(capsys, "--json"))
    policy, alice, bob = found["budgets"]
    assert [each["analyst"] for each in found["budgets"]] == [None, "alice", "bob"]
    assert policy["epsilon"] == {"limit": 2.0, "spent": 0.35, "left": 1.65}
    assert (alice["epsilon"]["spent"], bob["epsilon"]["spent"]) == (0.35, 0.1)
    assert policy["rho"]["spent"] == pytest.approx(0.1**2 / 2 + 0.25**2 / 2)
    assert (bob["rho"]["limit"], bob["proved"]["zcdp"], bob["proved"]["basic"]) == (0, None, 0.1)
    assert policy["proved"]["basic"] == 0.35 < policy["proved"]["zcdp"]
    if found["pld"]:
        assert 0 < policy["proved"]["pld"] <= 0.3501
    assert (found["split"], found["period_days"], found["differences"]) == ("1/2 1/4 1/4", 365, [])
    (only,) = json.loads(told(capsys, "--json", "--analyst", "bob"))["budgets"]
    assert only == bob


def test_a_period_that_is_due_has_spent_nothing_by_any_account(
    town: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody asked since it began, so no entry says so yet."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=366)
    monkeypatch.setattr("dpsql.budget.owner.now", lambda: later.isoformat(timespec="milliseconds"))
    found = json.loads(told(capsys, "--json"))
    for budget in found["budgets"]:
        assert [budget[amount]["spent"] for amount in ("epsilon", "delta", "rho", "slack")] == [0] * 4
        assert {0.0, None} >= set(budget["proved"].values())


def test_accounts_for_people(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys)
    for words in ("basic composition\nbudget", "or zCDP (a charge fits either", "what was spent proves", "the policy",
                  "count anew every 365 days: who is in the data for n periods is protected by n times", "\nhead "):
        assert words in shown
    assert shown.count("alice") > shown.count("bob") > 0
    alone = told(capsys, "--analyst", "bob")
    assert "alice" not in alone and "the answer of entry" in alone


def test_without_dp_accounting_it_says_how_to_get_it(
    town: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dpsql.doors.budget_report.installed", lambda: False)
    assert door.PLD in told(capsys)
    found = json.loads(told(capsys, "--json"))
    assert not found["pld"] and found["budgets"][0]["proved"]["pld"] is None


def test_history_of_one_analyst(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entries = json.loads(told(capsys, "entries", "--json"))
    assert [entry["kind"] for entry in entries] == ["create", *["limits"] * 3, "period", "charge", "sight", "charge"]
    assert entries[5]["epsilon"] == "1/10" and entries[5]["rho"] == "1/200"
    assert entries[5]["events"][0]["mechanism"] == "laplace"
    bobs = json.loads(told(capsys, "entries", "--json", "--analyst", "bob"))
    assert [entry["kind"] for entry in bobs] == ["limits", "sight"] and bobs[1]["charge"] == entries[5]["entry"]
    assert "SELECT COUNT(*)" in told(capsys, "entries")


def test_verify_proves_and_says_what_it_cannot(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = told(capsys, "verify")
    assert "is sound" in shown and door.KEEP in shown
    head = json.loads(told(capsys, "--verify", "--json"))["head"]
    assert f"head {head}" in shown
    told(capsys, "raise", "--epsilon", "3")
    later = told(capsys, "--head", head)
    number = head.split(":")[0]
    assert f"up to entry {number} they are those whose head was kept" in later and f"head {head}" not in later
    wrong = f"{number}:{'0' * 64}"
    assert f"has another entry {number}" in refused(capsys, "verify", "--head", wrong)
    assert "NUMBER:HASH" in refused(capsys, "verify", "--head", "nonsense")


def test_the_owners_entries(town: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "deltas are split 1/8 1/8 3/4" in told(capsys, "split", "1/8,1/8,3/4")
    assert "count anew every 30 days" in told(capsys, "period", "30")
    assert "refresh_days = 365; the ledger says 30" in told(capsys)
    assert "for n periods" not in told(capsys, "period", "0")
    assert "limits" in told(capsys, "raise", "--analyst", "bob", "--delta", "1e-6")
    with Ledger.open(town / "town.duckdb.ledger", _policy(town)) as ledger:
        assert [entry.kind for entry in ledger.entries()][8:] == [
            "split", "limits", "limits", "limits", "period", "period", "limits"]
        ledger.verify()


@pytest.mark.parametrize(("arguments", "said"), [
    (("split",), "split needs three parts"), (("split", "1/2,1/2"), "split needs three parts"),
    (("split", "1/2,1/2,1/2"), "add up to at most 1"), (("split", "1/0,0,0"), "split needs three parts"),
    (("split", "1e99999999,0,0"), "split needs three parts"),
    (("period",), "a number of days"), (("period", "soon"), "a number of days"), (("period", "-3"), "whole number"),
    (("backup",), "needs a file"), (("raise",), "needs the new limit"), (("raise", "--epsilon", "0.1"), "are spent")])
def test_what_the_owner_may_not(
    town: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str,
) -> None:
    assert said in refused(capsys, *arguments)
    assert "is sound" in told(capsys, "verify")


def _policy(town: Path) -> object:
    with Session(town / "town.duckdb", town / "policy.toml") as session:
        return session.policy
