"""Answers as Arrow tables and pandas frames; both libraries are optional and imported here alone."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas
    import pyarrow

Series = tuple[str, str, Sequence[object]]     # name, SQL type, values

_DECIMAL = 10**38       # beyond every decimal of 38 digits
_PANDAS = {
    "TINYINT": "Int8", "SMALLINT": "Int16", "INTEGER": "Int32", "BIGINT": "Int64", "HUGEINT": "Int64",
    "FLOAT": "float32", "DOUBLE": "float64", "BOOLEAN": "boolean", "TIMESTAMP": "datetime64[us]",
}


def to_arrow(series: Sequence[Series]) -> pyarrow.Table:
    """A table with one Arrow column per series. ImportError names the extra to install."""
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("to_arrow needs pyarrow: pip install 'dpsql[arrow]'") from error
    arrays = [
        pyarrow.array(_exact(type_, values), _arrow_type(pyarrow, type_, values)) for _, type_, values in series
    ]
    return pyarrow.Table.from_arrays(arrays, names=[name for name, _, _ in series])


def to_pandas(series: Sequence[Series]) -> pandas.DataFrame:
    """A frame with one column per series. ImportError names the extra to install."""
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install 'dpsql[pandas]'") from error
    columns = [pandas.Series(list(values), dtype=_pandas_type(type_, values)) for _, type_, values in series]
    frame = pandas.concat(columns, axis=1)
    frame.columns = pandas.Index([name for name, _, _ in series])
    return frame


def _arrow_type(pyarrow: Any, type_: str, values: Sequence[object]) -> Any:
    if type_ == "HUGEINT":
        narrow = all(abs(value) < _DECIMAL for value in values if isinstance(value, int))
        return pyarrow.decimal128(38, 0) if narrow else pyarrow.decimal256(39, 0)   # polars reads the first alone
    if type_.startswith("DECIMAL"):
        width, scale = type_[type_.index("(") + 1 : -1].split(",")
        return pyarrow.decimal128(int(width), int(scale))
    if (nested := _nested(type_, values)) is not None:
        inner = [_arrow_type(pyarrow, each, items) for each, items in nested]
        return pyarrow.map_(*inner) if len(inner) == 2 else pyarrow.list_(*inner)
    known = {
        "BOOLEAN": pyarrow.bool_(), "TINYINT": pyarrow.int8(), "SMALLINT": pyarrow.int16(),
        "INTEGER": pyarrow.int32(), "BIGINT": pyarrow.int64(), "UBIGINT": pyarrow.uint64(),
        "FLOAT": pyarrow.float32(),
        "DOUBLE": pyarrow.float64(), "VARCHAR": pyarrow.string(), "DATE": pyarrow.date32(),
        "TIME": pyarrow.time64("us"), "TIMESTAMP": pyarrow.timestamp("us"), "INTERVAL": pyarrow.duration("us"),
        "NULL": pyarrow.null(),
    }
    return known.get(type_)    # None: Arrow infers it from the values


def _exact(type_: str, values: Sequence[object]) -> Sequence[object]:
    """Integers that travel as decimals, for Arrow refuses the mixture; maps as their pairs."""
    if (nested := _nested(type_, ())) is not None:
        return [None if value is None else _inside(nested, value) for value in values]
    return [None if v is None else Decimal(v) for v in values] if type_ == "HUGEINT" else values  # type: ignore[arg-type]


def _nested(type_: str, values: Sequence[object]) -> list[tuple[str, list[object]]] | None:
    """The types within a list or a map, each with all its values; None for any other type."""
    there = [value for value in values if value is not None]
    if type_.endswith("[]"):
        return [(type_[:-2], [each for value in there if isinstance(value, list) for each in value])]
    if type_.startswith("MAP("):
        maps = [value for value in there if isinstance(value, dict)]
        key, item = type_[4:-1].rsplit(", ", 1)
        return [(key, [k for each in maps for k in each]), (item, [v for each in maps for v in each.values()])]
    return None


def _inside(nested: list[tuple[str, list[object]]], value: object) -> list[object]:
    if isinstance(value, dict):
        (key, _), (item, _) = nested
        return list(zip(_exact(key, list(value)), _exact(item, list(value.values())), strict=True))
    return list(_exact(nested[0][0], value))  # type: ignore[arg-type]


def _pandas_type(type_: str, values: Sequence[object]) -> Any:
    if type_ == "HUGEINT" and any(isinstance(v, int) and not -(1 << 63) <= v < 1 << 63 for v in values):
        return "object"
    return _PANDAS.get(type_, "object")
