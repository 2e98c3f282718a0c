"""What one connection holds: who it is, its settings, its statements and portals, its (pretended) transaction."""

from __future__ import annotations

from dataclasses import dataclass, field

from dpsql.doors.serve.commands import Transaction
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.portal import Portal, Prepared
from dpsql.doors.serve.settings import Settings
from dpsql.engines.stop import Stop

MOST_ROWS = 1_000_000   # of all portals of a connection
MOST_KEPT = 1000        # prepared statements of a connection, and portals


@dataclass(slots=True)
class Client:
    """A connection that logged in. `status` is I (idle), T (in a transaction) or E (in one that failed).

    `stop` ends the query that runs. `cancelled` says that somebody asked for it.
    """

    user: str
    settings: Settings
    number: int
    secret: bytes
    database: str = ""
    status: str = "I"
    prepared: dict[str, Prepared] = field(default_factory=dict)
    portals: dict[str, Portal] = field(default_factory=dict)
    savepoints: list[str] = field(default_factory=list)
    stop: Stop | None = None
    cancelled: bool = False

    def cancel(self) -> None:
        """End the query that runs, if one does."""
        if self.stop is not None:
            self.cancelled = True
            self.stop.now()

    def keep(self, name: str, portal: Portal) -> None:
        """Open a portal; the one without a name is replaced. Failure 42P03 when the name is taken."""
        if name and name in self.portals:
            raise Failure("42P03", f'cursor "{name}" already exists')
        if len(self.portals) >= MOST_KEPT:
            raise Failure("53400", f"a connection keeps at most {MOST_KEPT} portals")
        self.portals[name] = portal

    def require_room(self) -> None:
        """Failure 53400 when the answers of all portals have too many rows; those of the largest are let go."""
        held = {name: len(each.outcome.rows) for name, each in self.portals.items() if each.outcome is not None}
        if sum(held.values()) > MOST_ROWS:
            del self.portals[max(held, key=lambda name: held[name])]
            raise Failure("53400", f"the open cursors of a connection hold at most {MOST_ROWS} rows", hint="close some")

    def prepare(self, name: str, prepared: Prepared) -> None:
        """Keep a prepared statement; the one without a name is replaced. Failure 42P05 when the name is taken."""
        if name and name in self.prepared:
            raise Failure("42P05", f'prepared statement "{name}" already exists')
        if len(self.prepared) >= MOST_KEPT:
            raise Failure("53400", f"a connection keeps at most {MOST_KEPT} prepared statements")
        self.prepared[name] = prepared

    def portal(self, name: str) -> Portal:
        """An open portal. Failure 34000 when there is none."""
        if name not in self.portals:
            raise Failure("34000", f'cursor "{name}" does not exist')
        return self.portals[name]

    def statement(self, name: str) -> Prepared:
        """A prepared statement. Failure 26000 when there is none."""
        if name not in self.prepared:
            raise Failure("26000", f'prepared statement "{name}" does not exist')
        return self.prepared[name]

    def failed(self) -> None:
        """A statement failed: so did the transaction it stood in."""
        if self.status == "T":
            self.status = "E"
        self.rest()

    def rest(self) -> None:
        """Outside a transaction nothing stays open but cursors that were told to."""
        if self.status == "I":
            self.portals = {name: each for name, each in self.portals.items() if each.hold}

    def transact(self, command: Transaction) -> str:
        """Do what a transaction's statement says; returns its tag."""
        match command.verb:
            case "BEGIN":
                if self.status == "I":
                    self.status = "T"
                    self.settings.opened()
                return "BEGIN"
            case "COMMIT" | "ROLLBACK":
                kept = command.verb == "COMMIT" and self.status != "E"
                self._end(kept, command.chain)
                return "COMMIT" if kept else "ROLLBACK"
            case _:
                return self._savepoint(command)

    def _end(self, kept: bool, chain: bool) -> None:
        open_ = self.status != "I"
        self.settings.ended(kept)
        self.status, self.savepoints = "I", []
        self.rest()
        if chain and open_:
            self.status = "T"
            self.settings.opened()

    def _savepoint(self, command: Transaction) -> str:
        if self.status == "I":
            raise Failure("25P01", f"{command.verb} can only be used in transaction blocks")
        if command.verb == "SAVEPOINT":
            if len(self.savepoints) >= MOST_KEPT:
                raise Failure("53400", f"a transaction keeps at most {MOST_KEPT} savepoints")
            self.savepoints.append(command.savepoint)
            return "SAVEPOINT"
        if command.savepoint not in self.savepoints:
            raise Failure("3B001", f'savepoint "{command.savepoint}" does not exist')
        while self.savepoints[-1] != command.savepoint:
            self.savepoints.pop()
        if command.verb == "RELEASE":
            self.savepoints.pop()
            return "RELEASE"
        self.status = "T"
        return "ROLLBACK"

    def forget(self, what: str) -> None:
        """Clear "settings", "*" (prepared statements), "=name" (one of them) or "all"."""
        if what.startswith("="):
            self.statement(what[1:])
            del self.prepared[what[1:]]
        if what in ("*", "all"):
            self.prepared.clear()
        if what in ("settings", "all"):
            self.settings.reset()
        if what == "all":
            self.portals.clear()
