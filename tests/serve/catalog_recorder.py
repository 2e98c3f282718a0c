"""Records the catalog statements that real clients send to a real PostgreSQL, with its answers.

    python -m tests.serve.catalog_recorder FOLDER [CLIENT ...]

It needs root, PostgreSQL 15 and psql, and Java with pgjdbc.

A throw-away cluster in FOLDER gets the tables of the grammar pages' clinic, as the catalog shows them: the same keys,
types and comments. Each client works through a proxy that notes its statements; then every statement is asked once
more, all in text, and written with its answer to tests/serve/recorded/CLIENT.json.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq

from tests.serve.catalog_clients import CLIENTS
from tests.serve.catalog_clinic import SYMBOLS, clinic, declarations

HERE = Path(__file__).parent
BIN = Path("/usr/lib/postgresql/15/bin")
PORT, OWNER, USER, DATABASE = 5498, "dpsql", "alice", "clinic"

Noted = tuple[str, tuple[int, ...], tuple[bytes | None, ...], tuple[int, ...]]   # text, types, values, formats


@contextmanager
def cluster(folder: Path) -> Iterator[None]:
    """A PostgreSQL on PORT, with the clinic in it, gone afterwards."""
    data = folder / "cluster"
    shutil.rmtree(data, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)
    _as_postgres(f"{BIN}/initdb -D {data} -U {OWNER} -A trust -E UTF8 --locale=C.UTF-8")
    settings = f"-p {PORT} -h 127.0.0.1 -k {folder} -c fsync=off"
    _as_postgres(f"{BIN}/pg_ctl -w -D {data} -l {folder}/log -o '{settings}' start")
    try:
        with psycopg.connect(port=PORT, host="127.0.0.1", user=OWNER, dbname="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {USER} LOGIN")
            connection.execute(f"CREATE DATABASE {DATABASE}")
        with clinic() as session, psycopg.connect(
            port=PORT, host="127.0.0.1", user=OWNER, dbname=DATABASE, autocommit=True,
        ) as connection:
            for statement in declarations(session.tables()):
                connection.execute(statement.encode())
        yield
    finally:
        _as_postgres(f"{BIN}/pg_ctl -m immediate -D {data} stop")


def _as_postgres(command: str) -> None:
    subprocess.run(["su", "postgres", "-c", command], check=True, stdout=subprocess.DEVNULL)


class Proxy:
    """Stands before PostgreSQL and notes every statement that passes, with its parameters."""

    def __init__(self) -> None:
        self.noted: list[Noted] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            server = socket.create_connection(("127.0.0.1", PORT))
            threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        prepared: dict[bytes, tuple[str, tuple[int, ...]]] = {}
        with suppress(OSError), client.makefile("rb") as source:
            while True:                                         # the startup packet has no letter
                (length,) = struct.unpack("!i", source.read(4))
                body = source.read(length - 4)
                if body[:4] not in (struct.pack("!i", 80877103), struct.pack("!i", 80877104)):
                    break
                client.sendall(b"N")
            server.sendall(struct.pack("!i", length) + body)
            while head := source.read(5):
                body = source.read(struct.unpack("!i", head[1:])[0] - 4)
                self._note(head[:1], body, prepared)
                server.sendall(head + body)
            server.shutdown(socket.SHUT_WR)

    def _note(self, kind: bytes, body: bytes, prepared: dict[bytes, tuple[str, tuple[int, ...]]]) -> None:
        if kind == b"Q":
            self.noted.append((body[:-1].decode(), (), (), ()))
        elif kind == b"P":
            name, sql, rest = body.split(b"\0", 2)
            (count,) = struct.unpack_from("!h", rest)
            prepared[name] = (sql.decode(), struct.unpack_from(f"!{count}i", rest, 2))
        elif kind == b"B":
            _, name, rest = body.split(b"\0", 2)
            formats, values = _bound(rest)
            self.noted.append((*prepared[name], values, formats))


def _bound(rest: bytes) -> tuple[tuple[int, ...], tuple[bytes | None, ...]]:
    """Formats and values of the parameters of a Bind message."""
    (count,) = struct.unpack_from("!h", rest)
    formats = struct.unpack_from(f"!{count}h", rest, 2)
    place = 2 + 2 * count
    (many,) = struct.unpack_from("!h", rest, place)
    place += 2
    values: list[bytes | None] = []
    for _ in range(many):
        (length,) = struct.unpack_from("!i", rest, place)
        values.append(None if length < 0 else rest[place + 4 : place + 4 + length])
        place += 4 + max(0, length)
    every = formats * many if len(formats) == 1 else formats or (0,) * many
    return every, tuple(values)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def answered(noted: list[Noted]) -> list[dict[str, Any]]:
    """Each statement that reads, once, with what PostgreSQL answers in text."""
    found: dict[str, dict[str, Any]] = {}
    with psycopg.connect(port=PORT, host="127.0.0.1", user=USER, dbname=DATABASE, autocommit=True) as connection:
        connection.execute("SET extra_float_digits = 3")
        for sql, types, values, formats in noted:
            if sql.split(None, 1)[:1] and sql.split(None, 1)[0].lower() in ("select", "with", "values", "table"):
                record = _asked(connection.pgconn, sql, types, values, formats)
                found.setdefault(json.dumps([sql, record["params"]]), record)
    return list(found.values())


def _asked(
    link: Any, sql: str, types: tuple[int, ...], values: tuple[bytes | None, ...], formats: tuple[int, ...],
) -> dict[str, Any]:
    link.prepare(b"", sql.encode(), types or None)
    said = link.describe_prepared(b"")
    oids = [said.param_type(i) for i in range(said.nparams)]
    texts = [_text(link, oid, value, form) for oid, value, form in zip(oids, values, formats, strict=True)]
    result = link.exec_params(sql.encode(), list(values), oids, list(formats), 0)
    record: dict[str, Any] = {"sql": sql, "params": [[oid, text] for oid, text in zip(oids, texts, strict=True)]}
    if result.status != pq.ExecStatus.TUPLES_OK:
        return record | {"sqlstate": result.error_field(pq.DiagnosticField.SQLSTATE).decode()}
    record["columns"] = [[result.fname(i).decode(), result.ftype(i)] for i in range(result.nfields)]
    record["rows"] = [
        [None if (cell := result.get_value(row, column)) is None else cell.decode() for column in range(result.nfields)]
        for row in range(result.ntuples)
    ]
    return record


def _text(link: Any, oid: int, value: bytes | None, form: int) -> str | None:
    """A parameter as text: PostgreSQL converts a binary one."""
    if value is None or form == 0:
        return None if value is None else value.decode()
    said = link.exec_params(b"SELECT $1::text" if oid == 25 else b"SELECT $1", [value], [oid], [1], 0)
    return str(said.get_value(0, 0).decode())


def record(name: str, client: Callable[[str, int, str, str], None]) -> None:
    """Let one client work, and write what it asked."""
    proxy = Proxy()
    client("127.0.0.1", proxy.port, USER, DATABASE)
    with psycopg.connect(port=PORT, host="127.0.0.1", user=OWNER, dbname=DATABASE) as connection:
        symbols = {str(oid): name for oid, name in connection.execute(SYMBOLS)}
    statements = answered(proxy.noted)
    content = {"client": name, "symbols": symbols, "statements": statements}
    (HERE / "recorded" / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    print(f"{name}: {len(statements)} statements")


def main() -> None:
    """Record every client, or those named after the folder."""
    wanted = sys.argv[2:] or list(CLIENTS)
    with cluster(Path(os.path.abspath(sys.argv[1]))):
        for name in wanted:
            record(name, CLIENTS[name])


if __name__ == "__main__":
    main()
