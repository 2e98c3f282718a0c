"""The values an expression can take, where its text says them."""

from __future__ import annotations

from dpsql.expression import BOOLEAN, Call, Lit, Scalar
from dpsql.scalars.ranges import nullable


def public_values(scalar: Scalar) -> tuple[Lit, ...] | None:
    """All values of a BOOLEAN, or of a CASE whose branches are literals; None where the text does not say them.

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
        case _ if scalar.type == BOOLEAN:
            nothing = (Lit(None, BOOLEAN),) if nullable(scalar, lambda _: True) else ()
            return Lit(False, BOOLEAN), Lit(True, BOOLEAN), *nothing
        case _:
            return None


def _joined(scalars: tuple[Scalar, ...]) -> tuple[Lit, ...] | None:
    found: list[Lit] = []
    for scalar in scalars:
        values = public_values(scalar)
        if values is None:
            return None
        found += [value for value in values if value not in found]
    return tuple(found)
