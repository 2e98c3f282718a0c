"""What the functions and patterns of texts become: lengths, parts, LIKE, regular expressions."""

from __future__ import annotations

import re

from sqlglot import exp

from dpsql.dialects.rules import ANY_CASE, POSTGRES, SPARK, TRINO, Rule, whole
from dpsql.dialects.templates import made
from dpsql.parse import refusal

_ESCAPED = {"mysql", "bigquery"} | POSTGRES | SPARK     # a backslash escapes in LIKE there
_DOLLAR = {"mysql"} | SPARK | TRINO                     # $1 is a group in a replacement there
_NULL_UNMATCHED = {"mysql"} | TRINO                     # what matches nothing gives no text there
_FIRST_AT_ZERO = {"bigquery", "oracle"} | SPARK                   # letter 0 is the first one there
_MOST_PARTS = 9
_ALL = 100                      # letters, as people write them who mean the rest
_WILD = {"%": r"[\s\S]*", "_": r"[\s\S]"}               # of LIKE, in a regular expression


def _length(node: exp.Expr, dialect: str) -> exp.Expr:
    """MySQL counts bytes, T-SQL no spaces at the end."""
    if dialect == "mysql" and node.args.get("binary"):
        return exp.Anonymous(this="strlen", expressions=[node.this])
    text = exp.Trim(this=node.this, position="TRAILING") if dialect == "tsql" else node.this
    return exp.Length(this=text)


def _bytes(node: exp.Expr, dialect: str) -> exp.Expr:
    return exp.Anonymous(this="strlen", expressions=[node.this])


def _text(node: exp.Expr, dialect: str) -> exp.Expr:
    """N'...' and r'...' are texts like any."""
    return exp.Literal.string(node.this)


# Patterns -----------------------------------------------------------------------------------------------------------


def _like(node: exp.Expr, dialect: str) -> exp.Expr:
    listed = node.expression.this.unnest() if isinstance(node.expression, exp.Any | exp.All) else None
    if isinstance(listed, exp.Tuple | exp.Array):
        return _any_of(node, listed, dialect)
    literal = node.expression.unnest()
    pattern = literal.this if isinstance(literal, exp.Literal) else ""
    if dialect == "tsql" and "[" in pattern:
        return _classes(node, pattern)
    kind = exp.ILike if dialect in ANY_CASE or isinstance(node, exp.ILike) else exp.Like
    found = kind(this=node.this, expression=node.expression, **({"negate": True} if node.args.get("negate") else {}))
    if dialect in _ESCAPED and "\\" in pattern and not isinstance(node.parent, exp.Escape):
        return exp.Escape(this=found, expression=exp.Literal.string("\\"))
    return found


def _any_of(node: exp.Expr, listed: exp.Expr, dialect: str) -> exp.Expr:
    """LIKE ANY (...) and LIKE ALL (...) of patterns that are listed."""
    tests = [_like(node.__class__(this=node.this.copy(), expression=each), dialect) for each in listed.expressions]
    found = (exp.or_ if isinstance(node.expression, exp.Any) else exp.and_)(*tests, copy=False)
    return exp.Not(this=exp.paren(found)) if node.args.get("negate") else exp.paren(found, copy=False)


def _classes(node: exp.Expr, pattern: str) -> exp.Expr:
    """T-SQL's [a-f] and [^a-f] among the letters of a pattern, as a regular expression that ignores case."""
    if isinstance(node.parent, exp.Escape):
        raise refusal("[...] and ESCAPE together are not read in tsql", node.expression, "write several LIKE, with OR")
    parts = re.findall(r"\[\^?[^\]]+\]|.", pattern, re.S)
    found = "".join(
        part.replace("\\", "\\\\") if len(part) > 1 else _WILD.get(part, _escaped(part))
        for part in parts
    )
    test = exp.RegexpFullMatch(this=node.this, expression=exp.Literal.string(f"(?i:{found})"))
    return exp.Not(this=test) if node.args.get("negate") else test


def _escaped(letter: str) -> str:
    """A letter that stands for itself in a regular expression."""
    return f"\\{letter}" if letter in r".^$*+?()[]{}|\/-" else letter


