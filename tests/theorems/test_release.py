"""The released table hangs on exact totals through the two mechanisms alone."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import MonkeyPatch
from small_queries import plan_of

from dpsql.engines.base import Rows
from dpsql.noise.scheme import Chosen, Noise
from dpsql.release import release

_keys = st.sampled_from(["a", "b", "hermit", None])
_totals = st.integers(-(2**62), 2**62)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(_keys, st.tuples(_totals, st.integers(1, 50))), st.randoms(), st.integers(-99, 99))
def test_theorem_release(found: dict[str | None, tuple[int, int]], order: object, noise: int) -> None:
    """Public groups are all there and only those; private ones are what is chosen; each cell is drawn for, at the
    planned scale; the order of the engine's rows does not matter."""
    public = plan_of("SELECT grp, SUM(n) FROM units GROUP BY grp", "loose")
    private = plan_of("SELECT kind, SUM(v) FROM orders o GROUP BY kind", "loose")
    assert public is not None and private is not None
    exact = [(key, total, units) for key, (total, units) in found.items()]
    drawn: list[tuple[Noise, int]] = []

    def added(self: Noise, exact: list[int]) -> list[int]:
        drawn.append((self, len(exact)))
        return [value + noise for value in exact]

    def shown(self: Chosen, units: list[int]) -> list[int | None]:
        return [n if n % 2 else None for n in units]

    with MonkeyPatch.context() as patch:
        patch.setattr(Noise, "added", added)
        patch.setattr(Chosen, "shown", shown)
        for plan in (public, private):
            (statement,) = plan.statements
            before = release(statement, Rows(("k1", "p1", "units"), exact)).rows
            order.shuffle(exact)  # type: ignore[attr-defined]
            after = release(statement, Rows(("k1", "p1", "units"), exact)).rows
            assert before == after
            wanted = ["a", "b"] if plan is public else sorted(
                (key for key, (_, units) in found.items() if units % 2), key=lambda key: (key is None, key or "")
            )
            assert [row[:2] for row in after] == [(key, found.get(key, (0, 0))[0] + noise) for key in wanted]
            assert drawn[-2:] == [(statement.noises[0], len(wanted))] * 2


def test_the_key_shown_is_the_domains_own() -> None:
    """-0.0 and 0.0 are one group; which of them is shown must not tell whether it has rows."""
    case = "CASE WHEN v > 2 THEN CAST('-0.0' AS DOUBLE) ELSE 5.0 END"
    plan = plan_of(f"SELECT {case}, SUM(v) FROM orders o GROUP BY 1", "loose")
    assert plan is not None and plan.statements[0].domain is not None
    full = [(key + 0.0, 1, 1) for (key,) in plan.statements[0].domain]  # type: ignore[operator]
    tables = [release(plan.statements[0], Rows(("k1", "p1", "units"), rows)) for rows in (full, [])]
    assert [str(row[0]) for row in tables[0].rows] == [str(row[0]) for row in tables[1].rows]
