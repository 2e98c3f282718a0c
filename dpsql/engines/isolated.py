"""The isolated engine: every statement of a query runs in a child process that can be killed.

A child has an address-space limit, no policy, no ledger, and its output goes nowhere. It is kept for the next query,
and replaced after a failure, a kill, or many queries. What a statement did wrong never crosses: its child ends, and the
session sees the end of a line.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dpsql.engines.base import Params, Rows, open_engine
from dpsql.engines.duckdb import DuckDB
from dpsql.engines.isolated_child import BOUND, Opening
from dpsql.engines.isolated_pool import Child, Pool
from dpsql.engines.isolated_wire import Row
from dpsql.engines.scratch import BindError, Names, Scratch, Table
from dpsql.errors import OpenError
from dpsql.schema import TableSchema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = 4 << 30    # bytes a child's engine may use, unless the session says


class Isolated(Pool):
    """An Engine, and the finish's database, over child processes. Safe to use from several threads.

    `memory` is in bytes, for each child.
    """

    def __init__(self, inner: DuckDB, path: Path, memory: int) -> None:
        self._opening = Opening(path, inner.files, inner.home, inner.identity, inner.schema, memory)
        super().__init__(inner.name, self._opening)
        self.schema, self.verifies_keys = inner.schema, inner.verifies_keys
        self.default_ledger, self.identity = inner.default_ledger, inner.identity
        self.key_holds, self.public_stream = inner.key_holds, inner.public_stream
        self._inner = inner     # stays open: while one process reads a DuckDB file, none may write to it

    def run(self, sql: str, params: Params = ()) -> Rows:
        """Run one statement and fetch everything. Any failure at all is ExecutionError, without cause or context."""
        def ask(child: Child) -> Rows:
            _, columns, _ = child.ask(("run", sql, params))
            return Rows(columns, child.rows())  # type: ignore[arg-type]

        return self.asked(ask)

    def scratch(self, public: Sequence[TableSchema]) -> IsolatedScratch:
        """The finish's database, in the same children. OpenError when a child cannot open what its parent opened."""
        self._task = replace(self._opening, public=tuple(public))
        scratch = IsolatedScratch(public, self)
        child = self._fresh()
        with self._lock:
            self._idle.append(child)
        return scratch

    def close(self) -> None:
        """End the children, those that are answering too, and let go of the database. Closing twice does nothing."""
        super().close()
        self._inner.close()


class IsolatedScratch(Scratch):
    """The finish's database in the children of an `Isolated`; what `Scratch` promises holds."""

    def __init__(self, public: Sequence[TableSchema], engine: Isolated) -> None:
        self._engine = engine

    def describe(self, sql: str, tables: Sequence[Table]) -> tuple[tuple[str, str], ...]:
        """The names and DuckDB types of what `sql` returns. BindError when it does not bind, ExecutionError when the
        child fails."""
        status, found = self._engine.asked(lambda child: child.ask(("describe", sql, tuple(tables))))
        if status != BOUND:
            raise BindError(str(found))
        return found  # type: ignore[return-value]

    def run(
        self, sql: str, tables: Sequence[tuple[Table, Sequence[tuple[object, ...]]]], public: Sequence[str]
    ) -> tuple[Names, Names, list[tuple[object, ...]]]:
        """Names, DuckDB types and rows of `sql`. Any failure is ExecutionError, without cause or context."""
        def ask(child: Child) -> tuple[Names, Names, list[Row]]:
            _, names, types = child.ask(("finish", sql, tuple(tables), tuple(public)))
            return names, types, child.rows()  # type: ignore[return-value]

        return self._engine.asked(ask)

    def close(self) -> None:
        """The engine closes the children."""


def open_isolated(database: str | os.PathLike[str] | DuckDBPyConnection, memory: int | None = None) -> Isolated:
    """Open a DuckDB file or a folder of files for children to query, each with so many bytes of memory.

    OpenError for an open connection, which no other process can have, and for what `open_engine` refuses.
    """
    if not isinstance(database, (str, os.PathLike)):
        raise OpenError("an open connection cannot be isolated, for no other process has it: give the path of a "
                        "DuckDB file or of a folder, or leave `isolated` out")
    inner = open_engine(database)
    if not isinstance(inner, DuckDB):
        inner.close()
        raise OpenError("only a DuckDB file or a folder of Parquet or CSV files can be isolated: leave `isolated` out")
    return Isolated(inner, Path(database).expanduser().resolve(), MEMORY if memory is None else memory)
