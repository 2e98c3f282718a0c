"""SQL in the analyst's own dialect, brought to DuckDB's meaning node by node; places keep pointing at their text.

`rules.py` holds what operators become and `clauses.py` clauses, `texts.py` and `splits.py` what functions of texts
do, `times.py` the rules of dates, `formats.py` how dates are written, `types.py` the rules of CAST, `names.py` what
the parser keeps by name, `members.py` what asks for the values of a list. What has no rule means the same
everywhere, or carries a mark of its dialect that the table of scalars does not know and refuses.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice

from sqlglot import exp
from sqlglot.errors import SqlglotError

from dpsql.dialects import clauses, formats, names, rules, splits, texts, times, types
from dpsql.dialects.macros import written_out
from dpsql.dialects.members import asked_of_lists
from dpsql.dialects.series import listed
from dpsql.errors import QueryError
from dpsql.output_name import named
from dpsql.parse import UNREAD, Params, parse, refusal
from dpsql.scalars.noted import unread

DIALECTS = (
    "duckdb", "postgres", "redshift", "snowflake", "bigquery", "spark", "databricks", "tsql", "mysql", "trino",
    "presto", "sqlite", "oracle",
)
_LIKELY = ("duckdb", "tsql", "bigquery", "spark", "mysql", "snowflake", "postgres")
_TRIED = 4_000         # characters
_MOST_PIECES = 2_000   # nodes of one expression
_RULES = {**rules.RULES, **texts.RULES, **splits.RULES, **times.RULES, **types.RULES, **names.RULES,
          **clauses.RULES}


def read(sql: str, params: Params = None, dialect: str = "duckdb") -> exp.Query:
    """The tree of one SELECT written in `dialect`, with DuckDB's meaning.

    Raises QueryError for a dialect that is not read, for text that does not parse, and for what DuckDB cannot mean.
    """
    name = dialect.lower() if isinstance(dialect, str) else ""
    if name not in DIALECTS:
        raise QueryError(f"the dialect {str(dialect)[:40]!r} is not read", hint="use one of " + ", ".join(DIALECTS))
    try:
        tree = parse(sql, params, name)
    except QueryError as error:
        if error.reason.startswith(UNREAD) and error.hint is None and (other := _reader(sql, params, name)):
            error.hint = f'{other} reads it: pass dialect="{other}"'
        raise
    named(tree)
    for cast in [each for each in tree.find_all(exp.Cast) if type(each) is exp.Cast and each.to.is_type("INTERVAL")]:
        if isinstance(cast.this, exp.Literal) and cast.this.is_string:
            _take(cast, _length(cast.this))
    if name != "duckdb":
        formats.mark(tree, sql, name)
        return listed(asked_of_lists(translated(tree, name)), name)
    for node in list(tree.find_all(exp.Anonymous, exp.Limit, exp.Fetch, exp.EQ, exp.NEQ, exp.In)):
        known = names.renamed(node) if isinstance(node, exp.Anonymous) else _RULES[type(node).__name__](node, name)
        if known is not node:
            _take(node, known)
    for select in tree.find_all(exp.Select):
        clauses.keep_first(select, name)
    written_out(tree)
    return listed(asked_of_lists(tree), name)


def _length(text: exp.Literal) -> exp.Interval:
    """'1 day'::interval as INTERVAL '1 day', which the parser splits."""
    count, _, unit = text.this.strip().partition(" ")
    whole = exp.Interval(this=text.copy())
    if count.lstrip("+-").isdigit() and unit.isalpha():
        whole.this.set("this", count)
        whole.set("unit", exp.Var(this=unit.upper()))
    return whole


def _reader(sql: str, params: Params, dialect: str) -> str | None:
    """Another dialect that a text parses in, the likelier ones first; a long text is not tried."""
    for name in _LIKELY if len(sql) <= _TRIED else ():
        with suppress(QueryError):
            if name != dialect and parse(sql, params, name):
                return name
    return None


def _take(node: exp.Expr, new: exp.Expr) -> None:
    """Puts `new` in the place of `node`, pointing at the same text."""
    for key in ("start", "end", "line", "col", "written"):
        if key in node.meta and key not in new.meta:
            new.meta[key] = node.meta[key]
    node.replace(new)


def translated(tree: exp.Query, dialect: str) -> exp.Query:
    """The tree with every node of `dialect` replaced by one of DuckDB's with the same meaning, in the same place."""
    for hint in list(tree.find_all(exp.Hint)):
        hint.pop()          # it tells the engine how, never what
    for node in reversed(list(tree.walk(bfs=True))):
        rule = _RULES.get(type(node).__name__)
        if rule is not None and (passed_over := unread(node)) is not None:
            raise refusal(passed_over[0], node, passed_over[1])
        try:
            new = node if rule is None else rule(node, dialect)
        except (SqlglotError, AttributeError, LookupError, TypeError, ValueError):     # it lacks what its kind has
            raise refusal(f"this is not read in {dialect}", node, "look at its arguments") from None
        if new is not node:
            _require_small(new, node)
            _take(node, new)
    return tree


def _require_small(new: exp.Expr, node: exp.Expr) -> None:
    """Refuses an expression that is written out too long: what stands in a function may be copied many times, and so
    once more by the function around that."""
    if not isinstance(new, exp.Query | exp.Join | exp.Values) and next(islice(new.walk(), _MOST_PIECES, None), None):
        raise refusal("this is too long once it is written out in DuckDB's SQL", node,
                      "give the inner part a name in a derived table, and use that")
