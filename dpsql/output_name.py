"""output_name: what a select item is called; without an alias what DuckDB calls it, made of the analyst's own words."""

from __future__ import annotations

import re

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from dpsql.parse import written

_PLAIN = re.compile(r"[a-zA-Z_]\w*$", re.A)
_WORDS = (      # of DuckDB, that functions and columns are called; it prints them in quotes
    "access action called catalog century class columns comment content cost current data database day days decade "
    "distance domain error event family filter first functions global hour hours identity if index input interval "
    "json key label language last left level local location map match method microsecond microseconds millennium "
    "millisecond milliseconds minute minutes mode month months name names new next nullif object old operator "
    "overlay owner password percent plans policy position program quarter quarters range replace right role row rows "
    "rule sample schema scope second seconds security sequence server session share source start statement "
    "statistics storage struct substring system target text time timestamp transaction trim type types unknown "
    "update user valid value values version views volatile week weeks year years zone"
)
_KEYWORDS = frozenset(_WORDS.split())
_OPERATORS: dict[type[exp.Expr], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.IntDiv: "//", exp.Mod: "%", exp.Pow: "**",
    exp.DPipe: "||", exp.EQ: "=", exp.NEQ: "!=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
    exp.And: "AND", exp.Or: "OR", exp.NullSafeEQ: "IS NOT DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM", exp.BitwiseAnd: "&", exp.BitwiseOr: "|",
}
_LIKES: dict[type[exp.Expr], str] = {exp.Like: "~~", exp.ILike: "~~*"}
_CALLED: dict[type[exp.Expr], str] = {              # whatever the analyst called it
    exp.Coalesce: "COALESCE", exp.Grouping: "GROUPING", exp.GroupingId: "GROUPING", exp.Extract: "date_part",
}
_TYPES = {"INT": "INTEGER", "TEXT": "VARCHAR", "REAL": "FLOAT", "DECIMAL(18, 3)": "DECIMAL"}


def output_name(item: exp.Expr) -> str:
    """The name of a select item: its alias, its column, or its text as DuckDB would name it."""
    return item.alias_or_name if item.alias or isinstance(item, exp.Column) else _said(item)


def named(tree: exp.Expr) -> None:
    """Writes the name of every select item that has none behind it, so that no rewriting changes it."""
    for select in tree.find_all(exp.Select):
        for item in list(select.expressions):
            if not isinstance(item, exp.Alias | exp.Aliases | exp.Column | exp.Star | exp.Columns | exp.Dot):
                _name(item)


def _name(item: exp.Expr) -> None:
    if any(window.args.get("alias") for window in item.find_all(exp.Window)):
        return                          # it is called by the whole window, which is not written here
    alias = exp.Alias(alias=exp.to_identifier(_said(item), True))
    item.replace(alias)
    alias.set("this", item)


def _said(node: exp.Expr) -> str:
    match node:
        case exp.Paren():
            return _said(node.this)
        case exp.Column() if not isinstance(node.this, exp.Star):
            return ".".join(_quoted(part.name) for part in node.parts)
        case exp.Literal() if not node.is_string:
            return str(node.this)
        case exp.Boolean():
            return str(node.this).lower()
        case exp.Count() if isinstance(node.this, exp.Star | None):
            return "count()" if isinstance(node.parent, exp.Window) else "count_star()"
        case exp.Array():
            return f"list_value({_list(node.expressions)})"
        case exp.Distinct() if not node.args.get("on"):
            return f"DISTINCT {_list(node.expressions)}"
        case exp.Filter():
            return f"{_said(node.this)} FILTER (WHERE {_said(node.expression.this)})"
        case exp.WithinGroup(this=exp.PercentileCont() | exp.PercentileDisc() as quantile):
            kind = "cont" if isinstance(quantile, exp.PercentileCont) else "disc"
            return f"quantile_{kind}({_said(quantile.this)} ORDER BY {_list(node.expression.expressions)})"
        case exp.Window():
            return f"{_said(node.this)} OVER ({_over(node)})"
        case exp.Ordered():
            nulls = re.search(r" NULLS (FIRST|LAST)$", _text(node))
            return _said(node.this) + " DESC" * bool(node.args.get("desc")) + (nulls[0] if nulls else "")
        case exp.Func() if not isinstance(node, exp.Connector | exp.Cast | exp.Case) and (
            not isinstance(node, exp.Binary) or "start" in node.meta
        ):
            return _call(node)
        case _:
            return _operation(node)


