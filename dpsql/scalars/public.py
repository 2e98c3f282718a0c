"""The values an expression can take, where its text says them."""

from __future__ import annotations

from dpsql.expression import BOOLEAN, Call, Lit, Scalar, Value
from dpsql.scalars.ranges import nullable
from dpsql.scalars.rows import ROWS


def public_values(scalar: Scalar) -> tuple[Lit, ...] | None:
    """All values of a BOOLEAN, of a CASE whose branches are literals, of what has few values by its nature, as the
    month of a date; None where the text does not say them.

    NULL is among the values when it can be one; literals come in the order of the text, without repeats.
    """
    match scalar:
        case Lit():
            return (scalar,)
        case Call("case" | "switch" as name, args):
            start = 1 if name == "case" else 2
            return _joined((*args[start:-1:2], args[-1]))
        case Call("coalesce", args) if all(isinstance(arg, Call) for arg in args[:-1]):
            found = _joined(args)
            last_null = isinstance(args[-1], Lit) and args[-1].value is None
            return found if found is None or last_null else tuple(lit for lit in found if lit.value is not None)
        case Call() if (few := few_values(scalar)) is not None:
            nothing = (Lit(None, scalar.type),) if nullable(scalar, lambda _: True) else ()
            return (*(Lit(value, scalar.type) for value in few), *nothing)
        case _ if scalar.type == BOOLEAN:
            nothing = (Lit(None, BOOLEAN),) if nullable(scalar, lambda _: True) else ()
            return Lit(False, BOOLEAN), Lit(True, BOOLEAN), *nothing
        case _:
            return None


def few_values(scalar: Scalar) -> tuple[Value, ...] | None:
    """What a function gives beside NULL where that is little by its nature: months, weekdays, numbers of buckets."""
    values = ROWS[scalar.name].values if isinstance(scalar, Call) else None
    return None if values is None or not isinstance(scalar, Call) else values(scalar)


def _joined(scalars: tuple[Scalar, ...]) -> tuple[Lit, ...] | None:
    found: list[Lit] = []
    for scalar in scalars:
        values = public_values(scalar)
        if values is None:
            return None
        found += [value for value in values if value not in found]
    return tuple(found)
