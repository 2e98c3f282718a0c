"""Rows that rewrite text: replaced, padded, joined, coded. What could grow is cut, in and out, by public numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from dpsql.expression import BIGINT, INTEGER, VARCHAR, Call, Kind, Lit, Scalar, size_of
from dpsql.scalars import intervals
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.moments import MAX_COPIED
from dpsql.scalars.patterns import check_regexp, groups_of
from dpsql.scalars.rows import Ranges, Row, Sql, Taken, Takes, add, always, never
from dpsql.scalars.sql import function, named, tight
from dpsql.scalars.text import MAX_TEXT, constant, cut, text, texts
from dpsql.scalars.unify import cast

MAX_REPLACEMENT = 100    # characters put in place of each match
MAX_GROWN = 8 * MAX_TEXT  # characters a replacement may make before it is cut: 256 MB for a vector of 2048 such rows
LAST_PLAIN = 0xD7FF     # the last letter before the surrogates, which are none
MAX_PADDED = 1000        # characters LPAD and RPAD reach


def replaced(name: str, arg: Scalar) -> Lit:
    """A literal replacement of limited length."""
    found = constant(name, arg)
    if len(str(found.value)) > MAX_REPLACEMENT:
        raise ScalarError(f"{name} puts in at most {MAX_REPLACEMENT} characters")
    return found


def _grown(expression: exp.Expr, times: int) -> exp.Expr:
    """A text short enough that growing it so many times keeps within MAX_GROWN."""
    return exp.Left(this=expression, expression=exp.Literal.number(min(MAX_TEXT, MAX_GROWN // times)))


def _replace(args: tuple[Scalar, ...]) -> Taken:
    return (text("replace", args[0]), constant("replace", args[1]), replaced("replace", args[2])), VARCHAR


def _replace_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    _, old, new = (len(str(arg.value)) if isinstance(arg, Lit) else 0 for arg in call.args)
    if new <= old or not old:
        return exp.Replace(this=args[0], expression=args[1], replacement=args[2])
    return cut(exp.Replace(this=_grown(args[0], -(-new // old)), expression=args[1], replacement=args[2]))


def _regexp_replace(args: tuple[Scalar, ...]) -> Taken:
    name = "regexp_replace"
    pattern, new = constant(name, args[1]), replaced(name, args[2])
    flags = str(constant(name, args[3]).value) if len(args) > 3 else ""
    if set(flags) - set("gi"):
        raise ScalarError(f"{name} takes the options 'g' (every match) and 'i' (any case)")
    check_regexp(str(pattern.value))
    pieces = re.findall(r"\\(.?)", str(new.value), re.DOTALL)
    if any(not (piece.isascii() and piece.isdigit() and int(piece) <= groups_of(str(pattern.value))) and piece != "\\"
           for piece in pieces):
        raise ScalarError("a replacement writes \\0 to \\9 for the groups of its pattern, and \\\\ for \\")
    if "i" in flags:
        pattern = Lit(f"(?i:{pattern.value})", VARCHAR)
    return (text(name, args[0]), pattern, new, *((Lit("g", VARCHAR),) if "g" in flags else ())), VARCHAR


def _regexp_replace_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """An empty match puts the replacement before every letter, a group in it the whole match."""
    new = call.args[2]
    assert isinstance(new, Lit)
    names = ("this", "expression", "replacement", "modifiers")
    subject = _grown(args[0], 1 + len(str(new.value))) if new.value else args[0]
    found = exp.RegexpReplace(**dict(zip(names, (subject, *args[1:]), strict=False)), single_replace=True)
    return cut(found) if new.value else found


def _extracted(args: tuple[Scalar, ...]) -> Taken:
    name = "regexp_extract"
    pattern = constant(name, args[1])
    check_regexp(str(pattern.value))
    group = args[2].value if len(args) > 2 and isinstance(args[2], Lit) else 0
    if type(group) is not int or not 0 <= group <= groups_of(str(pattern.value)):
        raise ScalarError(f"{name} takes the number of a group of its pattern")
    return (text(name, args[0]), pattern, Lit(group, INTEGER)), VARCHAR


def _extracted_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.RegexpExtract(this=args[0], expression=args[1], group=args[2], null_if_pos_overflow=True)


def _padded(name: str) -> Takes:
    def takes(args: tuple[Scalar, ...]) -> Taken:
        length = args[1].value if isinstance(args[1], Lit) else None
        fill = constant(name, args[2]) if len(args) > 2 else Lit(" ", VARCHAR)
        if type(length) is not int or not 0 <= length <= MAX_PADDED:
            raise ScalarError(f"{name} takes a literal length, at most {MAX_PADDED}")
        if not fill.value:
            raise ScalarError(f"{name} takes at least one letter to fill with")
        return (text(name, args[0]), Lit(length, INTEGER), fill), VARCHAR

    return takes


def _padded_sql(is_left: bool) -> Sql:
    return lambda call, args, ranges: exp.Pad(
        this=args[0], expression=args[1], fill_pattern=args[2], is_left=is_left)


def _joined(args: tuple[Scalar, ...]) -> Taken:
    if len(args) < 2:
        raise ScalarError("concat_ws takes a separator and texts")
    return (replaced("concat_ws", args[0]), *(cast(arg, VARCHAR) for arg in args[1:])), VARCHAR


def _joined_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return cut(exp.ConcatWs(expressions=list(args), safe=True, coalesce=True))


def _translated(args: tuple[Scalar, ...]) -> Taken:
    return (text("translate", args[0]), constant("translate", args[1]), constant("translate", args[2])), VARCHAR


def _letter(args: tuple[Scalar, ...]) -> Taken:
    if args[0].type.kind is not Kind.INTEGER:
        raise ScalarError(f"chr takes an integer, not {args[0].type}")
    if size_of(args[0]) > MAX_COPIED:
        raise ScalarError("this expression is too large", hint="compute it in a derived table first")
    return (cast(args[0], INTEGER),), VARCHAR


def _letter_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """NULL for what is no letter, so that nothing is left for TRY to catch."""
    first, last = exp.Literal.number(0), exp.Literal.number(LAST_PLAIN)
    inside = exp.Between(this=tight(args[0].copy()), low=first, high=last)
    letter = exp.Try(this=exp.Chr(expressions=[args[0]], charset=False))
    return exp.Case(ifs=[exp.If(this=inside, true=letter)])


add(
    Row("chr", _letter, _letter_sql, nulls=always),
    Row("replace", _replace, _replace_sql, nodes=("Replace this expression replacement",)),
    Row("regexp_replace", _regexp_replace, _regexp_replace_sql,
        nodes=("RegexpReplace this expression replacement modifiers?",)),
    Row("regexp_extract", _extracted, _extracted_sql, nodes=("RegexpExtract this expression group?",)),
    Row("lpad", _padded("lpad"), _padded_sql(True)),
    Row("rpad", _padded("rpad"), _padded_sql(False)),
    Row("concat_ws", _joined, _joined_sql, nulls=never, nodes=("ConcatWs expressions",)),
    Row("translate", _translated, function(exp.Translate, "this", "from_", "to"), nodes=("Translate this from_ to",)),
    Row("strip_accents", texts("strip_accents"), named("STRIP_ACCENTS"), names=("strip_accents",)),
    Row("md5", texts("md5"), function(exp.MD5), nodes=("MD5 this",)),
    Row("ascii", texts("ascii", INTEGER), function(exp.Ascii), intervals.fixed(0, 0x10FFFF), nodes=("Ascii this",)),
    Row("unicode", texts("unicode", INTEGER), function(exp.Unicode), intervals.fixed(-1, 0x10FFFF),
        nodes=("Unicode this",), names=("ord",)),
    Row("bit_length", texts("bit_length", BIGINT), function(exp.BitLength), intervals.fixed(0, 1 << 36),
        nodes=("BitLength this",)),
)
