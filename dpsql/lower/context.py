"""What lowering one query remembers: fresh column ids, the questions found, and what the finish will read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING

from sqlglot import exp

from dpsql.catalog import Catalog
from dpsql.expression import Column, Kind, SqlType
from dpsql.limits import tick
from dpsql.parse import refusal
from dpsql.program import Ask, Feed
from dpsql.relation import Scan
from dpsql.scalars.marks import USUAL
from dpsql.schema import TableSchema

if TYPE_CHECKING:
    from dpsql.lower.feeds import Stages
    from dpsql.lower.rows import Rows


_WRITTEN = {"order": "ORDER BY", "group": "GROUP BY", "pivots": "PIVOT", "laterals": "LATERAL VIEW",
            "windows": "WINDOW", "locks": "FOR UPDATE"}
_SHOWN = 12     # tables named in a hint
_FEWER = "of each person, QUALIFY ROW_NUMBER() OVER (PARTITION BY the person ORDER BY ...) <= n keeps some rows"
_INSTEAD = {
    "order": _FEWER, "limit": _FEWER, "offset": _FEWER,
    "qualify": "filter in an outer SELECT", "pivots": "write SUM(x) FILTER (WHERE k = 'a') AS a, one for each value",
    "laterals": "write CROSS JOIN LATERAL or UNNEST", "windows": "write the window itself after OVER",
}


class Origin(IntEnum):
    """Whose rows a block shows, from harmless to private."""

    PUBLIC = 0
    RELEASED = 1
    OWNED = 2


@dataclass(frozen=True, slots=True, eq=False)
class Cte:
    """A named query and the names visible to it; or rows that no text says, made anew by `rows`."""

    name: str
    query: exp.Query
    columns: tuple[str, ...]
    env: Env
    origin: Origin
    rows: Callable[[Context], Rows] | None = None


Env = Mapping[str, Cte]
Typed = tuple[str, SqlType | None]       # a column and its type; None where dpsql does not compute with it

Describe = Callable[[str, Sequence[tuple[str, tuple[tuple[str, str], ...]]]], Sequence[Typed]]
"""Types SQL over empty tables: its text, and the released tables it may name with their columns and SQL types."""


@dataclass(slots=True)
class Context:
    """The one mutable thing of lowering: counters and what was collected. It lives for one query.

    `emitted` names the WITH queries that stand in the finish; `stages` lowers blocks whose rows may be shown, for
    those that read them.
    """

    catalog: Catalog
    asks: list[Ask] = field(default_factory=list)
    public: dict[str, None] = field(default_factory=dict)
    ctes: list[tuple[str, exp.Query]] = field(default_factory=list)
    emitted: dict[Cte, str] = field(default_factory=dict)
    feeds: list[Feed] = field(default_factory=list)
    last_id: int = 0
    questions: int = 0
    stages: Stages | None = None
    by_unit: dict[int, tuple[exp.Select, bool]] = field(default_factory=dict)   # see `units.stays_owned`

    def probe(self) -> Context:
        """A copy to look ahead with: what it finds is forgotten."""
        assert self.stages is not None, "a context is complete before a block is read"
        probe = replace(
            self, asks=[*self.asks], feeds=[*self.feeds], ctes=[*self.ctes], emitted=dict(self.emitted),
            public=dict(self.public), stages=None,
        )
        probe.stages = replace(self.stages, context=probe)
        return probe

    def fed_rows(self, query: exp.Query, env: Env, place: exp.Expr) -> Rows:
        """The rows of a released or public block below the noise (see `feeds`)."""
        assert self.stages is not None, "a context is complete before a block is read"
        return self.stages.fed_rows(query, env, place)

    def embedded(self, select: exp.Select, rows: Rows, env: Env) -> tuple[exp.Select, Rows]:
        """A block whose scalar subqueries are columns (see `feeds`)."""
        assert self.stages is not None, "a context is complete before a block is read"
        return self.stages.embedded(select, rows, env)

    def released(self) -> str:
        """The name of a new question's released table; questions nest, so each takes its name before it is complete."""
        self.questions += 1
        return f"released_{self.questions}"

    def fresh(self, name: str, type_: SqlType, source: str | None = None) -> Column:
        """A new column that no table stores."""
        tick()
        self.last_id += 1
        return Column(self.last_id, name, type_, source=source)

    def scan(self, table: str) -> Scan:
        """A new reading of a table: every supported column, with ids of its own."""
        tick()
        columns: list[Column] = []
        for stored in self.catalog.table(table).columns:
            if stored.type is None:
                continue
            self.last_id += 1
            listed = stored.type.kind is Kind.LIST      # what is declared of a list is said of its values
            declared = None if listed else self.catalog.column(table, stored.name).range
            columns.append(Column(
                self.last_id, stored.name, stored.type, table, stored.name, stored.stored, stored.nullable, declared,
            ))
        return Scan(table, tuple(columns))

    def base(self, node: exp.Table) -> str:
        """The catalog's key of a base table the analyst names. Raises QueryError when the policy does not name it."""
        check_args(node, {"this", "db", "catalog", "alias", "joins"})
        if not isinstance(node.this, exp.Identifier):
            raise refusal(
                "table functions are not answered", node,
                "name a table of the policy; generate_series and range take literals, UNNEST a list of literals",
            )
        name = f"{node.db}.{node.name}" if node.db else node.name
        found = self.catalog.find(name)
        if found is not None and node.catalog and node.catalog.lower() != self.catalog.table(found).path[0].lower():
            found = None
        if found is None and node.meta.get(USUAL):
            found = self.catalog.find(node.name)
        if found is None:
            shown = ".".join(part.name for part in node.parts)
            raise refusal(f"there is no table {shown}", node, _tables(node.name, self.catalog))
        return found


def _tables(wanted: str, catalog: Catalog) -> str:
    """The tables there are, as a query names them: one of that name elsewhere, or one that is spelt much like it."""
    tables = [catalog.table(name) for name in sorted(catalog.names())]
    near = get_close_matches(wanted.lower(), [table.path[-1].lower() for table in tables], 1)
    for table in tables:
        if table.path[-1].lower() in near:
            return f"did you mean {_in_sql(table)}?"
    called = [_in_sql(table) for table in tables]
    more = f" and {len(called) - _SHOWN} more" if len(called) > _SHOWN else ""
    return "the tables are " + ", ".join(called[:_SHOWN]) + more


def _in_sql(table: TableSchema) -> str:
    parts = table.path[-1:] if table.path[-2] == "main" else table.path[-2:]
    return ".".join(exp.to_identifier(part).sql("duckdb") for part in parts)


def order_only(select: exp.Select) -> set[str]:
    """ORDER BY, where no LIMIT follows it: of a block of people's rows it says nothing, for they are a set."""
    return {"order"} if not (select.args.get("limit") or select.args.get("offset")) else set()


def check_args(node: exp.Expr, known: set[str]) -> None:
    """Refuses a node that carries a clause dpsql does not know; nothing rides along unseen."""
    for name, value in node.args.items():
        if value and name not in known:
            piece = value[0] if isinstance(value, list) else value
            what = _WRITTEN.get(name, name.strip("_").replace("_", " ").upper())
            raise refusal(
                f"{what} is not answered here", piece if isinstance(piece, exp.Expr) else node,
                _INSTEAD.get(name, "leave it out"),
            )
