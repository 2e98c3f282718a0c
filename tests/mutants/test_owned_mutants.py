"""What keeps owned relations owned, taken out one at a time: the check that passes on dpsql fails on each mutant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from small_worlds import Database, bag, without
from test_facts import check_fixed, check_owner, check_rows
from test_mutants import CAUGHT, Patch, made, order, rows

from dpsql import derive
from dpsql.expression import Lit, columns_of
from dpsql.facts import keys
from dpsql.lower import assemble, combined, perunit, windows
from dpsql.relation import Over, Window

TWO: Database = rows(
    units=[(1, "a", 1.0, 1, 1, None), (2, "b", 1.0, 1, 1, None)],
    orders=[order(5, 1), order(6, 2), order(7, 1, v=3), order(8, 2, "b")],
    items=[(1, 5, 1, 1, 0.5, True, None), (2, 6, 1, 1, 0.5, True, [1])],
)


def _owned(text: str, mode: str = "keyed") -> None:
    here, plan = made(text, mode)
    here.load(TWO)
    check_owner(here, plan, TWO, 1)


def check_marks() -> None:
    """Whether rows of another unit match changes nothing."""
    _owned("SELECT COUNT(*) FROM units WHERE EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u AND o.v > 2)")
    _owned("SELECT COUNT(*) FROM orders o WHERE v < 2 AND o.o IN (SELECT b.o FROM orders b WHERE b.v > 0)")


def check_blocks() -> None:
    """Rows of two units are never one."""
    _owned("SELECT c, COUNT(*) FROM (SELECT u, kind, COUNT(*) AS c FROM orders GROUP BY u, kind) t GROUP BY c")


def check_windows() -> None:
    """A window sees rows of one unit."""
    _owned("SELECT c, COUNT(*) FROM (SELECT kind, ROW_NUMBER() OVER (PARTITION BY u ORDER BY o) AS c FROM orders) t "
           "GROUP BY c")


def check_sets() -> None:
    """Rows of two units are never taken for one, nor cancel."""
    _owned("SELECT k, COUNT(*) FROM (SELECT u, kind AS k FROM orders EXCEPT SELECT u, grp FROM units) t GROUP BY k")


def check_filters() -> None:
    """A filter on a window leaves a unit the rows that it says."""
    text = ("SELECT COUNT(*) FROM (SELECT u, ROW_NUMBER() OVER (PARTITION BY u ORDER BY o) AS c FROM orders) t "
            "WHERE c > 0")
    here, plan = made(text, "keyed")
    here.load(TWO)
    check_rows(here, plan, TWO, 1)
    check_fixed(here, plan, TWO, 1)


def check_two_orders() -> None:
    """Windows in two orders are proved: which of two equal rows comes first is settled once."""
    text = ("SELECT COUNT(*) FROM (SELECT u, ROW_NUMBER() OVER (PARTITION BY u ORDER BY kind) AS a, "
            "ROW_NUMBER() OVER (PARTITION BY u ORDER BY kind DESC) AS b FROM orders) t WHERE a = b")
    here, plan = made(text, "keyed")
    here.load(TWO)
    check_rows(here, plan, TWO, 1)


def check_order() -> None:
    """Rows that tie in the analyst's order are still told apart by what they show."""
    text = "SELECT COUNT(*) FROM (SELECT u, v, ROW_NUMBER() OVER (PARTITION BY u ORDER BY kind) AS c FROM orders) t"
    here, plan = made(text, "keyed")
    found = []
    for listed in (TWO["orders"], list(reversed(TWO["orders"]))):
        here.load(TWO | {"orders": listed})
        found.append(bag(here.rows(plan.statements[0].question.ask.rows)))
    assert found[0] == found[1]


# Mutants ------------------------------------------------------------------------------------------------------------


def marks_without_owner(patch: Patch) -> None:
    """What is printed compares no owners."""
    mark = assemble._mark

    def careless(*args: Any) -> Any:
        found = mark(*args)
        return replace(found, on=tuple(c for c in found.on if "u" not in {column.name for column in columns_of(c)}))

    patch.setattr(assemble, "_mark", careless)


def marks_without_owner_nor_proof(patch: Patch) -> None:
    marks_without_owner(patch)
    patch.setattr(derive, "require_marked", lambda *args: None)


