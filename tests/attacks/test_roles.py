# ruff: noqa: E501 (attacks stand in few lines)
"""What an analyst reaches through SQL, in every door: neither policy nor settings, ledger, files, or others' answers."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry

import dpsql
from dpsql.doors.cli import main
from dpsql.session import Session

registry.register("dpsql", "dpsql.doors.sqlalchemy", "Dialect")     # where dpsql is not installed

SECRET = "bobs_secret_4711"
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 8.0
delta = 1e-3
[query]
epsilon = 0.5
[analysts.alice]
epsilon = 2.0
[analysts.bob]
epsilon = 4.0
[tables.people]
unit = "id"
[tables.cities]
public = true
"""
# {folder} holds database, policy and ledger
ATTACKS = (
    "SELECT * FROM entry", "SELECT * FROM answer", "SELECT * FROM meta", "SELECT * FROM sqlite_master", "SELECT * FROM ledger.entry",
    "SELECT * FROM sqlite_scan('{folder}/town.duckdb.ledger', 'entry')", "ATTACH '{folder}/town.duckdb.ledger' AS l (TYPE sqlite)",
    "SELECT * FROM '{folder}/policy.toml'", "SELECT * FROM read_text('{folder}/policy.toml')", "SELECT * FROM read_csv('{folder}/policy.toml')",
    "SELECT * FROM read_blob('{folder}/town.duckdb')", "SELECT * FROM glob('{folder}/*')", "FROM read_text('{folder}/town.duckdb.ledger')",
    "COPY cities TO '{folder}/policy.toml'", "COPY cities FROM '{folder}/policy.toml'", "EXPORT DATABASE '{folder}/out'",
    "UPDATE people SET id = 1", "DELETE FROM people", "DROP TABLE cities", "CREATE TABLE x AS SELECT 1", "INSERT INTO cities VALUES ('x')",
    "ALTER TABLE people RENAME TO y", "CREATE MACRO f() AS 1", "CREATE VIEW v AS SELECT * FROM people", "CHECKPOINT", "VACUUM", "INSTALL httpfs",
    "LOAD sqlite", "SET epsilon = 100", "SET threads = 1", "RESET ALL", "SET enable_external_access = true", "SET VARIABLE salt = '0'",
    "PRAGMA enable_profiling", "PRAGMA database_list", "PRAGMA table_info('people')", "SELECT setseed(0.5)", "SELECT getvariable('salt')",
    "SELECT getenv('HOME')", "SELECT current_setting('temp_directory')", "SELECT * FROM duckdb_settings()", "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_columns()", "SELECT * FROM information_schema.columns", "SELECT * FROM pragma_storage_info('people')",
    "SELECT * FROM duckdb_logs", "SELECT pg_read_file('{folder}/policy.toml')", "SELECT query_id, sql FROM pg_stat_activity",
    "GRANT ALL ON people TO alice", "SET ROLE bob", "SET SESSION AUTHORIZATION bob", "SELECT * FROM people WHERE id = 1",
    "EXECUTE p", "DEALLOCATE ALL", "CALL pragma_version()", "USE system", "DETACH town", "BEGIN", "EXPLAIN ANALYZE SELECT 1",
)


@dataclass
class Town:
    """An open folder: what alice can call, and what must stay as it is."""

    folder: Path

    def kept(self) -> tuple[bytes, tuple[object, ...]]:
        """The policy's text, and every entry and limit of the ledger."""
        with Session(self.folder / "town.duckdb", self.folder / "policy.toml") as session:
            entries = tuple(str(entry) for entry in session.ledger.entries())
            balances = tuple(str(session.balance(name)) for name in (None, "alice", "bob"))
        return (self.folder / "policy.toml").read_bytes(), (*entries, *balances)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("roles")
    with duckdb.connect(folder / "town.duckdb") as owner:
        owner.execute("CREATE TABLE people AS SELECT i AS id FROM range(50) t(i); CREATE TABLE cities AS SELECT 'Oslo' AS city")
    (folder / "policy.toml").write_text(POLICY)
    with Session(folder / "town.duckdb", folder / "policy.toml") as session:
        session.query(f"SELECT COUNT(*) AS {SECRET} FROM people", analyst="bob")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("DATABASE", "town.duckdb"), ("POLICY", "policy.toml")):
            patch.setenv(f"DPSQL_{name}", str(folder / value))
        patch.setenv("DPSQL_ANALYST", "alice")
        yield Town(folder)


