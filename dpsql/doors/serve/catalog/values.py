"""Expressions of PostgreSQL made DuckDB's, and their types."""

from __future__ import annotations

import re

from sqlglot import exp

from dpsql.doors.serve.catalog.names import folded, type_name
from dpsql.doors.serve.catalog.pg_types import (
    BOOL,
    INT4,
    INT8,
    INTERVAL,
    NAMED,
    NUMERIC,
    REGROLE,
    TEXT,
    UNKNOWN,
    array_of,
    by_name,
    common,
    element_of,
    kept,
    taken,
    types,
)
from dpsql.doors.serve.catalog.scope import HIDDEN, Scope
from dpsql.doors.serve.catalog.text import STAND_INS
from dpsql.doors.serve.catalog.translate import Translation, refuse
from dpsql.doors.serve.failure import Failure

COMPARED = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.NullSafeEQ, exp.NullSafeNEQ)
MATCHED = (exp.Like, exp.ILike, exp.RegexpLike, exp.RegexpILike)
ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Mod, exp.Div, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseLeftShift,
              exp.BitwiseRightShift)
CHOSEN = (exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least)
_WORDS = {"user": exp.CurrentUser, "current_role": exp.CurrentUser, "current_catalog": exp.CurrentCatalog}
_INSTEAD = {stand_in.lower(): name for name, stand_in in STAND_INS.items()}
_UNDEFINED = {"class": "42P01", "type": "42704", "proc": "42883", "namespace": "3F000", "role": "42704"}


