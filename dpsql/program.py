"""What a query means: private questions, and one finish over what they release. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from sqlglot import exp

from dpsql.expression import Scalar, SqlType
from dpsql.relation import Relation


@dataclass(frozen=True, slots=True)
class Measure:
    """One private aggregate of a question: the name of its family and what it aggregates (None: the rows).

    `more` are further arguments: the second of a pair, the fraction of a quantile. `within` is what the query itself
    lets one unit add to a group.
    """

    family: str
    arg: Scalar | None
    more: tuple[Scalar, ...] = ()
    within: tuple[Fraction, Fraction] | None = None


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
class Feed:
    """Released rows that later questions read: `query` over the tables of the first `after` questions and public ones.

    Its columns are c1, c2, ... of `types`; the parameter `{name}_c1` holds the first one. No two rows share the first
    `unique` columns (0: nothing is known), rows with a NULL there aside. `single` says that one row comes, whose values
    are bound as they are, not as lists.
    """

    name: str
    after: int
    query: exp.Query
    types: tuple[SqlType, ...]
    unique: int
    single: bool
    public: tuple[str, ...]
    sql: str = ""       # the query's text, once the program is complete


@dataclass(frozen=True, slots=True)
class Program:
    """The questions of a query in order, what some of them feed to later ones, the finish over their released tables,
    and the public tables it reads. `sql` is the text of the finish, which parses to that very tree."""

    asks: tuple[Ask, ...]
    finish: exp.Query
    sql: str
    public: tuple[str, ...]
    feeds: tuple[Feed, ...] = ()
