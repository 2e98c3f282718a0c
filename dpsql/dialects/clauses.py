"""What the clauses of other dialects become: rows that tie, medians and shares of groups, names of tables."""

from __future__ import annotations

from sqlglot import exp

from dpsql.dialects.rules import POSTGRES, Rule, nonzero, whole
from dpsql.dialects.splits import viewed
from dpsql.dialects.templates import made
from dpsql.parse import refusal
from dpsql.scalars.marks import USUAL

_EVERY = 100        # percent
_DOWN = "FLOOR(a * (CAST(n AS DOUBLE) / 100))"    # a share of the rows in DuckDB, digit for digit
_UP = "CEIL(a * n / 100.0)"                       # elsewhere
_SCHEMAS = {"tsql": "dbo", "spark": "default", "databricks": "default"} | dict.fromkeys(POSTGRES, "public") | {
    "snowflake": "public"}


def limited(node: exp.Expr, dialect: str) -> exp.Expr:
    """FETCH as LIMIT. QueryError for a share of the rows, and for ties, without a literal or an order."""
    if any(node.args.get(key) for key in ("limit_options", "percent", "with_ties")):
        options = node.args.get("limit_options")
        if _of_order(node):
            return node             # read with its SELECT
        if not isinstance(options, exp.LimitOptions) or options.args.get("percent") or options.args.get("with_ties"):
            raise refusal("a LIMIT with PERCENT or TIES is not answered here", node,
                          "write ORDER BY and a literal number, of PERCENT up to 100, without DISTINCT, OFFSET or "
                          "QUALIFY; or ask for a plain number of rows")
    return exp.Limit(expression=_count(node))


def _count(node: exp.Expr) -> exp.Expr:
    count: exp.Expr = node.args.get("count") or node.args["expression"]
    return count


def _of_order(node: exp.Expr) -> bool:
    """Whether a literal number or share of ordered rows is asked for, or those that tie with the last one too."""
    options, parent, count = node.args.get("limit_options"), node.parent, _count(node).unnest()
    if not isinstance(options, exp.LimitOptions) or not isinstance(parent, exp.Select):
        return False
    if parent.args.get("offset") or parent.args.get("qualify") or parent.args.get("order") is None:
        return False
    tied, share = bool(options.args.get("with_ties")), bool(options.args.get("percent"))
    stated = isinstance(count, exp.Literal) and count.is_number and not parent.args.get("distinct") and (
        float(count.name) <= _EVERY) if share else whole(count) is not None
    return tied is not share and stated


def _kept(limit: exp.Expr, ordered: list[exp.Expr], dialect: str) -> exp.Expr:
    """The test that a LIMIT with ties, or of a share of the rows, means."""
    order = exp.Order(expressions=ordered)
    if not limit.args["limit_options"].args.get("percent"):
        return exp.LTE(this=exp.Window(this=exp.Rank(), order=order, over="OVER"), expression=_count(limit))
    share = made(_DOWN if dialect == "duckdb" else _UP, n=_count(limit),
                 a=exp.Window(this=exp.Count(this=exp.Star(), big_int=True), over="OVER"))
    return exp.LTE(this=exp.Window(this=exp.RowNumber(), order=order, over="OVER"), expression=share)


def keep_first(node: exp.Expr, dialect: str) -> None:
    """LIMIT n WITH TIES keeps what RANK() puts among the first n, and PERCENT what ROW_NUMBER() does; in place."""
    limit = node.args.get("limit")
    if isinstance(limit, exp.Limit | exp.Fetch) and _of_order(limit):
        ordered = [each.copy() for each in node.args["order"].expressions]
        for each in ordered:
            place = whole(each.this)
            if place is not None and 0 < place <= len(node.expressions):
                item = node.expressions[place - 1]
                each.set("this", (item.this if isinstance(item, exp.Alias) else item).copy())
        node.set("qualify", exp.Qualify(this=_kept(limit, ordered, dialect)))
        node.set("limit", None)


