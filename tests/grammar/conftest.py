"""The clinic of the grammar pages, opened once, and a plain copy of it without the rows that belong to nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pages import FOLDER

from dpsql.session import Session

# A row is owned through its declared path; a row whose path ends in nothing is nobody's, and never counted.
_OWNED = """
DELETE FROM visits WHERE pid IS NULL;
DELETE FROM prescriptions WHERE vid NOT IN (SELECT vid FROM visits);
"""


@pytest.fixture(scope="session")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session over the clinic under the pages' policy, with a budget that never ends."""
    folder = tmp_path_factory.mktemp("clinic")
    with duckdb.connect(folder / "clinic.duckdb") as connection:
        connection.execute((FOLDER / "clinic.sql").read_text())
    policy = (FOLDER / "policy.toml").read_text()
    budget = "[budget]\nepsilon = 10.0\ndelta = 1e-6\n"
    assert budget in policy
    generous = policy.replace(budget, "[budget]\nepsilon = 1e15\ndelta = 0.5\n")
    Path(folder / "policy.toml").write_text(generous)
    with Session(folder / "clinic.duckdb", folder / "policy.toml") as session:
        yield session


@pytest.fixture(scope="session")
def plain() -> Iterator[duckdb.DuckDBPyConnection]:
    """Plain DuckDB over the owned rows of the same clinic."""
    with duckdb.connect() as connection:
        connection.execute((FOLDER / "clinic.sql").read_text() + _OWNED)
        yield connection
