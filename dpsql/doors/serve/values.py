"""Values on the wire: SQL types as oids of PostgreSQL, rows as text or binary."""

from __future__ import annotations

import datetime
import math
import re
import struct
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dpsql.doors.formats import compact
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.messages import Field

BOOL, BYTEA, NAME, INT8, INT2, INT4, TEXT, OID = 16, 17, 19, 20, 21, 23, 25, 26
FLOAT4, FLOAT8, UNKNOWN, BPCHAR, VARCHAR = 700, 701, 705, 1042, 1043
DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, NUMERIC, UUID = 1082, 1083, 1114, 1184, 1186, 1700, 2950
CHAR, XID, REGCLASS, REGPROC, REGTYPE, REGNAMESPACE = 18, 28, 2205, 24, 2206, 4089
ARRAYS = {          # array type: type of its elements
    1000: BOOL, 1002: CHAR, 1003: NAME, 1005: INT2, 1007: INT4, 1009: TEXT, 1015: VARCHAR, 1016: INT8, 1022: FLOAT8,
    1028: OID, 1034: TEXT, 1231: NUMERIC, 1182: DATE, 1115: TIMESTAMP, 2210: REGCLASS, 2211: REGTYPE, 22: INT2, 30: OID,
}
VECTORS = (22, 30)      # arrays that print as `1 2`: their values know how
INTEGERS = {INT2: 2, INT4: 4, INT8: 8, OID: 4, XID: 4, REGCLASS: 4, REGPROC: 4, REGTYPE: 4, REGNAMESPACE: 4}
TEXTS = (TEXT, VARCHAR, BPCHAR, NAME, UNKNOWN)
SIZES = {**INTEGERS, BOOL: 1, FLOAT4: 4, FLOAT8: 8, DATE: 4, TIME: 8, TIMESTAMP: 8, TIMESTAMPTZ: 8, INTERVAL: 16,
         UUID: 16, NAME: 64, CHAR: 1}

_OIDS = {           # types of DuckDB; others travel as text
    "BOOLEAN": BOOL, "TINYINT": INT2, "SMALLINT": INT2, "INTEGER": INT4, "BIGINT": INT8, "HUGEINT": NUMERIC,
    "UTINYINT": INT2, "USMALLINT": INT4, "UINTEGER": INT8, "UBIGINT": NUMERIC, "UHUGEINT": NUMERIC, "FLOAT": FLOAT4,
    "DOUBLE": FLOAT8, "DECIMAL": NUMERIC, "DATE": DATE, "TIME": TIME, "TIMESTAMP": TIMESTAMP, "INTERVAL": INTERVAL,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMPTZ,
}
_DAY0, _MOMENT0 = datetime.date(2000, 1, 1), datetime.datetime(2000, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)

Encoder = Callable[[Any], bytes]


def field(name: str, type_: str) -> Field:
    """A column of an answer, of a type as DuckDB writes it."""
    oid = _OIDS.get(type_.removesuffix("[]").split("(")[0], TEXT)
    if type_.endswith("[]"):
        oid = next((array for array, element in ARRAYS.items() if element == oid), TEXT)
    digits = re.fullmatch(r"DECIMAL\((\d+), ?(\d+)\)", type_)
    modifier = (int(digits[1]) << 16 | int(digits[2])) + 4 if digits else -1
    return typed(name, oid, modifier)


def typed(name: str, oid: int, modifier: int = -1) -> Field:
    """A column of a type of PostgreSQL."""
    return Field(name, oid, SIZES.get(oid, -1), modifier)


def encoder(oid: int, code: int) -> Encoder:
    """What prints a value of a type as text (0) or binary (1). Failure 08P01 for another format."""
    if code not in (0, 1):
        raise Failure("08P01", f"a format is 0 (text) or 1 (binary), not {code}")
    if oid in ARRAYS and (code == 1 or oid not in VECTORS):
        return _array_text if code == 0 else _array_binary(oid)
    if code == 0:
        return _as_text
    return _BINARY.get(oid, _as_text)