def _similar(node: exp.Expr, dialect: str) -> exp.Expr:
    """SIMILAR TO: a regular expression of the whole text, in which % and _ are those of LIKE."""
    pattern = node.expression.unnest()
    if not isinstance(pattern, exp.Literal):
        raise refusal("the pattern of SIMILAR TO is a literal", node)
    parts = re.findall(r"\\.|\[[^\]]*\]|.", pattern.this, re.S)
    found = "".join({**_WILD, ".": r"\.", "^": r"\^", "$": r"\$"}.get(part, part) for part in parts)
    return exp.RegexpFullMatch(this=node.this, expression=exp.Literal.string(found))


def _matched(node: exp.Expr, dialect: str) -> exp.Expr:
    if node.args.get("full_match"):
        return exp.RegexpFullMatch(this=node.this, expression=_flagged(node))
    if dialect == "mysql" and not node.args.get("flag"):
        node.set("flag", exp.Literal.string("i"))
    return node


def _flagged(node: exp.Expr) -> exp.Expr:
    """A pattern with its option written into it."""
    flag = node.args.get("flag")
    pattern: exp.Expr = node.args["expression"].unnest()
    if flag is None:
        return pattern
    if not isinstance(flag, exp.Literal) or flag.this not in ("i", "c") or not isinstance(pattern, exp.Literal):
        raise refusal("options of a regular expression are 'i' and 'c', behind a literal pattern", flag)
    return exp.Literal.string(f"(?i:{pattern.this})" if flag.this == "i" else pattern.this)


def _regexp_replaced(node: exp.Expr, dialect: str) -> exp.Expr:
    new = node.args.get("replacement")
    new = None if new is None else new.unnest()
    if dialect in _DOLLAR and isinstance(new, exp.Literal):
        if "\\" in new.this:
            raise refusal(f"a backslash in a replacement of {dialect} is not read", new, "leave it out")
        new = exp.Literal.string(re.sub(r"\$(\d)", r"\\\1", new.this))
        node.set("replacement", new)
    if not node.args.get("single_replace") or dialect == "redshift":
        if node.args.get("modifiers"):
            raise refusal("options of this regular expression are not read", node, "write them in the pattern")
        node.set("modifiers", exp.Literal.string("g"))
        node.set("single_replace", True)
    return node


def _regexp_extracted(node: exp.Expr, dialect: str) -> exp.Expr:
    """NULL, not an empty text, where nothing matches and the dialect says so."""
    missing = node.args.get("null_if_no_match") or dialect in _NULL_UNMATCHED
    for mark in ("null_if_no_match", "empty_if_group_missing"):
        node.set(mark, None)
    if not node.args.get("group"):
        node.set("group", exp.Literal.number(0))
    return _where_matched(node) if missing else node


def _where_matched(node: exp.Expr) -> exp.Expr:
    return made("CASE WHEN x ~ p THEN found END", x=node.this, p=node.expression, found=node)


def _regexp_part(node: exp.Expr, dialect: str) -> exp.Expr:
    """REGEXP_SUBSTR(x, p); MySQL's ignores case, as its REGEXP does."""
    pattern = node.expression.unnest()
    if len(node.args) > 2 or not isinstance(pattern, exp.Literal):
        raise refusal("REGEXP_SUBSTR takes a text and a literal pattern here", node)
    text = f"(?i:{pattern.this})" if dialect == "mysql" else pattern.this
    return _where_matched(
        exp.RegexpExtract(this=node.this, expression=exp.Literal.string(text), group=exp.Literal.number(0)))


def _regexp_counted(node: exp.Expr, dialect: str) -> exp.Expr:
    """REGEXP_COUNT(x, p): one letter is put behind each match, and the text is so much longer."""
    pattern = node.expression.unnest()
    try:
        empty = re.compile(pattern.this).search("") is not None if isinstance(pattern, exp.Literal) else True
    except (re.error, OverflowError):
        empty = True
    if len(node.args) > 2 or empty:
        raise refusal("REGEXP_COUNT takes a text and a literal pattern that does not match the empty text", node)
    return made("length(regexp_replace(x, p, r, 'g')) - length(x)", x=node.this, p=pattern,
                r=exp.Literal.string(r"\0."))


