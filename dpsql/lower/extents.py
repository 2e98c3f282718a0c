"""Frames of windows: which rows around the current one a window looks at."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from sqlglot import exp

from dpsql import scalars
from dpsql.expression import DATE, HUGEINT, INTERVAL, NULL, Kind, Lit, Scalar, SqlType
from dpsql.parse import refusal
from dpsql.relation import Excluded, Frame, Places
from dpsql.scalars.ranges import EPOCH
from dpsql.scalars.unify import cast
from dpsql.scalars.units import parts

Order = tuple[tuple[Scalar, bool, bool], ...]      # what is ordered by, DESC, NULLS FIRST
MOST = 1_000_000        # places of a frame
_FAR = 1 << 62          # of a distance
_DAY = 86_400_000_000   # microseconds


@dataclass(frozen=True, slots=True)
class _Far:
    """An end of a frame some places, or a distance, after the current row (sign 1) or before it (-1)."""

    node: exp.Expr
    sign: int


def framed(node: exp.Window, order: Order) -> tuple[Order, Frame | None]:
    """The frame of a window, and its order: where a distance is measured, in numbers that cannot overflow.

    Raises QueryError for a frame that is empty by its text, or whose distance is none.
    """
    spec = node.args.get("spec")
    if spec is None:
        return order, None
    places = Places(str(spec.args.get("kind") or "RANGE").upper())
    edges = (
        _edge(spec.args.get("start"), spec.args.get("start_side"), "PRECEDING", node),
        _edge(spec.args.get("end") or "CURRENT ROW", spec.args.get("end_side"), "FOLLOWING", node),
    )
    ends: list[int | Decimal | None] = [_whole(each) if isinstance(each, _Far) else each for each in edges
                                        if places is not Places.RANGE]
    if places is Places.RANGE:
        order, ends = _measured(order, edges, node)
    if places is Places.GROUPS and not order:
        raise refusal("GROUPS counts peers, and there is no ORDER BY", node, "add ORDER BY, or use ROWS")
    start, end = ends
    excluded = _excluded(spec)
    if places is Places.ROWS and ends != [None, None] and excluded not in (None, Excluded.ROW):
        raise refusal("EXCLUDE of peers depends on their order in a frame of some ROWS", node, "use GROUPS or RANGE")
    if start is not None and end is not None and start > end:
        raise refusal("this frame ends before it begins", node)
    return order, Frame(places, start, end, excluded)


def _edge(edge: str | exp.Expr | None, side: str | None, own: str, node: exp.Expr) -> _Far | int | None:
    text, where = (edge if isinstance(edge, str) else "").upper(), str(side or "").upper()
    if text == "CURRENT ROW":
        return 0
    if text == "UNBOUNDED" and where == own:
        return None
    if not isinstance(edge, exp.Expr):
        raise refusal("this frame is not answered", node, "write BETWEEN ... PRECEDING AND ... FOLLOWING")
    return _Far(edge, -1 if where == "PRECEDING" else 1)


def _excluded(spec: exp.WindowSpec) -> Excluded | None:
    text = spec.args["exclude"].name.upper() if spec.args.get("exclude") else "NO OTHERS"
    return None if text == "NO OTHERS" else Excluded(text)


def _whole(edge: _Far) -> int:
    node = edge.node.unnest()
    if not isinstance(node, exp.Literal) or not node.is_int or not 0 <= int(node.name) <= MOST:
        raise refusal(f"this is a whole literal of at most {MOST}", node)
    return edge.sign * int(node.name)


def _measured(
    order: Order, edges: tuple[_Far | int | None, _Far | int | None], node: exp.Window,
) -> tuple[Order, list[int | Decimal | None]]:
    """RANGE: what is ordered by, and the ends; of a distance in days or microseconds where moments are ordered."""
    lengths = {each: _literal(each.node) for each in edges if isinstance(each, _Far)}
    if not lengths:
        return order, [each if isinstance(each, int) else None for each in edges]
    if len(order) != 1:
        raise refusal("RANGE with a distance takes one ORDER BY", node)
    (value, descending, first), = order
    key, unit = _key(value, list(lengths.values()), node)
    ends = [each.sign * _distance(lengths[each], unit, node) if isinstance(each, _Far) else each for each in edges]
    return ((key, descending, first),), ends


def _literal(node: exp.Expr) -> Lit:
    found = scalars.build(node, lambda column: Lit(None, NULL))
    if not isinstance(found, Lit) or found.value is None:
        raise refusal("the distance of RANGE is a literal", node)
    return found


def _key(value: Scalar, lengths: list[Lit], node: exp.Expr) -> tuple[Scalar, int | None]:
    """What is ordered by as a number with room for the distance, and how many microseconds its unit has."""
    moments = [length for length in lengths if length.type == INTERVAL]
    if value.type.kind in (Kind.DATE, Kind.TIMESTAMP) and len(moments) == len(lengths):
        if value.type.kind is Kind.DATE and all(parts(length)[1] == "DAY" for length in lengths):
            return cast(scalars.call("days_between", value, Lit(EPOCH.date(), DATE)), HUGEINT), _DAY
        return cast(scalars.call("epoch_us", value), HUGEINT), 1
    if moments:
        raise refusal(f"an INTERVAL is no distance between values of {value.type}", node)
    whole = all(length.type.kind is Kind.INTEGER for length in lengths)
    if value.type.kind is Kind.INTEGER and value.type.width < 128 and whole:
        return cast(value, HUGEINT), None
    if value.type.kind is Kind.DECIMAL and value.type.width <= 18 and all(
        each.type.kind is Kind.INTEGER or (each.type.kind is Kind.DECIMAL and each.type.scale <= value.type.scale)
        for each in lengths
    ):
        return cast(value, SqlType(Kind.DECIMAL, 38, value.type.scale)), None
    if value.type.kind is Kind.DOUBLE:
        return value, None
    raise refusal(
        f"RANGE with this distance is not answered over {value.type}", node,
        "CAST what is ordered by to BIGINT or DOUBLE, or use ROWS BETWEEN ... AND ...",
    )


def _distance(length: Lit, unit: int | None, node: exp.Expr) -> int | Decimal:
    if unit is not None:
        count, of = parts(length)
        if of == "MONTH":
            raise refusal("months differ in length", node, "measure RANGE in days, or join the table with itself")
        micros = count * (_DAY if of == "DAY" else 1)
        found: int | Decimal = micros // unit
    else:
        found = length.value if isinstance(length.value, int | Decimal) else Decimal(str(length.value))
    if not 0 <= found <= _FAR:
        raise refusal("the distance of RANGE is not negative, and not beyond 2^62", node)
    return found
