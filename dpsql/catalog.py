"""What planning may know: the policy, the schema, and which keys hold. Public by the promise; no data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dpsql.policy import ColumnPolicy, Policy, TablePolicy
from dpsql.schema import Schema, TableSchema

_NOTHING = ColumnPolicy()


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables an analyst can name. `keys` holds, per table, the keys that are facts: enforced or verified."""

    policy: Policy
    schema: Schema
    keys: dict[str, tuple[tuple[str, ...], ...]]

    def find(self, name: str) -> str | None:
        """The key of the table an analyst calls `name`; None when the policy does not name it."""
        table = self.schema.table(name)
        return table.name if table is not None and table.name in self.policy.tables else None

    def table(self, name: str) -> TableSchema:
        """The schema of a table of the policy."""
        table = next((table for table in self.schema.tables if table.name == name), None)
        assert table is not None, f"the policy was bound to a schema without {name}"
        return table

    def rules(self, name: str) -> TablePolicy:
        """The policy of a table."""
        return self.policy.tables[name]

    def column(self, table: str, name: str) -> ColumnPolicy:
        """What the policy declares of a column; nothing by default."""
        return self.rules(table).columns.get(name, _NOTHING)

    def tightened(self, max_groups: int | None, min_units: int | None) -> Catalog:
        """The catalog under the limits that a query states for itself, where they are tighter than the policy's."""
        limits = self.policy.limits
        groups = [n for n in (max_groups, limits.max_groups) if n is not None]
        tight = replace(limits, max_groups=min(groups, default=None), min_units=max(min_units or 1, limits.min_units))
        return self if tight == limits else replace(self, policy=replace(self.policy, limits=tight))

    def names(self) -> tuple[str, ...]:
        """Every table of the policy, for error messages."""
        return tuple(self.policy.tables)

    def identifies(self, table: str, column: str) -> bool:
        """Whether one value of a column is one unit's: the unit, a path to it, or a declared key of owned rows."""
        rules = self.rules(table)
        if rules.public:
            return False
        path = rules.owner.column if rules.owner else None
        return column in (rules.unit, path) or (column,) in rules.keys

    def carries(self, table: str) -> str | None:
        """The column of a table that holds the unit itself, if it has one (`c_custkey`, `orders.o_custkey`)."""
        rules = self.rules(table)
        if rules.unit is not None:
            return rules.unit
        if rules.owner is None:
            return None
        target = self.rules(rules.owner.table)
        return rules.owner.column if target.unit == rules.owner.key else None
