"""Functions of DuckDB that are others written in short: most are macros there, and mean exactly what stands here."""

from __future__ import annotations

from sqlglot import exp

from dpsql.dialects.templates import made

_WEIGHTED = "SUM(a * b) / SUM(CASE WHEN a IS NOT NULL THEN b ELSE 0 END)"
_MEANS = {                                      # by name and number of arguments
    ("mean", 1): "AVG(a)", ("favg", 1): "AVG(a)", ("arbitrary", 1): "ANY_VALUE(a)",
    ("fsum", 1): "SUM(a)", ("kahan_sum", 1): "SUM(a)", ("sumkahan", 1): "SUM(a)",
    ("geomean", 1): "EXP(AVG(LN(a)))", ("geometric_mean", 1): "EXP(AVG(LN(a)))",
    ("sem", 1): "STDDEV_POP(a) / SQRT(COUNT(a))", ("weighted_avg", 2): _WEIGHTED, ("wavg", 2): _WEIGHTED,
    ("fdiv", 2): "FLOOR(a / b)", ("fmod", 2): "CAST(a AS DOUBLE) % b",
    ("timezone", 2): "b AT TIME ZONE a",
}


def written_out(tree: exp.Query) -> None:
    """Puts what each such function means in its place."""
    for node in reversed(list(tree.find_all(exp.Anonymous))):
        text = _MEANS.get((str(node.this).lower(), len(node.expressions)))
        if text is None:
            continue
        meaning = made(text, **dict(zip("ab", node.expressions, strict=False)))
        if isinstance(meaning, exp.AggFunc):
            meaning.set("this", node.expressions[0].copy())         # without brackets around a DISTINCT
        if _may_stand(node, meaning):
            _replace(node, meaning)


def _may_stand(node: exp.Expr, meaning: exp.Expr) -> bool:
    """Whether what is around an aggregate takes what it means: a window, or DISTINCT in it, a single aggregate."""
    around = node.parent.parent if isinstance(node.parent, exp.Filter) else node.parent
    tight = isinstance(around, exp.Window) or any(isinstance(arg, exp.Distinct) for arg in node.expressions)
    return not tight or isinstance(meaning, exp.AggFunc | exp.IgnoreNulls)


def _replace(node: exp.Expr, meaning: exp.Expr) -> None:
    """Its parts point at the text of the function; a FILTER goes to every aggregate among them."""
    above = node.parent if isinstance(node.parent, exp.Filter) and node.arg_key == "this" else None
    place = {key: value for key, value in node.meta.items() if key in ("start", "end", "line", "col")}
    whole = exp.Paren(this=meaning)
    for part in list(whole.walk()):
        if "start" not in part.meta:
            part.meta.update(place)
        if isinstance(part, exp.AggFunc):
            part.meta["written"] = str(node.this)
            if above is not None:
                part.replace(exp.Filter(this=part.copy(), expression=above.expression.copy()))
    (node if above is None else above).replace(whole.this)
