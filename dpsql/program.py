"""What a query means: private questions, and one finish over what they release. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from dpsql.expression import Scalar
from dpsql.relation import Relation


@dataclass(frozen=True, slots=True)
class Measure:
    """One private aggregate of a question: the name of its family and what it aggregates (None: the rows)."""

    family: str
    arg: Scalar | None


@dataclass(frozen=True, slots=True)
class Key:
    """One grouping key of a question: the released column's name and the expression below the noise."""

    name: str
    scalar: Scalar


@dataclass(frozen=True, slots=True)
class Ask:
    """A question before it is bounded: owned rows, grouping keys, and the aggregates asked of each group.

    `name` is the released table the finish reads; the measure at position j is its column `a{j + 1}`. `node` is the
    place in the analyst's text that asked, for carets.
    """

    name: str
    rows: Relation
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    places: tuple[exp.Expr, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """The questions of a query in order, the finish over their released tables, and the public tables it reads."""

    asks: tuple[Ask, ...]
    finish: exp.Expr
    public: tuple[str, ...]
