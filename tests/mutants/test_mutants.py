"""Every guard, taken out one at a time: a check that passes on dpsql must fail on each mutant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from small_worlds import PUB, Database, World, without, world
from sqlglot import exp
from test_facts import check_owner
from test_guards import check_groups, check_sensitivities, totals

from dpsql import bound, guard, release, sensitivity, statement
from dpsql.budget.events import Cost, Event
from dpsql.engines.base import Rows
from dpsql.errors import InternalError
from dpsql.expression import BIGINT, Call
from dpsql.facts import ownership, stability
from dpsql.lower import assemble
from dpsql.noise import gaussian, laplace, scheme, selection
from dpsql.pipeline import planned
from dpsql.plan import Plan
from dpsql.render import _Printer
from dpsql.scalars.rows import ROWS
from dpsql.session import Session
from dpsql.statement import Statement

CAUGHT = (AssertionError, InternalError, duckdb.Error)
Patch = pytest.MonkeyPatch
KINDS = ("a", "b", "c", "d")


def made(
    text: str, mode: str = "loose", delta: Fraction = Fraction(1, 10**9), quality: bool = False,
) -> tuple[World, Plan]:
    here = world(mode)
    return here, planned(text, here.catalog, Cost(Fraction(1), delta), here.public, here.typed, quality=quality)


def rows(units: Any = (), orders: Any = (), items: Any = (), mode: str = "loose") -> Database:
    return {"units": list(units), "orders": list(orders), "items": list(items), "pub": list(PUB[mode])}


def order(o: int, u: int | None, kind: str | None = "a", v: int | None = 1) -> tuple[object, ...]:
    return (o, u, kind, v, "1.00", 1, None)


# Checks: each passes on dpsql as it is ------------------------------------------------------------------------------


def check_distances() -> None:
    """The sensitivities against units with extreme values, many rows, many groups, and none."""
    hostile = rows(
        units=[(1, "a", float("inf"), 2**31 - 1, 1, None), (1, "a", float("nan"), -(2**31), 2, None),
               (2, "b", 1.0, 1, 1, None)],
        orders=[order(i, 1, kind, 2**31 - 1) for i, kind in enumerate([*KINDS, *KINDS, "a", "b", None])]
        + [order(50, 2), order(51, None)],
    )
    for text in (
        "SELECT SUM(v), COUNT(*) FROM orders", "SELECT kind, SUM(v), COUNT(*) FROM orders GROUP BY kind",
        "SELECT SUM(n), COUNT(*) FROM units", "SELECT AVG(x) FROM units", "SELECT SUM(d) FROM orders WHERE v > 0",
        "SELECT kind, COUNT(*) FROM orders WHERE kind IN ('a', 'b') GROUP BY kind",
    ):
        here, found = made(text)
        check_sensitivities(here, found.statements[0], hostile, 1)
        check_groups(here, found.statements[0], hostile, 1)


def check_means() -> None:
    """A unit beyond its row cap is scaled as a whole: sum and count keep their ratio."""
    here, found = made("SELECT SUM(v), COUNT(v) FROM orders")
    (exact,) = totals(here, found.statements[0], rows(orders=[order(i, 1, v=1) for i in range(8)])).values()
    assert exact[:2] == [2, 2]


def check_nan() -> None:
    """A NaN adds nothing."""
    here, found = made("SELECT SUM(x) FROM units")
    (exact,) = totals(here, found.statements[0], rows(units=[(1, "a", float("nan"), 1, 1, None)])).values()
    assert exact[0] == 0


def check_nobody() -> None:
    """Rows without an owner are not counted, with and without groups."""
    for text in ("SELECT COUNT(*) FROM orders", "SELECT v, COUNT(*) FROM orders GROUP BY v"):
        here, found = made(text)
        exact = totals(here, found.statements[0], rows(orders=[order(1, None), order(2, None)]))
        assert all(sum(values) == 0 for values in exact.values())


def check_joins() -> None:
    """Owners are equal in every joined row, though the equality that the text states is another one."""
    two = rows(
        units=[(1, "a", 1.0, 1, 1, None), (2, "b", 1.0, 1, 1, None)], orders=[order(5, 1), order(5, 2)],
        items=[(1, 5, 1, 1, 0.5, True, None), (2, 5, 1, 1, 0.5, True, [1])],
    )
    for text in ("SELECT COUNT(*) FROM items i JOIN items j ON i.o = j.o",
                 "SELECT COUNT(*) FROM orders o LEFT JOIN items i ON i.o = o.o"):
        here, found = made(text)
        here.load(two)
        check_owner(here, found, two, 1)


def check_null_keys() -> None:
    """A key that holds lets rows with NULL repeat; they are one group."""
    here, found = made("SELECT (o), COUNT(*) FROM orders GROUP BY (o)", "keyed")
    many = rows(orders=[(None, 1, None, 1, "1.00", 1, None)] * 5, mode="keyed")
    check_groups(here, found.statements[0], many, 1)


def check_salt() -> None:
    """Units that touch the same groups keep different ones."""
    here, found = made("SELECT kind, COUNT(*) FROM orders GROUP BY kind")
    many = rows(orders=[order(u * 10 + i, u, kind) for u in range(200) for i, kind in enumerate(KINDS)])
    assert len(totals(here, found.statements[0], many)) == len(KINDS)


def check_domain() -> None:
    """Values outside the public ones take no place among the groups a unit may touch."""
    here, found = made("SELECT grp, kind, COUNT(*) FROM units JOIN orders o USING (u) "
                       "WHERE kind IN ('a', 'b') GROUP BY grp, kind")
    assert found.statements[0].domain is not None
    members = range(20)
    units = [(u, grp, 1.0, 1, 1, None) for u in members for grp in ("a", *(f"z{i}" for i in range(10)))]
    exact = totals(here, found.statements[0], rows(units=units, orders=[order(u, u) for u in members]))
    assert exact[("a", "a")][-1] == len(members)


def check_only_public_groups() -> None:
    """Of public keys exactly the public groups are shown, whatever the rows hold."""
    here, found = made("SELECT grp, COUNT(*) FROM units GROUP BY grp")
    here.load(rows(units=[(1, "hermit", 1.0, 1, 1, None)]))
    shown = release.release(found.statements[0], _run(here, found.statements[0]))
    assert [row[0] for row in shown.rows] == ["a", "b"]


def check_scale() -> None:
    """The noise of a COUNT at epsilon 1 passes 1 with the probability that its scale gives: 0.198; half of it 0.032."""
    here, found = made("SELECT COUNT(DISTINCT u) FROM orders")
    here.load(rows())
    statement, empty = found.statements[0], Rows(("units",), [(0,)])
    assert statement.noises[0] is not None and statement.noises[0].scale == statement.sensitivities[0] == 1
    far = sum(abs(int(release.release(statement, empty).rows[0][0])) > 1 for _ in range(4000))  # type: ignore[call-overload]
    assert 0.155 * 4000 < far < 0.24 * 4000    # 6 standard deviations are 0.038


def check_prices() -> None:
    """What the noise costs, from its scale and the sensitivity, is what is charged."""
    for text in ("SELECT kind, SUM(v), COUNT(*) FROM orders GROUP BY kind",
                 "SELECT grp, SUM(n), AVG(x) FROM units GROUP BY grp"):
        _, found = made(text)
        for each in found.statements:
            pairs = list(zip(each.noises, each.sensitivities, strict=True))
            assert not any(noise.gaussian for noise, _ in pairs if noise is not None)
            spent = sum(Fraction(worst) / noise.scale for noise, worst in pairs if noise is not None)
            chosen = each.chosen.event.epsilon if each.chosen is not None else 0
            assert spent + chosen <= found.cost.epsilon


def check_gaussian_prices() -> None:
    """Of many cells the changes of a unit, each over its sigma, stay within what one Gaussian of the cost may have."""
    text = f"SELECT kind, {', '.join(f'SUM(v + {i})' for i in range(12))} FROM orders GROUP BY kind"
    _, found = made(text, delta=Fraction(1, 10**6))
    (made_of,) = found.statements
    assert made_of.chosen is not None and made_of.chosen.tau is not None and made_of.chosen.noise.gaussian
    every = [(1, made_of.chosen.noise), *(
        (worst // made_of.groups, noise) for noise, worst in zip(made_of.noises, made_of.sensitivities, strict=True)
        if noise is not None
    )]
    change = sum(Fraction(made_of.groups * (linf * noise.factor) ** 2) / noise.scale**2 for linf, noise in every)
    assert change <= 1 / gaussian.multiplier(Fraction(1), Fraction(1, 10**6), 1) ** 2


def check_threshold() -> None:
    """A group of exactly `min_units` is hidden, and one far above is shown with noise."""
    _, found = made("SELECT kind, COUNT(*) FROM orders GROUP BY kind")
    statement = _at_least(5, found)
    few = [release.release(statement, Rows(("k1", "p1", "units"), [("a", 5, 5)])).rows for _ in range(50)]
    assert few == [()] * 50
    many = Rows(("k1", "p1", "units"), [(f"{i:03}", 900, 900) for i in range(100)])
    statement = _at_least(5, made("SELECT kind, COUNT(DISTINCT u) FROM orders GROUP BY kind")[1])
    exact = Rows(("k1", "units"), [(row[0], row[2]) for row in many.values])
    assert len({row[1] for row in release.release(statement, exact).rows}) > 1


def _at_least(units: int, found: Plan) -> Statement:
    (statement,) = found.statements
    assert statement.chosen is not None
    return replace(statement, chosen=replace(statement.chosen, min_units=units))


def check_charge(folder: Path) -> None:
    """Nothing private runs before its cost is on record."""
    folder.mkdir()
    with duckdb.connect(folder / "x.duckdb") as connection:
        connection.execute("CREATE TABLE t(u BIGINT); INSERT INTO t VALUES (1)")
    (folder / "p.toml").write_text('version = "1"\nunit = "t"\n[budget]\nepsilon = 5\n[tables.t]\nunit = "u"\n')
    with Session(folder / "x.duckdb", folder / "p.toml") as session:
        run, spent = session.engine.run, []

        def spied(sql: str, params: Any = ()) -> Rows:
            spent.append(session.balance().epsilon_spent)
            return run(sql, params)

        session.engine.run = spied  # type: ignore[method-assign]
        session.query("SELECT COUNT(*) FROM t", epsilon=1)
        assert spent == [1.0]


def _run(here: World, statement: Statement) -> Rows:
    return Rows(("x",), here.run(statement.sql, statement.params))


# Mutants ------------------------------------------------------------------------------------------------------------


def no_clip(patch: Patch) -> None:
    patch.setattr(bound, "_clip", lambda value, *given: value)


def no_group_cap(patch: Patch) -> None:
    patch.setattr(guard, "needs_cap", lambda *args: False)


def no_group_cap_printed(patch: Patch) -> None:
    cap = _Printer._cap

    def printed(self: Any, relation: Any, needed: Any) -> Any:
        select = cap(self, relation, needed)
        select.set("where", None)
        return select

    patch.setattr(_Printer, "_cap", printed)


def no_row_cap(patch: Patch) -> None:
    shrink = bound.scalars.call
    patch.setattr(bound.scalars, "call", lambda name, *args: args[0] if name == "shrink" else shrink(name, *args))


def no_nan_guard(patch: Patch) -> None:
    row = ROWS["clamp"]

    def printed(node: Call, args: Any, ranges: Any) -> exp.Expr:
        case = row.sql(node, args, ranges)
        case.set("ifs", [branch for branch in case.args["ifs"] if not isinstance(branch.this, exp.IsNan)])
        return case

    patch.setitem(ROWS, "clamp", replace(row, sql=printed))


def null_owner_kept(patch: Patch) -> None:
    patch.setattr(guard, "with_owner", lambda ask, facts: ask.rows)


def null_owner_kept_and_believed(patch: Patch) -> None:
    null_owner_kept(patch)
    derive = statement.derive
    patch.setattr(statement, "derive", lambda *args: replace(derive(*args), nullable=frozenset()))


def owners_not_compared(patch: Patch) -> None:
    same = assemble.same
    patch.setattr(assemble, "same", lambda on, a, b: a.table == b.table or same(on, a, b))


def owners_not_compared_nor_proved(patch: Patch) -> None:
    owners_not_compared(patch)
    patch.setattr(ownership, "same", lambda *args: True)


def null_keys_unique(patch: Patch) -> None:
    def careless(facts: Any, keys: frozenset[int]) -> bool:
        shown = keys | {facts.owner.id}
        return facts.rows_per_unit == 1 or any(unique <= shown for unique in facts.unique)

    for module in (stability, guard, sensitivity):
        patch.setattr(module, "one_row_per_group", careless)


def salt_without_unit(patch: Patch) -> None:
    cap = _Printer._cap

    def printed(self: Any, relation: Any, needed: Any) -> Any:
        select = cap(self, relation, needed)
        for hashed in select.find_all(exp.Anonymous):
            if hashed.name == "HASH":
                hashed.set("expressions", [hashed.expressions[0], *hashed.expressions[2:]])
        return select

    patch.setattr(_Printer, "_cap", printed)


def domain_not_filtered(patch: Patch) -> None:
    patch.setattr(guard, "_in_domain", lambda folded, keys, domain: folded)


def groups_from_the_rows(patch: Patch) -> None:
    patch.setattr(release, "_chosen", lambda statement, exact: (list(exact), []))


def belief_as_sensitivity(patch: Patch) -> None:
    """The declared range is taken for true: no clamp of a row, no clip of a unit."""
    patch.setattr(bound.scalars, "clamp", lambda scalar, to: scalar)
    patch.setattr(bound, "_clip", lambda value, *given: Call("cast", (value,), BIGINT))
    patch.setattr(statement, "magnitudes", lambda question, facts: [
        max(-p.low, p.high) * (question.rows or 1) for p in question.partials
    ])
    patch.setitem(ROWS, "clamp", replace(ROWS["clamp"], sql=lambda node, args, ranges: args[0]))


def half_the_scale(patch: Patch) -> None:
    sample = laplace.sample
    patch.setattr(laplace, "sample", lambda scale, n: sample(scale / 2, n))


def half_the_planned_scale(patch: Patch) -> None:
    def halved(worst: int, epsilon: Fraction, cells: int = 1) -> Event:
        event = laplace.laplace_event(worst, epsilon, cells)
        return replace(event, scale=event.scale / 2)

    patch.setattr(scheme, "laplace_event", halved)


def share_forgotten(patch: Patch) -> None:
    patch.setattr(scheme, "shares", lambda worths, power: tuple(Fraction(1) for _ in worths))


def bare_cut(patch: Patch) -> None:
    patch.setattr(selection, "select", lambda units, epsilon, delta, groups, min_units=1: [
        n if n >= min_units else None for n in units
    ])


def charge_after_run(patch: Patch) -> None:
    def late(self: Session, sql: str, **given: Any) -> Any:
        found = self.plan(sql, epsilon=given["epsilon"])
        answer = self._answered(found, 0)
        self.ledger.charge(key=found.key, version="1", analyst=None, cost=found.cost, events=(), sql=sql)
        return answer

    patch.setattr(Session, "query", late)


MUTANTS: tuple[tuple[Callable[[Patch], None], Callable[[], None]], ...] = (
    (no_clip, check_distances), (no_group_cap, check_distances),
    (no_group_cap_printed, check_distances),
    (no_row_cap, check_means), (no_nan_guard, check_nan), (null_owner_kept, check_nobody),
    (null_owner_kept_and_believed, check_nobody), (owners_not_compared, check_joins),
    (owners_not_compared_nor_proved, check_joins), (null_keys_unique, check_null_keys), (salt_without_unit, check_salt),
    (domain_not_filtered, check_domain), (groups_from_the_rows, check_only_public_groups),
    (belief_as_sensitivity, check_distances), (half_the_scale, check_scale), (half_the_planned_scale, check_prices),
    (share_forgotten, check_prices), (share_forgotten, check_gaussian_prices),
    (bare_cut, check_threshold),
)


@pytest.mark.parametrize("check", dict.fromkeys(check for _, check in MUTANTS), ids=lambda check: check.__name__)
def test_dpsql_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=lambda each: each.__name__)
def test_mutant_is_caught(mutant: Callable[[Patch], None], check: Callable[[], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    with pytest.raises(CAUGHT):
        check()


def test_dpsql_charges_first(tmp_path: Path) -> None:
    check_charge(tmp_path / "as it is")


def test_mutant_charge_after_run_is_caught(tmp_path: Path, monkeypatch: Patch) -> None:
    charge_after_run(monkeypatch)
    with pytest.raises(AssertionError):
        check_charge(tmp_path / "late")


def test_the_check_of_owners_sees_rows() -> None:
    here, found = made("SELECT COUNT(*) FROM orders o JOIN items i ON i.o = o.o")
    items = [(1, 5, 1, 1, 0.5, True, None), (2, 6, 1, 1, 0.5, True, [1])]
    database = rows(orders=[order(5, 1), order(6, 2)], items=items)
    asked = found.statements[0].question.ask.rows
    here.load(database)
    assert len(here.rows(asked)) == 2
    here.load(without(database, 1))
    assert len(here.rows(asked)) == 1
