"""CAST in other dialects: the names of types, lengths that cut, and how fractions become whole numbers."""

from __future__ import annotations

from sqlglot import exp

from dpsql.dialects.rules import SPARK, TRINO, Rule
from dpsql.parse import refusal
from dpsql.scalars.marks import CUTS, DIGITS, ROUNDS

_DECIMALS = {                       # DECIMAL without digits; in Postgres and SQLite it keeps them all
    "tsql": (18, 0), "redshift": (18, 0), "mysql": (10, 0), "spark": (10, 0), "databricks": (10, 0),
    "trino": (38, 0), "presto": (38, 0), "bigquery": (38, 9), "snowflake": (38, 0),
}
_CUTTING = {"tsql", "sqlite"} | SPARK          # a fraction is cut there, and rounded elsewhere
_ROUNDING = {"snowflake", "bigquery"} | TRINO  # half a DOUBLE goes from zero there, to the even number elsewhere
_ZONED = {"bigquery"} | SPARK                  # TIMESTAMP has a zone there; moments here are those of the tables
_ZONES = {exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ}
_MOMENTS = {exp.DType.DATETIME2, exp.DType.SMALLDATETIME}
_TEXTS = {exp.DType.NVARCHAR, exp.DType.NCHAR, exp.DType.CHAR, exp.DType.VARCHAR, exp.DType.TEXT}


def _cast(node: exp.Expr, dialect: str) -> exp.Expr:
    node.set("requires_string", None)
    to = node.args["to"]
    kind = to.this
    if kind == exp.DType.DECIMAL and not to.expressions and isinstance(node.this, exp.IntDiv):
        return exp.paren(node.this, copy=False)     # the parser's own, around Postgres' div
    if kind == exp.DType.DECIMAL and not to.expressions:
        if (digits := _DECIMALS.get(dialect)) is None:
            node.meta[DIGITS] = dialect
        else:
            node.set("to", exp.DataType.build(f"DECIMAL({digits[0]}, {digits[1]})"))
    elif kind in _MOMENTS or (kind in _ZONES and dialect in _ZONED):
        node.set("to", exp.DataType.build("TIMESTAMP"))
    elif kind == exp.DType.FLOAT and dialect == "tsql":
        node.set("to", exp.DataType.build("DOUBLE"))
    elif kind == exp.DType.BIT and dialect == "tsql":
        node.set("to", exp.DataType.build("BOOLEAN"))
    elif kind in _TEXTS:
        return _text(node, to)
    elif to.is_type(*exp.DataType.INTEGER_TYPES):
        node.meta[CUTS], node.meta[ROUNDS] = dialect in _CUTTING, dialect in _ROUNDING
    return node


def _text(node: exp.Expr, to: exp.DataType) -> exp.Expr:
    """VARCHAR(n) cuts a text after n letters everywhere but in DuckDB."""
    length = to.expressions[0].this if to.expressions else None
    node.set("to", exp.DataType.build("TEXT"))
    if not isinstance(length, exp.Literal) or not length.is_int:
        return node
    return exp.Left(this=node.copy(), expression=length.copy())


def _converted(node: exp.Expr, dialect: str) -> exp.Expr:
    if node.args.get("style"):
        raise refusal("CONVERT with a style is not read", node, "write FORMAT(x, 'yyyy-MM-dd'), or CAST")
    return _cast(exp.Cast(this=node.expression, to=node.this), dialect)


RULES: dict[str, Rule] = {"Cast": _cast, "Convert": _converted, "TryCast": _cast}
