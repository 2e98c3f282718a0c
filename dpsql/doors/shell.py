"""`dpsql shell`: statements to a semicolon, answers with their cost, a few commands. Works in a pipe."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dpsql.doors.describe import describe_table, describe_tables
from dpsql.doors.statements import blank, split
from dpsql.errors import Error

if TYPE_CHECKING:
    from dpsql.session import Session

HELP = """\
SELECT ...;            a private answer, with its cost
\\d                     the tables; \\d TABLE its columns, with what the policy says of them
\\budget                what is spent and what is left
\\explain SELECT ...;   what would run, the noise and the cost; touches no data and is free
\\set                   the settings; \\set epsilon 0.5, \\set delta 1e-9, \\set fresh on, \\set epsilon default
\\help                  this text
\\q                     leave (also Ctrl-D); Ctrl-C drops what is typed"""

PROMPT, CONTINUED = "dpsql> ", "   ... "
HISTORY_LINES = 1000


@dataclass(slots=True)
class Shell:
    """One conversation: settings, the text of an unfinished statement, and whether anything failed."""

    session: Session
    analyst: str | None = None
    epsilon: float | None = None
    delta: float | None = None
    fresh: bool = False
    pending: str = ""
    failed: bool = False

    def feed(self, line: str) -> bool:
        """Takes one line; runs what it finishes. False when the user wants to leave."""
        word = line.strip()
        if blank(self.pending) and word.startswith("\\"):
            self.pending = ""
            if word.split()[0] != "\\explain":
                return self.command(word)
        finished, self.pending = split(self.pending + line + "\n")
        for statement in finished:
            self.run(statement)
        return True

    def finish(self) -> None:
        """Runs what stands without a semicolon at the end of a file."""
        rest, self.pending = self.pending.strip(), ""
        if not blank(rest):
            self.run(rest)

    def run(self, statement: str) -> None:
        """Answers or explains one statement; errors are printed and remembered."""
        explained = statement.removeprefix("\\explain")
        try:
            if explained != statement:
                print(self.session.explain(
                    explained.strip(), analyst=self.analyst, epsilon=self.epsilon, delta=self.delta
                ))
            else:
                print(self.session.query(
                    statement, analyst=self.analyst, epsilon=self.epsilon, delta=self.delta, fresh=self.fresh
                ).show(), end="\n\n")
        except Error as error:
            self.fail(str(error))
        except KeyboardInterrupt:
            self.fail("cancelled; what was charged stays charged")
        sys.stdout.flush()

    def command(self, text: str) -> bool:
        """Runs a backslash command. False for the one that leaves."""
        name, _, rest = text.rstrip(";").rstrip().partition(" ")
        words = rest.split()
        match name, words:
            case "\\q" | "\\quit", _:
                return False
            case "\\help" | "\\?" | "\\h", _:
                print(HELP)
            case "\\d", []:
                print(describe_tables(self.session.policy))
            case "\\d", [table]:
                found = describe_table(self.session.policy, self.session.schema, table.strip('"'))
                print(found) if found else self.fail(f"the policy names no table {table}; \\d lists them")
            case "\\budget", _:
                self.budget()
            case "\\set", _:
                self.set(words)
            case _:
                self.fail(f"no command {text}; \\help lists them")
        sys.stdout.flush()
        return True

    def budget(self) -> None:
        """The policy's budget, and the analyst's own."""
        try:
            whose = [None] if self.session.policy.analysts is None or self.analyst is None else [None, self.analyst]
            for analyst in whose:
                balance = self.session.balance(analyst)
                print(f"epsilon {balance}; delta {balance.delta_spent:.6g} of {balance.delta_limit:.6g} used")
        except Error as error:
            self.fail(str(error))

    def set(self, words: list[str]) -> None:
        """Shows the settings, or changes one."""
        match words:
            case []:
                for name, value in (("epsilon", self.epsilon), ("delta", self.delta)):
                    print(f"{name} {'default' if value is None else f'{value:g}'}")
                print(f"fresh {'on' if self.fresh else 'off'}")
            case ["fresh", "on" | "off" as value]:
                self.fresh = value == "on"
            case ["epsilon" | "delta" as name, "default"]:
                setattr(self, name, None)
            case ["epsilon" | "delta" as name, value] if _number(value) is not None:
                setattr(self, name, _number(value))
            case _:
                self.fail("write \\set epsilon 0.5, \\set delta 1e-9 or \\set fresh on; `default` takes one back")

    def fail(self, reason: str) -> None:
        """Prints an error and remembers that there was one."""
        self.failed = True
        sys.stdout.flush()
        print(f"error: {reason}", file=sys.stderr, flush=True)


def shell(session: Session, analyst: str | None, epsilon: float | None, delta: float | None) -> int:
    """Talks to a person, or reads statements from a pipe. The exit status: 1 when a pipe's statement failed."""
    talk = Shell(session, analyst, epsilon, delta)
    if sys.stdin.isatty():
        print("dpsql: private answers to SQL. \\help lists the commands, \\q leaves.")
        with _history():
            _converse(talk)
        return 0
    return _read(talk, sys.stdin)


def _read(talk: Shell, lines: TextIO) -> int:
    if all(talk.feed(line.rstrip("\n")) for line in lines):
        talk.finish()
    return 1 if talk.failed else 0


def _converse(talk: Shell) -> None:
    """Prompts until the user leaves."""
    while True:
        try:
            if not talk.feed(input(PROMPT if blank(talk.pending) else CONTINUED)):
                return
        except KeyboardInterrupt:
            talk.pending = ""
            print()
        except EOFError:
            print()
            return


@contextmanager
def _history() -> Iterator[None]:
    """Line editing, and a history that is kept in the user's state directory. Nothing where readline is missing."""
    try:
        import readline
    except ImportError:
        yield
        return
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    file = home / "dpsql" / "history"
    with suppress(OSError):
        readline.read_history_file(file)
    readline.set_history_length(HISTORY_LINES)
    try:
        yield
    finally:
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            readline.write_history_file(file)
            file.chmod(0o600)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