def first_match(text: exp.Expr, pattern: exp.Expr, place: exp.Expr) -> exp.Expr:
    """Postgres' substring(x from p) and regexp_match: the first group if the pattern has one, else all that matches."""
    pattern = pattern.unnest()
    try:
        groups = re.compile(pattern.this).groups if isinstance(pattern, exp.Literal) and pattern.is_string else None
    except (re.error, OverflowError):
        groups = None
    if groups is None:
        raise refusal("a regular expression is a literal here", place)
    group = exp.Literal.number(min(groups, 1))
    return _where_matched(exp.RegexpExtract(this=text, expression=pattern, group=group))


# Parts --------------------------------------------------------------------------------------------------------------


def substring(node: exp.Expr, dialect: str) -> exp.Expr:
    """Letters are counted from 1; before them, dialects differ."""
    given, length = node.args.get("start"), node.args.get("length")
    letter = _found(given, exp.Add, node.this)
    if letter is not None and (length is None or _reaches_end(length, node.this)):
        return _behind(node.this, letter)
    if whole(given) == 1 and (letter := _found(length, exp.Sub, node.this)) is not None:
        return _before(node.this, letter, exp.Literal.string(""))
    start = whole(given)
    if dialect in POSTGRES and isinstance(given, exp.Literal) and given.is_string:
        return first_match(node.this, given, node)
    if start == 0 and (node.args.get("zero_start") or dialect in _FIRST_AT_ZERO):
        node.set("start", exp.Literal.number(1))
    elif start is not None and (start == 0 or (start < 0 and dialect in POSTGRES | {"tsql"})):
        raise refusal(f"{dialect} counts letters before the first here, DuckDB does not", node, "start at 1 or later")
    node.set("zero_start", None)
    return node


def _found(node: exp.Expr | None, kind: type[exp.Binary], text: exp.Expr) -> exp.Literal | None:
    """The letter in POSITION(letter IN text) + 1, or - 1."""
    node = node.unnest() if node is not None else None
    if not isinstance(node, kind) or whole(node.expression) != 1 or not isinstance(node.this, exp.StrPosition):
        return None
    letter = node.this.args["substr"]
    plain = _bare(node.this.this) == _bare(text) and isinstance(letter, exp.Literal) and len(letter.this) == 1
    return letter if plain and node.this.args.get("position") is None else None


def _bare(text: exp.Expr) -> exp.Expr:
    """A text without a CAST to text around it, as the parser of T-SQL writes."""
    return _bare(text.this) if isinstance(text, exp.Paren | exp.Cast | exp.Trim) else text


def _reaches_end(length: exp.Expr, text: exp.Expr) -> bool:
    """Whether so many letters are all that are left: LENGTH of the text, or many."""
    return (isinstance(length, exp.Length) and _bare(length.this) == _bare(text)) or (whole(length) or 0) >= _ALL


def _behind(text: exp.Expr, letter: exp.Literal) -> exp.Expr:
    """What follows the first such letter; all of the text where there is none."""
    itself = _escaped(letter.this)
    pattern = exp.Literal.string(rf"^[^{itself}]*{itself}([\s\S]*)$")
    return made("CASE WHEN strpos(x, d) = 0 THEN x ELSE regexp_extract(x, p, 1) END", x=text, d=letter, p=pattern)


def _before(text: exp.Expr, letter: exp.Literal, other: exp.Expr) -> exp.Expr:
    """What stands before the first such letter."""
    return made("CASE WHEN strpos(x, d) = 0 THEN other ELSE split_part(x, d, 1) END", x=text, d=letter, other=other)


def _end(node: exp.Expr, dialect: str) -> exp.Expr:
    """LEFT and RIGHT; of fewer than no letters some dialects give none."""
    if isinstance(node, exp.Left) and (letter := _found(node.expression, exp.Sub, node.this)) is not None:
        short = exp.Left(this=node.this.copy(), expression=exp.Neg(this=exp.Literal.number(1)))
        return _before(node.this, letter, short if dialect in POSTGRES else exp.null())
    if (whole(node.expression) or 0) < 0 and node.args.get("negative_length_returns_empty"):
        raise refusal(f"a negative number of letters is none in {dialect}", node, "write a positive one")
    node.set("negative_length_returns_empty", None)
    return node


def _split(node: exp.Expr, dialect: str) -> exp.Expr:
    delimiter, place = node.args.get("delimiter"), whole(node.args.get("part_index"))
    if place == 0 and node.args.get("part_index_zero_as_one"):
        node.set("part_index", exp.Literal.number(1))
    if place is not None and isinstance(delimiter, exp.Literal) and delimiter.this:
        node.set("part_index_zero_as_one", None)
        node.set("empty_delimiter_returns_whole", None)
    return node


