"""Rows of comparison, logic and choice. All total: their arguments are cast to one type first."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence

from sqlglot import exp

from dpsql.expression import (
    BOOLEAN,
    DATE,
    INTERVAL,
    NULL,
    TIMESTAMP,
    Call,
    Kind,
    Lit,
    Ref,
    Scalar,
    SqlType,
)
from dpsql.interval import Interval
from dpsql.scalars import intervals
from dpsql.scalars.conversion import cast_fails, stored
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.ranges import enforced
from dpsql.scalars.rows import Ranges, Row, Taken, Takes, add, always, never
from dpsql.scalars.sql import chained, compared, function, tight
from dpsql.scalars.unify import cast, common
from dpsql.schema import ENUM


def _together(args: Sequence[Scalar]) -> tuple[tuple[Scalar, ...], SqlType]:
    type_ = common(args)
    if type_ == INTERVAL:
        raise ScalarError("intervals are operands of date arithmetic only")
    return tuple(cast(arg, type_) for arg in args), type_


def _comparable(args: tuple[Scalar, ...]) -> Taken:
    return _together(_adapted(args))[0], BOOLEAN


def _ordered(args: tuple[Scalar, ...]) -> Taken:
    """Comparable, and in the order in which DuckDB compares them: that of an ENUM is its type's, which is not known."""
    if any(isinstance(arg, Ref) and arg.column.stored == ENUM for arg in args):
        raise ScalarError("an ENUM has the order of its type, which is not read",
                          hint="list the values: x IN ('a', 'b')")
    return _comparable(args)


