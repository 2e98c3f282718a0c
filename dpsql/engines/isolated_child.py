"""A child: takes up its task, bounds itself, answers one request at a time. It has no policy and no ledger."""

from __future__ import annotations

import os
import pickle
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol, cast

from dpsql.engines.ahead import Ahead, attached
from dpsql.engines.base import Engine
from dpsql.engines.duckdb import Files
from dpsql.engines.isolated_linux import address_space, confine
from dpsql.engines.isolated_wire import receive, send, send_rows
from dpsql.engines.scratch import BindError, Scratch
from dpsql.errors import OpenError
from dpsql.schema import Schema, TableSchema

BESIDE = 1 << 30    # bytes of address space beyond the engine's memory: threads' stacks, allocators, rows as Python's
READY, BOUND, ROWS, REFUSED = "ready", "bound", "rows", "refused"


class Task(Protocol):
    """What a child is for: the first thing it is sent. `memory` is in bytes, for its work and for what it answers."""

    @property
    def memory(self) -> int:
        """What it may take."""

    def live(self, line: socket.socket, ready: Ahead) -> None:
        """Answer the requests on `line` until it ends; `ready` is what the fork server opened ahead."""


def live(file: int, parent: int, ready: Ahead) -> None:
    """Do the task that comes on socket `file`. The process ends with its `parent`, the fork server."""
    confine()
    if os.getppid() != parent:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with socket.socket(fileno=file) as line:
        cast("Task", next_request(line)).live(line, ready)


def bound(memory: int) -> None:
    """Let this process take so many bytes of address space more, and a little."""
    if space := address_space():
        most = space + memory + BESIDE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


@dataclass(frozen=True, slots=True)
class Opening:
    """Open what the parent opened, the same file, or the same files of a folder read the same way, and run statements.

    `home` is what the parent calls the database, `memory` is in bytes. Schema and identity must be what the parent saw.
    """

    path: Path
    files: Files
    home: str
    identity: object
    schema: Schema
    memory: int
    public: tuple[TableSchema, ...] = ()

    def live(self, line: socket.socket, ready: Ahead) -> None:
        """Open it, say so, and answer statements."""
        try:
            engine = self.open(ready)
            scratch = Scratch(self.public, engine.public_stream, self.memory, ready.finish)
        except OpenError as error:
            send(line, (REFUSED, str(error)))
            return
        bound(self.memory)
        answer_all(line, lambda request: _answer(line, engine, scratch, request))

    def open(self, ready: Ahead) -> Engine:
        """The engine. OpenError when it is not the parent's any more."""
        ready.wake()
        engine = attached(ready.database, self.path, self.files, self.home, self.schema, self.memory)
        if (engine.identity, engine.schema) != (self.identity, self.schema):
            raise OpenError(f"{self.path} is not what it was when it was opened: open it again")
        return engine


def answer_all(line: socket.socket, answer: Callable[[tuple[object, ...]], None]) -> NoReturn:
    """Say that it is ready, and answer what is asked. A failure of any kind ends the process without a word: what it
    would say may depend on data."""
    send(line, (READY,))
    while True:
        request = next_request(line)
        try:
            answer(cast("tuple[object, ...]", request))
        except BaseException:
            os._exit(1)


def next_request(line: socket.socket) -> object:
    """What the parent sends next; the process ends when it has gone."""
    body = receive(line)
    if body is None:
        os._exit(0)
    return pickle.loads(body)


def _answer(line: socket.socket, engine: Engine, scratch: Scratch, request: tuple[object, ...]) -> None:
    """Answer one request for an engine or for the finish's database."""
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
            raise ValueError
