"""A ledger exists once: moved, backed up, restored, deleted or replaced."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dpsql.budget import copies
from dpsql.budget.ledger import Ledger
from dpsql.errors import LedgerError

Open = Callable[..., Ledger]
Charge = Callable[..., int]


class Crash(BaseException):
    pass


def charges(ledger: Ledger) -> int:
    return sum(entry.kind == "charge" for entry in ledger.entries())


def test_a_moved_ledger_says_where_it_went(opened: Open, charge: Charge, path: Path, tmp_path: Path) -> None:
    ledger, other, there = opened(), opened(), tmp_path / "sub" / "b.ledger"
    charge(ledger, answer="a")
    there.parent.mkdir()
    ledger.move(there)
    for use in (ledger.entries, other.entries, lambda: charge(other), lambda: ledger.balance(None), opened,
                lambda: ledger.move(tmp_path / "c"), lambda: ledger.backup(tmp_path / "c")):
        with pytest.raises(LedgerError, match=f"was moved to {there}"):
            use()
    moved = opened(at=there, ledger=ledger.id)
    assert moved.entries()[-1].kind == "move"
    assert (charges(moved), moved.replay(key="k", version="v1", analyst=None).answer) == (1, "a")
    assert there.stat().st_mode & 0o777 == 0o600
    charge(moved)
    moved.verify()
    moved.move(tmp_path / "c.ledger")
    assert charges(opened(at=tmp_path / "c.ledger")) == 2


def test_a_backup_is_no_second_budget(opened: Open, charge: Charge, path: Path, tmp_path: Path) -> None:
    ledger, copy, back = opened(), tmp_path / "copy", tmp_path / "back.ledger"
    charge(ledger, answer="a")
    ledger.backup(copy)
    assert (ledger.entries()[-1].kind, ledger.entries()[-1].note) == ("backup", str(copy))
    charge(ledger)
    for arguments in ({}, {"ledger": ledger.id}):
        with pytest.raises(LedgerError, match=r"is a backup .*restore"):
            opened(at=copy, **arguments)
    Ledger.restore(copy, back)
    restored = opened(at=back, ledger=ledger.id)
    assert (charges(restored), restored.entries()[-1].kind) == (1, "restore")
    restored.verify()
    with pytest.raises(LedgerError, match="exists already"):
        Ledger.restore(copy, back)
    with pytest.raises(LedgerError, match="not a backup"):
        Ledger.restore(path, tmp_path / "d")
    assert sorted(os.listdir(tmp_path)) == [
        "a.ledger", "a.ledger-lock", "a.ledger-shm", "a.ledger-wal", "back.ledger", "back.ledger-shm",
        "back.ledger-wal", "copy"]


@pytest.mark.parametrize("verb", ["move", "backup"])
def test_nothing_is_overwritten(opened: Open, verb: str, path: Path, tmp_path: Path) -> None:
    ledger = opened()
    before = ledger.entries()
    (tmp_path / "there").write_text("mine")
    (tmp_path / "log-wal").write_text("mine")
    for target, message in (("there", "exists already"), ("missing/b", "does not exist"), ("a.ledger", "exists"),
                            ("log", "holds its last charges")):
        with pytest.raises(LedgerError, match=message):
            getattr(ledger, verb)(tmp_path / target)
    assert (tmp_path / "there").read_text() == "mine"
    assert ledger.entries() == before


@pytest.mark.parametrize("step", ["_copy", "add_entry", "_mark", "settle"])
def test_a_move_that_crashes_is_undone_or_finished(
    opened: Open, charge: Charge, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, step: str,
) -> None:
    ledger, there = opened(), tmp_path / "b.ledger"
    charge(ledger)
    whole = getattr(copies, step)

    def crash(*arguments: object, **named: object) -> object:
        if step != "_copy" and (step == "settle" or there.exists()):
            raise Crash
        result = whole(*arguments, **named)
        if step == "_copy":
            raise Crash
        return result

    monkeypatch.setattr(copies, step, crash)
    with pytest.raises(Crash):
        ledger.move(there)
    monkeypatch.undo()
    if step == "settle":
        with pytest.raises(LedgerError, match="was moved"):
            opened()
        assert charges(opened(at=there)) == 1
    else:
        with pytest.raises(LedgerError, match="unfinished copy"):
            opened(at=there)
        charge(ledger)
        there.unlink()
        ledger.move(there)
        assert charges(opened(at=there)) == 2


def test_an_unfinished_move_without_its_source_is_not_trusted(
    opened: Open, tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger, there = opened(), tmp_path / "b.ledger"
    monkeypatch.setattr(copies, "settle", lambda place: None)
    ledger.move(there)
    monkeypatch.undo()
    ledger.close()
    path.rename(tmp_path / "hidden")
    with pytest.raises(LedgerError, match="put that file back"):
        opened(at=there)
    (tmp_path / "hidden").rename(path)
    opened(at=there).verify()


def test_a_failed_creation_leaves_no_ledger(opened: Open, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*arguments: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr("dpsql.budget.store.os.replace", crash)
        with pytest.raises(Crash):
            opened()
    assert not path.exists()
    path.with_name("a.ledger-new").write_text("what a killed process left")
    path.with_name("a.ledger-new-journal").write_text("and its journal")
    opened().verify()
    assert not path.with_name("a.ledger-new").exists()


def test_a_missing_ledger_that_the_policy_names_is_never_made_anew(opened: Open, path: Path) -> None:
    with pytest.raises(LedgerError, match=r"is missing, and the policy says ledger"):
        opened(ledger="0" * 32)
    assert os.listdir(path.parent) == []


def test_another_ledger_than_the_policy_names(opened: Open) -> None:
    opened()
    with pytest.raises(LedgerError, match='but the policy says ledger = "abc"'):
        opened(ledger="abc")


def test_a_missing_directory_is_not_made(opened: Open, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"directory .*/no for the ledger does not exist"):
        opened(at=tmp_path / "no" / "a.ledger")
    assert os.listdir(tmp_path) == []


def test_a_ledger_deleted_while_open(opened: Open, charge: Charge, path: Path) -> None:
    ledger = opened()
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(LedgerError, match="is missing"):
        charge(ledger)


def test_a_log_deleted_while_open(opened: Open, charge: Charge, path: Path) -> None:
    """Charges would go on into a file that nobody finds again. Mutant: only the ledger itself is looked at."""
    ledger = opened()
    charge(ledger)
    path.with_name(path.name + "-wal").unlink()
    for _ in range(2):
        with pytest.raises(LedgerError, match="was removed while it was open"):
            charge(ledger)


def test_a_ledger_replaced_while_open(opened: Open, charge: Charge, path: Path, tmp_path: Path) -> None:
    ledger = opened()
    opened(at=tmp_path / "other").close()
    (tmp_path / "other").rename(path)
    with pytest.raises(LedgerError, match="was replaced while it was open"):
        charge(ledger)


def test_a_log_without_its_ledger_is_no_fresh_budget(opened: Open, charge: Charge, path: Path) -> None:
    ledger = opened()
    charge(ledger)
    path.unlink()
    with pytest.raises(LedgerError, match=r"a\.ledger-wal, which holds its last charges"):
        opened()


def test_links(opened: Open, charge: Charge, path: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(path)
    linked = opened(at=tmp_path / "link")
    assert linked.path == path
    charge(linked)
    assert charges(opened()) == 1
    os.link(path, tmp_path / "hard")
    with pytest.raises(LedgerError, match="second name"):
        opened(at=tmp_path / "hard")


def test_odd_file_names(opened: Open, charge: Charge, tmp_path: Path) -> None:
    for name in ("a b?mode=memory#x%41.ledger", ":memory:", "é'\"\n.ledger", "-wal"):
        ledger = opened(at=tmp_path / name)
        charge(ledger)
        ledger.close()
        assert charges(opened(at=tmp_path / name)) == 1


def test_a_relative_path(opened: Open, charge: Charge, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    ledger = opened(at=Path("a.ledger"))
    monkeypatch.chdir("/")
    charge(ledger)
    assert charges(opened()) == 1


def test_a_copied_ledger_with_its_log_keeps_every_charge(opened: Open, charge: Charge, path: Path) -> None:
    """What a killed process leaves is these two files; no close was needed for its charges to be in them."""
    charge(opened())
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", path.with_name(f"b.ledger{suffix}"))
    assert charges(opened(at=path.with_name("b.ledger"))) == 1