def _adapted(args: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """Literals as a column beside them holds them: rounded to a FLOAT, spelled as a UUID, a midnight as a date."""
    types = {arg.column.stored for arg in args if isinstance(arg, Ref)} & {"FLOAT", "UUID"}
    name = types.pop() if len(types) == 1 else None
    if name is None:
        return _days(args)
    fitting = (Kind.INTEGER, Kind.DECIMAL, Kind.VARCHAR) if name == "FLOAT" else (Kind.VARCHAR,)
    return tuple(stored(arg, name) if isinstance(arg, Lit) and arg.value is not None and arg.type.kind in fitting
                 else arg for arg in args)


def _days(args: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """Midnights as dates, where they are compared with dates: the column needs no cast then."""
    dated = any(arg.type == DATE and not isinstance(arg, Lit) for arg in args)
    moved = tuple(cast(arg, DATE) if dated and _midnight(arg) else arg for arg in args)
    return moved if all(arg.type != TIMESTAMP for arg in moved) else tuple(args)


def _midnight(arg: Scalar) -> bool:
    value = arg.value if isinstance(arg, Lit) else None
    return isinstance(value, datetime.datetime) and value.time() == datetime.time()


def truth(scalar: Scalar) -> Scalar:
    """A condition: BOOLEAN, or an integer that is true unless zero."""
    if scalar.type.kind in (Kind.BOOLEAN, Kind.INTEGER, Kind.NULL):
        return cast(scalar, BOOLEAN)
    raise ScalarError(f"a condition is expected here, not {scalar.type}", hint="compare it with a value")


def _truths(args: tuple[Scalar, ...]) -> Taken:
    return tuple(truth(arg) for arg in args), BOOLEAN


def conjuncts(scalar: Scalar) -> Iterator[Scalar]:
    """The parts that must all be true for a condition to be true."""
    if isinstance(scalar, Call) and scalar.name == "and":
        for arg in scalar.args:
            yield from conjuncts(arg)
    else:
        yield scalar


def _anything(args: tuple[Scalar, ...]) -> Taken:
    return args, BOOLEAN


def _alike(args: tuple[Scalar, ...]) -> Taken:
    return _together(args)


def _nullif(args: tuple[Scalar, ...]) -> Taken:
    """The value keeps its type; the engine compares it in the common one, so that cast must not fail."""
    value, other = args
    type_ = common(args)
    if value.type in (type_, NULL):
        return _together(args)
    if isinstance(other, Lit) and isinstance(other.value, int) and value.type.kind is Kind.INTEGER:
        return (value, cast(other, type_)), value.type
    if cast_fails(Call("cast", (value,), type_), (enforced(value),)):
        raise ScalarError(f"nullif of {value.type} and {other.type} is not admitted",
                          hint=f"write CAST(... AS {type_})")
    return (value, cast(other, type_)), value.type


def _case(args: tuple[Scalar, ...]) -> Taken:
    """condition, value, condition, value, ..., else."""
    values, type_ = _together((*args[1::2], args[-1]))
    return tuple(_zipped([truth(arg) for arg in args[:-1:2]], values)), type_


def _switch(args: tuple[Scalar, ...]) -> Taken:
    """subject, match, value, match, value, ..., else."""
    matches, _ = _together(_adapted((args[0], *args[1:-1:2])))
    values, type_ = _together((*args[2:-1:2], args[-1]))
    return (matches[0], *_zipped(matches[1:], values)), type_


def _zipped(firsts: Sequence[Scalar], values: Sequence[Scalar]) -> list[Scalar]:
    pairs = [part for pair in zip(firsts, values, strict=False) for part in pair]
    return [*pairs, values[-1]]


def _case_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    ifs = [exp.If(this=condition, true=value) for condition, value in zip(args[:-1:2], args[1::2], strict=False)]
    return exp.Case(ifs=ifs) if _is_null(call.args[-1]) else exp.Case(ifs=ifs, default=args[-1])


def _switch_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    case = _case_sql(call, args[1:], ranges)
    case.set("this", tight(args[0]))
    return case


def _is_null(scalar: Scalar) -> bool:
    return isinstance(scalar, Lit) and scalar.value is None


def _values(call: Call, ranges: Ranges) -> Interval:
    """One of the values; a NULL literal adds none."""
    start = 1 if call.name == "case" else 2
    places = [*range(start, len(call.args) - 1, 2), len(call.args) - 1]
    found = [ranges[place] for place in places if not _is_null(call.args[place])]
    return intervals.hull(call, tuple(found)) if found else call.type.range


def _value_nulls(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    start = 1 if call.name == "case" else 2
    return nulls[-1] or any(nulls[start:-1:2])


def _present(call: Call, ranges: Ranges) -> Interval:
    found = [interval for arg, interval in zip(call.args, ranges, strict=True) if not _is_null(arg)]
    return intervals.hull(call, tuple(found)) if found else call.type.range


def _extreme(call: Call, ranges: Ranges) -> Interval:
    """One of the values, and on the right side of every literal: NULL is skipped, so a literal always takes part."""
    found = _present(call, ranges)
    for arg, interval in zip(call.args, ranges, strict=True):
        if isinstance(arg, Lit) and not _is_null(arg):
            greatest = call.name == "greatest"
            found = found.meet(Interval(interval.low, None) if greatest else Interval(None, interval.high))
    return found


def _all_nulls(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    return all(nulls)


def _extreme_nulls(call: Call, nulls: tuple[bool, ...], ranges: Ranges) -> bool:
    """NULL is skipped, but a NaN is the greatest number."""
    return any(nulls) if call.type.kind is Kind.DOUBLE else all(nulls)


def _in_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.In(this=tight(args[0]), expressions=list(args[1:]))


def _between_sql(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
    return exp.Between(this=tight(args[0]), low=tight(args[1]), high=tight(args[2]))


def _many(kind: type[exp.Expr], **fixed: object) -> Callable[[Call, Sequence[exp.Expr], Ranges], exp.Expr]:
    return lambda call, args, ranges: kind(this=args[0], expressions=list(args[1:]), **fixed)


def _joined(kind: type[exp.Expr]) -> Callable[[Call, Sequence[exp.Expr], Ranges], exp.Expr]:
    def printed(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
        found = args[0]
        for arg in args[1:]:
            found = kind(this=chained(found, kind), expression=tight(arg))
        return found

    return printed


def _is(test: Callable[[], exp.Expr], holds: bool) -> Callable[[Call, Sequence[exp.Expr], Ranges], exp.Expr]:
    def printed(call: Call, args: Sequence[exp.Expr], ranges: Ranges) -> exp.Expr:
        found: exp.Expr = exp.Is(this=tight(args[0]), expression=test())
        return found if holds else exp.Not(this=exp.Paren(this=found))

    return printed


def _compare(name: str, kind: type[exp.Expr], takes: Takes = _ordered) -> Row:
    return Row(name, takes, compared(kind), nodes=(f"{kind.__name__} this expression",))


add(
    _compare("=", exp.EQ, _comparable), _compare("<>", exp.NEQ, _comparable), _compare("<", exp.LT),
    _compare("<=", exp.LTE), _compare(">", exp.GT), _compare(">=", exp.GTE),
    Row("is_distinct", _comparable, compared(exp.NullSafeNEQ), nulls=never, nodes=("NullSafeNEQ this expression",)),
    Row("is_not_distinct", _comparable, compared(exp.NullSafeEQ), nulls=never,
        nodes=("NullSafeEQ this expression",)),
    Row("between", _ordered, _between_sql, nodes=("Between this low high",)),
    Row("in", _comparable, _in_sql),
    Row("and", _truths, _joined(exp.And)),
    Row("or", _truths, _joined(exp.Or)),
    Row("not", _truths, lambda call, args, ranges: exp.Not(this=tight(args[0])), nodes=("Not this",)),
    Row("is_null", _anything, _is(exp.null, True), nulls=never),
    Row("is_not_null", _anything, _is(exp.null, False), nulls=never),
    Row("is_true", _truths, _is(exp.true, True), nulls=never),
    Row("is_false", _truths, _is(exp.false, True), nulls=never),
    Row("case", _case, _case_sql, _values, _value_nulls),
    Row("switch", _switch, _switch_sql, _values, _value_nulls),
    Row("coalesce", _alike, _many(exp.Coalesce), _present, _all_nulls, nodes=("Coalesce this expressions",),
        value=True),
    Row("nullif", _nullif, function(exp.Nullif, "this", "expression"), intervals.same, always,
        nodes=("Nullif this expression",), value=True),
    Row("least", _alike, _many(exp.Least, ignore_nulls=True), _extreme, _extreme_nulls,
        nodes=("Least this expressions",), value=True),
    Row("greatest", _alike, _many(exp.Greatest, ignore_nulls=True), _extreme, _extreme_nulls,
        nodes=("Greatest this expressions",), value=True),
)
