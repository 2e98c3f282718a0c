"""The README's code runs, and its commands are the ones CI runs."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
from sqlalchemy.dialects import registry

from dpsql.doors import python

registry.register("dpsql", "dpsql.doors.sqlalchemy", "Dialect")     # where dpsql is not installed
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

_HOSPITAL = """
CREATE TABLE patients AS SELECT i AS patient_id, (i * 7) % 90 AS age FROM range(2000) t(i);
CREATE TABLE visits AS
    SELECT (i * 13) % 2000 AS patient_id, CAST((i * 31) % 900 AS DOUBLE) AS cost,
           CASE WHEN i % 3 = 0 THEN 'surgery' ELSE 'cardiology' END AS ward
    FROM range(6000) t(i);
CREATE TABLE wards AS SELECT unnest(['surgery', 'cardiology']) AS ward;
"""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_code_of_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    (policy,) = _blocks("toml")
    monkeypatch.chdir(tmp_path)
    Path("policy.toml").write_text(policy)
    with duckdb.connect("hospital.duckdb") as connection:
        connection.execute(_HOSPITAL)
    scope: dict[str, object] = {}
    for block in _blocks("python"):
        exec(compile(block, "README.md", "exec"), scope)
    python.close()
    printed = capsys.readouterr().out
    assert "±" in printed and "(alice)" in printed and "cardiology" in printed


def test_ci_calls_the_readmes_test_command() -> None:
    (command,) = [line for block in _blocks("") for line in block.splitlines() if line.endswith("-m pytest")]
    assert command in (ROOT / ".ci" / "run").read_text()


def test_what_the_readme_names_is_there() -> None:
    for path in re.findall(r"`(?:dpsql/|pytest )?(tests/[\w/.]+)`", README):
        assert (ROOT / path).exists(), path
