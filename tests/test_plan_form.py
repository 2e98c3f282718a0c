"""The stable form of a plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import duckdb
import pytest

import dpsql
from dpsql import PlanForm

POLICY = """
version = "1"
unit = "people"
budget = { epsilon = 9.0, delta = 1e-6 }
query = { epsilon = 0.1, delta = 1e-9 }
[tables.people]
unit = "id"
keys = ["id"]
columns.day = { values = [2020-01-01, 2020-01-02] }
columns.x = { range = [0, 1] }
"""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[dpsql.Session]:
    with duckdb.connect(str(tmp_path / "d.duckdb")) as owner:
        owner.execute("CREATE TABLE people (id INTEGER, day DATE, town VARCHAR, x DECIMAL(4, 2))")
    (tmp_path / "policy.toml").write_text(POLICY)
    with dpsql.Session(tmp_path / "d.duckdb", tmp_path / "policy.toml") as opened:
        yield opened


@pytest.mark.parametrize("sql", [
    "SELECT COUNT(*) AS n FROM people",
    "SELECT day, SUM(x) AS s, AVG(x) AS a FROM people GROUP BY day",
    "SELECT town, COUNT(*) AS n FROM people GROUP BY town",
    "SELECT 1 AS one",
])
def test_a_form_survives_json(session: dpsql.Session, sql: str) -> None:
    plan = session.plan(sql)
    form = PlanForm.from_json(plan.to_json())
    assert form.to_json() == plan.to_json() and form == PlanForm.from_json(form.to_json())
    assert (form.key, form.finish, form.epsilon) == (plan.key, plan.finish, plan.cost.epsilon)
    assert [each.sql for each in form.statements] == [each.sql for each in plan.statements]
    assert session.balance().epsilon_spent == 0


def test_what_a_form_says(session: dpsql.Session) -> None:
    data = json.loads(session.plan("SELECT day, COUNT(*) AS n FROM people GROUP BY day").to_json())
    assert set(data) == {"format", "key", "statements", "feeds", "finish", "cost", "warnings"}
    assert data["format"] == "dpsql.plan/1" and data["cost"] == ["1/10", "0"] and data["feeds"] == []
    (statement,) = data["statements"]
    assert set(statement) == {"name", "sql", "columns", "events", "groups"}
    assert statement["groups"] == [[{"date": "2020-01-01"}], [{"date": "2020-01-02"}]]
    assert statement["columns"][0][1] == "DATE" and statement["columns"][1] == ["a1", "BIGINT"]
    (event,) = statement["events"]
    assert Fraction(event["epsilon"]) <= Fraction(1, 10) and event["sensitivity"] >= 1
    private = PlanForm.from_json(session.plan("SELECT town, COUNT(*) AS n FROM people GROUP BY town").to_json())
    assert private.statements[0].groups is None and private.delta == Fraction(1, 10**9)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "dpsql.plan/2"}', '{"format": "dpsql.plan/1"}'])
def test_what_is_no_form_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        PlanForm.from_json(text)


def test_forms_compare_by_value(session: dpsql.Session) -> None:
    form = PlanForm.from_json(session.plan("SELECT COUNT(*) AS n FROM people").to_json())
    assert form == replace(form) and form != replace(form, epsilon=Fraction(1))
    assert form != PlanForm.from_json(session.plan("SELECT COUNT(*) AS n FROM people", epsilon=0.2).to_json())


@pytest.mark.parametrize(("sql", "parts"), [
    ("SELECT (SELECT COUNT(*) FROM people) / (SELECT COUNT(*) FROM people WHERE x > 0)", (1, 1)),
    ("SELECT (SELECT SUM(x) FROM people), (SELECT AVG(x) FROM people)", (1, 2)),
    ("SELECT day, COUNT(*), SUM(x), AVG(x) FROM people GROUP BY day HAVING COUNT(*) > (SELECT COUNT(*) FROM people)",
     (4, 1)),
    ("SELECT town, COUNT(*) FROM people GROUP BY town HAVING COUNT(*) > (SELECT COUNT(*) / 9 FROM people)", (4, 1)),
])
def test_questions_of_more_numbers_get_more(session: dpsql.Session, sql: str, parts: tuple[int, ...]) -> None:
    """In proportion to the root of their number, up to 4; all of it is divided, and no more."""
    spent = [float(sum(event.epsilon for event in each.spent())) for each in session.plan(sql, epsilon=1).statements]
    wanted = [part**0.5 / sum(each**0.5 for each in parts) for part in parts]
    assert sorted(spent) == pytest.approx(sorted(wanted), rel=1e-3) and sum(spent) <= 1
