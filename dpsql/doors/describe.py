"""The dictionary as a terminal shows it."""

from __future__ import annotations

from dpsql.dictionary import entry, grid, line
from dpsql.errors import ProgrammingError
from dpsql.policy import Policy
from dpsql.schema import Schema


def describe_tables(policy: Policy, schema: Schema) -> str:
    """One line per table of the policy: whose rows it holds, and its keys."""
    tables = [entry(policy, schema, name) for name in sorted(policy.tables)]
    rows = [(t.name, t.whose, "; ".join(", ".join(key) for key in t.keys), line(t.comment)) for t in tables]
    return grid(("table", "rows belong to", "keys", "comment"), rows)


def describe_table(policy: Policy, schema: Schema, name: str) -> str | None:
    """One line per column with its type and what the policy says of it; None for a table the policy does not name."""
    try:
        return str(entry(policy, schema, name))
    except ProgrammingError:
        return None
