"""One variant of one query in a process of its own, so that peak memory is its own: prints one JSON object."""

from __future__ import annotations

import json
import os
import resource
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

POLICY = Path(__file__).parents[2] / "examples" / "tpch" / "policy.toml"
THREADS = 2
WARM_UP = "SELECT COUNT(*) AS warm FROM orders WHERE o_orderkey < 0"
EPSILON = 0.25      # alice may spend 3 in all; every ledger measurement is a charge


def fastest(action: Callable[[], object], times: int) -> float:
    """Seconds of the fastest of several runs, after one that does not count: the least disturbed."""
    action()
    return min(timed(action) for _ in range(times))


def timed(action: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def by_engine(database: str, sql: str, times: int) -> dict[str, Any]:
    """SQL as it stands, on DuckDB as it comes."""
    import duckdb

    with duckdb.connect(database, read_only=True, config={"threads": THREADS}) as connection:
        held = peak_megabytes()
        return {"engine": fastest(lambda: connection.execute(sql).fetchall(), times), "held": held}


def by_dpsql(database: str, sql: str, times: int) -> dict[str, Any]:
    """The query through dpsql, each part by itself."""
    from dpsql.finish import finish
    from dpsql.release import release
    from dpsql.session import Session

    asked: dict[str, Any] = {"analyst": "alice", "epsilon": EPSILON}
    with tempfile.TemporaryDirectory() as folder, Session(database, POLICY, Path(folder) / "x.ledger") as session:
        session.query(WARM_UP, **asked)
        session.plan(sql, **asked)
        new = statistics.median(timed(partial(session.plan, sql + " " * i, **asked)) for i in range(1, 6))
        repeated = statistics.median(timed(lambda: session.plan(sql, **asked)) for _ in range(20))
        plan = session.plan(sql, **asked)

        def run() -> list[Any]:
            return [session.engine.run(s.sql, dict.fromkeys(s.params, secrets.token_hex(16))) for s in plan.statements]

        def charge() -> int:
            return session.ledger.charge(key=secrets.token_hex(8), version="bench", analyst="alice", cost=plan.cost,
                                         events=(), sql=sql)

        held = peak_megabytes()
        engine = fastest(run, times)
        rows = run()
        peak = peak_megabytes()

        def noise() -> list[Any]:
            return [release(s, r) for s, r in zip(plan.statements, rows, strict=True)]

        released = noise()
        return {
            "new": new, "repeated": repeated, "engine": engine, "noise": fastest(noise, times),
            "finish": fastest(lambda: finish(plan, released, session._scratch), times),
            "ledger": fastest(charge, 3), "groups": sum(len(r.values) for r in rows), "engine_peak": peak, "held": held,
        }


def peak_megabytes() -> float:
    """The most memory this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def main() -> None:
    """`worker.py VARIANT DATABASE TIMES`, the SQL on standard input."""
    variant, database, times = sys.argv[1:]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:THREADS]))
    measure = by_dpsql if variant == "dpsql" else by_engine
    found = measure(database, sys.stdin.read(), int(times))
    print(json.dumps({**found, "peak": peak_megabytes()}))


if __name__ == "__main__":
    main()
