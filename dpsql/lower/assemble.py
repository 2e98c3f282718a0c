"""From join groups to relations: owners are found, missing path joins added, and owner equalities printed.

Nothing here is trusted: `derive` proves the owner again from the relation alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import Column, Ref, Scalar, columns_of
from dpsql.facts.equalities import classes, same
from dpsql.lower.context import Context
from dpsql.lower.joins import Block, Exists, Group, Item, Outer, Split
from dpsql.lower.preserved import Loose, fails, require_matched, require_on
from dpsql.parse import refusal
from dpsql.relation import Fed, Filter, Join, JoinKind, Mark, Parts, Project, Relation, Scan, Values, columns_out


@dataclass(frozen=True, slots=True)
class Part:
    """One item as a relation. `owner` says whose its rows are; `path` is the step still to be joined, if any.

    `loose` are columns that a row of a public table without matches would show as NULL (see `preserved`).
    """

    relation: Relation
    owner: Column | None = None
    path: Column | None = None
    loose: Loose = field(default_factory=Loose)

    @property
    def private(self) -> bool:
        return self.owner is not None or self.path is not None


@dataclass(frozen=True, slots=True)
class Assembled:
    """A relation, the owner of its rows (None: public), and the conjuncts that make columns of it equal.

    `loose` as for a Part.
    """

    relation: Relation
    owner: Column | None
    equal: tuple[Scalar, ...]
    loose: Loose


def assemble(group: Group, context: Context, place: exp.Expr) -> Assembled:
    """The relation of a group. Raises QueryError at `place` when two owned sources are not joined by their owner."""
    parts = [_part(item, context, place) for item in group.items]
    loose = reduce(or_, (part.loose for part in parts))
    loose = _marked_loose(group, loose) if loose else loose
    require_matched(group.conjuncts, loose, place)
    marks = {mark.column.id for mark in group.marks}
    tested = tuple(c for c in group.conjuncts if any(column.id in marks for column in columns_of(c)))
    conjuncts = [c for c in group.conjuncts if c not in tested]
    _complete_paths(parts, conjuncts, context)
    ordered = _by_ownership(parts, conjuncts, context, place)
    owner = next((part.owner for part in ordered if part.owner), None)
    relation = _chain(ordered, conjuncts)
    for mark in group.marks:
        relation = (
            Parts(relation, mark.list, mark.column) if isinstance(mark, Split)
            else _mark(mark, relation, owner, tuple(conjuncts), context)
        )
    relation = Filter(relation, tested) if tested else relation
    return Assembled(relation, owner, tuple(conjuncts), loose)


def _marked_loose(group: Group, loose: Loose) -> Loose:
    """What is loose with the marks of the rows: each is false where nobody matches, for then its condition fails."""
    for mark in group.marks:
        if isinstance(mark, Split) or not any(fails(conjunct, loose) for conjunct in mark.on):
            raise refusal(
                "UNNEST, and EXISTS and IN that do not speak of the people who are LEFT JOINed to a public table, are "
                "not answered beside it", mark.place, "use JOIN",
            )
        loose |= Loose(false=frozenset({mark.column.id}))
    return loose


def materialised(
    assembled: Assembled, items: tuple[tuple[Column, Scalar], ...], place: exp.Expr,
) -> Block:
    """Computed columns as a block of their own, its owner kept."""
    if assembled.loose:
        raise refusal("a derived table that LEFT JOINs people to a public table is not answered here", place)
    kept = {column.id for column, _ in items}
    owner = assembled.owner
    extra = ((owner, Ref(owner)),) if owner is not None and owner.id not in kept else ()
    return Block(Project(assembled.relation, (*items, *extra)), owner)


def _mark(
    exists: Exists, relation: Relation, owner: Column | None, equal: tuple[Scalar, ...], context: Context,
) -> Mark:
    """The rows with one more column: whether rows of `inner` match. Owners are equal in every match."""
    found = _along_outer_path(exists, relation, equal, context) if owner is not None else None
    if found is not None:
        return Mark(relation, *found, exists.column)
    inner = assemble(exists.inner, context, exists.place)
    if inner.loose:
        raise refusal("a LEFT JOIN of people to a public table is not answered inside EXISTS or IN", exists.place)
    on = exists.on
    if inner.owner is not None:
        if owner is None:
            raise refusal(
                "whether a row of a public table has anybody's rows is private", exists.place,
                "JOIN the two, GROUP BY the public table, and compare a noisy COUNT(*) in HAVING",
            )
        known = on + equal + inner.equal
        sides = (columns_out(relation), columns_out(inner.relation))
        linked = exists.own or _owners_equal(known, owner, inner.owner) or _along_path(known, sides, context)
        if not linked:
            raise _of_null(exists.place) if exists.of_null else _unlinked(exists.place)
        if not same(on, owner, inner.owner):
            on = (*on, scalars.call("=", Ref(inner.owner), Ref(owner)))
    return Mark(relation, inner.relation, on, exists.column)


def _along_outer_path(
    exists: Exists, relation: Relation, equal: tuple[Scalar, ...], context: Context,
) -> tuple[Relation, tuple[Scalar, ...]] | None:
    """Inner rows whose path leads to a row that is joined outside already: that row says whose they are."""
    if exists.inner.marks or any(isinstance(item, Outer) for item in exists.inner.items):
        return None
    parts = [_part(item, context, exists.place) for item in exists.inner.items]
    private = [part for part in parts if part.private]
    if len(private) != 1 or private[0].path is None:
        return None
    path, shown = private[0].path, columns_out(relation)
    for group in classes(exists.on + equal + exists.inner.conjuncts):
        target = next((c for c in shown if c in group.values() and _defines(path, c, context)), None)
        if path.id in group and target is not None:
            on = exists.on if same(exists.on, path, target) else (
                *exists.on, scalars.call("=", Ref(path), Ref(target))
            )
            parts.sort(key=lambda part: not part.private)
            return _chain(parts, list(exists.inner.conjuncts)), on
    return None


def _part(item: Item, context: Context, place: exp.Expr) -> Part:
    match item:
        case Scan():
            return _scan_part(item, context)
        case Fed() | Values():
            return Part(item)
        case Block(relation, owner):
            return Part(relation, owner)
        case Outer():
            return _outer(item, context, place)


def _scan_part(scan: Scan, context: Context) -> Part:
    rules = context.catalog.rules(scan.table)
    if rules.public:
        return Part(scan)
    carried = context.catalog.carries(scan.table)
    wanted = carried if carried is not None else rules.owner.column if rules.owner else None
    column = next(c for c in scan.columns if c.source == wanted)
    return Part(scan, column) if carried is not None else Part(scan, None, column)


def _outer(outer: Outer, context: Context, place: exp.Expr) -> Part:
    left, right = assemble(outer.left, context, place), assemble(outer.right, context, place)
    on = outer.on
    loose = left.loose | right.loose | Loose(frozenset(column.id for column in columns_out(right.relation)))
    if right.owner is not None and left.owner is None:
        require_on(on, loose, place)
        require_matched(on, loose, place)
        return Part(Join(right.relation, left.relation, JoinKind.INNER, on), right.owner, None, loose)
    if right.owner is not None and left.owner is not None:
        sides, known = (columns_out(left.relation), columns_out(right.relation)), on + left.equal + right.equal
        linked = outer.own or _owners_equal(known, left.owner, right.owner) or _along_path(known, sides, context)
        if not linked:
            raise _unlinked(place)
        if not same(on, left.owner, right.owner):
            on = (*on, scalars.call("=", Ref(left.owner), Ref(right.owner)))
    joined = Join(left.relation, right.relation, JoinKind.LEFT, on)
    return Part(joined, left.owner, None, loose if left.loose else Loose())


def _owners_equal(on: tuple[Scalar, ...], left: Column, right: Column) -> bool:
    return any(left.id in group and right.id in group for group in classes(on))


def _along_path(
    on: tuple[Scalar, ...], sides: tuple[tuple[Column, ...], tuple[Column, ...]], context: Context,
) -> bool:
    """Whether the condition equates a column that defines ownership with its key across the two sides."""
    left, right = ({column.id for column in side} for side in sides)
    for group in classes(on):
        for a in group.values():
            for b in group.values():
                across = (a.id in left and b.id in right) or (a.id in right and b.id in left)
                if across and (_defines(a, b, context) or _one_row(a, b, context)):
                    return True
    return False


def _one_row(a: Column, b: Column, context: Context) -> bool:
    """Whether equal values of the two are those of one row: both are the same key, which holds."""
    keys = context.catalog.keys.get(a.table or "", ())
    return (a.table, a.source) == (b.table, b.source) and (a.source,) in keys


def _defines(a: Column, b: Column, context: Context) -> bool:
    """Whether `a` is the column that defines whose its row is, and `b` is the key it refers to."""
    if a.table is None or b.table is None:
        return False
    path = context.catalog.rules(a.table).owner
    return path is not None and (path.column, path.table, path.key) == (a.source, b.table, b.source)


def _complete_paths(parts: list[Part], conjuncts: list[Scalar], context: Context) -> None:
    """Gives every path a table to lead to: one the query joined itself by exactly that equality, or one added here."""
    todo = [part for part in parts if part.path is not None]
    while todo:
        path = todo.pop(0).path
        assert path is not None and path.table is not None
        target = _target(path, parts, conjuncts, context)
        if target is None:
            rules = context.catalog.rules(path.table).owner
            assert rules is not None
            added = _scan_part(context.scan(rules.table), context)
            target = next(c for c in columns_out(added.relation) if c.source == rules.key)
            parts.append(added)
            if added.path is not None:
                todo.append(added)
        if not same(conjuncts, path, target):
            conjuncts.append(scalars.call("=", Ref(path), Ref(target)))


def _target(path: Column, parts: list[Part], conjuncts: list[Scalar], context: Context) -> Column | None:
    """The key column of a scan that the query itself equates with the path's column, directly or transitively."""
    scanned = {c.id for part in parts if isinstance(part.relation, Scan) for c in part.relation.columns}
    for group in classes(conjuncts):
        if path.id in group:
            for column in group.values():
                if column.id in scanned and _defines(path, column, context):
                    return column
    return None


