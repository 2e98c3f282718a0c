"""Every admitted scalar, by name and type, on every hostile value, through the whole pipeline.

A person whose rows hold all edge values may change nothing an analyst sees but the noise: not whether the query
answers, nor the error, the columns, the number of rows, or the charge. The samples of `tests/scalars` name every row of
the table (a test there proves it), so a new row is attacked as soon as it is written.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.errors import Error
from dpsql.session import Session
from tests.scalars.expressions import TYPES, edge_values
from tests.scalars.samples import SAMPLES

HOSTILE, PEOPLE = 0, 12
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e12
delta = 0.5
[query]
epsilon = 1.0
delta = 1e-6
[limits]
max_groups = 4
max_rows_per_group = 40
[tables.people]
unit = "pid"
keys = ["pid"]
[tables.rows]
owner = "pid -> people.pid"
"""


def build(folder: Path, hostile: bool) -> Path:
    """Tame rows of ordinary people, and, if asked for, the rows of one who holds every edge value of every type."""
    folder.mkdir()
    definition = ", ".join(f'"{name}" {type_}' for name, type_ in TYPES.items())
    with duckdb.connect(folder / "people.duckdb") as connection:
        connection.execute(f"CREATE TABLE people AS SELECT i AS pid FROM range({PEOPLE + 1}) r(i)")
        connection.execute(f"CREATE TABLE rows (pid BIGINT, {definition})")
        rng = random.Random(1)
        for pid in range(HOSTILE + 1, PEOPLE + 1):
            _insert(connection, pid, [rng.choice(edge_values(type_, tame=True)) for type_ in TYPES.values()])
        if hostile:
            pools = [edge_values(type_) for type_ in TYPES.values()]
            for row in range(2 * max(map(len, pools))):     # every value of a column, beside different others
                _insert(connection, HOSTILE, [pool[(row + row // len(pool) * i) % len(pool)]
                                              for i, pool in enumerate(pools)])
    (folder / "policy.toml").write_text(POLICY)
    return folder / "people.duckdb"


def _insert(connection: duckdb.DuckDBPyConnection, pid: int, values: list[str]) -> None:
    cells = ", ".join(f"CAST({value} AS {type_})" for value, type_ in zip(values, TYPES.values(), strict=True))
    connection.execute(f"INSERT INTO rows VALUES ({pid}, {cells})")


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Session]]:
    """The world with the hostile person, and without."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = [build(folder / name, name == "with") for name in ("with", "without")]
    sessions = [Session(path, path.parent / "policy.toml", path.parent / "ledger") for path in paths]
    yield sessions[0], sessions[1]
    for session in sessions:
        session.close()


def seen(session: Session, sql: str) -> tuple[object, ...]:
    """What an analyst sees besides noise."""
    before = session.balance()
    try:
        answer = session.query(sql, fresh=True)
        shown: tuple[object, ...] = (answer.columns, answer.types, len(answer.rows))
    except Error as refused:
        shown = (type(refused).__name__, str(refused))
    after = session.balance()
    return (*shown, after.epsilon_spent - before.epsilon_spent, after.delta_spent - before.delta_spent)


def texts(name: str) -> list[str]:
    return [text.strip() for text in SAMPLES[name].split(";")]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_row_changes_nothing_but_the_noise(worlds: tuple[Session, Session], name: str) -> None:
    counts = ", ".join(f"COUNT({text}) AS n{place}" for place, text in enumerate(texts(name)))
    sql = f"SELECT {counts} FROM rows"
    alone, together = seen(worlds[1], sql), seen(worlds[0], sql)
    assert alone == together
    assert alone[2] == 1 and alone[3] == 1, alone


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_in_every_clause(worlds: tuple[Session, Session], name: str) -> None:
    for text in texts(name):
        for sql in (
            f"SELECT COUNT(*) AS n FROM rows WHERE ({text}) IS NULL",
            f"SELECT COUNT(*) AS n FROM rows WHERE coalesce(CAST({text} AS VARCHAR), '') <> 'x'",
            f"SELECT CASE WHEN ({text}) IS NULL THEN 'a' ELSE 'b' END AS k, COUNT(*) AS n FROM rows GROUP BY k",
            f"SELECT COUNT(DISTINCT pid) AS n FROM rows GROUP BY ({text})",
            f"SELECT COUNT(*) AS n FROM rows AS r JOIN people AS p ON p.pid = r.pid AND ({text}) IS NOT NULL",
            f"SELECT SUM(CASE WHEN ({text}) IS NULL THEN 1 ELSE 0 END) AS n FROM (SELECT * FROM rows) AS r",
        ):
            alone, together = (seen(world, sql) for world in reversed(worlds))
            by_chance = "GROUP BY (" in sql and alone[0] != "QueryError"
            assert together[:2] == alone[:2] and together[-2:] == alone[-2:], sql
            assert by_chance or together == alone, sql
