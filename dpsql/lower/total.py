"""total: a finish in which every expression is typed by the table of scalars, and no released value makes one fail.

A finish runs when its answer is paid for, so whatever could raise there is decided here: an expression is printed in
its total form (`scalars.to_sql`: what has no value is NULL, as below the noise) or refused at its place. DuckDB casts
nothing by itself but numbers to wider ones and anything to text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import count

from sqlglot import exp

from dpsql import scalars
from dpsql.copied import copied
from dpsql.expression import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    NULL,
    VARCHAR,
    Column,
    Kind,
    Lit,
    Ref,
    Scalar,
    SqlType,
    columns_of,
)
from dpsql.interval import Interval
from dpsql.lower.alike import as_table, cast_rows, refused_at
from dpsql.lower.scope import Scope, Visible, lookup, resolve, starred, struct_field
from dpsql.lower.sources import one_row
from dpsql.lower.total_folds import folded, is_fold, placed
from dpsql.lower.total_sources import joined, seen
from dpsql.lower.untried import untried
from dpsql.parse import no_item, refusal, unwrapped
from dpsql.scalars.logic import truth
from dpsql.scalars.rows import call
from dpsql.scalars.unify import cast, common, merge

Columns = tuple[Column, ...]
SINGLE = "single row"           # in the meta of a subquery known to give at most one row
_MOST = 1 << 60                 # rows a computed LIMIT keeps
_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)


def total(finish: exp.Query, tables: Mapping[str, Columns], public: Callable[[exp.Table], Columns]) -> exp.Query:
    """The finish in total form, rewritten in place. `tables` are the released ones by name, `public` types another.

    Theorem: whatever the released and public tables hold, no expression of the result raises.
    Proof: every expression is printed by `to_sql`, which is total for columns of the types stated here; aggregates and
    windows take what `total_folds` says; LIMIT and OFFSET are numbers from 0 to 2^60; a scalar subquery gives at most
    one row; columns that meet in USING, IN or a set operation have one type, or are cast where no cast can fail.
    Needs: released numbers within 64 scales of their noise, as `aggregates.base` sets them (beyond is exp(-64)); that
    the columns have the types stated, which both come from the family of their measure; the settings of `to_sql`.
    Source: safety.md, F10 and section 1.
    """
    lone = {name for name, columns in tables.items() if all(column.name != "k1" for column in columns)}
    _Finish(dict(tables), public, lone).query(finish, None)
    return finish


@dataclass(slots=True)
class _Finish:
    """The tables in sight, by name; WITH names join them as they are read."""

    tables: dict[str, Columns]
    public: Callable[[exp.Table], Columns]
    lone: set[str] = field(default_factory=set)         # the tables of at most one row
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def query(self, query: exp.Expr, outer: Block | None) -> Columns:
        """The output columns of a query, which is rewritten in place."""
        query = unwrapped(query)
        if (with_ := query.args.get("with_")) is not None:
            for cte in with_.expressions:
                self.tables[cte.alias] = self.query(cte.this, None)
                if self.single(cte.this):
                    self.lone.add(cte.alias)
        if isinstance(query, exp.SetOperation):
            return self._combined(query, outer)
        assert isinstance(query, exp.Select), "a finish selects"
        return Block(self, outer).select(query)

    def single(self, query: exp.Expr) -> bool:
        """Whether a query gives at most one row, whatever its tables hold."""
        query = unwrapped(query)
        if one_row(query):
            return True
        source = query.args["from_"].this if isinstance(query, exp.Select) and not query.args.get("joins") else None
        if isinstance(source, exp.Table):
            return not source.args.get("db") and source.name in self.lone and not source.args.get("joins")
        return isinstance(source, exp.Subquery) and not source.args.get("joins") and self.single(source)

    def column(self, name: str, value: Scalar) -> Column:
        """A new column that holds a value."""
        return self.typed(name, value.type, scalars.enforced(value))

    def typed(self, name: str, type_: SqlType, proved: Interval | None = None) -> Column:
        """A new column of a type, and perhaps a range."""
        exact = proved is not None and type_.kind in (Kind.INTEGER, Kind.DECIMAL)
        return Column(next(self.ids), name, type_, proved=proved.meet(type_.range) if exact and proved else None)

    def _combined(self, query: exp.SetOperation, outer: Block | None) -> Columns:
        left, right = self.query(query.this, outer), self.query(query.expression, outer)
        if query.args.get("by_name"):
            named = {c.name.lower(): c for c in right}
            both = [(c, named.pop(c.name.lower(), c)) for c in left] + [(c, c) for c in named.values()]
        elif len(left) != len(right):
            raise refusal(f"the two sides give {len(left)} and {len(right)} columns", query.expression,
                          "select as many on both sides")
        else:
            both = list(zip(left, right, strict=True))
        found = tuple(self._met(a, b, query) for a, b in both)
        wanted = {c.name.lower(): c for c in found} if query.args.get("by_name") else None
        for side, columns in (("this", left), ("expression", right)):
            types = [wanted[c.name.lower()] for c in columns] if wanted is not None else found
            query.set(side, cast_rows(query.args[side], columns, types))
        block = Block(self, outer, tuple(Visible(None, c.name, Ref(c)) for c in found))
        block.ordered(query)
        block.limited(query)
        return found

    def _met(self, a: Column, b: Column, place: exp.Expr) -> Column:
        """One column for both; text takes anything, as the engine does."""
        if VARCHAR in (a.type, b.type):
            return self.typed(a.name, VARCHAR)
        with refused_at(place, f"the columns {a.name} of the two sides do not fit: "):
            type_ = merge(a.type, b.type)
        ranges = [scalars.enforced(cast(Ref(c), type_)) for c in (a, b) if c.type != NULL]
        return self.typed(a.name, type_, reduce(Interval.hull, ranges) if ranges else None)


@dataclass(slots=True)
class Block:
    """One SELECT: the columns it sees, the names its items give, and how each column and opaque value is printed."""

    finish: _Finish
    outer: Block | None
    scope: Scope = ()
    aliases: dict[str, Column] = field(default_factory=dict)
    unread: dict[str, exp.Expr] = field(default_factory=dict)       # items whose names are not typed yet
    printed: dict[int, exp.Expr] = field(default_factory=dict)
    whole: set[int] = field(default_factory=set)        # columns that stand for what no TRY may hold

    def select(self, select: exp.Select) -> Columns:
        """The outputs of the block, which is rewritten in place."""
        if (source := select.args.get("from_")) is not None:
            self.scope = seen(source.this, self)
        for join in select.args.get("joins") or ():
            joined(join, self)
        select.set("expressions", [_aliased(item) for item in select.expressions])
        self.unread = {item.alias.lower(): item.this for item in select.expressions if isinstance(item, exp.Alias)}
        for clause in ("where", "having", "qualify"):
            if (node := select.args.get(clause)) is not None:
                node.set("this", self.condition(node.this))
        if (group := select.args.get("group")) is not None:
            self._grouped(group)
        found = self._items(select)
        if (distinct := select.args.get("distinct")) is not None and (on := distinct.args.get("on")) is not None:
            distinct.set("on", exp.Tuple(expressions=[self.sql(self.value(each)) for each in on.expressions]))
        self.ordered(select)
        self.limited(select)
        return found

    # Clauses

    def _items(self, select: exp.Select) -> Columns:
        found: list[Column] = []
        items: list[exp.Expr] = []
        for item in [item for stated in select.expressions for item in self._changed(stated)]:
            inner = item.this if isinstance(item, exp.Alias) else item
            if isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
                found += self._starred(inner)
                items.append(item)
                continue
            value = self.value(inner)
            found.append(self._output(item.alias_or_name, value))
            self.aliases[item.alias_or_name.lower()] = found[-1]
            shown = self.sql(value)
            items.append(exp.Alias(this=shown, alias=item.args["alias"]) if isinstance(item, exp.Alias) else shown)
        select.set("expressions", items)
        return tuple(found)

    def _changed(self, item: exp.Expr) -> list[exp.Expr]:
        """The items that a * with REPLACE or RENAME stands for; any other item as it is."""
        star = item.this if isinstance(item, exp.Column) else item
        instead = {each.alias.lower(): each.this for each in star.args.get("replace") or ()}
        named = {each.this.name.lower(): each.alias for each in star.args.get("rename") or ()}
        if not isinstance(star, exp.Star) or not (instead or named):
            return [item]
        return [exp.alias_(
            instead.get(v.name.lower()) or exp.column(v.name, v.table, quoted=True), named.get(v.name.lower(), v.name),
            quoted=True,
        ) for v in starred(item, self.scope)]

    def _starred(self, node: exp.Expr) -> list[Column]:
        return [replace(v.scalar.column, name=v.name) for v in starred(node, self.scope) if isinstance(v.scalar, Ref)]

    def _grouped(self, group: exp.Group) -> None:
        for name in ("expressions", "rollup", "cube", "grouping_sets"):
            if isinstance(nodes := group.args.get(name), list):
                group.set(name, [self._key(node) for node in nodes])

    def _key(self, node: exp.Expr) -> exp.Expr:
        """A grouping key, or several; positions stay."""
        if isinstance(node, exp.Rollup | exp.Cube | exp.GroupingSets | exp.Tuple):
            node.set("expressions", [self._key(each) for each in node.expressions])
            return node
        if isinstance(node, exp.Paren):
            return exp.Paren(this=self._key(node.this))
        return node if isinstance(node, exp.Literal) and node.is_int else self.sql(self.value(node))

    def ordered(self, query: exp.Expr) -> None:
        """ORDER BY: positions and ALL stay; the name of an output means that output."""
        if (order := query.args.get("order")) is not None:
            for each in order.expressions:
                inner = each.this if isinstance(each, exp.Ordered) else each
                placed = isinstance(inner, exp.Literal) and inner.is_int
                count = len(query.selects) if isinstance(query, exp.Query) and not query.is_star else _MOST
                if placed and not 1 <= int(inner.name) <= count:
                    raise no_item(inner)
                stays = placed or isinstance(inner, exp.Var)
                named = isinstance(inner, exp.Column) and not inner.table and self.named(inner.name.lower()) is not None
                if not stays and not named:
                    inner.replace(self.sql(self.value(inner)))

    def limited(self, query: exp.Expr) -> None:
        """LIMIT and OFFSET below zero are zero; of NULL they keep everything, as in DuckDB."""
        for clause in ("limit", "offset"):
            node = query.args.get(clause)
            if node is None or (isinstance(stated := node.expression.unnest(), exp.Literal) and stated.is_int):
                continue
            value = self.value(node.expression)
            if not value.type.numeric:
                raise refusal(f"{clause.upper()} takes a number, not {value.type}", node.expression)
            least = call("least", value, Lit(_MOST, BIGINT))
            node.set("expression", self.sql(cast(call("greatest", least, Lit(0, INTEGER)), BIGINT)))

    # Expressions

    def condition(self, node: exp.Expr) -> exp.Expr:
        """A condition in total form. QueryError where text or a fraction stands instead of one."""
        with refused_at(node):
            return self.sql(truth(self.value(node)))

    def value(self, node: exp.Expr) -> Scalar:
        """An expression, typed. QueryError at the piece that does not fit."""
        with refused_at(node):
            return untried(scalars.build(node, self._column, self._known), self.whole)

    def sql(self, value: Scalar) -> exp.Expr:
        """The total form of a value."""
        return scalars.to_sql(value, lambda column: copied(self.printed[column.id]))

    def opaque(self, node: exp.Expr, type_: SqlType, proved: Interval | None = None) -> Scalar:
        """What is printed as `node`."""
        column = self.finish.typed("", type_, proved)
        self.printed[column.id] = node
        if is_fold(node) or node.find(exp.AggFunc, exp.Window, exp.Query):
            self.whole.add(column.id)
        return Ref(column)

    def _output(self, name: str, value: Scalar) -> Column:
        """A column of that name, which may stand for what no TRY may hold."""
        column = self.finish.column(name, value)
        if any(each.id in self.whole for each in columns_of(value)):
            self.whole.add(column.id)
        return column

    def _column(self, node: exp.Column) -> Scalar:
        block: Block | None = self
        while block is not None:
            found = lookup(node, block.scope)
            alias = None if found or node.table else block.named(node.name.lower())
            value = found[0].scalar if found else None if alias is None else Ref(alias)
            if value is not None:
                within = found and found[0].name.lower() != node.name.lower()   # a STRUCT: its fields are columns here
                read = exp.column(found[0].name, found[0].table, quoted=True) if within else node
                shown = self.opaque(read, value.type, scalars.enforced(value))
                if alias is not None and alias.id in block.whole:
                    self.whole |= {column.id for column in columns_of(shown)}
                return shown
            block = block.outer
        return resolve(node, self.scope)        # which says what is wrong with the name

    def named(self, name: str) -> Column | None:
        """The output of that name, which other clauses and later items may read."""
        if name not in self.aliases and (item := self.unread.pop(name, None)) is not None:
            self.aliases[name] = self._output(name, self.value(item.copy()))
        return self.aliases.get(name)

    def _known(self, node: exp.Expr) -> Scalar | None:
        """The value of what is no scalar of the table."""
        match node:
            case exp.Window():
                return placed(node, self)
            case exp.Subquery() if isinstance(unwrapped(node), exp.Query):
                return self._single(node)
            case exp.Exists():
                self.finish.query(node.this, self)
                return self.opaque(node.copy(), BOOLEAN)
            case exp.In() if node.args.get("query") is not None:
                return self._among(node, "query", node.args["query"])
            case exp.Binary() if isinstance(node, _COMPARED) and isinstance(node.expression, exp.Any | exp.All) \
                    and isinstance(unwrapped(node.expression.this), exp.Query):
                return self._among(node, "expression", node.expression.this)
            case exp.Array() | exp.Map():
                return self._listed(node)
            case exp.Bracket():
                column = struct_field(node)
                return self._part(node) if column is None else self._column(column)
            case exp.Rand():
                return self.opaque(node.copy(), DOUBLE)
            case exp.Grouping():
                keys = [self.sql(self.value(each)) for each in node.expressions]
                return self.opaque(exp.Grouping(expressions=keys), BIGINT)
        return folded(node, self) if is_fold(node) else None

    def _listed(self, node: exp.Expr) -> Scalar:
        """A list of released values, or a map to them from literals: they were made so (`several`)."""
        cells = node if isinstance(node, exp.Array) else node.args["values"]
        values = [self.value(each) for each in cells.expressions]
        type_ = common(values)
        cells.set("expressions", [self.sql(cast(each, type_)) for each in values])
        if isinstance(node, exp.Array):
            return self.opaque(node.copy(), SqlType(Kind.LIST, parts=(type_,)))
        key = self.value(node.args["keys"].expressions[0]).type
        return self.opaque(node.copy(), SqlType(Kind.MAP, parts=(key, type_)))

    def _part(self, node: exp.Bracket) -> Scalar | None:
        """One value of a list or a map, by its literal place or key; NULL where there is none. None for a text."""
        whole = self.value(node.this)
        if whole.type == VARCHAR:
            return None
        place = self.value(node.expressions[0]) if len(node.expressions) == 1 else None
        if whole.type.kind not in (Kind.LIST, Kind.MAP) or not isinstance(place, Lit):
            raise refusal("[...] takes one value of a list or a map, by a literal", node)
        place = cast(place, BIGINT if whole.type.kind is Kind.LIST else whole.type.parts[0])
        found = exp.Bracket(this=self.sql(whole), expressions=[self.sql(place)], **{
            key: value for key, value in node.args.items() if key not in ("this", "expressions")
        })
        return self.opaque(found, whole.type.parts[-1])

    def _single(self, node: exp.Subquery) -> Scalar:
        """A scalar subquery; where it gives several rows it has no value."""
        columns = self.finish.query(node.this, self)
        if len(columns) != 1:
            raise refusal("a subquery used as a value selects one column", node)
        query = unwrapped(node)
        type_, proved = INTEGER if columns[0].type == NULL else columns[0].type, columns[0].proved
        if SINGLE in node.meta or self.finish.single(query):
            return self.opaque(node.copy(), type_, proved)
        one = exp.column(exp.to_identifier("c1", True), table=exp.to_identifier("one", True))
        only = exp.EQ(this=exp.Count(this=exp.Star(), big_int=True), expression=exp.Literal.number(1))
        case = exp.Case(ifs=[exp.If(this=only, true=exp.Min(this=one))])
        return self.opaque(exp.Subquery(this=exp.Select(
            expressions=[exp.alias_(case, "c1", quoted=True)], from_=exp.From(this=as_table(query, "one", 1)),
        )), type_, proved)

    def _among(self, node: exp.Expr, key: str, query: exp.Expr) -> Scalar:
        """IN, ANY and ALL: what is compared and the column of the rows have one type."""
        columns = self.finish.query(query, self)
        left = node.this.unnest()
        values = [self.value(each) for each in (left.expressions if isinstance(left, exp.Tuple) else [left])]
        if len(values) != len(columns):
            raise refusal(f"{len(values)} of these are compared with {len(columns)} columns", node)
        with refused_at(node):
            types = [common((value, Ref(c))) for value, c in zip(values, columns, strict=True)]
            cells = [self.sql(cast(value, type_)) for value, type_ in zip(values, types, strict=True)]
        rows = cast_rows(unwrapped(query), columns, [replace(c, type=t) for c, t in zip(columns, types, strict=True)])
        inner: exp.Expr = exp.Subquery(this=rows.copy())
        if key == "expression":
            inner = exp.All(this=rows.copy()) if isinstance(node.expression, exp.All) else exp.Any(this=inner)
        this = exp.Tuple(expressions=cells) if isinstance(left, exp.Tuple) else exp.Paren(this=cells[0])
        return self.opaque(node.__class__(**{"this": this, key: inner}), BOOLEAN)


def _aliased(item: exp.Expr) -> exp.Expr:
    """A subquery's own alias as that of the select item."""
    if not isinstance(item, exp.Subquery) or not item.alias:
        return item
    bare = item.copy()
    bare.set("alias", None)
    return exp.Alias(this=bare, alias=exp.to_identifier(item.alias, True))
