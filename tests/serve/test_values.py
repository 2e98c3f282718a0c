"""Values on the wire: what is written in binary or text is read back as it was."""

from __future__ import annotations

import datetime
import math
import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.doors.serve import values as of
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.inputs import value
from dpsql.doors.serve.values import encoder, field, shown

KINDS = {
    of.BOOL: st.booleans(), of.INT2: st.integers(-(1 << 15), (1 << 15) - 1),
    of.INT4: st.integers(-(1 << 31), (1 << 31) - 1), of.INT8: st.integers(-(1 << 63), (1 << 63) - 1),
    of.NUMERIC: st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=6)
    | st.integers(-(1 << 127), 1 << 127).map(Decimal),
    of.FLOAT8: st.floats(allow_nan=False, allow_infinity=False), of.DATE: st.dates(),
    of.TIMESTAMP: st.datetimes(),
    of.TEXT: st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
}


@given(st.data())
def test_every_value_comes_back_as_it_was(data: st.DataObject) -> None:
    oid = data.draw(st.sampled_from(sorted(KINDS)))
    original: Any = data.draw(KINDS[oid])
    for code in (0, 1):
        found: Any = value(encoder(oid, code)(original), oid, code, "UTC", 1)
        assert found == original and type(found) is type(original)


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)))
def test_arrays_come_back_as_they_were(items: list[str | None]) -> None:
    for code in (0, 1):
        assert value(encoder(1009, code)(items), 1009, code, "UTC", 1) == tuple(items)


@pytest.mark.parametrize(("type_", "oid", "modifier"), [
    ("HUGEINT", 1700, -1), ("DECIMAL(18, 2)", 1700, (18 << 16 | 2) + 4), ("DECIMAL(9,0)", 1700, (9 << 16) + 4),
    ("TINYINT", 21, -1), ("DOUBLE", 701, -1), ("NULL", 25, -1), ("STRUCT(a INTEGER)", 25, -1),
    ("TIMESTAMP", 1114, -1), ("BOOLEAN", 16, -1),
])
def test_types_of_the_engine_have_oids(type_: str, oid: int, modifier: int) -> None:
    found = field("x", type_)
    assert (found.oid, found.modifier) == (oid, modifier)


@pytest.mark.parametrize(("original", "text"), [
    (1.0, "1"), (0.1, "0.1"), (1e300, "1e+300"), (-0.0, "-0"), (math.inf, "Infinity"), (-math.inf, "-Infinity"),
    (math.nan, "NaN"), (True, "t"), (Decimal("1E+3"), "1000"), (Decimal("NaN"), "NaN"),
    (datetime.datetime(2025, 1, 2, 3, 4, 5, 600000), "2025-01-02 03:04:05.6"),
    (datetime.datetime(2025, 1, 2), "2025-01-02 00:00:00"), (datetime.date(1, 1, 1), "0001-01-01"),
    (datetime.timedelta(days=1, seconds=3661), "1 days 01:01:01"), (b"\0\xff", "\\x00ff"),
])
def test_text_is_as_postgresql_writes_it(original: object, text: str) -> None:
    assert shown(original) == text


@pytest.mark.parametrize(("number", "binary"), [
    (Decimal(0), (0, 0, 0, 0)), (Decimal("0.00"), (0, 0, 0, 2)),
    (Decimal("-12345.6789"), (3, 1, 0x4000, 4, 1, 2345, 6789)),
    (10**8, (1, 2, 0, 0, 1)), (Decimal("0.0001"), (1, -1, 0, 4, 1)), (Decimal("0.00001"), (1, -2, 0, 5, 1000)),
    (Decimal("NaN"), (0, 0, 0xC000, 0)),
])
def test_numeric_in_binary(number: object, binary: tuple[int, ...]) -> None:
    assert encoder(of.NUMERIC, 1)(number) == struct.pack(f"!hhHh{len(binary) - 4}h", *binary)


@pytest.mark.parametrize(("data", "oid", "code"), [
    (b"x", of.INT4, 0), (b"2147483648", of.INT4, 0), (b"\0", of.INT4, 1), (b"nan", of.FLOAT8, 0),
    (b"1e999", of.FLOAT8, 0),
    (b"NaN", of.NUMERIC, 0), (b"9" * 500, of.NUMERIC, 0), (b"1e-999999999", of.NUMERIC, 0), (b"2", of.BOOL, 1),
    (b"infinity", of.DATE, 0), (b"2025-13-01", of.DATE, 0), (struct.pack("!i", 2**31 - 1), of.DATE, 1),
    (struct.pack("!q", 2**63 - 1), of.TIMESTAMP, 1), (struct.pack("!hhHh", 1, 32767, 0, 0) + b"\0\1", of.NUMERIC, 1),
    (struct.pack("!hhHh", 1, 0, 0, 0) + b"\x7f\xff", of.NUMERIC, 1), (struct.pack("!d", math.nan), of.FLOAT8, 1),
    (b"{a", 1009, 0), (struct.pack("!iiIii", 1, 0, 25, 1 << 30, 1), 1009, 1), (b"\xff", of.TEXT, 0),
    (b"1_0", of.INT4, 0),
])
def test_what_is_no_value_of_its_type_is_refused(data: bytes, oid: int, code: int) -> None:
    with pytest.raises(Failure) as refused:
        value(data, oid, code, "UTC", 3)
    assert refused.value.sqlstate in ("22P02", "22P03", "22021") and not refused.value.fatal


def test_a_time_with_a_zone_is_the_clock_of_the_connection() -> None:
    noon = datetime.datetime(2025, 7, 1, 12)
    assert value(b"2025-07-01 12:00:00+02", of.TIMESTAMPTZ, 0, "UTC", 1) == noon - datetime.timedelta(hours=2)
    assert value(b"2025-07-01 10:00:00Z", of.TIMESTAMPTZ, 0, "Europe/Berlin", 1) == noon
    assert value(b"2025-07-01 +00", of.DATE, 0, "UTC", 1) == datetime.date(2025, 7, 1), "as JDBC writes dates"
