"""A connection's bytes: messages cut out of what comes in, what goes out gathered, TLS begun in between."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from typing import cast

from dpsql.doors.serve.messages import malformed

FIRST_LIMIT = 10_000        # bytes of a startup packet
LOGIN_LIMIT = 4_000         # bytes of a message while a client logs in
HELD = 1 << 16              # bytes that wait for the client, or for us, before either side is told to pause
PATIENCE = 5.0              # seconds for the last words
HANDSHAKE = 5.0             # seconds for TLS

_KINDS = frozenset(b"BCDEFHPQSXcdfp")


class Gone(ConnectionError):
    """The client hung up."""


class Wire(asyncio.Protocol):
    """One client's line. Reading waits for whole messages; `write` gathers, `flush` sends.

    `made` is called once there is a line.
    """

    def __init__(self, made: Callable[[Wire], None]) -> None:
        self._made = made
        self.transport: asyncio.Transport | None = None
        self.secure = False
        self._in, self._out = bytearray(), bytearray()
        self._news: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = self._held = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)     # uvloop's is no subclass
        self.transport.set_write_buffer_limits(HELD)
        self._made(self)

    def data_received(self, data: bytes) -> None:
        self._in += data
        if len(self._in) > HELD and self.transport is not None and not self._held and self._news is None:
            self._held = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        return False        # half a conversation is none

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        self._writable.set()
        self._wake()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    @property
    def gone(self) -> bool:
        """Whether the client hung up."""
        return self._gone

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def fail(self, error: Exception) -> None:
        """Whoever waits for a message gets this error instead."""
        if self._news is not None and not self._news.done():
            self._news.set_exception(error)

    async def _bytes(self, count: int) -> bytearray:
        """Waits until so many bytes are there, and leaves them there."""
        while len(self._in) < count:
            if self._gone:
                raise Gone
            if self._held and self.transport is not None:
                self._held = False
                self.transport.resume_reading()
            self._news = asyncio.get_running_loop().create_future()
            try:
                await self._news
            finally:
                self._news = None
        return self._in

    async def startup(self) -> bytes:
        """The body of a startup packet, which has no letter."""
        (length,) = struct.unpack_from("!i", await self._bytes(4))
        if not 8 <= length <= FIRST_LIMIT:
            raise malformed("the first message has an impossible length")
        await self._bytes(length)
        return self._take(length)[4:]

    async def message(self, limit: int) -> tuple[bytes, bytes]:
        """Letter and body of the next message. Failure 08P01 for an unknown letter, or more than `limit` bytes."""
        head = self._in if len(self._in) >= 5 else await self._bytes(5)
        kind, length = struct.unpack_from("!ci", head)
        if kind[0] not in _KINDS:
            raise malformed("a message of an unknown type")
        if not 4 <= length <= limit:
            raise malformed(f"a message of an impossible length, or of more than {limit} bytes")
        if len(self._in) < length + 1:
            await self._bytes(length + 1)
        return kind, self._take(length + 1)[5:]

    def _take(self, count: int) -> bytes:
        found = bytes(self._in[:count])
        del self._in[:count]
        return found

    def write(self, *parts: bytes) -> None:
        """Gather bytes to send."""
        for part in parts:
            self._out += part

    async def flush(self, seconds: float | None = None) -> None:
        """Send what was gathered; waits, at most so long, while the client does not read."""
        if self._out and self.transport is not None and not self._gone:
            self.transport.write(bytes(self._out))
        self._out.clear()
        if not self._writable.is_set():
            async with asyncio.timeout(seconds):
                await self._writable.wait()
        if self._gone:
            raise Gone

    @property
    def full(self) -> bool:
        """Whether enough was gathered to be sent."""
        return len(self._out) >= HELD

    async def secured(self, context: ssl.SSLContext) -> None:
        """Begin TLS. Failure 08P01 when bytes came in before it: somebody may have put them there."""
        if self._in:
            raise malformed("bytes came before TLS began")
        assert self.transport is not None
        found = await asyncio.get_running_loop().start_tls(
            self.transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE)
        if found is None:
            raise Gone
        self.transport, self.secure = found, True
        found.set_write_buffer_limits(HELD)

    def close(self) -> None:
        """Hang up, once what was written is sent."""
        if self.transport is not None:
            if self._out and not self._gone:
                self.transport.write(bytes(self._out))
                self._out.clear()
            self.transport.close()
            asyncio.get_running_loop().call_later(PATIENCE, self.transport.abort)     # if nobody reads

    def abort(self) -> None:
        """Hang up at once."""
        if self.transport is not None:
            self.transport.abort()
