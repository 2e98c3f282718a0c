"""Random SQL expressions over a table of edge values, and what plain DuckDB says of them."""

from __future__ import annotations

import datetime
import math
import random
from decimal import Decimal

import duckdb
import sqlglot
from sqlglot import exp

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
    Column,
    Kind,
    Ref,
    Scalar,
    SqlType,
)
from dpsql.scalars import build, to_sql


def decimal(width: int, scale: int) -> SqlType:
    return SqlType(Kind.DECIMAL, width, scale)


TYPES: dict[str, SqlType] = {
    "t": TINYINT,
    "s": SMALLINT,
    "i": INTEGER,
    "j": INTEGER,
    "b": BIGINT,
    "h": HUGEINT,
    "d4": decimal(4, 1),
    "d9": decimal(9, 2),
    "d15": decimal(15, 2),
    "d18": decimal(18, 4),
    "d38": decimal(38, 10),
    "f": DOUBLE,
    "g": DOUBLE,
    "v": VARCHAR,
    "w": VARCHAR,
    "p": BOOLEAN,
    "q": BOOLEAN,
    "dt": DATE,
    "du": DATE,
    "ts": TIMESTAMP,
    "tt": TIMESTAMP,
    "tm": TIME,
}
EDGES: dict[Kind, list[str]] = {
    Kind.BOOLEAN: ["NULL", "true", "false"],
    Kind.DOUBLE: [
        "NULL",
        "'nan'",
        "'inf'",
        "'-inf'",
        "-0.0",
        "0",
        "1e308",
        "-1.7976931348623157e308",
        "5e-324",
        "0.1",
        "-2.5",
        "1e18",
        "9.3e18",
        "3",
    ],
    Kind.VARCHAR: [
        "NULL",
        "''",
        "'abc'",
        "'12'",
        "'-3.5'",
        "'nan'",
        "'1e400'",
        "'2020-02-30'",
        "'1998-09-02'",
        "'true'",
        "'x' || chr(0) || 'y'",
        "'ÄÖ ß'",
        "'%_\\'",
        "repeat('z', 300)",
        "' pad '",
        "'infinity'",
    ],
    Kind.DATE: [
        "NULL",
        "'infinity'",
        "'-infinity'",
        "'5877642-06-25 (BC)'",
        "'5881580-07-10'",
        "'0001-01-01'",
        "'9999-12-31'",
        "'1970-01-01'",
        "'2020-02-29'",
        "'1998-09-02'",
        "'294247-01-11'",
        "'44-03-15 (BC)'",
    ],
    Kind.TIMESTAMP: [
        "NULL",
        "'infinity'",
        "'-infinity'",
        "'290309-12-22 (BC) 00:00:00'",
        "'294247-01-10 04:00:54.775806'",
        "'1970-01-01 00:00:00'",
        "'2020-02-29 23:59:59.999999'",
        "'1998-09-02 12:00:01'",
        "'9999-12-31 23:59:59'",
        "'0001-01-01 00:00:00'",
    ],
}
EDGES[Kind.TIME] = ["NULL", "'00:00:00'", "'24:00:00'", "'23:59:59.999999'", "'12:30:00'"]
TAME: dict[Kind, list[str]] = {
    Kind.TIME: ["NULL", "'00:00:00'", "'12:30:00'", "'08:15:30'"],
    Kind.BOOLEAN: ["NULL", "true", "false"],
    Kind.DOUBLE: ["NULL", "0", "0.5", "-2.25", "3", "10.75", "100"],
    Kind.VARCHAR: ["NULL", "''", "'abc'", "'Hello World'", "'12'", "'2020-02-29'", "' pad '", "'zzaz'"],
    Kind.DATE: ["NULL", "'1970-01-01'", "'2020-02-29'", "'1998-09-02'", "'2024-12-31'", "'1900-01-31'"],
    Kind.TIMESTAMP: ["NULL", "'1970-01-01 00:00:00'", "'2020-02-29 23:59:59.5'", "'1998-09-02 12:00:01'"],
}


