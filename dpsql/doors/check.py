"""`dpsql check`: whether the data keeps what the policy claims. Exact numbers: for the owner's eyes only."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from fractions import Fraction

from dpsql.doors.screen import Screen
from dpsql.engines.base import Engine, qualified
from dpsql.errors import ExecutionError
from dpsql.expression import Kind
from dpsql.interval import Interval
from dpsql.policy import ColumnPolicy, Literal, Policy, TablePolicy
from dpsql.policy_column import dated
from dpsql.schema import ColumnSchema, TableSchema, text

HEAD = "For the owner's eyes only: these numbers are exact and private."


@dataclass(frozen=True, slots=True)
class Finding:
    """What a claim is about, what the data says, and whether the policy can open in spite of it; `counts` are rows."""

    claim: str
    found: str
    holds: bool = True
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableReport:
    """The findings on one table; `rows` is None when it could not be read."""

    name: str
    public: bool
    rows: int | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; `bar` says what becomes of a key that does not hold."""

    tables: tuple[TableReport, ...]
    bar: str

    @property
    def holds(self) -> bool:
        """Whether every key holds and every table could be read."""
        return all(table.rows is not None and all(f.holds for f in table.findings) for table in self.tables)

    def text(self, screen: Screen) -> str:
        """A table of findings per table."""
        return "\n\n".join([HEAD, *(self._table(table, screen) for table in self.tables)])

    def _table(self, table: TableReport, screen: Screen) -> str:
        if table.rows is None:
            return screen.paint("red", f"{table.name} could not be read: the engine failed")
        title = screen.paint("bold", f"{table.name}: {table.rows} rows{', public' if table.public else ''}")
        if not table.findings:
            return title
        rows = [(f.claim, f.found if f.holds else f"{f.found}; mend this: {self.bar}") for f in table.findings]
        lines = screen.grid(("claim", "found"), rows).splitlines()
        return "\n".join([title, *(screen.paint("red", line) if "NOT a key" in line else line for line in lines)])

    def to_dict(self) -> dict[str, object]:
        """Everything, as dicts and lists."""
        return {"holds": self.holds, "tables": [asdict(table) for table in self.tables]}


def check_report(engine: Engine, policy: Policy, say: Callable[[str], object] = lambda text: None) -> Report:
    """Compare the data with the policy's claims: keys, owners, ranges, values, and the share of rows beyond caps.

    `say` is told which table is being read.
    """
    found = []
    for number, table in enumerate(policy.tables.values(), 1):
        check = _Check(engine, policy, table)
        try:
            say(f"checking {table.name}, table {number} of {len(policy.tables)}")
            rows = check.rows()
            findings = []
            for finding in check.findings(rows):
                findings.append(finding)
                say(f"checking {table.name}, table {number} of {len(policy.tables)}: {finding.claim} done")
            found.append(TableReport(table.name, table.public, rows, tuple(findings)))
        except ExecutionError:
            found.append(TableReport(table.name, table.public, None, ()))
    return Report(tuple(found), "the policy does not open" if engine.verifies_keys
                  else "such a key counts for nothing here")


