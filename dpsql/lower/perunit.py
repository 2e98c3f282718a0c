"""Grouped and DISTINCT blocks that stay owned: one row for each person and key, or several, never one for several."""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from dpsql.errors import QueryError
from dpsql.expression import Column, Ref, Scalar
from dpsql.interval import ANY
from dpsql.lower.assemble import Assembled, assemble
from dpsql.lower.context import Context, Env, check_args, order_only
from dpsql.lower.folds import Folds, believed, folded, plain, proved
from dpsql.lower.joins import Block, Group
from dpsql.lower.measures import measured
from dpsql.lower.preserved import Loose
from dpsql.lower.rows import Rows, build, conjuncts_of, is_star, lower_from, lower_where
from dpsql.lower.scope import Visible, expand, lookup, renamed, shown_as
from dpsql.lower.sources import extended, has_aggregate
from dpsql.lower.units import keys_of, names_units
from dpsql.lower.windows import Windows, has_window
from dpsql.output_name import output_name
from dpsql.parse import refusal
from dpsql.relation import Aggregate, Filter, Project, Relation

_HIDDEN = "\0group"     # the table name of what a group shows: no analyst can write it
_BLOCK = {
    "expressions", "from_", "joins", "where", "group", "having", "with_", "kind", "distinct", "qualify",
}


def lower_grouped(select: exp.Select, context: Context, env: Env) -> Rows:
    """The rows of a block that groups owned rows by unit. Raises QueryError where it would mix units."""
    env = extended(select, context, env)
    check_args(select, _BLOCK | order_only(select))
    if (distinct := select.args.get("distinct")) and distinct.args.get("on"):
        raise refusal(
            "DISTINCT ON is not answered without an order: it keeps the first row", select.expressions[0],
            "add ORDER BY to the same SELECT, with all that tells which row is the first",
        )
    select, rows = context.embedded(select, lower_from(select, context, env), env)
    rows = lower_where(rows, select)
    keys = keys_of(select, rows.scope)
    if not names_units([scalar for _, scalar in keys], rows.group, context):
        raise refusal(
            "this would merge rows of different people", select.expressions[0], "keep the column that names the person",
        )
    assembled = assemble(rows.group, context, select)
    if assembled.loose:
        raise refusal("a LEFT JOIN of people to a public table is not answered in a derived table that groups", select)
    assert assembled.owner is not None, "keys that name units are of owned rows"
    return _Grouped(select, rows, context, keys, assembled).rows(env)


