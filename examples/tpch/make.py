"""Makes the TPC-H database: python examples/tpch/make.py --scale 0.1 tpch.duckdb

Scale 1 is 6 million line items in 250 MB of DuckDB, made in about half a minute. Needs tpchgen-cli from PyPI (in the
test extra). All columns are NOT NULL; there are no primary keys, because the policy's keys are verified instead.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

TABLES = ("region", "nation", "supplier", "customer", "part", "partsupp", "orders", "lineitem")


def make(database: Path, scale: float, *, double: bool = False, force: bool = False) -> None:
    """Writes the TPC-H tables of `scale` into the new file `database`; with `double`, DECIMAL columns become DOUBLE.

    FileExistsError when the file is there and `force` is not said; FileNotFoundError without tpchgen-cli.
    """
    if database.exists() and not force:
        raise FileExistsError(f"{database} exists: say --force to replace it")
    generator = _generator()
    with tempfile.TemporaryDirectory(dir=database.resolve().parent, prefix="tpch-") as folder:
        made = Path(folder) / "tpch.duckdb"
        command = [generator, "parquet", "--scale-factor", str(scale), "--output-dir", folder, "--quiet"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        with duckdb.connect(str(made)) as connection:
            for table in TABLES:
                _load(connection, table, Path(folder) / f"{table}.parquet", double)
        os.replace(made, database)


def _load(connection: duckdb.DuckDBPyConnection, table: str, file: Path, double: bool) -> None:
    source = f"read_parquet('{str(file).replace(chr(39), chr(39) * 2)}')"
    columns = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    types = [(name, "DOUBLE" if double and type_.startswith("DECIMAL") else type_) for name, type_, *_ in columns]
    connection.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {type_} NOT NULL' for name, type_ in types)})")
    connection.execute(f"INSERT INTO {table} SELECT * FROM {source}")


def _generator() -> str:
    """The command tpchgen-cli: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name("tpchgen-cli")
    found = str(beside) if beside.exists() else shutil.which("tpchgen-cli")
    if found is None:
        raise FileNotFoundError("tpchgen-cli is not installed: pip install tpchgen-cli (or the test extra of dpsql)")
    return found


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path, help="the DuckDB file to make")
    parser.add_argument("--scale", type=float, default=0.1, help="the scale factor (default: 0.1)")
    parser.add_argument("--double", action="store_true", help="DOUBLE columns instead of DECIMAL")
    parser.add_argument("--force", action="store_true", help="replace the file if it is there")
    options = parser.parse_args()
    try:
        make(options.database, options.scale, double=options.double, force=options.force)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.database}: TPC-H at scale {options.scale:g}; the policy for it is examples/tpch/policy.toml")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
