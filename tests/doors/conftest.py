"""A session that answers from a table of texts: doors are tested without engine, budget or noise."""

from __future__ import annotations

import datetime
import runpy
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dpsql.answer import Answer, AnswerCost, Balance
from dpsql.dictionary import TableInfo, dictionary, entry
from dpsql.errors import BudgetError, QueryError
from dpsql.explain import Explanation
from dpsql.expression import DATE, DOUBLE, INTEGER, VARCHAR, Kind, SqlType
from dpsql.interval import between
from dpsql.policy import Budget, ColumnPolicy, Limits, OwnerPath, Policy, TablePolicy
from dpsql.schema import ColumnSchema, Schema, TableSchema

NOISY = Answer(
    columns=("ward", "n", "cost", "first"),
    types=("VARCHAR", "BIGINT", "DECIMAL(18, 2)", "DATE"),
    rows=(("A1", 29752, Decimal("1234.56"), datetime.date(2025, 1, 2)), ("B", 17, None, None)),
    intervals=((None, (29749, 29755), (Decimal("1222.25"), Decimal("1246.87")), None),
               (None, (0, 20), None, None)),
    noisy=(False, True, True, False),
    cost=AnswerCost(1.0, 1e-8),
    warnings=("few rows",),
    balance=Balance("alice", 3.0, 1.0, 5e-7, 1e-8),
)
PUBLIC = Answer(("x",), ("INTEGER",), ((1,), (2,), (3,)), ((None,),) * 3, (False,), AnswerCost(0.0, 0.0))


@dataclass
class FakeSession:
    """Remembers what it was asked. SELECT 1 is public, `secret` is refused, `dear` is beyond the budget."""

    policy: Policy
    schema: Schema
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    explained: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False

    def query(self, sql: str, **options: Any) -> Answer:
        self.asked.append((sql, options))
        if "secret" in sql:
            raise QueryError("no table secret", sql=sql, start=sql.index("secret"), end=sql.index("secret") + 5)
        if "dear" in sql:
            raise BudgetError("the budget does not allow this")
        if "slow" in sql:
            raise KeyboardInterrupt
        return PUBLIC if "1" in sql else NOISY

    def columns(self, sql: str, **options: Any) -> tuple[tuple[str, str], ...]:
        self.asked.append((f"columns of {sql}", options))
        return tuple(zip(NOISY.columns, ("VARCHAR", "BIGINT", "DECIMAL(18,2)", "DATE"), strict=True))

    def tables(self) -> tuple[TableInfo, ...]:
        return dictionary(self.policy, self.schema)

    def describe(self, table: str) -> TableInfo:
        return entry(self.policy, self.schema, table)

    def explain(self, sql: str, **options: Any) -> Explanation:
        self.explained.append(options)
        return Explanation("" if "1" in sql else f"bounds of {sql}", "SELECT 2", "SELECT 3", "cost: epsilon 1", ())

    def interrupt(self) -> None:
        self.asked.append(("interrupt", {}))

    def balance(self, analyst: str | None = None) -> Balance:
        return Balance(analyst, 3.0, 1.0, 5e-7, 1e-8)

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _policy() -> Policy:
    budget = Budget(Fraction(10), Fraction(1, 10**6))
    columns = {
        "age": ColumnPolicy(range=between(0, 100)),
        "sex": ColumnPolicy(values=("female", "it's", True, 3)),
    }
    return Policy(
        "1", "patient", budget, budget, Limits(),
        {
            "patients": TablePolicy("patients", unit="id", keys=(("id",),), columns=columns),
            "visits": TablePolicy("visits", owner=OwnerPath("who", "patients", "id")),
            "wards": TablePolicy("wards", public=True, keys=(("ward", "floor"),)),
        },
        analysts={"alice": budget},
    )


def _table(name: str, *columns: tuple[str, SqlType | None]) -> TableSchema:
    return TableSchema(name, ("db", "main", name), tuple(
        ColumnSchema(column, type_, "BLOB" if type_ is None else str(type_), True) for column, type_ in columns
    ))


@pytest.fixture
def noisy() -> Answer:
    return NOISY


@pytest.fixture
def session() -> FakeSession:
    schema = Schema((
        _table("patients", ("id", INTEGER), ("age", INTEGER), ("sex", VARCHAR), ("photo", None)),
        _table("visits", ("who", INTEGER), ("cost", SqlType(Kind.DECIMAL, 9, 2)), ("day", DATE), ("x", DOUBLE)),
        _table("wards", ("ward", VARCHAR), ("floor", INTEGER)),
        _table("hidden", ("x", INTEGER)),
    ))
    return FakeSession(_policy(), schema)


@pytest.fixture(scope="session")
def tpch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with TPC-H at scale 0.01 and its policy."""
    examples = Path(__file__).parents[2] / "examples" / "tpch"
    folder = tmp_path_factory.mktemp("tpch")
    runpy.run_path(str(examples / "make.py"))["make"](folder / "tpch.duckdb", 0.01)
    (folder / "policy.toml").write_text((examples / "policy.toml").read_text())
    return folder
