"""Random scalar expressions over the columns in sight: operators, CASE, and every row of the table of scalars."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

from tests.scalars.expressions import TYPES
from tests.scalars.samples import SAMPLES

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shown:
    """A column in sight: as it is written there, its name, and its type: int, num, text, bool or date."""

    text: str
    name: str
    type: str


Columns = Sequence[Shown]
KINDS = ("int", "num", "text", "bool", "date")
# per type: expressions whose holes {int}, {num}, ... are filled in turn
FORMS: dict[str, tuple[str, ...]] = {
    "int": (
        "{int} + {int}", "{int} - {int}", "{int} * {int}", "{int} // {int}", "{int} % {int}", "-{int}", "ABS({int})",
        "CASE WHEN {bool} THEN {int} ELSE {int} END", "CASE WHEN {bool} THEN {int} END", "COALESCE({int}, {int})",
        "NULLIF({int}, {int})", "LEAST(GREATEST({int}, 0), 5)", "LENGTH({text})", "EXTRACT(year FROM {date})",
        "CAST({num} AS INTEGER)", "CAST({int} AS BIGINT)", "date_diff('day', {date}, {date})", "SIGN({int})",
"({int})", "CAST({bool} AS INTEGER)", "month({date})", "{int}::TINYINT",
    ),
    "num": (
        "{num} + {num}", "{num} * {num}", "{num} / {num}", "{int} / {int}", "ROUND({num}, 1)", "CAST({int} AS DOUBLE)",
        "SQRT({num})", "LEAST(GREATEST({num}, -2), 2.5)", "CASE WHEN {bool} THEN {num} ELSE {int} END", "{num} - {int}",
        "COALESCE({num}, 0.5)", "CAST({num} AS DECIMAL(9, 2))", "FLOOR({num})", "LN({num})", "{int} + 0.25",
        "POWER({num}, 2)", "EXP({num})", "CAST({text} AS DOUBLE)",
    ),
    "text": (
        "{text} || {text}", "UPPER({text})", "SUBSTR({text}, 1, 2)", "CAST({int} AS VARCHAR)", "COALESCE({text}, 'n')",
        "CASE WHEN {bool} THEN 'lo' ELSE 'hi' END", "CASE {text} WHEN 'a' THEN 'b' ELSE {text} END", "TRIM({text})",
        "REPLACE({text}, 'a', 'b')", "CONCAT({text}, {int})", "LEFT({text}, 1)", "split_part({text}, 'z', 1)",
    ),
    "bool": (
        "{int} = {int}", "{int} < {int}", "{num} >= {num}", "{text} = {text}", "{text} <> {text}", "{date} < {date}",
        "{int} BETWEEN {int} AND {int}", "{text} IN ('a', 'b')", "{int} NOT IN (1, 2, {int})", "{int} IS NULL",
        "{text} IS NOT NULL", "NOT ({bool})", "({bool}) AND ({bool})", "({bool}) OR ({bool})", "{text} LIKE 'a%'",
        "{int} IS DISTINCT FROM {int}", "({bool}) IS TRUE", "({int}, {text}) IN ((1, 'a'), (2, 'b'))", "{num} < {int}",
        "{text} ILIKE '%B%'", "regexp_matches({text}, '^a')", "isnan({num})", "NOT {bool}",
    ),
    "date": (
        "date_trunc('month', {date})", "{date} + INTERVAL 1 DAY", "CAST('2020-02-29' AS DATE)", "{date} - 3",
        "COALESCE({date}, DATE '2000-01-01')", "CASE WHEN {bool} THEN {date} END", "last_day({date})",
        "make_date(2020, {int}, 1)", "TRY_CAST({text} AS DATE)",
    ),
}
LITERALS: dict[str, tuple[str, ...]] = {
    "int": ("0", "1", "2", "3", "-1", "7", "NULL", "9223372036854775807", "170141183460469231731687303715884105728"),
    "num": ("0.5", "2.0", "-1.25", "1e3", "1e308", "0.1", "NULL", "CAST('nan' AS DOUBLE)", "'inf'::DOUBLE"),
    "text": ("'a'", "'b'", "''", "'it''s'", "'A'", "NULL", "'%'", "'\u00e9\u4f8b'"),
    "bool": ("TRUE", "FALSE", "NULL", "1 = 1"),
    "date": ("DATE '2020-01-01'", "DATE '1999-12-31'", "NULL", "DATE '0001-01-01'"),
}
VALUES: dict[str, tuple[object, ...]] = {
    "int": (0, 1, 3, -1, None, 2**63, 10**30), "num": (0.5, -2.0, 1e300, None), "text": ("a", "b'--", "", None),
    "bool": (True, False, None), "date": (datetime.date(2020, 2, 29), datetime.date(9999, 12, 31), None),
}
_KIND_OF = {
    "BOOLEAN": "bool", "VARCHAR": "text", "DATE": "date", "TIMESTAMP": "date", "DOUBLE": "num", "DECIMAL": "num",
}
_HOLE = re.compile(r"\{(\w+)\}")
_NAME = re.compile(r"('(?:[^']|'')*')|\b(" + "|".join(TYPES) + r")\b(?!\s*\()")
_SAMPLES = tuple(text.strip() for texts in SAMPLES.values() for text in texts.split(";"))


Below = Callable[[int], int]        # a number from 0 to one less than this


@st.composite
def numbers(draw: st.DrawFn) -> Below:
    """Where choices come from: a seed, since Hypothesis repeats itself in two of three long drawings, or Hypothesis,
    which can make what failed smaller."""
    if draw(st.integers(0, 3)):
        return random.Random(draw(st.integers(0, 2**64 - 1))).randrange
    return lambda most: draw(_below(most))


@cache
def _below(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, most - 1)


@dataclass
class Words:
    """Draws pieces of a query. `parameters` are the values of `$p1`, `$p2`, ... that were written.

    A mistake (a column of another type) is made once in `clumsy` times; never where that is 0.
    """

    below: Below
    clumsy: int = 40
    plain: bool = False         # only what plain SQL computes to the last digit
    parameters: dict[str, object] = field(default_factory=dict)

    def chance(self, percent: int) -> bool:
        return self.below(100) >= 100 - percent

    def pick(self, items: Sequence[Item]) -> Item:
        return items[self.below(len(items))]

    def some(self, items: Sequence[Item], least: int, most: int) -> list[Item]:
        """Between `least` and `most` of them, in any order, none twice."""
        left = list(items)
        many = min(len(left), least + self.below(most - least + 1))
        return [left.pop(self.below(len(left))) for _ in range(many)]

    def literal(self, kind: str) -> str:
        if not self.plain and self.chance(10):
            name = f"p{len(self.parameters) + 1}"
            self.parameters[name] = self.pick(VALUES[kind])
            return f"${name}"
        usual = LITERALS[kind]
        return self.pick(usual if self.chance(15) and not self.plain else usual[:3])

    def column(self, kind: str, columns: Columns) -> str:
        fitting = [column.text for column in columns if column.type == kind]
        if columns and self.clumsy and self.below(self.clumsy) == self.clumsy - 1:
            return self.pick(columns).text
        return self.pick(fitting) if fitting else self.literal(kind)

    def scalar(self, kind: str, columns: Columns, depth: int = 2) -> str:
        """An expression of the type, mostly a column."""
        if depth == 0 or self.chance(45):
            return self.literal(kind) if self.chance(15) else self.column(kind, columns)
        if not self.plain and self.chance(12):
            return self._sample(kind, columns)
        form = self.pick(_exact(kind) if self.plain else FORMS[kind])
        return _HOLE.sub(lambda hole: self.scalar(hole[1], columns, depth - 1), form)

    def _sample(self, kind: str, columns: Columns) -> str:
        """A row of the table of scalars, as a value of the type."""

        def put(found: re.Match[str]) -> str:
            if found[1]:
                return found[1]
            type_ = str(TYPES[found[2]])
            return f"CAST({self.column(_KIND_OF.get(type_.partition('(')[0], 'int'), columns)} AS {type_})"

        text = _NAME.sub(put, self.pick(_SAMPLES))
        if kind == "bool":
            return f"({text}) IS NULL"
        return {"int": f"LENGTH(CAST({text} AS VARCHAR))", "num": f"TRY_CAST(CAST({text} AS VARCHAR) AS DOUBLE)",
                "text": f"CAST({text} AS VARCHAR)", "date": f"TRY_CAST(CAST({text} AS VARCHAR) AS DATE)"}[kind]


@cache
def _exact(kind: str) -> tuple[str, ...]:
    """Forms whose answer plain DuckDB, and any order of its rows, agrees with exactly: no doubles, no failing casts."""
    wrong = re.compile(r"\{num\}|\{date\}|DOUBLE|TINYINT|//|%|\d\.\d|\{int\} \* ")
    return tuple(form for form in FORMS[kind] if not wrong.search(form)) or (f"{{{kind}}}",)