class _Grouped:
    """One grouped block while it is read: its keys as columns, and the folds found so far."""

    def __init__(
        self, select: exp.Select, rows: Rows, context: Context, keys: list[tuple[exp.Expr, Scalar]],
        assembled: Assembled,
    ) -> None:
        self.select, self.scope, self.context, self.assembled = select, rows.scope, context, assembled
        self.keys: dict[Scalar, Column] = {}
        for i, (_, scalar) in enumerate(keys):
            same = isinstance(scalar, Ref) and plain(scalar) == scalar
            column = scalar.column if isinstance(scalar, Ref) and same else context.fresh(f"g{i + 1}", scalar.type)
            self.keys.setdefault(scalar, column)
        self.folds = Folds(context, believed(assembled.relation, rows.group.conjuncts))
        self.windows = Windows(select, rows.group, context, self.value, lambda scalar: ANY)
        self.aliases = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}

    def rows(self, env: Env) -> Rows:
        """The grouped rows, HAVING on top."""
        if self.select.args.get("distinct") and self.select.args.get("group"):
            raise refusal("DISTINCT and GROUP BY together are not answered in a derived table of people", self.select)
        if self._asks() and not has_window(self.select):
            return self._with_answers(env)
        shown: list[tuple[str, Scalar]] = []
        for item in self.select.expressions:
            if is_star(item) and self.select.args.get("distinct"):
                shown += [(v.name, Ref(self.keys[v.scalar])) for v in expand(item, self.scope)]
            elif is_star(item):
                raise refusal("* cannot be selected from groups", item, "name the grouping keys")
            else:
                inner = item.this if isinstance(item, exp.Alias) else item
                shown.append((shown_as(item, self.scope), self.value(inner)))
        having = self.select.args.get("having")
        conjuncts = tuple(conjuncts_of(self.value(having.this), having.this)) if having is not None else ()
        if has_window(self.select):
            qualify = self.select.args.get("qualify")
            if qualify is not None:
                self.value(qualify.this)         # its aggregates are folds too
            owner = self.assembled.owner
            relation: Relation = self._relation()
            relation = Filter(relation, conjuncts) if conjuncts else relation
            return self.windows.rows(Assembled(relation, owner, (), Loose()), shown, self.value)
        scope = tuple(Visible(None, name, scalar) for name, scalar in shown)
        block = Block(self._relation(), self.assembled.owner)
        return Rows(Group((block,), conjuncts), renamed(scope, "", (), self.select))

    def _asks(self) -> bool:
        """Whether HAVING or a select item asks another query."""
        parts = [*self.select.expressions, self.select.args.get("having")]
        return any(part is not None and part.find(exp.Query) is not None for part in parts)

    def _with_answers(self, env: Env) -> Rows:
        """The grouped rows where HAVING and the items ask other queries: those see the groups as rows of a table."""
        hidden: list[Visible] = []
        having = self.select.args.get("having")
        outer = exp.Select(
            expressions=[exp.alias_(self._of_group(item.this if isinstance(item, exp.Alias) else item, hidden),
                                    output_name(item), quoted=True) for item in self.select.expressions],
            where=exp.Where(this=self._of_group(having.this, hidden)) if having is not None else None,
        )
        keys = [replace(v, scalar=Ref(self.keys[v.scalar])) for v in self.scope if v.scalar in self.keys]
        rows = Rows(Group((Block(self._relation(), self.assembled.owner),)), (*keys, *hidden))
        outer, rows = self.context.embedded(outer, rows, env)
        rows = lower_where(rows, outer)
        scope = tuple(Visible(None, output_name(item), build(item.this, rows.scope)) for item in outer.expressions)
        return Rows(rows.group, renamed(scope, "", (), self.select))

    def _of_group(self, node: exp.Expr, hidden: list[Visible]) -> exp.Expr:
        """A copy of an expression in which aggregates and keys are hidden columns; queries stay as they are."""
        if isinstance(node, exp.Query):
            return node.copy()
        scalar = self._replaced(node)
        if scalar is not None:
            hidden.append(Visible(_HIDDEN, f"h{len(hidden) + 1}", scalar, hidden=True))
            return exp.column(exp.to_identifier(hidden[-1].name, True), table=exp.to_identifier(_HIDDEN, True))
        copied = node.copy()
        for old, child in zip(list(node.iter_expressions()), list(copied.iter_expressions()), strict=True):
            child.replace(self._of_group(old, hidden))
        return copied

    def _relation(self) -> Aggregate:
        owner = self.assembled.owner
        assert owner is not None, "owned rows have an owner"
        items: dict[Column, Scalar] = {owner: Ref(owner)}
        items |= {column: plain(scalar) for scalar, column in self.keys.items()}
        folds = []
        columns: dict[Scalar, Column] = {}
        for (fold, scalar), column in self.folds.found.items():
            if scalar is not None and scalar not in columns:
                columns[scalar] = proved(self.context.fresh(f"x{len(columns) + 1}", scalar.type), scalar)
                items[columns[scalar]] = scalar
            folds.append((column, fold, Ref(columns[scalar]) if scalar is not None else None))
        keys = tuple(dict.fromkeys((owner, *self.keys.values())))
        return Aggregate(Project(self.assembled.relation, tuple(items.items())), keys, tuple(folds))

    def value(self, node: exp.Expr) -> Scalar:
        """An expression over the groups: of keys and aggregates."""
        return build(node, (), None, self._replaced)

    def _replaced(self, node: exp.Expr) -> Scalar | None:
        window = self.windows.known(node)
        if window is not None:
            return window
        aggregate = measured(node.this if isinstance(node, exp.WithinGroup) else node)
        if aggregate is not None:
            return folded(aggregate, node, lambda inner: build(inner, self.scope, self.aliases), self.folds)
        if has_aggregate(node) or isinstance(node, exp.Literal | exp.Boolean | exp.Null | exp.Query):
            return None
        meant = self._meant(node)
        if meant in self.keys:
            return Ref(self.keys[meant])
        if isinstance(node, exp.Column):
            if not node.table and not lookup(node, self.scope) and node.name.lower() in self.aliases:
                meaning = self.aliases.pop(node.name.lower())     # not of itself
                try:
                    return self.value(meaning)
                finally:
                    self.aliases[node.name.lower()] = meaning
            build(node, self.scope)
            raise refusal(
                f"{node.sql()} is neither grouped by nor aggregated", node, "add it to GROUP BY, or aggregate it",
            )
        return None

    def _meant(self, node: exp.Expr) -> Scalar | None:
        try:
            return build(node, self.scope)
        except QueryError:
            return None
