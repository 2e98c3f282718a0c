"""The options that several commands share."""

from __future__ import annotations

import argparse
from decimal import Decimal
from fractions import Fraction

from dpsql.doors.formats import NAMES

ACTIONS = ("show", "entries", "verify", "raise", "split", "period", "backup", "move", "restore")   # of budget
ENVIRONMENT = (
    "Options left out come from DPSQL_DATABASE, DPSQL_POLICY (then policy.toml beside\n"
    "the database), DPSQL_LEDGER and DPSQL_ANALYST."
)


def files(parser: argparse.ArgumentParser) -> None:
    """Where database, policy and ledger are, and who asks."""
    parser.add_argument("--database", "-d", metavar="PATH", help="a DuckDB file or a folder of Parquet or CSV files")
    parser.add_argument("--policy", "-p", metavar="FILE", help="the owner's policy (TOML)")
    parser.add_argument("--ledger", "-l", metavar="FILE", help="the budget's file (default: beside the database)")
    parser.add_argument("--analyst", "-a", metavar="NAME", help="who asks: whose budget it is")


def price(parser: argparse.ArgumentParser) -> None:
    """What a query may cost."""
    help_ = "what a query may cost (default: the policy's)"
    parser.add_argument("--epsilon", "-e", type=float, metavar="N", help=help_)
    parser.add_argument("--delta", type=float, metavar="N", help=help_)


def exactness(parser: argparse.ArgumentParser) -> None:
    """How right an answer is to be, and what it says of that."""
    parser.add_argument("--error", type=float, metavar="N",
                        help="in place of --epsilon: the least that gives counts and sums within +-N")
    parser.add_argument("--level", type=float, metavar="N",
                        help="the confidence of intervals (default: 0.95)")
    parser.add_argument("--quality", action="store_true",
                        help="also buy how much caps, limits and clips cut, for a tenth of the epsilon, and intervals "
                             "of quantiles, for half of what each costs")


def resources(parser: argparse.ArgumentParser) -> None:
    """What a query may use."""
    parser.add_argument("--isolated", action="store_true", help="run it in a child process that can be killed")
    parser.add_argument("--deadline", type=float, metavar="SECONDS", help="end it then (default: 60 when isolated)")
    parser.add_argument("--pad", type=float, metavar="SECONDS", help="hold its answer to a whole multiple of these")


def question(parser: argparse.ArgumentParser) -> None:
    """The query and its parameters."""
    parser.add_argument("sql", metavar="SQL", help="the query; - reads it from standard input")
    parser.add_argument(
        "--param", action="append", default=[], metavar="[NAME=]VALUE",
        help="a value for the next ?, or for $NAME; a number, true, false, null, a date, or text; repeatable",
    )


def dialect(parser: argparse.ArgumentParser) -> None:
    """Whose SQL is read."""
    parser.add_argument(
        "--dialect", default="duckdb", metavar="NAME",
        help="whose SQL it is: duckdb, postgres, snowflake, bigquery, ...",
    )


def shape(parser: argparse.ArgumentParser) -> None:
    """How an answer is printed."""
    parser.add_argument("--format", choices=NAMES, default="table", help="default: table")


def json(parser: argparse.ArgumentParser) -> None:
    """JSON for programs."""
    parser.add_argument("--json", action="store_true", help="print JSON; an error is a JSON object on standard error")


def fresh(parser: argparse.ArgumentParser) -> None:
    """No replay."""
    parser.add_argument("--fresh", action="store_true", help="buy a new answer even if this one was bought before")


def settings(parser: argparse.ArgumentParser) -> None:
    """The shell's settings."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="a setting, as \\set in the shell makes it: ON_ERROR_STOP=on, timing=on; repeatable",
    )


def source(parser: argparse.ArgumentParser) -> None:
    """What a first policy is written for, and where."""
    parser.add_argument("database", metavar="DATABASE", help="a DuckDB file or a folder of Parquet or CSV files")
    parser.add_argument("--output", "-o", metavar="FILE", help="where to write it (default: print it)")


def shell(parser: argparse.ArgumentParser) -> None:
    """Which shell completes."""
    parser.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="bash or zsh")


def account(parser: argparse.ArgumentParser) -> None:
    """What `dpsql budget` does."""
    parser.add_argument("action", nargs="?", choices=ACTIONS, default="show", metavar="ACTION", help="default: show")
    parser.add_argument("value", nargs="?", metavar="VALUE", help="a file, days or parts, as above")
    parser.add_argument("--epsilon", "-e", type=exact, metavar="N", help="the new limit (raise)")
    parser.add_argument("--delta", type=exact, metavar="N", help="the new limit (raise)")
    parser.add_argument("--verify", action="store_true", help="the same as the action verify")
    parser.add_argument("--head", metavar="HEAD", help="a head printed earlier and kept elsewhere (verify)")


def exact(text: str) -> Fraction:
    """A decimal number, exactly."""
    try:
        return Fraction(Decimal(text))
    except (ArithmeticError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def server(parser: argparse.ArgumentParser) -> None:
    """The options of `dpsql serve`."""
    parser.add_argument("--config", "-c", metavar="FILE", help="the server's TOML file; options here go first")
    parser.add_argument("--database", "-d", metavar="PATH", help="a DuckDB file or a folder of Parquet or CSV files")
    parser.add_argument("--policy", "-p", metavar="FILE", help="the owner's policy (TOML)")
    parser.add_argument("--ledger", "-l", metavar="FILE", help="the budget's file (default: beside the database)")
    parser.add_argument("--users", "-u", metavar="FILE", help="who may log in, made by `dpsql user`")
    parser.add_argument("--host", metavar="NAME", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="N", help="default: 5432; 0 for a free one, which the log tells")
    parser.add_argument("--tls-cert", metavar="FILE", help="the certificate and its chain (PEM)")
    parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
    parser.add_argument("--deadline", type=float, metavar="SECONDS", help="end a query then (default: 60)")
    parser.add_argument("--pad", type=float, metavar="SECONDS", help="hold its answer to a whole multiple of these")


def user(parser: argparse.ArgumentParser) -> None:
    """The options of `dpsql user`."""
    parser.add_argument("action", choices=("add", "remove", "list"), metavar="ACTION", help="add, remove or list")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the user, who is the analyst of that name")
    parser.add_argument("--users", "-u", required=True, metavar="FILE", help="the users' file")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
