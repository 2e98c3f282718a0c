"""Every scalar function dpsql admits: its types, range, nullability, and the total SQL that is printed for it.

`build` copies the analyst's expression into our own scalars, `to_sql` prints them. Adding a scalar is a row of the
table (`rows.py` says what a row states; arithmetic, logic, numeric, text, dates and guards hold the rows).
"""

from __future__ import annotations

from dpsql.scalars import (  # noqa: F401  (they fill the table)
    arithmetic,
    buckets,
    conversion,
    date_parts,
    dates,
    edits,
    guards,
    lists,
    logic,
    numeric,
    rungs,
    text,
    zones,
)
from dpsql.scalars.build import build, spelt_like
from dpsql.scalars.clamps import clamp
from dpsql.scalars.date_parts import DAY_NAMES, MONTH_NAMES
from dpsql.scalars.errors import ScalarError
from dpsql.scalars.finish import FINISH_FUNCTIONS, admitted_in_finish
from dpsql.scalars.guards import fed
from dpsql.scalars.logic import conjuncts
from dpsql.scalars.public import few_values, public_values
from dpsql.scalars.ranges import bounds, enforced, nullable
from dpsql.scalars.rows import call
from dpsql.scalars.spelling import reason
from dpsql.scalars.sql import to_sql

__all__ = [
    "DAY_NAMES", "FINISH_FUNCTIONS", "MONTH_NAMES", "ScalarError", "admitted_in_finish", "bounds", "build", "call",
    "clamp", "conjuncts", "enforced", "fed", "few_values", "nullable", "public_values", "reason", "spelt_like",
    "to_sql",
]
