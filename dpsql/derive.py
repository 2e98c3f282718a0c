"""derive: the facts of a relation, from its nodes alone. It trusts no rewriter: what it cannot prove is not a fact."""

from __future__ import annotations

from typing import assert_never

from dpsql import scalars
from dpsql.catalog import Catalog
from dpsql.errors import InternalError
from dpsql.expression import Column, Kind, Ref, Scalar, columns_of
from dpsql.facts.base import Facts, Pending
from dpsql.facts.keys import equated, joined_fixed, joined_unique
from dpsql.facts.ownership import joined_owner
from dpsql.facts.ranges import narrowed, never_null
from dpsql.facts.stability import joined_rows
from dpsql.interval import ANY, Interval
from dpsql.relation import Aggregate, CapGroups, Filter, Fold, Join, JoinKind, Project, Relation, Scan, columns_out


def derive(relation: Relation, catalog: Catalog) -> Facts:
    """The facts of `relation` under the policy and the keys that hold. Raises InternalError when no owner is proved."""
    match relation:
        case Scan():
            return _scan(relation, catalog)
        case Filter(source, conjuncts):
            return _filter(derive(source, catalog), conjuncts)
        case Join(left, right, _, _):
            return _join(relation, derive(left, catalog), derive(right, catalog))
        case Project(source, _):
            return _project(relation, derive(source, catalog))
        case Aggregate(source, _, _):
            return _aggregate(relation, derive(source, catalog))
        case CapGroups(source, _, _, _):
            return _cap(relation, derive(source, catalog))
        case _:
            assert_never(relation)


def _scan(scan: Scan, catalog: Catalog) -> Facts:
    rules = catalog.rules(scan.table)
    named = {column.source: column for column in scan.columns if column.table == scan.table}
    if len(named) != len(scan.columns) or any(column.proved for column in scan.columns):
        raise InternalError(f"a scan of {scan.table} holds what the table does not")
    keys = frozenset(
        frozenset(named[name].id for name in key) for key in catalog.keys.get(scan.table, ()) if set(key) <= set(named)
    )
    ids = frozenset(column.id for column in scan.columns)
    intervals = {column.id: column.declared for column in scan.columns if column.declared is not None}
    nullable = frozenset(c.id for c in scan.columns if c.nullable or c.type.kind is Kind.DOUBLE)
    shared = Facts(unique=keys, intervals=intervals, nullable=nullable)
    if rules.public:
        return shared
    carried = catalog.carries(scan.table)
    if carried is not None:
        owner = named[carried]
        alone = frozenset({owner.id}) in keys
        fixed = ids if alone else frozenset({owner.id})
        return Facts(owner, None, 1 if alone else None, keys, fixed, intervals, nullable)
    assert rules.owner is not None, "a table is public, carries the unit or has an owner"
    pending = Pending(named[rules.owner.column], rules.owner.table, rules.owner.key)
    return Facts(None, pending, None, keys, frozenset(), intervals, nullable)


def _filter(source: Facts, conjuncts: tuple[Scalar, ...]) -> Facts:
    return Facts(
        source.owner, source.pending, source.rows_per_unit, source.unique, equated(source.fixed, conjuncts),
        narrowed(source.intervals, conjuncts), source.nullable - never_null(conjuncts), source.caps, source.grouped,
    )


def _join(join: Join, left: Facts, right: Facts) -> Facts:
    ids = (_ids(join.left), _ids(join.right))
    owner, pending = joined_owner(left, right, join.kind, join.on, ids)
    nullable = left.nullable | (right.nullable if join.kind is JoinKind.INNER else ids[1])
    intervals = {**left.intervals, **right.intervals}
    if join.kind is JoinKind.INNER:
        intervals = narrowed(intervals, join.on)
        nullable -= never_null(join.on)
    rows, unique, fixed = joined_rows, joined_unique, joined_fixed
    side = (left, right, join.kind, join.on, ids)
    own = frozenset({owner.id}) if owner else frozenset()
    return Facts(owner, pending, rows(*side), unique(*side), fixed(*side) | own, intervals, nullable)


