"""Files that are no ledger, or no longer one, and what is said of them. Never a fresh budget."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from dpsql.budget.ledger import Ledger
from dpsql.budget.store import connect
from dpsql.errors import LedgerError
from dpsql.policy import Policy

Open = Callable[..., Ledger]
Charge = Callable[..., int]
Edit = Callable[..., None]


@pytest.fixture
def edit(path: Path) -> Edit:
    """Tamper with the closed ledger."""
    def edit_(*statements: str) -> None:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    return edit_


@pytest.fixture
def used(opened: Open, charge: Charge) -> None:
    with opened(analysts={"alice": (3, 0)}) as ledger:
        charge(ledger, analyst="alice", answer="a")


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is empty"), (b"not a database, but long enough to be read as one" * 100, "is not a dpsql ledger"),
    (b"SQLite format 3\0" + b"\0" * 4080, "ledger"), (b"x", "ledger")])
def test_foreign_files(opened: Open, path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=message):
        opened()
    assert path.read_bytes() == content


def test_a_directory_or_device_is_no_ledger(opened: Open, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(LedgerError, match="is not a file"):
            opened(at=place)


def test_another_programs_database(opened: Open, edit: Edit, path: Path) -> None:
    edit("CREATE TABLE meta (name, value)", "INSERT INTO meta VALUES ('id', 'x'), ('state', 'live'), ('split', 's')")
    content = path.read_bytes()
    with pytest.raises(LedgerError, match="not a dpsql ledger"):
        opened()
    assert path.read_bytes() == content


def test_a_newer_format(opened: Open, edit: Edit, used: None) -> None:
    edit("PRAGMA user_version = 3")
    with pytest.raises(LedgerError, match="format 3, this dpsql reads format 2"):
        opened()


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_a_truncated_ledger(opened: Open, used: None, path: Path, keep: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(LedgerError, match="damaged"):
        opened().verify()


def test_an_overwritten_page(opened: Open, used: None, tmp_path: Path, path: Path) -> None:
    content = path.read_bytes()
    assert len(content) > 5 * 4096
    for start in range(4096, len(content), 4096):
        other = tmp_path / f"{start}.ledger"
        other.write_bytes(content[:start] + b"\xa5" * 4096 + content[start + 4096 :])
        with pytest.raises(LedgerError, match="damaged"):
            opened(at=other, analysts={"alice": (3, 0)}).verify()


@pytest.mark.parametrize("statement", [
    "UPDATE account SET epsilon_spent = 'NaN'", "UPDATE account SET epsilon_spent = '1/0'",
    "UPDATE account SET epsilon_spent = '-1/1'", "UPDATE account SET epsilon_spent = 0.5",
    "UPDATE account SET epsilon_limit = NULL WHERE name = 'policy'", "DELETE FROM account WHERE name = 'policy'",
    f"UPDATE account SET epsilon_spent = '{'9' * 5000}/1'", "DELETE FROM meta", "UPDATE meta SET value = 'x'"])
def test_senseless_totals(opened: Open, charge: Charge, edit: Edit, used: None, statement: str) -> None:
    edit(statement)
    with pytest.raises(LedgerError, match="damaged"):
        charge(opened())


@pytest.mark.parametrize("statement", [
    "UPDATE account SET epsilon_spent = '0/1'", "UPDATE account SET epsilon_limit = '99/1' WHERE name = 'policy'",
    "DELETE FROM account WHERE name = '@alice'", "DELETE FROM entry WHERE kind = 'charge'",
    "UPDATE entry SET epsilon = '1/2' WHERE kind = 'charge'", "UPDATE entry SET events = '{}' WHERE kind = 'charge'",
    "UPDATE entry SET delta = NULL WHERE kind = 'charge'", "UPDATE entry SET events = '[' WHERE kind = 'charge'",
    "INSERT INTO account VALUES ('eve', NULL, NULL, NULL, NULL, NULL, '0/1', '0/1', '0/1', '0/1')",
    "INSERT INTO account VALUES ('@eve', NULL, NULL, NULL, NULL, NULL, '1/1', '0/1', '0/1', '0/1')"])
def test_totals_that_are_not_the_sum(opened: Open, edit: Edit, used: None, statement: str) -> None:
    edit("PRAGMA foreign_keys = OFF", "DROP TRIGGER entry_kept", "DROP TRIGGER entry_fixed", statement)
    with pytest.raises(LedgerError, match="damaged"):
        opened().verify()


def test_any_damaged_byte_is_told_or_harmless(
    opened: Open, charge: Charge, policy: Callable[..., Policy], used: None, tmp_path: Path, path: Path,
) -> None:
    content, analysts = path.read_bytes(), {"alice": (3, 0)}
    with opened(analysts=analysts) as ledger:
        limits, balances = ledger.limits(), [ledger.balance(name) for name in (None, "alice")]
    for number in range(60):
        other, place = tmp_path / f"{number}.ledger", secrets.randbelow(len(content))
        other.write_bytes(content[:place] + secrets.token_bytes(1) + content[place + 1 :])
        with contextlib.suppress(LedgerError), Ledger.open(other, policy(analysts=analysts)) as damaged:
            damaged.verify()
            assert damaged.limits() == limits, place
            assert [damaged.balance(name) for name in (None, "alice")] == balances, place
            charge(damaged, analyst="alice")
            damaged.replay(key="k", version="v1", analyst="alice")


@pytest.mark.parametrize("statement", ["DELETE FROM entry", "UPDATE entry SET epsilon = '0/1'"])
def test_entries_are_only_added(edit: Edit, used: None, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="only added"):
        edit(statement)


def test_a_ledger_that_may_not_be_written(opened: Open, used: None, path: Path, child: Callable[..., object]) -> None:
    folder = path.parent
    for place in (folder, *folder.parents[:3]):
        place.chmod(place.stat().st_mode | 0o055)
    path.chmod(0o444)
    folder.chmod(0o555)
    try:
        out, err = child("nobody", path).communicate()  # type: ignore[attr-defined]
    finally:
        folder.chmod(0o755)
    assert f"the ledger {path} cannot be" in out, err


def test_every_commit_waits_for_the_disk(used: None, path: Path) -> None:
    with contextlib.closing(connect(path)) as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_full_disk_charges_nothing_and_mends(opened: Open, charge: Charge) -> None:
    ledger = opened()
    with ledger._store.transaction(write=False) as connection:
        size = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {size}")
    with pytest.raises(LedgerError, match="the disk is full"):
        for _ in range(100):
            charge(ledger, 0, answer="x" * 1000)
    ledger.verify()
    charge(ledger)
    ledger.verify()
