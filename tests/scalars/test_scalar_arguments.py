"""Nothing that a parser notes on a node is passed over: it is read, or refused, or known to change no meaning."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlglot
from expressions import COLUMNS
from samples import SAMPLES
from sqlglot import exp

from dpsql.dialects import read as read_dialect
from dpsql.errors import QueryError
from dpsql.expression import Ref
from dpsql.scalars import ScalarError, build

# What a node may hold though nothing reads it, and why that is right.
REMARKS = {
    ("ByteString", "is_bytes"): "how it was written",
    ("Cast", "safe"): "every cast is total",
    ("TryCast", "safe"): "every cast is total",
    ("DataType", "nested"): "of types with parts, which say so themselves",
    ("DataType", "expressions"): "a length, which DuckDB does not enforce",
    ("DateDiff", "big_int"): "the width of the result",
    ("DateDiff", "date_part_boundary"): "boundaries are what is counted",
    ("DateTrunc", "input_type_preserved"): "a dialect's rule",
    ("TimestampTrunc", "input_type_preserved"): "a dialect's rule",
    ("UnixToTime", "target_type"): "a dialect's rule",
    ("Div", "safe"): "every division is total",
    ("If", "false"): "CASE keeps its own ELSE",
    ("Interval", "fraction_in_string"): "how it was written",
    ("RegexpLike", "full_match"): "a dialect's rule",
    ("TimeToStr", "culture"): "a dialect's rule",
    ("Bracket", "offset"): "a dialect's rule",
    ("Bracket", "returns_list_for_maps"): "there are no maps below the noise",
    ("Bracket", "json_access"): "how it was written",
    ("Array", "bracket_notation"): "how it was written",
    ("Array", "value_constructor"): "how it was written",
    ("Array", "struct_name_inheritance"): "there are no structs in lists",
    ("DateAdd", "unit"): "the INTERVAL has its own",
    ("DataTypeParam", "expression"): "of a length, bytes or letters",
    ("RegexpReplace", "modifiers"): "a literal is read; there is nothing else",
    ("Substring", "length"): "an expression is read; there is nothing else",
    ("Trim", "position"): "a word is read; there is nothing else",
}
NOTES = {"ignore_nulls", "safe", "typed", "date_part_boundary", "coalesce", "single_replace", "null_if_pos_overflow"}


def resolve(node: exp.Column) -> Ref:
    return Ref(COLUMNS[node.name.lower()])


def meaning(node: exp.Expr) -> str | None:
    try:
        return repr(build(node, resolve))
    except (ScalarError, AttributeError, AssertionError, TypeError, ValueError):
        return None


def noted(node: exp.Expr, place: int) -> Iterator[tuple[str, str, exp.Expr]]:
    """The same tree with one argument more at one of its nodes."""
    at = list(node.walk())[place]
    for name in at.arg_types:
        if at.args.get(name) in (None, False, []):
            for value in (True, exp.Literal.string("x"), exp.column("v"), exp.Var(this="X")):
                copied = node.copy()
                list(copied.walk())[place].set(name, value)
                yield type(at).__name__, name, copied


@pytest.mark.parametrize("row", SAMPLES)
def test_no_argument_is_passed_over(row: str) -> None:
    for text in SAMPLES[row].split(";"):
        tree = sqlglot.parse_one(text, read="duckdb")
        plain = meaning(tree)
        assert plain is not None, text
        for place, node in enumerate(list(tree.walk())):
            if isinstance(node, exp.Column | exp.Identifier | exp.Literal | exp.Anonymous | exp.Var):
                continue
            for kind, name, changed in noted(tree, place):
                passed = meaning(changed) == plain
                assert not passed or name in NOTES or (kind, name) in REMARKS, f"{kind}.{name} of {text}"


@pytest.mark.parametrize(("dialect", "text", "reason"), [
    ("duckdb", "CAST(ts AS TIMESTAMP(0))", "fewer digits"), ("postgres", "ts::timestamp(0)", "fewer digits"),
    ("postgres", "ts::timestamptz(3)", "fewer digits"), ("tsql", "CAST(ts AS DATETIME2(0))", "fewer digits"),
    ("tsql", "CAST(ts AS TIME(0))", "fewer digits"), ("snowflake", "ts::timestamp_ntz(0)", "fewer digits"),
    ("duckdb", "CAST(v AS VARCHAR COLLATE nocase)", "not admitted"), ("tsql", "CAST(ts AS SMALLDATETIME)", "minutes"),
    ("postgres", "date_trunc('day', ts, 'Asia/Tokyo')", "time zone"),
    ("bigquery", "TIMESTAMP_TRUNC(ts, DAY, 'Asia/Tokyo')", "time zone"),
])
def test_what_would_change_a_meaning_is_refused(dialect: str, text: str, reason: str) -> None:
    with pytest.raises((ScalarError, QueryError)) as caught:
        build(read_dialect(f"SELECT {text} AS x FROM t", None, dialect).expressions[0].this, resolve)
    assert reason in str(getattr(caught.value, "reason", caught.value))


@pytest.mark.parametrize("text", ["ts::timestamp(6)", "ts::timestamp", "NOT (v IS NOT NULL)", "v NOTNULL"])
def test_what_changes_nothing_is_read(text: str) -> None:
    assert meaning(read_dialect(f"SELECT {text} AS x FROM t", None, "postgres").expressions[0].this) is not None


def test_a_not_that_is_noted_is_read() -> None:
    found = sqlglot.parse_one("v IS NULL", read="duckdb")
    plain = meaning(found)
    found.set("negate", True)
    assert meaning(found) == meaning(exp.Not(this=sqlglot.parse_one("v IS NULL"))) or "not" in str(meaning(found))
    assert meaning(found) != plain
    assert meaning(exp.Not(this=found)) not in (plain, meaning(found))
