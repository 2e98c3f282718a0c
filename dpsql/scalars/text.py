"""Rows of text. Patterns, lengths and positions are literals: their cost and their errors are those of the query."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dpsql.expression import BIGINT, BOOLEAN, INTEGER, VARCHAR, Call, Kind, Lit, Scalar, SqlType
from dpsql.scalars import intervals, patterns
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.rows import Ranges, Row, Sql, Taken, Takes, add, never
from dpsql.scalars.sql import chained, compared, function, named, tight
from dpsql.scalars.unify import cast

MAX_OFFSET = 1 << 20     # of positions and lengths in text
MAX_TEXT = 1 << 14       # characters that || and concat keep


def text(name: str, arg: Scalar) -> Scalar:
    """A text argument. ScalarError for any other type."""
    if arg.type.kind not in (Kind.VARCHAR, Kind.NULL):
        raise ScalarError(f"{name} takes text, not {arg.type}", hint="write CAST(... AS VARCHAR)")
    return cast(arg, VARCHAR)


def texts(name: str, gives: SqlType = VARCHAR) -> Takes:
    """Texts, whatever their number."""
    return lambda args: (tuple(text(name, arg) for arg in args), gives)


def joined(arg: Scalar) -> Scalar:
    """Literal texts joined by || (`'%' || ? || '%'`, as tools write it) as the one text they make."""
    if isinstance(arg, Call) and arg.name == "||":
        parts = [part.value for part in map(joined, arg.args) if isinstance(part, Lit) and isinstance(part.value, str)]
        return Lit("".join(parts), VARCHAR) if len(parts) == len(arg.args) else arg
    return arg


def _piped(args: tuple[Scalar, ...]) -> Taken:
    """|| writes anything as text."""
    return tuple(cast(arg, VARCHAR) for arg in args), VARCHAR


def constant(name: str, arg: Scalar) -> Lit:
    """A literal text argument. ScalarError for any other."""
    arg = joined(arg)
    if not isinstance(arg, Lit) or not isinstance(arg.value, str) or arg.type != VARCHAR:
        raise ScalarError(f"{name} takes a literal text here", hint="contains(a, b) and starts_with(a, b) take columns"
                          if name.endswith("LIKE") else "write the text out, or pass it as a parameter")
    if "\0" in arg.value:
        raise ScalarError("text holds no zero character")
    return arg


def _place(name: str, arg: Scalar) -> Lit:
    value = arg.value if isinstance(arg, Lit) else None
    if type(value) is not int or abs(value) > MAX_OFFSET:
        raise ScalarError(f"{name} takes a literal number here, at most {MAX_OFFSET}", hint="write the number out")
    return Lit(value, INTEGER)


def _placed(name: str) -> Takes:
    """Text, then literal numbers."""
    return lambda args: ((text(name, args[0]), *(_place(name, arg) for arg in args[1:])), VARCHAR)


def _matched(name: str, check: patterns.Check) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        if len(args) != 2:
            raise ScalarError(f"{name} takes a text and a pattern")
        pattern = constant(name, args[1])
        check(str(pattern.value))
        return (text(name, args[0]), pattern), BOOLEAN

    return takes


def _escaped(name: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        pattern, escape = (constant(name, arg) for arg in args[1:])
        patterns.check_escape(str(pattern.value), str(escape.value))
        return (text(name, args[0]), pattern, escape), BOOLEAN

    return takes


def _escape_sql(kind: type[exp.Expr]) -> Sql:
    def printed(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
        like = compared(kind)(call, args[:2], ranges)
        return exp.Escape(this=like, expression=args[2])

    return printed


def _split(args: tuple[Scalar, ...]) -> Taken:
    return (text("split_part", args[0]), constant("split_part", args[1]), _place("split_part", args[2])), VARCHAR


def _printable(args: tuple[Scalar, ...]) -> Taken:
    """concat skips NULL and writes anything as text."""
    if not args:
        raise ScalarError("concat takes at least one text")
    return tuple(cast(arg, VARCHAR) for arg in args), VARCHAR


def _trim_sql(position: str | None) -> Sql:
    def printed(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
        node = exp.Trim(this=args[0], expression=args[1]) if len(args) > 1 else exp.Trim(this=args[0])
        if position is not None:
            node.set("position", position)
        return node

    return printed


def _trimmed(name: str) -> Takes:
    return lambda args: ((text(name, args[0]), *(constant(name, arg) for arg in args[1:])), VARCHAR)


def _pipe(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """Cut, or views that double a text one over another would make one row fill the memory."""
    parts = [part.this if isinstance(arg, Call) and arg.name == "||" else part
             for arg, part in zip(call.args, args, strict=True)]
    return cut(exp.DPipe(this=chained(parts[0], exp.DPipe), expression=tight(parts[1]), safe=True))


def cut(expression: exp.Expr) -> exp.Expr:
    """The first MAX_TEXT characters."""
    return exp.Left(this=expression, expression=exp.Literal.number(MAX_TEXT))


def _concat_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return cut(exp.Concat(expressions=list(args), safe=True, coalesce=True))


_COUNT = intervals.fixed(0, 1 << 32)


def _simple(name: str, kind: type[exp.Expr]) -> Row:
    return Row(name, texts(name), function(kind), nodes=(f"{kind.__name__} this",))


add(
    _simple("upper", exp.Upper), _simple("lower", exp.Lower), _simple("reverse", exp.Reverse),
    Row("length", texts("length", BIGINT), function(exp.Length), _COUNT, nodes=("Length this",)),
    Row("strlen", texts("strlen", BIGINT), named("STRLEN"), _COUNT, names=("strlen",)),
    Row("trim", _trimmed("trim"), _trim_sql(None)),
    Row("ltrim", _trimmed("ltrim"), _trim_sql("LEADING")),
    Row("rtrim", _trimmed("rtrim"), _trim_sql("TRAILING")),
    Row("substring", _placed("substring"), function(exp.Substring, "this", "start", "length"),
        nodes=("Substring this start length?",)),
    Row("left", _placed("left"), function(exp.Left, "this", "expression"), nodes=("Left this expression",)),
    Row("right", _placed("right"), function(exp.Right, "this", "expression"), nodes=("Right this expression",)),
    Row("||", _piped, _pipe,
        nodes=("DPipe this expression",)),
    Row("concat", _printable, _concat_sql, nulls=never, nodes=("Concat expressions",)),
    Row("starts_with", texts("starts_with", BOOLEAN), function(exp.StartsWith, "this", "expression"),
        nodes=("StartsWith this expression",), names=("prefix",), arity=2),
    Row("ends_with", texts("ends_with", BOOLEAN), function(exp.EndsWith, "this", "expression"),
        nodes=("EndsWith this expression",), names=("suffix",), arity=2),
    Row("contains", texts("contains", BOOLEAN), function(exp.Contains, "this", "expression"),
        nodes=("Contains this expression",)),
    Row("strpos", texts("strpos", BIGINT), function(exp.StrPosition, "this", "substr"), _COUNT,
        nodes=("StrPosition this substr",)),
    Row("split_part", _split, function(exp.SplitPart, "this", "delimiter", "part_index"),
        nodes=("SplitPart this delimiter part_index",)),
    Row("like", _matched("LIKE", patterns.check_like), compared(exp.Like)),
    Row("ilike", _matched("ILIKE", patterns.check_like), compared(exp.ILike)),
    Row("like_escape", _escaped("LIKE"), _escape_sql(exp.Like)),
    Row("ilike_escape", _escaped("ILIKE"), _escape_sql(exp.ILike)),
    Row("regexp_matches", _matched("regexp_matches", patterns.check_regexp),
        function(exp.RegexpLike, "this", "expression")),
    Row("regexp_full_match", _matched("regexp_full_match", patterns.check_regexp),
        function(exp.RegexpFullMatch, "this", "expression"),
        nodes=("RegexpFullMatch this expression", "SimilarTo this expression")),
)
