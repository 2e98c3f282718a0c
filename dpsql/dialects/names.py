"""Functions that the parser keeps by name. One of DuckDB's may mean another thing elsewhere: none passes unseen."""

from __future__ import annotations

from sqlglot import exp

from dpsql.dialects import formats
from dpsql.dialects.rules import POSTGRES, SPARK, TRINO, Rule
from dpsql.dialects.templates import made
from dpsql.dialects.texts import substring
from dpsql.dialects.times import moved
from dpsql.parse import refusal, written
from dpsql.scalars.marks import STAYS

_EVERY = POSTGRES | SPARK | TRINO | {"snowflake", "bigquery", "tsql", "mysql", "sqlite", "oracle"}
_SAME = {"make_date", "md5", "date_part"}           # that mean what DuckDB's mean
_KEPT = {"age": exp.Extract, "regexp_match": exp.Bracket, "string_split": exp.Lateral,
         "ratio_to_report": exp.Window, "all": exp.NEQ}      # under what is read
_RENAMED: dict[str, tuple[type[exp.Expr], tuple[str, ...]]] = {
    "var": (exp.Variance, ("this",)), "varp": (exp.VariancePop, ("this",)),
    "stdev": (exp.Stddev, ("this",)), "stdevp": (exp.StddevPop, ("this",)),
    "covar": (exp.CovarSamp, ("this", "expression")),
}
_SUNDAY = "(CAST(a AS DATE) - CAST(dayofweek(CAST(a AS DATE)) AS INTEGER))"     # on or before a
_WRITTEN: dict[tuple[str, int], tuple[frozenset[str] | set[str], str]] = {      # by name and number of arguments
    ("octet_length", 1): (_EVERY, "strlen(a)"),
    ("weekday", 1): (SPARK | {"mysql"}, "isodow(a) - 1"),
    ("make_date", 3): (_EVERY, "make_date(a, b, c)"),
    ("isnull", 1): (SPARK, "a IS NULL"),
    ("isnull", 2): ({"redshift"}, "coalesce(a, b)"),
    ("isnotnull", 1): (SPARK, "NOT a IS NULL"),
    ("std", 1): (SPARK, "stddev(a)"),
    ("mean", 1): (SPARK, "avg(a)"),
    ("hypot", 2): (SPARK, "sqrt(CAST(a AS DOUBLE) * a + CAST(b AS DOUBLE) * b)"),
    ("log1p", 1): (SPARK, "ln(1 + CAST(a AS DOUBLE))"),
    ("expm1", 1): (SPARK, "exp(a) - 1"),
    ("to_timestamp", 1): ({"snowflake"}, "CAST(a AS TIMESTAMP)"),
    ("to_timestamp_ntz", 1): ({"snowflake"}, "CAST(a AS TIMESTAMP)"),
    ("pmod", 2): (SPARK, "((a % b) + b) % b"),
    ("gcd", 2): (POSTGRES, "gcd(a, b)"),
    ("unix_timestamp", 1): ({"mysql"}, "CAST(floor(epoch(a)) AS BIGINT)"),
    ("julianday", 1): ({"sqlite"}, "julian(CAST(a AS TIMESTAMP)) - 0.5"),
    ("total", 1): ({"sqlite"}, "coalesce(sum(CAST(a AS DOUBLE)), 0.0)"),
    ("datetime", 1): ({"sqlite"}, "date_trunc('second', CAST(a AS TIMESTAMP))"),
    ("try_to_timestamp", 1): ({"snowflake"}, "TRY_CAST(a AS TIMESTAMP)"),
    ("lengthb", 1): ({"oracle"}, "strlen(a)"),
    ("datalength", 1): ({"tsql"}, "strlen(a)"),
    ("yearweek", 1): ({"mysql"}, f"year({_SUNDAY}) * 100 + (dayofyear({_SUNDAY}) + 6) // 7"),
    ("period_diff", 2): ({"mysql"}, "(a // 100 - b // 100) * 12 + a % 100 - b % 100"),
}


def _named(node: exp.Expr, dialect: str) -> exp.Expr:
    name, args = str(node.this).lower(), node.expressions
    if (rule := _RULES.get(name)) is not None and dialect in rule[0]:
        return rule[1](node, dialect)
    dialects, text = _WRITTEN.get((name, len(args)), (frozenset(), ""))
    if dialect in dialects:
        return made(text, **dict(zip("abc", args, strict=False)))
    if renamed(node) is not node:
        return renamed(node)
    above = node.parent.parent if isinstance(node.parent, exp.Paren) else node.parent
    if name in _SAME or (name in _KEPT and isinstance(above, _KEPT[name])):
        return node
    raise refusal(f"{written(node)} of {dialect} is not read", node, "write it with others, or in DuckDB's SQL")


def renamed(node: exp.Expr) -> exp.Expr:
    """An aggregate under a name that DuckDB lacks, and that means the same wherever it is known; else the node."""
    kind, keys = _RENAMED.get(str(node.this).lower(), (None, ())) if isinstance(node, exp.Anonymous) else (None, ())
    if kind is None or len(node.expressions) != len(keys):
        return node
    return kind(**dict(zip(keys, node.expressions, strict=True)))


