"""Clamps that several expressions read, or that stand inside another clamp, become columns of their own.

A clamp prints its argument in every branch of a CASE; without this, nested clamps over DOUBLE grow exponentially and
the engine computes each copy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from dpsql.expression import Call, Column, Ref, Scalar, columns_of, substituted
from dpsql.relation import Project, Relation


def hoisted(
    source: Relation, needed: frozenset[Column], printed: dict[Scalar, Scalar], fresh: Callable[[str, Scalar], Column],
) -> Relation:
    """`source` with projections above it that compute the shared parts; `printed` maps each expression to what is left.

    `needed` columns stay visible. The new columns keep the range their expressions prove, so that what is left is as
    total as it was.
    """
    while parts := _shared(list(printed.values())):
        columns = {part: fresh(f"c{i + 1}", part) for i, part in enumerate(parts)}
        table: dict[Scalar, Scalar] = {part: Ref(column) for part, column in columns.items()}
        printed.update({row: substituted(scalar, table) for row, scalar in printed.items()})
        made = set(columns.values())
        read = dict.fromkeys(c for scalar in printed.values() for c in columns_of(scalar) if c not in made)
        kept = dict.fromkeys([*sorted(needed, key=lambda c: c.id), *read])
        source = Project(source, (*((c, Ref(c)) for c in kept), *((c, part) for part, c in columns.items())))
    return source


def _shared(scalars: list[Scalar]) -> list[Scalar]:
    """The innermost parts to hoist next, in order."""
    uses = Counter(clamp for scalar in scalars for clamp in _clamps(scalar))
    found: dict[Scalar, None] = {}
    for scalar in scalars:
        for clamp in _clamps(scalar):
            argument = clamp.args[0]
            if any(True for _ in _clamps(argument)):
                inner = [each for each in _clamps(argument) if not any(True for _ in _clamps(each.args[0]))]
                found |= dict.fromkeys(each if isinstance(each.args[0], Ref) else each.args[0] for each in inner)
            elif isinstance(argument, Call):
                found[argument] = None
            elif uses[clamp] > 1 and clamp != scalar and not _on_grid(clamp, scalar):
                found[clamp] = None
    return list(found) or _shared_grids(scalars)


def _shared_grids(scalars: list[Scalar]) -> list[Scalar]:
    """Numbers on the grid that are both summed and counted, once their clamps are columns."""
    uses = Counter(grid for scalar in scalars for grid in _calls(scalar, "grid"))
    return [grid for grid, times in uses.items() if times > 1]


def _clamps(scalar: Scalar) -> Iterator[Call]:
    return _calls(scalar, "clamp")


def _calls(scalar: Scalar, name: str) -> Iterator[Call]:
    """Every call of that name in an expression, outermost first."""
    if isinstance(scalar, Call):
        if scalar.name == name:
            yield scalar
        for arg in scalar.args:
            yield from _calls(arg, name)


def _on_grid(clamp: Call, scalar: Scalar) -> bool:
    """Whether the clamp stands right below the grid, which prints it once and wants to see it."""
    if not isinstance(scalar, Call):
        return False
    return (scalar.name == "grid" and scalar.args[0] == clamp) or any(_on_grid(clamp, arg) for arg in scalar.args)
