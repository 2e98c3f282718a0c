"""guard: what every statement of a question does first: rows with an owner, keys as columns, and the cap on groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dpsql import scalars
from dpsql.catalog import Catalog
from dpsql.expression import Column, Lit, Ref, Scalar, SqlType, Value, columns_of
from dpsql.facts.base import Facts
from dpsql.facts.public import Domain, Listed, plain
from dpsql.facts.stability import groups_per_unit, listed_groups, one_row_per_group
from dpsql.hoist import hoisted
from dpsql.interval import ANY
from dpsql.program import Ask
from dpsql.relation import CapGroups, Filter, Project, Relation, tables_of

MOST_GROUPS = 1 << 20    # a unit touches no more in any query: the top of the ladder that a cap is searched on
FEW_GROUPS = 16          # so many groups a unit may touch without a search for fewer
ROWS_KEPT = 10           # of a unit and group, where single rows count and the policy sets no limit


@dataclass(slots=True)
class Ids:
    """Fresh column ids for one question."""

    last: int = 1_000_000

    def fresh(self, name: str, type_: SqlType) -> Column:
        """A new column."""
        self.last += 1
        return Column(self.last, name, type_)

    def proved(self, name: str, scalar: Scalar) -> Column:
        """A column that keeps the range its expression proves; `derive` checks it."""
        interval = scalars.enforced(scalar)
        return replace(self.fresh(name, scalar.type), proved=None if interval == ANY else interval)


@dataclass(frozen=True, slots=True)
class Setting:
    """A question while it is bounded: what is asked, what holds of its rows, and the public groups.

    `groups` lists the groups of `domain`; both are None for private keys.
    """

    ask: Ask
    facts: Facts
    domain: Domain | None
    groups: Sequence[tuple[object, ...]] | None
    catalog: Catalog
    ids: Ids

    @property
    def owner(self) -> Column:
        """Whose a row is."""
        assert self.facts.owner is not None, "a question is asked of owned rows"
        return self.facts.owner

    @property
    def alone(self) -> bool:
        """Whether facts prove that a unit has one row in a group; making a key plain may merge its values."""
        keys = [plain(key.scalar) for key in self.ask.keys]
        return one_row_per_group(self.facts, frozenset(key.column.id for key in keys if isinstance(key, Ref)))

    @property
    def row_limit(self) -> int | None:
        """The most rows per unit and group that any owned table of the question admits; None where no policy says."""
        rules = [self.catalog.rules(table) for table in tables_of(self.ask.rows)]
        most = self.catalog.policy.limits.max_rows_per_group
        said = [limit for each in rules if not each.public and (limit := each.max_rows_per_group or most) is not None]
        return max(said) if said else None

    @property
    def private(self) -> bool:
        """Whether groups are private, and chosen by how many units they have."""
        return bool(self.ask.keys) and self.groups is None

    @property
    def rows_kept(self) -> int:
        """The rows per unit and group that are kept where single rows count."""
        return self.row_limit or ROWS_KEPT

    @property
    def open_groups(self) -> bool:
        """Whether groups must be capped, and the policy does not say at how many."""
        return needs_cap(self) and self.catalog.policy.limits.max_groups is None


def with_owner(ask: Ask, facts: Facts) -> Relation:
    """The rows that have an owner."""
    assert facts.owner is not None, "a question is asked of owned rows"
    if facts.owner.id not in facts.nullable:
        return ask.rows
    there = scalars.call("is_not_null", Ref(facts.owner))
    if isinstance(ask.rows, Filter):
        return Filter(ask.rows.source, (*ask.rows.conjuncts, there))
    return Filter(ask.rows, (there,))


def shown(
    setting: Setting, wanted: Iterable[Scalar], name: str,
) -> tuple[Relation, Column, tuple[Column, ...], dict[Scalar, Column]]:
    """Owner, keys and the distinct expressions wanted, as columns; the expressions' are called `name` and a number."""
    ask, ids = setting.ask, setting.ids
    owner = ids.fresh("owner", setting.owner.type)
    keys = tuple(ids.fresh(key.name, key.scalar.type) for key in ask.keys)
    columns = {row: ids.proved(f"{name}{i + 1}", row) for i, row in enumerate(dict.fromkeys(wanted))}
    printed = {row: row for row in columns}
    needed = frozenset({setting.owner, *(column for key in ask.keys for column in columns_of(key.scalar))})
    source = hoisted(with_owner(ask, setting.facts), needed, printed, ids.proved)
    items: list[tuple[Column, Scalar]] = [(owner, Ref(setting.owner))]
    items += [(column, plain(key.scalar)) for column, key in zip(keys, ask.keys, strict=True)]
    items += [(column, printed[row]) for row, column in columns.items()]
    return Project(source, tuple(items)), owner, keys, columns


def capped(
    folded: Relation, owner: Column, keys: tuple[Column, ...], setting: Setting, repeats: bool = False,
) -> Relation:
    """At most the policy's number of groups per unit, where neither facts nor the domain's size bound them.

    `repeats` says that a unit may have several rows in a group. The choice depends on owner and keys alone, so that
    every statement of a question keeps the same groups.
    """
    if not needs_cap(setting):
        return folded
    inside = _in_domain(folded, keys, setting.domain or ())
    return CapGroups(inside, owner, keys, setting.catalog.policy.limits.max_groups or MOST_GROUPS, repeats)


def needs_cap(setting: Setting) -> bool:
    """Whether groups must be capped: not where facts or the public groups already keep a unit within the limit."""
    limit, keys = setting.catalog.policy.limits.max_groups or FEW_GROUPS, setting.ask.keys
    if not keys:
        return False
    columns = [frozenset(column.id for column in columns_of(key.scalar)) for key in keys]
    known = groups_per_unit(setting.facts, frozenset().union(*columns))
    if setting.groups is not None:
        listed = listed_groups(setting.groups, columns, setting.facts.fixed)
        known = listed if known is None else min(known, listed)
    return known is None or known > limit


def _in_domain(folded: Relation, keys: tuple[Column, ...], domain: Domain) -> Relation:
    """The groups of a public domain, before a cap could choose others; without a cap `release` passes over those."""
    conjuncts = tuple(
        _among(keys[part.key], part.values) for part in domain if isinstance(part, Listed) and not part.enforced
    )
    return Filter(folded, conjuncts) if conjuncts else folded


def _among(key: Column, values: tuple[Value, ...]) -> Scalar:
    listed = scalars.call("in", Ref(key), *(Lit(value, key.type) for value in values if value is not None))
    return scalars.call("or", listed, scalars.call("is_null", Ref(key))) if None in values else listed