class _Check:
    """The findings on one table."""

    def __init__(self, engine: Engine, policy: Policy, table: TablePolicy) -> None:
        self._engine, self._policy, self._table = engine, policy, table
        self._schema = self._schema_of(table.name)

    def rows(self) -> int:
        """How many there are."""
        return self._ask(f"SELECT COUNT(*) FROM {qualified(self._schema.path)}")[0]

    def findings(self, rows: int) -> Iterator[Finding]:
        """Of a table with so many rows."""
        yield from self._keys()
        if not self._table.public and rows:
            yield from self._owners(rows)
            yield from self._caps()
        if rows:
            for name, claim in self._table.columns.items():
                column = self._schema.column(name)
                assert column is not None and column.type is not None, "a policy is bound to the schema"
                yield self._column(column, claim, rows)

    def _keys(self) -> Iterator[Finding]:
        for key in self._table.keys:
            holds = self._engine.key_holds(self._schema, key)
            yield Finding(f"key ({', '.join(key)})", "unique" if holds else "NOT a key, some rows agree on it", holds)

    def _owners(self, rows: int) -> Iterator[Finding]:
        """Rows that belong to nobody, and rows that belong to several."""
        source, owner = self._owned()
        here = self._read(self._schema, self._first(), "t0")
        (nameless,) = self._ask(f"SELECT COUNT(*) FROM {qualified(self._schema.path)} AS t0 WHERE {here} IS NULL")
        yield Finding("owner NULL", f"{_share(nameless, rows)}; such rows never count", counts={"rows": nameless})
        path = self._table.owner
        if path is None:
            return
        target = self._schema_of(path.table)
        there = self._read(target, path.key, "p")
        (orphans,) = self._ask(
            f"SELECT COUNT(*) FROM {qualified(self._schema.path)} AS t0 WHERE {here} IS NOT NULL AND NOT EXISTS "
            f"(SELECT 1 FROM {qualified(target.path)} AS p WHERE {there} = {here})")
        direct = self._policy.tables[path.table].unit == path.key
        then = f"; still counted, each {path.column} as a unit" if direct else "; such rows never count"
        yield Finding(f"owner not in {path.table}", f"{_share(orphans, rows)}{then if orphans else ''}",
                      counts={"rows": orphans})
        (owned,) = self._ask(f"SELECT COUNT(*) FROM {source} WHERE {owner} IS NOT NULL")
        if owned > rows:
            yield Finding("several owners", f"{owned} owned rows from {rows}; each counts once per owner",
                          counts={"owned": owned})

    def _caps(self) -> Iterator[Finding]:
        """How much of what units have the caps would leave out."""
        source, owner = self._owned()
        limits = self._policy.limits
        most_rows, most_groups = self._table.max_rows_per_group or limits.max_rows_per_group, limits.max_groups
        units, rows, half, most, highest, beyond, far = self._ask(
            "SELECT COUNT(*), COALESCE(SUM(n), 0), QUANTILE_DISC(n, 0.5), QUANTILE_DISC(n, 0.99), MAX(n), "
            f"COALESCE(SUM(GREATEST(n - {most_rows or 0}, 0)), 0), "
            f"COALESCE(SUM(GREATEST(n - {(most_rows or 0) * (most_groups or 1)}, 0)), 0) FROM ("
            f"SELECT COUNT(*) AS n FROM {source} WHERE {owner} IS NOT NULL GROUP BY {owner})")
        if not units:
            yield Finding("rows a unit", "no unit owns a row")
            return
        yield Finding("rows a unit", f"{units} units: median {half}, 99 % up to {most}, at most {highest}",
                      counts={"units": units, "median": half, "percentile_99": most, "most": highest})
        if most_rows is None:
            yield Finding("max_rows_per_group", "not set: each query chooses its own bounds, for a tenth of epsilon")
        else:
            yield Finding(f"max_rows_per_group = {most_rows}", f"leaves out {_share(beyond, rows)} of one group; "
                          f"{_share(far, rows)} however grouped", counts={"beyond": beyond, "beyond_all_groups": far})
        for name, claim in self._table.columns.items():
            if claim.values is not None and most_groups is not None and len(claim.values) > most_groups:
                column = self._read(self._schema, name, "t0")
                pairs, over = self._ask(
                    f"SELECT COALESCE(SUM(n), 0), COALESCE(SUM(GREATEST(n - {most_groups}, 0)), 0) FROM (SELECT "
                    f"COUNT(DISTINCT {column}) AS n FROM {source} WHERE {owner} IS NOT NULL GROUP BY {owner})")
                yield Finding(f"max_groups = {most_groups}", f"leaves out {_share(over, pairs)} of groups by {name}",
                              counts={"beyond": over})

    def _column(self, column: ColumnSchema, claim: ColumnPolicy, rows: int) -> Finding:
        whole = self._read(self._schema, column.name, "t0")
        tests = {"NULL": f"{whole} IS NULL"}
        listed, column = column.type is not None and column.type.kind is Kind.LIST, column.inside
        number = item = "value" if listed else whole
        if column.type is not None and column.type.kind is Kind.DOUBLE:
            tests["NaN"] = f"isnan({item})"
            number = f"NULLIF({item}, CAST('nan' AS DOUBLE))"
        if claim.range is not None:
            low, high = _ends(claim.range, column)
            tests[f"below {_end(claim.range.low, column)}"] = f"{number} < {low}"
            tests[f"above {_end(claim.range.high, column)}"] = f"{number} > {high}"
        if claim.values is not None:
            values = ", ".join(_literal(value, column) for value in claim.values)
            tests["not among the values"] = f"{item} NOT IN ({values})"
        if listed:      # what is claimed is claimed of every value in it
            inside = f"(SELECT UNNEST({whole}) AS value)"
            tests = {name: test if name == "NULL" else f"EXISTS (SELECT 1 FROM {inside} WHERE {test})"
                     for name, test in tests.items()}
        asked = self._ask("SELECT " + ", ".join(f"COUNT(*) FILTER (WHERE {test})" for test in tests.values())
                          + f" FROM {qualified(self._schema.path)} AS t0")
        counts = dict(zip(tests, asked, strict=True))
        found = [f"{_share(count, rows)} {name}" for name, count in counts.items() if count]
        return Finding(column.name, ", ".join(found) or "as claimed", counts=counts)

    def _owned(self) -> tuple[str, str]:
        """The table joined along its path to the first table that carries the unit; and the owner's expression."""
        source, owner = f"{qualified(self._schema.path)} AS t0", ""
        here, depth = self._table, 0
        while here.owner is not None:
            target = self._policy.tables[here.owner.table]
            step = self._read(self._schema_of(here.name), here.owner.column, f"t{depth}")
            if target.unit == here.owner.key:
                return source, step
            depth += 1
            key = self._read(self._schema_of(target.name), here.owner.key, f"t{depth}")
            source += f" JOIN {qualified(self._schema_of(target.name).path)} AS t{depth} ON {step} = {key}"
            here = target
        assert here.unit is not None, "the owners of a policy lead to its unit"
        owner = self._read(self._schema_of(here.name), here.unit, f"t{depth}")
        return source, owner

    def _first(self) -> str:
        """The column of this table that says, or leads to, whose a row is."""
        column = self._table.owner.column if self._table.owner is not None else self._table.unit
        assert column is not None, "a table that is not public has an owner"
        return column

    def _read(self, table: TableSchema, name: str, alias: str) -> str:
        column = table.column(name)
        assert column is not None, "a policy is bound to the schema"
        return column.read(alias)

    def _schema_of(self, name: str) -> TableSchema:
        table = self._engine.schema.table(name)
        assert table is not None, "a policy is bound to the schema"
        return table

    def _ask(self, sql: str) -> tuple[int, ...]:
        """The one row of a query for whole numbers."""
        (row,) = self._engine.run(sql).values
        return tuple(int(str(value)) if value is not None else 0 for value in row)