def spelled(steps: int, scale: int) -> str:
    """An integer number of steps of 10^-scale, in full."""
    digits = str(abs(steps)).rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return ("-" if steps < 0 else "") + whole + ("." + fraction if fraction else "")


def edge_values(type_: SqlType, *, tame: bool = False) -> list[str]:
    if type_.kind in (Kind.INTEGER, Kind.DECIMAL):
        one = 10**type_.scale
        bottom, top = (int(end * one) for end in type_.range.ends)
        few = [0, 1, -7 * one, 3 * one, 25 * one // 10, 11 * one]
        steps = few if tame else [*few, bottom, top, bottom + 1]
        return ["NULL", *(f"'{spelled(value, type_.scale)}'" for value in steps if bottom <= value <= top)]
    return (TAME if tame else EDGES)[type_.kind]


def fill(connection: duckdb.DuckDBPyConnection, name: str, rng: random.Random, rows: int, *, tame: bool) -> None:
    """A table of `rows` rows; every edge value of a column occurs in it."""
    definition = ", ".join(f'"{column}" {type_}' for column, type_ in TYPES.items())
    connection.execute(f"CREATE TABLE {name} (id INTEGER, {definition})")
    pools = {column: edge_values(type_, tame=tame) for column, type_ in TYPES.items()}
    for values in pools.values():
        rng.shuffle(values)
    lines = []
    for row in range(rows):
        cells = [
            f"CAST({pool[row] if row < len(pool) else rng.choice(pool)} AS {TYPES[column]})"
            for column, pool in pools.items()
        ]
        lines.append(f"({row}, {', '.join(cells)})")
    connection.execute(f"INSERT INTO {name} VALUES {', '.join(lines)}")


class Maker:
    """Random well-typed SQL text, most of it admitted."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def pick(self, *options: str) -> str:
        return self.rng.choice(options)

    def of(self, kind: str, depth: int) -> str:
        if depth <= 0 or self.rng.random() < 0.15:
            return self.leaf(kind)
        return str(getattr(self, kind)(depth - 1))

    def leaf(self, kind: str) -> str:
        columns = {
            "number": ["t", "s", "i", "j", "b", "h", "d4", "d9", "d15", "d18", "d38", "f", "g"],
            "whole": ["t", "s", "i", "j", "b", "h"],
            "text": ["v", "w"],
            "truth": ["p", "q"],
            "date": ["dt", "du"],
            "moment": ["ts", "tt"],
        }[kind]
        literals = {
            "number": [
                "0",
                "1",
                "-1",
                "2",
                "7",
                "100",
                "1000",
                "3000000000",
                "1.5",
                "0.05",
                "1e3",
                "-2.25",
                "123456789012",
                "99999999999999999999",
            ],
            "whole": ["0", "1", "-1", "2", "100", "3000000000"],
            "text": ["'a'", "'12'", "''", "'abc'"],
            "truth": ["TRUE", "FALSE"],
            "date": ["DATE '1998-09-02'", "DATE '2020-02-29'"],
            "moment": ["TIMESTAMP '1998-09-02 12:00:00'", "TIMESTAMP '2020-02-29 00:00:00'"],
        }[kind]
        return self.pick(*columns) if self.rng.random() < 0.7 else self.pick(*literals)

    def number(self, depth: int) -> str:
        def n() -> str:
            return self.of("number", depth)

        match self.rng.randrange(22):
            case 0 | 1 | 2 | 3 | 4 | 5:
                return f"({n()} {self.pick('+', '-', '*', '*', '/', '//', '%')} {n()})"
            case 6:
                return f"(- {n()})"
            case 7:
                return f"{self.pick('abs', 'sign', 'floor', 'ceil', 'trunc', 'round')}({n()})"
            case 8:
                return f"{self.pick('round', 'trunc')}({n()}, {self.pick('0', '1', '2', '5', '-1', '-3')})"
            case 9:
                return f"{self.pick('sqrt', 'ln', 'log10', 'exp', 'sin', 'cos', 'cbrt', 'atan', 'tan')}({n()})"
            case 10:
                return f"CASE WHEN {self.of('truth', depth)} THEN {n()} ELSE {n()} END"
            case 11:
                return f"{self.pick('coalesce', 'least', 'greatest', 'ifnull')}({n()}, {n()})"
            case 12:
                return f"nullif({n()}, {self.pick('0', '1', '7')})"
            case 13:
                to = self.pick("TINYINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "DECIMAL(9, 2)", "DECIMAL(38, 4)")
                return f"CAST({self.of(self.pick('number', 'number', 'text', 'truth'), depth)} AS {to})"
            case 14:
                return f"TRY_CAST({self.of('text', depth)} AS {self.pick('INTEGER', 'DOUBLE', 'DECIMAL(12, 3)')})"
            case 15:
                unit = self.pick(
                    "year",
                    "month",
                    "day",
                    "hour",
                    "second",
                    "week",
                    "dow",
                    "isodow",
                    "doy",
                    "quarter",
                    "epoch",
                    "isoyear",
                    "yearweek",
                    "decade",
                    "century",
                )
                return f"extract({unit} FROM {self.of(self.pick('date', 'moment'), depth)})"
            case 16:
                unit = self.pick("day", "week", "month", "quarter", "year", "hour", "minute", "second")
                a, b = self.of(self.pick("date", "moment"), depth), self.of(self.pick("date", "moment"), depth)
                return f"date_diff('{unit}', {a}, {b})"
            case 17:
                return f"({self.of('date', depth)} - {self.of('date', depth)})"
            case 18:
                return f"{self.pick('length', 'strlen')}({self.of('text', depth)})"
            case 19:
                return f"({self.of('whole', depth)} {self.pick('&', '|')} {self.of('whole', depth)})"
            case 20:
                return f"power({n()}, {self.pick('2', '0.5', '-1', '3')})"
            case _:
                return f"strpos({self.of('text', depth)}, {self.of('text', depth)})"

    def whole(self, depth: int) -> str:
        a, b = self.of("whole", depth), self.of("whole", depth)
        return self.pick(
            f"({a} + {b})",
            f"({a} * {b})",
            f"({a} // {b})",
            f"({a} % {b})",
            f"abs({a})",
            f"xor({a}, {b})",
            f"(- {a})",
            f"(~ {a})",
            f"({a} - {b})",
        )

    def truth(self, depth: int) -> str:
        kind = self.pick("number", "number", "text", "date", "moment", "truth")
        a, b = self.of(kind, depth), self.of(kind, depth)
        match self.rng.randrange(12):
            case 0 | 1 | 2:
                return f"({a} {self.pick('=', '<>', '<', '<=', '>', '>=')} {b})"
            case 3:
                return f"({a} IS {self.pick('', 'NOT ')}DISTINCT FROM {b})"
            case 4:
                return f"({a} {self.pick('', 'NOT ')}BETWEEN {b} AND {self.of(kind, depth)})"
            case 5:
                return f"({a} {self.pick('', 'NOT ')}IN ({b}, {self.of(kind, depth)}, {self.leaf(kind)}))"
            case 6:
                return f"({self.of('truth', depth)} {self.pick('AND', 'OR')} {self.of('truth', depth)})"
            case 7:
                return f"(NOT {self.of('truth', depth)})"
            case 8:
                return f"({a} IS {self.pick('', 'NOT ')}NULL)"
            case 9:
                operator = self.pick("LIKE", "NOT LIKE", "ILIKE", "~", "SIMILAR TO")
                return f"({self.of('text', depth)} {operator} {self.pick(repr('a%'), repr('%b_'), repr('a.*'))})"
            case 10:
                return f"{self.pick('isnan', 'isfinite', 'isinf')}({self.of('number', depth)})"
            case _:
                name = self.pick("starts_with", "ends_with", "contains")
                return f"{name}({self.of('text', depth)}, {self.of('text', depth)})"

    def text(self, depth: int) -> str:
        a, b = self.of("text", depth), self.of("text", depth)
        date = self.of(self.pick("date", "moment"), depth)
        return self.pick(
            f"upper({a})",
            f"lower({a})",
            f"({a} || {b})",
            f"concat({a}, {b})",
            f"trim({a})",
            f"ltrim({a}, 'a ')",
            f"substring({a}, 2, 3)",
            f"left({a}, 2)",
            f"right({a}, -1)",
            f"split_part({a}, 'b', 1)",
            f"reverse({a})",
            f"CAST({self.of(self.pick('number', 'date', 'moment', 'truth'), depth)} AS VARCHAR)",
            f"coalesce({a}, {b})",
            f"nullif({a}, {b})",
            f"CASE {a} WHEN {b} THEN 'x' ELSE {a} END",
            f"strftime({date}, '%Y-%m-%d %H')",
            f"dayname({date})",
            f"monthname({date})",
        )

    def date(self, depth: int) -> str:
        a = self.of("date", depth)
        return self.pick(
            f"({a} + {self.pick('1', '-30', '400', 'i', 'b', 't')})",
            f"({a} - 7)",
            f"last_day({a})",
            f"CAST({self.of(self.pick('moment', 'text', 'date'), depth)} AS DATE)",
            f"coalesce({a}, {self.of('date', depth)})",
            f"make_date({self.pick('2020', '1999', 'abs(t) + 1')}, {self.pick('1', 't', '2')}, "
            f"{self.pick('1', 's', '30')})",
            f"least({a}, {self.of('date', depth)})",
            f"CASE WHEN {self.of('truth', depth)} THEN {a} END",
        )

    def moment(self, depth: int) -> str:
        a = self.of(self.pick("moment", "date"), depth)
        return self.pick(
            f"({a} + INTERVAL 1 MONTH)",
            f"({a} - INTERVAL '90' DAY)",
            f"({a} + INTERVAL '36 hours')",
            f"date_trunc('{self.pick('month', 'day', 'week', 'year', 'quarter')}', {a})",
            f"date_trunc('hour', {self.of('moment', depth)})",  # DuckDB compares the hour of a DATE wrongly
            f"CAST({self.of(self.pick('moment', 'text', 'date'), depth)} AS TIMESTAMP)",
            f"try_strptime({self.of('text', depth)}, '%Y-%m-%d')",
            f"greatest({self.of('moment', depth)}, {a})",
        )


COLUMNS = {name: Column(place, name, type_, table="t", stored=str(type_))
           for place, (name, type_) in enumerate(TYPES.items())}


def read(text: str, columns: dict[str, Column] | None = None) -> Scalar:
    """The scalar of a text over the columns of the table."""
    known = columns or COLUMNS
    return build(sqlglot.parse_one(text, dialect="duckdb"), lambda node: Ref(known[node.name.lower()]))


def printed(scalar: Scalar) -> exp.Expr:
    return to_sql(scalar, lambda column: exp.column(column.name, quoted=True))


def text_of(scalar: Scalar) -> str:
    return printed(scalar).sql(dialect="duckdb", comments=False)


def alike(a: object, b: object) -> bool:
    """Equal as SQL values; floats up to the rounding of a reordered expression."""
    if (isinstance(a, float) and isinstance(b, (int, float, Decimal))) or (
        isinstance(b, float) and isinstance(a, (int, Decimal))
    ):
        x, y = float(a), float(b)
        return (math.isnan(x) and math.isnan(y)) or x == y or math.isclose(x, y, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(a, datetime.date) and isinstance(b, datetime.date) and type(a) is not type(b):
        return str(a)[:10] == str(b)[:10]
    return a == b
