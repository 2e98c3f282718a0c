"""What DuckDB says of a finish over empty tables, in the analyst's terms and at the place in the analyst's text."""

from __future__ import annotations

import re

from dpsql.errors import QueryError

_KIND = re.compile(r"^\w+ Error: ")
_NAME = re.compile(r"""["'](\w+)["'(]""")                # the first thing the message quotes
_TOO_MUCH = re.compile(r" You might need to add explicit type casts\.|!$")
_REASON = "the query does not fit its tables"


def misfit(said: str) -> QueryError:
    """The refusal of what the engine `said`; no data was there, so it tells of text and schema only."""
    what = _TOO_MUCH.sub("", _KIND.sub("", said)).rstrip(".")
    start = what if what[1:2].isupper() else what[:1].lower() + what[1:]
    return QueryError(f"{_REASON}: {start}")


def placed(error: QueryError, sql: str) -> QueryError:
    """A `misfit` with a caret where `sql` first names what it is about; any other refusal as it is."""
    named = _NAME.search(error.reason) if error.start is None and error.reason.startswith(_REASON) else None
    found = re.search(rf"(?<!\w){re.escape(named[1])}(?!\w)", sql, re.I) if named else None
    if found:
        error.start, error.end = found.start(), found.end() - 1
    return error.at(sql)
