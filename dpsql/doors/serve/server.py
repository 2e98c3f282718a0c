"""The server: sockets, limits, signals. One asyncio loop; queries run in threads over one session."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import signal
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from dpsql.doors.serve import messages as say
from dpsql.doors.serve.client import Client
from dpsql.doors.serve.config import Config
from dpsql.doors.serve.connection import Connection
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.log import Log
from dpsql.doors.serve.login import login
from dpsql.doors.serve.office import Office
from dpsql.doors.serve.users import read_users
from dpsql.doors.serve.wire import Gone, Wire
from dpsql.engines.stop import Stop
from dpsql.errors import Error, OpenError
from dpsql.noise.entropy import salt
from dpsql.session import Session

T = TypeVar("T")

THREADS = 64            # of queries that run or wait for a process
SPARE = 32              # connections beyond the limit that may still hear that it is reached
GLANCE = 5.0            # seconds between two looks for silent connections
LAST = 2.0              # seconds for what was stopped to say so


class Host:
    """What all connections share. OpenError, PolicyError or LedgerError for what the owner must mend."""

    def __init__(self, config: Config, log: Log) -> None:
        self.config, self.log = config, log
        self.context = _context(config)
        self.users = read_users(config.users)
        self.office = Office(_session(config))
        self.decoy = salt()
        self.draining = False
        self._open: dict[asyncio.Task[None], Connection | None] = {}
        self._numbers = itertools.count(1)
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._reloading = asyncio.Lock()
        self._pool = ThreadPoolExecutor(THREADS, "dpsql query")

    def accept(self, wire: Wire) -> None:
        """A connection came in."""
        task = asyncio.get_running_loop().create_task(self._serve(wire))
        self._open[task] = None
        task.add_done_callback(lambda done: self._open.pop(done, None))

    def cancel(self, number: int, secret: bytes) -> None:
        """End the query of a connection, for whoever knows its secret."""
        for connection in self._connections():
            client = connection.client
            if client.number == number and hmac.compare_digest(client.secret, secret):
                client.cancel()

    def admit(self, user: str) -> None:
        """A user proved a password. Failure 53300 when as many connections are theirs as may be."""
        if sum(connection.client.user == user for connection in self._connections()) >= self.config.user_connections:
            raise Failure("53300", f'too many connections of user "{user}"', fatal=True)

    def welcome(self, client: Client) -> bool:
        """Whether a client may go on asking: nobody while the server drains, nobody whom the owner removed."""
        return not self.draining and client.user in self.users

    async def thread(self, client: Client, work: Callable[[Office, Stop], T]) -> T:
        """What `work` returns or raises, in a thread, when it is the user's turn; the client can stop it."""
        stop = client.stop = Stop(client.settings.timeout())
        turn = self._turns.setdefault(client.user, asyncio.Semaphore(self.config.user_queries))
        try:
            async with turn:
                office = self.office
                with office.used():
                    return await asyncio.get_running_loop().run_in_executor(self._pool, office.does, work, stop)
        finally:
            client.stop = None

    def _connections(self) -> list[Connection]:
        return [connection for connection in self._open.values() if connection is not None]

    async def _serve(self, wire: Wire) -> None:
        number = next(self._numbers) & 0x7FFFFFFF
        try:
            client = await self._admitted(wire, number)
            if client is not None:
                await self._conversation(wire, client)
        except Failure as error:
            self.log("refused", connection=number, sqlstate=error.sqlstate, reason=error.reason)
            wire.write(say.report(error))
        except (ConnectionError, TimeoutError, ssl.SSLError):
            pass
        except asyncio.CancelledError:
            wire.write(say.report(Failure(
                "57P01", "terminating connection due to administrator command", fatal=True)))
        except Exception as error:
            self.log("bug", connection=number, unforeseen=type(error).__name__)
        finally:
            wire.close()

    async def _admitted(self, wire: Wire, number: int) -> Client | None:
        if len(self._open) > self.config.connections:
            if len(self._open) > self.config.connections + SPARE:
                wire.abort()
                raise Gone
            raise Failure("53300", "too many connections", fatal=True)
        async with asyncio.timeout(self.config.login):
            return await login(self, wire, number)

    async def _conversation(self, wire: Wire, client: Client) -> None:
        task = asyncio.current_task()
        assert task is not None
        connection = self._open[task] = Connection(self, wire, client)
        self.log("login", connection=client.number, user=client.user, tls=wire.secure)
        try:
            await connection.serve()
        finally:
            self.log("logout", connection=client.number, user=client.user)

    async def reload(self) -> None:
        """Read users and policy anew; what is wrong is logged, and everything stays as it was."""
        async with self._reloading:
            await self._reload()

    async def _reload(self) -> None:
        try:
            users = read_users(self.config.users)
            session = await asyncio.to_thread(_session, self.config)
        except (Error, OSError) as error:
            self.log("reload failed", reason=str(error))
            return
        try:
            await asyncio.to_thread(session.ledger.note_reload, session.policy.version)
        except Error as error:
            session.close()
            self.log("reload failed", reason=str(error))
            return
        old, self.office, self.users = self.office, Office(session), users
        old.retire()
        self._end(lambda each: each is not None and not (each.busy or self.welcome(each.client)))
        self.log("reload", policy=session.policy.version, users=len(users))

    async def drain(self) -> None:
        """Idle connections end at once; queries that run get `drain` seconds, and are then stopped."""
        self.draining = True
        self.log("draining", connections=len(self._open))
        self._end(lambda connection: connection is None or not connection.busy)
        await self._wait(self.config.drain)
        for connection in self._connections():
            connection.client.cancel()
        await self._wait(LAST)
        self._end(lambda connection: True)
        await self._wait(LAST)

    def _end(self, which: Callable[[Connection | None], bool]) -> None:
        for task, connection in list(self._open.items()):
            if which(connection):
                task.cancel()

    async def _wait(self, seconds: float) -> None:
        if self._open:
            await asyncio.wait(list(self._open), timeout=seconds)

    async def watch(self) -> None:
        """Ends connections that were silent for too long; one timer for all of them."""
        while True:
            await asyncio.sleep(min(GLANCE, self.config.idle / 4))
            for connection in self._connections():
                connection.require_lively()

    def close(self) -> None:
        """Close the session and its processes."""
        self.office.session.interrupt()
        self.office.session.close()
        self._pool.shutdown(cancel_futures=True)


