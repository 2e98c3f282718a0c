"""What the operators of other dialects become in DuckDB's."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from dpsql.dialects.templates import made
from dpsql.parse import refusal
from dpsql.scalars.marks import CUTS, EVEN, GIVES, JOINS, STAYS, TRUTHS

Rule = Callable[[exp.Expr, str], exp.Expr]

POSTGRES = {"postgres", "redshift"}
SPARK = {"spark", "databricks"}
TRINO = {"trino", "presto"}
ANY_CASE = {"mysql", "tsql", "sqlite"}              # LIKE ignores case there by default
_MARKS = {                                          # remarks that change nothing once looked at
    "Coalesce": ("is_null", "is_nvl"), "CountIf": ("zero_on_all_null",), "Trunc": ("fractions_supported",),
    "SafeDivide": (), "TimestampTrunc": ("input_type_preserved",), "DateTrunc": ("input_type_preserved",),
}


_MOST_PLACES = 9


def plain(node: exp.Expr, dialect: str) -> exp.Expr:
    """The node without its parser's remarks."""
    for mark in _MARKS[type(node).__name__]:
        node.set(mark, None)
    return node


def whole(node: exp.Expr | None) -> int | None:
    """The value of a literal whole number, its sign included; None for anything else."""
    if isinstance(node, (exp.Paren, exp.Neg)):
        inner = whole(node.this)
        return inner if inner is None or isinstance(node, exp.Paren) else -inner
    if isinstance(node, exp.Mul):
        left, right = whole(node.this), whole(node.expression)
        return None if left is None or right is None else left * right
    if isinstance(node, exp.Literal) and re.fullmatch(r"-?\d{1,18}", node.this):
        return int(node.this)
    return None


def _divided(node: exp.Expr, dialect: str) -> exp.Expr:
    """By zero is NULL. Whole numbers are divided as whole numbers where the dialect does: `scalars`, by their types."""
    if node.args.get("typed") and not any(_fraction(side, dialect) for side in (node.this, node.expression)):
        return node
    return exp.Div(this=node.this, expression=nonzero(node.expression), typed=False, safe=False)


def _truncated(node: exp.Expr, dialect: str) -> exp.Expr:
    """TRUNC of a moment is its day in Redshift."""
    node.meta[STAYS] = dialect == "redshift"
    return plain(node, dialect)


def nonzero(node: exp.Expr) -> exp.Expr:
    bare = node.unnest()
    if isinstance(bare, exp.Nullif) or (isinstance(bare, exp.Literal) and bare.this.strip("0.eE+-")):
        return node
    return exp.Nullif(this=node, expression=exp.Literal.number(0))


def _fraction(node: exp.Expr, dialect: str) -> bool:
    """Whether a number has a fraction in its dialect, though DuckDB may have a whole number for it."""
    match node:
        case exp.Paren() | exp.Neg() | exp.Nullif() | exp.Coalesce() | exp.Abs():
            return _fraction(node.this, dialect)
        case exp.Add() | exp.Sub() | exp.Mul() | exp.Mod():
            return _fraction(node.this, dialect) or _fraction(node.expression, dialect)
        case exp.Div():
            return not node.args.get("typed")
        case exp.Extract() | exp.Floor() | exp.Ceil() | exp.Round() | exp.Trunc() | exp.Sign() | exp.IntDiv():
            return dialect in POSTGRES
        case _:
            return False


def _summed(node: exp.Expr, dialect: str) -> exp.Expr:
    """A SUM of BIGINT is NUMERIC in Postgres."""
    if dialect in POSTGRES:
        node.meta[GIVES] = "numeric"
    return node


def _averaged(node: exp.Expr, dialect: str) -> exp.Expr:
    """An AVG of whole numbers is whole in T-SQL and Redshift; conditions are 1 and 0 in MySQL and SQLite."""
    if dialect in ("tsql", "redshift"):
        node.meta[GIVES] = "whole"
    if dialect in ("mysql", "sqlite") and not isinstance(node.this, exp.Distinct):
        cast = exp.Cast(this=node.this, to=exp.DataType.build("INT"))
        cast.meta[TRUTHS] = True
        node.set("this", cast)
    return node


def _roughly_counted(node: exp.Expr, dialect: str) -> exp.Expr:
    """HLL(x) counts different values."""
    given = [node.this, *node.expressions]
    return exp.ApproxDistinct(this=given[0]) if len(given) == 1 else node


