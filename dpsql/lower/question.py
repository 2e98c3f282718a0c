"""A block that aggregates owned rows: it becomes a question, and a SELECT of the finish over what is released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from sqlglot import exp

from dpsql.errors import QueryError
from dpsql.expression import Kind, Ref, Scalar
from dpsql.facts.equalities import classes
from dpsql.lower.assemble import Assembled, assemble
from dpsql.lower.context import Context, Env, check_args
from dpsql.lower.given import given, written_as_given
from dpsql.lower.measures import Aggregated, measured, read
from dpsql.lower.preserved import at_least_one, preserved_table, require_public_keys
from dpsql.lower.rows import Rows, build, is_star, lower_from, lower_where
from dpsql.lower.scope import Scope, lookup, shown_as
from dpsql.lower.several import several
from dpsql.lower.sources import extended, grouped_by, has_aggregate
from dpsql.lower.units import names_units
from dpsql.parse import refusal
from dpsql.program import Ask, Key, Measure

_BLOCK = {
    "expressions", "from_", "joins", "where", "group", "having", "order", "limit", "offset", "distinct", "with_",
    "kind", "qualify",
}


@dataclass(slots=True)
class Question:
    """One aggregated block while it is read: its names, its keys, and the measures found so far."""

    name: str
    scope: Scope
    aliases: dict[str, exp.Expr]
    keys: tuple[Key, ...]
    assembled: Assembled
    preserved: tuple[tuple[str, ...], ...]
    measures: dict[Measure, str] = field(default_factory=dict)
    places: list[exp.Expr] = field(default_factory=list)

    def column(self, name: str) -> exp.Column:
        """A column of the released table."""
        return exp.column(name, table=self.name, quoted=True)


Replace = Callable[[exp.Expr], exp.Expr | None]
Copy = Callable[[exp.Expr, Replace], exp.Expr]
Rebuild = Callable[[exp.Expr, Replace, Env], exp.Expr]

_NEVER_A_KEY = (
    exp.Query, exp.Window, exp.Identifier, exp.DataType, exp.Var, exp.Interval, exp.Star, exp.Ordered, exp.Order,
)


def lower_question(select: exp.Select, context: Context, env: Env, rebuild: Rebuild) -> exp.Select:
    """The question of an aggregated block goes to `context.asks`; what comes back is its finish, a SELECT.

    `rebuild` copies an expression of the finish through the allow-list, asking first whether a node is replaced.
    Raises QueryError for whatever cannot be answered.
    """
    env = extended(select, context, env)
    check_args(select, _BLOCK)
    if (having := select.args.get("having")) is not None and (window := having.find(exp.Window)) is not None:
        raise refusal("HAVING holds no window function", window, "write it after QUALIFY")
    rows_keys = grouped_by(select)
    rows = lower_from(select, context, env)
    refuse_unit_groups(rows_keys, rows, context)
    names = [shown_as(item, rows.scope) for item in select.expressions]
    select, rows = context.embedded(select, rows, env)
    rows_keys = grouped_by(select)
    rows = lower_where(rows, select)
    aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
    keys = _keys(rows_keys, rows.scope, aliases)
    assembled = assemble(rows.group, context, select.args["from_"])
    require_public_keys(keys, assembled.loose, select.args["from_"])
    name = context.released()
    known = context.catalog.keys.get(preserved_table(rows.group) or "", ())
    question = Question(name, rows.scope, aliases, keys, assembled, known)
    finish = _finish(select, names, question, lambda node, replace: rebuild(node, replace, env))
    context.asks.append(Ask(
        name, assembled.relation, keys, tuple(question.measures), tuple(question.places)
    ))
    return finish


def refuse_unit_groups(items: list[exp.Expr], rows: Rows, context: Context) -> None:
    """Refuses keys that single out one unit; the noise would hide every group, so the question has no answer."""
    for node in items:
        if not isinstance(node, exp.Column):
            continue
        found = lookup(node, rows.scope)
        scalar = found[0].scalar if len(found) == 1 else None
        if isinstance(scalar, Ref):
            column = scalar.column
            stored = column.table is not None and column.source is not None
            if (stored and context.catalog.identifies(str(column.table), str(column.source))) or names_units(
                [scalar], rows.group, context
            ):
                raise refusal(
                    f"grouping by {node.name} makes every group one person's, and no noise small enough to be "
                    "useful would hide a single person", node, "group by something that many share",
                )


def _keys(
    items: list[exp.Expr], scope: Scope, aliases: dict[str, exp.Expr],
) -> tuple[Key, ...]:
    keys: list[Key] = []
    for node in items:
        scalar = build(node, scope, aliases)
        if str(scalar.type) == "INTERVAL":
            raise refusal("an INTERVAL cannot be a grouping key", node)
        if scalar.type.kind is Kind.LIST:
            raise refusal("a list cannot be a grouping key", node, "UNNEST it, and group by its values")
        if all(key.scalar != scalar for key in keys):
            keys.append(Key(f"k{len(keys) + 1}", scalar))
    return tuple(keys)


def _finish(select: exp.Select, names: list[str], question: Question, copy: Copy) -> exp.Select:
    """The SELECT over the released table: HAVING becomes WHERE, names and order are the analyst's."""

    def replaced(node: exp.Expr) -> exp.Expr | None:
        return _replacement(node, question, lambda inner: copy(inner, replaced))

    items = []
    for item, shown in zip(select.expressions, names, strict=True):
        if is_star(item):
            raise refusal("* cannot be selected from groups", item, "name the grouping keys")
        inner = item.this if isinstance(item, exp.Alias) else item
        items.append(exp.alias_(copy(inner, replaced), shown, quoted=True, copy=False))
    finish = exp.Select(expressions=items, from_=exp.From(this=exp.Table(this=exp.to_identifier(question.name, True))))
    if having := select.args.get("having"):
        finish.set("where", exp.Where(this=copy(having.this, replaced)))
    if order := select.args.get("order"):
        ordered = [_ordered(node, question, copy, replaced) for node in order.expressions if not _idle(node, question)]
        finish.set("order", exp.Order(expressions=ordered) if ordered else None)
    if qualify := select.args.get("qualify"):
        finish.set("qualify", exp.Qualify(this=copy(qualify.this, replaced)))
    for clause in ("limit", "offset"):
        if node := select.args.get(clause):
            finish.set(clause, copy(node, lambda _: None))
    if distinct := select.args.get("distinct"):
        on = distinct.args.get("on")
        kept = None if on is None else exp.Tuple(expressions=[copy(node, replaced) for node in on.expressions])
        finish.set("distinct", exp.Distinct(on=kept))
    return finish