def by_session(town: Town, attacks: list[str]) -> list[str]:
    with Session(town.folder / "town.duckdb", town.folder / "policy.toml") as session:
        return [_said(lambda sql=sql: session.query(sql, analyst="alice")) for sql in attacks]  # type: ignore[misc]


def by_dbapi(town: Town, attacks: list[str]) -> list[str]:
    with dpsql.connect() as connection:
        return [_said(lambda sql=sql: connection.cursor().execute(sql).fetchall()) for sql in attacks]  # type: ignore[misc]


def by_sqlalchemy(town: Town, attacks: list[str]) -> list[str]:
    engine = sa.create_engine(f"dpsql://alice@/{town.folder}/town.duckdb?policy={town.folder}/policy.toml")
    with engine.connect() as connection:
        found = [_said(lambda sql=sql: connection.exec_driver_sql(sql).all()) for sql in attacks]  # type: ignore[misc]
    engine.dispose()
    return found


def by_shell(town: Town, attacks: list[str]) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO("".join(f"{sql};\n" for sql in attacks)))
        patch.setattr(sys, "stdout", out := io.StringIO())
        patch.setattr(sys, "stderr", err := io.StringIO())
        assert main(["shell"]) == 1
    assert not out.getvalue().strip()
    return [f"error: {each}" for each in re.split(r"^error[^:]*: ", err.getvalue(), flags=re.MULTILINE)[1:]]


def _said(attempt: Callable[[], object]) -> str:
    try:
        return repr(attempt())
    except (dpsql.Error, sa.exc.DBAPIError) as error:
        return f"error: {error}"


@pytest.mark.parametrize("door", [by_session, by_dbapi, by_sqlalchemy, by_shell], ids=lambda door: door.__name__)
def test_no_door_opens(town: Town, door: Callable[[Town, list[str]], list[str]]) -> None:
    before = town.kept()
    attacks = [attack.format(folder=town.folder) for attack in ATTACKS]
    said = door(town, attacks)
    assert len(said) >= len(attacks)
    for attack, each in zip(attacks, said, strict=False):
        assert each.startswith("error: "), attack
        assert SECRET not in each and "epsilon = 4" not in each
    assert town.kept() == before


@pytest.mark.parametrize("epsilon", ["2.1", "3", "1e6", "1e400", "-1", "0", "nan", "inf"])
def test_no_epsilon_passes_an_allowance(town: Town, epsilon: str) -> None:
    before = town.kept()
    with Session(town.folder / "town.duckdb", town.folder / "policy.toml") as session, pytest.raises(dpsql.Error):
        session.query("SELECT COUNT(*) FROM people WHERE id > 3", analyst="alice", epsilon=epsilon)
    assert town.kept() == before


def test_what_another_bought_is_paid_for_and_shows_no_more_than_the_answer(town: Town) -> None:
    """Who may ask a query gets its stored answer, at its price, once; nothing lists what others asked."""
    with Session(town.folder / "town.duckdb", town.folder / "policy.toml") as session:
        spent = session.balance("alice").epsilon_spent
        seen = session.query(f"SELECT COUNT(*) AS {SECRET} FROM people", analyst="alice")
        assert seen.replayed and session.balance("alice").epsilon_spent == spent + 0.5
        assert seen.balance is not None and seen.balance.analyst == "alice"
        assert session.query(f"SELECT COUNT(*) AS {SECRET} FROM people", analyst="alice").cost.epsilon == 0
        for stranger in (None, "", "carol", "Alice", "alice ", "bob\0"):
            with pytest.raises(dpsql.BudgetError):
                session.query("SELECT COUNT(*) FROM people", analyst=stranger)
