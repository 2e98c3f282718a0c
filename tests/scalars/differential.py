"""What must hold of every printed expression, checked against DuckDB."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction

import duckdb
import sqlglot
from expressions import COLUMNS, TYPES, alike, fill, printed

from dpsql.expression import Column, Kind, Ref, Scalar, columns_of
from dpsql.interval import Interval
from dpsql.scalars import bounds, enforced, nullable

TABLES = ("edge", "tame")
VOID = ("nothing", "same", "void", "half")  # statistics fold their columns to NULL, which DuckDB 2.0 cannot always plan
FIRST = {"t", "i", "b", "d4", "d15", "f", "v", "p", "dt", "ts"}  # the first column of each kind
_OURS = (
    "SELECT {q} AS r FROM {t}",
    "SELECT count(*) FROM {t} WHERE ({q}) IS NOT NULL",
    "SELECT sum(CASE WHEN ({q}) IS NULL THEN 1 ELSE 2 END), max({q}) FROM {t}",
    "SELECT {q} AS k, count(*) FROM {t} GROUP BY 1",
    "EXPLAIN SELECT {q} AS r FROM {t} WHERE ({q}) IS NOT NULL",
)


def connections(seed: int) -> list[duckdb.DuckDBPyConnection]:
    """The default settings, and those dpsql pins; the same tables in both."""
    found = []
    for pinned in (False, True):
        connection = duckdb.connect(config={"threads": 1})
        rng = random.Random(seed)
        fill(connection, "edge", rng, 18, tame=False)
        fill(connection, "tame", rng, 24, tame=True)
        connection.execute("CREATE TABLE nothing AS FROM edge LIMIT 0")
        connection.execute("CREATE TABLE same AS FROM edge WHERE id = 3")  # statistics whose minimum is the maximum
        for table, empty in (("void", FIRST), ("half", set(TYPES) - FIRST)):  # what statistics fold to NULL
            cells = [
                f'CAST(NULL AS {type_}) AS "{name}"' if name in empty else f'"{name}"' for name, type_ in TYPES.items()
            ]
            connection.execute(f"CREATE TABLE {table} AS SELECT id, {', '.join(cells)} FROM edge")
        if pinned:
            connection.execute("SET disabled_optimizers='common_subexpressions,statistics_propagation'")
            connection.execute("SET error_on_division_by_zero=false")
        found.append(connection)
    return found


def runs(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    """The statement raises nothing; moments that Python cannot hold are no error of it."""
    try:
        connection.execute(statement).fetchall()
    except duckdb.Error as error:
        raise AssertionError(f"{error}\n{statement}") from error
    except (OverflowError, ValueError):
        return


def check_total(engines: list[duckdb.DuckDBPyConnection], scalars: list[Scalar]) -> None:
    """No value raises: alone, together in one SELECT (shared subexpressions), filtered, grouped, planned."""
    texts = [printed(scalar).sql(dialect="duckdb", comments=False) for scalar in scalars]
    together = ", ".join(f"{text} AS c{place}" for place, text in enumerate(texts))
    sums = ", ".join(f"a{place} := count({text}), b{place} := max({text})" for place, text in enumerate(texts))
    for place, engine in enumerate(engines):
        for table in (*TABLES, *VOID) if place else TABLES:
            for text in texts:
                for form in _OURS if table == "edge" else _OURS[:1]:
                    runs(engine, form.format(q=text, t=table))
            runs(engine, f"SELECT {together} FROM {table}")
            runs(engine, f"SELECT struct_pack({sums}) FROM {table}")


def check_round_trip(scalar: Scalar) -> None:
    node = printed(scalar)
    text = node.sql(dialect="duckdb", comments=False)
    assert sqlglot.parse_one(text, dialect="duckdb") == node, text


def values(engine: duckdb.DuckDBPyConnection, text: str, table: str) -> list[object]:
    return [row[0] for row in engine.execute(f"SELECT {text} FROM {table} ORDER BY id").fetchall()]


def check_facts(engine: duckdb.DuckDBPyConnection, scalar: Scalar) -> None:
    """The type is the call's, the value lies in its range, and is NULL (or NaN) only if that was foreseen."""
    text = printed(scalar).sql(dialect="duckdb", comments=False)
    if scalar.type.kind is not Kind.NULL:
        found = engine.execute(f"SELECT typeof({text}) FROM tame LIMIT 1").fetchall()[0][0]
        assert str(found).replace(",", ", ") == str(scalar.type), text
    complete = {column.id for column in columns_of(scalar) if _complete(engine, column)}
    may_be_null = nullable(scalar, lambda column: column.id not in complete)
    for table in ("edge", "tame"):
        proved = enforced(scalar)
        believed = bounds(scalar, lambda column: _range(engine, column, table))  # noqa: B023
        for value in values(engine, text, table):
            if value is None or (isinstance(value, float) and math.isnan(value)):
                assert may_be_null or table == "edge", text
            elif scalar.type.numeric:
                assert inside(value, proved), (text, value, str(proved))
                assert inside(value, believed), (text, value, str(believed))


def _complete(engine: duckdb.DuckDBPyConnection, column: Column) -> bool:
    """Whether the tame table has no NULL there."""
    return engine.execute(f'SELECT count(*) = count("{column.name}") FROM tame').fetchall()[0][0] is True


def _range(engine: duckdb.DuckDBPyConnection, column: Column, table: str) -> Interval:
    """The exact range of a column's values, as an owner could declare it."""
    if column.type.kind not in (Kind.INTEGER, Kind.DECIMAL):
        return Interval(None, None)
    low, high = engine.execute(f'SELECT min("{column.name}"), max("{column.name}") FROM {table}').fetchall()[0]
    return Interval(Fraction(low), Fraction(high))


def inside(value: object, interval: Interval) -> bool:
    assert isinstance(value, (int, float, Decimal))
    if isinstance(value, float) and math.isinf(value):
        return (interval.high if value > 0 else interval.low) is None
    return (interval.low is None or value >= interval.low) and (interval.high is None or value <= interval.high)


def check_plain(engine: duckdb.DuckDBPyConnection, text: str, scalar: Scalar) -> None:
    """Plain DuckDB gives the same values, where it gives any (on extreme values too, unless ours became NULL)."""
    ours = printed(scalar).sql(dialect="duckdb", comments=False)
    if "AS DECIMAL(38" in ours:  # the engine gives up decimals pair by pair, we for all members of a list at once
        return
    # failed nodes are NULL; the engine's TRY_STRPTIME reads 'infinity' as 1900
    foreseen = (
        "TRY(" in ours
        or "TRY_STRPTIME" in ours
        or "|| '-' ||" in ours
        or "DECIMAL(9, 0)" in ours
        or "9999-12-31" in ours
        or "AS TIMESTAMP" in ours
    )
    for table in ("tame",) if foreseen else ("edge", "tame"):
        try:
            plain = values(engine, text, table)
        except duckdb.Error:
            try:
                plain = values(engine, f"TRY({text})", table)
            except duckdb.Error:
                continue
            pairs = [(a, b) for a, b in zip(plain, values(engine, ours, table), strict=True) if a is not None]
        else:
            pairs = list(zip(plain, values(engine, ours, table), strict=True))
        assert all(alike(a, b) for a, b in pairs), (text, ours, [pair for pair in pairs if not alike(*pair)][:3])


def refs(*names: str) -> tuple[Ref, ...]:
    return tuple(Ref(COLUMNS[name]) for name in names)
