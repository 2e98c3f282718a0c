"""The messages of PostgreSQL's protocol: what clients send is read here, what the server sends is printed here.

Everything is big-endian; a text ends with a zero byte. A message is a letter, its length (which counts itself), a body.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dpsql.doors.serve.failure import Failure

SSL, GSS, CANCEL = 80877103, 80877104, 80877102     # what may stand in place of a version
V3_0, V3_2 = 3 << 16, 3 << 16 | 2

PARSED, BOUND, CLOSED, NO_DATA, EMPTY, SUSPENDED = (kind + b"\0\0\0\4" for kind in (b"1", b"2", b"3", b"n", b"I", b"s"))
COPY_DONE = b"c\0\0\0\4"


@dataclass(frozen=True, slots=True)
class Field:
    """A column on the wire: the oid of its type, the bytes of a value (-1: varies), the type's modifier."""

    name: str
    oid: int
    size: int = -1
    modifier: int = -1


class Body:
    """Reads a message's body piece by piece. Failure 08P01 when it is shorter or longer than it says."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def text(self) -> str:
        """A text. Failure 22021 when it is not UTF-8."""
        end = self._data.find(b"\0", self._at)
        if end < 0:
            raise malformed("a text in a message has no end")
        found, self._at = self._data[self._at : end], end + 1
        return decoded(found)

    def int16(self) -> int:
        """A signed 16-bit integer."""
        (value,) = struct.unpack("!h", self.take(2))
        return int(value)

    def int32(self) -> int:
        """A signed 32-bit integer."""
        (value,) = struct.unpack("!i", self.take(4))
        return int(value)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count < 0 or self._at + count > len(self._data):
            raise malformed("a message is shorter than what it says it holds")
        self._at += count
        return self._data[self._at - count : self._at]

    def counted(self) -> bytes | None:
        """Bytes behind their length; None for length -1, which is NULL."""
        count = self.int32()
        return None if count == -1 else self.take(count)

    def count(self, size: int) -> range:
        """As many as a 16-bit count says, each of at least `size` bytes."""
        count = int.from_bytes(self.take(2))
        if count * size > len(self._data) - self._at:
            raise malformed("a message is shorter than what it says it holds")
        return range(count)

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Nothing may be left."""
        if self._at != len(self._data):
            raise malformed("a message is longer than what it says it holds")


def malformed(what: str) -> Failure:
    """A violation of the protocol; it ends the connection."""
    return Failure("08P01", what, fatal=True)


def decoded(data: bytes) -> str:
    """UTF-8 to text. Failure 22021 when it is none, or holds a zero."""
    try:
        found = data.decode()
    except UnicodeDecodeError:
        found = "\0"
    if "\0" in found:
        raise Failure("22021", "a text is not valid UTF-8", hint="set client_encoding to UTF8")
    return found


def message(kind: bytes, *parts: bytes) -> bytes:
    """One message."""
    body = b"".join(parts)
    return b"%c%b%b" % (kind, struct.pack("!i", len(body) + 4), body)


def text(value: str) -> bytes:
    """A text with its end."""
    return value.replace("\0", "").encode(errors="replace") + b"\0"


def ready(status: str) -> bytes:
    """ReadyForQuery: I idle, T in a transaction, E in a failed one."""
    return message(b"Z", status.encode())


def parameter_status(name: str, value: str) -> bytes:
    """A setting that clients follow."""
    return message(b"S", text(name), text(value))


def authentication(code: int, *parts: bytes) -> bytes:
    """0 done, 10 SASL mechanisms, 11 SASL goes on, 12 SASL's last word."""
    return message(b"R", struct.pack("!i", code), *parts)


def key_data(number: int, secret: bytes) -> bytes:
    """BackendKeyData: what a request to cancel must show."""
    return message(b"K", struct.pack("!i", number), secret)


def negotiation(version: int, unknown: Sequence[str]) -> bytes:
    """NegotiateProtocolVersion: the newest version spoken here, and the options that are not known."""
    return message(b"v", struct.pack("!ii", version, len(unknown)), *(text(name) for name in unknown))


def report(failure: Failure) -> bytes:
    """ErrorResponse."""
    return _report(b"E", "FATAL" if failure.fatal else "ERROR", failure)


def notice(severity: str, sqlstate: str, said: str) -> bytes:
    """NoticeResponse."""
    return _report(b"N", severity, Failure(sqlstate, said))


def _report(kind: bytes, severity: str, failure: Failure) -> bytes:
    fields = [b"S" + text(severity), b"V" + text(severity), b"C" + text(failure.sqlstate), b"M" + text(failure.reason)]
    if failure.hint:
        fields.append(b"H" + text(failure.hint))
    if failure.position is not None:
        fields.append(b"P" + text(str(failure.position)))
    return message(kind, *fields, b"\0")


def row_description(fields: Sequence[Field], formats: Sequence[int]) -> bytes:
    """RowDescription; a format is 0 for text, 1 for binary."""
    return message(b"T", struct.pack("!H", len(fields)), *(
        text(field.name) + struct.pack("!ihihih", 0, 0, field.oid, field.size, field.modifier, code)
        for field, code in zip(fields, formats, strict=True)
    ))


def parameter_description(oids: Sequence[int]) -> bytes:
    """ParameterDescription."""
    return message(b"t", struct.pack(f"!H{len(oids)}I", len(oids), *oids))


def data_row(values: Iterable[bytes | None]) -> bytes:
    """DataRow."""
    found = list(values)
    return message(b"D", struct.pack("!H", len(found)), *(
        b"\xff\xff\xff\xff" if value is None else struct.pack("!i", len(value)) + value for value in found
    ))


def complete(tag: str) -> bytes:
    """CommandComplete."""
    return message(b"C", text(tag))


def copy_out(columns: int) -> bytes:
    """CopyOutResponse, in text."""
    return message(b"H", struct.pack(f"!bH{columns}h", 0, columns, *([0] * columns)))


def copy_data(line: bytes) -> bytes:
    """CopyData."""
    return message(b"d", line)