def _operation(node: exp.Expr) -> str:
    match node:
        case exp.Neg():
            return f"-{_said(node.this)}" if isinstance(node.this, exp.Literal) else f"(-({_said(node.this)}))"
        case exp.Not(this=exp.Is(expression=exp.Null()) as test):
            return f"({_said(test.this)} IS NOT NULL)"
        case exp.Not():
            return f"(NOT {_said(node.this)})"
        case exp.Is(expression=exp.Null()):
            return f"({_said(node.this)} IS NULL)"
        case exp.In() if node.expressions and not isinstance(node.expressions[0], exp.Query):
            return f"({_said(node.this)} IN ({_list(node.expressions)}))"
        case exp.Between():
            return f"({_said(node.this)} BETWEEN {_said(node.args['low'])} AND {_said(node.args['high'])})"
        case exp.Case():
            return _case(node)
        case exp.Cast():
            kind = "TRY_CAST" if isinstance(node, exp.TryCast) else "CAST"
            return f"{kind}({_said(node.this)} AS {_TYPES.get(_text(node.to), _text(node.to))})"
        case exp.And() | exp.Or():
            return f"({f' {_OPERATORS[type(node)]} '.join(map(_said, node.flatten(unnest=False)))})"
        case exp.Like() | exp.ILike():
            negated = "!" if node.args.get("negate") else ""
            return f"({_said(node.this)} {negated}{_LIKES[type(node)]} {_said(node.expression)})"
        case exp.Mod() if "start" in node.meta:
            return f"mod({_said(node.this)}, {_said(node.expression)})"
        case exp.Binary() if type(node) in _OPERATORS:
            return f"({_said(node.this)} {_OPERATORS[type(node)]} {_said(node.expression)})"
        case _:
            return _text(node)


def _case(node: exp.Case) -> str:
    default = node.args.get("default")
    whens = [
        f"WHEN ({_said(when) if node.this is None else f'({_said(node.this)} = {_said(when)})'}) THEN ({_said(then)})"
        for when, then in ((each.this, each.args["true"]) for each in node.args["ifs"])
    ]
    return f"CASE  {' '.join(whens)} ELSE {'NULL' if default is None else _said(default)} END"


def _call(node: exp.Func) -> str:
    """A call by the name and with the arguments that stand in the text, in its order."""
    unit = next((part for part in map(node.args.get, ("unit", "this")) if isinstance(part, exp.Var)), None)
    values = [node.args.get(key) for key in node.arg_types]
    shown = [
        part for value in values for part in (value if isinstance(value, list) else [value])
        if isinstance(part, exp.Expr) and part is not unit and not _silent(part)
    ]
    places = [min((each.meta["start"] for each in part.walk() if "start" in each.meta), default=None) for part in shown]
    if None not in places:
        shown = [part for _, part in sorted(zip(places, shown, strict=True), key=lambda each: each[0] or 0)]
    said = [] if unit is None else [f"'{unit.name if isinstance(node, exp.Extract) else unit.name.lower()}'"]
    name = _CALLED.get(type(node)) or _quoted(written(node).lower())
    return f"{name}({', '.join([*said, *map(_said, shown)])})"


def _silent(part: exp.Expr) -> bool:
    """Whether a number is the parser's own, as the 10 of log10(x)."""
    return isinstance(part, exp.Literal) and not part.is_string and "start" not in part.meta


def _over(node: exp.Window) -> str:
    keys, order, frame = node.args.get("partition_by"), node.args.get("order"), node.args.get("spec")
    parts = [f"PARTITION BY {_list(keys)}"] if keys else []
    parts += [f"ORDER BY {_list(order.expressions)}"] if order else []
    return " ".join([*parts, _text(frame)] if frame else parts)


def _list(nodes: list[exp.Expr]) -> str:
    return ", ".join(map(_said, nodes))


def _quoted(name: str) -> str:
    """A name as DuckDB prints it inside of an expression."""
    plain = _PLAIN.match(name) and name.lower() not in _KEYWORDS
    return name if plain else '"' + name.replace('"', '""') + '"'


def _text(node: exp.Expr) -> str:
    text = node.sql("duckdb", normalize_functions="lower", comments=False, unsupported_level=ErrorLevel.IGNORE)
    return text.replace("count(*)", "count_star()")
