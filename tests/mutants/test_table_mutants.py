"""The guards of statements that count single rows, taken out one at a time."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from test_mutants import CAUGHT, KINDS, Patch, made, no_group_cap, order, rows
from test_tables import check_rows_counted, counts

from dpsql import guard, tabulate
from dpsql import side as side_of
from dpsql.engines.base import Rows
from dpsql.noise import quantile, spread
from dpsql.noise.laplace import laplace_event
from dpsql.noise.quantile import Rank
from dpsql.noise.scheme import Noise
from dpsql.noise.spread import Spread
from dpsql.relation import CapRows
from dpsql.release import release
from dpsql.render import _Printer
from dpsql.side import Choice


def check_tables() -> None:
    """What a unit with many rows and groups adds to tables of single rows; a group it keeps, it keeps whole."""
    hostile = rows(orders=[order(i, 1, kind, i) for i, kind in enumerate([*KINDS] * 5)] + [order(90, 2, "a", 3)])
    for text in (
        "SELECT MEDIAN(v), COUNT(DISTINCT o), MIN(v), HISTOGRAM(v, [3, 9]) FROM orders",
        "SELECT kind, MEDIAN(v), COUNT(DISTINCT v), MAX(v) FROM orders GROUP BY kind",
    ):
        here, found = made(text)
        check_rows_counted(here, found.statements[0], hostile, 1)
        for side in found.statements[0].sides:
            kept = counts(here, side, found.statements[0], {**hostile, "orders": hostile["orders"][:-1]})
            assert sum(kept.values()) == side.rows * side.groups


def check_choice() -> None:
    """When a unit's two rows come, the odds of places move apart by no more than the width says: exp(1/2) here."""
    wanted = quantile.rank(Fraction(1, 2), 2, Fraction(1, 2), 5)
    odds = []
    for rows_there in ((2, 8), (4, 8)):
        _, sizes, scores = quantile._runs(quantile.histogram((2, 4), rows_there), 0, 4, wanted)
        weights = [quantile._weight(int(score), wanted.rate) for score in scores]
        total = sum(int(size) * weight for size, weight in zip(sizes, weights, strict=True))
        odds.append([Fraction(weight, total) for weight in weights])
    ratios = [one / other for one, other in zip(*odds, strict=True)]
    assert max(ratios) / min(ratios) <= Fraction(1649, 1000)
    assert quantile.choice_event(wanted, 3).epsilon == 3 * wanted.width


def check_ends() -> None:
    """An interval misses at most one median in 20, tells rows apart by no more than exp(1/2), and is paid for."""
    wanted = Spread(quantile.Rank(Fraction(1, 2), 2, Fraction(1, 2), None), 9)
    nested = spread._nested(0, 8, 0, wanted)
    odds = []
    for rows_there in ((250, 0, 250), (240, 60, 200), (242, 60, 200), (240, 60, 202)):
        scores = spread._scores(quantile.histogram((0, 4, 8), rows_there), (0, 8), nested, wanted, 0.95)
        weights = [quantile._weight(int(score), wanted.rank.rate) for score in scores]
        odds.append([Fraction(weight, sum(weights)) for weight in weights])
    assert sum(odds[0][:-1]) <= Fraction(1, 20)         # the median lies between the ends of the grid
    for other in odds[2:]:
        ratios = [one / more for one, more in zip(odds[1], other, strict=True)]
        assert max(ratios) / min(ratios) <= Fraction(1649, 1000)
    assert spread.spread_event(wanted, 3).epsilon == 3 * wanted.rank.width
    _, found = made("SELECT MEDIAN(v) FROM orders", quality=True)
    assert sum(event.epsilon for event in found.statements[0].spent()) == found.cost.epsilon


def check_bins() -> None:
    """Every bin is noisy, also where nothing is; one draw of the unit's rows covers all."""
    _, found = made("SELECT HISTOGRAM(v, [" + ", ".join(map(str, range(500, 599))) + "]) FROM orders")
    (side,) = found.statements[0].sides
    (choice,) = side.choices
    assert choice.event.scale >= side.rows * side.groups / found.cost.epsilon
    (row,) = release(found.statements[0], Rows((), []), Rows((), [])).rows
    assert sum(value != 0 for value in row[:100]) > 20


def no_row_cap_printed(patch: Patch) -> None:
    cap = _Printer._cap

    def printed(self: Any, relation: Any, needed: Any) -> Any:
        select = cap(self, relation, needed)
        if isinstance(relation, CapRows):
            select.set("where", None)
        return select

    patch.setattr(_Printer, "_cap", printed)


def no_row_cap_in_tables(patch: Patch) -> None:
    patch.setattr(tabulate, "CapRows", lambda rows, *args: rows)


def groups_ranked_by_row(patch: Patch) -> None:
    """The cap on groups of a table of rows counts rows, so that a unit loses parts of groups; derive believes it."""
    patch.setattr(tabulate, "capped", lambda rows, owner, keys, setting, repeats=False:
                  guard.capped(rows, owner, keys, setting, repeats=False))


def half_the_sensitivity(patch: Patch) -> None:
    patch.setattr(Rank, "sensitivity", property(lambda self: self.rows * self.fraction.numerator))


def one_group_charged(patch: Patch) -> None:
    event = quantile.choice_event
    patch.setattr(quantile, "choice_event", lambda wanted, groups: event(wanted, 1))


def one_group_of_ends_charged(patch: Patch) -> None:
    event = spread.choice_event
    patch.setattr(spread, "choice_event", lambda wanted, groups: event(wanted, 1))


def ends_are_free(patch: Patch) -> None:
    patch.setattr(Choice, "events", property(lambda self: (self.event,)))


def ends_aim_inwards(patch: Patch) -> None:
    aim = Spread.aim
    patch.setattr(Spread, "aim", lambda self, level: -aim(self, level))


def ends_aim_half_as_far(patch: Patch) -> None:
    aim = Spread.aim
    patch.setattr(Spread, "aim", lambda self, level: aim(self, level) // 2)


def empty_bins_exact(patch: Patch) -> None:
    added = Noise.added
    patch.setattr(Noise, "added", lambda self, exact: [
        value and noisy for value, noisy in zip(exact, added(self, exact), strict=True)
    ])


def bins_charged_apart(patch: Patch) -> None:
    """The noise of each bin for a row of its own, as if a unit's rows stood in one."""
    event = laplace_event
    patch.setattr(side_of, "laplace_event", lambda sensitivity, epsilon, cells: event(1, epsilon))


MUTANTS: tuple[tuple[Callable[[Patch], None], Callable[[], None]], ...] = (
    (no_row_cap_printed, check_tables), (no_row_cap_in_tables, check_tables), (groups_ranked_by_row, check_tables),
    (empty_bins_exact, check_bins), (bins_charged_apart, check_bins),
    (no_group_cap, check_tables), (half_the_sensitivity, check_choice), (one_group_charged, check_choice),
    (half_the_sensitivity, check_ends), (one_group_of_ends_charged, check_ends), (ends_are_free, check_ends),
    (ends_aim_inwards, check_ends), (ends_aim_half_as_far, check_ends),
)


CHECKS = check_tables, check_choice, check_ends, check_bins


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_dpsql_passes(check: Callable[[], None]) -> None:
    check()


@pytest.mark.parametrize(("mutant", "check"), MUTANTS, ids=lambda each: each.__name__)
def test_mutant_is_caught(mutant: Callable[[Patch], None], check: Callable[[], None], monkeypatch: Patch) -> None:
    mutant(monkeypatch)
    with pytest.raises(CAUGHT):
        check()
