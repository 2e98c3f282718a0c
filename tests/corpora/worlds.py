"""A database made for a corpus, opened under a policy; and its queries, each asked once."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dpsql.answer import Answer
from dpsql.errors import QueryError
from dpsql.session import Session

POLICY = """
version = "1"
unit = "{unit}"
[budget]
epsilon = 1e16
delta = 0.5
[query]
epsilon = 1.0
delta = 1e-6
[limits]
max_groups = {caps}
max_rows_per_group = {caps}
"""


@dataclass(frozen=True)
class TableOf:
    """A table of a corpus: types and ranges by column; a column that names the unit, or none when it is public."""

    columns: Mapping[str, str]
    unit: str | None
    ranges: Mapping[str, tuple[float, float]]


def opened(folder: Path, script: str, policy: str) -> Session:
    """A session over the tables of a script."""
    with duckdb.connect(str(folder / "world.duckdb")) as made:
        made.execute(script)
    (folder / "policy.toml").write_text(policy)
    return Session(folder / "world.duckdb", folder / "policy.toml")


def owned(folder: Path, tables: Mapping[str, TableOf], rows: int) -> Session:
    """A session over such tables, so many rows in each; whoever is named in them is a row of `units`."""
    script = [f"CREATE TABLE units(uid BIGINT PRIMARY KEY); INSERT INTO units SELECT i FROM range({rows}) t(i)"]
    policy = [POLICY.format(unit="units", caps=5), '[tables.units]\nunit = "uid"\nkeys = ["uid"]\n']
    for name, table in tables.items():
        if "." in name:
            script.append(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        values = ", ".join(f'{_value(type_)} AS "{column}"' for column, type_ in table.columns.items())
        script.append(f"CREATE TABLE {name} AS SELECT {values} FROM range({rows}) t(i)")
        policy.append(f'[tables."{name}"]\n')
        policy.append(f'owner = "{table.unit} -> units.uid"\n' if table.unit else "public = true\n")
        policy += [f'columns."{column}" = {{ range = {list(ends)} }}\n' for column, ends in table.ranges.items()]
    return opened(folder, ";".join(script), "".join(policy))


def _value(type_: str) -> str:
    kinds = {"VARCHAR": "'v' || (i % 3)", "BOOLEAN": "i % 2 = 0", "TIMESTAMP": "TIMESTAMP '2024-01-01'"}
    return f"CAST({kinds.get(type_, 'i')} AS {type_})"


def verdict(session: Session, sql: str, dialect: str = "duckdb") -> tuple[str, QueryError | None]:
    """`private`, `public` or `refuse`, with the refusal. Any other error is a bug, and ends the run."""
    try:
        answer = session.query(sql, dialect=dialect, fresh=True)
    except QueryError as refused:
        return "refuse", refused
    return paid(answer), None


def paid(answer: Answer) -> str:
    """Whether an answer is of private rows."""
    return "private" if answer.cost.epsilon else "public"


def listed(title: str, sql: str, refused: QueryError | None) -> None:
    """Prints a query whose verdict is another one, and what dpsql says of it."""
    print(f"-- {title}\n{textwrap.shorten(sql, 400)}")
    print(textwrap.indent(str(refused), "    ") if refused else "    answered")