def _selected(node: exp.Expr, dialect: str) -> exp.Expr:
    keep_first(node, dialect)
    return viewed(_median_of_each(_first_rows(node) if dialect == "oracle" else node), dialect)


def _first_rows(node: exp.Expr) -> exp.Expr:
    """Oracle's SELECT ... FROM (...) WHERE ROWNUM <= n, and FROM dual."""
    source, where = node.args.get("from_"), node.args.get("where")
    if source is not None and source.this.name.lower() == "dual" and not node.args.get("joins"):
        node.set("from_", None)
    counted = [each for each in node.find_all(exp.Column) if each.name.lower() == "rownum" and not each.table]
    if not counted:
        return node
    test = where.this if where is not None else None
    compared = isinstance(test, exp.LTE | exp.LT) and test.this == counted[0]
    most = (whole(test.expression) or 0) - isinstance(test, exp.LT) if test is not None and compared else 0
    alone = len(counted) == 1 and most > 0 and isinstance(source and source.this, exp.Subquery)
    if not alone or node.args.get("order") or node.args.get("group") or node.find(exp.AggFunc) in node.expressions:
        raise refusal("ROWNUM is read in SELECT ... FROM (...) WHERE ROWNUM <= n alone", counted[0],
                      "write FETCH FIRST n ROWS ONLY")
    node.set("where", None)
    node.set("limit", exp.Limit(expression=exp.Literal.number(most)))
    return node


def _median_of_each(node: exp.Expr) -> exp.Expr:
    """T-SQL's SELECT DISTINCT k, PERCENTILE_CONT(..) OVER (PARTITION BY k): the quantile of each group."""
    items = [item.this if isinstance(item, exp.Alias) else item for item in node.expressions]
    windows = [item for item in items if isinstance(item, exp.Window) and isinstance(item.this, exp.WithinGroup)]
    keys = [item for item in items if item not in windows]
    alike = all({*window.args.get("partition_by", ())} == {*keys} for window in windows)
    if not windows or not alike or not node.args.get("distinct") or node.args.get("group"):
        return node
    for window in windows:
        window.replace(window.this)
    node.set("distinct", None)
    node.set("group", exp.Group(expressions=[key.copy() for key in keys]) if keys else None)
    return node


def _windowed(node: exp.Expr, dialect: str) -> exp.Expr:
    """RATIO_TO_REPORT(x) OVER (...) is x of the SUM of all."""
    share = node.this
    if not isinstance(share, exp.Anonymous) or str(share.this).lower() != "ratio_to_report":
        return node
    value = share.expressions[0]
    rest = {key: each for key, each in node.args.items() if key != "this"}
    total = exp.Window(this=exp.Sum(this=value.copy()), **rest)
    return exp.paren(exp.Div(this=exp.paren(value, copy=False), expression=nonzero(total), typed=False, safe=False),
                     copy=False)


def _pivoted(node: exp.Expr, dialect: str) -> exp.Expr:
    """T-SQL writes the values of a PIVOT as names."""
    for field in node.args.get("fields") or [] if dialect == "tsql" and not node.args.get("unpivot") else []:
        if isinstance(field, exp.In):
            field.set("expressions", [
                exp.Literal.string(each.name) if isinstance(each, exp.Column) else each for each in field.expressions])
    return node


def _table(node: exp.Expr, dialect: str) -> exp.Expr:
    """WITH (NOLOCK) says nothing about the answer, nor does the schema where the dialect looks first."""
    node.meta[USUAL] = node.text("db").lower() == _SCHEMAS.get(dialect, "main") and not node.args.get("catalog")
    hints = node.args.get("hints") or []
    if hints and all(part.name.upper() == "NOLOCK" for hint in hints for part in hint.expressions):
        node.set("hints", None)
    return node


RULES: dict[str, Rule] = {
    "Fetch": limited, "Limit": limited, "Pivot": _pivoted, "Select": _selected, "Table": _table, "Window": _windowed,
}