def _idle(node: exp.Expr, question: Question) -> bool:
    """Whether an ORDER BY item is a column behind the one row that an answer without keys has: it orders nothing."""
    inner = node.this if isinstance(node, exp.Ordered) else node
    return not question.keys and isinstance(inner, exp.Column) and bool(lookup(inner, question.scope))


def _ordered(node: exp.Expr, question: Question, copy: Copy, replaced: Replace) -> exp.Expr:
    """One ORDER BY item; the name of an output column means that column, as in SQL."""
    inner = node.this if isinstance(node, exp.Ordered) else node
    if isinstance(inner, exp.Column) and not inner.table and inner.name.lower() in question.aliases:
        output = exp.column(exp.to_identifier(inner.name, True))
        kept = {k: v for k, v in node.args.items() if k != "this" and not isinstance(v, exp.Expr)}
        return exp.Ordered(this=output, **kept)
    return copy(node, replaced)


def _replacement(node: exp.Expr, question: Question, copy: Callable[[exp.Expr], exp.Expr]) -> (
    exp.Expr | None
):
    """The released column a node stands for; None when it is to be copied."""
    if isinstance(node.parent, exp.Window) and node.arg_key == "this":
        return None     # a window's own function works on what is released
    aggregate = measured(node)
    if aggregate is not None:
        return _measure(aggregate, node, question)
    if isinstance(node, _NEVER_A_KEY) or has_aggregate(node):
        return None
    if question.keys:
        meant = _means(node, question)
        for key in question.keys:
            if meant == key.scalar:
                return question.column(key.name)
    if not isinstance(node, exp.Column):
        return None
    alias = None if node.table or lookup(node, question.scope) else question.aliases.get(node.name.lower())
    if alias is not None and node.find_ancestor(exp.Alias) is not alias.parent:
        read = exp.Paren(this=copy(alias))
        for part in read.walk():            # what is refused of it is shown where the name stands
            part.meta.update(node.this.meta)
        return read
    build(node, question.scope)
    columns = {key.scalar.column.name.lower() for key in question.keys if isinstance(key.scalar, Ref)}
    shadowed = next((name for name, item in question.aliases.items() if name in columns and node in item.walk()), None)
    raise refusal(
        f"{node.sql()} is neither grouped by nor aggregated", node,
        f"GROUP BY {shadowed} means the column of that name: call the item something else, or group by its position"
        if shadowed else f"add it to GROUP BY, or aggregate it: COUNT, SUM or AVG of {node.name}",
    )


def _means(node: exp.Expr, question: Question) -> Scalar | None:
    try:
        return build(node, question.scope, question.aliases)
    except QueryError:
        return None


def _measure(aggregate: Aggregated, node: exp.Expr, question: Question) -> exp.Expr:
    """The released column of an aggregate, which is bought once however often it is asked."""
    whole = several(aggregate, node, lambda n: build(n, question.scope, question.aliases))
    if whole is None:
        return _bought(aggregate, node, question)
    return whole.whole([
        _column(part, node, question) if isinstance(part, Measure) else _measure(_aggregate(part), part, question)
        for part in whole.parts
    ])


def _bought(aggregate: Aggregated, node: exp.Expr, question: Question) -> exp.Expr:
    def built(inner: exp.Expr) -> Scalar:
        return build(inner, question.scope, question.aliases)

    column = _column(read(aggregate, node, built, _owners(question)), node, question)
    return written_as_given(column, given(aggregate.call, built))


def _aggregate(node: exp.Expr) -> Aggregated:
    found = measured(node)
    assert found is not None, "a part of an aggregate is one"
    return found


def _column(measure: Measure, node: exp.Expr, question: Question) -> exp.Expr:
    """The released column of a measure."""
    if measure not in question.measures:
        question.measures[measure] = f"a{len(question.measures) + 1}"
        question.places.append(node)
    column = question.column(question.measures[measure])
    loose = question.assembled.loose
    if loose and at_least_one(measure, question.keys, loose, question.preserved, node):
        return exp.Greatest(this=column, expressions=[exp.Literal.number(1)], ignore_nulls=True)
    return column


def _owners(question: Question) -> frozenset[int]:
    """The ids of every column that is proved equal to the owner."""
    owner = question.assembled.owner
    assert owner is not None, "a question is asked of owned rows"
    equal = {id_ for group in classes(question.assembled.equal) if owner.id in group for id_ in group}
    return frozenset(equal | {owner.id})
