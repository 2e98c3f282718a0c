"""The SQLAlchemy dialect: its URL, what it reflects, and the SQL it writes."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.sql import compiler

from dpsql.doors.sqlalchemy import Dialect
from dpsql.doors.sqlalchemy_sql import RESERVED

registry.register("dpsql", "dpsql.doors.sqlalchemy", "Dialect")     # where dpsql is not installed

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
[query]
epsilon = 1e6
[limits]
max_groups = 100
[analysts.ada]
epsilon = 1e8
[tables.people]
comment = "one row a person"
unit = "id"
keys = ["id", ["name", "born"]]
columns.height = { range = [0, 3], comment = "in metres" }
columns."group" = { values = ["a", "b"] }
[tables.visits]
owner = "who -> people.id"
[tables.stock.items]
public = true
"""
TABLES = """
CREATE SCHEMA stock;
CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR, born DATE, height DECIMAL(5, 2), "group" VARCHAR,
                     seen TIMESTAMP, ok BOOLEAN, score DOUBLE, huge HUGEINT, photo BLOB, tags VARCHAR[]);
INSERT INTO people
    SELECT i, 'P' || i, DATE '2000-01-01' + CAST(i AS INTEGER), 1.5, CASE WHEN i < 30 THEN 'a' ELSE 'b' END,
           TIMESTAMP '2000-01-01', i % 2 = 0, i / 10, i, NULL, NULL
    FROM range(1, 101) t(i);
CREATE TABLE visits (who INTEGER NOT NULL, "DAY" DATE);
INSERT INTO visits SELECT i, DATE '2020-01-01' FROM range(1, 101) t(i);
CREATE TABLE stock.items (item INTEGER, price DOUBLE);
INSERT INTO stock.items VALUES (1, 2.5), (2, NULL);
CREATE TABLE hidden (x INTEGER);
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sa.Engine]:
    folder = tmp_path_factory.mktemp("alchemy")
    with duckdb.connect(str(folder / "d.duckdb")) as owner:
        owner.execute(TABLES)
    (folder / "policy.toml").write_text(POLICY)
    made = sa.create_engine(f"dpsql://ada@/{folder}/d.duckdb?epsilon=1e6")
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def people(engine: sa.Engine) -> sa.Table:
    return sa.Table("people", sa.MetaData(), autoload_with=engine)


def _ask(engine: sa.Engine, query: Any) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(query)]


def test_the_package_offers_the_dialect() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    ((name, place),) = project["entry-points"]["sqlalchemy.dialects"].items()
    assert name == "dpsql" and EntryPoint(name, place, "sqlalchemy.dialects").load() is Dialect


@pytest.mark.parametrize(("url", "options"), [
    ("dpsql://", {}),
    ("dpsql:///a/b.duckdb", {"database": "a/b.duckdb"}),
    ("dpsql:////a/b.duckdb?policy=p.toml&ledger=l&epsilon=0.5&delta=1e-9",
     {"database": "/a/b.duckdb", "policy": "p.toml", "ledger": "l", "epsilon": "0.5", "delta": "1e-9"}),
    ("dpsql:///x?quality=true&level=0.99", {"database": "x", "quality": True, "level": "0.99"}),
    ("dpsql:///x?quality=False&error=100", {"database": "x", "quality": False, "error": "100"}),
    ("dpsql://ada@/x", {"database": "x", "analyst": "ada"}),
    ("dpsql:///x?analyst=bob", {"database": "x", "analyst": "bob"}),
])
def test_urls(url: str, options: dict[str, str]) -> None:
    assert Dialect().create_connect_args(sa.make_url(url)) == ((), options)


@pytest.mark.parametrize(("url", "reason"), [
    ("dpsql://host/x", "names a file"), ("dpsql://a:secret@/x", "names a file"), ("dpsql://h:1/x", "names a file"),
    ("dpsql:///x?epsilo=1", "no option epsilo; there are: policy, ledger"),
    ("dpsql:///x?quality=maybe", "is true or false"), ("dpsql:///x?quality=true&quality=true", "is true or false"),
])
def test_urls_that_mean_nothing(url: str, reason: str) -> None:
    with pytest.raises(sa.exc.ArgumentError, match=reason) as raised:
        sa.create_engine(url).connect()
    assert "secret" not in str(raised.value)


def test_reflection(engine: sa.Engine) -> None:
    seen = sa.inspect(engine)
    assert seen.get_schema_names() == ["main", "stock"] and seen.get_view_names() == []
    assert seen.get_table_names() == ["people", "visits"] and seen.get_table_names("stock") == ["items"]
    assert seen.has_table("people") and seen.has_table("items", schema="stock")
    assert not seen.has_table("hidden") and not seen.has_table("items")
    assert seen.get_pk_constraint("people")["constrained_columns"] == ["id"]
    assert [key["column_names"] for key in seen.get_unique_constraints("people")] == [["name", "born"]]
    (path,) = seen.get_foreign_keys("visits")
    assert path["constrained_columns"] == ["who"]
    assert (path["referred_table"], path["referred_columns"]) == ("people", ["id"])
    assert seen.get_table_comment("people")["text"] == "one row a person; rows belong to id (the unit)"
    assert seen.get_indexes("people") == [] and seen.get_check_constraints("people") == []
    with pytest.raises(sa.exc.NoSuchTableError, match="hidden"):
        seen.get_columns("hidden")


def test_reflected_columns(people: sa.Table) -> None:
    assert {column.name: str(column.type) for column in people.columns} == {
        "id": "INTEGER", "name": "VARCHAR", "born": "DATE", "height": "NUMERIC(5, 2)", "group": "VARCHAR",
        "seen": "TIMESTAMP", "ok": "BOOLEAN", "score": "DOUBLE", "huge": "BIGINT", "photo": "BLOB", "tags": "NULL"}
    assert people.c.height.comment == "in metres; range [0, 3]" and people.c.id.comment == "the unit, key"
    assert not people.c.id.nullable and people.c.name.nullable and people.c.name.comment is None


def test_a_whole_schema_is_reflected(engine: sa.Engine) -> None:
    everything = sa.MetaData()
    everything.reflect(engine)
    everything.reflect(engine, schema="stock")
    assert sorted(everything.tables) == ["people", "stock.items", "visits"]
    assert _ask(engine, sa.select(everything.tables["stock.items"])) == [(1, 2.5), (2, None)]
    visits = everything.tables["visits"]
    joined = sa.select(sa.func.count()).select_from(visits.join(everything.tables["people"]))
    ((count,),) = _ask(engine, joined.where(visits.c.DAY.between(datetime.date(2019, 1, 1), datetime.date(2021, 1, 1))))
    assert count == 100


def test_core(engine: sa.Engine, people: sa.Table) -> None:
    count, group = sa.func.count(), people.c.group
    asked = sa.select(group, count.label("n"), sa.func.sum(people.c.height).label("h")).group_by(group)
    rows = _ask(engine, asked.having(count > 1).order_by(sa.desc("n")).limit(1).offset(1))
    assert [(row[0], row[1]) for row in rows] == [("a", 29)] and float(rows[0][2]) == pytest.approx(43.5, abs=0.1)
    band = sa.case((people.c.id <= 10, "few"), else_="many")
    assert sorted(_ask(engine, sa.select(band, count).group_by(band))) == [("few", 10), ("many", 90)]
    part = sa.select(group, count.label("n")).group_by(group).cte("part")
    share = sa.select(part.c.group, part.c.n / sa.select(sa.func.sum(part.c.n)).scalar_subquery())
    assert dict(_ask(engine, share))["a"] == pytest.approx(0.29)
    assert _ask(engine, sa.select(sa.cast(count, sa.Float), sa.cast(count, sa.Numeric(9, 1))).select_from(people)) == [
        (100.0, 100)]


WHERE: list[tuple[Any, int]] = [
    (lambda p: p.name.like("P1%"), 12), (lambda p: p.name.ilike("p1%"), 12), (lambda p: p.name.notilike("p1%"), 88),
    (lambda p: p.name.startswith("P1"), 12), (lambda p: p.name.istartswith("p1"), 12),
    (lambda p: p.name.contains("0"), 10), (lambda p: p.name.icontains("p_", autoescape=True), 0),
    (lambda p: p.name.contains("%", autoescape=True), 0), (lambda p: p.name.endswith("7"), 10),
    (lambda p: sa.not_(p.name.startswith("P1")), 88), (lambda p: p.name.ilike("p/_", escape="/"), 0),
    (lambda p: p.id.in_([1, 2, 3]), 3), (lambda p: p.id.between(1, 5), 5), (lambda p: p.id.is_(None), 0),
    (lambda p: p.ok.is_(True), 50), (lambda p: p.ok == sa.true(), 50), (lambda p: p.ok, 50),
    (lambda p: p.group.is_distinct_from("a"), 71), (lambda p: sa.or_(p.id < 3, p.id > 98), 4),
    (lambda p: p.id % 10 == 0, 10), (lambda p: p.id / 2 == 0.5, 1), (lambda p: p.id // 2 == 1, 2),
    (lambda p: sa.func.length(p.name) == 2, 9), (lambda p: sa.extract("month", p.born) == 2, 29),
    (lambda p: p.born >= datetime.date(2000, 4, 1), 10), (lambda p: p.seen > datetime.datetime(2001, 1, 1), 0),
    (lambda p: sa.func.coalesce(p.group, "a") == "a", 29), (lambda p: p.name + "x" == "P1x", 1),
    (lambda p: sa.cast(p.score, sa.Integer) == 3, 9), (lambda p: sa.cast(p.id, sa.String(3)) == "7", 1),
]


@pytest.mark.parametrize(("condition", "count"), WHERE)
def test_conditions(engine: sa.Engine, people: sa.Table, condition: Any, count: int) -> None:
    asked = sa.select(sa.func.count()).select_from(people).where(condition(people.c))
    assert _ask(engine, asked) == [(count,)], str(asked.compile(engine))


def test_refusals_keep_their_caret(engine: sa.Engine, people: sa.Table) -> None:
    for statement in (sa.select(people), sa.insert(people).values(id=1), sa.text("DROP TABLE people")):
        with pytest.raises(sa.exc.ProgrammingError, match=r"line 1: .*\n +\^"):
            _ask(engine, statement)


def test_reserved_words_are_quoted() -> None:
    reserved = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
    assert {word for (word,) in duckdb.execute(reserved).fetchall()} <= compiler.RESERVED_WORDS | RESERVED


def test_one_session_serves_an_engine(engine: sa.Engine) -> None:
    with engine.connect() as one, engine.connect().execution_options(isolation_level="AUTOCOMMIT") as two:
        assert one.connection.driver_connection is two.connection.driver_connection
        assert two.get_isolation_level() == "AUTOCOMMIT"
        one.rollback()
    before = engine.raw_connection().driver_connection
    engine.dispose()
    assert _ask(engine, sa.text("SELECT 1 AS x")) == [(1,)]
    assert engine.raw_connection().driver_connection is not before
