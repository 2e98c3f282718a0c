"""What does not depend on the order in which the engine happens to read rows."""

from __future__ import annotations

from fractions import Fraction

from dpsql.errors import InternalError
from dpsql.expression import Kind, Scalar
from dpsql.relation import Excluded, Fold, Over, Place, Places, Quantile


def require_exact_fold(fold: Fold | Quantile, args: tuple[Scalar, ...]) -> None:
    """Proves that a fold gives the same value in whatever order its rows are taken.

    Theorem: counts, minima, maxima, medians and quantiles, and sums of INTEGER and DECIMAL, are functions of the
    multiset of values.
    Proof: integer and DECIMAL addition is associative and commutative; the others depend on the sorted values alone.
    Additions of doubles round, and their last digits would tell of the rows of others (safety.md, F8).
    Needs: no two values that compare equal differ: DOUBLE without the sign of zero (`folds.plain`).
    Source: design.md, section 2, Everything below the noise.
    Raises InternalError for the sum of anything else.
    """
    if fold is Fold.SUM and not all(arg.type.kind in (Kind.INTEGER, Kind.DECIMAL) for arg in args):
        raise InternalError("a sum depends on the order of its rows")


def require_order(windows: tuple[Over, ...], shown: frozenset[int]) -> None:
    """Proves that the columns of `windows` beside the columns `shown` are, as a multiset of rows, a function of the
    rows alone.

    Theorem: they are when those functions that tell peers apart share one partition and one order, whose peers agree
    in every column shown.
    Proof: peers are equal in the partition and in the order. Where these hold all columns, peers are equal rows. The
    one order puts the rows of a partition in a line, and exchanging equal rows of it gives the same line. Two orders
    would give two lines, and which of several equal rows is first in one and last in the other is left to chance.
    Needs: no two values that compare equal differ, as for `require_exact_fold`; windows of one partition and order are
    computed over one line.
    Source: design.md, section 2, Everything below the noise.
    Raises InternalError when it may depend on chance.
    """
    chosen = [over for over in windows if over.chosen]
    orders = {(over.partition, over.order) for over in chosen}
    placed = {key.id for over in chosen for key in (*over.partition, *(each.column for each in over.order))}
    if len(orders) > 1 or (chosen and not shown <= placed):
        raise InternalError("a window depends on the order of its rows")


def require_frame(over: Over) -> None:
    """Proves that no row of a window's partition can make its frame fail, nor be lost by it.

    Theorem: the engine adds the distance to the value of the current row without overflow, whatever that value is.
    Proof: the one column of the order has a proved range, and with the distance it stays within the column's type;
    additions of doubles give an infinity. ROWS and GROUPS count rows.
    Needs: the ends are constants and in their order; peers are peers: no column was added to an order in which peers
    are counted or left out.
    Source: design.md, section 6, Total expressions.
    Raises InternalError when this is not proved.
    """
    frame = over.frame
    if frame is None:
        return
    backwards = frame.start is not None and frame.end is not None and frame.start > frame.end
    if backwards or (over.chosen and frame.excluded not in (None, Excluded.ROW)):
        raise InternalError("a frame is empty, or leaves out peers that are told apart")
    if frame.places is Places.ROWS or (frame.bare and not isinstance(over.function, Place)):
        return
    if isinstance(over.function, Place) and not frame.bare:
        raise InternalError("the order of peers was completed under a frame that counts them")
    if frame.places is Places.GROUPS or frame.bare:
        return
    if len(over.order) != 1:
        raise InternalError("a distance is measured in one column")
    column = over.order[0].column
    if column.type.kind is Kind.DOUBLE:
        return
    far = max(abs(Fraction(edge)) for edge in (frame.start, frame.end) if edge is not None)
    within, most = column.range, column.type.range
    numbers = column.type.kind in (Kind.INTEGER, Kind.DECIMAL) and within.finite
    if not numbers or within.ends[0] - far <= most.ends[0] or within.ends[1] + far >= most.ends[1]:
        raise InternalError("a distance is measured in a column that may overflow")
