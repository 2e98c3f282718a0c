"""derive: the facts of a relation, from its nodes alone. It trusts no rewriter: what it cannot prove is not a fact."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import assert_never

from dpsql import scalars
from dpsql.catalog import Catalog
from dpsql.errors import InternalError
from dpsql.expression import Column, Kind, Ref, Scalar, columns_of
from dpsql.facts.base import Facts, Pending
from dpsql.facts.keys import equated, joined_fixed, joined_unique, pinned
from dpsql.facts.order import require_exact_fold, require_frame, require_order
from dpsql.facts.ownership import combined_owner, joined_owner, require_by_unit, require_marked
from dpsql.facts.ranges import narrowed, never_null, stated
from dpsql.facts.stability import NEVER_NULL, combined_rows, fixed_rows, folded_interval, joined_rows, window_interval
from dpsql.interval import ANY, Interval
from dpsql.limits import tick
from dpsql.relation import (
    Aggregate,
    CapGroups,
    CapRows,
    Combined,
    Fed,
    Filter,
    Join,
    JoinKind,
    Mark,
    Parts,
    Place,
    Project,
    Relation,
    Scan,
    SetKind,
    Values,
    Window,
    columns_out,
)

Known = dict[int, tuple[Relation, Facts]]     # by identity, which the relation kept here makes its own


def derive(relation: Relation, catalog: Catalog, known: Known | None = None) -> Facts:
    """The facts of `relation` under the policy and the keys that hold. Raises InternalError when no owner is proved.

    `known` remembers what was derived under this catalog of this very relation, or of one that stands in another too.
    """
    known = {} if known is None else known
    found = known.get(id(relation))
    if found is None:
        found = known[id(relation)] = relation, _derived(relation, catalog, known)
    return found[1]


def _derived(relation: Relation, catalog: Catalog, known: Known) -> Facts:
    tick()
    match relation:
        case Scan():
            return _scan(relation, catalog)
        case Fed(_, columns, unique):
            ids = frozenset(column.id for column in columns)
            return Facts(unique=frozenset({frozenset(c.id for c in unique)} if unique else ()), nullable=ids)
        case Values():
            return _values(relation)
        case Parts(source, _, _):
            return _parts(relation, derive(source, catalog, known))
        case Filter(source, conjuncts):
            return _filter(derive(source, catalog, known), conjuncts)
        case Join(left, right, _, _):
            return _join(relation, derive(left, catalog, known), derive(right, catalog, known))
        case Mark(source, inner, _, _):
            return _mark(relation, derive(source, catalog, known), derive(inner, catalog, known))
        case Window(source, _):
            return _window(relation, derive(source, catalog, known))
        case Combined(left, right, _, _):
            return _combined(relation, derive(left, catalog, known), derive(right, catalog, known))
        case Project(source, _):
            return _project(relation, derive(source, catalog, known))
        case Aggregate(source, _, _):
            return _aggregate(relation, derive(source, catalog, known))
        case CapGroups(source, _, _, _, _):
            return _cap(relation, derive(source, catalog, known))
        case CapRows(source, _, _, _, _, _):
            return _cap_rows(relation, derive(source, catalog, known))
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
    known = frozenset() if source.public else pinned(conjuncts)
    fixed = equated(source.fixed | known, conjuncts)
    return Facts(
        source.owner, source.pending, fixed_rows(source, fixed), source.unique, fixed,
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


def _values(values: Values) -> Facts:
    """Public rows, each column within the hull of what it shows."""
    if any(True for row in values.rows for scalar in row for _ in columns_of(scalar)):
        raise InternalError("rows of the text read a column")
    shown = {column.id: [row[i] for row in values.rows] for i, column in enumerate(values.columns)}
    ranges = {id_: reduce(Interval.hull, map(scalars.enforced, found)) for id_, found in shown.items() if found}
    nullable = frozenset(
        id_ for id_, found in shown.items() if any(scalars.nullable(scalar, lambda _: True) for scalar in found)
    )
    return Facts(intervals={id_: range_ for id_, range_ in ranges.items() if range_ != ANY}, nullable=nullable)


def _parts(parts: Parts, source: Facts) -> Facts:
    """Rows of one row are of its unit; how many they are nobody knows, and they agree in what is fixed."""
    read = {column.id for column in columns_of(parts.list)}
    if parts.list.type.parts != (parts.column.type,) or not read <= _ids(parts.source):
        raise InternalError("a part is no value of its list")
    if parts.column.table is not None or parts.column.proved or parts.column.id in _ids(parts.source):
        raise InternalError("a part claims to be a stored column")
    nullable = source.nullable | {parts.column.id}
    return replace(source, rows_per_unit=None, unique=frozenset(), grouped=frozenset(), nullable=nullable, held={})


def _mark(mark: Mark, source: Facts, inner: Facts) -> Facts:
    shown = _ids(mark.source)
    require_marked(source, inner, mark.on, shown)
    if mark.column.table is not None or mark.column.proved is not None or mark.column.id in shown:
        raise InternalError("a mark claims to be a stored column")
    read = frozenset(column.id for conjunct in mark.on for column in columns_of(conjunct))
    same = not source.public and read & shown <= source.fixed
    return replace(source, fixed=source.fixed | ({mark.column.id} if same else frozenset()))


def _window(window: Window, source: Facts) -> Facts:
    """Rows stay as they are; a window looks at rows of one unit only, in an order that the rows alone decide."""
    shown = _ids(window.source)
    intervals, nullable, fixed, unique = dict(source.intervals), set(source.nullable), set(source.fixed), set()
    require_order(tuple(over for _, over in window.items), shown)
    for column, over in window.items:
        partition = frozenset(key.id for key in over.partition)
        order = frozenset(key.column.id for key in over.order)
        require_by_unit(source, partition)
        require_frame(over)
        if not isinstance(over.function, Place):
            require_exact_fold(over.function, over.args)
        if not partition | order <= shown or column.id in shown or column.table is not None or column.proved:
            raise InternalError("a window reads or shows a column that is not there")
        interval = window_interval(over, source)
        if interval != ANY:
            intervals[column.id] = interval
        if over.function not in NEVER_NULL:
            nullable.add(column.id)
        if not source.public and not over.chosen and partition <= source.fixed and not order:
            fixed.add(column.id)
        if over.function is Place.ROW_NUMBER:
            unique.add(partition | {column.id})
    fixed |= _ids(window) if source.rows_per_unit == 1 and not source.public else set()
    return replace(
        source, intervals=intervals, nullable=frozenset(nullable), fixed=frozenset(fixed),
        unique=source.unique | unique, grouped=source.grouped | unique,
    )


def _combined(combined: Combined, left: Facts, right: Facts) -> Facts:
    """UNION drops uniqueness and what is fixed; INTERSECT and EXCEPT keep what holds of the left side."""
    shown = (columns_out(combined.left), columns_out(combined.right))
    for out, of_left, of_right in combined.items:
        if of_left not in shown[0] or of_right not in shown[1] or out.table is not None or out.proved is not None:
            raise InternalError(f"{out.name} is not what it claims to be")
    owner = combined_owner(left, right, combined)
    both = combined.kind in (SetKind.UNION, SetKind.UNION_ALL)
    intervals: dict[int, Interval] = {}
    nullable: set[int] = set()
    for out, of_left, of_right in combined.items:
        interval = left.intervals.get(of_left.id, ANY)
        intervals[out.id] = interval.hull(right.intervals.get(of_right.id, ANY)) if both else interval
        if of_left.id in left.nullable or (both and of_right.id in right.nullable):
            nullable.add(out.id)
    rows = combined_rows(left, right, combined.kind) if owner is not None else None
    fixed = frozenset(out.id for out, of_left, _ in combined.items if not both and of_left.id in left.fixed)
    fixed |= {owner.id} if owner is not None else frozenset()
    fixed = _ids(combined) if rows == 1 else fixed
    alone = frozenset({_ids(combined)}) if combined.kind is not SetKind.UNION_ALL else frozenset()
    return Facts(owner, None, rows, alone, fixed if owner else frozenset(), intervals, frozenset(nullable), {}, alone)


def _project(project: Project, source: Facts) -> Facts:
    visible = frozenset(columns_out(project.source))
    renamed: dict[int, Column] = {}
    intervals: dict[int, Interval] = {}
    nullable: set[int] = set()
    fixed: set[int] = set()
    for column, scalar in project.items:
        read = frozenset(columns_of(scalar))
        if not read <= visible:      # whole columns: an id alone could hide another range
            raise InternalError(f"{column.name} reads a column its source does not show")
        if isinstance(scalar, Ref):
            renamed.setdefault(scalar.column.id, column)
            if column.table is not None and _origin(column) != _origin(scalar.column):
                raise InternalError(f"{column.name} claims to be another column than it is")
        elif column.table is not None:
            raise InternalError(f"{column.name} is computed but claims to be stored")
        if column.proved is not None and not scalars.enforced(scalar).within(column.proved):
            raise InternalError(f"{column.name} claims a range that its expression does not prove")
        interval = stated(scalar, source.intervals)
        if interval != ANY:
            intervals[column.id] = interval
        if scalars.nullable(scalar, lambda c: c.id in source.nullable):
            nullable.add(column.id)
        if not source.public and source.fixed.issuperset(c.id for c in read):
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
    if aggregate.sets:
        raise InternalError("rows are grouped in several ways below the noise")
    if not keys <= _ids(aggregate.source):
        raise InternalError("a key is not a column of the rows it groups")
    require_by_unit(source, keys)
    intervals = {id_: interval for id_, interval in source.intervals.items() if id_ in keys}
    nullable = set(source.nullable & keys)
    for column, fold, scalar in aggregate.items:
        if column.proved is not None or column.table is not None:
            raise InternalError("a folded column claims a range, or to be stored")
        require_exact_fold(fold, (scalar,) if scalar is not None else ())
        interval = folded_interval(fold, scalar, source)
        if interval != ANY:
            intervals[column.id] = interval
        if fold not in NEVER_NULL:
            nullable.add(column.id)
    fixed = keys & source.fixed
    rows_per_unit = 1 if not source.public and fixed == keys else source.rows_per_unit
    if rows_per_unit == 1 and not source.public:
        fixed = _ids(aggregate)     # a single row has a single value of everything
    caps = {capped: limit for capped, limit in source.caps.items() if capped <= keys}
    alone = frozenset({keys})
    return Facts(
        source.owner, None, rows_per_unit, alone, fixed, intervals, frozenset(nullable), caps, alone
    )


def _cap(cap: CapGroups, source: Facts) -> Facts:
    if source.owner is None or source.owner.id != cap.owner.id:
        raise InternalError("groups were capped by something that is not the owner")
    limits = [rows for rows in (source.rows_per_unit, None if cap.repeats else cap.limit) if rows is not None]
    rows = min(limits, default=None)
    caps = {**source.caps, frozenset(key.id for key in cap.keys): cap.limit}
    return Facts(
        source.owner, None, rows, source.unique, source.fixed, source.intervals, source.nullable, caps, source.grouped
    )


def _cap_rows(cap: CapRows, source: Facts) -> Facts:
    if source.owner is None or source.owner.id != cap.owner.id:
        raise InternalError("rows were capped by something that is not the owner")
    if _ids(cap.source) != {cap.owner.id, cap.cell.id, *(key.id for key in cap.keys)}:
        raise InternalError("rows were capped that differ in what did not choose among them")
    return replace(source, held={**source.held, frozenset({cap.owner.id, *(key.id for key in cap.keys)}): cap.limit})


def _origin(column: Column) -> tuple[str | None, str | None]:
    return column.table, column.source


def _ids(relation: Relation) -> frozenset[int]:
    return frozenset(column.id for column in columns_out(relation))


def _map(ids: frozenset[int], renamed: dict[int, Column]) -> frozenset[int]:
    return frozenset(renamed[id_].id for id_ in ids)
