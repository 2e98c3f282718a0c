"""Names: the types an analyst may write, what a refused node is called, and why some are refused."""

from __future__ import annotations

from difflib import get_close_matches

from sqlglot import exp
from sqlglot.errors import ErrorLevel

from dpsql.expression import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    HUGEINT,
    INTEGER,
    SMALLINT,
    TIME,
    TIMESTAMP,
    TINYINT,
    VARCHAR,
    Kind,
    SqlType,
)
from dpsql.scalars.conversion import STAND_INS
from dpsql.scalars.errors import ScalarError
from dpsql.schema import INSTANT

_TYPES = {
    "BOOLEAN": BOOLEAN, "TINYINT": TINYINT, "SMALLINT": SMALLINT, "INT": INTEGER, "BIGINT": BIGINT, "INT128": HUGEINT,
    "DOUBLE": DOUBLE, "TEXT": VARCHAR, "VARCHAR": VARCHAR, "CHAR": VARCHAR, "DATE": DATE, "TIMESTAMP": TIMESTAMP,
    "TIMESTAMPNTZ": TIMESTAMP, "DATETIME": TIMESTAMP, "TIME": TIME,
}
_USUAL = ("BOOLEAN", "INTEGER", "BIGINT", "DECIMAL(p, s)", "DOUBLE", "VARCHAR", "DATE", "TIME", "TIMESTAMP")
_NAMES = ("SMALLINT", "TINYINT", "HUGEINT", "DECIMAL", "TEXT", "FLOAT", *(name for name in _USUAL if name.isalpha()))
_STAND_INS = {"TIMESTAMPTZ": INSTANT, "UINT": "UINTEGER", **{name: name for name in STAND_INS}}
_MOMENTS = {"TIME", "TIMETZ", "DATETIME", "TIMESTAMP", "TIMESTAMPNTZ", "TIMESTAMPTZ", "TIMESTAMPLTZ"}
_MICROS = 6            # digits of a second
_DECIMAL_DEFAULT = (18, 3)     # of DuckDB
_LONGEST = 40       # characters of a text that stands in a message


def stand_in(node: exp.Expr) -> str | None:
    """The engine's name of a type that dpsql reads as another; None for any other type. ScalarError as `type_of`."""
    _require_plain(node)
    return _STAND_INS.get(getattr(node.this, "name", "")) if not node.args.get("nested") else None


def type_of(node: exp.Expr) -> SqlType:
    """The type that a CAST names. ScalarError for a type dpsql does not compute with."""
    assert isinstance(node, exp.DataType)
    _require_plain(node)
    name = node.this.name if hasattr(node.this, "name") else str(node.this)
    if name == "DECIMAL":
        return _decimal(node)
    found = _TYPES.get(name)
    if found is None or node.args.get("nested"):
        raise ScalarError(f"the type {node.sql(dialect='duckdb')} is not admitted", node, f"use {', '.join(_USUAL)}")
    return found


def _require_plain(node: exp.Expr) -> None:
    """Refuses what stands in a type and is not read: fewer digits of a second, which would round, and collations."""
    if node.this == exp.DType.USERDEFINED:
        called = node.args.get("kind")
        shown = called.name if isinstance(called, exp.Expr) else str(called)
        near = get_close_matches(shown.upper(), _NAMES, 1)
        raise ScalarError(f"there is no type {shown[:_LONGEST]}", node,
                          f"did you mean {near[0]}?" if near else f"use {', '.join(_USUAL)}")
    digits = node.expressions[0].name if node.expressions else ""
    if str(node.this).rpartition(".")[2] in _MOMENTS and digits and (not digits.isdigit() or int(digits) < _MICROS):
        raise ScalarError("moments are kept to the microsecond: fewer digits are not answered", node,
                          "write date_trunc('second', x)")
    if any(value for key, value in node.args.items() if key not in ("this", "expressions", "nested")):
        raise ScalarError(f"this form of {node.sql(dialect='duckdb')} is not admitted", node, "write the bare type")


def _decimal(node: exp.DataType) -> SqlType:
    given = [part.name for part in node.expressions]
    if not all(part.isdigit() and len(part) <= 2 for part in given) or len(given) > 2:
        raise ScalarError("DECIMAL takes two numbers", node)
    width, scale = (int(given[0]), int(given[1]) if len(given) > 1 else 0) if given else _DECIMAL_DEFAULT
    if not 1 <= width <= 38 or scale > width:
        raise ScalarError("DECIMAL(p, s) needs 1 <= p <= 38 and s <= p", node)
    return SqlType(Kind.DECIMAL, width, scale)


_TEXT = "write CAST(... AS VARCHAR) || ' text'"
_SPLIT = "write split_part(x, ' ', 1)"
_TICKS = "write TIMESTAMP '1970-01-01' + to_seconds(n)"
_CLOCK = {"now", "current_date", "current_timestamp", "current_time", "today", "localtime", "localtimestamp",
          "get_current_timestamp", "get_current_time", "transaction_timestamp", "getdate", "sysdatetime", "curdate",
          "sysdate", "current_datetime", "systimestamp"}
