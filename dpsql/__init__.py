"""Differentially private SQL: ordinary queries in, noisy answers with error bars and a durable budget out.

    answer = dpsql.query("SELECT COUNT(*) AS n FROM visits", database="hospital.duckdb", policy="policy.toml")
    print(answer)

Names are imported when they are first used, so that `import dpsql` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dpsql.answer import Answer, AnswerCost, Balance
    from dpsql.dictionary import ColumnInfo, TableInfo
    from dpsql.doors.dbapi import Connection, Cursor, apilevel, connect, paramstyle, threadsafety
    from dpsql.doors.dbapi_types import (
        BINARY,
        DATETIME,
        NUMBER,
        ROWID,
        STRING,
        Binary,
        Date,
        DateFromTicks,
        Time,
        TimeFromTicks,
        Timestamp,
        TimestampFromTicks,
    )
    from dpsql.doors.notebook import load_ipython_extension
    from dpsql.doors.python import query
    from dpsql.errors import (
        BudgetError,
        DatabaseError,
        DataError,
        Error,
        ExecutionError,
        IntegrityError,
        InterfaceError,
        InternalError,
        LedgerError,
        NotSupportedError,
        OpenError,
        OperationalError,
        PolicyError,
        ProgrammingError,
        QueryError,
        Warning,
    )
    from dpsql.plan_form import PlanForm
    from dpsql.session import Session

__version__ = "0.6.0"

_HOMES = {
    "dpsql.answer": ("Answer", "AnswerCost", "Balance"),
    "dpsql.dictionary": ("ColumnInfo", "TableInfo"),
    "dpsql.doors.dbapi": ("Connection", "Cursor", "apilevel", "connect", "paramstyle", "threadsafety"),
    "dpsql.doors.dbapi_types": (
        "BINARY", "Binary", "DATETIME", "Date", "DateFromTicks", "NUMBER", "ROWID", "STRING", "Time", "TimeFromTicks",
        "Timestamp", "TimestampFromTicks",
    ),
    "dpsql.doors.notebook": ("load_ipython_extension",),
    "dpsql.doors.python": ("query",),
    "dpsql.errors": (
        "BudgetError", "DataError", "DatabaseError", "Error", "ExecutionError", "IntegrityError", "InterfaceError",
        "InternalError", "LedgerError", "NotSupportedError", "OpenError", "OperationalError", "PolicyError",
        "ProgrammingError", "QueryError", "Warning",
    ),
    "dpsql.plan_form": ("PlanForm",),
    "dpsql.session": ("Session",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'dpsql' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Answer",
    "AnswerCost",
    "Balance",
    "Binary",
    "BudgetError",
    "ColumnInfo",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "ExecutionError",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "LedgerError",
    "NotSupportedError",
    "OpenError",
    "OperationalError",
    "PlanForm",
    "PolicyError",
    "ProgrammingError",
    "QueryError",
    "Session",
    "TableInfo",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "load_ipython_extension",
    "paramstyle",
    "query",
    "threadsafety",
]
