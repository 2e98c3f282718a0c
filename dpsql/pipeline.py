"""The pure passes, in their order. Read this first: from SQL text to a plan, without data and without randomness.

    parse   text to tree           lower   tree to Program          derive  relation to Facts
    bound   guards inserted        plan    derived again, priced    render  relation to text

What follows a plan is the session's: charge, run, release, finish.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from dpsql.budget.events import Cost
from dpsql.catalog import Catalog
from dpsql.dialects import read
from dpsql.dialects.collation import collated
from dpsql.domain import Reader
from dpsql.errors import QueryError
from dpsql.limits import planning
from dpsql.lower import Describe, lower
from dpsql.noise.scheme import USUAL
from dpsql.parse import Params
from dpsql.plan import Plan, plan
from dpsql.price import priced
from dpsql.privacy_clause import Stated, require_unit

ONE_PRICE = "say what the query may cost (epsilon) or how right it must be (error), not both"


def planned(
    sql: str, catalog: Catalog, ask: Cost, reader: Reader, describe: Describe, params: Params = None,
    dialect: str = "duckdb", passed: tuple[bool, bool] = (False, False), error: Fraction | None = None,
    level: float = USUAL, quality: bool = False,
) -> Plan:
    """The plan of a query for the epsilon and delta of `ask`; `passed` says which of them the caller insists on.

    With an `error` it is the cheapest plan whose intervals are within it (`priced`); of `ask` the delta counts.
    `level` is the confidence of intervals; `quality` buys those of quantiles, and how much was cut.

    `reader` reads public tables, to list public groups; `describe` types SQL over empty tables. Raises QueryError, with
    a caret over `sql`, for whatever cannot be answered; InternalError when a bound cannot be proved.
    """
    try:
        with planning():
            tree = read(sql, params, dialect)
            stated: Stated = tree.meta["stated"]
            if error is not None and stated.epsilon is not None:
                raise QueryError(ONE_PRICE, hint="leave the epsilon out of the query's OPTIONS")
            require_unit(stated, tree, catalog)
            tight = catalog.tightened(stated.max_groups, stated.min_units)
            said = collated(tree, tight, dialect)
            program, cost = lower(tree, tight, describe), asked(stated, ask, passed)
            if error is None:
                found = plan(program, tight, cost, reader, None, level, quality)
            else:
                found = priced(
                    lambda at, prefer: plan(program, tight, at, reader, prefer, level, quality), program, cost, error,
                    catalog.policy.budget)
            return replace(found, warnings=(*found.warnings, *said)) if said else found
    except QueryError as error:
        raise error.at(sql) from None
    except RecursionError:
        raise QueryError("the query is nested too deeply", hint="split it with WITH").at(sql) from None


def asked(stated: Stated, ask: Cost, passed: tuple[bool, bool]) -> Cost:
    """The cost asked for: what the query states takes the place of a default, and never exceeds what was passed."""
    epsilon, delta = (
        given if said is None else min(given, said) if insists else said
        for given, said, insists in zip((ask.epsilon, ask.delta), (stated.epsilon, stated.delta), passed, strict=True)
    )
    return Cost(epsilon, delta)
