"""The fork server: a process with the engine loaded and open, which forks a child for each session's query.

It knows no database, no policy and no ledger. `serve` runs there; `Server` speaks to it from a session's process.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from dpsql.errors import OpenError

if TYPE_CHECKING:
    from dpsql.engines.ahead import Ahead

_ORDER = struct.Struct("!cq")       # fork (a socket comes along), or kill and the child's number
_FORK, _KILL = b"f", b"k"
_ANSWER = struct.Struct("!q")       # the child's number, 0 when there is none
_LOOK = 1.0                         # seconds between two looks whether the session's process is still there
_USED = ("dpsql.dialects",)         # by children that try texts; the engine itself knows no SQL
_START = "import json, sys; fd, sys.path[:] = json.loads(sys.argv[1]); " \
    "from dpsql.engines.isolated_server import serve; serve(fd)"


class Server:
    """A running fork server. OpenError when it does not start."""

    def __init__(self) -> None:
        self._line, other = socket.socketpair()
        self._lock = threading.Lock()
        path = [os.path.abspath(place) for place in sys.path]
        # Another session id: Ctrl-C on the terminal is for the parent. No output: an engine that aborts prints values.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DPSQL_")}
        try:
            with other:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-c", _START, json.dumps([other.fileno(), path])],
                    pass_fds=[other.fileno()], start_new_session=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env=environment | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                )
        except (OSError, TypeError) as error:
            self._line.close()
            raise OpenError(f"no process for queries can be started with {sys.executable}: {error}") from None

    def fork(self) -> tuple[int, socket.socket]:
        """A new child: its number, and the line to it. OSError when there is none."""
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                socket.send_fds(self._line, [_ORDER.pack(_FORK, 0)], [theirs.fileno()])
                answer = self._line.recv(_ANSWER.size, socket.MSG_WAITALL)
            number = _ANSWER.unpack(answer)[0] if len(answer) == _ANSWER.size else 0
            if not number:
                raise OSError("the fork server has no child to give")
        except BaseException:
            ours.close()
            raise
        return number, ours

    def kill(self, child: int) -> None:
        """End a child at once. Only the server knows which numbers are still its own."""
        with suppress(OSError), self._lock:
            self._line.sendall(_ORDER.pack(_KILL, child))

    def close(self) -> None:
        """End the server and all its children."""
        self._line.close()
        self._process.wait()


_server: Server | None = None
_lock = threading.Lock()
_inherited: list[Server | None] = []


def fork() -> tuple[Server, int, socket.socket]:
    """A child of this process's fork server, started when it is first needed and again when it died."""
    global _server
    with _lock:
        for last in (False, True):
            _server = _server or Server()
            try:
                return _server, *_server.fork()
            except OSError:
                _server.close()
                _server = None
                if last:
                    break
    raise OpenError("no process for queries can be started: the machine may be out of processes or memory")


def _close() -> None:
    global _server
    with _lock:
        if _server is not None:
            _server.close()
        _server = None


def _forget() -> None:
    """A forked copy of the session's process neither uses nor closes its server."""
    global _server, _lock
    _inherited.append(_server)
    _server, _lock = None, threading.Lock()


atexit.register(_close)
os.register_at_fork(after_in_child=_forget)


def serve(number: int) -> None:
    """The life of the fork server: obey the orders on a socket until the session's process is gone."""
    from dpsql.engines.ahead import ahead

    for name in _USED:
        import_module(name)
    parent, ready = os.getppid(), ahead()
    gc.freeze()                 # or the children's collectors would copy what they share
    children: set[int] = set()
    line = socket.socket(fileno=number)
    with suppress(OSError):
        while os.getppid() == parent:
            if not select.select([line], [], [], _LOOK)[0]:
                continue
            order, files, *_ = socket.recv_fds(line, _ORDER.size, 1)
            if len(order) < _ORDER.size:
                break
            what, child = _ORDER.unpack(order)
            if what == _FORK:
                line.sendall(_ANSWER.pack(_forked(line, files[0], children, ready)))
            elif child in children:
                children.discard(child)
                _end(child)
    for child in children:
        _end(child)
    os._exit(0)


def _forked(line: socket.socket, file: int, children: set[int], ready: Ahead) -> int:
    """The number of a new child that answers on the socket `file`, 0 when there is none."""
    from dpsql.engines.isolated_child import live

    server = os.getpid()
    try:
        child = os.fork()
    except OSError:
        child = -1
    if child == 0:
        try:
            line.close()
            live(file, server, ready)
        finally:
            os._exit(0)
    os.close(file)
    children.add(child)
    return max(child, 0)


def _end(child: int) -> None:
    with suppress(OSError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