def _by_ownership(
    parts: list[Part], conjuncts: list[Scalar], context: Context, place: exp.Expr,
) -> list[Part]:
    """The parts in an order in which each private one is linked to those before it; public ones keep their places."""
    private = [part for part in parts if part.private]
    if not private:
        return parts
    first = next((part for part in private if part.owner), None)
    assert first is not None and first.owner is not None, "every path ends at a table that carries the unit"
    ordered, waiting = [first], [part for part in private if part is not first]
    while waiting:
        linked = next(((part, pair) for part in waiting if (pair := _link(part, ordered, conjuncts, context))), None)
        if linked is None:
            raise _unlinked(_written(waiting[0], place))
        part, pair = linked
        for one, other in ((first.owner, part.owner), pair):
            if one is not None and other is not None and not same(conjuncts, one, other):
                conjuncts.append(scalars.call("=", Ref(one), Ref(other)))       # also where others make them equal
        waiting.remove(part)
        ordered.append(part)
    return ordered + [part for part in parts if not part.private]


def _written(part: Part, place: exp.Expr) -> exp.Expr:
    """The JOIN that a part comes from, of several of one table the last; `place` where that is not plain to see."""
    select = place if isinstance(place, exp.Select) else place.parent_select
    if isinstance(part.relation, Scan) and select is not None:
        called = part.relation.table.rpartition(".")[2].lower()
        for join in reversed(select.args.get("joins") or ()):
            if isinstance(join.this, exp.Table) and join.this.name.lower() == called:
                return join.this
    return place


