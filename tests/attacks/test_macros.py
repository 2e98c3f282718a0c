"""A database may define macros called like the engine's own functions; what dpsql prints means the engine's."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from neighbours import distances, recorded

from dpsql.session import Session

MACROS = ("sum(x) AS 13", "hash(a, b := 0, c := 0) AS 5", "greatest(a, b) AS 7", "abs(x) AS 42", "sign(x) AS 9",
          "isnan(x) AS false", "min(x) AS 3", "count(x) AS 77", "row_number() AS 1", "mine(x) AS x + 1")
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e12
delta = 0.5
[query]
epsilon = 1e6
[limits]
max_groups = 2
max_rows_per_group = 2
[tables.people]
unit = "id"
columns.x = { range = [0, 10] }
columns.w = { range = [0, 10] }
[tables.shown]
owner = "id -> people.id"
columns.y = { range = [0, 20] }
"""
QUERIES = ("SELECT COUNT(*) AS n, SUM(x) AS s, SUM(w) AS f FROM people", "SELECT SUM(ABS(x - 5)) AS s FROM people",
           "SELECT x, COUNT(*) AS n, SUM(x) AS s FROM people WHERE x IN (1, 2, 3, 4, 5) GROUP BY x",
           "SELECT SUM(y) AS s FROM shown")


def opened(
    folder: Path, macros: tuple[str, ...], isolated: bool = False, handed: bool = False, rows: int = 40,
) -> Session:
    folder.mkdir()
    connection = duckdb.connect(":memory:" if handed else str(folder / "people.duckdb"))
    connection.execute("CREATE TABLE people AS SELECT i % 20 AS id, i % 7 AS x, i % 5 + 0.5::DOUBLE AS w "
                       f"FROM range({rows}) t(i)")
    for macro in macros:
        connection.execute(f"CREATE MACRO {macro}")
    connection.execute("CREATE VIEW shown AS SELECT id, mine(x) AS y FROM people")
    (folder / "policy.toml").write_text(POLICY)
    if not handed:
        connection.close()
    return Session(connection if handed else folder / "people.duckdb", folder / "policy.toml", folder / "ledger",
                   isolated=isolated)


@pytest.mark.parametrize(("isolated", "handed"), [(False, False), (True, False), (False, True)])
def test_a_macro_takes_no_functions_place(tmp_path: Path, isolated: bool, handed: bool) -> None:
    plain = opened(tmp_path / "plain", MACROS[-1:])
    other = opened(tmp_path / "other", MACROS, isolated, handed)
    for sql in QUERIES:
        ours, theirs = (session.query(sql) for session in (other, plain))
        assert len(ours.rows) == len(theirs.rows)
        for one, two in zip(ours.rows, theirs.rows, strict=True):
            assert [float(value) for value in one] == pytest.approx([float(value) for value in two], abs=0.6), sql
    plain.close()
    other.close()


def test_bounds_hold_beside_macros(tmp_path: Path) -> None:
    session, neighbour = opened(tmp_path / "all", MACROS), opened(tmp_path / "less", MACROS, rows=39)
    for sql in QUERIES:
        with recorded() as ran:
            session.query(sql)
        assert [each for one in ran for each in distances(one, session, neighbour)] == [], sql
    session.close()
    neighbour.close()
