"""Reading the owner's policy file against the schema of the database it speaks of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from dpsql.expression import Kind
from dpsql.policy import MOST_DAYS, Budget, ColumnPolicy, Limits, OwnerPath, Policy, TablePolicy
from dpsql.policy_column import column_policy
from dpsql.policy_node import Node, read, suggest
from dpsql.schema import ColumnSchema, Schema, TableSchema

MOST = 2**31                       # no limit of groups, rows or units is above it
QUERY_EPSILON = Fraction(1)        # what a query costs when nobody says

_ROOT = ("version", "unit", "ledger", "budget", "query", "limits", "analysts", "tables")
_TABLE = ("public", "unit", "owner", "keys", "max_rows_per_group", "columns", "comment")
_ONE = r'\s*(?:"(?:[^"]|"")+"|[^".>]+)\s*'
_OWNER = re.compile(rf"({_ONE})->({_ONE}(?:\.{_ONE})+)")
_NAME = re.compile(r'"((?:[^"]|"")+)"|([^".\s](?:[^".]*[^".\s])?)')
_THREE_WAYS = ('say `public = true`, or `unit = "column"` in the one table of units, or '
               '`owner = "column -> table.key"`')


def load_policy(path: Path, schema: Schema) -> Policy:
    """The policy of the TOML file at `path`, its names spelled as the schema spells them.

    OpenError when there is no such file; PolicyError, with file, key path (line for TOML's syntax) and mend, for
    anything in it that is wrong or that does not fit the schema.
    """
    return bind(read(path), schema)


def bind(root: Node, schema: Schema) -> Policy:
    """The policy that stands in a file already read. PolicyError as for `load_policy`."""
    nodes = root.table(_ROOT)
    for name, example in (("version", '"2026-11"'), ("unit", '"customer"')):
        if name not in nodes:
            raise root.at(name, None).error(f"is missing: write `{name} = {example}`")
    if "budget" not in nodes:
        raise root.at("budget", None).error("is missing: write `[budget]` with `epsilon = 10.0` and `delta = 1e-6`")
    budget = _budget(nodes["budget"], extra=("refresh_days",))
    refresh = nodes["budget"].table(("epsilon", "delta", "refresh_days")).get("refresh_days")
    tables = _tables(nodes.get("tables", root.at("tables", {})), schema)
    return Policy(
        version=nodes["version"].text(),
        unit=_unit(nodes["unit"], tables, schema),
        budget=budget,
        query=_query(nodes.get("query", root.at("query", {})), budget),
        limits=_limits(nodes.get("limits", root.at("limits", {}))),
        tables=tables,
        analysts=_analysts(nodes["analysts"], budget) if "analysts" in nodes else None,
        ledger=nodes["ledger"].text() if "ledger" in nodes else None,
        refresh_days=None if refresh is None else refresh.whole(1, MOST_DAYS),
    )


def _budget(
    node: Node, epsilon: Fraction | None = None, delta: Fraction = Fraction(0), extra: tuple[str, ...] = (),
) -> Budget:
    """A budget; `epsilon` and `delta` are taken where the file has none (None: it must); `extra` keys may stand."""
    nodes = node.table(("epsilon", "delta", *extra))
    if "epsilon" in nodes:
        epsilon = nodes["epsilon"].number()
    elif epsilon is None:
        raise node.error("epsilon is missing: write `epsilon = 1.0`")
    if epsilon <= 0:
        raise nodes["epsilon"].error("must be above 0")
    if "delta" in nodes:
        delta = nodes["delta"].number()
        if not 0 <= delta < 1:
            raise nodes["delta"].error("must be at least 0 and below 1 (far below one over the number of units)")
    return Budget(epsilon, delta)


def _query(node: Node, budget: Budget) -> Budget:
    asked = _budget(node, min(QUERY_EPSILON, budget.epsilon))
    if asked.epsilon > budget.epsilon:
        raise node.at("epsilon", None).error(f"is more than the whole budget ({float(budget.epsilon):g}): no query "
                                             "would ever be answered; lower it")
    if asked.delta > budget.delta / 2:  # design, section 5: the basic rectangle has half of delta
        raise node.at("delta", None).error(f"is more than half of the budget's ({float(budget.delta):g}), which is all "
                                           "that queries may use: no query would ever be answered; lower it")
    return asked


def _limits(node: Node) -> Limits:
    return Limits(**{name: limit.whole(1, MOST) for name, limit in
                     node.table(("max_groups", "max_rows_per_group", "min_units")).items()})


def _analysts(node: Node, budget: Budget) -> dict[str, Budget]:
    for name, analyst in node.table().items():
        if not name.strip() or not name.isprintable():
            raise analyst.error("an analyst needs a name that can be read")
    return {name: _budget(analyst, delta=budget.delta) for name, analyst in node.table().items()}


def _tables(node: Node, schema: Schema) -> dict[str, TablePolicy]:
    found: dict[str, tuple[Node, TableSchema]] = {}
    for place, table in _declared(node, "", schema):
        if table.name in found:
            raise place.error(f"is the table {table.name}, which stands here already (letter case does not matter)")
        found[table.name] = (place, table)
    if not found:
        raise node.error(f"names no table: add `[tables.NAME]` for each that may be asked about; "
                         f"{suggest('', (table.name for table in schema.tables))}")
    tables = {name: _table(place, table, schema) for name, (place, table) in found.items()}
    for name, (place, _) in found.items():
        _check_owner(place, tables[name], tables)
    return tables


def _declared(node: Node, prefix: str, schema: Schema) -> list[tuple[Node, TableSchema]]:
    """The tables under a node, `[tables.sales.orders]` read as `sales.orders` where `sales` is a schema, no table."""
    found: list[tuple[Node, TableSchema]] = []
    for key, place in node.table().items():
        name = prefix + key
        table = schema.table(name)
        inner = f"{name.lower()}."
        if table is not None:
            found.append((place, table))
        elif inner == "main." or any(each.name.lower().startswith(inner) for each in schema.tables):
            found += _declared(place, name + ".", schema)
        else:
            raise place.error(f"the database has no such table; {suggest(name, (t.name for t in schema.tables))}")
    return found


def _table(node: Node, table: TableSchema, schema: Schema) -> TablePolicy:
    nodes = node.table(_TABLE)
    public = "public" in nodes and nodes["public"].flag()
    ways = [name for name in ("unit", "owner") if name in nodes]
    if public and (ways or "max_rows_per_group" in nodes):
        setting = (*ways, "max_rows_per_group")[0]
        raise nodes[setting].error("a public table protects nobody: remove this, or `public = true`")
    if not public and len(ways) != 1:
        wrong = "has both `unit` and `owner`" if ways else "does not say whose its rows are"
        raise node.error(f"{wrong}: {_THREE_WAYS}")
    limit = nodes["max_rows_per_group"].whole(1, MOST) if "max_rows_per_group" in nodes else None
    return TablePolicy(
        name=table.name,
        public=public,
        unit=_naming(nodes["unit"], table, nodes["unit"].text()).name if "unit" in nodes else None,
        owner=_owner(nodes["owner"], table, schema) if "owner" in nodes else None,
        keys=_keys(nodes["keys"], table) if "keys" in nodes else (),
        max_rows_per_group=limit,
        columns=_columns(nodes["columns"], table) if "columns" in nodes else {},
        comment=nodes["comment"].text() if "comment" in nodes else None,
    )


def _column(node: Node, table: TableSchema, name: str) -> ColumnSchema:
    column = table.column(name)
    if column is None:
        raise node.error(f"{table.name} has no column {name}; {suggest(name, (c.name for c in table.columns))}")
    return column


def _usable(node: Node, table: TableSchema, name: str) -> ColumnSchema:
    column = _column(node, table, name)
    if column.type is None:
        raise node.error(f"{table.name}.{column.name} is of type {column.stored}, which dpsql does not compute with")
    return column


def _naming(node: Node, table: TableSchema, name: str) -> ColumnSchema:
    """A column that says whose a row is."""
    column = _usable(node, table, name)
    if column.rounded:
        raise node.error(f"{table.name}.{column.name} is of type {column.stored}, read in microseconds: "
                         "two people could be taken for one")
    if column.type is not None and column.type.kind in (Kind.DOUBLE, Kind.LIST):
        raise node.error(f"{table.name}.{column.name} is of type {column.stored}, of which no two values are surely "
                         "equal: make a view with the whole number, or the text, that names a person")
    return column


def _keys(node: Node, table: TableSchema) -> tuple[tuple[str, ...], ...]:
    keys: list[tuple[str, ...]] = []
    for place in node.items():
        parts = place.items() if isinstance(place.value, list) else [place]
        key = tuple(_column(part, table, part.text()).name for part in parts)
        if not key or len(set(key)) < len(key):
            raise place.error("a key is a column, or a list of different columns")
        if set(key) not in map(set, keys):
            keys.append(key)
    return tuple(keys)


def _columns(node: Node, table: TableSchema) -> dict[str, ColumnPolicy]:
    columns: dict[str, ColumnPolicy] = {}
    for name, place in node.table().items():
        column = _usable(place, table, name)
        if column.name in columns:
            raise place.error(f"is the column {column.name}, which stands here already (letter case does not matter)")
        columns[column.name] = column_policy(place, column)
    return columns


def _owner(node: Node, table: TableSchema, schema: Schema) -> OwnerPath:
    """`column -> table.key`; a name that holds dots or spaces may stand in double quotes."""
    path = _OWNER.fullmatch(node.text())
    if path is None:
        raise node.error('must read "column -> table.key", such as "o_custkey -> customer.c_custkey"')
    column = _naming(node, table, _names(path[1])[0])
    *target, key = _names(path[2])
    name = ".".join(target)
    owner = schema.table(name)
    if owner is None:
        raise node.error(f"the database has no table {name}; {suggest(name, (t.name for t in schema.tables))}")
    other = _naming(node, owner, key)
    if column.type is None or other.type is None or column.type.kind is not other.type.kind:
        raise node.error(f"{table.name}.{column.name} is {column.type} and {owner.name}.{other.name} is {other.type}: "
                         "they cannot be equal")
    if (column.stored != other.stored and "UUID" in (column.stored, other.stored)) or (
            column.type.kind is Kind.DECIMAL and column.type != other.type):
        raise node.error(f"{table.name}.{column.name} is {column.stored} and {owner.name}.{other.name} is "
                         f"{other.stored}, in which one value may be written in several ways: make a view of one type")
    return OwnerPath(column.name, owner.name, other.name)


def _names(path: str) -> list[str]:
    """The names of a dotted path, out of their quotes."""
    return [quoted.replace('""', '"') or bare.strip() for quoted, bare in _NAME.findall(path)]


def _check_owner(node: Node, table: TablePolicy, tables: dict[str, TablePolicy]) -> None:
    """The owners of a table must lead, through declared tables, to the table of units."""
    seen = [table.name]
    here = table
    for _ in tables:                # no path is longer
        if here.owner is None:
            return
        place = node.at("owner", None)
        after = tables.get(here.owner.table)
        if after is None:
            raise place.error(f"{here.owner.table} is not in the policy: add `[tables.{here.owner.table}]`")
        if after.public:
            raise place.error(f"{after.name} is public: nobody owns its rows, so it cannot lead to an owner")
        if after.name in seen:
            raise place.error(f"the owners go in a circle: {' -> '.join([*seen, after.name])}")
        seen.append(after.name)
        here = after


def _unit(node: Node, tables: dict[str, TablePolicy], schema: Schema) -> str:
    """The name of the one table whose rows are the units."""
    name = node.text()
    carriers = [table.name for table in tables.values() if table.unit is not None]
    table = schema.table(name)
    if table is None or table.name not in tables:
        raise node.error(f"names the table of units, but {name} is not among the policy's tables; "
                         f"{suggest(name, carriers or tables)}")
    if not carriers:
        raise node.error(f'no table says which column is the unit: write `unit = "column"` in `[tables.{name}]`')
    if carriers != [table.name]:
        raise node.error(f"one policy protects one kind of unit, the rows of {table.name}, but `unit` stands in "
                         f"{_listed(carriers)}: elsewhere write `owner = \"column -> table.key\"`")
    return table.name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