def delimited(
    text: exp.Expr, delimiter: exp.Expr, more: int, found: exp.Expr, other: exp.Expr | None = None,
) -> exp.Expr:
    """`found` where a text holds at least so many delimiters, else `other`, or nothing."""
    least = exp.Literal.number(more * len(delimiter.this))
    return made("CASE WHEN length(x) - length(replace(x, d, '')) >= n THEN found ELSE other END",
                x=text, d=delimiter, n=least, found=found, other=other or exp.null())


def _up_to(node: exp.Expr, dialect: str) -> exp.Expr:
    """SUBSTRING_INDEX(x, d, n): what stands before the n-th delimiter; behind it, counted from the end, below zero."""
    count, delimiter = whole(node.args.get("count")), node.args["delimiter"].unnest()
    stated = isinstance(delimiter, exp.Literal) and bool(delimiter.this)
    if count is None or not 0 < abs(count) <= _MOST_PARTS or not stated:
        raise refusal(f"SUBSTRING_INDEX takes a literal text, and a literal from 1 to {_MOST_PARTS}", node)
    places = range(1, count + 1) if count > 0 else range(count, 0)
    found: exp.Expr | None = None
    for place in places:
        part = made("split_part(x, d, n)", x=node.this, d=delimiter, n=_number(place))
        found = part if found is None else exp.DPipe(
            this=exp.DPipe(this=found, expression=delimiter.copy(), safe=True), expression=part, safe=True)
    assert found is not None, "there is a part"
    return found if abs(count) == 1 else delimited(node.this, delimiter, abs(count), found, node.this)


def _number(value: int) -> exp.Expr:
    return exp.Literal.number(value) if value >= 0 else exp.Neg(this=exp.Literal.number(-value))


def _position(node: exp.Expr, dialect: str) -> exp.Expr:
    """The place of a text in another; perhaps from a letter on."""
    node.set("clamp_position", None)
    if whole(node.args.get("occurrence")) == 1:
        node.set("occurrence", None)
    start = node.args.get("position")
    if start is None:
        return node
    first = whole(start)
    if first is None or first < 1 or node.args.get("occurrence"):
        raise refusal("the place to start from is a literal, from 1 on", start)
    return made("CASE WHEN strpos(substring(x, n), t) = 0 THEN 0 ELSE strpos(substring(x, n), t) + m END",
                x=node.this, t=node.args["substr"], n=exp.Literal.number(first), m=exp.Literal.number(first - 1))


def _replaced(node: exp.Expr, dialect: str) -> exp.Expr:
    """STUFF and OVERLAY: letters of a text cut out, and others put in."""
    start = whole(node.args.get("start") or node.args.get("from_"))
    new, length = node.expression, whole(node.args.get("length") or node.args.get("for_"))
    if length is None and isinstance(new, exp.Literal):
        length = len(new.this)
    if start is None or start < 1 or length is None or length < 0:
        raise refusal("the places of letters are literals, from 1 on", node)
    found = made("left(x, n) || new || substring(x, m)", x=node.this, new=new, n=exp.Literal.number(start - 1),
                 m=exp.Literal.number(start + length))
    if dialect != "tsql":
        return found
    return made("CASE WHEN length(x) >= n THEN found END", x=node.this, n=exp.Literal.number(start), found=found)


def _safe(node: exp.Expr, dialect: str) -> exp.Expr:
    """SAFE.f(x), and TRY(x): nothing fails here anyhow."""
    return exp.paren(node.this, copy=False)


RULES: dict[str, Rule] = {
    "ByteLength": _bytes, "ILike": _like, "Left": _end, "Length": _length, "Like": _like, "National": _text,
    "Overlay": _replaced, "RawString": _text, "RegexpCount": _regexp_counted, "RegexpExtract": _regexp_extracted,
    "RegexpLike": _matched, "RegexpReplace": _regexp_replaced, "RegexpSubstr": _regexp_part, "Right": _end,
    "SafeFunc": _safe, "SimilarTo": _similar, "SplitPart": _split, "StrPosition": _position, "Stuff": _replaced,
    "Substring": substring, "SubstringIndex": _up_to, "Try": _safe,
}
