"""A client of our own over a bare socket, so that tests see every message and can send what no driver would."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import socket
import ssl
import struct
from dataclasses import dataclass


@dataclass
class Message:
    """A message of the server."""

    kind: str
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The fields of an error or a notice."""
        parts = self.body.rstrip(b"\0").split(b"\0")
        return {chr(part[0]): part[1:].decode() for part in parts if part}

    @property
    def row(self) -> list[bytes | None]:
        """The values of a DataRow."""
        found: list[bytes | None] = []
        at = 2
        for _ in range(struct.unpack_from("!h", self.body)[0]):
            (size,) = struct.unpack_from("!i", self.body, at)
            found.append(None if size < 0 else self.body[at + 4 : at + 4 + size])
            at += 4 + max(size, 0)
        return found

    @property
    def columns(self) -> list[tuple[str, int, int]]:
        """(name, oid, format) of a RowDescription."""
        found = []
        at = 2
        for _ in range(struct.unpack_from("!h", self.body)[0]):
            end = self.body.index(b"\0", at)
            _, _, oid, _, _, code = struct.unpack_from("!ihihih", self.body, end + 1)
            found.append((self.body[at:end].decode(), oid, code))
            at = end + 19
        return found


def message(kind: str, body: bytes = b"") -> bytes:
    """A message of a client."""
    return kind.encode() + struct.pack("!i", len(body) + 4) + body


def startup(version: int = 3 << 16, **options: str) -> bytes:
    """A startup packet."""
    body = struct.pack("!i", version) + b"".join(f"{k}\0{v}\0".encode() for k, v in options.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def parse(sql: str, *oids: int, name: str = "") -> bytes:
    """Parse."""
    return message("P", f"{name}\0{sql}\0".encode() + struct.pack(f"!h{len(oids)}i", len(oids), *oids))


def bind(*values: bytes | None, formats: tuple[int, ...] = (), results: tuple[int, ...] = (), portal: str = "",
         name: str = "") -> bytes:
    """Bind."""
    body = f"{portal}\0{name}\0".encode() + struct.pack(f"!h{len(formats)}h", len(formats), *formats)
    body += struct.pack("!h", len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
    return message("B", body + struct.pack(f"!h{len(results)}h", len(results), *results))


def execute(limit: int = 0, portal: str = "") -> bytes:
    """Execute."""
    return message("E", f"{portal}\0".encode() + struct.pack("!i", limit))


def describe(what: str = "P", name: str = "") -> bytes:
    """Describe."""
    return message("D", f"{what}{name}\0".encode())


SYNC = message("S")


class Raw:
    """A connection. `send` bytes, `read` messages."""

    def __init__(self, port: int, seconds: float = 20) -> None:
        self.socket: socket.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.number, self.secret = 0, b""
        self.told: dict[str, str] = {}

    def tls(self) -> None:
        """Begin TLS, trusting anybody."""
        self.send(struct.pack("!ii", 8, 80877103))
        assert self.socket.recv(1) == b"S"
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket)

    def send(self, *data: bytes) -> None:
        self.socket.sendall(b"".join(data))

    def bytes(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self.socket.recv(count - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def read(self) -> Message:
        """The next message. EOFError when the server hung up."""
        kind, length = struct.unpack("!ci", self.bytes(5))
        return Message(kind.decode(), self.bytes(length - 4))

    def until(self, kind: str = "Z") -> list[Message]:
        """Messages up to one of a kind."""
        found = [self.read()]
        while found[-1].kind != kind:
            found.append(self.read())
        return found

    def login(self, user: str, password: str, version: int = 3 << 16, **options: str) -> list[Message]:
        """Log in by SCRAM; the messages behind it. PermissionError with the server's error."""
        self.send(startup(version, user=user, database="hospital", **options))
        found = self.prove(user, password)
        for each in found:
            if each.kind == "K":
                self.number, self.secret = struct.unpack_from("!i", each.body)[0], each.body[4:]
            if each.kind == "S":
                name, value = each.body[:-1].split(b"\0")
                self.told[name.decode()] = value.decode()
        return found

    def prove(self, user: str, password: str) -> list[Message]:
        before = []
        first = self.read()
        if first.kind == "v":
            before, first = [first], self.read()
        self._require(first)
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n=,r={nonce}"
        self.send(message("p", b"SCRAM-SHA-256\0" + struct.pack("!i", len(bare) + 3) + b"n,," + bare.encode()))
        answer = self._require(self.read())[4:].decode()
        parts = dict(part.split("=", 1) for part in answer.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={parts['r']}"
        said = f"{bare},{answer},{last}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        self.send(message("p", f"{last},p={proof}".encode()))
        final = self._require(self.read())[4:].decode()
        expected = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), said, "sha256")
        assert final == "v=" + base64.b64encode(expected).decode()
        return before + self.until()

    def _require(self, found: Message) -> bytes:
        if found.kind == "E":
            raise PermissionError(found.fields["C"], found.fields["M"])
        assert found.kind == "R", found
        return found.body

    def query(self, sql: str) -> list[Message]:
        """The answer to a simple query."""
        self.send(message("Q", sql.encode() + b"\0"))
        return self.until()

    def rows(self, sql: str) -> list[list[bytes | None]]:
        """The rows of a simple query. AssertionError when it failed."""
        found = self.query(sql)
        assert not [each.fields for each in found if each.kind == "E"]
        return [each.row for each in found if each.kind == "D"]

    def closed_with(self) -> dict[str, str]:
        """The fields of the error with which the server hangs up."""
        found: list[Message] = []
        try:
            while True:
                first = self.bytes(1)
                if first not in b"NS" or found:     # the answers to requests for encryption have no length
                    (length,) = struct.unpack("!i", self.bytes(4))
                    found.append(Message(first.decode(), self.bytes(length - 4)))
        except (EOFError, ConnectionError):
            return found[-1].fields

    def closed(self) -> bool:
        """Whether the server hung up."""
        try:
            while self.socket.recv(4096):
                pass
        except (ConnectionError, ssl.SSLError):
            return True
        return True

    def close(self) -> None:
        self.socket.close()

    def __del__(self) -> None:
        if hasattr(self, "socket"):
            self.socket.close()

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
