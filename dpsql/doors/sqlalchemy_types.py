"""SQL types as SQLAlchemy's."""

from __future__ import annotations

from typing import Any

from sqlalchemy import types

_PLAIN: dict[str, type[types.TypeEngine[Any]]] = {
    "BOOLEAN": types.BOOLEAN, "TINYINT": types.SMALLINT, "SMALLINT": types.SMALLINT, "INTEGER": types.INTEGER,
    "BIGINT": types.BIGINT, "UTINYINT": types.SMALLINT, "USMALLINT": types.INTEGER, "UINTEGER": types.BIGINT,
    "UBIGINT": types.BIGINT, "FLOAT": types.DOUBLE, "DOUBLE": types.DOUBLE, "VARCHAR": types.VARCHAR,
    "DATE": types.DATE, "TIME": types.TIME, "TIMESTAMP": types.TIMESTAMP, "UUID": types.VARCHAR, "BLOB": types.BLOB,
    "ENUM": types.VARCHAR, "TIMESTAMP WITH TIME ZONE": types.TIMESTAMP, "TIMESTAMP_NS": types.TIMESTAMP,
}


def sql_type(stored: str) -> types.TypeEngine[Any]:
    """The type of a column stored as `stored`; NullType where SQLAlchemy has none like it."""
    name, _, digits = stored.rstrip(")").partition("(")
    if name == "HUGEINT":
        return types.BIGINT()       # Python's integers have no end
    if name == "DECIMAL" and digits:
        precision, scale = digits.split(",")
        return types.NUMERIC(int(precision), int(scale))
    return _PLAIN.get(name, types.NullType)()
