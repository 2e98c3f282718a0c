"""What an analyst may know of the tables."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

import dpsql
from dpsql.dictionary import TableInfo

POLICY = """
version = "1"
unit = "people"
budget = { epsilon = 1.0 }
[tables.people]
comment = "one row\\na person"
unit = "id"
keys = ["id"]
columns.sex = { values = ["f", "it's"], comment = "as registered" }
columns.height = { range = [0.5, 2.5] }
columns.born = { values = [2000-01-01] }
[tables.visits]
owner = "who -> people.id"
max_rows_per_group = 3
[tables.towns]
public = true
keys = [["town", "year"]]
"""
TABLES = """
CREATE TABLE people (id INTEGER PRIMARY KEY, sex VARCHAR, height DOUBLE, born DATE, photo BLOB);
CREATE TABLE visits (who INTEGER NOT NULL);
CREATE TABLE towns (town VARCHAR, year INTEGER);
CREATE TABLE hidden (x INTEGER);
"""


@pytest.fixture
def session(tmp_path: Path) -> dpsql.Session:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as owner:
        owner.execute(TABLES)
    (tmp_path / "policy.toml").write_text(POLICY)
    return dpsql.Session(tmp_path / "d.duckdb", tmp_path / "policy.toml")


def test_tables_are_those_of_the_policy(session: dpsql.Session) -> None:
    with session:
        tables = {table.name: table for table in session.tables()}
        assert list(tables) == ["people", "towns", "visits"]
        assert [table.whose for table in tables.values()] == ["id (the unit)", "nobody (public)", "who -> people.id"]
        assert tables["towns"].public and tables["towns"].keys == (("town", "year"),)
        assert tables["visits"].max_rows_per_group == 3 and not tables["visits"].columns[0].nullable
        assert session.describe("PEOPLE") == tables["people"]
        assert session.balance().epsilon_spent == 0


def test_columns_carry_what_the_policy_says(session: dpsql.Session) -> None:
    with session:
        people = session.describe("people")
    assert [(c.name, c.type, c.usable, c.facts, c.comment) for c in people.columns] == [
        ("id", "INTEGER", True, "the unit, key", None),
        ("sex", "VARCHAR", True, "values 'f', 'it''s'", "as registered"),
        ("height", "DOUBLE", True, "range [0.5, 2.5]", None),
        ("born", "DATE", True, "values 2000-01-01", None),
        ("photo", "BLOB", False, "of a type dpsql does not compute with", None),
    ]
    assert str(people).splitlines()[:4] == [
        "people: id (the unit) (one row a person)",
        "column  type     policy                                 comment",
        "------  -------  -------------------------------------  -------------",
        "id      INTEGER  the unit, key",
    ]


@pytest.mark.parametrize("name", ["hidden", "absent", "people.id", ""])
def test_other_tables_do_not_exist(session: dpsql.Session, name: str) -> None:
    with session, pytest.raises(dpsql.ProgrammingError, match=r"names no table .*; there are: people, towns, visits"):
        session.describe(name)


def test_the_form_for_other_programs(session: dpsql.Session) -> None:
    with session:
        people, towns, visits = (table.to_dict() for table in session.tables())
    assert json.loads(json.dumps(people))["columns"][1:4] == [
        {"name": "sex", "type": "VARCHAR", "nullable": True, "usable": True, "range": None, "values": ["f", "it's"],
         "unit": False, "owner": False, "key": False, "comment": "as registered"},
        {"name": "height", "type": "DOUBLE", "nullable": True, "usable": True, "range": [0.5, 2.5], "values": None,
         "unit": False, "owner": False, "key": False, "comment": None},
        {"name": "born", "type": "DATE", "nullable": True, "usable": True, "range": None, "values": ["2000-01-01"],
         "unit": False, "owner": False, "key": False, "comment": None},
    ]
    assert visits["owner"] == "who -> people.id" and visits["columns"][0]["owner"] and towns["public"]
    assert isinstance(people["keys"], list) and set(people) == set(TableInfo.__dataclass_fields__)


def test_columns_of_an_answer_are_known_for_free(session: dpsql.Session) -> None:
    with session:
        sql = "SELECT sex, COUNT(*) AS n, SUM(height) / COUNT(*) AS h, NULL AS x FROM people WHERE id > ? GROUP BY sex"
        planned = session.columns(sql, params=[3])
        assert session.balance().epsilon_spent == 0
        answer = session.query(sql, params=[3])
        with pytest.raises(dpsql.QueryError):
            session.columns("SELECT id FROM people")
    assert planned == tuple(zip(answer.columns, answer.types, strict=True))
