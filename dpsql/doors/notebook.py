"""The magic of notebooks: `%load_ext dpsql`, then `%dpsql --database ...` and cells that begin with `%%dpsql`."""

from __future__ import annotations

import atexit
import shlex
from argparse import BooleanOptionalAction, Namespace
from typing import TYPE_CHECKING, Any

from dpsql.doors.parameters import parameters
from dpsql.doors.place import place

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.magic_arguments import MagicArgumentParser

    from dpsql.doors.terms import Terms
    from dpsql.session import Session

def load_ipython_extension(shell: InteractiveShell) -> None:
    """Adds the magic `dpsql`, of lines and of cells, to IPython and Jupyter. Called by `%load_ext dpsql`."""
    desk = Desk(shell)
    atexit.register(desk.close)
    register: Any = shell.register_magic_function       # typed as a function without self
    register(desk.dpsql, "line_cell", "dpsql")


class Desk:
    """The session of one notebook, its analyst and its price per query."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._session: Session | None = None
        self._defaults = Namespace()        # the options that it was opened with

    def dpsql(self, line: str, cell: str | None = None) -> object:
        """Private answers to SQL.

        %dpsql --database hospital.duckdb [--policy FILE] [--ledger FILE] [--analyst NAME] [options]
            opens a database, with options for every cell; what is left out comes from DPSQL_DATABASE and so on.
        %dpsql
            the tables, and what is left of the budget.
        %%dpsql [NAME] [options] [--param [KEY=]VALUE]... [--fresh] [--explain]
            answers the cell, and keeps the answer as the variable NAME.

        The options of both; those of a cell go first:
        --epsilon N, --delta N   what a query may cost (default: the policy's)
        --error N                in place of --epsilon: the least that gives counts and sums within +-N
        --level N                the confidence of intervals (default: 0.95)
        --quality                also buy how much caps, limits and clips cut, for a tenth of the epsilon, and intervals
                                 of quantiles, for half of what each costs; --no-quality: a cell without
        --dialect NAME           whose SQL it is: duckdb, postgres, snowflake, bigquery, ...
        """
        options = _options(line, cell is not None)
        if cell is None:
            if any(value is not None for value in vars(options).values()):
                self._open(options)
            print(self._told())
            return None
        return self._asked(cell, options)

    def close(self) -> None:
        """Closes the session, if one is open."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def _open(self, options: Namespace) -> Session:
        from dpsql.session import Session

        where = place(options.database, options.policy, options.ledger, options.analyst)
        opened = Session(where.database, where.policy, where.ledger)
        self.close()
        self._session = opened
        self._defaults = options
        self._defaults.analyst = where.analyst
        return opened

    def _opened(self) -> Session:
        return self._session or self._open(_options("", False))

    def _told(self) -> str:
        from dpsql.doors.describe import described
        from dpsql.doors.screen import Screen

        session = self._opened()
        return f"{described(session.tables(), Screen())}\n\nepsilon {session.balance(self._defaults.analyst)}"

    def _asked(self, sql: str, options: Namespace) -> object:
        session, values = self._opened(), parameters(options.param)
        terms = _terms(options, self._defaults)
        if options.explain:
            print(session.explain(sql, params=values, **terms))
            return None
        answer = session.query(sql, params=values, fresh=options.fresh, **terms)
        if options.name is not None:
            self._shell.user_ns[options.name] = answer
        return answer


def _terms(cell: Namespace, every: Namespace) -> Terms:
    """What goes along with a cell: its own options, else those of every cell; its own price is one or the other."""
    priced = every if cell.epsilon is None and cell.error is None else cell
    given = {name: value for each in (every, cell) for name, value in vars(each).items() if value is not None}
    return {
        "analyst": every.analyst, "epsilon": priced.epsilon, "delta": given.get("delta"), "error": priced.error,
        "level": given.get("level"), "quality": given.get("quality", False), "dialect": given.get("dialect", "duckdb"),
    }


def _options(line: str, cell: bool) -> Namespace:
    """The options of a magic's first line. UsageError, which IPython prints without a traceback."""
    from IPython.core.error import UsageError

    try:
        words = shlex.split(line)
    except ValueError:
        raise UsageError("a quote is not closed") from None
    options: Namespace = _parser(cell).parse_args(words)
    if cell and options.name is not None and not options.name.isidentifier():
        raise UsageError(f"{options.name} cannot be the name of a variable; write the query below this line")
    return options


def _parser(cell: bool) -> MagicArgumentParser:
    from IPython.core.magic_arguments import MagicArgumentParser

    parser = MagicArgumentParser()  # type: ignore[no-untyped-call]
    parser.add_argument("--epsilon", "-e")
    for name in ("delta", "error", "level", "dialect"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--quality", action=BooleanOptionalAction)
    if cell:
        parser.add_argument("name", nargs="?")
        parser.add_argument("--param", action="append", default=[])
        parser.add_argument("--fresh", action="store_true")
        parser.add_argument("--explain", action="store_true")
    else:
        for name in ("database", "policy", "ledger", "analyst"):
            parser.add_argument(f"--{name}", f"-{name[0]}")
    return parser
