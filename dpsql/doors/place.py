"""Where the database, the policy and the ledger are: what the caller says, then the environment, then the default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpsql.errors import OpenError

if TYPE_CHECKING:
    import duckdb

    Database = str | os.PathLike[str] | duckdb.DuckDBPyConnection
File = str | os.PathLike[str]

POLICY_NAME = "policy.toml"     # looked for beside a database file, and inside a folder of files


@dataclass(frozen=True, slots=True)
class Place:
    """What a session is opened on. `database` is a path or an open DuckDB connection."""

    database: Path | duckdb.DuckDBPyConnection
    policy: Path
    ledger: Path | None
    analyst: str | None


def place(
    database: Database | None = None, policy: File | None = None, ledger: File | None = None,
    analyst: str | None = None,
) -> Place:
    """Fills what is not given from DPSQL_DATABASE, DPSQL_POLICY, DPSQL_LEDGER and DPSQL_ANALYST.

    Without any policy, the file policy.toml beside the database (inside it, when it is a folder) is taken. OpenError
    when there is no database or no policy. An empty variable counts as absent.
    """
    found = database if database is not None else _environment("DPSQL_DATABASE")
    if found is None:
        raise OpenError(
            "no database: pass database=... (--database), or set DPSQL_DATABASE, to a DuckDB file or a folder of "
            "Parquet or CSV files"
        )
    where = Path(found).expanduser() if isinstance(found, (str, os.PathLike)) else found
    chosen = policy if policy is not None else _environment("DPSQL_POLICY")
    record = ledger if ledger is not None else _environment("DPSQL_LEDGER")
    return Place(
        where,
        Path(chosen).expanduser() if chosen is not None else _beside(where),
        None if record is None else Path(record).expanduser(),
        analyst if analyst is not None else _environment("DPSQL_ANALYST"),
    )


def _beside(database: Path | duckdb.DuckDBPyConnection) -> Path:
    """The policy's default file. OpenError when there is none."""
    if not isinstance(database, Path):
        raise OpenError("no policy: pass policy=..., or set DPSQL_POLICY; an open connection has no default")
    default = (database if database.is_dir() else database.parent) / POLICY_NAME
    if not default.is_file():
        raise OpenError(
            f"no policy: pass policy=... (--policy), set DPSQL_POLICY, or put it at {default}; "
            f"`dpsql init {database}` writes a first one"
        )
    return default


def _environment(name: str) -> str | None:
    return os.environ.get(name) or None
