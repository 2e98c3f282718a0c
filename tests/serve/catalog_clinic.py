"""The clinic of the grammar pages: as a session, and as statements that make the same tables in PostgreSQL."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dpsql.dictionary import TableInfo
from dpsql.session import Session

FOLDER = Path(__file__).parents[2] / "grammar_fixtures"
# What the oids that PostgreSQL gives out are called.
SYMBOLS = """
SELECT oid, 'class ' || relname FROM pg_class WHERE oid >= 16384
UNION ALL SELECT oid, 'constraint ' || conname FROM pg_constraint WHERE oid >= 16384
UNION ALL SELECT oid, 'type ' || typname FROM pg_type WHERE oid >= 16384
UNION ALL SELECT oid, 'role ' || rolname FROM pg_roles WHERE oid >= 16384
UNION ALL SELECT oid, 'database ' || datname FROM pg_database WHERE oid >= 16384
"""
RECORDED = {"patients", "visits", "prescriptions", "payments", "wards", "drugs"}
_TYPES = {"DOUBLE": "double precision", "VARCHAR": "text"}


@contextmanager
def clinic() -> Iterator[Session]:
    """A session over the clinic under the pages' policy, without tables that came after the recordings."""
    begin, *tables = (FOLDER / "policy.toml").read_text().split("\n[tables.")
    kept = [table for table in tables if table.partition("]")[0] in RECORDED]
    with tempfile.TemporaryDirectory() as folder:
        with duckdb.connect(f"{folder}/clinic.duckdb") as connection:
            connection.execute((FOLDER / "clinic.sql").read_text())
        Path(folder, "policy.toml").write_text("\n[tables.".join([begin, *kept]))
        with Session(f"{folder}/clinic.duckdb", f"{folder}/policy.toml") as session:
            yield session


def declarations(tables: Sequence[TableInfo]) -> list[str]:
    """CREATE, keys, comments and grants, in PostgreSQL's words."""
    made: list[str] = []
    for table in tables:
        columns = ", ".join(f'"{c.name}" {_TYPES.get(c.type, c.type)}' for c in table.columns)
        made.append(f'CREATE TABLE "{table.name}" ({columns})')
        for number, key in enumerate(table.keys):
            kind = "UNIQUE" if number else "PRIMARY KEY"
            made.append(f'ALTER TABLE "{table.name}" ADD {kind} ({", ".join(key)})')
        whose = "public" if table.public else f"private: rows belong to {table.whose}"
        made.append(f"COMMENT ON TABLE \"{table.name}\" IS '{whose}'")
        made += [f"COMMENT ON COLUMN \"{table.name}\".\"{c.name}\" IS '{c.facts.replace(chr(39), chr(39) * 2)}'"
                 for c in table.columns if c.facts]
        made.append(f'GRANT SELECT ON "{table.name}" TO PUBLIC')
    for table in tables:
        if table.owner is not None:
            made.append(f'ALTER TABLE "{table.name}" ADD FOREIGN KEY ({table.owner.column}) '
                        f'REFERENCES "{table.owner.table}" ({table.owner.key})')
    return made