def blocks_without_owner(patch: Patch) -> None:
    relation = perunit._Grouped._relation

    def careless(self: Any) -> Any:
        found = relation(self)
        return replace(found, keys=tuple(key for key in found.keys if key != self.assembled.owner))

    patch.setattr(perunit._Grouped, "_relation", careless)


def windows_without_owner(patch: Patch) -> None:
    over = windows._over

    def careless(*args: Any) -> Over:
        found: Over = over(*args)
        return replace(found, partition=())

    patch.setattr(windows, "_over", careless)


def windows_without_owner_nor_proof(patch: Patch) -> None:
    windows_without_owner(patch)
    patch.setattr(derive, "require_by_unit", lambda *args: None)
    patch.setattr(derive, "require_order", lambda *args: None)


def sets_of_the_wrong_owner(patch: Patch) -> None:
    """The right side's owner is not in the place of the left's."""
    put = combined._put_together

    def careless(*args: Any) -> Any:
        relation, owner = put(*args)
        items = tuple((out, left, items_of(relation)[-1]) for out, left, _ in relation.items)
        return replace(relation, items=items), owner

    def items_of(relation: Any) -> Any:
        return [right for out, left, right in relation.items if right.type == relation.items[0][0].type] or [None]

    patch.setattr(combined, "_put_together", careless)


def sets_without_owner_nor_proof(patch: Patch) -> None:
    """On the right every row is taken for one of unit 2."""
    put = combined._put_together

    def careless(*args: Any) -> Any:
        relation, owner = put(*args)
        (first, _), *others = relation.right.items
        return replace(relation, right=replace(relation.right, items=((first, Lit(2, first.type)), *others))), owner

    patch.setattr(combined, "_put_together", careless)
    patch.setattr(derive, "combined_owner", lambda left, right, found: found.items[0][0])


def every_comparison_fixes(patch: Patch) -> None:
    """Any comparison with a literal is taken for an equality."""
    pinned = keys.pinned

    def careless(conjuncts: Any) -> Any:
        return pinned(tuple(replace(c, name="=") for c in conjuncts if c.name == ">"))

    patch.setattr(derive, "pinned", careless)


def order_as_written(patch: Patch) -> None:
    patch.setattr(windows, "_stacked", lambda source, overs: Window(source, tuple(overs)))


def order_as_written_nor_proved(patch: Patch) -> None:
    order_as_written(patch)
    patch.setattr(derive, "require_order", lambda *args: None)


def two_orders_beside_each_other(patch: Patch) -> None:
    """Which of two equal rows comes first is settled twice."""
    stacked = windows._stacked

    def careless(source: Any, overs: Any) -> Any:
        return Window(source, tuple(item for each in overs for item in stacked(source, [each]).items))

    patch.setattr(windows, "_stacked", careless)


MUTANTS: tuple[tuple[Callable[[Patch], None], Callable[[], None]], ...] = (
    (marks_without_owner, check_marks), (marks_without_owner_nor_proof, check_marks),
    (blocks_without_owner, check_blocks), (windows_without_owner, check_windows),
    (windows_without_owner_nor_proof, check_windows), (sets_of_the_wrong_owner, check_sets),
    (sets_without_owner_nor_proof, check_sets), (every_comparison_fixes, check_filters),
    (order_as_written, check_order), (order_as_written_nor_proved, check_order),
    (two_orders_beside_each_other, check_two_orders),
)


@pytest.mark.parametrize("check", dict.fromkeys(check for _, check in MUTANTS), ids=lambda check: check.__name__)
def test_dpsql_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=lambda each: each.__name__)
def test_mutant_is_caught(mutant: Callable[[Patch], None], check: Callable[[], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    with pytest.raises(CAUGHT):
        check()


def test_the_check_sees_rows() -> None:
    here, plan = made("SELECT COUNT(*) FROM (SELECT u, COUNT(*) AS c FROM orders GROUP BY u) t", "keyed")
    asked = plan.statements[0].question.ask.rows
    here.load(TWO)
    assert len(here.rows(asked)) == 2
    here.load(without(TWO, 1))
    assert len(here.rows(asked)) == 1
