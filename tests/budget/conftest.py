from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest

import dpsql
from dpsql.budget.events import Cost
from dpsql.budget.ledger import Ledger
from dpsql.policy import Budget, Limits, Policy

CHILD = Path(__file__).with_name("child.py")


def make_policy(
    epsilon: object = 10, delta: object = "1e-6", analysts: dict[str, tuple[object, object]] | None = None,
    ledger: str | None = None, refresh_days: int | None = None,
) -> Policy:
    return Policy(
        version="v1", unit="customer", budget=Budget(Fraction(epsilon), Fraction(delta)),
        query=Budget(Fraction(1), Fraction(0)), limits=Limits(), tables={}, ledger=ledger, refresh_days=refresh_days,
        analysts=None if analysts is None else {
            name: Budget(Fraction(e), Fraction(d)) for name, (e, d) in analysts.items()
        },
    )


@pytest.fixture
def policy() -> Callable[..., Policy]:
    return make_policy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.ledger"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., Ledger]]:
    """Open ledgers that the test need not close; a policy's arguments, and `at` for another file."""
    ledgers: list[Ledger] = []

    def open_(*, at: Path = path, **arguments: object) -> Ledger:
        ledgers.append(Ledger.open(at, make_policy(**arguments)))
        return ledgers[-1]

    yield open_
    for ledger in ledgers:
        ledger.close()


@pytest.fixture
def charge() -> Callable[..., int]:
    def charge_(
        ledger: Ledger, epsilon: object = 1, delta: object = 0, *, analyst: str | None = None, key: str = "k",
        version: str = "v1", answer: str | None = None,
    ) -> int:
        number = ledger.charge(key=key, version=version, analyst=analyst, cost=Cost(Fraction(epsilon), Fraction(delta)),
                               events=(), sql="SELECT 1")
        if answer is not None:
            ledger.store(number, answer)
        return number

    return charge_


@pytest.fixture
def child() -> Callable[..., subprocess.Popen[str]]:
    """Start child.py with some arguments."""
    environment = os.environ | {"PYTHONPATH": str(Path(dpsql.__file__).parent.parent)}

    def start(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", str(CHILD), *map(str, arguments)]
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return start
