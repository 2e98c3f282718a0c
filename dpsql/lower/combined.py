"""UNION, INTERSECT and EXCEPT of rows about people, and FULL JOIN, which is a union of two outer joins."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import BIGINT, BOOLEAN, Column, Lit, Ref, Scalar
from dpsql.facts.equalities import classes
from dpsql.lower.assemble import Assembled, assemble, materialised
from dpsql.lower.context import Context, Env, check_args
from dpsql.lower.folds import plain
from dpsql.lower.joins import Block, Exists, Group, Outer
from dpsql.lower.rows import Rows, derived
from dpsql.lower.scope import Visible, renamed
from dpsql.lower.sources import extended
from dpsql.parse import refusal, unwrapped
from dpsql.relation import Combined, Over, Place, SetKind, Window, columns_out
from dpsql.scalars.unify import cast, common


def lower_set(query: exp.SetOperation, context: Context, env: Env) -> Rows:
    """The rows of a set operation whose rows have one owner each. Raises QueryError where they would not."""
    check_args(query, {"this", "expression", "distinct", "with_"})
    kind = _kind(query)
    env = extended(query, context, env)
    sides = [_side(query.args[name], context, env) for name in ("this", "expression")]
    (left, shown), (right, others) = sides
    if len(shown) != len(others):
        raise refusal(f"{len(shown)} columns are put together with {len(others)}", query.expression)
    _check_owners(kind, (left, shown), (right, others), query, context)
    pairs = [_meet(a, b, kind, query) for a, b in zip(shown, others, strict=True)]
    outs = [context.fresh(v.name, a.type) for v, (a, _) in zip(shown, pairs, strict=True)]
    relation, owner = _put_together(
        (left, [a for a, _ in pairs]), (right, [b for _, b in pairs]), kind, outs, query, context,
    )
    if not query.args.get("distinct") and kind is not SetKind.UNION_ALL:
        relation = _numbered(relation, context)
    scope = tuple(Visible(None, v.name, Ref(out)) for v, out in zip(shown, outs, strict=True))
    return Rows(Group((Block(relation, owner),)), renamed(scope, "", (), query))


def _numbered(combined: Combined, context: Context) -> Combined:
    """INTERSECT ALL and EXCEPT ALL: equal rows of each side are numbered, and so no two are equal."""
    numbers, sides = [], []
    for side in (combined.left, combined.right):
        number = context.fresh("place", BIGINT)
        over = Over(Place.ROW_NUMBER, (), columns_out(side), (), None)
        sides.append(Window(side, ((number, over),)))
        numbers.append(number)
    place = (context.fresh("place", BIGINT), *numbers)
    return Combined(sides[0], sides[1], combined.kind, (*combined.items, (place[0], place[1], place[2])))


def _kind(query: exp.SetOperation) -> SetKind:
    if isinstance(query, exp.Union):
        return SetKind.UNION if query.args.get("distinct") else SetKind.UNION_ALL
    return SetKind.INTERSECT if isinstance(query, exp.Intersect) else SetKind.EXCEPT


def _side(query: exp.Expr, context: Context, env: Env) -> tuple[Assembled, list[Visible]]:
    inner = unwrapped(query)
    assert isinstance(inner, exp.Query), "a set operation has two queries"
    rows = derived(inner, context, env, query)
    return assemble(rows.group, context, inner), [v for v in rows.scope if not v.hidden]


def _check_owners(
    kind: SetKind, left: tuple[Assembled, list[Visible]], right: tuple[Assembled, list[Visible]],
    query: exp.SetOperation, context: Context,
) -> None:
    union = kind in (SetKind.UNION, SetKind.UNION_ALL)
    if left[0].owner is None or (union and right[0].owner is None):
        raise refusal(
            "rows about people are put together with rows about nobody", query,
            "ask each by itself, and put the answers together",
        )
    if kind is SetKind.UNION_ALL or right[0].owner is None:
        return
    if not any(_names(a, left[0], context) & _names(b, right[0], context) for a, b in zip(
        left[1], right[1], strict=True,
    )):
        raise refusal(
            "rows of different people would be taken for one", query,
            "select the column that names the person in the same place on both sides, or use UNION ALL",
        )


def _names(shown: Visible, side: Assembled, context: Context) -> set[tuple[str, ...]]:
    """What a column names: the owner, or a row of a table whose key holds and says whose it is."""
    if not isinstance(shown.scalar, Ref) or side.owner is None:
        return set()
    equal = {shown.scalar.column}.union(
        *(group.values() for group in classes(side.equal) if shown.scalar.column.id in group)
    )
    found: set[tuple[str, ...]] = set()
    for column in equal:
        if column == side.owner:
            found.add(("owner",))
        if column.table is None or column.source is None or context.catalog.rules(column.table).public:
            continue
        path = context.catalog.rules(column.table).owner
        names = [(column.table, column.source)]
        names += [(path.table, path.key)] if path is not None and path.column == column.source else []
        found |= {(table, key) for table, key in names if (key,) in context.catalog.keys.get(table, ())}
    return found


def _meet(a: Visible, b: Visible, kind: SetKind, place: exp.Expr) -> tuple[Scalar, Scalar]:
    """Two columns in the same place, as one type."""
    try:
        type_ = common([a.scalar, b.scalar])
        pair = cast(a.scalar, type_), cast(b.scalar, type_)
    except scalars.ScalarError as error:
        raise refusal(error.reason, place, error.hint) from None
    return pair if kind is SetKind.UNION_ALL else (plain(pair[0]), plain(pair[1]))


def _put_together(
    left: tuple[Assembled, list[Scalar]], right: tuple[Assembled, list[Scalar]], kind: SetKind, outs: list[Column],
    place: exp.Expr, context: Context,
) -> tuple[Combined, Column | None]:
    """Both sides projected to the same columns; the owner is one of them, or one more."""
    blocks, places, owners = [], [], []
    for side, values in (left, right):
        columns = [context.fresh(out.name, out.type) for out in outs]
        blocks.append(materialised(side, tuple(zip(columns, values, strict=True)), place))
        places.append(columns)
        named = [c for c, value in zip(columns, values, strict=True) if side.owner and value == Ref(side.owner)]
        owners.append(named[0] if named else side.owner)
    items = list(zip(outs, *places, strict=True))
    one, other = owners
    owner = next((out for out, a, b in items if a == one and (b == other or other is None)), None)
    if owner is None and one is not None:
        if other is None:
            raise refusal(
                "this would merge rows of different people", place,
                "select the column that names the person, or write WHERE ... [NOT] IN (SELECT ...)",
            )
        owner = context.fresh("owner", one.type)
        items.append((owner, one, other))
    return Combined(blocks[0].relation, blocks[1].relation, kind, tuple(items)), owner


def full_join(left: Rows, right: Rows, on: tuple[Scalar, ...], context: Context, place: exp.Expr) -> Rows:
    """FULL JOIN: the left join, and the rows of the right that match nothing, with NULL for the left.

    The scopes of both sides show columns and NULL only. Raises QueryError when just one side is about people: the rows
    of the other would be nobody's.
    """
    assembled = [assemble(side.group, context, place) for side in (left, right)]
    if (assembled[0].owner is None) != (assembled[1].owner is None):
        raise refusal(
            "FULL JOIN would keep rows of a public table that match nobody: whether they do is private", place,
            "use LEFT JOIN or RIGHT JOIN",
        )
    columns = [_columns(side) for side in (left, right)]
    blocks = [
        materialised(each, tuple((c, Ref(c)) for c in shown), place)
        for each, shown in zip(assembled, columns, strict=True)
    ]
    groups = [Group((block,)) for block in blocks]
    matched = assemble(Group((Outer(groups[0], groups[1], on),)), context, place)
    found = context.fresh("found", BOOLEAN)
    alone = assemble(
        Group((blocks[1],), (scalars.call("not", Ref(found)),), (Exists(found, groups[0], on, place),)), context, place,
    )
    values: list[list[Scalar]] = [[Ref(c) for c in (*columns[0], *columns[1])]]
    values.append([*(_nothing(c) for c in columns[0]), *(Ref(c) for c in columns[1])])
    outs = [context.fresh(c.name, c.type) for c in (*columns[0], *columns[1])]
    relation, owner = _put_together(
        (matched, values[0]), (alone, values[1]), SetKind.UNION_ALL, outs, place, context,
    )
    table = dict(zip((*columns[0], *columns[1]), outs, strict=True))
    scope = tuple(
        replace(v, scalar=Ref(table[v.scalar.column])) if isinstance(v.scalar, Ref) else v
        for v in left.scope + right.scope
    )
    return Rows(Group((Block(relation, owner),)), scope)


def _columns(rows: Rows) -> list[Column]:
    return list(dict.fromkeys(v.scalar.column for v in rows.scope if isinstance(v.scalar, Ref)))


def _nothing(column: Column) -> Scalar:
    """NULL of a column's type, within the range that is declared of it."""
    nothing = Lit(None, column.type)
    return scalars.clamp(nothing, column.declared) if column.type.numeric and column.declared is not None else nothing