_INSTEAD = {
    "product": "EXP(SUM(LN(x))) is the product of positive numbers", "printf": _TEXT, "format": _TEXT,
    "entropy": "GROUP BY it, and compute it from the counts", "columns": "name the columns",
    "mad": "write MEDIAN(ABS(x - (SELECT MEDIAN(x) FROM ...)))",
    "to_char": "write strftime(x, '%Y-%m-%d')", "date_format": "write strftime(x, '%Y-%m-%d')",
    "to_date": "write CAST(... AS DATE), or strptime(x, '%d.%m.%Y')", "dateadd": "write d + INTERVAL 1 DAY",
    "add_months": "write d + INTERVAL 1 MONTH", "months_between": "write date_diff('month', a, b)",
    "collate": "compare lower(x)", "isnull": "write x IS NULL, or coalesce(x, 0)", "charindex": "write strpos(x, 'a')",
    "nvl2": "write CASE WHEN x IS NULL THEN b ELSE a END", "glob": "write LIKE, or a regular expression",
    "regexp_split_to_array": "write regexp_extract(x, ...)",
    "list_contains": "write x IN (1, 2, 3)", "make_time": "write CAST(... AS TIME)", "to_timestamp": _TICKS,
    "every": "COUNT_IF(x) and COUNT(x) say how many are true, and of how many",
    "age": "write date_sub('year', start, end) for whole years", "sha2": "write md5(x)",
    "repeat": "texts are not made longer by the rows",
    "initcap": "write upper(left(x, 1)) || lower(substring(x, 2))",
    "make_timestamp": "write CAST(... AS TIMESTAMP)", "levenshtein": "compare with LIKE or a regular expression",
    "array": "a name with spaces is written \"in quotes\"; [x] is tsql's: pass dialect=\"tsql\"",
    "average": "write AVG(x)", "percentile": "write QUANTILE_CONT(x, 0.5)", "count_distinct": "write COUNT(DISTINCT x)",
    "hash": "write md5(x)", "epoch_ns": "write epoch_us(x)",
    "lcm": "write x * y // gcd(x, y)",
    **dict.fromkeys(("split", "string_split", "str_split", "string_to_array"),
                    "a list is no value here: take one part, as in split_part(x, ',', 1), or UNNEST it in FROM"),
}
_CHANCE = {"random", "rand", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "setseed", "nextval"}


def name(node: exp.Expr) -> str:
    """What the analyst calls a node: a function by its name, anything else by its text."""
    if isinstance(node, exp.Anonymous):
        return f"{str(node.this).lower()}()"
    if isinstance(node, exp.Func):
        return f"{str(node.meta.get('written') or node.sql_name()).lower()}()"
    text = node.sql("duckdb", comments=False, unsupported_level=ErrorLevel.IGNORE).strip()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def reason(node: exp.Expr) -> ScalarError | None:
    """The refusal of what deserves more words than 'not admitted'."""
    called = name(node).removesuffix("()")
    if called in _CLOCK:
        return ScalarError(f"{called} depends on the clock, so an answer could not be replayed", node,
                           "write the date as a literal, as DATE '1998-09-02'")
    if called in _CHANCE:
        return ScalarError(f"{called} is not deterministic", node, "dpsql adds the noise itself")
    if isinstance(node, exp.Star):
        return ScalarError("* stands for all columns, in SELECT and in COUNT(*)", node, "name one column")
    if isinstance(node, (exp.Query, exp.Subquery, exp.Exists)):
        return ScalarError("a subquery cannot stand here", node, "join the table, or write the value as a literal")
    if isinstance(node, (exp.Window, exp.WithinGroup)):
        return ScalarError("a window function cannot stand here", node, "aggregate first: windows work on groups")
    if isinstance(node, exp.All | exp.Any):
        return ScalarError(f"{name(node)} is not admitted", node, "compare with (SELECT MAX(x) ...), or write [NOT] IN")
    if isinstance(node, exp.Filter) and not isinstance(node.this, exp.AggFunc):
        return ScalarError("FILTER stands behind an aggregate, and this is none", node, "write CASE, or WHERE")
    if isinstance(node, (exp.AggFunc, exp.Filter)):
        return ScalarError("an aggregate cannot stand here", node, "aggregate in a derived table first")
    if called in _INSTEAD:
        return ScalarError(f"{name(node)} is not admitted", node, _INSTEAD[called])
    if isinstance(node, exp.Tuple):
        return ScalarError("several values in brackets are not admitted here", node, "select them one by one")
    if isinstance(node, (exp.Placeholder, exp.Parameter)):
        return ScalarError("a parameter without a value", node)
    return None
