"""What the owner lets queries use: processes of their own, memory, time."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpsql.engines.base import Engine, open_engine
from dpsql.engines.scratch import Scratch
from dpsql.errors import OpenError
from dpsql.schema import TableSchema

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dpsql.engines.trials import Trials

DEADLINE = 60.0             # seconds an isolated query may take, unless the session says
TRYING = 1.0                # seconds of work of its own that a process may take to read a text
LEAST_MEMORY = 64 << 20     # bytes below which DuckDB answers hardly anything


@dataclass(frozen=True, slots=True)
class Resources:
    """The options of a session: `deadline` and `pad` in seconds, `memory` in bytes. OpenError when they do not fit."""

    isolated: bool = False
    deadline: float | None = None
    memory: int | None = None
    pad: float | None = None

    def __post_init__(self) -> None:
        for name, seconds in (("deadline", self.deadline), ("pad", self.pad)):
            if seconds is not None and not (_number(seconds) and 0 < seconds <= 1e6):
                raise OpenError(f"{name} is a number of seconds greater than 0, not {seconds!r}")
        if self.memory is not None:
            if not self.isolated:
                raise OpenError("memory is what an isolated query may use: pass isolated=True with it")
            if not (isinstance(self.memory, int) and self.memory >= LEAST_MEMORY):
                raise OpenError(f"memory is a number of bytes, at least {LEAST_MEMORY}, not {self.memory!r}")

    @property
    def seconds(self) -> float | None:
        """What one query may take."""
        return self.deadline if self.deadline is not None or not self.isolated else DEADLINE

    def engine(self, database: str | os.PathLike[str] | DuckDBPyConnection) -> Engine:
        """The database, opened as the options say. OpenError says what the owner must mend."""
        if not self.isolated:
            return open_engine(database)
        from dpsql.engines.isolated import open_isolated

        return open_isolated(database, self.memory)

    def scratch(self, engine: Engine, public: Sequence[TableSchema]) -> Scratch:
        """The finish's database beside an engine: in its children when it has some."""
        if not self.isolated:
            return Scratch(public, engine.public_stream)
        from dpsql.engines.isolated import Isolated

        assert isinstance(engine, Isolated), "an isolated session has an isolated engine"
        return engine.scratch(public)

    def court(self) -> Trials | None:
        """Where the analyst's texts are tried before they are read; None: they are not."""
        if not self.isolated:
            return None
        from dpsql.engines.trials import Trials

        return Trials(TRYING)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
