"""Blocks without aggregates over owned or public tables: what they select, from which join group, under which names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import NULL, VARCHAR, Column, Lit, Ref, Scalar, size_of
from dpsql.lower.assemble import assemble, materialised
from dpsql.lower.context import Context, Env, Origin, check_args, order_only
from dpsql.lower.first import first_of_each
from dpsql.lower.joins import Group, Outer, filtered, joined
from dpsql.lower.scope import (
    UNREAD,
    Scope,
    Visible,
    expand,
    lookup,
    merged,
    renamed,
    resolve,
    shown_as,
    struct_field,
    tables_of,
)
from dpsql.lower.sources import aggregated, alias_of, extended, has_aggregate, origin_of
from dpsql.parse import refusal, unwrapped
from dpsql.relation import Values
from dpsql.scalars.logic import truth
from dpsql.scalars.unify import cast, common

MAX_NODES = 2_000   # of one expression after derived tables are expanded; keeps nested doublings out

_BLOCK = {"expressions", "from_", "joins", "where", "with_", "kind"}


@dataclass(frozen=True, slots=True)
class Rows:
    """A join group and the names it shows."""

    group: Group
    scope: Scope


def lower_rows(query: exp.Query, context: Context, env: Env) -> Rows:
    """The rows of a SELECT without aggregates. Raises QueryError for anything else."""
    select = unwrapped(query)
    if isinstance(select, exp.SetOperation):
        from dpsql.lower.combined import lower_set  # it reads blocks too

        return lower_set(select, context, env)
    assert isinstance(select, exp.Select), "a query is a SELECT or puts two together"
    select = first_of_each(select)
    if aggregated(select) or select.args.get("distinct"):
        from dpsql.lower.perunit import lower_grouped  # it reads blocks too

        return lower_grouped(select, context, env)
    env = extended(select, context, env)
    from dpsql.lower.windows import has_window, lower_windowed  # it reads blocks too

    windowed = has_window(select)
    check_args(select, _BLOCK | order_only(select) | ({"qualify"} if windowed else set()))
    select, rows = context.embedded(select, lower_from(select, context, env), env)
    rows = lower_where(rows, select)
    if windowed:
        return lower_windowed(select, rows, context)
    scope: list[Visible] = []
    for item in select.expressions:
        scope += _item(item, rows.scope)
    return Rows(rows.group, tuple(scope))


def _item(item: exp.Expr, scope: Scope) -> list[Visible]:
    if is_star(item):
        return [Visible(None, v.name, v.scalar) for v in expand(item, scope)]
    inner = item.this if isinstance(item, exp.Alias) else item
    return [Visible(None, shown_as(item, scope), build(inner, scope))]


def is_star(node: exp.Expr) -> bool:
    """Whether a select item is `*` or `t.*`."""
    return isinstance(node, exp.Star) or (isinstance(node, exp.Column) and isinstance(node.this, exp.Star))


def build(
    node: exp.Expr, scope: Scope, aliases: dict[str, exp.Expr] | None = None,
    known: Callable[[exp.Expr], Scalar | None] | None = None,
) -> Scalar:
    """The typed expression of a node. A name no column has may be an alias of the same SELECT, as in DuckDB.

    `known` is asked first what a node stands for.
    """
    open_aliases = dict(aliases or {})

    def named(column: exp.Column) -> Scalar:
        if not column.table and column.name.lower() in open_aliases and not lookup(column, scope):
            return build(open_aliases.pop(column.name.lower()), scope, open_aliases, known)
        return resolve(column, scope)

    def read(inner: exp.Expr) -> Scalar | None:
        column = None if isinstance(inner, exp.Column) else struct_field(inner)
        return resolve(column, scope) if column is not None else None if known is None else known(inner)

    try:
        scalar = scalars.build(node, named, read)
    except scalars.ScalarError as error:
        raise refusal(error.reason, error.node, error.hint) from None
    if size_of(scalar) > MAX_NODES:
        raise refusal("this expression is too large once derived tables are expanded", node)
    return scalar


def lower_from(select: exp.Select, context: Context, env: Env) -> Rows:
    """FROM and the joins of a block."""
    source = select.args.get("from_")
    if source is None:
        raise refusal("a SELECT without FROM has no rows about people", select)
    rows, comma = lower_source(source.this, context, env), False
    for join in select.args.get("joins") or ():
        comma |= len(join.args) == 1        # of a comma the parser notes nothing
        if comma and join.side in ("RIGHT", "FULL"):
            raise refusal(f"{join.side} JOIN takes what stands behind the last comma alone", join.this,
                          "write CROSS JOIN for the comma, or brackets")
        rows = _join(rows, join, context, env)
    return rows


def lower_where(rows: Rows, select: exp.Select) -> Rows:
    """The rows that pass WHERE; an alias of the same SELECT may stand in it, as in DuckDB."""
    where = select.args.get("where")
    if where is None:
        return rows
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    group = rows.group
    if (fold := next((part for part in where.find_all(exp.AggFunc) if has_aggregate(where)), None)) is not None:
        raise refusal("WHERE looks at rows, and this is an aggregate of many", fold, "write the condition after HAVING")
    for conjunct in conjuncts_of(build(where.this, rows.scope, aliases), where.this):
        group = filtered(group, conjunct)
    return Rows(group, rows.scope)


def conjuncts_of(scalar: Scalar, node: exp.Expr) -> list[Scalar]:
    """The conjuncts of a condition. Raises QueryError when it is no condition."""
    try:
        return list(scalars.conjuncts(truth(scalar)))
    except scalars.ScalarError as error:
        raise refusal(error.reason, node, error.hint) from None


def lower_source(node: exp.Expr, context: Context, env: Env) -> Rows:
    """One source of FROM: a table of the policy, a WITH name, a derived table or a join in brackets."""
    match node:
        case exp.Table():
            rows = _table(node, context, env)
        case exp.Subquery() if isinstance(node.this, exp.Table):
            check_args(node, {"this", "alias"})
            rows = lower_source(node.this, context, env)
            if node.alias:
                alias, columns = alias_of(node)
                rows = Rows(rows.group, renamed(rows.scope, alias, columns, node))
        case exp.Subquery():
            check_args(node, {"this", "alias"})
            alias, columns = alias_of(node)
            inner = derived(node.this, context, env, node)
            rows = Rows(inner.group, renamed(inner.scope, alias, columns, node))
        case exp.Values():
            rows = _values(node, context)
        case exp.Unnest():
            raise refusal("UNNEST stands beside the table whose list it takes", node, "or use list_contains(list, x)")
        case _:
            raise refusal("this kind of FROM is not answered", node, "name a table of the policy")
    for join in node.args.get("joins") or ():
        rows = _join(rows, join, context, env)
    return rows


def _values(node: exp.Values, context: Context) -> Rows:
    """Rows of the text, each column of the type that all of them share."""
    check_args(node, {"expressions", "alias", "joins"})
    alias, names = alias_of(node)
    rows = [[build(each, ()) for each in (row.expressions if isinstance(row, exp.Tuple) else [row])]
            for row in node.expressions]
    if len({len(row) for row in rows}) != 1:
        raise refusal("the rows of VALUES differ in length", node)
    columns, shown = [], []
    for i, found in enumerate(zip(*rows, strict=True)):
        try:
            type_ = common(found)
            shown.append([cast(scalar, type_) for scalar in found])
        except scalars.ScalarError as error:
            raise refusal(error.reason, node, error.hint) from None
        columns.append(context.fresh(f"col{i}", type_))
    values = Values(tuple(columns), tuple(zip(*shown, strict=True)))
    scope = tuple(Visible(alias, column.name, Ref(column)) for column in columns)
    return Rows(Group((values,)), renamed(scope, alias, names, node))


def _table(node: exp.Table, context: Context, env: Env) -> Rows:
    alias, columns = alias_of(node)
    cte = env.get(node.name.lower()) if not node.db else None
    if cte is not None and cte.rows is not None:
        return cte.rows(context)
    if cte is not None:
        inner = derived(cte.query, context, cte.env, node)
        return Rows(inner.group, renamed(renamed(inner.scope, cte.name, cte.columns, node), alias, columns, node))
    scan = context.scan(context.base(node))
    scope = tuple(Visible(alias, column.name, Ref(column)) for column in scan.columns)
    scope = renamed(scope, alias, columns, node) if columns else scope
    unread = (column for column in context.catalog.table(scan.table).columns if column.type is None)
    return Rows(Group((scan,)), (*scope, *(
        Visible(f"{UNREAD} {alias}", column.name, Lit(column.stored, VARCHAR), hidden=True) for column in unread)))


def derived(query: exp.Query, context: Context, env: Env, place: exp.Expr) -> Rows:
    """The rows of a query that stands in another one."""
    origin = origin_of(query, context, env)
    if origin is Origin.RELEASED or (origin is Origin.PUBLIC and not _plain(query)):
        return context.fed_rows(query, env, place)
    return lower_rows(query, context, env)


def _plain(query: exp.Query) -> bool:
    """Whether a public block shows rows of its tables one by one, so that it may be read as it is."""
    if not isinstance(query, exp.Select) or query.args.get("from_") is None or aggregated(query):
        return False
    return not any(value and name not in _BLOCK for name, value in query.args.items()) and not query.find(exp.Window)


def _join(left: Rows, join: exp.Join, context: Context, env: Env) -> Rows:
    check_args(join, {"this", "on", "using", "side", "kind", "method"})
    side, kind, method = join.side, join.kind, join.method
    tests = kind in ("SEMI", "ANTI") and side in ("", "LEFT")
    if not (tests or kind in ("", "INNER", "CROSS", "OUTER")) or method not in ("", "NATURAL"):
        raise refusal(
            f"{' '.join(part for part in (method, side, kind) if part)} JOIN is not answered", join,
            "write WHERE EXISTS" if kind in ("SEMI", "ANTI") else "use JOIN or LEFT JOIN",
        )
    reads = isinstance(join.this, exp.Values) and join.this.find(exp.Column) is not None
    if isinstance(join.this, exp.Lateral | exp.Unnest) or reads:
        from dpsql.lower.lateral import lower_lateral  # it reads blocks too

        return lower_lateral(left, join, context, env)
    right = lower_source(join.this, context, env)
    if same := tables_of(left.scope) & tables_of(right.scope):
        raise refusal(f"two tables here are called {min(same)}", join.this, "give each an alias of its own")
    names = _shared(join, left, right)
    if not tests:
        left = separated(left, context, join) if side in ("RIGHT", "FULL") else left
        right = separated(right, context, join) if side in ("LEFT", "FULL") else right
    on = [_using(name, left.scope, right.scope, join) for name in names]
    condition = join.args.get("on")
    if condition is not None and side in ("LEFT", "RIGHT") and condition.find(exp.Query) is not None:
        left, right, found, condition = _asking(condition, left, right, side, context, env)
        on += found
    if condition is not None and side == "" and not tests and condition.find(exp.Query) is not None:
        both = _joined(left, right, side, tuple(on), names, context, join)
        where = exp.Select(expressions=[exp.Star()], where=exp.Where(this=condition.copy()))
        where, both = context.embedded(where, both, env)      # of an inner join it is as good as WHERE
        return lower_where(both, where)
    if condition is not None:
        on += conjuncts_of(build(condition, left.scope + right.scope), condition)
    if tests:
        from dpsql.lower.exists import matching  # it reads blocks too

        return matching(left, right, tuple(on), kind == "ANTI", join, context)
    return _joined(left, right, side, tuple(on), names, context, join)


def _shared(join: exp.Join, left: Rows, right: Rows) -> list[str]:
    """The names of the columns that USING or NATURAL makes equal."""
    if join.method != "NATURAL":
        return [node.name for node in join.args.get("using") or ()]
    shown = {v.name.lower() for v in left.scope if not v.hidden}
    return [v.name for v in right.scope if not v.hidden and v.name.lower() in shown]


def _asking(
    condition: exp.Expr, left: Rows, right: Rows, side: str, context: Context, env: Env,
) -> tuple[Rows, Rows, list[Scalar], exp.Expr | None]:
    """The sides of an outer join whose ON asks queries, each about one side; what becomes of those, and the rest of ON.

    Of the side that may be absent, only rows which pass are joined; of the other, the answer is a column.
    """
    from dpsql.lower.around import conjunct_nodes, read_by  # they read blocks too

    rest, on = [], []
    for conjunct in conjunct_nodes(condition):
        if conjunct.find(exp.Query) is None:
            rest.append(conjunct.copy())
            continue
        read = read_by(conjunct, context, env)
        every, absent = (left, right) if side == "LEFT" else (right, left)
        one = next((rows for rows in (absent, every) if all(lookup(column, rows.scope) for column in read)), None)
        if one is None:
            raise refusal("a subquery in ON of an outer join may read one side only", conjunct, "write a derived table")
        where = exp.Select(expressions=[exp.Star()], where=exp.Where(this=conjunct.copy()))
        where, marked = context.embedded(where, one, env)
        if one is absent:
            marked = lower_where(marked, where)
        else:
            on += conjuncts_of(build(where.args["where"].this, marked.scope), conjunct)
        left, right = (marked, right) if one is left else (left, marked)
    return left, right, on, exp.and_(*rest, copy=False) if rest else None


def _joined(
    left: Rows, right: Rows, side: str, on: tuple[Scalar, ...], names: list[str], context: Context, place: exp.Expr,
) -> Rows:
    """The rows of a join on `on`; of the columns in `names`, made equal, one is shown."""
    scope = merged(left.scope, right.scope, names)
    match side:
        case "LEFT":
            return Rows(Group((Outer(left.group, right.group, on),)), scope)
        case "RIGHT":
            hidden = merged(right.scope, left.scope, names)
            return Rows(Group((Outer(right.group, left.group, on),)), hidden[len(right.scope):] + right.scope)
        case "FULL":
            from dpsql.lower.combined import full_join  # it reads blocks too

            full = full_join(left, right, on, context, place)
            kept = merged(full.scope[: len(left.scope)], full.scope[len(left.scope):], names)
            return Rows(full.group, tuple(_either(v, names, full.scope) for v in kept))
    group = joined(left.group, right.group)
    for conjunct in on:
        group = filtered(group, conjunct)
    return Rows(group, scope)


def _either(shown: Visible, names: list[str], scope: Scope) -> Visible:
    """After FULL JOIN ... USING (a) the name a is whichever side has it."""
    if shown.hidden or shown.name.lower() not in {name.lower() for name in names}:
        return shown
    both = [v.scalar for v in scope if not v.hidden and v.name.lower() == shown.name.lower()]
    return replace(shown, scalar=scalars.call("coalesce", *both))


def _using(name: str, left: Scope, right: Scope, join: exp.Join) -> Scalar:
    column = exp.column(name)
    places = [node for node in join.args.get("using") or () if node.name == name]
    if places:
        column.this.meta.update(places[0].meta)
    try:
        return scalars.call("=", resolve(column, left), resolve(column, right))
    except scalars.ScalarError as error:
        raise refusal(error.reason, places[0] if places else join, error.hint) from None


def separated(rows: Rows, context: Context, place: exp.Expr) -> Rows:
    """Computed columns become columns of their own, so that a null extension makes them NULL, as NULL itself is."""
    shown = [v for v in rows.scope if not (v.table or "").startswith(UNREAD)]
    if all(isinstance(v.scalar, Ref) or v.scalar == Lit(None, NULL) for v in shown):
        return rows
    items: dict[Column, Scalar] = {}
    scope: list[Visible] = []
    for v in shown:
        column = v.scalar.column if isinstance(v.scalar, Ref) else context.fresh(v.name, v.scalar.type)
        items[column] = v.scalar
        scope.append(Visible(v.table, v.name, Ref(column), v.hidden))
    block = materialised(assemble(rows.group, context, place), tuple(items.items()), place)
    return Rows(Group((block,)), tuple(scope))
