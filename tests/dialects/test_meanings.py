"""What expressions of each dialect give in its own system, and here: `meanings/` holds them, a file a dialect.

A line is an expression over the row below and its value as Python prints it, known from the system's documentation;
`refused` for what is not read. They are asked of a public table, so that every answer is exact.
"""

from __future__ import annotations

import ast
import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from dpsql.dialects import DIALECTS
from dpsql.errors import QueryError
from dpsql.session import Session

FOLDER = Path(__file__).parent / "meanings"
ROW = """
CREATE TABLE one AS SELECT 7 AS i, 2 AS j, -7 AS neg, 0 AS z, 2.5::DOUBLE AS f, -2.5::DOUBLE AS g,
    2.675::DECIMAL(9, 3) AS dec, 1.25::DECIMAL(9, 2) AS d2, 'Hello World' AS s, 'héllo' AS u, '' AS e,
    NULL::VARCHAR AS n, NULL::INTEGER AS ni, DATE '2024-01-31' AS d, DATE '2024-03-15' AS d3,
    TIMESTAMP '2024-03-15 13:45:30.5' AS t, TIMESTAMP '2024-03-15 12:50:10' AS t0, DATE '2023-12-31' AS nye,
    DATE '2024-12-30' AS lw, TRUE AS b, 'a,b,c' AS l, '  pad  ' AS p, '42' AS num, 5000000000 AS big;
CREATE TABLE people AS SELECT i AS pid FROM range(100) r(i);
"""
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1.0
[query]
epsilon = 1.0
[tables.people]
unit = "pid"
[tables.one]
public = true
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("one")
    with duckdb.connect(folder / "one.duckdb") as connection:
        connection.execute(ROW)
    (folder / "policy.toml").write_text(POLICY)
    return Session(folder / "one.duckdb", folder / "policy.toml")


def alike(found: object, told: str) -> bool:
    """Whether a value is the one told: numbers within 1e-9, all else as it is printed."""
    if isinstance(found, bool) or found is None:
        return str(found) == told
    if isinstance(found, int | float | Decimal):
        return abs(float(found) - float(told)) < 1e-9
    if isinstance(found, datetime.date | datetime.time):
        return str(found) == told
    return bool(found == ast.literal_eval(told))


def given(session: Session, expression: str, dialect: str) -> object:
    try:
        return session.query(f"SELECT {expression} AS x FROM one", dialect=dialect).rows[0][0]
    except QueryError as error:
        return error


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_what_expressions_mean(file: Path, session: Session) -> None:
    assert file.stem in DIALECTS
    wrong = []
    for line in file.read_text().splitlines():
        expression, told = line.rsplit(" | ", 1)
        found = given(session, expression, file.stem)
        right = told == "refused" if isinstance(found, QueryError) else told != "refused" and alike(found, told)
        if not right:
            wrong.append(f"{expression} gives {found!r}, not {told}")
    assert not wrong, "\n".join(wrong)
