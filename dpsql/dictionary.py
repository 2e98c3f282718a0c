"""dictionary: what an analyst may know of the tables. Names and types from the schema, facts from the policy."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dpsql.errors import ProgrammingError
from dpsql.interval import Interval
from dpsql.policy import ColumnPolicy, Literal, OwnerPath, Policy, TablePolicy
from dpsql.policy_column import dated
from dpsql.schema import ColumnSchema, Schema, TableSchema

_UNDECLARED = ColumnPolicy()


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column. `type` is the SQL type as stored; `usable` says whether dpsql computes with that type.

    `range` and `values` are the policy's declarations, `unit` and `owner` whether it holds the unit or leads to it,
    `key` whether it alone is a key.
    """

    name: str
    type: str
    nullable: bool
    usable: bool = True
    range: Interval | None = None
    values: tuple[Literal, ...] | None = None
    unit: bool = False
    owner: bool = False
    key: bool = False
    comment: str | None = None

    @property
    def ends(self) -> tuple[Literal, ...]:
        """The ends of the declared range, in the column's own type; none without a range."""
        if self.range is None:
            return ()
        if not self.type.startswith(("DATE", "TIMESTAMP")):
            return self.range.ends
        return tuple(dated(end, self.type == "DATE") for end in self.range.ends)

    @property
    def facts(self) -> str:
        """What the policy says of the column, in words; empty when it says nothing."""
        said = [word for word, holds in (("the unit", self.unit), ("owner", self.owner), ("key", self.key)) if holds]
        if self.range is not None:
            low, high = self.ends
            said.append(f"range [{low}, {high}]" if isinstance(low, datetime.date) else f"range {self.range}")
        if self.values is not None:
            said.append("values " + ", ".join(map(_literal, self.values)))
        if not self.usable:
            said.append("of a type dpsql does not compute with")
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class TableInfo:
    """One table of the policy: public, or whose its rows are (`unit`: that column; `owner`: the path to the unit).

    `keys` are those the policy declares. `print(table)` shows one line a column.
    """

    name: str
    public: bool
    unit: str | None
    owner: OwnerPath | None
    keys: tuple[tuple[str, ...], ...]
    columns: tuple[ColumnInfo, ...]
    max_rows_per_group: int | None = None
    comment: str | None = None

    @property
    def whose(self) -> str:
        """To whom the rows belong, in the policy's words."""
        if self.public:
            return "nobody (public)"
        if self.owner is not None:
            return f"{self.owner.column} -> {self.owner.table}.{self.owner.key}"
        return f"{self.unit} (the unit)"

    def __str__(self) -> str:
        rows = [(column.name, column.type, column.facts, line(column.comment)) for column in self.columns]
        said = f" ({line(self.comment)})" if self.comment else ""
        return f"{self.name}: {self.whose}{said}\n" + grid(("column", "type", "policy", "comment"), rows)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as dicts and lists of JSON's own values; dates and exact fractions as text and numbers."""
        return {
            "name": self.name, "public": self.public, "unit": self.unit,
            "owner": None if self.owner is None else self.whose,
            "keys": [list(key) for key in self.keys],
            "max_rows_per_group": self.max_rows_per_group, "comment": self.comment,
            "columns": [{
                "name": column.name, "type": column.type, "nullable": column.nullable, "usable": column.usable,
                "range": None if column.range is None else [_plain(end) for end in column.ends],
                "values": None if column.values is None else [_plain(value) for value in column.values],
                "unit": column.unit, "owner": column.owner, "key": column.key, "comment": column.comment,
            } for column in self.columns],
        }


def dictionary(policy: Policy, schema: Schema) -> tuple[TableInfo, ...]:
    """Every table of the policy, by name."""
    found = [(schema.table(name), rules) for name, rules in sorted(policy.tables.items())]
    return tuple(_table(table, rules) for table, rules in found if table is not None)


def entry(policy: Policy, schema: Schema, name: str) -> TableInfo:
    """The table an analyst calls `name`, letter case ignored. ProgrammingError when the policy does not name it."""
    table = schema.table(name)
    rules = policy.tables.get(table.name) if table is not None else None
    if table is None or rules is None:
        raise ProgrammingError(f"the policy names no table {name}; there are: {', '.join(sorted(policy.tables))}")
    return _table(table, rules)


def _table(table: TableSchema, rules: TablePolicy) -> TableInfo:
    return TableInfo(
        table.name, rules.public, rules.unit, rules.owner, rules.keys,
        tuple(_column(column, rules) for column in table.columns), rules.max_rows_per_group, rules.comment,
    )


def _column(column: ColumnSchema, rules: TablePolicy) -> ColumnInfo:
    declared = rules.columns.get(column.name, _UNDECLARED)
    return ColumnInfo(
        column.name, column.stored, column.nullable, column.type is not None, declared.range, declared.values,
        column.name == rules.unit, rules.owner is not None and column.name == rules.owner.column,
        (column.name,) in rules.keys, declared.comment,
    )


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, a rule under the head; a last column that is empty everywhere is left out."""
    if rows and not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    ruled = [head, ["-" * min(width, 40) for width in widths], *rows]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in ruled
    )


def line(comment: str | None) -> str:
    """A comment as one line of printable characters; empty for none."""
    return "".join(c if c.isprintable() else " " for c in " ".join((comment or "").split()))


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


def _plain(value: Literal) -> bool | int | float | str:
    match value:
        case bool() | int() | str():
            return value
        case Fraction():
            return value.numerator if value.denominator == 1 else float(value)
        case _:
            return value.isoformat()
