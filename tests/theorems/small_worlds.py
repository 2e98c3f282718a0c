"""Small databases with everything that breaks a careless proof, and their neighbours: one unit removed.

`units` carries the unit, `orders` refers to it, `items` to an order; `pub` is public. There are duplicates, NULL keys
and owners, orphans, NaN, infinities and extreme integers; keys hold (`KEYED`) or are not believed and broken (`LOOSE`).
"""

from __future__ import annotations

import atexit
import math
import os
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from hypothesis import strategies as st

from dpsql.catalog import Catalog
from dpsql.engines.catalog import read_schema, sql_type
from dpsql.errors import QueryError
from dpsql.expression import SqlType
from dpsql.policy_file import load_policy
from dpsql.relation import Relation
from dpsql.render import render_with

TABLES = {
    "units": "u BIGINT, grp VARCHAR, x DOUBLE, n INTEGER, home INTEGER, day DATE",
    "orders": "o BIGINT, u BIGINT, kind VARCHAR, v INTEGER, d DECIMAL(10, 2), p INTEGER, ref BIGINT",
    "items": "i BIGINT, o BIGINT, p INTEGER, q BIGINT, w DOUBLE, ok BOOLEAN, tags INTEGER[]",
    "pub": "p INTEGER, cat VARCHAR, size INTEGER",
}
POLICY = """
version = "1"
unit = "units"
[budget]
epsilon = 1000
delta = 0.5
[limits]
max_groups = 2
max_rows_per_group = 2
[tables.units]
unit = "u"
columns.grp = { values = ["a", "b"] }
columns.x = { range = [-10, 10] }
columns.n = { range = [-3, 5] }
[tables.orders]
owner = "u -> units.u"
columns.v = { range = [0, 4] }
columns.d = { range = [-1.5, 2.25] }
[tables.items]
owner = "o -> orders.o"
max_rows_per_group = 3
columns.q = { range = [-2, 1000000] }
columns.w = { range = [0, 0.75] }
columns.tags = { values = [1, 2, 3] }
[tables.pub]
public = true
"""
KEYS = {"units": (("u",),), "orders": (("o",), ("u", "kind")), "items": (("i",), ("o", "p")), "pub": (("p",),)}
PUB = {
    "keyed": [(1, "a", 1), (2, "b", 1), (3, None, 2), (None, "c", 2), (None, "c", 3)],
    "loose": [(1, "a", 1), (1, "b", 2), (2, "b", 2), (2, "b", 2), (None, None, None)],
}
MODES = ("keyed", "loose")
EXAMPLES = int(os.environ.get("DPSQL_EXAMPLES", "20"))   # per theorem; thousands find what twenty do not

_ids = st.sampled_from([1, 2, 3, None])
_small = st.sampled_from([0, 1, 2, -1, 5, 2**31 - 1, -(2**31), None])
_big = st.sampled_from([0, 1, -2, 999_999, 2**63 - 1, -(2**63), None])
_float = st.sampled_from([0.0, -0.0, 0.5, -7.25, 1e308, math.inf, -math.inf, math.nan, 5e-324, None])
_text = st.sampled_from(["a", "b", "A", "", "zzz", None])
_money = st.sampled_from(["0.00", "1.25", "-1.50", "99999999.99", "-99999999.99", None])
_days = st.sampled_from(["2020-02-29", "1999-12-31", "0001-01-01", "9999-12-31", None])
_ROWS = {
    "units": st.tuples(_ids, _text, _float, _small, _ids, _days),
    "orders": st.tuples(st.sampled_from([1, 2, 3, 4, 9, None]), _ids, _text, _small, _money, _ids, _ids),
    "items": st.tuples(
        st.sampled_from([1, 2, 3, 4, 5, 6, None]), st.sampled_from([1, 2, 3, 4, 8, None]), _ids, _big, _float,
        st.sampled_from([True, False, None]), st.sampled_from([None, [], [1], [2, 1, 1], [None, 3], [7, 2**31 - 1]]),
    ),
}
Rows = list[tuple[object, ...]]
Database = dict[str, Rows]


@st.composite
def databases(draw: st.DrawFn, mode: str) -> Database:
    """A database whose rows keep the keys where `mode` is keyed; rows with a NULL in the key may repeat."""
    found: Database = {"pub": list(PUB[mode])}
    for name, row in _ROWS.items():
        rows = draw(st.lists(row, max_size=8 if name == "units" else 12))
        found[name] = _keep_keys(name, rows) if mode == "keyed" else rows
    return found


