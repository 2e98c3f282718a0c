"""A user who is no friend: of the protocol's corners, of other users' names, and of what catalogs usually give away."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dpsql.session import Session
from tests.serve.catalog_clinic import FOLDER
from tests.serve.hosting import Served
from tests.serve.raw import SYNC, Message, Raw, bind, describe, execute, parse


def spent(client: Raw) -> float:
    return float(client.rows("SHOW dpsql.budget")[0][2] or 0)


def states(found: list[Message]) -> list[str]:
    return [each.fields["C"] for each in found if each.kind == "E"]


def test_the_catalog_is_made_without_data(tmp_path: Path) -> None:
    """All it knows is `session.tables()`; that is the same over empty tables."""
    told = []
    for name in ("full", "empty"):
        (tmp_path / name).mkdir()
        with duckdb.connect(tmp_path / name / "clinic.duckdb") as connection:
            connection.execute((FOLDER / "clinic.sql").read_text())
            if name == "empty":
                for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
                    connection.execute(f'DELETE FROM "{table}"')
        with Session(tmp_path / name / "clinic.duckdb", FOLDER / "policy.toml") as session:
            told.append(session.tables())
    assert told[0] == told[1]


def test_sizes_statistics_and_activity_are_nobodys(served: Served) -> None:
    alice, bob = served.raw("alice"), served.raw("bob")
    bob.query("SELECT COUNT(*) AS bobs_question FROM visits")
    assert {row[0] for row in alice.rows("SELECT reltuples FROM pg_class WHERE relkind = 'r' AND oid >= 16384")} == {
        b"-1"}
    assert alice.rows("SELECT pg_relation_size('patients'), pg_total_relation_size('visits'), "
                      "pg_database_size(current_database())") == [[None, None, None]]
    for table in ("pg_stat_activity", "pg_stat_user_tables", "pg_stat_all_tables", "pg_stats", "pg_locks", "pg_shadow",
                  "pg_prepared_statements", "pg_cursors"):
        assert alice.rows(f"SELECT * FROM {table}") == [], table
    assert [row[0] for row in alice.rows("SELECT usename FROM pg_user")] == [b"alice"]
    assert not [row for row in alice.rows("SHOW ALL") if b"/" in (row[1] or b"") and row[0] != b"TimeZone"]


def test_names_belong_to_a_connection(served: Served) -> None:
    alice, bob = served.raw("alice"), served.raw("bob")
    alice.send(parse("SELECT COUNT(*) FROM patients", name="mine"), bind(portal="open", name="mine"), SYNC)
    assert not states(alice.until())
    bob.send(bind(portal="p", name="mine"), SYNC)
    assert states(bob.until()) == ["26000"]
    bob.send(describe("P", "open"), SYNC)
    assert states(bob.until()) == ["34000"]
    bob.send(execute(portal="open"), SYNC)
    assert states(bob.until()) == ["34000"]


def test_a_transaction_refunds_nothing(served: Served) -> None:
    alice = served.raw("alice")
    alice.query("SET dpsql.fresh = on")
    before = spent(alice)
    alice.query("BEGIN")
    alice.query("SELECT COUNT(*) FROM patients WHERE age > 17")
    assert states(alice.query("SELECT nothing FROM patients")) == ["42000"]
    assert states(alice.query("SELECT COUNT(*) FROM patients WHERE age > 18")) == ["25P02"]     # not asked, not charged
    alice.query("ROLLBACK")
    assert spent(alice) == before + 1
    alice.query("BEGIN; DECLARE c CURSOR FOR SELECT COUNT(*) FROM patients WHERE age > 19")
    assert spent(alice) == before + 1                               # nobody fetched
    alice.query("FETCH 1 FROM c; FETCH PRIOR FROM c; FETCH ALL FROM c")
    alice.query("ROLLBACK")
    assert spent(alice) == before + 2


def test_a_pipeline_of_fresh_questions_pays_for_each(served: Served) -> None:
    alice = served.raw("alice")
    alice.query("SET dpsql.fresh = on; SET dpsql.epsilon = 0.5")
    before, many = spent(alice), 20
    sql = "SELECT COUNT(*) FROM patients WHERE age > 21"
    alice.send(parse(sql, name="s"), *[bind(portal=f"p{i}", name="s") + execute(portal=f"p{i}") for i in range(many)])
    alice.send(execute(portal="p0"), execute(portal="p1"), SYNC)    # executed again: no rows left, and no charge
    found = alice.until()
    assert not states(found) and len([each for each in found if each.kind == "D"]) == many
    assert spent(alice) == before + many / 2


def test_what_fails_behind_a_charge_is_one_message(served: Served) -> None:
    """Whatever the engine says of data stays where it was."""
    alice = served.raw("alice")
    for sql in ("SELECT COUNT(*) FROM patients WHERE 1 / (age - age) > 0",
                "SELECT SUM(1000000000 * age * age) FROM patients",
                "SELECT COUNT(*) FROM patients WHERE CAST(CAST(age AS TEXT) AS DATE) > DATE '2000-01-01'",
                "SELECT COUNT(*) FROM patients WHERE SUBSTRING('x', age::int, age::int) = 'x'"):
        for each in alice.query(sql):
            assert b"Error:" not in each.body and b"Conversion" not in each.body and b"LINE" not in each.body
