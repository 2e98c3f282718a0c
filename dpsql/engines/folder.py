"""A folder of Parquet and CSV files: one table a file, named after it. Nothing else on the disk can be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from dpsql.engines.duckdb import LOCK_DOWN, PINNED, DuckDB, Files, configure
from dpsql.errors import OpenError
from dpsql.schema import quote, text

_SUFFIXES = (".parquet", ".csv")
_SNIFFED = "SELECT Delimiter, Quote, Escape, Comment, SkipRows, HasHeader, Columns, DateFormat, TimestampFormat"


def open_folder(path: Path) -> DuckDB:
    """Open the folder at an absolute path. OpenError when it holds no such file, two of one name, or a broken one."""
    try:
        files = tuple(_files(path))
    except OSError as error:
        raise OpenError(f"{path} cannot be read: {error.strerror}") from None
    with duckdb.connect(":memory:") as connection:
        settled = tuple((file, _source(connection, file)) for file in files)
    connection = duckdb.connect(":memory:")
    try:
        settle(connection, settled, PINNED)
    except BaseException:
        connection.close()
        raise
    return DuckDB(connection, name=path.name, ledger=path.with_name(path.name + ".ledger"), files=settled)


def settle(connection: DuckDBPyConnection, files: Files, settings: Iterable[str]) -> None:
    """Views of files whose reading is settled, in an instance that is then locked. OpenError for one not read."""
    configure(connection, settings)
    for file, source in files:
        _create_view(connection, file, source)
    configure(connection, (*_only(tuple(file for file, _ in files)), *LOCK_DOWN))


def _files(path: Path) -> Iterator[Path]:
    seen: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() not in _SUFFIXES or file.name.startswith(".") or not file.is_file():
            continue
        if other := seen.get(file.stem.lower()):
            raise OpenError(f"{path}: {other.name} and {file.name} would both be the table {file.stem}; rename or "
                            "remove one")
        seen[file.stem.lower()] = file
        yield file
    if not seen:
        raise OpenError(f"{path} holds no .parquet and no .csv file; each would be a table of its name")


def _source(connection: DuckDBPyConnection, file: Path) -> str:
    try:
        return _parquet(file) if file.suffix.lower() == ".parquet" else _csv(connection, file)
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
    raise OpenError(f"{file} cannot be read: {reason}")


def _create_view(connection: DuckDBPyConnection, file: Path, source: str) -> None:
    try:
        connection.execute(f"CREATE VIEW {quote(file.stem)} AS SELECT * FROM {source}")
    except duckdb.Error as error:
        reason = str(error).partition("\n")[0]
    else:
        return
    raise OpenError(f"{file} cannot be read: {reason}")


def _parquet(file: Path) -> str:
    return f"read_parquet({text(_literal(file))}, hive_partitioning=false)"


def _csv(connection: DuckDBPyConnection, file: Path) -> str:
    """How to read a CSV file, settled over the whole of it now, so that no later query guesses again."""
    if file.stat().st_size == 0:
        raise OpenError(f"{file} is empty: a table needs at least a line of column names")
    path = text(_literal(file))
    found = connection.execute(f"{_SNIFFED} FROM sniff_csv({path}, sample_size=-1)").fetchall()[0]
    marks = ["" if mark == "(empty)" else str(mark) for mark in found[:4]]
    names = ("delim", "quote", "escape", "comment")
    options = [f"{name}={text(mark)}" for name, mark in zip(names, marks, strict=True)]
    options += [f"skip={int(found[4])}", f"header={str(bool(found[5])).lower()}"]
    options += [f"{name}={text(mark)}" for name, mark in
                zip(("dateformat", "timestampformat"), found[7:9], strict=True) if mark]
    columns = ", ".join(f"{text(column['name'])}: {text(column['type'])}" for column in found[6])
    return (f"read_csv({path}, auto_detect=false, hive_partitioning=false, {', '.join(options)}, "
            f"columns={{{columns}}})")


def _literal(file: Path) -> str:
    """The path with the characters that DuckDB takes for patterns in brackets."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(file))


def _only(files: tuple[Path, ...]) -> tuple[str, ...]:
    """Access to these files and nothing else; tighter than `allowed_directories`, which would admit new files too."""
    paths = sorted({path for file in files for path in (str(file), _literal(file))})
    return ("temp_directory=''", f"allowed_paths=[{', '.join(map(text, paths))}]", "enable_external_access=false")
