"""What an owner does to a server: TLS, limits, reload, drain."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dpsql.budget.ledger import Ledger
from dpsql.doors.serve.config import Config, read_config
from dpsql.doors.serve.users import add_user, remove_user
from dpsql.errors import OpenError
from dpsql.policy_file import load_policy
from tests.serve.hosting import PASSWORDS, POLICY, Served, hospital
from tests.serve.raw import Raw, message, startup

SLOW = "SELECT COUNT(*) FROM " + ", ".join(f"wards w{i}" for i in range(45))
FATAL = "57P01"

Start = Callable[..., Served]


def certificate(folder: Path) -> tuple[str, str]:
    key, cert = str(folder / "server.key"), str(folder / "server.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days",
                    "2", "-subj", "/CN=localhost"], check=True, capture_output=True)
    return cert, key


def test_tls_is_1_3_and_required_once_there_is_a_certificate(serve: Start, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    server = serve("--tls-cert", cert, "--tls-key", key)
    with Raw(server.port) as raw:
        raw.tls()
        raw.login("alice", PASSWORDS["alice"])
        assert raw.socket.version() == "TLSv1.3"  # type: ignore[attr-defined]
        assert raw.rows("SELECT 1") == [[b"1"]]
    with Raw(server.port) as raw:
        raw.send(startup(user="alice"))
        assert raw.closed_with()["C"] == "28000"
    with Raw(server.port) as raw:       # bytes in front of TLS, that somebody in between put there
        raw.send(struct.pack("!ii", 8, 80877103), startup(user="alice"))
        assert raw.closed_with()["C"] == "08P01"
    with Raw(server.port) as raw:
        raw.send(struct.pack("!ii", 8, 80877103), b"")
        assert raw.bytes(1) == b"S"
        raw.send(b"no handshake at all, but a long text instead of one")
        assert raw.closed()
    assert server.stop() == 0


def test_limits_of_connections_and_time_hold(serve: Start, tmp_path: Path) -> None:
    (tmp_path / "server.toml").write_text("connections = 5\nuser_connections = 2\nlogin = 1\nidle = 1.5\n")
    server = serve("--config", str(tmp_path / "server.toml"))
    slow = [Raw(server.port) for _ in range(3)]
    for i, raw in enumerate(slow):
        raw.send(startup(user="alice")[: i + 3])        # a login that never ends
    first = server.raw()
    second = server.raw()
    with Raw(server.port) as raw:
        assert raw.closed_with()["C"] == "53300"
    assert all(raw.closed() for raw in slow)
    with Raw(server.port) as raw, pytest.raises(EOFError):
        raw.login("alice", PASSWORDS["alice"])
    with server.raw("bob") as raw:
        assert raw.rows("SELECT 1") == [[b"1"]]
        assert raw.closed_with()["C"] == "57P05"
    assert first.closed() and second.closed()
    assert server.stop() == 0


def test_at_sigterm_idle_connections_end_at_once_and_running_queries_get_time(serve: Start, tmp_path: Path) -> None:
    assert Config(tmp_path, tmp_path, tmp_path).drain == 5
    (tmp_path / "server.toml").write_text("drain = 3\n")
    server = serve("--config", str(tmp_path / "server.toml"))
    idle, running, stuck = server.raw(), server.raw(), server.raw("bob")
    running.send(message("Q", b"SELECT COUNT(*) AS n FROM visits WHERE cost < 77\0"))
    stuck.send(message("Q", SLOW.encode() + b"\0"))
    time.sleep(1)       # until both are read
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert idle.closed_with()["C"] == FATAL
    found = running.until()
    assert [each.kind for each in found if each.kind in "DE"] == ["D"]
    assert stuck.closed_with()["C"] in (FATAL, "57014")
    assert 2.9 < time.monotonic() - began < 20
    assert server.stop() == 0
    assert "stopped" in [each["event"] for each in server.events()]


def test_sighup_reads_users_and_policy_anew_with_an_entry(serve: Start, tmp_path: Path) -> None:
    server = serve()
    with server.raw() as alice, server.raw("bob") as bob:
        add_user(tmp_path / "users", "carol", "carol's own password")
        remove_user(tmp_path / "users", "bob")
        (tmp_path / "policy.toml").write_text(
            POLICY.replace('version = "1"', 'version = "2"') + '[analysts.carol]\nepsilon = 2.0\n')
        server.process.send_signal(signal.SIGHUP)
        assert server.wait("reload")["policy"] == "2"
        assert bob.closed_with()["C"] == FATAL
        assert alice.rows("SELECT 1") == [[b"1"]]
        with Raw(server.port) as raw:
            raw.login("carol", "carol's own password")
            assert len(raw.rows("SELECT COUNT(*) FROM patients")) == 1
        (tmp_path / "policy.toml").write_text("version = ")
        server.process.send_signal(signal.SIGHUP)
        server.wait("reload failed")
        assert len(alice.rows("SELECT COUNT(*) FROM patients WHERE age > 4")) == 1
    assert server.stop() == 0
    (tmp_path / "policy.toml").write_text(POLICY)
    with Ledger.open(tmp_path / "hospital.duckdb.ledger", load_policy_of(tmp_path)) as ledger:
        assert [(each.kind, each.note) for each in ledger.entries() if each.kind == "reload"] == [("reload", "2")]
        ledger.verify()


def load_policy_of(folder: Path):  # type: ignore[no-untyped-def]
    from dpsql.engines.base import open_engine

    engine = open_engine(folder / "hospital.duckdb")
    try:
        return load_policy(folder / "policy.toml", engine.schema)
    finally:
        engine.close()


def test_dropped_connections_lose_no_charge(serve: Start, tmp_path: Path) -> None:
    server = serve()
    for i in range(5):
        with server.raw() as raw:
            raw.send(message("Q", f"SELECT COUNT(*) FROM visits WHERE cost < {i}\0".encode()))
            time.sleep(0.02 * i)
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with server.raw() as raw:
        for i in range(5):
            raw.rows(f"SELECT COUNT(*) FROM visits WHERE cost < {i}")
        spent = float(raw.rows("SHOW dpsql.budget")[0][2] or 0)
    assert spent == 5, "each was charged once; what was dropped came back as a replay"


def test_fifty_clients_at_once_get_their_own_answers(serve: Start) -> None:
    server = serve()
    wrong: list[object] = []

    def client(number: int) -> None:
        with server.raw("alice" if number % 2 else "bob") as raw:
            wrong.extend(
                i for i in range(number * 100, number * 100 + 10)
                if raw.rows(f"SELECT {i} AS x") != [[str(i).encode()]])

    threads = [threading.Thread(target=client, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_without_tls_only_loopback_is_served(tmp_path: Path) -> None:
    with pytest.raises(OpenError, match="loopback"):
        Config(tmp_path, tmp_path, tmp_path, host="0.0.0.0")
    assert Config(tmp_path, tmp_path, tmp_path, host="::1").port == 5432


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('database = "d.duckdb"\npolicy = "/p.toml"\nusers = "users"\nport = 1\nidle = 7\n')
    found = read_config(file, {"port": 2, "host": None})
    assert (found.port, found.idle, found.host) == (2, 7, "127.0.0.1")
    assert found.database == tmp_path / "d.duckdb" and found.policy == Path("/p.toml")


@pytest.mark.parametrize("text", [
    "nope = 1", "port = 'x'", "port = true", "idle = 'long'", "database = 5", "port = ", "connections = 0",
    "port = 70000", "tls_cert = 'x'",
])
def test_a_configuration_that_cannot_be_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "server.toml"
    base = {"database": "d", "policy": "p", "users": "u"}
    file.write_text(text)
    with pytest.raises(OpenError):
        read_config(file, {name: value for name, value in base.items() if not text.startswith(name)})


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    hospital(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AssertionError, match="cannot be listened on"):
        port = taken.getsockname()[1]
        Served(tmp_path, "--port", str(port))
