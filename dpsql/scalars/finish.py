"""What the finish and the public queries may use: exact or released data, hence no privacy claim, but no door either.

Ordinary aggregates and window functions, and every scalar admitted of private rows; nothing volatile but random(),
which over these rows says nothing of anybody, nothing that reads a file, a setting or the catalog, and nothing that
makes much of little (lists, repetition, string_agg).
"""

from __future__ import annotations

from functools import cache

from sqlglot import exp

from dpsql.scalars.build import NAMED, RULES
from dpsql.scalars.edits import MAX_PADDED
from dpsql.scalars.rows import ROWS

AGGREGATES = frozenset((
    "ArgMax", "ArgMin", "Avg", "Corr", "Count", "CountIf", "CovarPop", "CovarSamp", "LogicalAnd",
    "LogicalOr", "Max", "Median", "Min", "Mode", "PercentileCont", "PercentileDisc", "RegrSlope", "RegrIntercept",
    "RegrR2", "Stddev", "StddevPop", "StddevSamp", "Sum", "Variance", "VariancePop", "WithinGroup",
))
WINDOWS = frozenset((
    "CumeDist", "DenseRank", "FirstValue", "Lag", "LastValue", "Lead", "Ntile", "NthValue", "PercentRank", "Rank",
    "RowNumber",
))
_SYNTAX = frozenset(("DataType", "DataTypeParam", "Exists", "Subquery", "Any", "All", "Rand", "Try"))
# what the engine lacks, or raises, is rewritten below the noise; and of lists a finish holds those it made alone
_BELOW = frozenset((
    "BitwiseLeftShift", "WidthBucket", "ArrayContains", "ArrayContainsAll", "ArrayOverlaps", "ArraySize", "Bracket",
    "Split",
))
MAX_IN_FINISH = 8           # characters a replacement puts in


@cache
def _classes() -> frozenset[str]:
    of_rows = {spec.split()[0] for row in ROWS.values() for spec in row.nodes}
    return frozenset((of_rows | set(RULES) | AGGREGATES | WINDOWS | _SYNTAX) - _BELOW)


@cache
def _names() -> frozenset[str]:
    of_rows = {name for row in ROWS.values() for name in row.names}
    return frozenset(of_rows | set(NAMED) | {"histogram"})


def admitted_in_finish(node: exp.Expr) -> bool:
    """Whether one node (not what is below it) may stand in the finish or in a query over public tables.

    Nodes the parser knows are judged by class, functions it keeps by name by that name; all others are refused. The
    caller judges clauses, and walks the children.
    """
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return isinstance(node.this, str) and node.this.lower() in _names()
    if isinstance(node, exp.Escape):
        return isinstance(node.this, (exp.Like, exp.ILike))
    if isinstance(node, (exp.Replace, exp.RegexpReplace, exp.Pad)):
        return _grows_little(node)
    return type(node).__name__ in _classes()


def _grows_little(node: exp.Expr) -> bool:
    """Whether literals keep what a function makes of a text within a few times its length, or a short one."""
    if isinstance(node, exp.Pad):
        length = node.expression
        short = isinstance(length, exp.Literal) and length.is_int and int(length.this) <= MAX_PADDED
        return short and isinstance(node.args.get("fill_pattern"), exp.Literal)
    new = node.args.get("replacement")
    plain = isinstance(node.expression, exp.Literal)
    return plain and isinstance(new, exp.Literal) and len(new.this) <= MAX_IN_FINISH


FINISH_FUNCTIONS = AGGREGATES | WINDOWS
"""The parser's names of the aggregates and window functions admitted, beside the scalars of the table."""
