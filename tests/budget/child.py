"""What the tests run in other processes: `child.py VERB LEDGER [ARGUMENT]`."""

from __future__ import annotations

import os
import sys
from fractions import Fraction
from pathlib import Path

from dpsql.budget.events import Cost
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


if __name__ == "__main__":
    {verb.__name__: verb for verb in (race, loop, shuttle, fork, nobody)}[sys.argv[1]](Path(sys.argv[2]))