def _share(part: int, whole: int) -> str:
    """A count with its share, never rounded to nothing or to everything."""
    if part in (0, whole) or not whole:
        return f"{part} ({'100' if part and part == whole else '0'} %)"
    percent = 100 * part / whole
    return f"{part} ({'less than 0.01' if percent < 0.01 else f'{min(percent, 99.99):.2f}'} %)"


def _ends(interval: Interval, column: ColumnSchema) -> tuple[str, str]:
    """The ends of a declared range as literals of the column's type, rounded so that no value changes sides."""
    type_ = column.type
    assert type_ is not None
    low, high = interval.ends
    if type_.kind is Kind.DOUBLE:
        return _double(low), _double(high)
    if type_.kind in (Kind.DATE, Kind.TIMESTAMP):
        whole = type_.kind is Kind.DATE
        return _literal(dated(low, whole), column), _literal(dated(high, whole), column)
    step, (bottom, top) = 10**type_.scale, type_.range.ends
    least = Fraction(math.ceil(max(low, bottom) * step), step)
    most = Fraction(math.floor(min(high, top) * step), step)
    return _decimal(min(least, top), str(type_)), _decimal(max(most, bottom), str(type_))


def _end(end: Fraction | None, column: ColumnSchema) -> str:
    """An end as the policy's author wrote it."""
    if end is not None and column.type is not None and column.type.kind in (Kind.DATE, Kind.TIMESTAMP):
        return str(dated(end, column.type.kind is Kind.DATE))
    return _plain(end)


def _literal(value: Literal, column: ColumnSchema) -> str:
    if isinstance(value, Fraction):
        return _double(value) if column.type is not None and column.type.kind is Kind.DOUBLE else _decimal(
            value, str(column.type))
    return f"CAST({text(str(value))} AS {column.type})"


def _decimal(value: Fraction, type_: str) -> str:
    return f"CAST('{_plain(value)}' AS {type_})"


def _double(value: Fraction) -> str:
    return f"CAST('{float(value)!r}' AS DOUBLE)"


def _plain(value: Fraction | None) -> str:
    """A number of the policy file as it was written: a fraction whose decimals end."""
    assert value is not None, "a declared range has two ends"
    digits = next(digits for digits in range(500) if (value * 10**digits).denominator == 1)
    whole = str(abs(int(value * 10**digits))).rjust(digits + 1, "0")
    point = f".{whole[-digits:]}" if digits else ""
    return f"{'-' if value < 0 else ''}{whole[:len(whole) - digits]}{point}"
