"""The pure passes, in their order. Read this first: from SQL text to a plan, without data and without randomness.

    parse   text to tree           lower   tree to Program          derive  relation to Facts
    bound   guards inserted        plan    derived again, priced    render  relation to text

What follows a plan is the session's: charge, run, release, finish.
"""

from __future__ import annotations

from dpsql.budget.events import Cost
from dpsql.catalog import Catalog
from dpsql.errors import QueryError
from dpsql.lower import lower
from dpsql.parse import Params, parse
from dpsql.plan import Plan, Reader, plan


def planned(sql: str, catalog: Catalog, ask: Cost, reader: Reader, params: Params = None) -> Plan:
    """The plan of a query for the epsilon and delta of `ask`.

    `reader` reads public tables, to list public groups. Raises QueryError, with a caret over `sql`, for whatever
    cannot be answered; InternalError when a bound cannot be proved.
    """
    try:
        return plan(lower(parse(sql, params), catalog), catalog, ask, reader)
    except QueryError as error:
        raise error.at(sql) from None
    except RecursionError:
        raise QueryError("the query is nested too deeply", hint="split it with WITH").at(sql) from None
