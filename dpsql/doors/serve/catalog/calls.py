"""Functions of PostgreSQL made DuckDB's: those of expressions, those that give many rows, those in FROM."""

from __future__ import annotations

from sqlglot import exp

from dpsql.doors.serve.catalog.functions import functions
from dpsql.doors.serve.catalog.names import called as name_of
from dpsql.doors.serve.catalog.names import folded
from dpsql.doors.serve.catalog.pg_types import (
    BOOL,
    DATE,
    INT2VECTOR,
    INT4,
    INT8,
    JSON,
    NAME,
    NUMERIC,
    OIDVECTOR,
    REGCLASS,
    REGTYPE,
    TEXT,
    TIMESTAMPTZ,
    UNKNOWN,
    array_of,
    by_name,
    element_of,
)
from dpsql.doors.serve.catalog.scope import Columns, Scope, Source
from dpsql.doors.serve.catalog.translate import refuse, renamed
from dpsql.doors.serve.catalog.values import Values, as_type, inner
from dpsql.doors.serve.failure import Failure

# Functions that mean the same in both: the type they give; 0 is the type of the first argument.
_ALIKE: dict[type[exp.Expr], int] = {
    exp.Lower: TEXT, exp.Upper: TEXT, exp.Length: INT4, exp.Substring: TEXT, exp.Left: TEXT, exp.Right: TEXT,
    exp.Trim: TEXT, exp.StrPosition: INT4, exp.StartsWith: BOOL, exp.SplitPart: TEXT, exp.Reverse: TEXT, exp.MD5: TEXT,
    exp.Abs: 0, exp.Floor: 0, exp.Ceil: 0, exp.Count: INT8, exp.Min: 0, exp.Max: 0, exp.Sum: INT8, exp.Avg: NUMERIC,
    exp.LogicalAnd: BOOL, exp.LogicalOr: BOOL, exp.GroupConcat: TEXT, exp.AnyValue: 0, exp.ArrayPosition: INT4,
    exp.RowNumber: INT8, exp.Rank: INT8, exp.DenseRank: INT8, exp.Lag: 0, exp.Lead: 0, exp.FirstValue: 0,
    exp.LastValue: 0, exp.Extract: NUMERIC, exp.StringToArray: array_of(TEXT), exp.Round: 0,
}
_NOW = (exp.CurrentTimestamp, exp.Localtimestamp)
_NOW_TOO = ("statement_timestamp", "clock_timestamp", "transaction_timestamp")
# Functions that give many rows, none here: the columns of each.
_EMPTY: dict[str, Columns] = {
    "pg_partition_ancestors": (("pg_partition_ancestors", REGCLASS),),
    "pg_inherits_of": (("relid", REGCLASS),),
    "pg_partition_tree": (("relid", REGCLASS), ("parentrelid", REGCLASS), ("isleaf", BOOL), ("level", INT4)),
    "pg_options_to_table": (("option_name", TEXT), ("option_value", TEXT)),
    "aclexplode": (("grantor", 26), ("grantee", 26), ("privilege_type", TEXT), ("is_grantable", BOOL)),
    "pg_get_publication_tables": (("relid", 26),),
    "pg_extension_config_dump": (("pg_extension_config_dump", TEXT),),
}
_ONE_BASED = {"array_upper": "upper_", "array_lower": "lower_", "generate_subscripts": "subscripts_"}


