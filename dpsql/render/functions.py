"""Aggregate and window functions as SQL."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import assert_never

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import Column, Scalar, SqlType
from dpsql.relation import Fold, Frame, Over, Place, Places, Quantile

Names = dict[int, Callable[[], exp.Expr]]   # each use of a column is a node of its own


def by(names: Names) -> Callable[[Column], exp.Expr]:
    """The names as `to_sql` asks for them."""
    return lambda column: names[column.id]()


def over_sql(over: Over, names: Names) -> exp.Expr:
    """A window function with its OVER (...)."""
    if isinstance(over.function, Place):
        args = [scalars.to_sql(arg, by(names)) for arg in over.args]
        function: exp.Expr = _PLACES[over.function](**dict(zip(("this", "offset", "default"), args, strict=False)))
    else:
        function = fold_sql(over.function, over.args[0] if over.args else None, names)
    window = exp.Window(this=function, partition_by=[names[key.id]() for key in over.partition], over="OVER")
    if over.order:
        window.set("order", exp.Order(expressions=[
            exp.Ordered(this=names[key.column.id](), desc=key.descending or None, nulls_first=key.nulls_first)
            for key in over.order
        ]))
    if over.frame is not None:
        window.set("spec", _frame_sql(over, over.frame))
    return window


def _frame_sql(over: Over, frame: Frame) -> exp.WindowSpec:
    type_ = over.order[0].column.type if frame.places is Places.RANGE and not frame.bare else None
    (start, start_side), (end, end_side) = (
        _edge(edge, side, type_) for edge, side in ((frame.start, "PRECEDING"), (frame.end, "FOLLOWING"))
    )
    excluded = exp.Var(this=frame.excluded.value) if frame.excluded is not None else None
    return exp.WindowSpec(
        kind=frame.places.value, start=start, start_side=start_side, end=end, end_side=end_side, exclude=excluded,
    )


_PLACES: dict[Place, type[exp.Expr]] = {
    Place.ROW_NUMBER: exp.RowNumber, Place.RANK: exp.Rank, Place.DENSE_RANK: exp.DenseRank,
    Place.PERCENT_RANK: exp.PercentRank, Place.CUME_DIST: exp.CumeDist, Place.NTILE: exp.Ntile, Place.LAG: exp.Lag,
    Place.LEAD: exp.Lead, Place.FIRST_VALUE: exp.FirstValue, Place.LAST_VALUE: exp.LastValue,
}


def _edge(places: int | Decimal | None, side: str, type_: SqlType | None) -> tuple[str | exp.Expr, str | None]:
    """One end of a frame: without end on its own side, or some places before or after the current row; a distance is
    of the type of what it is a distance of."""
    if places is None:
        return "UNBOUNDED", side
    if places == 0:
        return "CURRENT ROW", None
    number: exp.Expr = exp.Literal.number(f"{abs(places):f}" if isinstance(places, Decimal) else abs(places))
    if type_ is not None:
        number = exp.Cast(this=number, to=exp.DataType.build(str(type_), dialect="duckdb"))
    return number, "PRECEDING" if places < 0 else "FOLLOWING"


def fold_sql(fold: Fold | Quantile, scalar: Scalar | None, names: Names) -> exp.Expr:
    """A fold as an aggregate function, of the rows (None) or of a scalar."""
    if fold is Fold.ROWS or scalar is None:
        return exp.Count(this=exp.Star(), big_int=True)
    inner = scalars.to_sql(scalar, by(names))
    match fold:
        case Quantile(fraction):
            return exp.PercentileDisc(this=inner, expression=exp.Literal.number(f"{fraction:f}"))
        case Fold.COUNT:
            return exp.Count(this=inner, big_int=True)
        case Fold.DISTINCT:
            return exp.Count(this=exp.Distinct(expressions=[inner]), big_int=True)
        case Fold.SUM:
            return exp.Sum(this=inner)
        case Fold.MIN:
            return exp.Min(this=inner)
        case Fold.MAX:
            return exp.Max(this=inner)
        case Fold.MEDIAN:
            return exp.Median(this=inner)
        case _:
            assert_never(fold)
