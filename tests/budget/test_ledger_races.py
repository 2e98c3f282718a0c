"""Many processes, threads and forks on one ledger, and death at any moment."""

from __future__ import annotations

import contextlib
import datetime
import secrets
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest

from dpsql.budget.ledger import Ledger
from dpsql.budget.record import Entry
from dpsql.errors import BudgetError, LedgerError

Open = Callable[..., Ledger]
Charge = Callable[..., int]
Child = Callable[..., "subprocess.Popen[str]"]


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate()
    assert not process.returncode, err
    return out.strip()


def test_twenty_processes_race_for_ten_queries(child: Child, path: Path, opened: Open) -> None:
    results = [finish(process) for process in [child("race", path) for _ in range(20)]]
    assert sorted(results) == ["lost"] * 10 + ["won"] * 10
    ledger = opened()
    assert [entry.kind for entry in ledger.entries()] == ["create", "limits"] + ["charge"] * 10
    ledger.verify()


def acknowledged(process: subprocess.Popen[str], lines: int) -> list[str]:
    """What a child printed before and while it was killed, after `lines` lines; a torn line was not acknowledged."""
    assert process.stdout is not None
    seen = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    seen += process.stdout.readlines()
    process.communicate()
    assert seen[0], "the child failed at once"
    return [line.strip() for line in seen if line.endswith("\n")]


@pytest.mark.parametrize("children", [1, 1, 3])
def test_nothing_acknowledged_is_lost_by_a_kill(child: Child, path: Path, opened: Open, children: int) -> None:
    promised: set[int] = set()
    for _ in range(3):
        processes = [child("loop", path) for _ in range(children)]
        for process in processes:
            promised |= {int(line) for line in acknowledged(process, 1 + secrets.randbelow(40))}
        with opened() as ledger:
            assert promised <= {entry.id for entry in ledger.entries() if entry.kind == "charge"}
            ledger.verify()


def test_a_move_killed_at_any_moment_leaves_one_ledger(child: Child, path: Path, opened: Open) -> None:
    for _ in range(4):
        charges = len(acknowledged(child("shuttle", path), 1 + secrets.randbelow(10)))
        live = []
        for file in sorted(path.parent.glob("*.ledger")):
            try:
                live.append(opened(at=file))
            except LedgerError as error:
                assert "moved to" in str(error) or "unfinished copy" in str(error)
        (ledger,) = live
        assert charges <= sum(entry.kind == "charge" for entry in ledger.entries()) <= charges + 1
        ledger.verify()
        ledger.close()
        for file in path.parent.iterdir():
            file.unlink()


def test_threads_share_a_ledger(opened: Open, charge: Charge) -> None:
    ledger = opened(epsilon=30)
    won: list[int] = []

    def work() -> None:
        for _ in range(10):
            try:
                won.append(charge(ledger, answer="a"))
                ledger.replay(key="k", version="v1", analyst=None)
                ledger.balance(None)
            except BudgetError:
                return

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == len(set(won)) == 30
    ledger.verify()


def test_two_ledger_objects_of_one_file(opened: Open, charge: Charge) -> None:
    one, other = opened(epsilon=2), opened(epsilon=2)
    charge(one)
    charge(other)
    with pytest.raises(BudgetError):
        charge(one)
    assert one.entries() == other.entries()


def test_a_fork_that_python_did_not_see(opened: Open, charge: Charge, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = opened()
    with monkeypatch.context() as patch:
        patch.setattr("dpsql.budget.store.os.getpid", lambda: -1)
        with pytest.raises(LedgerError, match="opened by another process"):
            charge(ledger)
    charge(ledger)


def test_a_fork_may_use_the_ledger(child: Child, path: Path, opened: Open) -> None:
    failed, charges = map(int, finish(child("fork", path)).split())
    assert failed == 0
    ledger = opened()
    assert sum(entry.kind == "charge" for entry in ledger.entries()) == charges
    ledger.verify()


def test_no_period_sells_more_than_its_budgets(opened: Open, charge: Charge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ledgers of one file, four threads each, and a clock that runs over the ends of periods while they charge."""
    time = [datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)]
    for module in ("owner", "history"):
        monkeypatch.setattr(f"dpsql.budget.{module}.now", lambda: time[0].isoformat(timespec="milliseconds"))
    analysts = dict.fromkeys(("alice", "bob", "eve"), (2, 0))
    ledgers = [opened(epsilon=5, analysts=analysts, refresh_days=1) for _ in range(2)]

    def ask(number: int) -> None:
        for turn in range(40):
            with contextlib.suppress(BudgetError):
                charge(ledgers[number % 2], Fraction(1, 2), analyst=list(analysts)[number % 3])
            if number == 0 and turn % 8 == 7:
                time[0] += datetime.timedelta(days=1.1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    periods: list[list[Entry]] = [[]]
    for entry in ledgers[0].entries():
        if entry.kind == "renewal":
            periods.append([])
        elif entry.kind == "charge":
            periods[-1].append(entry)
    assert len(periods) > 3 and any(len(period) == 10 for period in periods)
    for period in periods:
        assert sum(entry.epsilon or 0 for entry in period) <= 5
        assert all(sum(entry.epsilon or 0 for entry in period if entry.analyst == name) <= 2 for name in analysts)
    ledgers[0].verify()
