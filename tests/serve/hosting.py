"""A server of `dpsql serve` over a small hospital, in a process of its own, with two users."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from dpsql.doors.serve.users import add_user
from tests.serve.raw import Raw

ROOT = Path(__file__).parents[2]
PASSWORDS = {"alice": "alice's password", "bob": "bob's password ü"}
HOSPITAL = """
CREATE TABLE patients AS
    SELECT i AS patient_id, (i * 7) % 90 AS age, DATE '1950-01-01' + (i * 11 % 20000)::INTEGER AS born
    FROM range(2000) t(i);
CREATE TABLE visits AS
    SELECT (i * 13) % 2000 AS patient_id, CAST((i * 31) % 900 AS DOUBLE) AS cost,
           TIMESTAMP '2025-01-01' + to_hours((i % 8000)::INTEGER) AS at, i % 3 = 0 AS emergency,
           ((i * 7) % 1000 / 10)::DECIMAL(9, 2) AS price,
           CASE WHEN i % 3 = 0 THEN 'surgery' ELSE 'cardiology' END AS ward
    FROM range(6000) t(i);
CREATE TABLE wards AS SELECT unnest(['surgery', 'cardiology']) AS ward, unnest([3, 4]) AS floor;
"""
POLICY = """
version = "1"
unit = "patients"
[budget]
epsilon = 1000.0
delta = 1e-3
[query]
epsilon = 1.0
delta = 1e-8
[analysts.alice]
epsilon = 900.0
[analysts.bob]
epsilon = 900.0
[tables.patients]
unit = "patient_id"
keys = ["patient_id"]
columns.age = { range = [0, 110] }
[tables.visits]
owner = "patient_id -> patients.patient_id"
max_rows_per_group = 10
columns.cost = { range = [0, 1000] }
columns.price = { range = [0, 100] }
columns.ward = { values = ["cardiology", "surgery"] }
[tables.wards]
public = true
keys = ["ward"]
"""


class Served:
    """A running server: its port, its folder, what it logged."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.log = folder, folder / "server.log"
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dpsql", "serve", "-d", str(folder / "hospital.duckdb"), "-p",
                 str(folder / "policy.toml"), "-u", str(folder / "users"), "--port", "0", *options],
                stderr=log, stdout=log, env={**os.environ, "PYTHONPATH": str(ROOT)})
        self.port = int(str(self.wait("listening")["port"]))

    def events(self) -> list[dict[str, object]]:
        """The log's lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def wait(self, event: str, seconds: float = 30) -> dict[str, object]:
        """The first line of an event, once it is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.events():
                if line["event"] == event:
                    return line
            assert self.process.poll() is None or event == "stopped", self.log.read_text()
            time.sleep(0.05)
        raise AssertionError(f"no {event} in {self.log.read_text()}")

    def raw(self, user: str = "alice") -> Raw:
        """A client of our own, logged in."""
        client = Raw(self.port)
        client.login(user, PASSWORDS[user])
        return client

    def url(self, user: str = "alice", more: str = "") -> str:
        """A connection string of libpq."""
        password = PASSWORDS[user].replace("'", "\\'")
        return f"host=127.0.0.1 port={self.port} user={user} password='{password}' dbname=hospital {more}"

    def stop(self, how: int = signal.SIGTERM) -> int:
        """Ask it to end; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(30)


def hospital(folder: Path, policy: str = POLICY) -> Path:
    """Database, policy and users in a folder."""
    with duckdb.connect(folder / "hospital.duckdb") as connection:
        connection.execute(HOSPITAL)
    (folder / "policy.toml").write_text(policy)
    for name, password in PASSWORDS.items():
        add_user(folder / "users", name, password)
    return folder
