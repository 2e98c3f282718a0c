"""The statements that a connection understands. A query's text is left to the session."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the session. `sql` stands `offset` characters inside the text sent; `holes[i]` is the number of
    the parameter at the i-th ? of `sql`."""

    sql: str
    offset: int = 0
    holes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Explain:
    """EXPLAIN of a query."""

    query: Query


@dataclass(frozen=True, slots=True)
class CopyForm:
    """How COPY writes: text, or csv with its signs. `null` stands for NULL."""

    csv: bool = False
    header: bool = False
    delimiter: str = "\t"
    null: str = "\\N"
    quote: str = '"'
    escape: str = '"'


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY (query) TO STDOUT."""

    query: Query
    form: CopyForm


@dataclass(frozen=True, slots=True)
class Declare:
    """DECLARE of a cursor; `hold`: it outlives its transaction."""

    name: str
    query: Query
    binary: bool
    hold: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH or MOVE. `mode` is "relative" (by `count` rows, handing them out) or "absolute" (one row, by number; from
    the end when negative) or "step" (one row, `count` further); `count` None is all; `back` turns it round."""

    name: str
    mode: str = "relative"
    count: int | None = 1
    back: bool = False
    moves: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """CLOSE of a cursor; None: of all."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Transaction:
    """BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE, "ROLLBACK TO"."""

    verb: str
    savepoint: str = ""
    chain: bool = False


@dataclass(frozen=True, slots=True)
class Set:
    """SET; `value` None is DEFAULT; `local`: until the transaction ends."""

    name: str
    value: str | None
    local: bool = False


@dataclass(frozen=True, slots=True)
class Show:
    """SHOW of a setting, of "all", or of "dpsql.budget"."""

    name: str


@dataclass(frozen=True, slots=True)
class Done:
    """Something that needs nothing but its tag: `forget` says what it clears (a name of a prepared statement, "*" all;
    "all" with it: everything of the connection)."""

    tag: str
    forget: str | None = None


Command = Query | Explain | Copy | Declare | Fetch | Close | Transaction | Set | Show | Done