def _chosen(node: exp.Expr, dialect: str) -> exp.Expr:
    """CHOOSE and ELT: the n-th of some values."""
    index, *values = [node.this, *node.expressions] if isinstance(node, exp.Elt) else node.expressions
    ifs = [exp.If(this=exp.Literal.number(i), true=value) for i, value in enumerate(values, 1)]
    return exp.Case(this=index, ifs=ifs)


def _place_in_set(node: exp.Expr, dialect: str) -> exp.Expr:
    """FIND_IN_SET(x, 'a,b'): which of the parts it is, 0 if none."""
    value, given = node.expressions
    if not isinstance(given, exp.Literal):
        raise refusal("FIND_IN_SET takes a literal list here", given, "write 'a,b,c', or test with LIKE")
    place = _field(exp.Anonymous(expressions=[value, *map(exp.Literal.string, given.this.split(","))]), dialect)
    return made("CASE WHEN x IS NULL THEN NULL ELSE n END", x=value, n=place)


def _field(node: exp.Expr, dialect: str) -> exp.Expr:
    """FIELD: which of some values it is, 0 if none."""
    value, *values = node.expressions
    ifs = [exp.If(this=each, true=exp.Literal.number(i)) for i, each in enumerate(values, 1)]
    return exp.Case(this=value, ifs=ifs, default=exp.Literal.number(0))


def _bucketed(node: exp.Expr, dialect: str) -> exp.Expr:
    """WIDTH_BUCKET and RANGE_BUCKET over a list: how many of its ends a value reaches."""
    given = node.args.get("threshold") or (node.expression if isinstance(node, exp.RangeBucket) else None)
    if given is None:
        return node
    ends = given.expressions if isinstance(given, exp.Array) else []
    numbers = [float(each.sql()) for each in ends if each.is_number]
    if not ends or len(numbers) < len(ends) or numbers != sorted(numbers):
        raise refusal("the ends of buckets are a list of literal numbers, in their order", node, "write a CASE")
    ifs = [exp.If(this=exp.Is(this=node.this, expression=exp.Null()), true=exp.Null())]
    ifs += [exp.If(this=exp.LT(this=node.this.copy(), expression=end), true=exp.Literal.number(place))
            for place, end in enumerate(ends)]
    return exp.Case(ifs=ifs, default=exp.Literal.number(len(ends)))


def _middle(node: exp.Expr, dialect: str) -> exp.Expr:
    return substring(exp.Substring(**dict(zip(("this", "start", "length"), node.expressions, strict=False))), dialect)


def _days_added(node: exp.Expr, dialect: str) -> exp.Expr:
    kind = exp.DateAdd if str(node.this).lower() == "adddate" else exp.DateSub
    date, count = node.expressions
    return moved(kind(this=date, expression=count), dialect)


def _joda(node: exp.Expr, dialect: str) -> exp.Expr:
    value, given = node.expressions
    if not isinstance(given, exp.Literal):
        raise refusal("a format of dates is a literal", node)
    node.meta[formats.RAW] = given.this
    return formats.written(value, node, "spark")


def _pattern_place(node: exp.Expr, dialect: str) -> exp.Expr:
    """PATINDEX of a plain text between two %."""
    pattern, text = node.expressions
    given = pattern.this if isinstance(pattern, exp.Literal) else ""
    inner = given[1:-1] if given[:1] == given[-1:] == "%" else ""
    if not inner or any(letter in inner for letter in "%_["):
        raise refusal("PATINDEX takes a literal text between two %", node, "test with LIKE")
    return made("strpos(lower(x), t)", x=text, t=exp.Literal.string(inner.lower()))


def _cut(node: exp.Expr, dialect: str) -> exp.Expr:
    """TRUNC of one argument: the day of a moment, the whole part of a number."""
    found = exp.Trunc(this=node.expressions[0])
    found.meta[STAYS] = True
    return found


def _modified(node: exp.Expr, dialect: str) -> exp.Expr:
    """SQLite's date(d, 'start of month', '+1 day'): the modifiers one by one."""
    date, *steps = node.expressions
    found = made("CAST(a AS TIMESTAMP)", a=date)
    for step in steps:
        words = step.this.lower().split() if isinstance(step, exp.Literal) else []
        match words:
            case ["start", "of", "month" | "year" | "day" as unit]:
                found = exp.TimestampTrunc(this=found, unit=exp.Var(this=unit.upper()))
            case [count, unit] if count.lstrip("+-").isdigit() and unit.rstrip("s") in ("day", "month", "year"):
                found = made(f"d + INTERVAL ({int(count)}) {unit.rstrip('s')}", d=found)
            case _:
                raise refusal("this modifier of a date is not read", step, "'start of month' and '+1 day' are")
    return exp.cast(found, "DATE", copy=False) if str(node.this).lower() == "date" else found


_RULES: dict[str, tuple[set[str], Rule]] = {
    "choose": ({"tsql"}, _chosen), "field": ({"mysql"}, _field), "find_in_set": ({"mysql"}, _place_in_set),
    "mid": ({"mysql"}, _middle), "adddate": ({"mysql"}, _days_added), "subdate": ({"mysql"}, _days_added),
    "format_datetime": (TRINO, _joda), "patindex": ({"tsql"}, _pattern_place), "date": ({"sqlite"}, _modified),
    "trunc": ({"oracle"}, _cut),
}
RULES: dict[str, Rule] = {"Anonymous": _named, "Elt": _chosen, "RangeBucket": _bucketed,
                          "WidthBucket": _bucketed}
