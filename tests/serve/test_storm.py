"""Minutes of bad weather: random bytes, and fifty clients of all kinds at once (pytest -m slow)."""

from __future__ import annotations

import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.serve.hosting import PASSWORDS, Served
from tests.serve.raw import SYNC, Raw, bind, describe, execute, message, parse, startup

pytestmark = pytest.mark.slow
FUZZ = float(os.environ.get("FUZZ", 120))        # seconds
STORM = float(os.environ.get("STORM", 60))
CLIENTS = 50
SLOW = "SELECT COUNT(*) FROM " + ", ".join(f"wards w{i}" for i in range(45))
KINDS = "QPBDECHSXFcdfp?"


def resident(process: int) -> int:
    """The memory a process holds, in bytes."""
    text = Path(f"/proc/{process}/statm").read_text()
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def mangled(chance: random.Random) -> bytes:
    """A message that was right once, and then was not."""
    whole = bytearray(chance.choice([
        message("Q", b"SELECT 1\0"), parse("SELECT $1::int"), bind(b"1"), describe("S"), execute(), SYNC,
        message("C", b"S\0"), message("H"), message("Q", b"BEGIN\0"), message("Q", b"COPY wards TO STDOUT\0"),
    ]))
    match chance.randrange(4):
        case 0:
            whole[chance.randrange(len(whole))] = chance.randrange(256)
        case 1:
            del whole[chance.randrange(1, len(whole)) :]
        case 2:
            whole += chance.randbytes(chance.randrange(1, 40))
        case _:
            kind, size = chance.choice(KINDS), chance.randrange(60)
            return message(kind, chance.randbytes(size))
    return bytes(whole)


def test_random_bytes_harm_nobody_else(serve: Callable[..., Served]) -> None:
    server, chance = serve(), random.Random()
    end, rounds = time.monotonic() + FUZZ, 0
    with server.raw("bob") as witness:
        while time.monotonic() < end:
            rounds += 1
            with Raw(server.port) as raw:
                try:
                    if chance.random() < 0.5:
                        raw.login("alice", PASSWORDS["alice"])
                        raw.send(*(mangled(chance) for _ in range(chance.randrange(1, 20))))
                    else:
                        start = bytearray(startup(user="alice") + message("p", b"SCRAM-SHA-256\0\0\0\0\7n,,n=,r="))
                        start[chance.randrange(len(start))] = chance.randrange(256)
                        raw.send(bytes(start))
                    raw.socket.shutdown(socket.SHUT_WR)
                    raw.closed()
                except OSError:
                    continue
            if rounds % 50 == 0:
                assert witness.rows("SELECT 7") == [[b"7"]]
        assert witness.rows("SELECT 8") == [[b"8"]]
    assert not [event for event in server.events() if event["event"] == "bug"]
    assert "Traceback" not in server.log.read_text()
    assert server.stop() == 0


def test_fifty_clients_get_right_answers_and_no_charge_is_lost(serve: Callable[..., Served]) -> None:
    server = serve()
    chance, wrong, asked, lock = random.Random(), [], set(), threading.Lock()
    end = time.monotonic() + STORM

    def fresh(raw: Raw) -> None:
        with lock:
            limit = len(asked)
            if limit >= 800:
                return
            asked.add(limit)
        found = raw.rows(f"SELECT COUNT(*) FROM patients WHERE age >= 0 AND patient_id >= 0 AND age < {90 + limit}")
        if not 1900 < int(found[0][0] or 0) < 2100:
            wrong.append(found)

    def one(raw: Raw, number: int) -> Raw:
        what = chance.random()
        if what < 0.5:
            value = chance.randrange(10**9)
            raw.send(parse("SELECT $1::int + 1 AS x"), bind(str(value).encode()), execute(), SYNC)
            found = [each.row for each in raw.until() if each.kind == "D"]
            if found != [[str(value + 1).encode()]]:
                wrong.append(found)
        elif what < 0.75:
            refused = raw.query("SELECT nope FROM patients")
            if [each.fields["C"] for each in refused if each.kind == "E"] != ["42000"]:
                wrong.append(refused)
        elif what < 0.9:
            fresh(raw)
        elif what < 0.93:
            raw.send(message("Q", SLOW.encode() + b"\0"))
            time.sleep(0.1)
            with Raw(server.port) as other:
                other.send(struct.pack("!iii", 16, 80877102, raw.number) + raw.secret)
                other.closed()
            if [each.fields["C"] for each in raw.until() if each.kind == "E"] != ["57014"]:
                wrong.append("cancel")
        else:
            raw.send(message("Q", b"SELECT COUNT(*) FROM patients\0"))
            raw.close()
            return server.raw("alice" if number % 2 else "bob")
        return raw

    def client(number: int) -> None:
        try:
            raw = server.raw("alice" if number % 2 else "bob")
            while time.monotonic() < end:
                raw = one(raw, number)
            raw.close()
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(STORM / 3)
    before = resident(server.process.pid)
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:5]
    assert resident(server.process.pid) - before < 40e6
    with server.raw() as raw:
        spent = {row[0]: float(row[2] or 0) for row in raw.rows("SHOW dpsql.budget")}
    assert spent[b"the policy"] == len(asked) + 1, "each fresh query once, and the dropped one once"
    assert server.stop() == 0