def _safe_divided(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.Div(this=exp.paren(node.this, copy=False), expression=nonzero(node.expression), typed=False, safe=False)


def _wholly_divided(node: exp.Expr, dialect: str) -> exp.Expr:
    """DIV cuts the fraction of what is not whole, which DuckDB's // keeps."""
    found = exp.IntDiv(this=node.this, expression=nonzero(node.expression))
    found.meta[CUTS] = True
    return found


def _named(node: exp.Expr, dialect: str) -> exp.Expr:
    """A column; (+) behind it makes an outer join of the whole WHERE."""
    if node.args.get("join_mark"):
        raise refusal("(+) is not read", node, "write LEFT JOIN ... ON")
    return node


def _sum(node: exp.Expr, dialect: str) -> exp.Expr:
    """SAFE_ADD and its like: nothing overflows here anyhow."""
    kind = {"SafeAdd": exp.Add, "SafeSubtract": exp.Sub, "SafeMultiply": exp.Mul}[type(node).__name__]
    sides = (exp.paren(side, copy=False) for side in (node.this, node.expression))
    return exp.paren(kind(**dict(zip(("this", "expression"), sides, strict=True))), copy=False)


def _stepped(node: exp.Expr, dialect: str) -> exp.Expr:
    """CEIL and FLOOR to a number of decimals."""
    places = node.args.get("decimals")
    if places is None:
        return node
    if (count := whole(places)) is None or not 0 <= count <= _MOST_PLACES:
        raise refusal(f"the decimals are a literal from 0 to {_MOST_PLACES}", places)
    step = exp.Literal.number(10**count)
    inner = node.__class__(this=exp.Mul(this=exp.paren(node.this, copy=False), expression=step))
    return exp.paren(exp.Div(this=inner, expression=step.copy(), typed=False, safe=False), copy=False)


def _among(node: exp.Expr, dialect: str) -> exp.Expr:
    """x IN UNNEST([...]), and x IN a parameter that is a list, are x IN (...)."""
    given = node.args.get("unnest") or node
    values = given.expressions[0].unnest() if len(given.expressions) == 1 else None
    if not isinstance(values, exp.Array) or not values.expressions:
        return node
    return exp.In(this=node.this, expressions=values.expressions)


def _exclusive(node: exp.Expr, dialect: str) -> exp.Expr:
    """XOR of conditions."""
    if dialect != "mysql":
        return node
    return made("CAST(a AS BOOLEAN) <> CAST(b AS BOOLEAN)", a=node.this, b=node.expression)


def added(node: exp.Expr, dialect: str) -> exp.Expr:
    """T-SQL joins texts with +."""
    if dialect == "tsql" and (_is_text(node.this) or _is_text(node.expression)):
        return exp.DPipe(this=node.this, expression=node.expression, safe=True)
    node.meta[JOINS] = dialect == "tsql"
    return node


_TEXTS = (exp.DPipe, exp.Upper, exp.Lower, exp.Left, exp.Right, exp.Substring, exp.Trim, exp.Concat, exp.Replace)


def _is_text(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return bool(node.is_string)
    return isinstance(node, _TEXTS) or (isinstance(node, exp.Cast) and node.to.is_type(*exp.DataType.TEXT_TYPES))


def _joined(node: exp.Expr, dialect: str) -> exp.Expr:
    """CONCAT of a NULL is NULL where the dialect says so."""
    if dialect == "oracle" and len(node.expressions) == 2:
        return made("nullif(concat(a, b), '')", **dict(zip("ab", node.expressions, strict=True)))
    if (node.args.get("coalesce") and dialect != "redshift") or not node.expressions:
        return node
    texts = [part if _is_text(part) else exp.cast(part, "TEXT", copy=False) for part in node.expressions]
    found = texts[0]
    for text in texts[1:]:
        found = exp.DPipe(this=found, expression=text, safe=True)
    return exp.paren(found, copy=False)


def _joined_with(node: exp.Expr, dialect: str) -> exp.Expr:
    """CONCAT_WS leaves NULL out, but in Snowflake, where it makes all of it NULL."""
    node.set("flatten", None)
    if dialect != "snowflake":
        return node
    tests = [exp.Is(this=exp.paren(part.copy(), copy=False), expression=exp.null()) for part in node.expressions]
    return exp.Case(ifs=[exp.If(this=exp.or_(*tests, copy=False), true=exp.null())], default=node.copy())


def _piped(node: exp.Expr, dialect: str) -> exp.Expr:
    """|| of a NULL is NULL, but in Oracle, where NULL is an empty text."""
    node.set("safe", True)
    return made("nullif(concat(a, b), '')", a=node.this, b=node.expression) if dialect == "oracle" else node


def _extreme(node: exp.Expr, dialect: str) -> exp.Expr:
    """GREATEST of a NULL is NULL where the dialect says so."""
    if node.args.get("ignore_nulls") and dialect != "oracle":
        return node
    parts = [node.this, *node.expressions]
    tests = [exp.Is(this=exp.paren(part.copy(), copy=False), expression=exp.null()) for part in parts]
    missing: exp.Expr = tests[0]
    for test in tests[1:]:
        missing = exp.Or(this=missing, expression=test)
    found = node.__class__(this=parts[0], expressions=parts[1:], ignore_nulls=True)
    return exp.Case(ifs=[exp.If(this=missing, true=exp.null())], default=found)


def _rounded(node: exp.Expr, dialect: str) -> exp.Expr:
    node.set("casts_non_integer_decimals", None)
    node.meta[EVEN] = dialect in ("postgres", "mysql") and not node.args.get("decimals")
    cut = node.args.get("truncate")
    if cut is None:
        return node
    if whole(cut) is None:
        raise refusal("the third argument of ROUND is a literal", node, "write 0 or 1")
    places = {"decimals": node.args["decimals"]} if node.args.get("decimals") else {}
    return exp.Trunc(this=node.this, **places) if whole(cut) else exp.Round(this=node.this, **places)


def _chosen(node: exp.Expr, dialect: str) -> exp.Expr:
    """DECODE finds NULL equal to NULL."""
    subject, *rest = node.expressions
    ifs = [
        exp.If(this=exp.NullSafeEQ(this=subject.copy(), expression=match), true=value)
        for match, value in zip(rest[::2], rest[1::2], strict=False)
    ]
    return exp.Case(ifs=ifs, **({"default": rest[-1]} if len(rest) % 2 else {}))


def _present(node: exp.Expr, dialect: str) -> exp.Expr:
    test = exp.Not(this=exp.Is(this=node.this, expression=exp.null()))
    return exp.Case(ifs=[exp.If(this=test, true=node.args["true"])], default=node.args.get("false") or exp.null())


def _tested(node: exp.Expr, dialect: str) -> exp.Expr:
    """IS NOT NULL, which the parser of Postgres notes as a remark of IS."""
    if not node.args.get("negate"):
        return node
    return exp.Not(this=exp.Is(this=node.this, expression=node.expression))


def listed(node: exp.Expr, dialect: str) -> exp.Expr:
    """x = ANY (ARRAY[...]) is x IN (...), and x <> ALL (ARRAY[...]) is x NOT IN (...). '' is NULL in Oracle.

    Drivers of Postgres write a list of texts as '{a,b}'.
    """
    sides = (node.this, node.expression)
    if dialect == "oracle" and any(isinstance(side, exp.Literal) and not side.this for side in sides):
        return made("a = NULL", a=node.this)
    other, kind = node.expression, exp.Any if isinstance(node, exp.EQ) else exp.All
    values = other.this.unnest() if isinstance(other, kind) else None
    if isinstance(other, exp.Anonymous) and str(other.this).lower() == "all" and isinstance(node, exp.NEQ):
        values = other.expressions[0].unnest() if len(other.expressions) == 1 else None
    if dialect in POSTGRES and isinstance(values, exp.Literal) and re.fullmatch(r"\{[^{}\"\\]+\}", values.this):
        values = exp.Array(expressions=[exp.Literal.string(each.strip()) for each in values.this[1:-1].split(",")])
    if not isinstance(values, exp.Array) or not values.expressions:
        return node
    found = exp.In(this=node.this, expressions=values.expressions)
    return found if isinstance(node, exp.EQ) else exp.Not(this=found)


def _equal(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.NullSafeEQ(this=node.this, expression=node.expression)


def _number_written(node: exp.Expr, dialect: str) -> exp.Expr:
    raise refusal("formats of numbers are not read", node, "ROUND(x, 2) cuts it, CAST(x AS VARCHAR(20)) writes it")


RULES: dict[str, Rule] = {
    "Avg": _averaged, "Ceil": _stepped, "Coalesce": plain, "Column": _named, "Concat": _joined,
    "ConcatWs": _joined_with, "CountIf": plain, "DecodeCase": _chosen, "Div": _divided, "DPipe": _piped, "EQ": listed,
    "EqualNull": _equal, "Floor": _stepped, "Greatest": _extreme, "Hll": _roughly_counted, "In": _among,
    "IntDiv": _wholly_divided, "Is": _tested, "Least": _extreme, "NEQ": listed, "NumberToStr": _number_written,
    "Nvl2": _present, "Round": _rounded, "SafeAdd": _sum, "SafeDivide": _safe_divided, "SafeMultiply": _sum,
    "SafeSubtract": _sum, "Sum": _summed, "Trunc": _truncated, "Xor": _exclusive,
}
