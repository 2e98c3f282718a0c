"""Below the noise everything is a function of the set of rows: shuffled rows and more threads change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import duckdb
import pytest
from owned_sources import OWNED
from small_worlds import PUB, TABLES, World, bag, opened

from dpsql.budget.events import Cost
from dpsql.errors import QueryError
from dpsql.pipeline import planned
from dpsql.relation import Relation, columns_out

_ROWS = """
INSERT INTO units SELECT i, ['a', 'b', NULL][1 + i % 3], (i * 37 % 1000) / 7.0 - 60, i % 9 - 3, i % 4, DATE '2020-01-01'
  FROM range(700) t(i) ORDER BY hash(i + {seed});
INSERT INTO orders SELECT i, i * 13 % 700, ['a', 'b', 'zzz', 'A'][1 + i % 4], i % 5, i % 400 / 100, i % 4, i % 7
  FROM range(4000) t(i) ORDER BY hash(i + {seed});
INSERT INTO items SELECT i, i * 7 % 4000, i % 5, i % 11, (i * 31 % 1009) / 1009.0, i % 3 = 0, [i % 4, i % 3]
  FROM range(12000) t(i) ORDER BY hash(i + {seed});
"""


@pytest.fixture(scope="module")
def worlds() -> Iterator[list[World]]:
    """The same rows in three orders, read by 1, 2 and 4 threads."""
    connections = [duckdb.connect(":memory:", config={"threads": threads}) for threads in (1, 2, 4)]
    for seed, connection in enumerate(connections):
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
        connection.executemany("INSERT INTO pub VALUES (?, ?, ?)", PUB["keyed"])
        connection.execute(_ROWS.format(seed=seed))
    yield [opened(connection, "keyed") for connection in connections]
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("source", OWNED, ids=[f"{i}" for i in range(len(OWNED))])
def test_the_order_of_rows_changes_nothing(source: str, worlds: list[World]) -> None:
    for condition in ("", *(f" WHERE {text}" for text in OWNED[source][2] if "SELECT" in text)):
        relation = _rows(f"SELECT COUNT(*) FROM {source}{condition}", worlds[0])
        if relation is not None:
            first, *others = (bag(here.rows(relation)) for here in worlds)
            assert all(found == first for found in others), columns_out(relation)


def _rows(text: str, here: World) -> Relation | None:
    """The owned rows a query reads; None when it is refused."""
    try:
        plan = planned(text, here.catalog, Cost(Fraction(1), Fraction(1, 100)), here.public, here.typed)
    except QueryError:
        return None
    return plan.statements[0].question.ask.rows
