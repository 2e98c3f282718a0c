"""Every catalog statement that real clients sent to a real PostgreSQL, and what it answered: ours are the same.

The recordings were written by tests/serve/catalog_recorder.py. Oids of tables differ; they are compared by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dpsql.doors.serve.catalog import Answered, Asker, Catalog
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.inputs import value
from dpsql.doors.serve.values import encoder
from tests.serve.catalog_clinic import SYMBOLS, clinic

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
SETTINGS = {"search_path": '"$user", public', "server_version_num": "150018", "jit": "on"}
ASKER = Asker("alice", "clinic", 7, SETTINGS)
# Statements whose answers are not compared to the letter: what they contain, what is compared, why.
OTHERWISE: tuple[tuple[str, str, str], ...] = (
    ("ORDER BY\n    depth DESC", "any order", "its rows of one depth have no order"),
    ("pg_table_size", "columns", "how large a private table is, is private"),
    ("FROM pg_catalog.pg_database", "columns", "there is one database, without templates"),
    ("pg_catalog.pg_roles", "columns", "there are two roles, and the owner cannot log in"),
    ("pg_namespace n\nWHERE n.nspname !~", "columns", "the schema is the owner's"),
    ("FROM pg_catalog.pg_namespace WHERE nspname = $1", "columns", "the schema is the owner's"),
    ("pg_catalog.pg_extension", "columns", "there are no extensions"),
    ("pg_catalog.pg_cast", "columns", "casts are not told"),
    ("pg_catalog.pg_ts_config", "columns", "there is no text search"),
    ("pg_catalog.pg_language", "columns", "nothing can be programmed"),
    ("pg_catalog.pg_settings", "columns", "the settings are those of the connection"),
    ("pg_class.relnamespace \nWHERE pg_catalog.pg_class.relkind = ANY", "within",
     "system tables that nobody asks are not told"),
    ("SELECT relname, reltuples", "columns", "how many rows a table has, is private"),
    ("version()", "columns", "it is another program"),
    ("WHERE NOT pg_catalog.pg_opclass.opcdefault", "within", "only those of types that clients meet are told"),
    ("pg_get_keywords", "columns", "words that need no quotes are not told"),
    ("pg_catalog.pg_proc p WHERE", "columns", "only functions that are answered are told"),
    ("typinput='pg_catalog.array_in'", "within", "only types that clients meet are told"),
    ("SELECT t.typname,t.oid", "within", "only types that clients meet are told"),
    ("SELECT t.typname, NULL::pg_catalog.text", "within", "only types that clients meet are told"),
)

@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    with clinic() as session:
        made = Catalog(session.tables())
        yield made
        made.close()


def _asked(catalog: Catalog, sql: str, values: list[object]) -> Answered:
    statement = catalog.statement(sql)
    assert statement is not None, "it is one for the catalog"
    return catalog.answer(statement, values, ASKER)


def _symbols(catalog: Catalog) -> dict[str, str]:
    return {str(name): str(oid) for oid, name in _asked(catalog, SYMBOLS.replace("16384", "16380"), []).rows}


def _named(text: str | None, symbols: dict[str, str]) -> str | None:
    if text is None:
        return None
    return re.sub(r"\b1[67]\d{3}\b", lambda found: symbols.get(found[0], found[0]), text)


def _texts(answer: Answered) -> list[list[str | None]]:
    encoders = [encoder(oid, 0) for _, oid in answer.columns]
    return [[None if cell is None else encode(cell).decode() for cell, encode in zip(row, encoders, strict=True)]
            for row in answer.rows]


def _sorted(rows: list[list[str | None]]) -> list[list[str | None]]:
    return sorted(rows, key=lambda row: [(cell is None, cell or "") for cell in row])


def _mode(sql: str) -> str:
    return next((mode for piece, mode, _ in OTHERWISE if piece in sql), "same")


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_answers_are_those_of_postgresql(path: Path, catalog: Catalog) -> None:
    recording = json.loads(path.read_text())
    ours = _symbols(catalog)
    theirs: dict[str, str] = recording["symbols"]
    there = {oid: ours[name] for oid, name in theirs.items() if name in ours}
    back = {oid: name for name, oid in ours.items()}
    wrong = [found for each in recording["statements"] if (found := _compared(catalog, each, there, theirs, back))]
    assert not wrong, "\n\n".join(wrong)


def _there(oid: int, there: dict[str, str]) -> int:
    return int(there.get(str(oid), oid))


def _compared(
    catalog: Catalog, asked: dict[str, Any], there: dict[str, str], theirs: dict[str, str], ours: dict[str, str],
) -> str | None:
    """What differs; None when nothing does."""
    sql = _named(asked["sql"], there) or ""
    statement = catalog.statement(sql) if "sqlstate" not in asked else None
    types = (*(statement.parameters if statement is not None else ()), *(25 for _ in asked["params"]))
    values = [None if text is None else value((_named(text, there) or "").encode(), oid, 0, "UTC", 1)
              for (_, text), oid in zip(asked["params"], types, strict=False)]
    try:
        answer = _asked(catalog, sql, values)
    except Failure as failure:
        return None if failure.sqlstate == asked.get("sqlstate") else f"{sql}\n{failure.sqlstate} {failure.reason}"
    mode = _mode(sql)
    if [list(column) for column in answer.columns] != [[name, _there(oid, there)] for name, oid in asked["columns"]]:
        return f"{sql}\ncolumns {answer.columns}\nnot     {asked['columns']}"
    found = [[_named(cell, ours) for cell in row] for row in _texts(answer)]
    wanted = [[_named(cell, theirs) for cell in row] for row in asked["rows"]]
    if "ORDER BY" not in sql or mode == "any order":
        found, wanted = _sorted(found), _sorted(wanted)
    same = mode == "columns" or found == wanted or (mode == "within" and all(row in wanted for row in found))
    if not same:
        missing = [row for row in wanted if row not in found][:4]
        more = [row for row in found if row not in wanted][:4]
        return f"{sql}\n{values}\nmissing {missing}\nmore    {more}\n{len(found)} rows, not {len(wanted)}"
    return None
