"""What an engine is: SQL text in, exact rows out. The only access to private data stands behind `Engine.run`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from dpsql.errors import OpenError
from dpsql.schema import Schema, TableSchema, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Rows:
    """Exact values straight from the engine, to be dropped once noise is added.

    Its text shows the column names only; it does not iterate, compare, copy or pickle, so that no exact value
    travels by accident.
    """

    columns: tuple[str, ...]
    values: list[tuple[object, ...]]

    def __repr__(self) -> str:
        return f"<exact rows of {', '.join(self.columns)}>"

    def __iter__(self) -> NoReturn:
        raise TypeError("exact rows do not iterate: read .values where noise is added")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("exact rows are never copied or pickled")


Params = Sequence[object] | Mapping[str, object]


class Engine(Protocol):
    """A database opened by its owner.

    `schema` is read once at opening. `verifies_keys` says that nothing can change the data while it is open, so that a
    declared key may be verified once; elsewhere only enforced keys count. `default_ledger` lies beside the database,
    None where there is no such place. `identity` is equal for two openings of unchanged data, None where nothing
    tells.
    """

    schema: Schema
    verifies_keys: bool
    name: str
    default_ledger: Path | None
    identity: object

    def run(self, sql: str, params: Params = ()) -> Rows:
        """Run one statement and fetch everything; `params` by position, or by name (`$name`).

        The current `Stop` ends it. Any failure at all is ExecutionError, without cause or context.
        """

    def key_holds(self, table: TableSchema, columns: Sequence[str]) -> bool:
        """Whether no two rows of `table` agree on `columns`, rows with a NULL among them aside."""

    def public_stream(self, table: TableSchema) -> object:
        """The columns of a public table that dpsql reads, in `schema` order, as an Arrow C stream (`arrow_columns`)."""

    def close(self) -> None:
        """Let go of the database. Closing twice does nothing; running afterwards is an ExecutionError."""


def open_engine(database: str | os.PathLike[str] | DuckDBPyConnection) -> Engine:
    """Open a DuckDB file, a folder of Parquet or CSV files, or a DuckDB connection the owner handed over.

    OpenError says what the owner must mend.
    """
    from dpsql.engines.duckdb import open_connection, open_file
    from dpsql.engines.folder import open_folder

    if not isinstance(database, (str, os.PathLike)):
        return open_connection(database)
    path = Path(database).expanduser()
    try:
        there, folder = path.exists(), path.is_dir()
    except OSError as error:
        raise OpenError(f"{path} cannot be read: {error.strerror}") from None
    if not there:
        raise OpenError(f"no database at {path}: give a DuckDB file, a folder of Parquet or CSV files, or an open "
                        "DuckDB connection")
    return open_folder(path.resolve()) if folder else open_file(path.resolve())


def qualified(path: Sequence[str]) -> str:
    """A path of identifiers, each quoted."""
    return ".".join(quote(name) for name in path)
