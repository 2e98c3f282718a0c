"""login: from a client's first byte to the moment it may ask. TLS, versions, SCRAM."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dpsql.doors.serve import messages as say
from dpsql.doors.serve.client import Client
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.messages import Body
from dpsql.doors.serve.scram import MECHANISM, Exchange, decoy
from dpsql.doors.serve.settings import Settings
from dpsql.doors.serve.wire import LOGIN_LIMIT, Wire
from dpsql.noise.entropy import salt

if TYPE_CHECKING:
    from dpsql.doors.serve.server import Host

PAUSE = 0.5             # seconds after a wrong password, before it is said
MOST_ASIDE = 2          # requests for encryption before the first real message


@dataclass(frozen=True, slots=True)
class Request:
    """A startup message: the protocol's version, and the options."""

    version: int
    options: dict[str, str]


async def login(host: Host, wire: Wire, number: int) -> Client | None:
    """A client that proved its password and was told so; None for a request to cancel, which is done then.

    Raises Failure, fatal, for everything else.
    """
    request = await _request(host, wire)
    if request is None:
        return None
    settings = Settings(request.options.get("user", ""))
    name = settings.user
    if not name:
        raise Failure("28000", "the startup message names no user", fatal=True)
    unknown = [option for option in request.options if option.startswith("_pq_.")]
    spoken = say.V3_2 if request.version >= say.V3_2 else say.V3_0
    if unknown or spoken != request.version:
        wire.write(say.negotiation(spoken, unknown))
    await _prove(host, wire, name)
    host.admit(name)
    secret = bytes.fromhex(salt() + salt())
    client = Client(name, settings, number, secret if spoken == say.V3_2 else secret[:4],
                    request.options.get("database") or name)
    try:
        settings.begin(_wanted(request.options))
    except Failure as error:
        raise Failure(error.sqlstate, error.reason, hint=error.hint, fatal=True) from None
    wire.write(say.authentication(0), *(say.parameter_status(*each) for each in settings.told().items()))
    wire.write(say.key_data(number, client.secret), say.ready("I"))
    return client


async def _request(host: Host, wire: Wire) -> Request | None:
    """The startup message, behind what may come before it."""
    for _ in range(MOST_ASIDE + 1):
        body = Body(await wire.startup())
        code = body.int32()
        if code == say.CANCEL:
            host.cancel(body.int32(), body.rest())
            return None
        if code in (say.SSL, say.GSS):
            body.end()
            await _encrypted(host, wire, code)
            continue
        if code >> 16 != 3:
            raise Failure("0A000", f"protocol {code >> 16}.{code & 0xFFFF} is not spoken; 3.0 and 3.2 are", fatal=True)
        if host.context is not None and not wire.secure:
            raise Failure("28000", "this server takes connections over TLS only", hint="sslmode=require", fatal=True)
        return Request(code, _options(body))
    raise say.malformed("encryption was asked for again and again")


async def _encrypted(host: Host, wire: Wire, code: int) -> None:
    wanted = code == say.SSL and host.context is not None and not wire.secure
    wire.write(b"S" if wanted else b"N")
    await wire.flush()
    if wanted and host.context is not None:
        await wire.secured(host.context)


def _options(body: Body) -> dict[str, str]:
    found: dict[str, str] = {}
    while name := body.text():
        found[name] = body.text()
    body.end()
    return found


async def _prove(host: Host, wire: Wire, name: str) -> None:
    """SCRAM-SHA-256. An unknown user is led to the same end as a wrong password."""
    known = host.users.get(name)
    exchange = Exchange(known or decoy(name, host.decoy))
    wire.write(say.authentication(10, say.text(MECHANISM), b"\0"))
    await wire.flush()
    body = await _answer(wire)
    if body.text() != MECHANISM:
        raise Failure("28000", f"this server takes {MECHANISM} only", fatal=True)
    first = body.counted()
    body.end()
    wire.write(say.authentication(11, exchange.challenge(first or b"")))
    await wire.flush()
    proof = exchange.proof((await _answer(wire)).rest())
    if proof is None or known is None:
        await asyncio.sleep(PAUSE)
        raise Failure("28P01", f'password authentication failed for user "{name[:63]}"', fatal=True)
    wire.write(say.authentication(12, proof))


async def _answer(wire: Wire) -> Body:
    kind, body = await wire.message(LOGIN_LIMIT)
    if kind != b"p":
        raise say.malformed("a password's message was expected")
    return Body(body)


def _wanted(options: dict[str, str]) -> dict[str, str]:
    """The settings of a startup message: its own options, and those behind -c in `options`."""
    found = {
        name: value for name, value in options.items()
        if name not in ("user", "database", "replication", "options") and not name.startswith("_pq_.")
    }
    words = options.get("options", "").replace("\\ ", "\0").split()
    words = [word.replace("\0", " ") for word in words]
    while words:
        word = words.pop(0)
        said = words.pop(0) if word == "-c" and words else word[2:]
        name, equals, value = said.partition("=")
        if not word.startswith(("-c", "--")) or not equals:
            raise Failure("22023", "options of a connection are written -c NAME=VALUE", fatal=True)
        found[name.replace("-", "_") if word.startswith("--") else name] = value
    return found

