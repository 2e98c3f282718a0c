"""Keys count when the engine enforces them, or when they were verified in a file that nothing can change."""

from __future__ import annotations

import duckdb
import pytest

from dpsql.engines import keys
from dpsql.engines.base import open_engine
from dpsql.engines.keys import verify_keys
from dpsql.errors import PolicyError
from dpsql.policy_file import load_policy

MAKE = """
CREATE TABLE people (id INTEGER, mail VARCHAR UNIQUE, a INTEGER, b INTEGER);
INSERT INTO people VALUES (1, 'x', 1, 1), (2, 'y', 1, 2), (NULL, 'z', 2, 2), (NULL, 'u', 2, 3);
CREATE TABLE wards (name VARCHAR); INSERT INTO wards VALUES ('A'), ('A');
"""
POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1
[tables.people]
unit = "id"
keys = {people}
[tables.wards]
public = true
keys = {wards}
"""


@pytest.fixture
def make(tmp_path):
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute(MAKE)
    engines = []

    def make(people="[]", wards="[]", database=None):
        (tmp_path / "policy.toml").write_text(POLICY.format(people=people, wards=wards))
        engines.append(open_engine(database or tmp_path / "d.duckdb"))
        return engines[-1], load_policy(tmp_path / "policy.toml", engines[-1].schema)

    yield make
    for engine in engines:
        engine.close()


def test_enforced_and_verified(make):
    found = verify_keys(*make('["id", ["a", "b"], "mail"]'))
    assert found == {"people": (("mail",), ("id",), ("a", "b")), "wards": ()}


@pytest.mark.parametrize(("people", "wards", "words"), [
    ('["a"]', "[]", ("tables.people.keys", "(a)", "no key of people")),
    ('["id", ["b", "a"], "b"]', "[]", ("tables.people.keys", "(b)")),
    ("[]", '["name"]', ("tables.wards.keys", "(name)", "does not open")),
])
def test_a_claim_that_fails(make, people, wards, words):
    with pytest.raises(PolicyError) as caught:
        verify_keys(*make(people, wards))
    for word in words:
        assert word in str(caught.value)


def test_a_connection_cannot_be_verified(make):
    with duckdb.connect(":memory:") as connection:
        connection.execute(MAKE)
        found = verify_keys(*make('["id", "mail", "a"]', '["name"]', connection))
    assert found == {"people": (("mail",),), "wards": ()}


def test_remembered_while_the_file_stays(make, monkeypatch, tmp_path):
    monkeypatch.setattr(keys, "_verified", {})
    asked = []

    def ask():
        engine, policy = make('["id"]')
        holds = engine.key_holds
        monkeypatch.setattr(engine, "key_holds", lambda table, key: asked.append(key) or holds(table, key))
        try:
            return verify_keys(engine, policy)
        finally:
            engine.close()

    assert ask() == ask()
    assert asked == [("id",)]
    with duckdb.connect(str(tmp_path / "d.duckdb")) as connection:
        connection.execute("INSERT INTO people VALUES (1, 'again', 9, 9)")
    with pytest.raises(PolicyError):
        ask()
    with pytest.raises(PolicyError):  # a failure is not remembered as anything else
        ask()
