"""The values of parameters as clients send them, in text or binary, as the Python values a session takes."""

from __future__ import annotations

import datetime
import math
import re
import struct
from collections.abc import Callable
from decimal import Context, Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from dpsql.doors.serve import values as of
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.messages import decoded

DAY0, MOMENT0 = datetime.date(2000, 1, 1), datetime.datetime(2000, 1, 1)
LONGEST_NUMBER = 400        # characters: enough for every finite double
_WIDE = Context(prec=3 * LONGEST_NUMBER)    # a binary number has 404 digits before the point at most

_TRUE, _FALSE = ("t", "true", "y", "yes", "on", "1"), ("f", "false", "n", "no", "off", "0")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T]00:00:00(?:\.0+)?)?(?: ?(?:Z|[+-]\d{2}(?::?\d{2})?))?")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*")

Value = object


def value(data: bytes | None, oid: int, code: int, zone: str, place: int) -> Value:
    """The value of parameter `place` (from 1), of type `oid`, in format `code` (0 text, 1 binary); None for NULL.

    Times with a zone become times of `zone`. Failure 22P02 or 22P03 when the bytes are none of that type; the message
    holds none of them.
    """
    if data is None:
        return None
    if code not in (0, 1):
        raise Failure("08P01", f"a format is 0 (text) or 1 (binary), not {code}")
    reader = (_BINARY if code else _TEXT).get(oid)
    try:
        if oid in of.ARRAYS:
            return _array(data) if code else _items(decoded(data), of.ARRAYS[oid])
        if reader is None:
            raise Failure("0A000", f"parameter ${place} is of a type that is not taken (oid {oid})",
                          hint="send a number, text, boolean, date or timestamp")
        found = reader(data)
    except (ValueError, struct.error, InvalidOperation, OverflowError, IndexError):
        state, form = ("22P03", "binary") if code else ("22P02", "text")
        raise Failure(state, f"parameter ${place} is no valid {form} of its type (oid {oid})") from None
    return _local(found, zone) if isinstance(found, datetime.datetime) else found


def _local(moment: datetime.datetime, zone: str) -> datetime.datetime:
    """A time without a zone, as a clock in `zone` shows it."""
    return moment if moment.tzinfo is None else moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _boolean(data: bytes) -> bool:
    word = data.decode().strip().lower()
    if word not in _TRUE + _FALSE:
        raise ValueError
    return word in _TRUE


def _integer(low: int) -> Callable[[bytes], int]:
    def read(data: bytes) -> int:
        if not re.fullmatch(rb"\s*[+-]?\d{1,20}\s*", data) or not -low <= int(data) < low:
            raise ValueError
        return int(data)
    return read


def _decimal(data: bytes) -> Decimal:
    if len(data) > LONGEST_NUMBER or not _NUMBER.fullmatch(data.decode()):
        raise ValueError
    return Decimal(data.decode().strip())


def _float(data: bytes) -> float:
    if not _NUMBER.fullmatch(data.decode()):
        raise ValueError
    return _finite(float(data))


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError
    return number


def _date(data: bytes) -> datetime.date:
    found = _DATE.fullmatch(data.decode().strip())      # drivers write a zone, or midnight, behind a date
    if found is None:
        raise ValueError
    return datetime.date.fromisoformat(found[1])


def _timestamp(data: bytes) -> datetime.datetime:
    return datetime.datetime.fromisoformat(re.sub(r"([+-]\d{2})$", r"\1:00", data.decode().strip()))


def _numeric(data: bytes) -> Decimal:
    count, weight, sign, scale = struct.unpack_from("!hhHh", data)
    groups = struct.unpack(f"!{count}h", data[8:])
    if sign not in (0, 0x4000) or any(not 0 <= group < 10_000 for group in groups) or abs(weight) > 100:
        raise ValueError
    digits = tuple(int(digit) for group in groups for digit in f"{group:04d}")
    exact = Decimal((int(sign != 0), digits or (0,), 4 * (weight - count + 1)))
    if not 0 <= scale <= LONGEST_NUMBER:
        raise ValueError
    return exact.quantize(Decimal((0, (1,), -scale)), context=_WIDE)


def _date_binary(data: bytes) -> datetime.date:
    (days,) = struct.unpack("!i", data)
    return DAY0 + datetime.timedelta(days=days)


def _timestamp_binary(data: bytes) -> datetime.datetime:
    (microseconds,) = struct.unpack("!q", data)
    return MOMENT0 + datetime.timedelta(microseconds=microseconds)


def _whole(size: int) -> Callable[[bytes], int]:
    def read(data: bytes) -> int:
        if len(data) != size:
            raise ValueError
        return int.from_bytes(data, signed=True)
    return read


def _unpacked(form: str) -> Callable[[bytes], float]:
    def read(data: bytes) -> float:
        (number,) = struct.unpack(form, data)
        return _finite(number)
    return read


def _bit(data: bytes) -> bool:
    if data not in (b"\0", b"\1"):
        raise ValueError
    return data == b"\1"


def _array(data: bytes) -> tuple[Value, ...]:
    """An array of one dimension."""
    dimensions, _, oid = struct.unpack_from("!iiI", data)
    if dimensions == 0:
        return ()
    count, _ = struct.unpack_from("!ii", data, 12)
    if dimensions != 1 or not 0 <= count <= len(data):
        raise ValueError
    found: list[Value] = []
    at = 20
    for _ in range(count):
        (size,) = struct.unpack_from("!i", data, at)
        at += 4
        if size < -1 or at + size > len(data):
            raise ValueError
        found.append(None if size == -1 else _BINARY[oid](data[at : at + size]))
        at += max(size, 0)
    return tuple(found)


def _items(text: str, oid: int) -> tuple[Value, ...]:
    """The items of `{a,"b c",NULL}`."""
    if not re.fullmatch(r'\{\s*(?:(?:"(?:[^"\\]|\\.)*"|[^",{}]*)\s*,?)*\}', text, re.S):
        raise ValueError
    found: list[Value] = []
    for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|([^",{}\s]+)', text):
        item = bare or re.sub(r"\\(.)", r"\1", quoted, flags=re.S)
        found.append(None if bare.upper() == "NULL" else _TEXT[oid](item.encode()))
    return tuple(found)


_WORDS = dict.fromkeys((*of.TEXTS, of.CHAR), decoded)
_TEXT: dict[int, Callable[[bytes], Value]] = {
    **_WORDS, of.BOOL: _boolean, of.INT2: _integer(1 << 15), of.INT4: _integer(1 << 31),
    of.INT8: _integer(1 << 63), of.OID: _integer(1 << 32), of.NUMERIC: _decimal, of.FLOAT4: _float, of.FLOAT8: _float,
    of.DATE: _date, of.TIMESTAMP: _timestamp, of.TIMESTAMPTZ: _timestamp,
}
_BINARY: dict[int, Callable[[bytes], Value]] = {
    **_WORDS, of.BOOL: _bit, of.INT2: _whole(2), of.INT4: _whole(4), of.INT8: _whole(8), of.OID: _whole(4),
    of.NUMERIC: _numeric, of.FLOAT4: _unpacked("!f"), of.FLOAT8: _unpacked("!d"), of.DATE: _date_binary,
    of.TIMESTAMP: _timestamp_binary, of.TIMESTAMPTZ: lambda data: _timestamp_binary(data).replace(tzinfo=datetime.UTC),
}
