"""What the operators, texts and clauses of other dialects become in DuckDB's."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from dpsql.parse import refusal, written
from dpsql.scalars.marks import CUTS, GIVES

Rule = Callable[[exp.Expr, str], exp.Expr]

POSTGRES = {"postgres", "redshift"}
SPARK = {"spark", "databricks"}
TRINO = {"trino", "presto"}
ANY_CASE = {"mysql", "tsql", "sqlite"}              # LIKE ignores case there by default
_ESCAPED = {"mysql", "bigquery"} | POSTGRES | SPARK    # a backslash escapes in LIKE there
_DOLLAR = {"mysql"} | SPARK | TRINO                 # $1 is a group in a replacement there
_SAME = {"make_date", "md5", "date_part"}           # functions sqlglot keeps by name that mean what DuckDB's mean
_RENAMED: dict[str, tuple[type[exp.Expr], tuple[str, ...]]] = {
    "var": (exp.Variance, ("this",)), "varp": (exp.VariancePop, ("this",)),
    "stdev": (exp.Stddev, ("this",)), "stdevp": (exp.StddevPop, ("this",)),
    "covar": (exp.CovarSamp, ("this", "expression")),
}
_MARKS = {                                          # remarks that change nothing once looked at
    "Coalesce": ("is_null", "is_nvl"), "CountIf": ("zero_on_all_null",), "StrPosition": ("clamp_position",),
    "TryCast": ("requires_string",), "Trunc": ("fractions_supported",), "ConcatWs": ("flatten",),
    "SafeDivide": (), "TimestampTrunc": ("input_type_preserved",), "DateTrunc": ("input_type_preserved",),
}


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
    return exp.Div(this=node.this, expression=_nonzero(node.expression), typed=False, safe=False)


def _nonzero(node: exp.Expr) -> exp.Expr:
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
    """An AVG of whole numbers is whole in T-SQL and Redshift."""
    if dialect in ("tsql", "redshift"):
        node.meta[GIVES] = "whole"
    return node


def _safe_divided(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.Div(this=exp.paren(node.this, copy=False), expression=_nonzero(node.expression), typed=False, safe=False)


def _wholly_divided(node: exp.Expr, dialect: str) -> exp.Expr:
    """DIV cuts the fraction of what is not whole, which DuckDB's // keeps."""
    found = exp.IntDiv(this=node.this, expression=_nonzero(node.expression))
    found.meta[CUTS] = True
    return found


def _added(node: exp.Expr, dialect: str) -> exp.Expr:
    """T-SQL joins texts with +."""
    if dialect == "tsql" and (_is_text(node.this) or _is_text(node.expression)):
        return exp.DPipe(this=node.this, expression=node.expression, safe=True)
    return node


_TEXTS = (exp.DPipe, exp.Upper, exp.Lower, exp.Left, exp.Right, exp.Substring, exp.Trim, exp.Concat, exp.Replace)


def _is_text(node: exp.Expr) -> bool:
    node = node.unnest()
    if isinstance(node, exp.Literal):
        return bool(node.is_string)
    return isinstance(node, _TEXTS) or (isinstance(node, exp.Cast) and node.to.is_type(*exp.DataType.TEXT_TYPES))


def _joined(node: exp.Expr, dialect: str) -> exp.Expr:
    """CONCAT of a NULL is NULL where the dialect says so."""
    if node.args.get("coalesce") or not node.expressions:
        return node
    texts = [part if _is_text(part) else exp.cast(part, "TEXT", copy=False) for part in node.expressions]
    found = texts[0]
    for text in texts[1:]:
        found = exp.DPipe(this=found, expression=text, safe=True)
    return exp.paren(found, copy=False)


def _piped(node: exp.Expr, dialect: str) -> exp.Expr:
    node.set("safe", True)
    return node