def inner(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a function of the catalog's own database."""
    return exp.Dot(this=exp.to_identifier("pg"), expression=exp.Anonymous(this=name, expressions=list(arguments)))


def as_type(node: exp.Expr, kind: str) -> exp.Expr:
    """A cast to a type of DuckDB."""
    return exp.Cast(this=node, to=exp.DataType.build(kind, dialect="duckdb"))


def listed(literal: str, element: int) -> exp.Expr:
    """The array that PostgreSQL writes `{a,"b c"}`."""
    pieces = re.findall(r'"((?:[^"\\]|\\.)*)"|([^",{}\s]+)', literal.strip()[1:-1])
    items = [bare or re.sub(r"\\(.)", r"\1", quoted) for quoted, bare in pieces]
    made = exp.Array(expressions=[exp.Literal.string(item) for item in items])
    return as_type(made, f"{kept(element)}[]")


class Values(Translation):
    """Expressions that are no calls of functions; those are the business of `Translator`."""

    def value(self, node: exp.Expr, scope: Scope, wanted: int = UNKNOWN) -> int:
        """The type of an expression, which is rewritten in its place; a parameter there is of the type `wanted`."""
        match node:
            case exp.Parameter():
                return self._parameter(node, wanted)
            case exp.Literal():
                return UNKNOWN if node.is_string else _number(node.name)
            case exp.ByteString():
                node.replace(exp.Literal.string(node.name))
                return UNKNOWN
            case exp.Null():
                return UNKNOWN
            case exp.Boolean():
                return BOOL
            case exp.Paren():
                return self.value(node.this, scope, wanted)
            case exp.Column():
                return self._column(node, scope)
            case exp.Cast():
                return self._cast(node, scope)
            case exp.And() | exp.Or() | exp.Not():
                return self._all(node, scope, BOOL)
            case exp.Subquery() | exp.Select() | exp.SetOperation():
                columns = self.query(node, scope)
                return columns[0][1] if columns else UNKNOWN
            case exp.Exists():
                self.query(node.this, scope)
                return BOOL
            case exp.Array():
                return self._array(node, scope, element_of(wanted) or UNKNOWN)
            case exp.Bracket():
                return self._item(node, scope)
            case exp.Interval() if isinstance(node.this, exp.Literal):
                return INTERVAL
            case _:
                return self._operated(node, scope, wanted)

    def _operated(self, node: exp.Expr, scope: Scope, wanted: int) -> int:
        if isinstance(node, COMPARED):
            return self._compared(node, scope)
        if isinstance(node, MATCHED):
            return self._matched(node, scope)
        if isinstance(node, ARITHMETIC):
            return self._computed(node, scope)
        if isinstance(node, CHOSEN):
            return self._chosen([node.this, *node.expressions, *filter(None, [node.args.get("expression")])], scope)
        match node:
            case exp.Neg() | exp.BitwiseNot():
                return self.value(node.this, scope, wanted)
            case exp.Escape():
                self._all(node.this, scope, BOOL, TEXT)
                return BOOL
            case exp.Between():
                kind = self.value(node.this, scope)
                for end in (node.args["low"], node.args["high"]):
                    self.value(end, scope, kind)
                return BOOL
            case exp.In():
                return self._within(node, scope)
            case exp.Case():
                return self._case(node, scope)
            case exp.DPipe():
                return self._joined(node, scope)
            case exp.Tuple():
                return self._all(node, scope, UNKNOWN)
            case _:
                return self.called(node, scope)

    def called(self, node: exp.Expr, scope: Scope) -> int:
        """The type of what a function gives, which is rewritten."""
        raise refuse(node)

    def _all(self, node: exp.Expr, scope: Scope, oid: int, wanted: int = UNKNOWN) -> int:
        for child in list(node.iter_expressions()):
            self.value(child, scope, wanted)
        return oid

    def _parameter(self, node: exp.Parameter, wanted: int) -> int:
        if not node.name.isdigit() or not 0 < int(node.name) < 1 << 16:
            raise refuse(node)
        number = int(node.name)
        oid = self.parameters.setdefault(number, taken(wanted))
        given = as_type(exp.Placeholder(this=f"p{number}"), kept(oid))
        node.replace(inner("oid_", exp.Literal.string(NAMED[wanted]), given) if wanted in NAMED else given)
        return wanted if wanted in NAMED else oid

    def _column(self, node: exp.Column, scope: Scope) -> int:
        name, table = folded(node.this), folded(node.args.get("table"))
        found = scope.column(name, table)
        if found is None:
            if not table and name in _WORDS and not node.this.args.get("quoted"):
                word = _WORDS[name]()
                node.replace(word)
                return self.value(word, scope)
            return 0                # an alias of the SELECT, or nothing: the database says so
        oid, alias, source = found
        if name in HIDDEN and source.shape is not None and name not in dict(source.columns):
            value = HIDDEN[name][1]
            node.replace(as_type(exp.Literal.number(source.shape.oid if value is None else value), "BIGINT"))
            return oid
        node.set("db", None)
        node.set("catalog", None)
        if not alias.startswith(" "):
            node.set("table", exp.to_identifier(alias, quoted=True))
        return oid

    def type_of(self, to: exp.Expr) -> int:
        """The oid of a type that was written. Failure 42704 for one there is not."""
        written = type_name(to)
        if written.endswith("[]") and written[:-2] in _INSTEAD:
            return array_of(by_name()[_INSTEAD[written[:-2]]])
        base = written.removesuffix("[]")
        oid = by_name().get(base) or self.built.spelled["type"].get(base)
        if oid is None:
            raise Failure("42704", f'type "{base[:80]}" does not exist')
        return array_of(oid) if written.endswith("[]") else oid

    def _cast(self, node: exp.Cast, scope: Scope) -> int:
        oid, given = self.type_of(node.to), node.this
        if isinstance(given, exp.Parameter):
            self.value(given, scope, oid)
            node.replace(node.this)
            return oid
        before = self.value(given, scope, oid)
        given = node.this
        if oid == REGROLE and before not in NAMED and (before not in types() or types()[before].category in "SX"):
            node.replace(inner("to_regrole", as_type(given.copy(), "VARCHAR")))
        elif isinstance(given, exp.Literal) and given.is_string and (oid in NAMED or element_of(oid)):
            node.replace(self._meant(given.name, oid))
        elif oid in NAMED and before not in NAMED and (before not in types() or types()[before].category == "S"):
            node.replace(inner("oid_", exp.Literal.string(NAMED[oid]), as_type(given.copy(), "VARCHAR")))
        elif before in NAMED and types()[oid].category == "S" if oid in types() else False:
            node.replace(inner("show_", exp.Literal.string(NAMED[before]), given.copy()))
        else:
            node.set("to", exp.DataType.build(kept(oid), dialect="duckdb"))
        return oid

    def _meant(self, text: str, oid: int) -> exp.Expr:
        """A literal as a value of a type that names things, or of an array. Failure when nothing has that name."""
        if element_of(oid):
            if not re.fullmatch(r"\s*\{.*\}\s*", text, re.S):
                raise Failure("22P02", "an array is written {a,b}")
            return listed(text, element_of(oid))
        kind = NAMED[oid]
        if text.isdigit() or text == "-":
            return as_type(exp.Literal.number(text if text.isdigit() else 0), "BIGINT")
        spelled = self.built.spelled.get(kind, {})
        found = spelled.get(text) or spelled.get(text.lower() if '"' not in text else text)
        if found is None:
            what = {"class": "relation", "proc": "function", "namespace": "schema"}.get(kind, kind)
            raise Failure(_UNDEFINED[kind], f'{what} "{text[:80]}" does not exist')
        return as_type(exp.Literal.number(found), "BIGINT")

    def fit(self, node: exp.Expr, oid: int) -> None:
        """A text that stands beside a value of a type is one of that type."""
        if isinstance(node, exp.Literal) and node.is_string and oid in types():
            if oid in NAMED or element_of(oid):
                node.replace(self._meant(node.name, oid))
            elif kept(oid) in ("BIGINT", "INTEGER", "SMALLINT"):
                node.replace(as_type(node.copy(), kept(oid)))

    def _compared(self, node: exp.Expr, scope: Scope) -> int:
        left, right = node.this, node.args["expression"]
        if isinstance(right, exp.Anonymous) and str(right.this).lower() in ("all", "some"):
            word = exp.All if str(right.this).lower() == "all" else exp.Any
            node.set("expression", word(this=right.expressions[0]))
            right = node.expression
        if isinstance(right, exp.Any | exp.All):
            return self._quantified(node, right, scope)
        if isinstance(left, exp.Parameter) and not isinstance(right, exp.Parameter):
            two = self.value(right, scope)
            one = self.value(left, scope, two)
        else:
            one = self.value(left, scope)
            two = self.value(right, scope, one)
        self.fit(node.this, two)
        self.fit(node.expression, one)
        return BOOL

    def _quantified(self, node: exp.Expr, right: exp.Expr, scope: Scope) -> int:
        one = self.value(node.this, scope)
        array = right.this.unnest() if isinstance(right.this, exp.Paren) else right.this
        if isinstance(array, exp.Query):
            self.query(array, scope)
            return BOOL
        self.value(array, scope, array_of(one if one not in (UNKNOWN, 0) else TEXT))
        array = right.this.unnest()
        if isinstance(array, exp.Literal):
            self.fit(array, array_of(one if one not in (UNKNOWN, 0) else TEXT))
            array = right.this.unnest()
        within = exp.Anonymous(this="list_contains", expressions=[array.copy(), node.this.copy()])
        match node, right:
            case exp.EQ(), exp.Any():
                node.replace(within)
            case exp.NEQ(), exp.All():
                node.replace(exp.Not(this=within))
            case _:
                raise Failure("0A000", "of comparisons with an array, = ANY and <> ALL are answered")
        return BOOL

    def _within(self, node: exp.In, scope: Scope) -> int:
        kind = self.value(node.this, scope)
        if node.args.get("query"):
            self.query(node.args["query"], scope)
        for item in list(node.expressions):
            self.value(item, scope, kind)
            self.fit(item, kind)
        if node.args.get("unnest") or node.args.get("field"):
            raise refuse(node)
        return BOOL

    def _matched(self, node: exp.Expr, scope: Scope) -> int:
        for side in (node.this, node.expression):
            self.value(side, scope, TEXT)
        pattern = node.expression
        plain = isinstance(pattern, exp.Literal) and "\\" not in pattern.name
        if isinstance(node, exp.Like | exp.ILike) and not isinstance(node.parent, exp.Escape) and not plain:
            holder = exp.Escape(expression=exp.Literal.string("\\"))
            node.replace(holder)
            holder.set("this", node)
        return BOOL

    def _computed(self, node: exp.Expr, scope: Scope) -> int:
        one = self.value(node.this, scope, INT4)
        two = self.value(node.expression, scope, one)
        oid = one if one == two or (one in types() and types()[one].category == "D") else common([one, two])
        if isinstance(node, exp.Div) and oid in (21, INT4, INT8):
            node.replace(exp.IntDiv(this=node.this.copy(), expression=node.expression.copy()))
        return oid

    def _chosen(self, nodes: list[exp.Expr], scope: Scope) -> int:
        found = [self.value(node, scope) for node in nodes]
        return common(found)

    def _case(self, node: exp.Case, scope: Scope) -> int:
        base = self.value(node.this, scope) if node.this else None
        results = []
        for branch in node.args["ifs"]:
            self.value(branch.this, scope, UNKNOWN if base is None else base)
            if base is not None:
                self.fit(branch.this, base)
            results.append(self.value(branch.args["true"], scope))
        if node.args.get("default"):
            results.append(self.value(node.args["default"], scope))
        return common(results)

    def _joined(self, node: exp.DPipe, scope: Scope) -> int:
        sides = [self.value(node.this, scope, TEXT), self.value(node.expression, scope, TEXT)]
        arrays = [oid for oid in sides if element_of(oid)]
        for side, oid in zip((node.this, node.expression), sides, strict=True):
            if arrays and oid != UNKNOWN and not element_of(oid):
                side.replace(exp.Array(expressions=[side.copy()]))
            elif arrays:
                self.fit(side, arrays[0])
            elif oid in NAMED:
                side.replace(inner("show_", exp.Literal.string(NAMED[oid]), side.copy()))
        node.replace(inner("cat_list_" if arrays else "cat_", node.this.copy(), node.expression.copy()))
        return arrays[0] if arrays else TEXT

    def _array(self, node: exp.Array, scope: Scope, wanted: int) -> int:
        if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Query):
            columns = self.query(node.expressions[0], scope)
            return array_of(columns[0][1]) if columns else array_of(TEXT)
        return array_of(common([self.value(item, scope, wanted) for item in list(node.expressions)]))

    def _item(self, node: exp.Bracket, scope: Scope) -> int:
        array = self.value(node.this, scope)
        (index, *more) = node.expressions
        if more or isinstance(index, exp.Slice):
            raise refuse(node)
        self.value(index, scope, INT4)
        if array in (22, 30):           # vectors count from 0
            node.set("expressions", [exp.Add(this=node.expressions[0].copy(), expression=exp.Literal.number(1))])
        return element_of(array)


def _number(text: str) -> int:
    if not text.isdigit():
        return NUMERIC
    return INT4 if int(text) < 1 << 31 else INT8