def shown(value: object) -> str:
    """A value as PostgreSQL writes it, dates in ISO order."""
    match value:
        case bool():
            return "t" if value else "f"
        case float():
            return _float(value)
        case Decimal():
            return f"{value:f}" if value.is_finite() else str(value)
        case datetime.datetime():
            return _iso(value.isoformat(" "))
        case datetime.time():
            return _iso(value.isoformat())
        case datetime.timedelta():
            return _interval(value)
        case bytes():
            return "\\x" + value.hex()
        case dict() | list():
            return compact(value)
        case _:
            return str(value)


def _as_text(value: object) -> bytes:
    return shown(value).encode(errors="replace")


def _iso(text: str) -> str:
    """Without the zeros at the end of a second's fraction."""
    return re.sub(r"(\.\d*?)0+(?=$|[+-])", r"\1", text) if "." in text else text


def _float(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(value).removesuffix(".0")


def _interval(value: datetime.timedelta) -> str:
    minutes, seconds = divmod(value.seconds, 60)
    clock = f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
    clock += f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    return f"{value.days} days {clock}" if value.days else clock


def _integer(size: int, signed: bool) -> Encoder:
    return lambda value: int(value).to_bytes(size, signed=signed)


def _numeric(value: Any) -> bytes:
    """Groups of four decimal digits: how many, the first one's power of 10000, sign, digits shown after the point."""
    number = value if isinstance(value, Decimal) else Decimal(str(value) if isinstance(value, float) else value)
    if not number.is_finite():
        sign = 0xC000 if number.is_nan() else 0xD000 if number > 0 else 0xF000
        return struct.pack("!hhHh", 0, 0, sign, 0)
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    text = ("".join(map(str, digits)) + "0" * max(0, exponent)).zfill(scale + 1)
    whole, part = text[: len(text) - scale], text[len(text) - scale :]
    whole = whole.zfill(-(-len(whole) // 4) * 4)
    part = part.ljust(-(-len(part) // 4) * 4, "0")
    groups = [int((whole + part)[i : i + 4]) for i in range(0, len(whole + part), 4)]
    weight = len(whole) // 4 - 1
    while groups and groups[0] == 0:
        del groups[0]
        weight -= 1
    while groups and groups[-1] == 0:
        del groups[-1]
    return struct.pack(f"!hhHh{len(groups)}h", len(groups), weight if groups else 0, 0x4000 if sign else 0, scale,
                       *groups)


def _timestamp(value: Any) -> bytes:
    if value.tzinfo is not None:
        value = value.astimezone(datetime.UTC).replace(tzinfo=None)
    return struct.pack("!q", (value - _MOMENT0) // _MICROSECOND)


def _time(value: Any) -> bytes:
    return struct.pack("!q", ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond)


def _span(value: Any) -> bytes:
    return struct.pack("!qii", value.seconds * 1_000_000 + value.microseconds, value.days, 0)


_BINARY: dict[int, Encoder] = {
    **{oid: _integer(size, oid in (INT2, INT4, INT8)) for oid, size in INTEGERS.items()},
    BOOL: lambda value: b"\1" if value else b"\0",
    FLOAT4: lambda value: struct.pack("!f", value),
    FLOAT8: lambda value: struct.pack("!d", value),
    NUMERIC: _numeric,
    DATE: lambda value: struct.pack("!i", (value - _DAY0).days),
    TIME: _time,
    TIMESTAMP: _timestamp,
    TIMESTAMPTZ: _timestamp,
    INTERVAL: _span,
    BYTEA: bytes,
}


def _array_text(value: Any) -> bytes:
    """`{a,"b c",NULL}`; what is no plain list (a vector) prints itself."""
    if type(value) not in (list, tuple):
        return str(value).encode(errors="replace")
    return ("{" + ",".join("NULL" if item is None else _quoted(shown(item)) for item in value) + "}").encode()


def _quoted(text: str) -> str:
    if text and text.upper() != "NULL" and not re.search(r'[{}",\\\s]', text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array_binary(oid: int) -> Encoder:
    inner = ARRAYS[oid]
    encode = encoder(inner, 1)

    def encoded(value: Any) -> bytes:
        items = [None if item is None else encode(item) for item in value]
        head = struct.pack("!iiI", 1 if items else 0, int(None in items), inner)
        shape = struct.pack("!ii", len(items), 1) if items else b""
        return head + shape + b"".join(
            b"\xff\xff\xff\xff" if item is None else struct.pack("!i", len(item)) + item for item in items)

    return encoded