def _extreme(node: exp.Expr, dialect: str) -> exp.Expr:
    """GREATEST of a NULL is NULL where the dialect says so."""
    if node.args.get("ignore_nulls"):
        return node
    parts = [node.this, *node.expressions]
    tests = [exp.Is(this=exp.paren(part.copy(), copy=False), expression=exp.null()) for part in parts]
    missing: exp.Expr = tests[0]
    for test in tests[1:]:
        missing = exp.Or(this=missing, expression=test)
    found = node.__class__(this=parts[0], expressions=parts[1:], ignore_nulls=True)
    return exp.Case(ifs=[exp.If(this=missing, true=exp.null())], default=found)


def _length(node: exp.Expr, dialect: str) -> exp.Expr:
    """MySQL counts bytes, T-SQL no spaces at the end."""
    if dialect == "mysql" and node.args.get("binary"):
        return exp.Anonymous(this="strlen", expressions=[node.this])
    text = exp.Trim(this=node.this, position="TRAILING") if dialect == "tsql" else node.this
    return exp.Length(this=text)


def _like(node: exp.Expr, dialect: str) -> exp.Expr:
    literal = node.expression.unnest()
    pattern = literal.this if isinstance(literal, exp.Literal) else ""
    if dialect == "tsql" and "[" in pattern:
        raise refusal("[...] in a LIKE pattern of tsql is not read", node.expression, "write several LIKE, with OR")
    kind = exp.ILike if dialect in ANY_CASE or isinstance(node, exp.ILike) else exp.Like
    found = kind(this=node.this, expression=node.expression, **({"negate": True} if node.args.get("negate") else {}))
    if dialect in _ESCAPED and "\\" in pattern and not isinstance(node.parent, exp.Escape):
        return exp.Escape(this=found, expression=exp.Literal.string("\\"))
    return found


def _matched(node: exp.Expr, dialect: str) -> exp.Expr:
    if node.args.get("full_match"):
        return exp.RegexpFullMatch(this=node.this, expression=node.expression)
    if dialect == "mysql" and not node.args.get("flag"):
        node.set("flag", exp.Literal.string("i"))
    return node


def _regexp_replaced(node: exp.Expr, dialect: str) -> exp.Expr:
    new = node.args.get("replacement")
    new = None if new is None else new.unnest()
    if dialect in _DOLLAR and isinstance(new, exp.Literal):
        if "\\" in new.this:
            raise refusal(f"a backslash in a replacement of {dialect} is not read", new, "leave it out")
        new = exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", new.this))
        node.set("replacement", new)
    if not node.args.get("single_replace"):
        if node.args.get("modifiers"):
            raise refusal("options of this regular expression are not read", node, "write them in the pattern")
        node.set("modifiers", exp.Literal.string("g"))
        node.set("single_replace", True)
    return node


def _regexp_extracted(node: exp.Expr, dialect: str) -> exp.Expr:
    """NULL, not an empty text, where nothing matches and the dialect says so."""
    missing = node.args.get("null_if_no_match")
    for mark in ("null_if_no_match", "empty_if_group_missing"):
        node.set(mark, None)
    if not node.args.get("group"):
        node.set("group", exp.Literal.number(0))
    if not missing:
        return node
    test = exp.RegexpLike(this=node.this.copy(), expression=node.expression.copy())
    return exp.Case(ifs=[exp.If(this=test, true=node.copy())])


def _substring(node: exp.Expr, dialect: str) -> exp.Expr:
    start = whole(node.args.get("start"))
    if start == 0 and node.args.get("zero_start"):
        node.set("start", exp.Literal.number(1))
    elif start is not None and (start == 0 or (start < 0 and dialect in POSTGRES | {"tsql"})):
        raise refusal(f"{dialect} counts letters before the first here, DuckDB does not", node, "start at 1 or later")
    node.set("zero_start", None)
    return node


