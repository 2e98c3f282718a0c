"""`dpsql init`: a first policy from the schema alone. Never a value, nor a bound, read from the data."""

from __future__ import annotations

import json
import re

from dpsql.expression import Kind
from dpsql.schema import ColumnSchema, ForeignKey, Schema, TableSchema

_HEAD = """\
# A first policy, written by `dpsql init` from the schema alone: no value of the data was read.
#
# 1. Say who is protected (`unit`), and of each table below whose rows it holds.
# 2. Remove the tables nobody should ask about: what is not named here does not exist for analysts.
# 3. Write ranges and values from what you know of the world, not from the data: analysts may read this file, and a
#    bound that was looked up tells of whoever sets it. A value outside counts as the nearest end of the range.
# 4. `dpsql check` then tells you, and only you, how well the data fits.

version = "1"                  # change it when the data is refreshed: no older answer is then handed out again
{unit}
# ledger = "ID"                # `dpsql budget` shows it; with it, a lost budget file is an error, not a fresh budget

[budget]                       # for all analysts together, for ever
epsilon = 10.0                 # the smaller, the better everybody is hidden; 1 is strong, 10 is weak
delta = 1e-6                   # far below one over the number of units; queries may spend half; 0: no private keys

[query]                        # what one query costs when it does not say
epsilon = 1.0                  # ten such queries, and the budget above is spent
delta = 1e-8                   # spent only where groups are private

[limits]                       # what one unit may add to one query; what is beyond does not count
                               # leave out what you cannot tell: each query chooses it, for a tenth of its epsilon
max_groups = 10                # groups one unit may touch; noise grows with it, so take what is usual, not the most
max_rows_per_group = 50        # rows one unit may add to one group; likewise. A table may have its own
min_units = 1                  # a private group with fewer units is never shown

# [analysts.NAME]              # with an entry for anyone, everybody must have one; the budget above still covers all
# epsilon = 3.0
"""
_GUESSED = 'unit = {name}  # guessed from foreign keys: is each row of this table one person to protect?'
_OPEN = '# unit = "TABLE"               # the table whose rows are the persons to protect; needed'
_DECIDE = """\
# decide whose these rows are, by one of:
# unit = "COLUMN"              # this is the table of units, and the column tells them apart
# owner = "COLUMN -> TABLE.KEY"   # the foreign key that leads to the unit
# public = true                # nobody is to be protected: analysts may read every row"""
_NO_KEY = '# keys = ["COLUMN"]            # what never repeats; it is verified, and makes for less noise'
_PERSONS = re.compile(r"person|people|customer|patient|user|client|member|student|employee|citizen|household|account",
                      re.IGNORECASE)
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def init_text(schema: Schema) -> str:
    """A policy file (TOML) for the tables of `schema`: keys and owners as its constraints say, every column commented
    with its type. The table of units is guessed from foreign keys, and left open where they do not tell."""
    unit = _unit(schema)
    owners = _owners(schema, unit) if unit else {}
    line = _GUESSED.format(name=_string(unit.name)) if unit else _OPEN
    return "\n".join([_HEAD.format(unit=line), *(_table(table, unit, owners) for table in schema.tables)])


def _unit(schema: Schema) -> TableSchema | None:
    """The table that most others reach by foreign keys, those first whose name speaks of people."""
    reached = {table.name: _reaching(schema, table) for table in schema.tables if _single_key(table)}
    for names in ([name for name in reached if _PERSONS.search(name)], list(reached)):
        ranked = sorted((name for name in names if reached[name]), key=lambda name: -reached[name])
        if ranked and (len(ranked) == 1 or reached[ranked[0]] > reached[ranked[1]]):
            return schema.table(ranked[0])
    return None


def _reaching(schema: Schema, table: TableSchema) -> int:
    """How many other tables lead to `table` along foreign keys of one column."""
    found = {table.name}
    while more := [other.name for other in schema.tables if other.name not in found
                   and any(key.table in found for key in _single(other))]:
        found.update(more)
    return len(found) - 1


def _owners(schema: Schema, unit: TableSchema) -> dict[str, list[ForeignKey]]:
    """By table, the foreign keys that lead to the unit on the shortest way."""
    owners: dict[str, list[ForeignKey]] = {unit.name: []}
    while True:
        nearer = {
            table.name: keys for table in schema.tables
            if table.name not in owners and (keys := [key for key in _single(table) if key.table in owners])
        }
        if not nearer:
            return owners
        owners |= nearer


def _table(table: TableSchema, unit: TableSchema | None, owners: dict[str, list[ForeignKey]]) -> str:
    lines = [f"[tables.{_key(table.name)}]"]
    used: dict[str, str] = {}
    ways = owners.get(table.name, [])
    if unit is not None and table.name == unit.name:
        column = _single_key(table)
        assert column is not None
        lines.append(f"unit = {_string(column)}")
        used[column] = "the unit"
    elif ways:
        if len(ways) > 1:
            lines.append("# several columns lead to a unit; only the owner written here is protected: keep one")
        mark = "# " if len(ways) > 1 else ""
        lines += [f"{mark}owner = {_string(_owner(key))}" for key in ways]
        used |= {key.columns[0]: "leads to the owner" for key in ways}
    else:
        lines.append(_DECIDE)
    if table.enforced_keys:
        lines.append(f"keys = [{', '.join(map(_key_entry, table.enforced_keys))}]")
    else:
        lines.append(_NO_KEY)
    lines += [_column(column, used.get(column.name)) for column in table.columns]
    return "\n".join(lines) + "\n"


def _column(column: ColumnSchema, use: str | None) -> str:
    """The comment that stands for a column, with what may be declared of it."""
    name = f"# columns.{_key(column.name)}"
    if column.type is None:
        return f"{name}: {_string(column.stored)[1:-1][:60]}, which dpsql does not compute with"
    if use:
        return f"{name}: {column.type}, {use}"
    if column.type.kind is Kind.LIST:
        return f"{name}: {column.type}; range or values of what is in the lists"
    if column.type.numeric:
        return f"{name} = {{ range = [LOW, HIGH] }}   # {column.type}; for SUM and AVG"
    if column.type.kind is Kind.VARCHAR:
        return f'{name} = {{ values = ["A", "B"] }}   # {column.type}; to group by without delta, empty groups shown'
    return f"{name}: {column.stored}"


def _single(table: TableSchema) -> list[ForeignKey]:
    """The foreign keys that can define an owner: of one column, to another table."""
    return [key for key in table.foreign_keys if len(key.columns) == 1 and key.table != table.name]


def _single_key(table: TableSchema) -> str | None:
    """The first enforced key of one column."""
    return next((key[0] for key in table.enforced_keys if len(key) == 1), None)


def _owner(key: ForeignKey) -> str:
    names = (key.columns[0], key.table, key.referenced[0])
    column, target, referenced = (name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
                                  for name in names)
    return f"{column} -> {target}.{referenced}"


def _key_entry(key: tuple[str, ...]) -> str:
    names = ", ".join(map(_string, key))
    return names if len(key) == 1 else f"[{names}]"


def _key(name: str) -> str:
    """A TOML key."""
    return name if _BARE.fullmatch(name) else _string(name)


def _string(value: str) -> str:
    """A TOML string."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
