"""What the tests run in other processes: `child.py VERB LEDGER [ARGUMENT]`."""

from __future__ import annotations

import os
import secrets
import sys
from fractions import Fraction
from pathlib import Path

from dpsql.budget.events import Cost, Event
from dpsql.budget.ledger import Ledger
from dpsql.errors import BudgetError, LedgerError
from dpsql.policy import Budget, Limits, Policy


def policy(epsilon: int) -> Policy:
    budget = Budget(Fraction(epsilon), Fraction(0))
    return Policy("v1", "customer", budget, budget, Limits(), {})


def once(ledger: Ledger) -> int:
    return ledger.charge(key="k", version="v1", analyst=None, cost=Cost(Fraction(1), Fraction(0)), events=(), sql="")


def race(path: Path) -> None:
    """One charge of 1 from a budget of 10."""
    with Ledger.open(path, policy(10)) as ledger:
        try:
            once(ledger)
            print("won")
        except BudgetError:
            print("lost")


def loop(path: Path) -> None:
    """Charge for ever; each line acknowledges one charge."""
    with Ledger.open(path, policy(10**9)) as ledger:
        while True:
            os.write(1, b"%d\n" % once(ledger))


def shuttle(path: Path) -> None:
    """Move the ledger back and forth for ever, a charge at every place; each line acknowledges one charge."""
    step = 0
    while True:
        step += 1
        with Ledger.open(path, policy(10**9)) as ledger:
            once(ledger)
            os.write(1, b"%d\n" % step)
            there = path.with_name(f"{os.getpid()}-{step}.ledger")
            ledger.move(there)
        path = there


def fork(path: Path) -> None:
    """Charge before and after a fork, in parent and child, with several threads at work."""
    import threading
    import warnings

    warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
    with Ledger.open(path, policy(10**9)) as ledger:
        done = threading.Event()
        charges = []

        def work() -> None:
            while not done.is_set():
                charges.append(once(ledger))

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        children = []
        for _ in range(5):
            charges.append(once(ledger))
            if not (pid := os.fork()):
                code = 1
                try:
                    once(ledger)
                    ledger.close()
                    code = 0
                finally:
                    os._exit(code)
            children.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        done.set()
        for thread in threads:
            thread.join()
        print(sum(codes), len(charges) + len(children))


def nobody(path: Path) -> None:
    """Open the ledger as a user who may not write it."""
    if os.getuid() == 0:
        Ledger.open(path, policy(10)).close()  # loads every module while they can be read
        os.setgid(65534)
        os.setuid(65534)
    try:
        Ledger.open(path, policy(10)).close()
        print("opened")
    except LedgerError as error:
        print(error)


def storm(path: Path) -> None:
    """Buy, store, look at others' answers, and be refused, for ever; each line acknowledges a charge: id and price."""
    with Ledger.open(path, stormy()) as ledger:
        while True:
            name, epsilon = secrets.choice(["alice", "bob"]), Fraction(1 + secrets.randbelow(9), 500)
            key = str(secrets.randbelow(50))
            event = Event.laplace(1, 1 / epsilon)
            try:
                number = ledger.charge(key=key, version="v1", analyst=name, cost=Cost(epsilon, Fraction(0)),
                                       events=(event,), sql=key)
                os.write(1, f"{number} {epsilon} {name}\n".encode())
                ledger.store(number, key * secrets.randbelow(3000))
                ledger.replay(key=key, version="v1", analyst=secrets.choice(["alice", "bob"]))
            except BudgetError:
                os.write(1, b"refused\n")


def stormy() -> Policy:
    """Two analysts whose limits end while the storm goes on; zCDP admits what basic composition does not."""
    budget, share = Budget(Fraction("0.15"), Fraction("1e-5")), Budget(Fraction("0.1"), Fraction("1e-5"))
    return Policy("v1", "customer", budget, budget, Limits(), {}, analysts={"alice": share, "bob": share})


def full(path: Path) -> None:
    """Charge until no file may grow any further; say what was acknowledged, then what was said of the failure."""
    import resource

    with Ledger.open(path, policy(10**9)) as ledger:
        once(ledger)
        grown = path.with_name(path.name + "-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (grown + 20_000, resource.RLIM_INFINITY))
        try:
            for _ in range(1000):
                print(once(ledger), flush=True)
        except LedgerError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(once(ledger))


if __name__ == "__main__":
    {verb.__name__: verb for verb in (race, loop, shuttle, fork, nobody, storm, full)}[sys.argv[1]](Path(sys.argv[2]))