def _keep_keys(name: str, rows: Rows) -> Rows:
    names = [column.split()[0] for column in TABLES[name].split(", ") if " " in column and ")" not in column.split()[0]]
    for key in KEYS[name]:
        places, seen, kept = [names.index(column) for column in key], set(), []
        for row in rows:
            value = tuple(row[place] for place in places)
            if None in value or value not in seen:
                seen.add(value)
                kept.append(row)
        rows = kept
    return rows


def without(database: Database, unit: int) -> Database:
    """The neighbour: no row of `unit`. An item reached by two owners is one row of each; it stays with the other."""
    orders = [row for row in database["orders"] if row[1] != unit]
    lost = {row[0] for row in database["orders"] if row[1] == unit} - {row[0] for row in orders}
    return {
        "units": [row for row in database["units"] if row[0] != unit], "orders": orders,
        "items": [row for row in database["items"] if row[1] is None or row[1] not in lost], "pub": database["pub"],
    }


@dataclass(frozen=True)
class World:
    """An open database of the small schema with its catalog; `load` replaces its rows."""

    connection: duckdb.DuckDBPyConnection
    catalog: Catalog
    # by identity: the relation is kept alive
    printed: dict[int, tuple[Relation, str, frozenset[str]]] = field(default_factory=dict)

    def load(self, database: Database) -> None:
        for name, rows in database.items():
            self.connection.execute(f"DELETE FROM {name}")
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                self.connection.execute(
                    f"INSERT INTO {name} VALUES {', '.join([f'({marks})'] * len(rows))}", [v for r in rows for v in r]
                )

    def run(self, sql: str, params: Collection[str] = ()) -> Rows:
        """The rows of a statement that takes the salt and nothing else."""
        return self.connection.execute(sql, dict.fromkeys(params, "salt")).fetchall()

    def rows(self, relation: Relation) -> Rows:
        """The rows of a relation as `columns_out` shows them, values made comparable."""
        if id(relation) not in self.printed:
            self.printed[id(relation)] = (relation, *render_with(relation, self.catalog))
        return [tuple(map(plain, row)) for row in self.run(*self.printed[id(relation)][1:])]

    def public(self, sql: str, tables: tuple[str, ...], most: int) -> Rows:
        return self.connection.execute(f"SELECT * FROM ({sql}) LIMIT {most}").fetchall()

    def typed(
        self, sql: str, over: Sequence[tuple[str, tuple[tuple[str, str], ...]]],
    ) -> list[tuple[str, SqlType | None]]:
        """The columns of SQL over empty tables, as `Session` types the blocks that feed others, or QueryError."""
        with self.connection.cursor() as cursor:
            for name, columns in over:
                listed = ", ".join(f'"{column}" {type_}' for column, type_ in columns)
                cursor.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" ({listed})')
            try:
                described = cursor.execute(f"DESCRIBE {sql}").fetchall()
            except duckdb.Error as error:
                raise QueryError(f"the query does not fit its tables: {error}") from None
            return [(str(row[0]), sql_type(str(row[1]))) for row in described]


@cache
def world(mode: str) -> World:
    """The world whose declared keys are facts (`keyed`) or not (`loose`)."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    atexit.register(world.cache_clear)
    atexit.register(connection.close)
    for name, columns in TABLES.items():
        connection.execute(f"CREATE TABLE {name} ({columns})")
    for name, rows in PUB.items():
        if name == mode:
            connection.executemany("INSERT INTO pub VALUES (?, ?, ?)", rows)
    return opened(connection, mode)


def opened(connection: duckdb.DuckDBPyConnection, mode: str) -> World:
    """The world of a database that has the tables."""
    schema = read_schema(connection.cursor(), "memory")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "policy.toml"
        path.write_text(POLICY)
        policy = load_policy(path, schema)
    return World(connection, Catalog(policy, schema, KEYS if mode == "keyed" else {}))


def plain(value: object) -> object:
    """A value that equals itself and may be counted: NaN has a name, a list is a tuple."""
    if isinstance(value, list):
        return tuple(value)
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def bag(rows: Rows) -> Counter[tuple[object, ...]]:
    """Rows as a multiset."""
    return Counter(rows)
