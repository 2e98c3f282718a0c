"""Messages between a session and its children: length-prefixed pickles; what comes back may hold plain values only."""

from __future__ import annotations

import io
import pickle
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import islice
from typing import cast

BATCH = 20_000     # rows a message
_LENGTH = struct.Struct("!Q")
# The classes of values that DuckDB hands over, and nothing that could act when it is read.
_PLAIN = frozenset({
    ("datetime", "date"), ("datetime", "datetime"), ("datetime", "time"), ("datetime", "timedelta"),
    ("datetime", "timezone"), ("decimal", "Decimal"), ("uuid", "UUID"),
})
# Kinds of values that pickle slowly, with a faster form and the way back.
_FAST: dict[type, tuple[Callable[..., object], Callable[..., object]]] = {
    Decimal: (str, Decimal), date: (date.toordinal, date.fromordinal),
}
_SLOW = {kind.__name__: back for kind, (_, back) in _FAST.items()}

Row = tuple[object, ...]


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        """The class of a plain value. Raises UnpicklingError for any other."""
        if (module, name) not in _PLAIN:
            raise pickle.UnpicklingError("a child sent something else than values")
        return super().find_class(module, name)


def send(line: socket.socket, message: object) -> None:
    """Write one message."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    line.sendall(_LENGTH.pack(len(body)))
    line.sendall(body)


def receive(line: socket.socket, most: int | None = None) -> bytearray | None:
    """One message, not yet read; None at the end of the line, EOFError when it has more than `most` bytes."""
    head = _exactly(line, _LENGTH.size)
    if head is None:
        return None
    size = int(_LENGTH.unpack(head)[0])
    if most is not None and size > most:
        raise EOFError
    return _exactly(line, size)


def plain(body: bytes | bytearray) -> object:
    """A message of plain values."""
    return _Plain(io.BytesIO(body)).load()


def send_rows(line: socket.socket, rows: Iterable[Row]) -> None:
    """Rows in batches, then an empty one."""
    rest = iter(rows)
    while batch := list(islice(rest, BATCH)):
        send(line, (len(batch), [_packed(column) for column in zip(*batch, strict=True)]))
    send(line, (0, []))


def receive_rows(line: socket.socket, most: int) -> list[Row]:
    """The rows of `send_rows`. Raises EOFError when the line ends before them, or they have more than `most` bytes."""
    rows: list[Row] = []
    while True:
        body = receive(line, most)
        if body is None:
            raise EOFError
        most -= len(body)
        count, columns = cast("tuple[int, list[tuple[str, Sequence[object]]]]", plain(body))
        if not count:
            return rows
        rows.extend(zip(*(_unpacked(kind, column) for kind, column in columns), strict=True))


def _packed(column: Sequence[object]) -> tuple[str, Sequence[object]]:
    """A column with its decimals as text and its dates as numbers, which pickle several times faster."""
    kind = type(next((value for value in column if value is not None), None))
    if kind not in _FAST or any(value is not None and type(value) is not kind for value in column):
        return "", column
    pack = _FAST[kind][0]
    return kind.__name__, [None if value is None else pack(value) for value in column]


def _unpacked(kind: str, column: Sequence[object]) -> Sequence[object]:
    if not kind:
        return column
    unpack = _SLOW[kind]
    return [None if value is None else unpack(value) for value in column]


def _exactly(line: socket.socket, size: int) -> bytearray | None:
    body = bytearray(size)
    view, done = memoryview(body), 0
    while done < size:
        count = line.recv_into(view[done:], min(size - done, 1 << 20))
        if not count:
            return None
        done += count
    return body
