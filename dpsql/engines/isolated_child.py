"""The child: opens the database, bounds itself, answers one request at a time. It has no policy and no ledger."""

from __future__ import annotations

import os
import pickle
import resource
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dpsql.engines.base import Engine
from dpsql.engines.isolated_linux import address_space, confine
from dpsql.engines.isolated_wire import receive, send, send_rows
from dpsql.engines.scratch import BindError, Scratch
from dpsql.errors import OpenError
from dpsql.schema import Schema

if TYPE_CHECKING:
    from dpsql.schema import TableSchema

BESIDE = 1 << 30    # bytes of address space beyond the engine's memory: threads' stacks, allocators, rows as Python's
READY, BOUND, ROWS, REFUSED = "ready", "bound", "rows", "refused"


@dataclass(frozen=True, slots=True)
class Opening:
    """How a child opens what its parent opened: the same file, or the same files of a folder read the same way.

    `memory` is in bytes. Schema and identity must be what the parent saw.
    """

    path: Path
    files: tuple[tuple[Path, str], ...]
    identity: object
    schema: Schema
    memory: int

    def open(self) -> Engine:
        """The engine. OpenError when it is not the parent's any more."""
        from dpsql.engines.duckdb import open_file
        from dpsql.engines.folder import open_settled

        limit = (f"memory_limit='{self.memory}B'",)
        engine = open_settled(self.path, self.files, limit) if self.files else open_file(self.path, limit)
        if (engine.identity, engine.schema) != (self.identity, self.schema):
            engine.close()
            raise OpenError(f"{self.path} is not what it was when it was opened: open it again")
        return engine


def live(file: int, parent: int) -> None:
    """Answer the requests on socket `file` until it ends. The process ends with its `parent`, the fork server."""
    confine()
    if os.getppid() != parent:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=file) as line:
        opening, public = cast("tuple[Opening, tuple[TableSchema, ...]]", _request(line))
        try:
            engine = opening.open()
            scratch = Scratch(public, engine.public_stream, memory=opening.memory)
        except OpenError as error:
            send(line, (REFUSED, str(error)))
            return
        if space := address_space():
            most = space + opening.memory + BESIDE
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
        send(line, (READY,))
        while True:
            _answer(line, engine, scratch, _request(line))


def _request(line: socket.socket) -> tuple[object, ...]:
    body = receive(line)
    if body is None:
        os._exit(0)
    request: tuple[object, ...] = pickle.loads(body)
    return request


def _answer(line: socket.socket, engine: Engine, scratch: Scratch, request: tuple[object, ...]) -> None:
    """Answer one request. A failure of any kind ends the process without a word: what it would say depends on data."""
    try:
        match request:
            case ("run", str() as sql, tuple() | list() | dict() as params):
                rows = engine.run(sql, params)
                send(line, (ROWS, rows.columns, ()))
                send_rows(line, rows.values)
            case ("describe", str() as sql, tables):
                try:
                    send(line, (BOUND, scratch.describe(sql, tables)))  # type: ignore[arg-type]
                except BindError as error:
                    send(line, (REFUSED, str(error)))
            case ("finish", str() as sql, tables, public):
                names, types, values = scratch.run(sql, tables, public)  # type: ignore[arg-type]
                send(line, (ROWS, names, types))
                send_rows(line, values)
            case _:
                os._exit(1)
    except BaseException:
        os._exit(1)
