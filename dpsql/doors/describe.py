"""What an analyst may know of the tables: names and types from the schema, facts from the policy. Never data."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from dpsql.policy import ColumnPolicy, Literal, Policy, TablePolicy
from dpsql.schema import Schema


def describe_tables(policy: Policy) -> str:
    """One line per table of the policy: whose rows it holds, and its keys."""
    rows = [
        (name, whose(table), "; ".join(", ".join(key) for key in table.keys))
        for name, table in sorted(policy.tables.items())
    ]
    return _grid([("table", "rows belong to", "keys"), *rows])


def describe_table(policy: Policy, schema: Schema, name: str) -> str | None:
    """One line per column with its type and what the policy says of it; None for a table the policy does not name."""
    found = schema.table(name)
    table = policy.tables.get(found.name) if found is not None else None
    if found is None or table is None:
        return None
    rows = [
        (column.name, column.stored, _column(table, column.name, column.type is None)) for column in found.columns
    ]
    return f"{found.name}: {whose(table)}\n" + _grid([("column", "type", "policy"), *rows])


def whose(table: TablePolicy) -> str:
    """To whom the rows of a table belong, in the policy's words."""
    if table.public:
        return "nobody (public)"
    if table.owner is not None:
        return f"{table.owner.column} -> {table.owner.table}.{table.owner.key}"
    return f"{table.unit} (the unit)"


def _column(table: TablePolicy, name: str, unread: bool) -> str:
    facts = []
    if name == table.unit:
        facts.append("the unit")
    if table.owner is not None and name == table.owner.column:
        facts.append("owner")
    if (name,) in table.keys:
        facts.append("key")
    declared = table.columns.get(name, ColumnPolicy())
    if declared.range is not None:
        facts.append(f"range {declared.range}")
    if declared.values is not None:
        facts.append("values " + ", ".join(_literal(value) for value in declared.values))
    if unread:
        facts.append("of a type dpsql does not compute with")
    return ", ".join(facts)


def _literal(value: Literal) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Fraction():
            return f"{float(value):.10g}"
        case _:
            return str(value)


def _grid(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, a rule under the first row; the last column is as long as it likes."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    ruled = [rows[0], ["-" * min(width, 40) for width in widths], *rows[1:]]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in ruled
    )


