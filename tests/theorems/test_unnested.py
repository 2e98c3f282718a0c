"""A row split into many parts is many rows of its unit, whatever was capped before."""

from __future__ import annotations

from small_queries import plan_of
from small_worlds import world

from dpsql import scalars
from dpsql.derive import derive
from dpsql.expression import VARCHAR, Column, Lit
from dpsql.facts.stability import rows_per_group
from dpsql.relation import CapRows, Parts


def test_no_cap_on_rows_outlives_their_parts() -> None:
    here, plan = world("loose"), plan_of("SELECT MEDIAN(v) FROM orders o", "loose")
    assert plan is not None
    capped = plan.statements[0].sides[0].table.guarded
    assert isinstance(capped, CapRows)
    letters = scalars.call("string_split", Lit("a,b,c", VARCHAR), Lit(",", VARCHAR))
    parts = Parts(capped, letters, Column(-9, "part", VARCHAR))
    keys = frozenset(key.id for key in capped.keys)
    assert rows_per_group(derive(capped, here.catalog), keys) == capped.limit
    assert rows_per_group(derive(parts, here.catalog), keys) is None
