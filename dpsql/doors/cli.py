"""The command `dpsql`: one table of commands, one function a command, all of them thin over `Session`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dpsql.doors import options as of
from dpsql.doors.parameters import parameters
from dpsql.doors.place import place
from dpsql.errors import Error, OpenError, QueryError

if TYPE_CHECKING:
    import duckdb

    from dpsql.doors.terms import Terms
    from dpsql.engines.base import Engine
    from dpsql.session import Session

DESCRIPTION = """\
Differentially private SQL: ordinary queries in, noisy answers with error bars and
a durable budget out.

first steps:
  dpsql demo                       a story with five questions; needs no files
  dpsql init hospital.duckdb       write a first policy from a database's schema
  dpsql check -d hospital.duckdb   does the data keep what the policy claims?
  dpsql query "SELECT ..."         a private answer
  dpsql shell                      many of them"""

BUDGET = """\
show          id and head, limits, what is spent and left, the last entries
entries       the whole history; with --analyst NAME, theirs
verify        check the file, its sums and its chain; with --head HEAD, that it
              goes on from there
raise -e N    set the policy's limit; with --analyst NAME, that analyst's
split A,B,C   divide every delta: basic composition, slack of zCDP, turning zCDP
              into epsilon
period DAYS   let budgets count anew every so many days; 0 for never
backup FILE   copy it; a backup cannot be charged
move FILE     move it; the old file only says where it went
restore FILE  make a ledger of a backup"""

SERVE = """\
Serve a database to every client of PostgreSQL; a user is the analyst of that
name. Without --tls-cert only this machine is served. SIGTERM drains, SIGHUP
reads users and policy anew. --config names a TOML file with these options and
the limits: connections, user_connections, user_queries, login, idle, message,
memory, drain."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what runs it and returns the exit status, its line in the help, an example, its options, and more
    to say about it."""

    name: str
    run: Callable[[argparse.Namespace], int]
    help: str
    example: str
    options: tuple[Callable[[argparse.ArgumentParser], None], ...] = ()
    text: str | None = None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. The exit status: 0, 1 after an error, 2 for wrong usage, 130 when interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")     # a terminal without ± still gets its answer
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except (Error, OSError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        sys.stdout.flush()
        print(_told(error, getattr(options, "json", False)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; what was charged stays charged", file=sys.stderr)
        return 130
    return status


def _told(error: Error | OSError, as_json: bool) -> str:
    from dpsql.doors.formats import dumped
    from dpsql.doors.screen import screen

    if not as_json:
        return screen(sys.stderr).told(error)
    found: dict[str, object] = {"error": type(error).__name__, "reason": str(error)}
    if isinstance(error, QueryError):
        found |= {"reason": error.reason, "hint": error.hint, "start": error.start, "end": error.end}
    return dumped(found)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(prog="dpsql", description=DESCRIPTION, epilog=of.ENVIRONMENT, formatter_class=raw)
    top.add_argument("--version", action="version", version=f"dpsql {_version()}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        epilog = f"example:\n  {command.example}"
        if of.files in command.options:
            epilog += f"\n\n{of.ENVIRONMENT}"
        text = command.text or f"{command.help[0].upper()}{command.help[1:]}."
        added = commands.add_parser(
            command.name, help=command.help, description=text, epilog=epilog, formatter_class=raw)
        for add in command.options:
            add(added)
        added.set_defaults(run=command.run)
    return top


def _demo(options: argparse.Namespace) -> int:
    from dpsql.doors.demo import demo

    return demo()


def _init(options: argparse.Namespace) -> int:
    from dpsql.doors.formats import dumped
    from dpsql.doors.init import init_text

    with _engine(Path(options.database)) as engine:
        text = init_text(engine.schema)
    if options.output is not None:
        try:
            with open(options.output, "x", encoding="utf-8") as file:      # never over a policy that is there
                file.write(text)
        except FileExistsError:
            raise OpenError(f"{options.output} is there already: name another file, or remove it first") from None
    if options.json:
        print(dumped({"policy": text, "written": options.output}))
    elif options.output is None:
        print(text, end="")
    else:
        print(f"wrote {options.output}: read it, fill in what is commented, then run dpsql check")
    return 0


def _check(options: argparse.Namespace) -> int:
    from dpsql.doors.check import check_report
    from dpsql.doors.formats import dumped
    from dpsql.doors.screen import busy, screen
    from dpsql.policy_file import load_policy

    where = place(options.database, options.policy, options.ledger)
    with _engine(where.database) as engine:
        policy = load_policy(where.policy, engine.schema)
        with busy("checking") as say:
            report = check_report(engine, policy, say)
    print(dumped(report.to_dict()) if options.json else report.text(screen(sys.stdout)))
    return 0 if report.holds else 1


def _query(options: argparse.Namespace) -> int:
    from dpsql.doors.formats import formatted
    from dpsql.doors.screen import screen
    from dpsql.doors.wait import wait

    values, sql = parameters(options.param), _sql(options.sql)
    with _session(options) as session:
        answer = wait(
            lambda: session.query(sql, params=values, fresh=options.fresh, **_terms(options)), session.interrupt)
    shape = "json" if options.json else options.format
    if shape == "table":
        print(screen(sys.stdout).answered(answer))
        return 0
    sys.stdout.write(formatted(answer, shape))
    sys.stdout.flush()
    for line in (*answer.notes(), answer.bill()) if shape != "json" else ():      # JSON holds them
        print(line, file=sys.stderr)
    return 0


def _explain(options: argparse.Namespace) -> int:
    from dpsql.doors.formats import dumped

    values = parameters(options.param)
    with _session(options) as session:
        explained = session.explain(_sql(options.sql), params=values, **_terms(options))
    print(dumped(asdict(explained)) if options.json else explained)
    return 0


def _budget(options: argparse.Namespace) -> int:
    from dpsql.doors.budget import Order, budget

    action = "verify" if options.verify or options.head else options.action
    print(budget(place(options.database, options.policy, options.ledger), Order(
        action, options.value, options.analyst, options.epsilon, options.delta, options.head, options.json)))
    return 0


def _shell(options: argparse.Namespace) -> int:
    from dpsql.doors.shell import shell

    amounts = [f"{name}={value}" for name in ("error", "level") if (value := getattr(options, name)) is not None]
    quality = ["quality=on"] * options.quality
    given = [f"format={options.format}", f"dialect={options.dialect}", *amounts, *quality, *options.set]
    settings = [text.replace("=", " ", 1) for text in given]
    with _session(options) as session:
        return shell(session, _analyst(options), options.epsilon, options.delta, settings)


def _serve(options: argparse.Namespace) -> int:
    from dpsql.doors.serve.command import run_serve

    return run_serve(options)


def _user(options: argparse.Namespace) -> int:
    from dpsql.doors.serve.command import run_user

    return run_user(options)


def _completion(options: argparse.Namespace) -> int:
    from dpsql.doors.completion import completion

    print(completion(parser(), options.shell), end="")
    return 0


COMMANDS = (
    Command("demo", _demo, "a story with five questions; needs no files and no network", "dpsql demo"),
    Command(
        "init", _init, "write a first policy from a database's schema (never from its data)",
        "dpsql init hospital.duckdb -o policy.toml", (of.source, of.json),
    ),
    Command(
        "check", _check, "tell the owner whether the data keeps what the policy claims",
        "dpsql check -d hospital.duckdb -p policy.toml", (of.files, of.json),
        "For the owner's eyes only: what it prints is exact and private. The exit status\n"
        "is 1 when something must be mended.",
    ),
    Command(
        "query", _query, "answer one query privately",
        "dpsql query \"SELECT COUNT(*) FROM visits\" -d hospital.duckdb -a alice",
        (of.question, of.dialect, of.files, of.price, of.exactness, of.resources, of.fresh, of.shape, of.json),
    ),
    Command(
        "explain", _explain, "show what a query would run and cost; touches no data",
        "dpsql explain \"SELECT AVG(age) FROM patients WHERE sex = ?\" --param female",
        (of.question, of.dialect, of.files, of.price, of.exactness, of.resources, of.json),
    ),
    Command(
        "budget", _budget, "what was spent and what is left; the owner raises, backs up and moves it",
        "dpsql budget raise -e 5 --analyst alice -d hospital.duckdb", (of.account, of.files, of.json), BUDGET,
    ),
    Command(
        "shell", _shell, "talk SQL; also reads statements from a pipe",
        "dpsql shell -d hospital.duckdb -a alice\n  dpsql shell --set ON_ERROR_STOP=on --format csv < report.sql",
        (of.files, of.dialect, of.price, of.exactness, of.resources, of.shape, of.settings),
        "Talk SQL; \\help inside lists what there is. From a pipe it reads statements and\n"
        "commands; the exit status is then 1 when any failed, 3 when ON_ERROR_STOP ended\nit at the first that did.",
    ),
    Command(
        "serve", _serve, "let every client of PostgreSQL ask: psql, drivers, BI tools",
        "dpsql serve -d hospital.duckdb -p policy.toml -u users --tls-cert server.pem --tls-key server.key --host ::",
        (of.server,), SERVE,
    ),
    Command(
        "user", _user, "who may log in to a server: add, remove, list",
        "dpsql user add alice --users users", (of.user,),
        "A user logs in with SCRAM-SHA-256; the file keeps verifiers, not passwords, and\n"
        "only its owner may read it. Adding a user who is there gives a new password.",
    ),
    Command(
        "completion", _completion, "print what makes bash or zsh complete dpsql's words",
        "dpsql completion bash > ~/.local/share/bash-completion/completions/dpsql\n"
        "  dpsql completion zsh > ~/.zfunc/_dpsql        (a folder of your $fpath)", (of.shell,),
    ),
)


@contextmanager
def _engine(database: Path | duckdb.DuckDBPyConnection) -> Iterator[Engine]:
    from dpsql.engines.base import open_engine

    engine = open_engine(database)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def _session(options: argparse.Namespace) -> Iterator[Session]:
    from dpsql.session import Session

    where = place(options.database, options.policy, options.ledger)
    with Session(
        where.database, where.policy, where.ledger, isolated=options.isolated, deadline=options.deadline,
        pad=options.pad,
    ) as session:
        yield session


def _terms(options: argparse.Namespace) -> Terms:
    """Who asks, at what price, how right it is to be, and in whose SQL."""
    return {
        "analyst": _analyst(options), "epsilon": options.epsilon, "delta": options.delta, "error": options.error,
        "level": options.level, "quality": options.quality, "dialect": options.dialect,
    }


def _analyst(options: argparse.Namespace) -> str | None:
    analyst: str | None = options.analyst or os.environ.get("DPSQL_ANALYST") or None
    return analyst


def _sql(text: str) -> str:
    return sys.stdin.read().rstrip() if text == "-" else text


def _version() -> str:
    from dpsql import __version__

    return __version__
