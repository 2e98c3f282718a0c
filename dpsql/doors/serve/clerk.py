"""The clerk: what each statement of a client answers, and which columns it has. Queries run in threads, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from dpsql.doors.serve import values as of
from dpsql.doors.serve.catalog.answer import Asker, Statement
from dpsql.doors.serve.catalog.text import looks_like_catalog
from dpsql.doors.serve.client import Client
from dpsql.doors.serve.commands import (
    Close,
    Command,
    Copy,
    Declare,
    Done,
    Explain,
    Fetch,
    Query,
    Set,
    Show,
    Transaction,
)
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.inference import OPEN, inferred, sample
from dpsql.doors.serve.messages import Field
from dpsql.doors.serve.office import BUDGET, PLAN, Asked, Outcome, shape
from dpsql.doors.serve.portal import Portal, Prepared
from dpsql.errors import QueryError

if TYPE_CHECKING:
    from dpsql.doors.serve.server import Host

WIDE = {of.INT8: 1 << 40, of.INT4: 1 << 30}         # so that what is computed of them is told as wide as it can be
_WIDER = {of.INT2: (of.INT4, of.INT8, of.NUMERIC), of.INT4: (of.INT8, of.NUMERIC), of.INT8: (of.NUMERIC,),
          of.FLOAT4: (of.FLOAT8,)}


class Clerk:
    """Serves one client."""

    def __init__(self, host: Host, client: Client) -> None:
        self._host, self._client = host, client

    async def run(self, portal: Portal) -> Outcome:
        """What a portal's statement gives; a query is charged here."""
        client, command = self._client, portal.command
        match command:
            case Query():
                return await self._query(command, portal)
            case Copy():
                return replace(await self._query(command.query, portal), tag="COPY ", form=command.form)
            case Explain():
                asked = self._asked(command.query, portal.values)
                return await self._host.thread(client, lambda office, stop: office.explain(asked))
            case Declare():
                if client.status == "I" and not command.hold:
                    raise Failure("25P01", "DECLARE CURSOR can only be used in transaction blocks",
                                  hint="BEGIN first, or declare it WITH HOLD")
                await self.fields(command.query, portal.values)         # what is refused is refused here
                client.keep(command.name, Portal(
                    command.query, portal.values, (1,) if command.binary else (), command.hold))
                return _said("DECLARE CURSOR")
            case Fetch():
                return await self._fetch(command)
            case Show():
                return await self._show(command.name)
            case Close() | Transaction() | Set() | Done():
                return _said(self._quick(command))
            case None:
                raise AssertionError("an empty statement gives nothing")
            case _:
                assert_never(command)

    def _quick(self, command: Close | Transaction | Set | Done) -> str:
        client = self._client
        match command:
            case Close(name=None):
                client.portals.clear()
                return "CLOSE CURSOR ALL"
            case Close(name=str(name)):
                client.portal(name)
                del client.portals[name]
                return "CLOSE CURSOR"
            case Transaction():
                return client.transact(command)
            case Set():
                client.settings.change(command.name, command.value, command.local)
                return "RESET" if command.value is None and not command.local else "SET"
            case Done():
                if command.forget is not None:
                    client.forget(command.forget)
                return command.tag
            case _:
                raise AssertionError("CLOSE names a cursor, or all")

    async def fields(self, command: Command | None, values: Sequence[object]) -> tuple[Field, ...] | None:
        """The columns a statement would give; None for none. Free, and nothing runs."""
        match command:
            case Query():
                asked = self._asked(command, values)
                known = self._host.office.known(asked)
                if known is not None:
                    return known.fields
                statement = await self._catalog(command)
                if statement is not None:
                    return shape(statement)
                return await self._host.thread(self._client, lambda office, stop: office.fields(asked))
            case Explain():
                return PLAN
            case Show():
                return _shown(command.name)
            case Fetch():
                target = self._client.portal(command.name)
                if command.moves:
                    return None
                known = target.outcome
                return known.fields if known is not None else await self.fields(target.command, target.values)
            case _:
                return None

    async def types(self, prepared: Prepared) -> tuple[int, ...]:
        """The types of a statement's parameters, those left open inferred."""
        query = _asking(prepared.command)
        if query is None or prepared.settled:
            return prepared.types
        if len(prepared.types) >= max(query.holes, default=0) and not set(OPEN) & set(prepared.types):
            prepared.settled = True
            return prepared.types
        client = self._client
        statement = await self._catalog(query)
        if statement is not None:
            known = dict(zip(query.holes, statement.parameters, strict=False))
            given = dict(enumerate(prepared.types, 1))
            count = max(*query.holes, len(given), 0)
            found = tuple(
                given[i] if given.get(i, 0) not in OPEN else known.get(i, of.TEXT) for i in range(1, count + 1))
        else:
            asked = self._asked(query, (None,) * max(query.holes))
            found = await self._host.thread(client, lambda office, stop: inferred(
                query.sql, query.holes, prepared.types, office.session.tables(), asked.dialect,
                lambda values: office.fields(replace(asked, values=values))))
        prepared.types, prepared.settled = found, True
        return found

    async def described(self, prepared: Prepared) -> tuple[Field, ...] | None:
        """The columns of a prepared statement, whatever values it will get."""
        types = await self.types(prepared)
        if _asking(prepared.command) is None or not types:
            return await self.fields(prepared.command, ())
        try:
            return await self.fields(prepared.command, [WIDE.get(oid, sample(oid)) for oid in types])
        except QueryError:
            return await self.fields(prepared.command, [sample(oid) for oid in types])

    async def _query(self, query: Query, portal: Portal) -> Outcome:
        asked = self._asked(query, portal.values)
        if portal.promised is not None:
            _require_same(portal.promised, await self.fields(query, portal.values) or ())
        found = self._host.office.known(asked)
        if found is None and (statement := await self._catalog(query)) is not None:
            asker = self._asker()
            found = await self._host.thread(
                self._client, lambda office, stop: office.catalogued(statement, asked.values, asker))
        if found is None:
            found = await self._host.thread(self._client, lambda office, stop: office.answer(asked, stop))
        return found if portal.promised is None else replace(found, fields=portal.promised)

    async def _catalog(self, query: Query) -> Statement | None:
        """A question to the catalog; None for what is none."""
        if not looks_like_catalog(query.sql):
            return None
        return await self._host.thread(self._client, lambda office, stop: office.statement(query.sql))

    def _asker(self) -> Asker:
        client = self._client
        settings = {name: value for name, value, _ in client.settings.every()}
        return Asker(client.user, client.database, client.number, settings)

    async def _fetch(self, command: Fetch) -> Outcome:
        portal = self._client.portal(command.name)
        notices: tuple[tuple[str, str], ...] = ()
        if portal.outcome is None:
            portal.outcome = await self.run(portal)
            notices = portal.outcome.notices
            self._client.require_room()
        rows = portal.move(command)
        if command.moves:
            return Outcome(None, (), f"MOVE {len(rows)}", notices)
        return Outcome(portal.outcome.fields, rows, "FETCH ", notices)

    async def _show(self, name: str) -> Outcome:
        client = self._client
        if name == "dpsql.budget":
            return await self._host.thread(client, lambda office, stop: office.budget(client.user))
        if name == "dpsql.health":
            await self._host.thread(client, lambda office, stop: office.health())
            return Outcome(_shown(name), [("ok",)], "SHOW")
        if name == "all":
            return Outcome(_shown(name), list(client.settings.every()), "SHOW")
        return Outcome(_shown(name), [(client.settings.get(name),)], "SHOW")

    def _asked(self, query: Query, values: Sequence[object]) -> Asked:
        """A query at this client's price. Failure 42P02 when a value is missing."""
        settings = self._client.settings
        if max(query.holes, default=0) > len(values):
            raise Failure("42P02", f"there is no parameter ${max(query.holes)}", hint="send values beside the query")
        return Asked(
            query.sql, tuple(values[number - 1] for number in query.holes), self._client.user,
            settings.get("dpsql.epsilon"), settings.get("dpsql.delta"), settings.get("dpsql.dialect"),
            settings.get("dpsql.fresh") == "on", error=settings.get("dpsql.error"),
            level=settings.get("dpsql.level"), quality=settings.get("dpsql.quality") == "on")


def _asking(command: Command | None) -> Query | None:
    """The query inside a statement, if it holds one."""
    match command:
        case Query():
            return command
        case Explain() | Copy() | Declare():
            return command.query
        case _:
            return None


def _said(tag: str) -> Outcome:
    return Outcome(None, (), tag)


def _shown(name: str) -> tuple[Field, ...]:
    if name == "dpsql.budget":
        return BUDGET
    if name == "all":
        return tuple(of.typed(column, of.TEXT) for column in ("name", "setting", "description"))
    return (of.typed(name, of.TEXT),)


def _require_same(promised: Sequence[Field], found: Sequence[Field]) -> None:
    """What was described must hold; a narrower number may stand for a wider one."""
    if len(promised) != len(found) or any(
        told.oid != each.oid and told.oid not in _WIDER.get(each.oid, ())
        for told, each in zip(promised, found, strict=False)
    ):
        raise Failure("0A000", "cached plan must not change result type",
                      hint="with these values the columns have other types than were described: cast them in the query")
