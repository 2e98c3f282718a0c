"""SQL in the analyst's own dialect, brought to DuckDB's meaning node by node; places keep pointing at their text.

`rules.py` holds what each kind of node becomes, `times.py` the rules of dates, `types.py` those of CAST. What has no
rule means the same everywhere, or carries a mark of its dialect that the table of scalars does not know and refuses.
"""

from __future__ import annotations

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dpsql.dialects import rules, times, types
from dpsql.errors import QueryError
from dpsql.parse import Params, parse, refusal

DIALECTS = (
    "duckdb", "postgres", "redshift", "snowflake", "bigquery", "spark", "databricks", "tsql", "mysql", "trino",
    "presto", "sqlite",
)
_RULES = {**rules.RULES, **times.RULES, **types.RULES}


def read(sql: str, params: Params = None, dialect: str = "duckdb") -> exp.Query:
    """The tree of one SELECT written in `dialect`, with DuckDB's meaning.

    Raises QueryError for a dialect that is not read, for text that does not parse, and for what DuckDB cannot mean.
    """
    name = dialect.lower() if isinstance(dialect, str) else ""
    if name not in DIALECTS:
        raise QueryError(f"the dialect {str(dialect)[:40]!r} is not read", hint="use one of " + ", ".join(DIALECTS))
    tree = parse(sql, params, name)
    return tree if name == "duckdb" else translated(tree, name)


def translated(tree: exp.Query, dialect: str) -> exp.Query:
    """The tree with every node of `dialect` replaced by one of DuckDB's with the same meaning, in the same place."""
    for hint in list(tree.find_all(exp.Hint)):
        hint.pop()          # it tells the engine how, never what
    for node in reversed(list(tree.walk(bfs=True))):
        rule = _RULES.get(type(node).__name__)
        try:
            new = node if rule is None else rule(node, dialect)
        except (SqlglotError, AttributeError, LookupError, TypeError, ValueError):     # it lacks what its kind has
            raise refusal(f"this is not read in {dialect}", node, "look at its arguments") from None
        if new is node:
            continue
        for key in ("start", "end", "line", "col", "written"):
            if key in node.meta and key not in new.meta:
                new.meta[key] = node.meta[key]
        node.replace(new)
    return tree