def _link(
    part: Part, ordered: list[Part], conjuncts: list[Scalar], context: Context,
) -> tuple[Column, Column] | None:
    """The columns of a part and of those before it by whose equality their rows belong to the same person."""
    before = {c.id for each in ordered for c in columns_out(each.relation)}
    owners = {each.owner.id for each in ordered if each.owner}
    for group in classes(conjuncts):
        if part.owner is not None and part.owner.id in group:
            found = next((column for id_, column in group.items() if id_ in owners), None)
            if found is not None:
                return part.owner, found
        if part.path is not None and part.path.id in group:
            found = next((c for id_, c in group.items() if id_ in before and _defines(part.path, c, context)), None)
            if found is not None:
                return part.path, found
        mine = [group[c.id] for c in columns_out(part.relation) if c.id in group]
        theirs = [column for id_, column in group.items() if id_ in before]
        for a, b in ((a, b) for a in mine if part.owner is not None for b in theirs):
            if _defines(a, b, context) or _defines(b, a, context):
                return a, b
    return None


def _of_null(place: exp.Expr) -> Exception:
    return refusal(
        "a value here may be NULL, and then IN depends on whether anybody's row is there", place,
        "write [NOT] EXISTS, or add IS NOT NULL for both columns",
    )


def _unlinked(place: exp.Expr) -> Exception:
    return refusal(
        "two tables about people are joined without saying that their rows belong to the same person", place,
        "add the equality of the declared path, or of the columns that name the person, to ON or WHERE",
    )


def _chain(parts: list[Part], conjuncts: list[Scalar]) -> Relation:
    """A left-deep join: each condition over several parts where its last part joins, the others in one filter above."""
    relation, shown = parts[0].relation, _ids(parts[0].relation)
    reads = [({column.id for column in columns_of(c)}, c) for c in conjuncts]
    waiting = list(parts[1:])
    while waiting:
        part = _next(waiting, shown, [read for read, _ in reads])
        waiting.remove(part)
        new = _ids(part.relation)
        on = [(read, c) for read, c in reads if read <= shown | new and read & shown and read & new]
        reads = [pair for pair in reads if pair not in on]
        relation, shown = Join(relation, part.relation, JoinKind.INNER, tuple(c for _, c in on)), shown | new
    rest = tuple(c for _, c in reads)
    return Filter(relation, rest) if rest else relation


def _next(waiting: list[Part], shown: set[int], reads: list[set[int]]) -> Part:
    """Private parts in their order, then the first public part that a condition connects to what is joined already."""
    if waiting[0].private:
        return waiting[0]
    for part in waiting:
        new = _ids(part.relation)
        if any(read <= shown | new and read & shown and read & new for read in reads):
            return part
    return waiting[0]


def _ids(relation: Relation) -> set[int]:
    return {column.id for column in columns_out(relation)}
