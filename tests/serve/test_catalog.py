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
from tests.serve.catalog_clinic import clinic
from tests.serve.catalog_recorder import SYMBOLS

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.json"))
SETTINGS = {"search_path": '"$user", public', "server_version_num": "150018", "jit": "on", "max_index_keys": "32"}
ASKER = Asker("alice", "clinic", 7, SETTINGS)
# Where the answers of a full PostgreSQL hold more than ours: what the statement contains, how it is compared, why.
OTHERWISE: tuple[tuple[str, str, str], ...] = ()


@pytest.fixture(scope="module")
def catalog() -> Iterator[Catalog]:
    with clinic() as session:
        yield Catalog(session.tables())


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


def _compared(
    catalog: Catalog, asked: dict[str, Any], there: dict[str, str], theirs: dict[str, str], ours: dict[str, str],
) -> str | None:
    """What differs; None when nothing does."""
    sql = _named(asked["sql"], there) or ""
    values = [None if text is None else value((_named(text, there) or "").encode(), oid if oid < 16384 else 25, 0, "UTC", 1)
              for oid, text in asked["params"]]
    try:
        answer = _asked(catalog, sql, values)
    except Failure as failure:
        return None if failure.sqlstate == asked.get("sqlstate") else f"{sql}\n{failure.sqlstate} {failure.reason}"
    mode = _mode(sql)
    if [list(column) for column in answer.columns] != asked["columns"] and mode != "anything":
        return f"{sql}\ncolumns {answer.columns}\nnot     {asked['columns']}"
    found = [[_named(cell, ours) for cell in row] for row in _texts(answer)]
    wanted = [[_named(cell, theirs) for cell in row] for row in asked["rows"]]
    if "ORDER BY" not in sql:
        found, wanted = _sorted(found), _sorted(wanted)
    if mode == "same" and found != wanted or mode == "within" and any(row not in wanted for row in found):
        missing = [row for row in wanted if row not in found][:4]
        more = [row for row in found if row not in wanted][:4]
        return f"{sql}\n{values}\nmissing {missing}\nmore    {more}\n{len(found)} rows, not {len(wanted)}"
    return None
