"""Texts that are split: one part by its place, how many there are, and parts as rows."""

from __future__ import annotations

import re

from sqlglot import exp

from dpsql.dialects.rules import POSTGRES, SPARK, Rule, whole
from dpsql.dialects.templates import made
from dpsql.dialects.texts import delimited, first_match
from dpsql.parse import refusal

_SPLITS = (exp.Split, exp.RegexpSplit, exp.StringToArray)
_PLAIN = r"(?:[^\\.^$*+?()\[\]{}|]|\\[^a-zA-Z0-9]|\[[^\\^\]]\])+"      # a regular expression of plain letters


def _separator(split: exp.Expr) -> exp.Expr:
    """The literal that parts are divided by; Spark writes it as a regular expression."""
    given = split.expression.unnest() if split.expression is not None else exp.Literal.string(",")
    text = given.this if isinstance(given, exp.Literal) and given.is_string else ""
    if any(split.args.get(name) for name in ("limit", "mode", "null")):
        raise refusal("a text is split at every separator, and no part of it is NULL", split,
                      "leave out what stands behind the separator")
    if isinstance(split, exp.RegexpSplit) and text:
        text = re.sub(r"\\(.)|\[(.)\]", r"\1\2", text) if re.fullmatch(_PLAIN, text) else ""
    if not text:
        raise refusal("a text is split at a literal one, which is no pattern", split)
    return exp.Literal.string(text)


def _place(node: exp.Expr) -> int:
    """Which part is asked for, from 1 on, or below zero from the end. The parser counts from 0 where nothing else
    stands."""
    given = whole(node.expressions[0]) if len(node.expressions) == 1 else None
    first = node.args.get("offset")
    place = None if given is None else given - (first or 0) + 1
    if first == 1 and given is not None and given < 0 and node.args.get("safe") is False:
        return given                                        # ELEMENT_AT(..., -1) is the last
    if place is None or place < 1:
        raise refusal("the place of a part is a literal, not before the first", node)
    return place


def _part(node: exp.Expr, dialect: str) -> exp.Expr:
    """SPLIT(x, d)[n]: NULL behind the last part."""
    split = node.this.unnest()
    if isinstance(split, exp.Anonymous) and str(split.this).lower() == "regexp_match":
        if _place(node) != 1 or len(split.expressions) != 2:
            raise refusal("the first group of a match is read", node)
        return first_match(split.expressions[0], split.expressions[1], node)
    if not isinstance(split, _SPLITS):
        return node
    place, delimiter = _place(node), _separator(split)
    sign = exp.Literal.number(place) if place > 0 else exp.Neg(this=exp.Literal.number(-place))
    found = made("split_part(x, d, n)", x=split.this, d=delimiter, n=sign)
    if place == 1 and isinstance(split, exp.StringToArray):      # of an empty text it is empty
        return made("CASE WHEN x <> '' THEN found END", x=split.this, found=found)
    return found if abs(place) == 1 else delimited(split.this, delimiter, abs(place) - 1, found)


def _count(node: exp.Expr, dialect: str) -> exp.Expr:
    """How many parts a text has; how many different values a set of them, as in size(collect_set(x)), has."""
    split = node.this.unnest()
    if isinstance(split, exp.ArrayUniqueAgg):
        return exp.Count(this=exp.Distinct(expressions=[split.this]))
    if not isinstance(split, _SPLITS) or (whole(node.expression) if node.expression is not None else 1) != 1:
        return node
    delimiter = _separator(split)
    length = exp.Literal.number(len(delimiter.this))
    return made("(length(x) - length(replace(x, d, ''))) // n + 1", x=split.this, d=delimiter, n=length)


def _rows(node: exp.Expr, dialect: str) -> exp.Expr:
    """UNNEST of a split text."""
    split = node.expressions[0] if len(node.expressions) == 1 else None
    if not isinstance(split, _SPLITS):
        return node
    alias = node.args.get("alias")
    if alias is not None and not alias.columns and alias.args.get("this") is not None and dialect in POSTGRES:
        alias.set("columns", [alias.this.copy()])           # `AS w` names the column too
    node.set("expressions", [exp.Split(this=split.this, expression=_separator(split))])
    return node


