"""Which columns a name means where it stands, and of which types they are."""

from __future__ import annotations

from dataclasses import dataclass, field

from dpsql.doors.serve.catalog.pg_types import OID, by_name
from dpsql.doors.serve.catalog.shapes import Shape

Columns = tuple[tuple[str, int], ...]       # names and oids of types; 0: only the database can tell
# Columns that every table has besides its own; their type, and their value (None: the table's own oid).
HIDDEN = {"tableoid": (OID, None), "xmin": (28, 1), "xmax": (28, 0), "cmin": (29, 0), "cmax": (29, 0), "ctid": (27, 0)}


@dataclass(frozen=True, slots=True)
class Source:
    """What FROM names: its columns, and the system table it is, if it is one."""

    columns: Columns
    shape: Shape | None = None


@dataclass(slots=True)
class Scope:
    """The names of one SELECT; what it does not know, the one around it may."""

    outer: Scope | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    queries: dict[str, Columns] = field(default_factory=dict)      # of WITH
    shown: frozenset[str] = frozenset()                            # what the SELECT calls its columns

    def query(self, name: str) -> Columns | None:
        """The columns of a name of WITH."""
        if name in self.queries:
            return self.queries[name]
        return self.outer.query(name) if self.outer is not None else None

    def column(self, name: str, table: str) -> tuple[int, str, Source] | None:
        """The type of a column, and whose it is: its alias and the source."""
        for alias, source in self.sources.items():
            if table and alias != table:
                continue
            for column, oid in source.columns:
                if column == name:
                    return oid, alias, source
            if name in HIDDEN and source.shape is not None:
                return HIDDEN[name][0], alias, source
        return self.outer.column(name, table) if self.outer is not None else None


def shape_columns(shape: Shape) -> Columns:
    """The columns of a system table."""
    return tuple((name, by_name()[type_]) for name, type_ in shape.columns)