def _split(node: exp.Expr, dialect: str) -> exp.Expr:
    delimiter = node.args.get("delimiter")
    if whole(node.args.get("part_index")) and isinstance(delimiter, exp.Literal) and delimiter.this:
        node.set("part_index_zero_as_one", None)
        node.set("empty_delimiter_returns_whole", None)
    return node


def _rounded(node: exp.Expr, dialect: str) -> exp.Expr:
    node.set("casts_non_integer_decimals", None)
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


def _equal(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.NullSafeEQ(this=node.this, expression=node.expression)


def _kept_by_name(node: exp.Expr, dialect: str) -> exp.Expr:
    """A function of DuckDB's name may mean another thing elsewhere, so only those looked at pass."""
    name = str(node.this).lower()
    if name == "octet_length":
        return exp.Anonymous(this="strlen", expressions=node.expressions)
    if name == "weekday" and dialect in SPARK | {"mysql"} and len(node.expressions) == 1:
        day = exp.Extract(this=exp.Var(this="ISODOW"), expression=node.expressions[0])
        return exp.paren(exp.Sub(this=day, expression=exp.Literal.number(1)), copy=False)
    if name == "make_date" and len(node.expressions) == 3:
        return exp.DateFromParts(**dict(zip(("year", "month", "day"), node.expressions, strict=True)))
    if name == "choose" and dialect == "tsql" and len(node.expressions) > 1:
        index, *values = node.expressions
        ifs = [exp.If(this=exp.Literal.number(i), true=value) for i, value in enumerate(values, 1)]
        return exp.Case(this=index, ifs=ifs)
    if renamed(node) is not node:
        return renamed(node)
    if name in _SAME:
        return node
    raise refusal(f"{written(node)} of {dialect} is not read", node, "write it with others, or in DuckDB's SQL")


def renamed(node: exp.Expr) -> exp.Expr:
    """An aggregate under a name that DuckDB lacks, and that means the same wherever it is known; else the node."""
    kind, keys = _RENAMED.get(str(node.this).lower(), (None, ())) if isinstance(node, exp.Anonymous) else (None, ())
    if kind is None or len(node.expressions) != len(keys):
        return node
    return kind(**dict(zip(keys, node.expressions, strict=True)))


def limited(node: exp.Expr, dialect: str) -> exp.Expr:
    """FETCH as LIMIT. QueryError for a share of the rows, and for ties."""
    if any(node.args.get(key) for key in ("limit_options", "percent", "with_ties")):
        options = node.args.get("limit_options")
        if not isinstance(options, exp.LimitOptions) or options.args.get("percent") or options.args.get("with_ties"):
            raise refusal("a LIMIT with PERCENT or TIES is not answered", node, "write a plain number of rows")
    count = node.args.get("count") or node.args.get("expression")
    return exp.Limit(expression=count)


def _table(node: exp.Expr, dialect: str) -> exp.Expr:
    """WITH (NOLOCK) says nothing about the answer."""
    hints = node.args.get("hints") or []
    if hints and all(part.name.upper() == "NOLOCK" for hint in hints for part in hint.expressions):
        node.set("hints", None)
    return node


RULES: dict[str, Rule] = {
    "Add": _added, "Anonymous": _kept_by_name, "Avg": _averaged, "Coalesce": plain, "Concat": _joined,
    "ConcatWs": plain, "CountIf": plain, "DPipe": _piped, "DecodeCase": _chosen, "Div": _divided, "EqualNull": _equal,
    "Fetch": limited, "Greatest": _extreme, "ILike": _like, "IntDiv": _wholly_divided, "Least": _extreme,
    "Length": _length, "Like": _like, "Limit": limited, "Nvl2": _present, "RegexpExtract": _regexp_extracted,
    "RegexpLike": _matched, "RegexpReplace": _regexp_replaced, "Round": _rounded, "SafeDivide": _safe_divided,
    "SplitPart": _split, "StrPosition": plain, "Substring": _substring, "Sum": _summed, "Table": _table, "Trunc": plain,
}
