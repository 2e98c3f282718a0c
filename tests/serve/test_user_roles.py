# ruff: noqa: E501 (attacks stand in few lines)
"""What a user of the server reaches through SQL: neither policy nor ledger, files, other users, or what they asked."""

from __future__ import annotations

from pathlib import Path

from tests.serve.hosting import Served
from tests.serve.raw import SYNC, describe, parse

SECRET = "bobs_secret_4711"
# answered from the catalog that clients are shown: who asks, and nobody else
SHOWN = ("SELECT * FROM pg_authid", "SELECT rolpassword FROM pg_roles", "SELECT pg_relation_size('patients')")
ATTACKS = (
    *SHOWN, "SELECT * FROM entry", "SELECT * FROM answer", "SELECT * FROM pg_shadow",
    "SELECT query FROM pg_stat_activity", "SELECT * FROM pg_stat_statements", "SELECT pg_read_file('{folder}/policy.toml')",
    "SELECT pg_read_file('{folder}/users')", "SELECT * FROM read_text('{folder}/users')", "SELECT * FROM '{folder}/users'",
    "COPY patients TO STDOUT", "COPY wards FROM STDIN", "COPY (SELECT * FROM patients) TO STDOUT", "COPY wards TO '{folder}/policy.toml'",
    "COPY wards TO PROGRAM 'id'", "SELECT lo_import('{folder}/users')", "SET ROLE bob", "SET SESSION AUTHORIZATION bob",
    "SET session_authorization = bob", "SET is_superuser = on", "SET dpsql.budget = 5", "SET dpsql.epsilon = 'nan'", "SET dpsql.epsilon = -1",
    "SELECT set_config('dpsql.epsilon', '1e9', false)", "SELECT current_setting('data_directory')", "ALTER SYSTEM SET x = 1",
    "ALTER ROLE alice SUPERUSER", "CREATE ROLE mallory", "GRANT ALL ON patients TO alice", "SELECT pg_terminate_backend(1)",
    "SELECT pg_cancel_backend(1)", "DO $$ BEGIN END $$", "CREATE FUNCTION f() RETURNS int AS 'select 1' LANGUAGE sql",
    "SELECT n_live_tup FROM pg_stat_user_tables", "SELECT most_common_vals FROM pg_stats", "SELECT * FROM patients LIMIT 1", "DECLARE c CURSOR FOR SELECT * FROM patients", "PREPARE p AS SELECT * FROM patients",
    "EXPLAIN ANALYZE SELECT COUNT(*) FROM patients", "LISTEN x", "SHOW hba_file", "SELECT dblink('x', 'y')",
)


def test_a_user_reaches_nothing_of_others(served: Served) -> None:
    served.raw("bob").query(f"SELECT COUNT(*) AS {SECRET} FROM patients")
    policy, users = (Path(served.folder / name).read_bytes() for name in ("policy.toml", "users"))
    alice = served.raw("alice")
    before = alice.rows("SHOW dpsql.budget")
    for attack in ATTACKS:
        found = alice.query(attack.format(folder=served.folder))
        said = b"".join(each.body for each in found)
        for secret in (SECRET.encode(), b"SCRAM-SHA-256$", b"[budget]", b"bob"):
            assert secret not in said.replace(attack.encode(), b"") or secret.decode() in attack, attack
        failed = [each for each in found if each.kind == "E"]
        assert failed or attack in SHOWN or not [each for each in found if each.kind == "D"], attack
    after = alice.rows("SHOW dpsql.budget")
    assert after == before and not [row for row in before if b"bob" in row]
    assert (policy, users) == tuple(Path(served.folder / name).read_bytes() for name in ("policy.toml", "users"))


def test_no_price_passes_the_budget(served: Served) -> None:
    alice = served.raw("alice")
    before = alice.rows("SHOW dpsql.budget")
    alice.query("SET dpsql.epsilon = 999999")
    found = alice.query("SELECT COUNT(*) FROM patients WHERE age > 12")
    assert [each.kind for each in found if each.kind in "ED"] == ["E"]
    assert alice.rows("SHOW dpsql.budget") == before


def test_no_text_holds_up_the_server(served: Served) -> None:
    """The parser works for hours on these, and cannot be stopped; the catalog reads deeper texts than a query may be."""
    alice = served.raw("alice")
    deep = "BIGINT(" * 28 + "1" + ")" * 28
    found = alice.query(f"SELECT {deep} FROM pg_class")
    assert [each.kind for each in found if each.kind in "ED"] == ["E"] and b"more than 1 second" in found[0].body
    alice.send(parse(f"SELECT {deep} FROM pg_class WHERE relname = $1"), describe("S"), SYNC)
    assert [each.kind for each in alice.until() if each.kind in "ET"] == ["E"]
    assert served.raw("bob").rows("SELECT 1")