async def serve(config: Config, log: Log) -> None:
    """Serve until SIGTERM or SIGINT, then drain. SIGHUP reads users and policy anew."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    host = Host(config, log)
    reloads: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = loop.create_task(host.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    def made() -> Wire:
        return Wire(host.accept)

    try:
        server = await loop.create_server(made, config.host, config.port, backlog=256)
    except OSError as error:
        host.close()
        raise OpenError(f"{config.host}:{config.port} cannot be listened on: {error.strerror}") from None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    loop.add_signal_handler(signal.SIGHUP, reload)
    log("listening", host=config.host, port=server.sockets[0].getsockname()[1], tls=config.tls_cert is not None,
        policy=host.office.session.policy.version)
    watch = loop.create_task(host.watch())
    try:
        await over.wait()
    finally:
        watch.cancel()
        server.close()
        await host.drain()
        with suppress(Error):
            await asyncio.to_thread(host.close)
        log("stopped")


def _session(config: Config) -> Session:
    return Session(config.database, config.policy, config.ledger, isolated=True, deadline=config.deadline,
                   memory=config.memory, pad=config.pad)


def _context(config: Config) -> ssl.SSLContext | None:
    """TLS 1.3; None without a certificate. OpenError when it cannot be read."""
    if config.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise OpenError(f"the certificate {config.tls_cert} and its key cannot be used: {error}") from None
    return context
