"""What the engine says of its tables, read once when a database is opened: names, types, constraints. No data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dpsql.expression import BIGINT, DOUBLE, HUGEINT, INTEGER, SMALLINT, TIMESTAMP, VARCHAR, Kind, SqlType

INSTANT = "TIMESTAMP WITH TIME ZONE"
LISTED = (Kind.BOOLEAN, Kind.INTEGER, Kind.DECIMAL, Kind.VARCHAR, Kind.DATE, Kind.TIMESTAMP)    # in lists that are read
ENUM = "ENUM"       # without its values, which may have been read from people's rows

READ_AS = {         # the stored type: the type dpsql reads, by a total cast
    "UTINYINT": SMALLINT, "USMALLINT": INTEGER, "UINTEGER": BIGINT, "UBIGINT": HUGEINT, "FLOAT": DOUBLE,
    "UUID": VARCHAR, ENUM: VARCHAR, "TIMESTAMP_NS": TIMESTAMP, INSTANT: TIMESTAMP,
}                   # not TIMESTAMP_S and _MS: a cast of one beyond TIMESTAMP's ends shuts the whole database down


def quote(name: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """An SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class ColumnSchema:
    """A column: its name as the catalog spells it, the type dpsql reads it as, the type the engine stores.

    `type` is None for a type dpsql does not compute with. A field of a STRUCT is a column called `column.field`, and
    `path` says where it is.
    """

    name: str
    type: SqlType | None
    stored: str
    nullable: bool
    path: tuple[str, ...] = ()

    def read(self, table: str = "") -> str:
        """The (total) SQL that reads the column of a table of that name, as `type`; an instant by the clock of UTC,
        whatever the time zone of the session."""
        column, *fields = self.path or (self.name,)
        item = f"{quote(table)}.{quote(column)}" if table else quote(column)
        for field in fields:
            item = f"struct_extract({item}, {text(field)})"
        if self.stored == INSTANT:
            return f"{item} AT TIME ZONE 'UTC'"
        same = self.type is None or str(self.type).replace(" ", "") == self.stored.replace(" ", "")
        return item if same else f"CAST({item} AS {self.type})"

    @property
    def inside(self) -> ColumnSchema:
        """What is declared of a list is declared of the values in it; of any other column, of itself."""
        if self.type is None or self.type.kind is not Kind.LIST:
            return self
        return replace(self, type=self.type.parts[0], stored=self.stored.removesuffix("[]"))

    @property
    def rounded(self) -> bool:
        """Whether two stored values may be read as one: then it names nobody, and a key of it need not stay a key."""
        return self.stored == "TIMESTAMP_NS"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign-key constraint of the engine."""

    columns: tuple[str, ...]
    table: str
    referenced: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableSchema:
    """A table or view. `name` is its key everywhere in dpsql: `table`, or `schema.table` outside the main schema."""

    name: str
    path: tuple[str, ...]                       # fully qualified, as printed: (database, schema, table)
    columns: tuple[ColumnSchema, ...]
    enforced_keys: tuple[tuple[str, ...], ...] = ()   # primary keys and unique constraints
    foreign_keys: tuple[ForeignKey, ...] = ()

    def column(self, name: str) -> ColumnSchema | None:
        """The column of that name, letter case ignored as the engine ignores it."""
        wanted = name.lower()
        return next((column for column in self.columns if column.name.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables of a database."""

    tables: tuple[TableSchema, ...]

    def table(self, name: str) -> TableSchema | None:
        """The table of that name (`table` or `schema.table`), letter case ignored.

        `public` is what PostgreSQL's clients call the main schema, unless there is one of that name.
        """
        wanted = name.lower().removeprefix("main.")
        named = {table.name.lower(): table for table in self.tables}
        if wanted.startswith("public.") and not any(each.startswith("public.") for each in named):
            wanted = wanted.removeprefix("public.")
        return named.get(wanted)
