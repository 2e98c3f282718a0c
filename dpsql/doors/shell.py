"""`dpsql shell`: statements to a semicolon, answers with their cost, and commands. Works in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from dpsql.answer import SHOWN_ROWS, Answer
from dpsql.doors.formats import formatted
from dpsql.doors.plot import LETTERS, plot
from dpsql.doors.screen import Screen, screen
from dpsql.doors.shell_commands import COMMANDS, between, parted, whole_command
from dpsql.doors.statements import blank, split
from dpsql.doors.terms import Terms
from dpsql.doors.wait import wait
from dpsql.errors import Error, ProgrammingError

if TYPE_CHECKING:
    from dpsql.session import Session

WELCOME = "dpsql: private answers to SQL. \\help lists the commands, \\q leaves."
FAILED, STOPPED = 1, 3      # exit statuses of a pipe: something failed; it ended there (ON_ERROR_STOP), as in psql


@dataclass(slots=True)
class Shell:
    """One conversation: settings, the text of an unfinished statement, the last answer, and whether anything failed.

    `ask` puts a question to whoever types, None in a pipe. `out` is where answers go while `\\o` says so. `lines` were
    read, and the statement that runs began in line `began`.
    """

    session: Session
    analyst: str | None = None
    epsilon: float | None = None
    delta: float | None = None
    error: float | None = None
    level: float = 0.95
    quality: bool = False
    fresh: bool = False
    confirm: bool = False
    timing: bool = False
    stop: bool = False
    format: str = "table"
    dialect: str = "duckdb"
    out: TextIO | None = None
    ask: Callable[[str], bool] | None = None
    pending: str = ""
    failed: bool = False
    lines: int = 0
    began: int = 0
    sql: str | None = None
    last: Answer | None = None
    screen: Screen = field(default_factory=lambda: screen(sys.stdout))

    def feed(self, line: str) -> bool:
        """Takes one line; runs what it finishes. False when the shell is to end."""
        self.lines += 1
        if blank(self.pending):
            self.pending, self.began = "", self.lines
        elif between(self.pending, line):
            return self.run(line.strip())
        text = self.pending + line + "\n"
        if whole_command(text):
            self.pending = ""
            return self.run(text.strip())
        finished, self.pending = split(text)
        if not all(self.run(statement) for statement in finished):
            return False
        self.began = self.lines if finished else self.began
        if not whole_command(self.pending):
            return True
        command, self.pending = self.pending.strip(), ""
        return self.run(command)

    def finish(self) -> None:
        """Runs what stands without a semicolon at the end of a file."""
        rest, self.pending = self.pending.strip(), ""
        if not blank(rest):
            self.run(rest)

    @property
    def stopped(self) -> bool:
        """Whether something failed, and ON_ERROR_STOP is on. A person sees the error and goes on."""
        return self.stop and self.failed and self.ask is None

    def run(self, statement: str) -> bool:
        """Answers a statement, or does the command before it. False when the shell is to end."""
        if statement.startswith("\\"):
            return self.command(statement) and not self.stopped
        with self.reporting():
            self.answer(statement)
        return not self.stopped

    def answer(self, sql: str, drawn: bool = False) -> None:
        """Asks the session and shows what it answers, as a plot when `drawn`. Raises Error."""
        self.sql = sql
        if self.confirm and not self.agreed(sql):
            return
        began = time.perf_counter()
        self.last = wait(lambda: self.session.query(
            sql, fresh=self.fresh, **self.asked()
        ), self.session.interrupt)
        seconds = time.perf_counter() - began
        self.show(self.last, drawn)
        if self.timing:
            self.remark(f"time: {seconds:.3f} s")

    def asked(self) -> Terms:
        """What goes along with every question."""
        return {
            "analyst": self.analyst, "epsilon": self.epsilon, "delta": self.delta, "error": self.error,
            "level": self.level, "quality": self.quality, "dialect": self.dialect,
        }

    def agreed(self, sql: str) -> bool:
        """Whether whoever types accepts noise and cost of a query. A free one needs no consent. Raises Error."""
        explained = self.session.explain(sql, **self.asked())
        if not explained.bounds:
            return True
        if self.ask is None:
            raise ProgrammingError("\\confirm is on, and in a pipe there is nobody to ask; nothing was charged")
        left = self.session.balance(self.analyst).epsilon_left
        print(self.screen.fold(explained.bounds))
        price = self.screen.fold(f"{explained.cost}, unless the answer was bought before; epsilon {left:.6g} is left")
        try:
            agreed = self.ask(f"{price}\ncharge it? [y/N] ")
        except KeyboardInterrupt:
            agreed = False
            print()
        if not agreed:
            print("not asked, nothing charged\n")
        return agreed

    @property
    def bare(self) -> bool:
        """Whether standard output holds answers for programs only."""
        return self.out is None and self.format != "table"

    def remark(self, text: str) -> None:
        """Says something beside answers."""
        print(text, file=sys.stderr if self.bare else sys.stdout)

    def show(self, answer: Answer, drawn: bool = False) -> None:
        """Writes an answer where answers go. Programs get bare rows there, the bill on standard error (or in the JSON).

        What cannot be drawn is shown as a table, for it was paid; then ProgrammingError says why.
        """
        if drawn:
            stream = self.out or sys.stdout
            try:
                text = "\n".join([plot(answer, self.screen.width), *answer.notes(), answer.bill()])
            except ProgrammingError:
                self.show(answer)
                raise
            print(text.translate(LETTERS) if not _writes_blocks(stream) else text, file=stream, end="\n\n")
        elif self.out is not None or self.format != "table":
            (self.out or sys.stdout).write(formatted(answer, self.format))
            sys.stdout.flush()
            for line in (*answer.notes(), answer.bill()) if self.out or self.format != "json" else ():
                print(line, file=sys.stdout if self.out else sys.stderr)
        else:
            print(self.screen.answered(answer, None if self.screen.width is None else SHOWN_ROWS), end="\n\n")
        if self.out is not None:
            self.out.flush()
        sys.stdout.flush()

    def command(self, text: str) -> bool:
        """Runs a backslash command. False for the one that leaves."""
        name, argument = parted(text)
        if name in ("\\q", "\\quit"):
            return False
        command = COMMANDS.get(name)
        with self.reporting():
            if command is None:
                raise ProgrammingError(f"no command {name}; \\help lists them")
            command.run(self, argument)
        sys.stdout.flush()
        return True

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Prints what goes wrong within, and remembers that it did."""
        try:
            yield
        except (Error, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            self.fail(error)
        except KeyboardInterrupt:
            self.fail(ProgrammingError("cancelled; what was charged stays charged"))
            self.budget_line()

    def budget_line(self) -> None:
        """What is left, after something went wrong in between: for people."""
        if self.ask is not None:
            print(self.session.balance(self.analyst))

    def fail(self, error: BaseException) -> None:
        """Prints an error and remembers that there was one."""
        self.failed = True
        sys.stdout.flush()
        told = screen(sys.stderr)
        first, _, rest = told.told(error).partition(":")
        where = f" in the statement at line {self.began}" if self.ask is None and self.lines else ""     # of a file
        print(f"{told.paint('red', first + where)}:{rest}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Closes the file of `\\o`."""
        if self.out is not None:
            self.out.close()
            self.out = None


def shell(
    session: Session, analyst: str | None, epsilon: float | None, delta: float | None, settings: Sequence[str] = (),
) -> int:
    """Talks to a person, or reads statements from a pipe. `settings` are what `\\set` would be told.

    The exit status: 0; in a pipe FAILED when something failed, STOPPED when it ended there (ON_ERROR_STOP).
    """
    talk = Shell(session, analyst, epsilon, delta)
    try:
        for setting in settings:
            talk.command(f"\\set {setting}")
        if talk.failed:
            return FAILED           # before a single charge
        if not sys.stdin.isatty():
            return _read(talk, sys.stdin)
        from dpsql.doors.shell_prompt import converse

        print(WELCOME)
        converse(talk)
        return 0
    finally:
        talk.close()


def _read(talk: Shell, lines: TextIO) -> int:
    if not talk.stopped and all(talk.feed(line.rstrip("\n")) for line in lines):
        talk.finish()
    return STOPPED if talk.stopped else FAILED if talk.failed else 0


def _writes_blocks(stream: TextIO) -> bool:
    try:
        "█▒│±…".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
