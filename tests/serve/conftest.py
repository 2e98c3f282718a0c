"""Servers for tests: one for all that leave it as it is, and servers of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serve.hosting import Served, hospital


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that leave it as it is."""
    server = Served(hospital(tmp_path_factory.mktemp("served")))
    yield server
    server.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Makes servers of a test's own."""
    made: list[Served] = []

    def start(*options: str) -> Served:
        if not (tmp_path / "hospital.duckdb").exists():
            hospital(tmp_path)
        made.append(Served(tmp_path, *options))
        return made[-1]

    yield start
    for server in made:
        server.stop()