def _project(project: Project, source: Facts) -> Facts:
    visible = frozenset(columns_out(project.source))
    renamed: dict[int, Column] = {}
    intervals: dict[int, Interval] = {}
    nullable: set[int] = set()
    fixed: set[int] = set()
    for column, scalar in project.items:
        if not visible.issuperset(columns_of(scalar)):      # whole columns: an id alone could hide another range
            raise InternalError(f"{column.name} reads a column its source does not show")
        read = frozenset(c.id for c in columns_of(scalar))
        if isinstance(scalar, Ref):
            renamed.setdefault(scalar.column.id, column)
        elif column.table is not None:
            raise InternalError(f"{column.name} is computed but claims to be stored")
        if column.proved is not None and not scalars.enforced(scalar).within(column.proved):
            raise InternalError(f"{column.name} claims a range that its expression does not prove")
        interval = scalars.bounds(scalar, lambda c: source.intervals.get(c.id, ANY))
        if interval != ANY:
            intervals[column.id] = interval
        if scalars.nullable(scalar, lambda c: c.id in source.nullable):
            nullable.add(column.id)
        if not source.public and read <= source.fixed:
            fixed.add(column.id)
    if source.pending is not None or (source.owner is not None and source.owner.id not in renamed):
        raise InternalError("a projection dropped the owner of its rows")
    owner = renamed[source.owner.id] if source.owner else None
    unique = frozenset(_map(key, renamed) for key in source.unique if key <= renamed.keys())
    grouped = frozenset(_map(key, renamed) for key in source.grouped if key <= renamed.keys())
    caps = {_map(key, renamed): limit for key, limit in source.caps.items() if key <= renamed.keys()}
    return Facts(
        owner, None, source.rows_per_unit, unique, frozenset(fixed), intervals, frozenset(nullable), caps, grouped
    )


def _aggregate(aggregate: Aggregate, source: Facts) -> Facts:
    keys = frozenset(key.id for key in aggregate.keys)
    if any(column.proved for column, _, _ in aggregate.items):
        raise InternalError("a folded column claims a range")
    if not keys <= _ids(aggregate.source):
        raise InternalError("a key is not a column of the rows it groups")
    if not source.public and (source.owner is None or source.owner.id not in keys):
        raise InternalError("units were mixed below the noise")
    intervals = {id_: interval for id_, interval in source.intervals.items() if id_ in keys}
    nullable = (source.nullable & keys) | {c.id for c, fold, _ in aggregate.items if fold in (Fold.SUM, Fold.MAX)}
    fixed = keys & source.fixed
    rows_per_unit = 1 if not source.public and fixed == keys else source.rows_per_unit
    caps = {capped: limit for capped, limit in source.caps.items() if capped <= keys}
    alone = frozenset({keys})
    return Facts(
        source.owner, None, rows_per_unit, alone, fixed, intervals, frozenset(nullable), caps, alone
    )


def _cap(cap: CapGroups, source: Facts) -> Facts:
    if source.owner is None or source.owner.id != cap.owner.id:
        raise InternalError("groups were capped by something that is not the owner")
    rows = cap.limit if source.rows_per_unit is None else min(cap.limit, source.rows_per_unit)
    caps = {**source.caps, frozenset(key.id for key in cap.keys): cap.limit}
    return Facts(
        source.owner, None, rows, source.unique, source.fixed, source.intervals, source.nullable, caps, source.grouped
    )


def _ids(relation: Relation) -> frozenset[int]:
    return frozenset(column.id for column in columns_out(relation))


def _map(ids: frozenset[int], renamed: dict[int, Column]) -> frozenset[int]:
    return frozenset(renamed[id_].id for id_ in ids)
