"""The place of a whole number on a ladder, by halving: what searches for bounds count by. No analyst reaches it.

The ladder is a parameter, a list of integers that rise: as text it would be a tree of a comparison a rung.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from dpsql.expression import BIGINT, INTEGER, VARCHAR, Call, Kind, Lit, Scalar
from dpsql.interval import Interval, between
from dpsql.scalars.rows import Ranges, Row, Taken, add, call
from dpsql.scalars.sql import cast_sql, tight
from dpsql.scalars.unify import cast


def stepped(value: Scalar) -> Scalar:
    """A DECIMAL as the whole number of its last digits, an integer as it is; both must fit a BIGINT."""
    if value.type.kind is Kind.DECIMAL:
        value = call("*", value, Lit(10**value.type.scale, BIGINT))
    return cast(value, BIGINT)


def passed(value: Scalar, place: Scalar, step: int, ladder: str) -> Scalar:
    """`place`, so many rungs of `$ladder` being passed, or `step` more where a BIGINT passes those too.

    With steps that halve down to 1 it ends at how many rungs the value passes. NULL passes none.
    """
    return Call("rung", (value, place, Lit(step, INTEGER), Lit(ladder, VARCHAR)), INTEGER)


def _written(args: tuple[Scalar, ...]) -> Taken:
    raise AssertionError("places on a ladder are made by rungs.passed")


def _range(node: Call, ranges: Ranges) -> Interval:
    """At most the step more than before."""
    low, high = ranges[1].ends
    return between(low, high + ranges[2].ends[1])


def _sql(node: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    """A step further where the rung there is passed; beyond the ladder LIST_EXTRACT is NULL, which nothing passes."""
    value, place, step, _ = args
    name = node.args[3]
    assert isinstance(name, Lit), "a ladder has a name"
    further = exp.Add(this=tight(place.copy()), expression=step)
    ladder = exp.cast(exp.Placeholder(this=str(name.value)), "BIGINT[]", dialect="duckdb")
    at = exp.Anonymous(this="LIST_EXTRACT", expressions=[ladder, further])
    return exp.Case(ifs=[exp.If(this=exp.GT(this=tight(value), expression=at), true=cast_sql(further.copy(), INTEGER))],
                    default=cast_sql(place, INTEGER))


def _never(node: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    return False


add(Row("rung", _written, _sql, _range, _never, guard=True))
