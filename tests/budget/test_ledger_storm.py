"""Eight processes charge one ledger while some are killed; disks that fill; answers that outlive a failing ledger."""

from __future__ import annotations

import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from dpsql.budget.filter import fits
from dpsql.budget.ledger import Ledger
from dpsql.errors import LedgerError
from tests.budget.child import stormy

Open = Callable[..., Ledger]
Charge = Callable[..., int]
Child = Callable[..., "subprocess.Popen[str]"]
PROCESSES = 8


class Rider:
    """A child of the storm, and what it acknowledged so far."""

    def __init__(self, child: Child, path: Path) -> None:
        self.process, self.lines = child("storm", path), list[str]()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        self.lines += [line.strip() for line in self.process.stdout if line.endswith("\n")]

    def kill(self) -> str:
        self.process.kill()
        self.reader.join()
        return self.process.communicate()[1]


def raging(child: Child, path: Path, seconds: float, kills: int) -> tuple[list[str], int]:
    """What was acknowledged in a storm of so many seconds and kills or more, and how many processes were killed in it.

    It goes on until something was refused; the owner raises the limits whenever they are reached.
    """
    Ledger.open(path, stormy()).close()
    riders, done, killed, refused = [Rider(child, path) for _ in range(PROCESSES)], list[Rider](), 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end or killed < kills or not refused:
        time.sleep(secrets.randbelow(1000) / 2000)
        place = secrets.randbelow(PROCESSES)
        rider = riders[place]
        assert rider.process.poll() is None, rider.kill()
        rider.kill()
        done.append(rider)
        riders[place] = Rider(child, path)
        killed += 1
        before, refused = refused, sum("refused" in each.lines for each in (*done, *riders))
        with Ledger.open(path, stormy()) as ledger:         # at every moment
            assert all(each.room is not None and fits(each.room, each.spent) for each in ledger.accounts().values())
            if refused > before:
                for name, limit in ledger.limits().items():
                    ledger.raise_limits(analyst=name, epsilon=limit.epsilon + Fraction(1, 10))
    for rider in riders:
        rider.kill()
    return [line for rider in [*done, *riders] for line in rider.lines], killed


def check(lines: list[str], path: Path, processes: int) -> None:
    """No acknowledged charge lost, the spent is the sum of the charges, and no limit passed, though it was reached."""
    with Ledger.open(path, stormy()) as ledger:
        ledger.verify()
        charges = {entry.id: (entry.epsilon, entry.analyst) for entry in ledger.entries() if entry.kind == "charge"}
        accounts = ledger.accounts()
    assert "refused" in lines
    promised = [line.split() for line in lines if line != "refused"]
    assert len({number for number, _, _ in promised}) == len(promised)
    for number, epsilon, name in promised:
        assert charges[int(number)] == (Fraction(epsilon), name)
    assert len(charges) - len(promised) <= processes    # each was killed at most once between charging and telling
    assert accounts[None].spent.epsilon == sum(epsilon or 0 for epsilon, _ in charges.values())
    for each in accounts.values():
        assert each.room is not None and fits(each.room, each.spent)


def test_a_short_storm(child: Child, path: Path) -> None:
    lines, killed = raging(child, path, 3, 2)
    check(lines, path, killed + PROCESSES)


@pytest.mark.storm
def test_a_storm_of_a_minute(child: Child, path: Path) -> None:
    lines, killed = raging(child, path, 60, 20)
    refused = lines.count("refused")
    print(f"{len(lines) - refused} charges acknowledged, {refused} refused, {killed} processes killed")
    check(lines, path, killed + PROCESSES)


def test_no_charge_without_a_disk(child: Child, path: Path) -> None:
    out, err = child("full", path).communicate()
    *numbers, said, last = out.splitlines()
    assert said.startswith(f"the ledger {path} cannot ") and not err
    with Ledger.open(path, stormy()) as ledger:
        ledger.verify()
        kept = [entry.id for entry in ledger.entries() if entry.kind == "charge"]
    assert numbers and {int(number) for number in [*numbers, last]} <= set(kept)
    assert len(kept) <= len(numbers) + 3        # the first, the last, and the one whose commit was not acknowledged


def test_a_page_that_rots_while_the_ledger_is_open(opened: Open, charge: Charge, path: Path, tmp_path: Path) -> None:
    """Told, or harmless: what was acknowledged is there, or the ledger says that it is damaged."""
    with opened() as ledger:
        charge(ledger, answer="a")
    content, told = path.read_bytes(), 0
    for start in range(0, len(content), 4096):
        other = tmp_path / f"{start}.ledger"
        other.write_bytes(content)
        ledger, numbers = opened(at=other), list[int]()
        numbers.append(charge(ledger))
        subprocess.run(["dd", "if=/dev/urandom", f"of={other}", "bs=4096", f"seek={start // 4096}", "count=1",
                        "conv=notrunc", "status=none"], check=True)      # by another process, or locks would go
        try:
            numbers.append(charge(ledger))
            ledger.close()
            with opened(at=other) as again:
                again.verify()
                assert set(numbers) <= {entry.id for entry in again.entries()}
        except LedgerError as error:
            assert "damaged" in str(error) or "is not a dpsql ledger" in str(error)
            told += 1
    assert told