def viewed(node: exp.Expr, dialect: str) -> exp.Expr:
    """LATERAL VIEW explode(split(x, d)) t AS w is CROSS JOIN UNNEST."""
    laterals = node.args.get("laterals") or []
    if dialect in SPARK | POSTGRES and node.args.get("from_") is not None:
        _selected(node)
    if dialect not in SPARK or not laterals:
        return node
    for lateral in laterals:
        split = lateral.this.this if type(lateral.this) is exp.Explode else None
        if not isinstance(split, _SPLITS) or lateral.args.get("outer"):
            raise refusal("LATERAL VIEW is answered for explode(split(x, ','))", lateral, "join the rows instead")
        node.append("joins", exp.Join(kind="CROSS", this=_unnested(split, lateral.args.get("alias"))))
    node.set("laterals", None)
    return node


def _selected(select: exp.Expr) -> None:
    """SELECT explode(split(x, d)) AS w, and unnest(string_to_array(x, d)): the parts are joined, and selected."""
    items = [item.this if isinstance(item, exp.Alias) else item for item in select.expressions]
    made = [i for i, item in enumerate(items) if type(item) is exp.Explode and isinstance(item.this, _SPLITS)]
    if len(made) != 1:
        return
    item = select.expressions[made[0]]
    name = item.args["alias"] if isinstance(item, exp.Alias) else exp.to_identifier("part")
    table = exp.TableAlias(this=exp.to_identifier("parts"), columns=[name.copy()])
    select.append("joins", exp.Join(kind="CROSS", this=_unnested(items[made[0]].this, table)))
    items[made[0]].replace(exp.Column(this=name.copy(), table=exp.to_identifier("parts")))


def _unnested(split: exp.Expr, alias: exp.Expr | None) -> exp.Unnest:
    parts = exp.Split(this=split.this.copy(), expression=_separator(split))
    return exp.Unnest(expressions=[parts], alias=None if alias is None else alias.copy())


def _applied(node: exp.Expr, dialect: str) -> exp.Expr:
    """CROSS APPLY STRING_SPLIT(x, d) t, and Snowflake's SPLIT_TO_TABLE and FLATTEN(SPLIT(x, d)): t.value is a part.

    CROSS APPLY of a query is CROSS JOIN LATERAL, and OUTER APPLY is LEFT JOIN LATERAL.
    """
    lateral, found = node.this, None
    if not isinstance(lateral, exp.Lateral):
        return node
    inner, outer = lateral.this, lateral.args.get("cross_apply") is False or bool(lateral.args.get("outer"))
    if isinstance(inner, exp.Subquery) and lateral.args.get("cross_apply") is not None:
        whole = exp.Lateral(this=inner, alias=lateral.args.get("alias"))
        return exp.Join(this=whole, **({"side": "LEFT", "on": exp.true()} if outer else {"kind": "CROSS"}))
    if isinstance(inner, exp.Anonymous) and str(inner.this).lower() == "string_split" and len(inner.expressions) == 2:
        found = exp.Split(this=inner.expressions[0], expression=inner.expressions[1])
    elif isinstance(inner, exp.SplitToTable):
        found = exp.Split(this=inner.this, expression=inner.expression)
    elif isinstance(inner, exp.Explode) and isinstance(inner.this, exp.Kwarg):
        found = inner.this.expression if isinstance(inner.this.expression, exp.Split) else None
    if found is None or outer or lateral.args.get("alias") is None:
        return node
    alias = exp.TableAlias(this=lateral.args["alias"].this, columns=[exp.to_identifier("value")])
    return exp.Join(kind="CROSS", this=_unnested(found, alias))


RULES: dict[str, Rule] = {
    "ArraySize": _count, "Bracket": _part, "Join": _applied, "Unnest": _rows,
}
