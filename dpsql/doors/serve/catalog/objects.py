"""The tables of the policy as objects of PostgreSQL: oids, schemas, columns, keys, indexes, comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dpsql.dictionary import ColumnInfo, TableInfo, line
from dpsql.doors.serve.values import field
from dpsql.engines.catalog import sql_type

FIRST = 16384               # the first oid that is no system's
OWNER, USER_ID = 10, 16383  # oids of the role that owns everything and of the role that asks
OWNER_NAME = "dpsql"
LONGEST = 63                # bytes of a name
SYSTEM, HOME = ("pg_catalog", 11), ("public", 2200)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
# Words that cannot be a name unless quoted.
_WORDS = """
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc distinct
do else end except false fetch for foreign from grant group having in initially intersect into lateral leading limit
localtime localtimestamp not null offset on only or order placing primary references returning select session_user
some symmetric table then to trailing true union unique user using variadic when where window with authorization
binary collation concurrently cross current_schema freeze full ilike inner is isnull join left like natural notnull
outer overlaps right similar tablesample verbose between bigint bit boolean char character coalesce dec decimal exists
extract float greatest grouping inout int integer interval least national nchar none nullif numeric out overlay
position precision real row setof smallint substring time timestamp treat trim values varchar
"""
RESERVED = frozenset(_WORDS.split())


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its number from 1, the oid of its type and the modifier of that."""

    name: str
    number: int
    type: int
    modifier: int
    required: bool
    comment: str


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the policy: a constraint with an index of the same name; the first one is the primary key."""

    oid: int
    index: int
    name: str
    columns: tuple[int, ...]
    primary: bool


@dataclass(frozen=True, slots=True)
class Reference:
    """The path to the owner, as a foreign key. `index` is that of the key it leads to, 0 when it leads to none."""

    oid: int
    name: str
    column: int
    table: Relation
    target: int
    index: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A table. `row` and `rows` are the oids of its row type and of the array of that."""

    oid: int
    row: int
    rows: int
    schema: tuple[str, int]
    name: str
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]
    comment: str

    @property
    def shown(self) -> str:
        """Its name as an expression of a statement."""
        return quoted(self.name) if self.schema == HOME else f"{quoted(self.schema[0])}.{quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Objects:
    """Everything the policy's tables become."""

    schemas: tuple[tuple[str, int], ...]
    relations: tuple[Relation, ...]
    references: tuple[tuple[Relation, Reference], ...]


def objects(tables: Sequence[TableInfo]) -> Objects:
    """Tables of the main schema stand in `public`, others in their own; oids follow the order of the names."""
    counter = iter(range(FIRST, 1 << 31))
    schemas = {HOME[0]: HOME}
    relations: dict[str, Relation] = {}
    for table in tables:
        place, _, name = table.name.rpartition(".")
        schema = schemas.setdefault(place or HOME[0], HOME if not place else (place, next(counter)))
        oid, row, rows = next(counter), next(counter), next(counter)
        keys = tuple(_key(table, name, number, (next(counter), next(counter))) for number in range(len(table.keys)))
        relations[table.name] = Relation(oid, row, rows, schema, name, _columns(table), keys, comment(table))
    references = tuple(
        (relations[table.name], _reference(relations[table.name], relations[table.owner.table], table.owner.column,
                                           table.owner.key, next(counter)))
        for table in tables if table.owner is not None and table.owner.table in relations)
    return Objects(tuple(schemas.values()), tuple(relations.values()), references)


def comment(table: TableInfo) -> str:
    """The owner's comment, and whose the rows are."""
    whose = "public" if table.public else f"private: rows belong to {table.whose}"
    return "; ".join(filter(None, (line(table.comment), whose)))


def quoted(name: str) -> str:
    """A name as PostgreSQL writes it in a statement."""
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def _columns(table: TableInfo) -> tuple[Column, ...]:
    primary = table.keys[0] if table.keys else ()
    return tuple(_column(column, number, column.name in primary) for number, column in enumerate(table.columns, 1))


def _column(column: ColumnInfo, number: int, primary: bool) -> Column:
    read = sql_type(column.type)
    kind = field(column.name, column.type if read is None else str(read))
    told = "; ".join(filter(None, (line(column.comment), column.facts)))
    return Column(column.name, number, kind.oid, kind.modifier, primary or not column.nullable, told)


def _key(table: TableInfo, name: str, number: int, oids: tuple[int, int]) -> Key:
    columns = [column.name for column in table.columns]
    key = table.keys[number]
    said = f"{name}_pkey" if number == 0 else f"{name}_{'_'.join(key)}_key"
    return Key(oids[0], oids[1], said[:LONGEST], tuple(columns.index(each) + 1 for each in key), number == 0)


def _reference(table: Relation, target: Relation, column: str, key: str, oid: int) -> Reference:
    there = _number(target, key)
    index = next((each.index for each in target.keys if each.columns == (there,)), 0)
    return Reference(oid, f"{table.name}_{column}_fkey"[:LONGEST], _number(table, column), target, there, index)


def _number(table: Relation, name: str) -> int:
    return next(column.number for column in table.columns if column.name.lower() == name.lower())
