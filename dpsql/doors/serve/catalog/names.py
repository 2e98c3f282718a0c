"""What PostgreSQL calls a column that has no AS, and names as it folds them."""

from __future__ import annotations

from sqlglot import exp

from dpsql.doors.serve.catalog.pg_types import by_name, types

NOTHING = "?column?"
_CALLED: dict[type[exp.Expr], str] = {
    exp.ArrayAgg: "array_agg", exp.GroupConcat: "string_agg", exp.LogicalAnd: "bool_and", exp.LogicalOr: "bool_or",
    exp.CurrentVersion: "version", exp.CurrentTimestamp: "now", exp.CurrentUser: "current_user",
    exp.SessionUser: "session_user", exp.CurrentSchema: "current_schema", exp.CurrentCatalog: "current_catalog",
    exp.CurrentDatabase: "current_database", exp.CurrentDate: "current_date", exp.Array: "array", exp.Exists: "exists",
    exp.RowNumber: "row_number", exp.DenseRank: "dense_rank", exp.Explode: "unnest", exp.Unnest: "unnest",
    exp.GenerateSeries: "generate_series", exp.ExplodingGenerateSeries: "generate_series", exp.Trim: "btrim",
    exp.StrPosition: "position", exp.ArraySize: "array_length", exp.ArrayToString: "array_to_string",
    exp.SplitPart: "split_part", exp.ConcatWs: "concat_ws", exp.ArrayPosition: "array_position",
    exp.StringToArray: "string_to_array", exp.AnyValue: "any_value", exp.Rank: "rank", exp.MD5: "md5",
}
_NO_NAME = (exp.Binary, exp.Unary, exp.Between, exp.In, exp.Literal, exp.Boolean, exp.Null, exp.Parameter,
            exp.Placeholder, exp.Tuple)


def folded(identifier: exp.Expr | str | None) -> str:
    """A name in small letters, unless it is quoted."""
    if isinstance(identifier, exp.Identifier):
        return str(identifier.this) if identifier.args.get("quoted") else str(identifier.this).lower()
    return "" if identifier is None else str(identifier).lower()


def called(node: exp.Expr) -> str:
    """The name of a column of SELECT."""
    return _figured(node) or NOTHING


def _figured(node: exp.Expr | None) -> str | None:
    match node:
        case exp.Alias():
            return folded(node.args["alias"])
        case exp.Column() | exp.Dot() if isinstance(node.args.get("expression") or node.this, exp.Identifier):
            return folded(node.args.get("expression") or node.this)
        case exp.Dot():
            return _figured(node.expression)
        case exp.Cast():
            return _own(node.this) or _type(node)
        case exp.Case():
            return _own(node.args.get("default")) or "case"
        case exp.Paren() | exp.Collate() | exp.Bracket() | exp.Filter() | exp.WithinGroup() | exp.Window():
            return _figured(node.this)
        case exp.Subquery() | exp.Select():
            inner = node.this if isinstance(node, exp.Subquery) else node
            return _figured(inner.selects[0]) if isinstance(inner, exp.Query) and inner.selects else None
        case exp.Anonymous():
            return str(node.this).lower()
        case exp.Expr() if type(node) in _CALLED:
            return _CALLED[type(node)]
        case exp.Func() if not isinstance(node, _NO_NAME):
            return node.sql_name().lower()
        case _:
            return None


def _own(node: exp.Expr | None) -> str | None:
    """A name that is no type's: casts and CASE hand on what is inside them."""
    while isinstance(node, exp.Cast | exp.Case | exp.Paren):
        node = node.args.get("default") if isinstance(node, exp.Case) else node.this
    return _figured(node)


def _type(node: exp.Cast) -> str | None:
    """A cast of something nameless is called as its type."""
    written = type_name(node.to)
    oid = by_name().get(written.removesuffix("[]"))
    return types()[oid].name if oid is not None else written.rpartition(".")[2]


def type_name(to: exp.Expr) -> str:
    """A type as it was written, without its modifier."""
    text = to.sql(dialect="postgres").strip()
    head, _, rest = text.partition("(")
    tail = "[]" if rest.endswith("[]") else ""
    written = head.strip() + tail
    if written.startswith('"'):
        return written.replace('"', "")
    return {"char": "bpchar", "char[]": "bpchar[]"}.get(written.lower(), written.lower().replace('"', ""))
