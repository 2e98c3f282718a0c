"""The command `dpsql`: one subcommand a function, all of them thin over `Session`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from dpsql.doors.parameters import parameters
from dpsql.doors.place import place
from dpsql.errors import Error

if TYPE_CHECKING:
    import duckdb

    from dpsql.engines.base import Engine
    from dpsql.session import Session

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DESCRIPTION = """\
Differentially private SQL: ordinary queries in, noisy answers with error bars and a durable budget out.

first steps:
  dpsql demo                       a story with five questions; needs no files
  dpsql init hospital.duckdb       write a first policy from a database's schema
  dpsql check -d hospital.duckdb   tell the owner whether the data keeps what the policy claims
  dpsql query "SELECT ..."         a private answer
  dpsql shell                      many of them"""

ACTIONS = ("show", "entries", "verify", "raise", "backup", "move", "restore")
BUDGET = """\
show              the ledger's id, limits, what is spent and left, the last entries
entries           the whole history
verify            check the file and its sums
raise -e N        set the policy's limit; with --analyst NAME, that analyst's
backup FILE       copy it; a backup cannot be charged
move FILE         move it; the old file only says where it went
restore FILE      make a ledger of a backup"""

ENVIRONMENT = (
    "Options left out come from DPSQL_DATABASE, DPSQL_POLICY (then policy.toml beside the\n"
    "database), DPSQL_LEDGER and DPSQL_ANALYST."
)


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
        print(f"error: {_told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted; what was charged stays charged", file=sys.stderr)
        return 130
    return status


def _told(error: Error | OSError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="dpsql", description=DESCRIPTION, epilog=ENVIRONMENT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--version", action="version", version=f"dpsql {_version()}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _owner_commands(commands)
    _analyst_commands(commands)
    return top


def _owner_commands(commands: Commands) -> None:
    files = _files()
    demo = commands.add_parser("demo", help="a story with five questions; needs no files and no network")
    demo.set_defaults(run=_demo)

    init = commands.add_parser("init", help="write a first policy from a database's schema (never from its data)")
    init.add_argument("database", help="a DuckDB file or a folder of Parquet or CSV files")
    init.add_argument("--output", "-o", metavar="FILE", help="where to write it (default: print it)")
    init.set_defaults(run=_init)

    check = commands.add_parser(
        "check", parents=[files], help="tell the owner whether the data keeps what the policy claims",
        description="For the owner's eyes only: what it prints is exact and private.", epilog=ENVIRONMENT,
    )
    check.set_defaults(run=_check)

    budget = commands.add_parser(
        "budget", parents=[files], help="what was spent and what is left; the owner raises, backs up and moves it",
        description=BUDGET, epilog=ENVIRONMENT, formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    budget.add_argument("action", nargs="?", choices=ACTIONS, default="show", metavar="ACTION", help="default: show")
    budget.add_argument("file", nargs="?", metavar="FILE", help="for backup, move and restore")
    budget.add_argument("--epsilon", "-e", type=_exact, metavar="N", help="the new limit (raise)")
    budget.add_argument("--delta", type=_exact, metavar="N", help="the new limit (raise)")
    budget.set_defaults(run=_budget)


def _analyst_commands(commands: Commands) -> None:
    files, price, params = _files(), _price(), _params()
    query = commands.add_parser(
        "query", parents=[files, price, params], help="answer one query privately", epilog=ENVIRONMENT
    )
    query.add_argument("sql", metavar="SQL", help="the query; - reads it from standard input")
    query.add_argument("--fresh", action="store_true", help="buy a new answer even if this one was bought before")
    query.add_argument("--format", choices=("table", "csv", "json"), default="table", help="default: table")
    query.set_defaults(run=_query)

    explain = commands.add_parser(
        "explain", parents=[files, price, params], epilog=ENVIRONMENT,
        help="show what a query would run and cost; touches no data",
    )
    explain.add_argument("sql", metavar="SQL", help="the query; - reads it from standard input")
    explain.set_defaults(run=_explain)

    talk = commands.add_parser(
        "shell", parents=[files, price], help="talk SQL; also reads statements from a pipe", epilog=ENVIRONMENT
    )
    talk.set_defaults(run=_shell)


def _files() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--database", "-d", metavar="PATH", help="a DuckDB file or a folder of Parquet or CSV files")
    options.add_argument("--policy", "-p", metavar="FILE", help="the owner's policy (TOML)")
    options.add_argument("--ledger", "-l", metavar="FILE", help="the budget's file (default: beside the database)")
    options.add_argument("--analyst", "-a", metavar="NAME", help="whose budget is charged")
    return options


def _price() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    help_ = "what a query may cost (default: the policy's)"
    options.add_argument("--epsilon", "-e", type=float, metavar="N", help=help_)
    options.add_argument("--delta", type=float, metavar="N", help=help_)
    return options


def _params() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "--param", action="append", default=[], metavar="[NAME=]VALUE",
        help="a value for the next ?, or for $NAME; a number, true, false, null, a date, or text; repeatable",
    )
    return options


def _demo(options: argparse.Namespace) -> int:
    from dpsql.doors.demo import demo

    return demo()


def _init(options: argparse.Namespace) -> int:
    from dpsql.doors.init import init_text

    with _engine(Path(options.database)) as engine:
        text = init_text(engine.schema)
    if options.output is None:
        print(text, end="")
        return 0
    with open(options.output, "x", encoding="utf-8") as file:      # never over a policy that is there
        file.write(text)
    print(f"wrote {options.output}: read it, fill in what is commented, then run dpsql check")
    return 0


def _check(options: argparse.Namespace) -> int:
    from dpsql.doors.check import check_report
    from dpsql.policy_file import load_policy

    where = place(options.database, options.policy, options.ledger)
    with _engine(where.database) as engine:
        report = check_report(engine, load_policy(where.policy, engine.schema))
    print(report.text)
    return 0 if report.holds else 1


def _query(options: argparse.Namespace) -> int:
    from dpsql.doors.formats import to_csv, to_json

    values = parameters(options.param)
    with _session(options) as session:
        answer = session.query(
            _sql(options.sql), analyst=_analyst(options), epsilon=options.epsilon, delta=options.delta,
            params=values, fresh=options.fresh,
        )
    if options.format == "table":
        print(answer.show())
        return 0
    sys.stdout.write(to_csv(answer) if options.format == "csv" else to_json(answer))
    sys.stdout.flush()
    for line in (*(f"warning: {text}" for text in answer.warnings), answer.bill()):
        print(line, file=sys.stderr)
    return 0


def _explain(options: argparse.Namespace) -> int:
    values = parameters(options.param)
    with _session(options) as session:
        print(session.explain(
            _sql(options.sql), analyst=_analyst(options), epsilon=options.epsilon, delta=options.delta, params=values
        ))
    return 0


def _budget(options: argparse.Namespace) -> int:
    from dpsql.doors.budget import budget

    print(budget(
        place(options.database, options.policy, options.ledger), options.action, options.file,
        analyst=options.analyst, epsilon=options.epsilon, delta=options.delta,
    ))
    return 0


def _shell(options: argparse.Namespace) -> int:
    from dpsql.doors.shell import shell

    with _session(options) as session:
        return shell(session, _analyst(options), options.epsilon, options.delta)


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
    with Session(where.database, where.policy, where.ledger) as session:
        yield session


def _exact(text: str) -> Fraction:
    try:
        return Fraction(Decimal(text))
    except (ArithmeticError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _analyst(options: argparse.Namespace) -> str | None:
    analyst: str | None = options.analyst or os.environ.get("DPSQL_ANALYST") or None
    return analyst


def _sql(text: str) -> str:
    return sys.stdin.read() if text == "-" else text


def _version() -> str:
    from dpsql import __version__

    return __version__
