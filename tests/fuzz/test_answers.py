"""Random queries are answered end to end: no data makes one fail, and exact ones say what plain DuckDB says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_worlds import EXAMPLES, POLICY, PUB, TABLES, Database, World, databases, plain

from dpsql import run as running
from dpsql.engines.base import Rows
from dpsql.engines.duckdb import PINNED
from dpsql.errors import QueryError
from dpsql.release import ReleasedTable
from dpsql.session import Session
from dpsql.statement import Statement
from tests.fuzz.lengths import examples, for_minutes
from tests.fuzz.query_words import Written, queries

Opened = tuple[Session, World]
HUGE = 1e9           # epsilon: counts and sums of integers are then exact
ASKED = (HUGE, 1.0, 0.01)
GENEROUS = (
    POLICY.replace("epsilon = 1000\ndelta = 0.5", "epsilon = 1e15\ndelta = 0.999\n[query]\ndelta = 1e-8")
    .replace("max_groups = 2\nmax_rows_per_group = 2", "max_groups = 200\nmax_rows_per_group = 200")
    .replace("max_rows_per_group = 3", "max_rows_per_group = 200")
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """A session over the small schema, and the connection that fills it."""
    folder = tmp_path_factory.mktemp("answers")
    Path(folder / "policy.toml").write_text(GENEROUS)
    with duckdb.connect(":memory:", config={"threads": 1}) as connection:
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.executemany("INSERT INTO pub VALUES (?, ?, ?)", PUB["keyed"])
        connection.execute(f"SET {PINNED[0]}")      # the optimizers that a file's database does without
        with Session(connection, folder / "policy.toml", folder / "ledger") as opened:
            yield opened, World(connection, opened.catalog)


@st.composite
def tame(draw: st.DrawFn) -> Database:
    """A database within its policy's ranges, where every row belongs to somebody, and everybody has a twin."""
    def some(*values: Any) -> Any:
        return draw(st.sampled_from(values))

    units = [(u, some("a", "b"), some(-1.0, 0.5, 2.0), some(0, 1, 5, None), some(1, 2, None), some("2020-02-29", None))
             for u in range(1, draw(st.integers(2, 5)))]
    orders = [(o, some(*(row[0] for row in units)), some("a", "b", "A", "", None), some(0, 1, 4, None),
               some("0.00", "1.25", None), some(1, 2, None), some(1, 2, 9, None))
              for o in range(draw(st.integers(0, 8)))]
    items = [(i, some(*(row[0] for row in orders)), some(1, 2, None), some(0, 3, 10, None), some(0.0, 0.5, None),
              some(True, False, None), some(None, [], [1, 2], [2, 2]))
             for i in range(draw(st.integers(0, 8)) if orders else 0)]
    twins = 100
    return {
        "units": [*units, *((row[0] + twins, *row[1:]) for row in units)],
        "orders": [*orders, *((row[0] + twins, row[1] + twins, *row[2:]) for row in orders)],
        "items": [*items, *((row[0] + twins, row[1] + twins, *row[2:]) for row in items)],
    }


def answered(length: settings) -> Callable[[Opened], None]:
    """Queries over hostile rows, at any epsilon: a plan that was accepted gives an answer."""

    # clumsy=0: DuckDB compares released text with numbers by a cast that may raise, on released values alone
    @length
    @given(queries(clumsy=0), databases("loose"), st.sampled_from(ASKED))
    def run(session: Opened, written: Written, database: Database, epsilon: float) -> None:
        opened, here = session
        here.load({name: rows for name, rows in database.items() if name != "pub"})
        try:
            opened.plan(written.sql, params=written.params, epsilon=epsilon)
        except QueryError:
            return
        answer = opened.query(written.sql, params=written.params, epsilon=epsilon, fresh=True)
        assert all(len(row) == len(answer.columns) for row in answer.rows)

    return run


def compared(length: settings) -> Callable[[Opened], None]:
    """Queries of counts and whole numbers over tame rows: the answer is that of plain DuckDB."""

    @length
    @given(queries(plain=True), tame())
    def run(session: Opened, written: Written, database: Database) -> None:
        opened, here = session
        here.load(database)
        try:
            opened.plan(written.sql, params=written.params, epsilon=HUGE)
            found = here.connection.execute(written.sql, written.params)
        except (QueryError, duckdb.Error):
            return
        names, rows = tuple(column[0] for column in found.description or ()), found.fetchall()
        with alone() as lonely:
            answer = opened.query(written.sql, params=written.params, epsilon=HUGE, fresh=True)
        assert answer.columns == names
        if not any(lonely):         # by a number of orders, say, which no twin shares: such a group is not shown
            assert Counter(map(_plain, answer.rows)) == Counter(map(_plain, rows))

    return run


@contextmanager
def alone() -> Iterator[list[bool]]:
    """Of each statement that queries run within, whether a private group of it is a single unit's."""
    found: list[bool] = []

    def release(statement: Statement, rows: Rows, *tables: Rows) -> ReleasedTable:
        found.append(statement.chosen is not None and any(row[-1] == 1 for row in rows.values))
        return releasing(statement, rows, *tables)

    releasing = running.release
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "release", release)
        yield found


def _plain(row: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(map(plain, row))


test_every_accepted_query_is_answered = answered(examples(2 * EXAMPLES))
test_exact_answers_are_those_of_plain_sql = compared(examples(2 * EXAMPLES))


@pytest.mark.fuzz
def test_answers_for_minutes(session: Opened) -> None:
    for_minutes(answered)(session)


@pytest.mark.fuzz
def test_exact_answers_for_minutes(session: Opened) -> None:
    for_minutes(compared)(session)
