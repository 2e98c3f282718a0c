"""The suite of the package dbapi-compliance. It makes its tables itself; here the owner made them, public and filled.

Statements that make tables are sent nevertheless, and must be refused and leave nothing to fetch. What only an INSERT
could show is listed in `SKIPPED`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest import skip

import dbapi20
import duckdb

import dpsql

SKIPPED = {
    "test_cursor_isolation": "writes with INSERT",
    "test_rowcount": "writes with INSERT; tests/doors/test_dbapi.py checks rowcount",
    "test_executemany": "writes with INSERT; executemany is NotSupportedError, for it would charge per parameter set",
    "test_fetchone": "writes with INSERT; tests/doors/test_dbapi.py checks fetchone",
    "test_None": "writes with INSERT; tests/doors/test_dbapi.py checks NULL",
    "test_non_idempotent_close": "closing twice is harmless here, as the suite itself says a driver may have it",
    "test_nextset": "an answer has one result set, and PEP 249 makes the method optional",
    "test_setoutputsize": "has no effect, as PEP 249 allows; test_setoutputsize_basic runs",
}
TABLES = """
CREATE TABLE people (id INTEGER PRIMARY KEY);
CREATE TABLE dbapi20test_booze (name VARCHAR);
CREATE TABLE dbapi20test_barflys (name VARCHAR, drink VARCHAR);
"""
POLICY = """
version = "1"
unit = "people"
budget = { epsilon = 1.0 }
tables.people.unit = "id"
tables.dbapi20test_booze.public = true
tables.dbapi20test_barflys.public = true
"""
TROUBLE = "thi%s :may ca%(u)se? troub:1e"


class TestCompliance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]
    """What the suite can ask of a database that is only read."""

    driver = dpsql
    lower_func = None       # there are no stored procedures

    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._database = Path(self._folder.name) / "d.duckdb"
        (Path(self._folder.name) / "policy.toml").write_text(POLICY)
        with duckdb.connect(str(self._database)) as owner:
            owner.execute(TABLES)
            owner.executemany("INSERT INTO dbapi20test_booze VALUES (?)", [[name] for name in self.samples])
        self._opened: list[dpsql.Connection] = []

    def tearDown(self) -> None:
        for connection in self._opened:
            connection.close()
        self._folder.cleanup()

    def _connect(self) -> dpsql.Connection:
        """Remembered, for some tests of the suite leave it open."""
        self._opened.append(dpsql.connect(database=self._database))
        return self._opened[-1]

    def executeDDL1(self, cursor: dpsql.Cursor) -> None:
        """The table is there; that it cannot be made is checked."""
        self._refused(cursor, self.ddl1)

    def executeDDL2(self, cursor: dpsql.Cursor) -> None:
        """The table is there; that it cannot be made is checked."""
        self._refused(cursor, self.ddl2)

    def _refused(self, cursor: dpsql.Cursor, sql: str) -> None:
        try:
            cursor.execute(sql)
        except dpsql.ProgrammingError:
            return
        self.fail("a table was made")

    def _populate(self) -> list[str]:
        return []

    def _paraminsert(self, cur: dpsql.Cursor) -> None:
        """Parameters beside text that looks like parameters, in a SELECT."""
        cur.execute(f"SELECT name, '{TROUBLE}' FROM dbapi20test_booze WHERE name = ?", ("Redback",))
        self.assertEqual(cur.fetchall(), [("Redback", TROUBLE)])


def _suite() -> dict[str, Callable[..., None]]:
    return {name: test for name, test in vars(dbapi20.DatabaseAPI20Test).items() if name.startswith("test_")}


for _name, _reason in SKIPPED.items():
    setattr(TestCompliance, _name, skip(_reason)(_suite()[_name]))


def test_what_is_skipped_is_a_test_of_the_suite() -> None:
    assert set(SKIPPED) < set(_suite()) and len(_suite()) - len(SKIPPED) >= 25
