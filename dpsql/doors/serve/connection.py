"""One client's messages, in their order: simple and extended queries, errors, and the end."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from dpsql.doors.serve import messages as say
from dpsql.doors.serve.clerk import Clerk
from dpsql.doors.serve.client import Client
from dpsql.doors.serve.commands import Command, Query, Transaction
from dpsql.doors.serve.failure import Failure, failure
from dpsql.doors.serve.inputs import value
from dpsql.doors.serve.log import redacted
from dpsql.doors.serve.messages import Body
from dpsql.doors.serve.office import Outcome
from dpsql.doors.serve.portal import Portal, Prepared, printed
from dpsql.doors.serve.read import read
from dpsql.doors.serve.wire import Wire

if TYPE_CHECKING:
    from dpsql.doors.serve.server import Host

ENDS = ("COMMIT", "ROLLBACK", "ROLLBACK TO")        # what a failed transaction still understands


class Connection:
    """A client that logged in, on its line."""

    def __init__(self, host: Host, wire: Wire, client: Client) -> None:
        self.client, self.wire, self.busy = client, wire, False
        self._host, self._clerk = host, Clerk(host, client)
        self._told, self._seen = client.settings.told(), client.settings.changes
        self._since = time.monotonic()
        self._skips = False         # after an error, until Sync

    async def serve(self) -> None:
        """Answers until the client says goodbye. Raises Failure, fatal, for what ends the connection; Gone."""
        limits = self._host.config
        await self.wire.flush(limits.idle)
        while True:
            self._since = time.monotonic()
            kind, data = await self.wire.message(limits.message)
            if kind == b"X":
                return
            self.busy, self.client.cancelled = True, False
            await self._handle(kind, data)
            if kind in b"QSH" or self.wire.full:
                await self.wire.flush(limits.idle)
            self.busy = False
            if kind in b"QS" and not self._host.welcome(self.client):
                raise Failure("57P01", "terminating connection due to administrator command", fatal=True)

    def require_lively(self) -> None:
        """End the connection when it has been silent for too long."""
        if not self.busy and time.monotonic() - self._since > self._host.config.idle:
            self.wire.fail(Failure("57P05", "terminating connection due to idle-session timeout", fatal=True))

    async def _handle(self, kind: bytes, data: bytes) -> None:
        """One message. What fails is told; in the extended protocol everything is then skipped until Sync."""
        if kind == b"S":
            self._skips = False
            self.client.rest()
            self._tell()
            self.wire.write(say.ready(self.client.status))
            return
        if self._skips or kind in b"cdf":       # what belongs to a COPY that was never begun is nothing
            return
        offset, text = [0], [""]
        try:
            if kind == b"Q":
                await self._simple(Body(data), offset, text)
            else:
                await self._extended(kind, Body(data), offset, text)
        except Exception as error:
            self._failed(error, offset[0], text[0])
            self._skips = kind != b"Q"
        if kind == b"Q":
            self.client.rest()
            self._tell()
            self.wire.write(say.ready(self.client.status))

    def _failed(self, error: Exception, offset: int, text: str) -> None:
        if isinstance(error, ConnectionError | asyncio.CancelledError):
            raise error
        found = failure(error, offset, self.client.cancelled)
        if found.fatal:
            raise found
        unforeseen = type(error).__name__ if found.sqlstate == "XX000" else None
        owners = str(error) if found.sqlstate.startswith(("58", "F0", "08")) else None
        self._host.log("error", connection=self.client.number, user=self.client.user, sqlstate=found.sqlstate,
                       sql=redacted(text), unforeseen=unforeseen, owner=owners)
        self.client.failed()
        self.wire.write(say.report(found))

    async def _simple(self, body: Body, offset: list[int], text: list[str]) -> None:
        text[0] = body.text()
        body.end()
        found = read(text[0])
        if not found:
            self.wire.write(say.EMPTY)
        for command in found:
            offset[0] = _offset(command)
            portal = Portal(command)
            await self._execute(portal, 0, text[0], described=False)
            self._tell()

    async def _extended(self, kind: bytes, body: Body, offset: list[int], text: list[str]) -> None:
        match kind:
            case b"P":
                text[0] = await self._parse(body)
            case b"B":
                await self._bind(body, offset, text)
            case b"D":
                await self._describe(body, offset, text)
            case b"E":
                name, limit = body.text(), body.int32()
                body.end()
                portal = self.client.portal(name)
                offset[0] = _offset(portal.command)
                text[0] = portal.command.sql if isinstance(portal.command, Query) else ""
                await self._execute(portal, limit, text[0], described=True)
            case b"C":
                which, name = _which(body), body.text()
                body.end()
                if which == b"S":
                    self.client.prepared.pop(name, None)
                else:
                    self.client.portals.pop(name, None)
                self.wire.write(say.CLOSED)
            case b"H":
                body.end()
            case _:
                raise Failure("08P01", "a message that has no place here", fatal=kind == b"p")

    async def _parse(self, body: Body) -> str:
        name, text = body.text(), body.text()
        types = tuple(body.int32() & 0xFFFFFFFF for _ in body.count(4))
        body.end()
        found = read(text)
        if len(found) > 1:
            raise Failure("42601", "cannot insert multiple commands into a prepared statement")
        self.client.prepare(name, Prepared(found[0] if found else None, text, types))
        self.wire.write(say.PARSED)
        return text

    async def _bind(self, body: Body, offset: list[int], text: list[str]) -> None:
        name, prepared = body.text(), body.text()
        codes = tuple(body.int16() for _ in body.count(2))
        data = [body.counted() for _ in body.count(4)]
        formats = tuple(body.int16() for _ in body.count(2))
        body.end()
        statement = self.client.statement(prepared)
        offset[0], text[0] = _offset(statement.command), statement.text
        self._require_alive(statement.command)
        types = await self._clerk.types(statement) if data or not statement.settled else statement.types
        if len(data) != len(types) or len(codes) not in (0, 1, len(data)):
            raise Failure("08P01", f"{len(data)} values were given for {len(types)} parameters")
        each = codes if len(codes) == len(data) else (codes or (0,)) * len(data)
        zone = self.client.settings.get("TimeZone")
        values = tuple(
            value(part, oid, code, zone, i + 1)
            for i, (part, oid, code) in enumerate(zip(data, types, each, strict=True)))
        if not name:
            self.client.portals.pop("", None)
        self.client.keep(name, Portal(statement.command, values, formats, promised=statement.described))
        self.wire.write(say.BOUND)

    async def _describe(self, body: Body, offset: list[int], text: list[str]) -> None:
        which, name = _which(body), body.text()
        body.end()
        if which == b"S":
            statement = self.client.statement(name)
            offset[0], text[0] = _offset(statement.command), statement.text
            self.wire.write(say.parameter_description(await self._clerk.types(statement)))
            fields = statement.described = await self._clerk.described(statement)
            codes: tuple[int, ...] = (0,) * len(fields or ())
        else:
            portal = self.client.portal(name)
            offset[0] = _offset(portal.command)
            fields = portal.promised or await self._clerk.fields(portal.command, portal.values)
            codes = portal.format_codes(len(fields or ()))
            portal.promised = fields
        self.wire.write(say.NO_DATA if fields is None else say.row_description(fields, codes))

    async def _execute(self, portal: Portal, limit: int, text: str, described: bool) -> None:
        """Run a portal, if it did not run, and send `limit` of its rows (0: all)."""
        if portal.command is None:
            self.wire.write(say.EMPTY)
            return
        self._require_alive(portal.command)
        if portal.outcome is None:
            await self._run(portal, text)
        outcome = portal.outcome
        assert outcome is not None
        fields = outcome.fields or ()
        codes = portal.format_codes(len(fields))
        if outcome.form is not None:
            self.wire.write(say.copy_out(len(fields)), *self._header(outcome))
        elif not described and outcome.fields is not None:
            self.wire.write(say.row_description(fields, codes))
        end = len(outcome.rows) if limit <= 0 else min(len(outcome.rows), portal.at + limit)
        rows = outcome.rows[portal.at : end]
        for message in printed(outcome, codes, rows):
            self.wire.write(message)
            if self.wire.full:
                await self.wire.flush(self._host.config.idle)
                await asyncio.sleep(0)      # a long answer lets others in between
        portal.at = end
        if 0 < limit == len(rows):
            self.wire.write(say.SUSPENDED)
            return
        if outcome.form is not None:
            self.wire.write(say.COPY_DONE)
        self.wire.write(say.complete(f"{outcome.tag}{len(rows)}" if outcome.tag.endswith(" ") else outcome.tag))

    async def _run(self, portal: Portal, text: str) -> None:
        began = time.monotonic()
        portal.outcome = await self._clerk.run(portal)
        self.client.require_room()
        quiet = self.client.settings.get("client_min_messages")
        for severity, said in portal.outcome.notices:
            if quiet != "error" and (quiet != "warning" or severity == "WARNING"):
                self.wire.write(say.notice(severity, "01000" if severity == "WARNING" else "00000", said))
        if isinstance(portal.command, Query) and portal.outcome.logged:
            self._host.log("query", connection=self.client.number, user=self.client.user, sql=redacted(text),
                           seconds=round(time.monotonic() - began, 3))

    def _header(self, outcome: Outcome) -> list[bytes]:
        from dpsql.doors.serve.copying import line

        assert outcome.form is not None
        names = [field.name for field in outcome.fields or ()]
        return [say.copy_data(line(names, outcome.form))] if outcome.form.header else []

    def _require_alive(self, command: Command | None) -> None:
        ends = isinstance(command, Transaction) and command.verb in ENDS
        if self.client.status == "E" and not ends:
            raise Failure(
                "25P02", "current transaction is aborted, commands ignored until end of transaction block")

    def _tell(self) -> None:
        """Tell the client of settings that changed."""
        if self._seen == self.client.settings.changes:
            return
        self._seen, told = self.client.settings.changes, self.client.settings.told()
        for name, setting in told.items():
            if self._told[name] != setting:
                self.wire.write(say.parameter_status(name, setting))
        self._told = told


def _offset(command: Command | None) -> int:
    """Where the query of a statement stands in the text that was sent."""
    query = getattr(command, "query", command)
    return query.offset if isinstance(query, Query) else 0


def _which(body: Body) -> bytes:
    found = body.take(1)
    if found not in (b"S", b"P"):
        raise say.malformed("S for a statement or P for a portal was expected")
    return found
