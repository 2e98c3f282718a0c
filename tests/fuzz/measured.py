"""Plans of random queries over the small worlds, and what removing one unit changes of everything that they count."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from small_worlds import Database, Rows, World, without, world
from test_guards import check_groups, check_magnitudes, check_sensitivities
from test_searched import counts, open_world
from test_tables import check_rows_counted

from dpsql.budget.events import Cost
from dpsql.errors import QueryError
from dpsql.expression import Kind, SqlType
from dpsql.pipeline import planned
from dpsql.plan import Plan
from dpsql.probe import parameters
from dpsql.program import Feed
from dpsql.render import render_with
from dpsql.side import Side
from dpsql.tabulate import tabulated
from tests.fuzz.query_words import Written

_DATES = (None, datetime.date(2020, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31))
_VALUES: dict[Kind, tuple[object, ...]] = {
    Kind.INTEGER: (None, 0, 1, 2, 3, -1, 127, -128), Kind.DECIMAL: (None, 0, 1, -1),
    Kind.DOUBLE: (None, 0.0, 1.0, -2.5, 1e308, float("inf"), float("nan")),
    Kind.VARCHAR: (None, "a", "b", "", "zzz"), Kind.BOOLEAN: (None, True, False),
    Kind.DATE: _DATES, Kind.TIMESTAMP: (None, datetime.datetime(2020, 2, 29, 12), datetime.datetime(1, 1, 1)),
}


@dataclass(frozen=True)
class FedWorld(World):
    """A world whose statements also take released values."""

    values: Mapping[str, object] = field(default_factory=dict)

    def run(self, sql: str, params: Collection[str] = ()) -> Rows:
        """The rows of a statement that takes the salt and what earlier stages release."""
        return self.connection.execute(sql, {name: self.values.get(name, "salt") for name in params}).fetchall()


def plan_of(written: Written, mode: str, here: World | None = None) -> Plan | None:
    """The plan of a query; None when it is refused. Any other error is a failure."""
    here = here or world(mode)
    try:
        return planned(
            written.sql, here.catalog, Cost(Fraction(1), Fraction(1, 100)), here.public, here.typed, written.params,
        )
    except QueryError as refused:
        assert refused.reason and str(refused)
        return None


@st.composite
def fed(draw: st.DrawFn, plan: Plan) -> dict[str, object]:
    """Whatever the stages of a plan may release to later ones: any values at all, keys unique where they are."""
    found: dict[str, object] = {}
    for feed in plan.program.feeds:
        rows = draw(st.lists(_row(feed), min_size=feed.single, max_size=1 if feed.single else 4, unique_by=_key(feed)))
        for i in range(len(feed.types)):
            values = [row[i] for row in rows]
            found[f"{feed.name}_c{i + 1}"] = values[0] if feed.single else values
    return found


def _row(feed: Feed) -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(*(st.sampled_from(_some(type_)) for type_ in feed.types))


def _some(type_: SqlType) -> tuple[object, ...]:
    return _VALUES.get(type_.kind, (None,))


def _key(feed: Feed) -> Any:
    """What no two rows share: the first columns, rows with a NULL there aside."""
    if not feed.unique:
        return None
    count = iter(range(1_000_000))
    return lambda row: repr(row[: feed.unique]) if None not in row[: feed.unique] else next(count)


def check_distances(plan: Plan, mode: str, values: Mapping[str, object], database: Database, unit: int) -> None:
    """What one unit changes is within the bounds of every statement, whatever the earlier ones released."""
    plain = world(mode)
    here = FedWorld(plain.connection, plain.catalog, values=values)
    for statement in plan.statements:
        check_sensitivities(here, statement, database, unit)
        check_groups(here, statement, database, unit)
        check_magnitudes(here, statement, database, unit)
        check_rows_counted(here, statement, database, unit)
        for side in statement.sides:
            if side.near:
                check_near(here, side)


def check_searched(plan: Plan, mode: str, ranges: bool, database: Database, unit: int) -> None:
    """Removing a unit lowers every count that a bound is chosen from, by at most C."""
    here = open_world(mode, ranges)
    for statement in plan.statements:
        if statement.opening is None or statement.opening.params - {*parameters(statement.opening.probe), "salt"}:
            continue        # nothing is open, or what it reads is not released yet
        pairs = zip(*(counts(here, statement, each) for each in (database, without(database, unit))), strict=True)
        for (before, most), (after, _) in pairs:
            assert all(0 <= a - b <= most for a, b in zip(before, after, strict=True))


def check_near(here: World, side: Side) -> None:
    """The rows near a rank are those of the whole table, the rows up to each and all beside them; none is missing."""
    keys = len(side.table.keys)
    sql, params = render_with(tabulated(side.table), here.catalog)
    upto: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    rows = here.run(sql, params)
    for row in rows:
        whole[repr(row[:keys])] += _whole(row[-1])
    expected, given = [], {repr(row) for row in here.run(side.sql, side.params)}
    for row in sorted(rows, key=lambda row: (row[keys] != row[keys], row[keys])):
        group, below = repr(row[:keys]), upto[repr(row[:keys])]
        upto[group] += _whole(row[-1])
        found = repr((*row, upto[group], whole[group]))
        aims = [(choice.near[0] * whole[group], choice.near[1]) for choice in side.choices if choice.rank]
        if any(upto[group] >= aim - near and below <= aim + near for aim, near in aims):
            expected.append(found)
            assert found in given, "a row near a rank is left out"
    assert len(given) <= len(rows) and len(expected) <= len(given)


def _whole(count: object) -> int:
    assert isinstance(count, int)
    return count
