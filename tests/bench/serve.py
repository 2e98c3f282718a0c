"""Speed of `dpsql serve` on this machine: `python -m tests.bench.serve [--seconds 5]`.

Prints requests per second of `select 1` and of a replay with 50 clients, what the server adds to a query's time in
process, and the memory of 200 idle connections. Client and server share the machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from pathlib import Path

from dpsql.session import Session
from tests.serve.hosting import Served, hospital
from tests.serve.raw import Raw, message

CLIENTS, IDLE, ROUNDS = 50, 200, 40
REPLAY = "SELECT ward, COUNT(*) AS n FROM visits GROUP BY ward"


def main() -> None:
    """Runs the marks and prints them, a line each."""
    seconds = _seconds()
    with tempfile.TemporaryDirectory() as name:
        folder = hospital(Path(name))
        (folder / "server.toml").write_text("user_connections = 250\nconnections = 300\n")
        server = Served(folder, "--config", str(folder / "server.toml"))
        try:
            with server.raw() as raw:
                raw.rows(REPLAY)
            print(f"select 1, {CLIENTS} clients: {_rate(server, 'SELECT 1', seconds):.0f} per second (mark: 3000)")
            print(f"a replay, {CLIENTS} clients: {_rate(server, REPLAY, seconds):.0f} per second (mark: 1500)")
            _idle(server)
            print(f"added to a fresh query: {1000 * _added(server):.1f} ms (mark: 5)")
        finally:
            server.stop()


def _seconds() -> float:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    return float(parser.parse_args().seconds)


def _rate(server: Served, sql: str, seconds: float) -> float:
    """Answers per second, asked by two processes."""
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return sum(pool.starmap(_asked, [(server.port, sql, seconds, CLIENTS // 2)] * 2)) / seconds


def _asked(port: int, sql: str, seconds: float, clients: int) -> int:
    from tests.serve.hosting import PASSWORDS

    lines = [Raw(port) for _ in range(clients)]
    for line in lines:
        line.login("alice", PASSWORDS["alice"])
        line.socket.setblocking(False)
    end = time.monotonic() + seconds
    question = message("Q", sql.encode() + b"\0")

    async def ask(line: Raw) -> int:
        loop, count = asyncio.get_running_loop(), 0
        while time.monotonic() < end:
            await loop.sock_sendall(line.socket, question)
            found = b""
            while not found.endswith(b"Z\0\0\0\5I"):
                found += await loop.sock_recv(line.socket, 1 << 16)
            assert found[:1] == b"T", found
            count += 1
        return count

    async def everybody() -> int:
        return sum(await asyncio.gather(*(ask(line) for line in lines)))

    return asyncio.run(everybody())


def _idle(server: Served) -> None:
    before = _resident(server.process.pid)
    lines = [server.raw() for _ in range(IDLE)]
    after = _resident(server.process.pid)
    print(f"{IDLE} idle connections: {after / 1e6:.0f} MB in all, {(after - before) / 1e6:.1f} MB of them (mark: 200)")
    for line in lines:
        line.close()


def _resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _questions(first: int) -> list[str]:
    return [f"SELECT COUNT(*) AS n, SUM(cost) AS c FROM visits WHERE cost < {first + i}" for i in range(ROUNDS)]


def _added(server: Served) -> float:
    """Seconds that the wire adds to a fresh query, asked in turns over it and in an isolated session of our own."""
    wire, process = [], []
    with (
        Session(server.folder / "hospital.duckdb", server.folder / "policy.toml", isolated=True) as session,
        server.raw() as raw,
    ):
        for over, within in zip(_questions(500), _questions(600), strict=True):
            began = time.perf_counter()
            raw.rows(over)
            middle = time.perf_counter()
            session.query(within, analyst="alice", dialect="postgres")
            wire.append(middle - began)
            process.append(time.perf_counter() - middle)
    return statistics.median(wire) - statistics.median(process)


if __name__ == "__main__":
    main()
