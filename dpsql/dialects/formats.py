"""Formats of dates in other dialects, letter by letter: each becomes what DuckDB writes or reads, or is refused.

A dialect's format is taken from the query's own text, for the parser keeps only what it made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from dpsql.dialects.rules import POSTGRES, SPARK, TRINO
from dpsql.parse import refusal

RAW = "raw"         # in the meta of a node: the format as it is written

Piece = tuple[str, str]         # how it is written, and DuckDB's format: "" plain, "upper", "lower", "pad", ...

_NUMERIC = {                    # of Postgres and Snowflake, in any case; FM leaves out a leading zero or blanks
    "YYYY": "%Y", "YY": "%y", "IYYY": "%G", "MM": "%m", "DDD": "%j", "DD": "%d", "ID": "%u", "IW": "%V",
    "HH24": "%H", "HH12": "%I", "HH": "%I", "MI": "%M", "SS": "%S", "MS": "%g", "US": "%f",
}
_NOT_ORACLE = ("ID", "MS", "US", "IYYY")
_SNOWFLAKE = {
    "YYYY": "%Y", "YY": "%y", "MMMM": "%B", "MM": "%m", "MON": "%b", "DD": "%d", "DY": "%a", "HH24": "%H",
    "HH12": "%I", "AM": "%p", "PM": "%p", "MI": "%M", "SS": "%S", "FF3": "%g", "FF6": "%f",
}
_NAMES = {"MONTH": "%B", "MON": "%b", "DAY": "%A", "DY": "%a"}      # written as the name of the part is
_PADDED = ("MONTH", "DAY")
_LONGEST_NAME = 9
_JAVA = {
    "y": "%Y", "yyyy": "%Y", "yy": "%y", "M": "%-m", "MM": "%m", "MMM": "%b", "MMMM": "%B", "L": "%-m", "LL": "%m",
    "d": "%-d", "dd": "%d", "D": "%-j", "DDD": "%j", "E": "%a", "EE": "%a", "EEE": "%a", "EEEE": "%A", "a": "%p",
    "H": "%-H", "HH": "%H", "h": "%-I", "hh": "%I", "m": "%-M", "mm": "%M", "s": "%-S", "ss": "%S", "SSS": "%g",
    "SSSSSS": "%f",
}
_NET = {
    "yyyy": "%Y", "yy": "%y", "M": "%-m", "MM": "%m", "MMM": "%b", "MMMM": "%B", "d": "%-d", "dd": "%d", "ddd": "%a",
    "dddd": "%A", "H": "%-H", "HH": "%H", "h": "%-I", "hh": "%I", "m": "%-M", "mm": "%M", "s": "%-S", "ss": "%S",
    "fff": "%g", "ffffff": "%f", "tt": "%p",
}
_SAME = dict.fromkeys("aAbBdHIjmpSyYw%")
_PERCENT: dict[str, dict[str, str]] = {
    "mysql": {
        "a": "%a", "b": "%b", "c": "%-m", "d": "%d", "e": "%-d", "f": "%f", "H": "%H", "h": "%I", "I": "%I", "i": "%M",
        "j": "%j", "k": "%-H", "l": "%-I", "M": "%B", "m": "%m", "p": "%p", "r": "%I:%M:%S %p", "S": "%S", "s": "%S",
        "T": "%H:%M:%S", "U": "%U", "W": "%A", "w": "%w", "Y": "%Y", "y": "%y", "v": "%V", "x": "%G", "%": "%%",
    },
    "bigquery": {letter: f"%{letter}" for letter in "aAbBdHIjmMpSYyw%"} | {
        "h": "%b", "D": "%m/%d/%y", "x": "%m/%d/%y", "F": "%Y-%m-%d", "G": "%G", "R": "%H:%M", "T": "%H:%M:%S",
        "X": "%H:%M:%S", "U": "%U", "u": "%u", "V": "%V", "W": "%W",
    },
    "sqlite": {letter: f"%{letter}" for letter in "dHIjmMSwWUuVGYp%"} | {
        "F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "f": "%S.%g",
    },
}
_KINDS = (exp.TimeToStr, exp.ToChar, exp.StrToTime, exp.StrToDate, exp.TsOrDsToDate, exp.ParseDatetime, exp.StrToUnix)
_ENGLISH = ("en-us", "en-gb", "en")
_FORMAT_FIRST = {"bigquery", "sqlite", "tsql"}
_TEXTS = (TokenType.STRING, TokenType.RAW_STRING, TokenType.NATIONAL_STRING)
_OF_NUMBERS = re.compile(r"[SLFM\s$]*[09][09DG.,VPRMIS%\s]*", re.I)


def mark(tree: exp.Query, sql: str, dialect: str) -> None:
    """Notes the format that each function of dates was written with."""
    nodes = {node.meta["start"]: node for node in tree.find_all(*_KINDS)
             if "start" in node.meta and node.args.get("format") is not None}
    tokens = sqlglot.tokenize(sql, read=dialect) if nodes else []
    for i, token in enumerate(tokens):
        if (node := nodes.get(token.start)) is None:
            continue
        depth = 0
        for inner in tokens[i + 1:]:
            depth += (inner.token_type is TokenType.L_PAREN) - (inner.token_type is TokenType.R_PAREN)
            if depth == 1 and inner.token_type in _TEXTS and not (RAW in node.meta and dialect in _FORMAT_FIRST):
                node.meta[RAW] = inner.text
            if depth == 0:
                break


def written(value: exp.Expr, node: exp.Expr, dialect: str) -> exp.Expr:
    """A date as text, in the format of a node."""
    found: exp.Expr | None = None
    for how, group in groupby(_pieces(node, dialect), key=lambda piece: piece[0]):
        for text in (["".join(text for _, text in group)] if not how else [text for _, text in group]):
            shown = _shown(how, text, value.copy())
            found = shown if found is None else exp.DPipe(this=found, expression=shown, safe=True)
    if found is None:
        raise refusal("a format of dates says something", node)
    return exp.paren(found, copy=False) if isinstance(found, exp.DPipe) else found


def plain(node: exp.Expr, dialect: str) -> exp.Expr:
    """The format of a node that reads a text."""
    pieces = _pieces(node, dialect)
    if any(how in ("quarter", "weekday") for how, _ in pieces):
        raise refusal("a quarter or a day of the week tells no date", node)
    return exp.Literal.string("".join(text for _, text in pieces))


def _shown(how: str, text: str, value: exp.Expr) -> exp.Expr:
    shown: exp.Expr = exp.TimeToStr(this=value, format=exp.Literal.string(text))
    match how:
        case "upper":
            return exp.Upper(this=shown)
        case "lower":
            return exp.Lower(this=shown)
        case "pad" | "pad upper" | "pad lower":
            shown = _shown(how[4:], text, value)
            width = exp.Literal.number(_LONGEST_NAME)
            return exp.Pad(this=shown, expression=width, fill_pattern=exp.Literal.string(" "), is_left=False)
        case "space":
            width = exp.Literal.number(2)
            return exp.Pad(this=shown, expression=width, fill_pattern=exp.Literal.string(" "), is_left=True)
        case "quarter":
            return exp.cast(exp.Extract(this=exp.Var(this="QUARTER"), expression=value), "TEXT", copy=False)
        case "weekday":                     # 1 is Sunday
            day = exp.Extract(this=exp.Var(this="DOW"), expression=value)
            return exp.cast(exp.paren(exp.Add(this=day, expression=exp.Literal.number(1))), "TEXT", copy=False)
    return shown


def _pieces(node: exp.Expr, dialect: str) -> list[Piece]:
    raw, given = node.meta.get(RAW), node.args.get("format")
    culture = node.args.get("culture")
    if node.args.get("zone") or (culture is not None and culture.name.lower() not in _ENGLISH):
        raise refusal("names and hours are those of English, and of the tables' own clock", node,
                      "leave the zone or the language out")
    if raw is None and isinstance(given, exp.Literal) and re.fullmatch("%[ABY]", given.this):
        return [("", given.this)]               # of MONTHNAME, DATENAME and the like
    if raw is None:
        raise refusal("a format of dates is a literal in the text", node)
    if dialect in POSTGRES | {"snowflake", "oracle"} and _OF_NUMBERS.fullmatch(raw):
        raise refusal("formats of numbers are not read", node, "ROUND(x, 2) cuts it, CAST(x AS VARCHAR) writes it")
    if dialect in SPARK:
        found = _runs(raw, _JAVA, node, dialect)
    elif dialect == "tsql":
        found = _runs(raw, _NET if len(raw) > 1 else {}, node, dialect)
    elif dialect in POSTGRES | {"oracle"}:
        found = _templates(raw, node, dialect)
    elif dialect == "snowflake":
        found = _words(raw, node)
    else:
        found = _percents(raw, node, dialect)
    return list(found)


def _unread(part: str, node: exp.Expr, dialect: str) -> Exception:
    return refusal(
        f"{part} in a format of {dialect} is not read", node, "years, months, days, hours, minutes and seconds are")


def _literal(text: str) -> Piece:
    return "", text.replace("%", "%%")


def _runs(raw: str, table: dict[str, str], node: exp.Expr, dialect: str) -> Iterator[Piece]:
    """Runs of one letter, as Java and .NET write them; '...' stands for itself."""
    for run in re.finditer(r"'((?:[^']|'')*)'|(([a-zA-Z])\3*)|[^a-zA-Z']+|'", raw):
        quoted, part = run[1], run[2]
        if quoted is not None:
            yield _literal(quoted.replace("''", "'") or "'")
        elif part is None:
            yield _literal(run[0])
        elif part in table:
            yield "", table[part]
        elif part in ("Q", "q") and table is _JAVA:
            yield "quarter", ""
        else:
            raise _unread(part, node, dialect)


def _templates(raw: str, node: exp.Expr, dialect: str) -> Iterator[Piece]:
    """The templates of Postgres: a name is written in the case of its template, and filled with blanks but after FM.

    In Oracle FM holds until the next one.
    """
    numeric = {key: text for key, text in _NUMERIC.items() if dialect != "oracle" or key not in _NOT_ORACLE}
    words = [*_NAMES, *numeric, "AM", "PM", "Q", "D"]
    known = "|".join(sorted(words, key=len, reverse=True))
    bare = False
    for part in re.finditer(rf'"([^"]*)"|(FM|TM)|({known})|([^a-zA-Z"])|.', raw, re.I):
        quoted, prefix, word, other = part.groups()
        if prefix is not None:
            bare = not bare
            continue
        if quoted is not None or other is not None:
            yield _literal(quoted if other is None else other)
        elif word is None:
            raise _unread(part[0], node, dialect)
        elif (name := word.upper()) in _NAMES:
            case = "upper" if word.isupper() else "lower" if word.islower() else ""
            yield f"{'pad' if name in _PADDED and not bare else ''} {case}".strip(), _NAMES[name]
        elif name in ("AM", "PM"):
            yield ("" if word.isupper() else "lower"), "%p"
        elif name in ("Q", "D"):
            yield {"Q": "quarter", "D": "weekday"}[name], ""
        else:
            yield "", _unfilled(numeric[name]) if bare else numeric[name]
        bare = bare and dialect == "oracle"


def _unfilled(text: str) -> str:
    return "%-" + text[1:] if text[1:] in ("m", "d", "j", "H", "I", "M", "S") else text


def _words(raw: str, node: exp.Expr) -> Iterator[Piece]:
    known = "|".join(sorted(_SNOWFLAKE, key=len, reverse=True))
    for part in re.finditer(rf'"([^"]*)"|({known})|([^a-zA-Z"])|.', raw, re.I):
        quoted, word, other = part.groups()
        if word is not None:
            yield "", _SNOWFLAKE[word.upper()]
        elif quoted is None and other is None:
            raise _unread(part[0], node, "snowflake")
        else:
            yield _literal(quoted if other is None else other)


def _percents(raw: str, node: exp.Expr, dialect: str) -> Iterator[Piece]:
    """Letters behind %, as in C, but no two systems agree on all."""
    table = _PERCENT["mysql" if dialect in TRINO else dialect]
    for part in re.finditer(r"%(.?)|[^%]+", raw, re.S):
        letter = part[1]
        if letter is None:
            yield "", part[0]
        elif letter in table:
            yield "", table[letter]
        elif letter == "e" and dialect != "mysql":
            yield "space", "%-d"
        elif letter == "Q" and dialect == "bigquery":
            yield "quarter", ""
        else:
            raise _unread(part[0], node, dialect)
