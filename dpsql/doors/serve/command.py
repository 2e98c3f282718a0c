"""The commands `dpsql serve` and `dpsql user`."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import sys
from pathlib import Path

from dpsql.doors.serve.config import read_config
from dpsql.doors.serve.log import Log
from dpsql.doors.serve.users import add_user, read_users, remove_user, require_place
from dpsql.errors import InterfaceError, OpenError


def run_serve(options: argparse.Namespace) -> int:
    """`dpsql serve`: runs until it is told to stop."""
    names = ("database", "policy", "ledger", "users", "host", "port", "tls_cert", "tls_key", "deadline", "pad")
    config = read_config(
        None if options.config is None else Path(options.config), {name: getattr(options, name) for name in names})
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)     # it would log the text of odd queries
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    from dpsql.doors.serve.server import serve

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve(config, Log()))
    return 0


def run_user(options: argparse.Namespace) -> int:
    """`dpsql user add|remove|list`."""
    path = Path(options.users).expanduser()
    if options.action == "list":
        print("".join(f"{name}\n" for name in sorted(read_users(path))), end="")
        return 0
    if options.name is None:
        raise InterfaceError(f"say who: dpsql user {options.action} NAME --users {options.users}")
    if options.action == "remove":
        remove_user(path, options.name)
        print(f"removed {options.name}; a server that runs forgets them at SIGHUP")
        return 0
    require_place(path, options.name)
    new = add_user(path, options.name, _password(options.password_stdin))
    print(f"{'added' if new else 'gave a new password to'} {options.name}; a server that runs hears of it at SIGHUP")
    return 0


def _password(piped: bool) -> str:
    if piped:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise InterfaceError("there is no terminal to ask for a password: --password-stdin reads it from a pipe")
    password = getpass.getpass("password: ")
    if getpass.getpass("once more: ") != password:
        raise OpenError("the two passwords differ")
    return password