class Translator(Values):
    """One statement, with its calls."""

    def called(self, node: exp.Expr, scope: Scope) -> int:
        """The type of what a function gives, which is rewritten. Failure 0A000 for one that is not on the list."""
        kind = _ALIKE.get(type(node))
        if kind is not None:
            found = [self.value(child, scope, TEXT) for child in list(node.iter_expressions()) if _counts(child)]
            return kind or (found[0] if found else UNKNOWN)
        match node:
            case exp.Star() | exp.Var() | exp.DataType():
                return UNKNOWN
            case exp.Window():
                oid = self.value(node.this, scope)
                self._rest(node, scope, {"this", "alias", "over"})
                return oid
            case exp.Filter():
                self.value(node.expression.this, scope)
                return self.value(node.this, scope)
            case exp.Distinct() | exp.Order():
                found = [self.value(child, scope) for child in list(node.iter_expressions())]
                return found[0]
            case exp.Ordered():
                return self.value(node.this, scope)
            case exp.ArrayAgg():
                return array_of(self.value(node.this, scope))
            case exp.Dot():
                return self._dot(node, scope)
            case exp.Anonymous():
                return self._named(node, str(node.this).lower(), scope)
            case _:
                return self._changed(node, scope)

    def _changed(self, node: exp.Expr, scope: Scope) -> int:
        """Functions that the parser knows and that become others."""
        match node:
            case exp.CurrentUser() | exp.SessionUser():
                node.replace(inner("user_"))
                return NAME
            case exp.CurrentDatabase() | exp.CurrentCatalog():
                node.replace(inner("database_"))
                return NAME
            case exp.CurrentSchema():
                node.replace(exp.Literal.string("public"))
                return NAME
            case exp.CurrentSchemas():
                return self._call(node, "current_schemas", [node.this], scope, array_of(NAME))
            case exp.CurrentVersion():
                node.replace(inner("version"))
                return TEXT
            case exp.CurrentDate():
                node.replace(as_type(_variable("now"), "DATE"))
                return DATE
            case exp.Concat():
                return self._concatenated(node, scope)
            case exp.Replace():
                return self._call(node, "replace_", [node.this, node.expression, node.args["replacement"]], scope, TEXT)
            case exp.ArrayToString():
                more = [node.args["null"]] if node.args.get("null") else []
                return self._call(node, "array_to_string", [node.this, node.expression, *more], scope, TEXT)
            case exp.ArraySize():
                return self._subscripts(node, "array_upper", [node.this, *_given(node)], scope)
            case exp.Explode():
                return element_of(self.value(node.this, scope))
            case exp.GenerateSeries() | exp.ExplodingGenerateSeries():
                return self._series(node, scope)
            case _ if isinstance(node, _NOW):
                node.replace(as_type(_variable("now"), "TIMESTAMP"))
                return TIMESTAMPTZ
            case _:
                raise refuse(node)

    def _named(self, node: exp.Anonymous, name: str, scope: Scope) -> int:
        """Functions that the parser does not know."""
        given = list(node.expressions)
        if name in _ONE_BASED:
            return self._subscripts(node, name, given, scope)
        if name in _NOW_TOO:
            node.replace(as_type(_variable("now"), "TIMESTAMP"))
            return TIMESTAMPTZ
        if name in ("json_build_object", "jsonb_build_object"):
            for each in given:
                self.value(each, scope, TEXT)
            built = exp.Anonymous(this="json_object", expressions=[each.copy() for each in node.expressions])
            node.replace(inner("json_", built))
            return JSON
        if name == "every":
            self.value(given[0], scope)
            node.replace(exp.Anonymous(this="bool_and", expressions=[node.expressions[0].copy()]))
            return BOOL
        if name == "pg_typeof" and len(given) == 1:
            oid = self.value(given[0], scope)
            node.replace(as_type(exp.Literal.number(oid), "BIGINT"))
            return REGTYPE
        if name in _EMPTY:
            node.replace(exp.Explode(this=as_type(exp.Array(), "BIGINT[]")))
            return _EMPTY[name][0][1]
        known = [each for each in functions().get(name, ()) if len(each.takes) == len(given)]
        if not known:
            raise refuse(node)
        return self._call(node, name, given, scope, by_name()[known[0].gives])

    def _call(self, node: exp.Expr, name: str, given: list[exp.Expr], scope: Scope, oid: int) -> int:
        holder = exp.Tuple(expressions=given)
        for each in list(holder.expressions):
            self.value(each, scope, TEXT)
        node.replace(inner(name, *(each.copy() for each in holder.expressions)))
        return oid

    def _subscripts(self, node: exp.Expr, name: str, given: list[exp.Expr], scope: Scope) -> int:
        holder = exp.Tuple(expressions=given or [exp.Null()])
        array = self.value(holder.expressions[0], scope)
        for each in holder.expressions[1:]:
            self.value(each, scope, INT4)
        macro = _ONE_BASED[name]
        if array in (INT2VECTOR, OIDVECTOR) and not isinstance(node, exp.ArraySize):
            macro = macro.replace("_", "0_")
        made = inner(macro, *(each.copy() for each in holder.expressions))
        node.replace(exp.Explode(this=made) if name == "generate_subscripts" else made)
        return INT4

    def _series(self, node: exp.Expr, scope: Scope) -> int:
        if node.args.get("step"):
            raise refuse(node)
        start, end = node.args["start"], node.args["end"]
        oid = max(self.value(start, scope, INT4), self.value(end, scope, INT4))
        node.replace(exp.Explode(this=inner("series_", node.args["start"].copy(), node.args["end"].copy())))
        return INT4 if oid in (0, UNKNOWN) else oid

    def _concatenated(self, node: exp.Concat, scope: Scope) -> int:
        for each in list(node.expressions):
            self.value(each, scope, TEXT)
        made: exp.Expr = exp.Literal.string("")
        for each in node.expressions:
            text = exp.Coalesce(this=as_type(each.copy(), "VARCHAR"), expressions=[exp.Literal.string("")])
            made = inner("cat_", made, text)
        node.replace(made)
        return TEXT

    def _dot(self, node: exp.Dot, scope: Scope) -> int:
        """`information_schema._pg_expandarray(a)`, and a field of it or of a row that holds it."""
        field = node.expression
        if isinstance(field, exp.Anonymous) and folded(node.this) == "information_schema":
            if str(field.this).lower() != "_pg_expandarray" or len(field.expressions) != 1:
                raise refuse(field)
            self.value(field.expressions[0], scope)
            node.replace(exp.Explode(this=inner("expanded_", field.expressions[0].copy())))
            return 2249
        if isinstance(field, exp.Identifier) and isinstance(node.this, exp.Paren):
            self.value(node.this.this, scope)
            return INT4 if folded(field) == "n" else 0
        raise refuse(node)

    def call(self, node: exp.Expr, scope: Scope) -> None:
        """A function in FROM becomes a SELECT that may see what stands before it."""
        alias = node.args.get("alias")
        calls = node.expressions if isinstance(node, exp.Unnest) else [node.this]
        numbered = bool(node.args.get("ordinality") or node.args.get("offset"))
        first = name_of(calls[0]) if not isinstance(node, exp.Unnest) else "unnest"
        columns, query = self._rows([exp.Explode(this=each.copy()) for each in calls] if isinstance(node, exp.Unnest)
                                    else [calls[0].copy()], first, numbered, scope)
        if alias is not None and alias.this is not None and len(columns) - numbered == 1 and not alias.columns:
            columns = ((folded(alias.this), columns[0][1]), *columns[1:])
        columns = renamed(columns, alias)
        label = folded(alias.this) if alias is not None else first
        names = [exp.to_identifier(name, quoted=True) for name, _ in columns]
        table = exp.TableAlias(this=exp.to_identifier(label, quoted=True), columns=names)
        body = exp.Subquery(this=query)
        if isinstance(node.parent, exp.From):
            body.set("alias", table)
            node.replace(body)
        else:
            node.replace(exp.Lateral(this=body, alias=table))
        scope.sources[label] = Source(columns)

    def _rows(
        self, calls: list[exp.Expr], name: str, numbered: bool, scope: Scope,
    ) -> tuple[Columns, exp.Select]:
        """The columns of functions in FROM, and the SELECT that gives them."""
        lone = calls[0]
        if isinstance(lone, exp.Anonymous) and str(lone.this).lower() in _EMPTY:
            empty = _EMPTY[str(lone.this).lower()]
            return _none(empty, numbered)
        if isinstance(lone, exp.Anonymous) and str(lone.this).lower() == "pg_get_keywords":
            return _keywords()
        select = exp.Select(expressions=calls)
        columns = [(name, self.value(each, scope)) for each in list(select.expressions)]
        if numbered:
            many = next((each for each in select.expressions if isinstance(each, exp.Explode)), None)
            if many is None:
                raise Failure("0A000", "the catalog numbers the rows of arrays and series only")
            length = exp.Anonymous(this="len", expressions=[many.this.copy()])
            select.append("expressions", exp.Explode(this=exp.Anonymous(
                this="generate_series", expressions=[exp.Literal.number(1), length])))
            columns.append(("ordinality", INT8))
        return tuple(columns), select


def _none(columns: Columns, numbered: bool) -> tuple[Columns, exp.Select]:
    found = (*columns, ("ordinality", INT8)) if numbered else columns
    return found, exp.Select(expressions=[exp.Null() for _ in found]).where(exp.false(), copy=False)


def _keywords() -> tuple[Columns, exp.Select]:
    columns = (("word", TEXT), ("catcode", 18), ("barelabel", BOOL), ("catdesc", TEXT), ("baredesc", TEXT))
    select = exp.select("word", "'R'", "false", "'reserved'", "'requires AS'", dialect="duckdb").from_("pg.reserved_")
    return columns, select


def _variable(name: str) -> exp.Expr:
    return exp.Anonymous(this="getvariable", expressions=[exp.Literal.string(name)])


def _counts(child: exp.Expr) -> bool:
    return not isinstance(child, exp.Var | exp.DataType | exp.Star)


def _given(node: exp.Expr) -> list[exp.Expr]:
    return [node.args["expression"]] if node.args.get("expression") else []
