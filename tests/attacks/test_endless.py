"""Texts on which sqlglot works for hours: with every check of their shape off, an isolated session refuses them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dpsql import limits
from dpsql.errors import QueryError
from dpsql.session import Session
from tests.attacks.hospital_world import build

DEEP = 28
DOUBLING = {        # each is read for twice as long with every level
    "types": ("duckdb", "SELECT " + "BIGINT(" * DEEP + "age" + ")" * DEEP + " FROM patients"),
    "types of postgres": ("postgres", "SELECT COUNT(*) FROM patients WHERE 1 = " + "INT(" * DEEP + "1" + ")" * DEEP),
    "joins": ("duckdb", "SELECT COUNT(*) FROM patients" + " JOIN patients" * DEEP),
    "stars": ("duckdb", "SELECT " + "EXCLUDE ( DATE * " * DEEP + "age" + ")" * DEEP + " FROM patients"),
}
WAIT = 30           # seconds on a busy machine; each would take hours


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    path: Path = build(tmp_path_factory.mktemp("endless") / "world", None)
    with Session(path, path.parent / "policy.toml", path.parent / "ledger", isolated=True) as session:
        yield session


@pytest.mark.parametrize("form", DOUBLING)
def test_a_form_that_no_limit_knows(form: str, isolated: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TWICE", replace(limits.TWICE, most=1000))
    before, began = isolated.balance(), time.perf_counter()
    dialect, sql = DOUBLING[form]
    with pytest.raises(QueryError, match="takes more than 1 second to plan"):
        isolated.query(sql, dialect=dialect)
    assert time.perf_counter() - began < WAIT and isolated.balance() == before
    assert isolated.query("SELECT COUNT(*) AS n FROM patients", fresh=True).rows[0][0] > 0


@pytest.mark.parametrize("sql", [
    "SELECT 1 " + "/*" * 9_000,
    "SELECT " + "a" * 90_000 + " AS b, STRING_AGG(name, ',') FROM patients",
    "SELECT '" + "a(" * 45_000 + "' AS b, QUANTILE_DISC(age, 0.5) FROM patients",
])
def test_texts_that_took_our_own_patterns_a_minute(sql: str, isolated: Session) -> None:
    began = time.thread_time()
    try:
        isolated.plan(sql)
    except QueryError as refused:
        assert "second" not in refused.reason
    assert time.thread_time() - began < 0.5
