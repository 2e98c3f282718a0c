"""CAST in other dialects: the names of types, lengths that cut, and how fractions become whole numbers."""

from __future__ import annotations

from sqlglot import exp

from dpsql.dialects.rules import SPARK, TRINO, Rule, whole
from dpsql.parse import refusal
from dpsql.scalars.marks import CUTS, DIGITS, OF_DATE, READS, ROUNDS

_DECIMALS = {                       # DECIMAL without digits; in Postgres and SQLite it keeps them all
    "tsql": (18, 0), "redshift": (18, 0), "mysql": (10, 0), "spark": (10, 0), "databricks": (10, 0),
    "trino": (38, 0), "presto": (38, 0), "bigquery": (38, 9), "snowflake": (38, 0),
}
_CUTTING = {"tsql", "sqlite"} | SPARK          # a fraction is cut there, and rounded elsewhere
_READING = {"mysql", "sqlite"} | SPARK         # '2.7' is read there, and cut; elsewhere it is no whole number
_ROUNDING = {"snowflake", "bigquery", "oracle"} | TRINO     # half a DOUBLE goes from zero there, elsewhere to even
_ZONED = {"bigquery"} | SPARK                  # TIMESTAMP has a zone there; moments here are those of the tables
_ZONES = {exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPLTZ}
_MOMENTS = {exp.DType.DATETIME2}
_TEXTS = {exp.DType.NVARCHAR, exp.DType.NCHAR, exp.DType.CHAR, exp.DType.VARCHAR, exp.DType.TEXT}


_STYLES = {                         # of T-SQL's CONVERT
    1: "%m/%d/%y", 3: "%d/%m/%y", 20: "%Y-%m-%d %H:%M:%S", 21: "%Y-%m-%d %H:%M:%S.%g", 23: "%Y-%m-%d", 101: "%m/%d/%Y",
    102: "%Y.%m.%d", 103: "%d/%m/%Y", 104: "%d.%m.%Y", 105: "%d-%m-%Y", 106: "%d %b %Y", 107: "%b %d, %Y",
    108: "%H:%M:%S", 110: "%m-%d-%Y", 111: "%Y/%m/%d", 112: "%Y%m%d", 120: "%Y-%m-%d %H:%M:%S",
    121: "%Y-%m-%d %H:%M:%S.%g",
}


def _cast(node: exp.Expr, dialect: str) -> exp.Expr:
    node.set("requires_string", None)
    node.set("probe_date_format", None)
    to = node.args["to"]
    kind = to.this
    if dialect in TRINO and kind in exp.DataType.TEMPORAL_TYPES and isinstance(node.this, exp.Literal):
        to.set("expressions", None)                 # the parser's own, as many digits as the literal has
    if kind == exp.DType.DECIMAL and not to.expressions and isinstance(node.this, exp.IntDiv):
        return exp.paren(node.this, copy=False)     # the parser's own, around Postgres' div
    if kind == exp.DType.DECIMAL and not to.expressions:
        if (digits := _DECIMALS.get(dialect)) is None:
            node.meta[DIGITS] = dialect
        else:
            node.set("to", exp.DataType.build(f"DECIMAL({digits[0]}, {digits[1]})"))
    elif kind in _MOMENTS or (kind in _ZONES and dialect in _ZONED):
        to.set("this", exp.DType.TIMESTAMP)
    elif kind == exp.DType.SMALLDATETIME:
        raise refusal("SMALLDATETIME rounds to minutes, which is not answered", node, "write DATETRUNC(minute, x)")
    elif kind == exp.DType.FLOAT and dialect == "tsql":
        node.set("to", exp.DataType.build("DOUBLE"))
    elif kind == exp.DType.UBIGINT and dialect == "mysql":
        node.set("to", exp.DataType.build("BIGINT"))
    elif kind == exp.DType.BIT and dialect == "tsql":
        node.set("to", exp.DataType.build("BOOLEAN"))
    elif kind in _TEXTS and not to.args.get("collate"):
        return _text(node, to)
    elif to.is_type(*exp.DataType.INTEGER_TYPES):
        node.meta[CUTS], node.meta[ROUNDS] = dialect in _CUTTING, dialect in _ROUNDING
        node.meta[READS] = dialect in _READING
    return node


def _text(node: exp.Expr, to: exp.DataType) -> exp.Expr:
    """VARCHAR(n) cuts a text after n letters everywhere but in DuckDB."""
    length = to.expressions[0].this if to.expressions else None
    node.set("to", exp.DataType.build("TEXT"))
    if not isinstance(length, exp.Literal) or not length.is_int:
        return node
    return exp.Left(this=node.copy(), expression=length.copy())


def _converted(node: exp.Expr, dialect: str) -> exp.Expr:
    """CONVERT(type, x, style): the style says how a date is written, or read."""
    kind = exp.TryCast if node.args.get("safe") else exp.Cast
    if (style := node.args.get("style")) is None:
        return _cast(kind(this=node.expression, to=node.this), dialect)
    text = _STYLES.get(whole(style) or 0)
    if text is None:
        raise refusal("this style of CONVERT is not read", style, "write FORMAT(x, 'yyyy-MM-dd'), or CAST")
    if node.this.this not in _TEXTS:
        moment = exp.StrToTime(this=node.expression, format=exp.Literal.string(text))
        return _cast(kind(this=moment, to=node.this), dialect)
    shown = exp.TimeToStr(this=node.expression, format=exp.Literal.string(text))
    shown.meta[OF_DATE] = text.split(" %H")[0]
    return _cast(kind(this=shown, to=node.this), dialect)


def _number(node: exp.Expr, dialect: str) -> exp.Expr:
    """TO_NUMBER, TO_DECIMAL: a DECIMAL of so many digits."""
    if node.args.get("format"):
        raise refusal("formats of numbers are not read", node, "CAST(x AS DECIMAL(18, 2))")
    digits = [each.name for each in (node.args.get("precision"), node.args.get("scale")) if each is not None]
    kind = f"DECIMAL({', '.join(digits)})" if digits else "DOUBLE" if dialect == "oracle" else "DECIMAL(38, 0)"
    return exp.TryCast(this=node.this, to=exp.DataType.build(kind))


def _double(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.TryCast(this=node.this, to=exp.DataType.build("DOUBLE"))


def _truth(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.TryCast(this=node.this, to=exp.DataType.build("BOOLEAN"))


RULES: dict[str, Rule] = {
    "Cast": _cast, "Convert": _converted, "ToBoolean": _truth, "ToDouble": _double, "ToNumber": _number,
    "TryCast": _cast,
}
