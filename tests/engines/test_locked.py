"""Every escape of safety.md, section 3, tried on the locked connection of a file, of a folder, and of the finish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from dpsql.engines.base import open_engine
from dpsql.engines.duckdb import LOCK_DOWN, NO_FILES, PINNED, DuckDB
from dpsql.engines.scratch import BindError, Scratch
from dpsql.errors import ExecutionError

smuggled = [("Zoe",)]       # what a replacement scan of Python variables would find
FILES = (
    "SELECT * FROM read_csv('{file}')", "SELECT * FROM read_text('{file}')", "SELECT * FROM read_blob('{file}')",
    "SELECT * FROM read_parquet('{file}')", "SELECT * FROM read_json('{file}')", "SELECT * FROM '{file}'",
    "SELECT * FROM glob('{folder}/*')", "SELECT * FROM sniff_csv('{file}')", "COPY (SELECT 1) TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '/dev/stdout'", "EXPORT DATABASE '{folder}/out'", "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/other.duckdb'", "ATTACH ':memory:' AS fresh; ATTACH '{folder}/other.duckdb' AS other",
    "SELECT * FROM read_duckdb('{folder}/other.duckdb')", "SELECT * FROM 'https://example.org/x.csv'",
)
CODE = (
    "INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL json FROM community", "LOAD '{folder}/evil.duckdb_extension'",
    "CREATE SECRET s (TYPE s3)", "CREATE PERSISTENT SECRET s (TYPE s3)",
)
SETTINGS = (
    "SET enable_external_access = true", "SET GLOBAL enable_external_access = true", "RESET enable_external_access",
    "SET threads = 1", "SET memory_limit = '1TB'", "PRAGMA memory_limit = '1TB'", "SET temp_directory = '{folder}'",
    "SET disabled_optimizers = ''", "RESET disabled_optimizers", "SET lock_configuration = false",
    "RESET lock_configuration", "SET error_on_division_by_zero = true", "SET python_scan_all_frames = true",
    "SET python_enable_replacements = true", "SET SESSION python_enable_replacements = true",
    "PRAGMA enable_profiling", "SET enable_logging = true", "SET log_query_path = '{folder}/log'",
    "SET autoload_known_extensions = true", "SET allowed_directories = ['/']",
    "CALL enable_logging()",
)
VARIABLES = ("SELECT * FROM smuggled",)
WRITES = (
    "INSERT INTO people VALUES (2, 'x')", "DELETE FROM people", "UPDATE people SET name = 'x'", "DROP TABLE people",
    "CREATE TABLE copied AS SELECT * FROM people", "ALTER TABLE people ADD COLUMN x INTEGER",
)
# what a locked instance admits, and the engine does not run: it runs one SELECT
STATE = (
    "DETACH data", "DETACH DATABASE IF EXISTS data", "DETACH \"dpsql data\"", "USE data", "SELECT 1; DETACH data",
    "SET VARIABLE kept = 1", "CREATE TEMP TABLE kept AS SELECT 1", "CREATE TEMP MACRO kept() AS 1", "CHECKPOINT",
    "CREATE TEMP VIEW people AS SELECT 2", "PREPARE kept AS SELECT 1", "SET search_path = 'temp'", "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT * FROM people", "PRAGMA storage_info('people')", "CALL pragma_version()", "VACUUM",
    "SELECT 1; SELECT 2", "BEGIN", "COMMIT", "EXECUTE kept", "DEALLOCATE kept", "ATTACH ':memory:' AS fresh",
    "PIVOT people ON id",
)
Attempt = Callable[[str], object]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secret.csv").write_text("a\nZoe\n")
    for name in ("data", "other"):
        with duckdb.connect(str(tmp_path / f"{name}.duckdb")) as connection:
            connection.execute("CREATE TABLE people AS SELECT 1 AS id, 'Zoe' AS name")
    return tmp_path / "data.duckdb"


@pytest.fixture
def locked(file: Path) -> Iterator[DuckDB]:
    engine = open_engine(file)
    assert isinstance(engine, DuckDB)
    yield engine
    engine.close()


@pytest.mark.parametrize("sql", FILES + CODE + SETTINGS + VARIABLES + WRITES + STATE)
def test_nothing_escapes_a_file(locked: DuckDB, file: Path, sql: str) -> None:
    before, text = sorted(file.parent.iterdir()), sql.format(file=file.parent / "secret.csv", folder=file.parent)
    with pytest.raises(ExecutionError):
        locked.run(text)
    if sql not in STATE:        # nor would the lock admit it
        with pytest.raises(duckdb.Error):
            locked._cursor().execute(text)
    assert sorted(file.parent.iterdir()) == before
    assert locked.run("SELECT * FROM people").values == [(1, "Zoe")]


@pytest.mark.parametrize("sql", FILES + CODE + SETTINGS + VARIABLES + STATE)
def test_nothing_escapes_a_folder(file: Path, tmp_path: Path, sql: str) -> None:
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "people.csv").write_text("id,name\n1,Zoe\n")
    engine = open_engine(tmp_path / "tables")
    with pytest.raises(ExecutionError):
        engine.run(sql.format(file=file.parent / "secret.csv", folder=file.parent))
    assert engine.run("SELECT * FROM people").values == [(1, "Zoe")]
    engine.close()


@pytest.mark.parametrize("sql", FILES + CODE + SETTINGS + VARIABLES + STATE)
def test_nothing_escapes_the_finish(file: Path, sql: str) -> None:
    scratch = Scratch([], lambda table: table)
    text = sql.format(file=file.parent / "secret.csv", folder=file.parent)
    with pytest.raises(ExecutionError):
        scratch.run(text, (), ())
    if sql not in STATE:
        with pytest.raises(duckdb.Error):
            scratch._cursor("dpsql data").execute(text)
    assert scratch.run("SELECT 7", (), ())[2] == [(7,)]
    with pytest.raises(BindError):
        scratch.describe(f"SELECT 1; {sql}", ())
    scratch.close()


def test_the_settings_are_what_they_were_set_to(locked: DuckDB) -> None:
    """In a new cursor too, whatever a statement before it did."""
    for setting in (*PINNED, *NO_FILES, *LOCK_DOWN):
        name, _, wanted = setting.partition("=")
        if name != "disabled_filesystems":      # cannot be read back
            found = str(locked.run(f"SELECT current_setting('{name.lower()}')").values[0][0]).lower()
            wanted = {"ascending": "asc", "false": "0"}.get(wanted.strip("'"), wanted)      # as they are read back
            found = {"false": "0"}.get(found, found)
            assert sorted(found.split(",")) == sorted(wanted.strip("'").lower().split(",")), name


def test_what_one_statement_leaves_behind_the_next_does_not_see(locked: DuckDB) -> None:
    """DuckDB itself admits these; no state is shared even so."""
    for sql in ("CREATE TEMP TABLE kept AS SELECT 1", "PREPARE kept AS SELECT 1", "BEGIN", "SET VARIABLE kept = 1",
                "CREATE TEMP MACRO kept() AS 1", "SET search_path = 'temp'"):
        locked._cursor().execute(sql)
        for probe in ("SELECT * FROM kept", "EXECUTE kept", "SELECT kept()", "COMMIT"):
            with pytest.raises(ExecutionError):
                locked.run(probe)
    assert locked.run("SELECT getvariable('kept'), name FROM people").values == [(None, "Zoe")]
