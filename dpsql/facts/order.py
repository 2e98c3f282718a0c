"""What does not depend on the order in which the engine happens to read rows."""

from __future__ import annotations

from dpsql.errors import InternalError
from dpsql.expression import Kind, Scalar
from dpsql.relation import Fold, Over, Quantile


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


def require_order(over: Over, shown: frozenset[int]) -> None:
    """Proves that a window's column beside the columns `shown` is, as a multiset of rows, a function of the rows alone.

    Theorem: it is when the function does not tell peers apart, or when peers agree in every column shown.
    Proof: peers are equal in the partition and in the order. Where these hold all columns, peers are equal rows, and
    exchanging equal rows gives the same multiset.
    Needs: no two values that compare equal differ, as for `require_exact_fold`.
    Source: design.md, section 2, Everything below the noise.
    Raises InternalError when it may depend on chance.
    """
    placed = {key.id for key in over.partition} | {key.column.id for key in over.order}
    if over.chosen and not shown <= placed:
        raise InternalError("a window depends on the order of its rows")
