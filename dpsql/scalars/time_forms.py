"""Nodes of time that are no plain row: units, intervals, and the many spellings of date arithmetic."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from dpsql.expression import BIGINT, DATE, DOUBLE, INTEGER, INTERVAL, TIMESTAMP, VARCHAR, Kind, Lit, Scalar
from dpsql.scalars import units
from dpsql.scalars.date_parts import PART_UNITS
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.literals import number
from dpsql.scalars.marks import STAYS
from dpsql.scalars.rows import call
from dpsql.scalars.unify import cast

Visit = Callable[[exp.Expr], Scalar]


def interval(node: exp.Expr, visit: Visit) -> Scalar:
    """INTERVAL '3' MONTH, INTERVAL (-3) DAY, INTERVAL '1 year 2 months'."""
    count, unit = node.this, node.args.get("unit")
    negative = isinstance(count.unnest(), exp.Neg)
    count = count.unnest().this if negative else count.unnest()
    if not isinstance(count, exp.Literal) or not isinstance(unit, (exp.Var, type(None))):
        raise ScalarError("an INTERVAL is a literal", hint="write it as INTERVAL '3' MONTH")
    return units.interval(("-" if negative else "") + count.this, None if unit is None else unit.name)


def interval_function(node: exp.Expr, visit: Visit) -> Scalar:
    """to_days(3), to_months(2) and the like."""
    args = [node.this] if isinstance(node, exp.ToDays) else node.expressions
    name = "to_days" if isinstance(node, exp.ToDays) else str(node.this).lower()
    count = visit(args[0]) if len(args) == 1 else None
    if not isinstance(count, Lit) or type(count.value) is not int:
        raise ScalarError(f"{name} takes a literal whole number where it stands alone",
                          hint=f"add it to a date, as in d + {name}(n)")
    return units.interval(str(count.value), name.removeprefix("to_"))


def is_interval(scalar: Scalar) -> bool:
    """Whether a scalar is an interval, which is always a literal."""
    return isinstance(scalar, Lit) and scalar.type == INTERVAL


def repeated(left: Scalar, right: Scalar) -> Lit | None:
    """An interval times a literal whole number; None where neither is an interval."""
    length, times = (left, right) if is_interval(left) else (right, left)
    if not isinstance(length, Lit) or length.type != INTERVAL:
        return None
    if not isinstance(times, Lit) or type(times.value) is not int:
        raise ScalarError("an INTERVAL is multiplied by a literal whole number only")
    return units.scaled(length, times.value)


def moved(node: exp.Expr, visit: Visit) -> Scalar | None:
    """`d + INTERVAL 1 DAY * n`, `t - INTERVAL (n) HOUR`, `t + to_minutes(n)`, where n is computed; None for others."""
    for point, length in ((node.this, node.expression), (node.expression, node.this)):
        found = _computed(length.unnest(), visit)
        if found is None or (point is node.expression and isinstance(node, exp.Sub)):
            continue
        (count, unit), start = found, visit(point)
        return call("moved", start, call("neg", count) if isinstance(node, exp.Sub) else count, Lit(unit, VARCHAR))
    return None


def _computed(node: exp.Expr, visit: Visit) -> tuple[Scalar, str] | None:
    """The computed number of stored units that a length is; None for a literal one, and for what is no length."""
    factors = _factors(node)
    lengths = [factor for factor in factors if _counted(factor) is not None]
    if len(lengths) != 1 or all(_is_number(each) for each in (*factors, _counted(lengths[0])) if each not in lengths):
        return None
    inner = _counted(lengths[0])
    assert inner is not None
    one = visit(lengths[0]) if _is_number(inner) else units.interval("1", _unit_of(lengths[0]))
    assert isinstance(one, Lit)
    count, unit = units.parts(one)
    found: Scalar = Lit(count, INTEGER if abs(count) < 1 << 31 else BIGINT)
    for factor in (*(each for each in factors if each is not lengths[0]), *(() if _is_number(inner) else (inner,))):
        found = call("*", found, visit(factor))
    return found, unit


def _counted(node: exp.Expr) -> exp.Expr | None:
    """How many units an interval, or to_days(n) and the like, has; None of anything else."""
    if isinstance(node, exp.ToDays) or (isinstance(node, exp.Interval) and isinstance(node.args.get("unit"), exp.Var)):
        inner: exp.Expr = node.this.unnest()
        return inner
    if isinstance(node, exp.Anonymous) and NAMED.get(str(node.this).lower()) is interval_function:
        return node.expressions[0].unnest() if len(node.expressions) == 1 else None
    return None


def _unit_of(node: exp.Expr) -> str:
    if isinstance(node, exp.Interval):
        return str(node.args["unit"].name)
    return "days" if isinstance(node, exp.ToDays) else str(node.this).lower().removeprefix("to_")


def _is_number(node: exp.Expr | None) -> bool:
    return isinstance(node, exp.Literal) or (isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal))


def _factors(node: exp.Expr) -> list[exp.Expr]:
    node = node.unnest()
    return [*_factors(node.this), *_factors(node.expression)] if isinstance(node, exp.Mul) else [node]


def _unit_text(node: exp.Expr | None) -> Lit:
    node = None if node is None else node.unnest()
    if isinstance(node, exp.Var) or (isinstance(node, exp.Literal) and node.is_string):
        return Lit(node.name, VARCHAR)
    raise ScalarError("the unit is a literal", node)


def extract(node: exp.Expr, visit: Visit) -> Scalar:
    """EXTRACT(year FROM d)."""
    return _part(node.this, node.expression, visit)


def date_part(node: exp.Expr, visit: Visit) -> Scalar:
    """date_part('year', d)."""
    if len(node.expressions) != 2:
        raise ScalarError("date_part takes a unit and a date")
    unit, of = node.expressions
    return _part(unit, of, visit)


def _part(unit: exp.Expr, of: exp.Expr, visit: Visit) -> Scalar:
    apart = _between(str(_unit_text(unit).value).lower(), of.unnest(), visit)
    if apart is not None:
        return apart
    return call(units.unit_of(str(_unit_text(unit).value), PART_UNITS), visit(of))


def _between(unit: str, of: exp.Expr, visit: Visit) -> Scalar | None:
    """The seconds or whole days of the INTERVAL between two moments; None for other parts of other things."""
    if not isinstance(of, exp.Sub) or unit not in ("epoch", "day", "days"):
        return None
    end, start = visit(of.this), visit(of.expression)
    if TIMESTAMP not in (end.type, start.type) or not {end.type, start.type} <= {DATE, TIMESTAMP}:
        return None
    if unit == "epoch":
        return call("/", call("date_diff", Lit("microsecond", VARCHAR), start, end), Lit(1e6, DOUBLE))
    return call("date_sub", Lit("day", VARCHAR), start, end)


_SIGNS: dict[type[exp.Expr], str] = {exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<="}
_MICROS = {"MICROSECOND": 1, "DAY": 86_400_000_000, "MONTH": 30 * 86_400_000_000}    # as the engine compares them


def compared(node: exp.Expr, visit: Visit) -> Scalar:
    """a > b; two moments apart by more than an INTERVAL are compared in microseconds."""
    sides = [node.this, node.expression]
    for length, other in (sides, sides[::-1]):
        apart = other.unnest()
        if isinstance(length.unnest(), exp.Interval) and isinstance(apart, exp.Sub):
            end, start, least = visit(apart.this), visit(apart.expression), visit(length)
            if TIMESTAMP in (end.type, start.type) and {end.type, start.type} <= {DATE, TIMESTAMP}:
                assert isinstance(least, Lit)
                count, unit = units.parts(least)
                passed = call("date_diff", Lit("microsecond", VARCHAR), start, end)
                micros = number(str(count * _MICROS[unit]).removeprefix("-"), negative=count < 0)
                return call(_SIGNS[type(node)], *((passed, micros) if other is node.this else (micros, passed)))
    return call(_SIGNS[type(node)], visit(node.this), visit(node.expression))


def date_trunc(node: exp.Expr, visit: Visit) -> Scalar:
    """date_trunc('month', d)."""
    unit, value = _unit_text(node.args.get("unit")), visit(node.this)
    found = call("date_trunc", unit, value)
    return cast(found, DATE) if node.meta.get(STAYS) and value.type == DATE else found


def date_diff(node: exp.Expr, visit: Visit) -> Scalar:
    """date_diff('day', start, end): boundaries crossed."""
    return call("date_diff", _unit_text(node.args.get("unit")), visit(node.expression), visit(node.this))


def date_add(node: exp.Expr, visit: Visit) -> Scalar:
    """date_add(d, INTERVAL 1 MONTH)."""
    length = visit(node.expression)
    if not is_interval(length):
        raise ScalarError("date_add takes a date and an INTERVAL")
    return call("+", visit(node.this), length)


def date(node: exp.Expr, visit: Visit) -> Scalar:
    """date(x), and a text that stands for a date."""
    if node.expressions:
        raise ScalarError("date() takes one argument", node, "write make_date(year, month, day)")
    return cast(visit(node.this), DATE)


def epoch_ms(node: exp.Expr, visit: Visit) -> Scalar:
    """epoch_ms(d); other numbers of ticks would become a TIMESTAMP WITH TIME ZONE."""
    scale, of = node.args.get("scale"), visit(node.this)
    told = isinstance(scale, exp.Literal) and scale.this == "3" and not node.args.get("format")
    if not told or of.type.kind not in (Kind.DATE, Kind.TIMESTAMP):
        raise ScalarError("numbers are not read as moments", hint="write TIMESTAMP '1970-01-01' + to_seconds(n)")
    return call("epoch_ms", of)


NAMED: dict[str, Callable[[exp.Expr, Visit], Scalar]] = {
    "date_part": date_part, "datepart": date_part,
    **{f"to_{unit}": interval_function for unit in (
        "microseconds", "milliseconds", "seconds", "minutes", "hours", "weeks", "months", "quarters", "years",
        "decades", "centuries")},
}

RULES: dict[str, Callable[[exp.Expr, Visit], Scalar]] = {
    **dict.fromkeys(("GT", "GTE", "LT", "LTE"), compared),
    "Date": date, "DateAdd": date_add, "DateDiff": date_diff, "DateTrunc": date_trunc, "Extract": extract,
    "Interval": interval, "TimestampTrunc": date_trunc, "ToDays": interval_function, "UnixToTime": epoch_ms,
}
