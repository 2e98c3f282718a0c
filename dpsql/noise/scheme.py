"""Which noise each total of a question gets: Laplace or Gaussian, and how the question's epsilon is shared out.

Everything here is chosen from public numbers: what one unit can change, how many groups it may touch, what is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from dpsql.budget.events import Event, upwards
from dpsql.noise import gaussian, keeping, laplace, selection, threshold
from dpsql.noise.laplace import laplace_event
from dpsql.noise.ratio import sum_quantile

MISS = Fraction(1, 8)   # of delta, that a threshold may show a group of one unit: noise gains more from the rest
PORTIONS = 1 << 12      # about: shares are quotients of whole numbers that add up to this or a little less
CLEARLY = 0.95          # Gaussian noise spends delta, so it must be better by so much
FAR = 1 << 12           # of so many units that a group needs to show, one less is no gain, and a long table
USUAL = 0.95            # the confidence at which mechanisms are compared


@dataclass(frozen=True, slots=True)
class Cell:
    """A total to be bought: one unit changes it by at most `linf` steps in a group; `worth` weighs its variance."""

    linf: int
    worth: Fraction = Fraction(1)


@dataclass(frozen=True, slots=True)
class Noise:
    """The noise of one total: of Laplace scale or Gaussian sigma `scale`, on the total times `factor`."""

    gaussian: bool
    scale: Fraction
    factor: int = 1

    def added(self, exact: Sequence[int]) -> list[int]:
        """The exact totals with a draw each, rounded to whole steps again (which is post-processing)."""
        if not self.gaussian:
            return [value + z for value, z in zip(exact, laplace.sample(self.scale, len(exact)), strict=True)]
        drawn = gaussian.sample(int(self.scale), len(exact))
        return [nearest(value * self.factor + z, self.factor) for value, z in zip(exact, drawn, strict=True)]

    def reach(self, confidence: float = USUAL) -> int:
        """The smallest whole number of steps that the noise stays within with that probability."""
        if not self.gaussian:
            return laplace.quantile(self.scale, confidence)
        return nearest(gaussian.quantile(self.scale, confidence), self.factor)

    def plus(self, other: Noise, confidence: float = USUAL) -> Noise:
        """The noise of a sum of two totals, for error bars: of two Laplace noises one that reaches as far."""
        if self.gaussian:
            return Noise(True, Fraction(math.hypot(self.steps, other.steps)))
        reach = float(sum_quantile(float(self.steps), float(other.steps), confidence))
        return Noise(False, Fraction(reach / -math.log(1 - confidence)))

    @property
    def steps(self) -> Fraction:
        """The scale or sigma in steps of the total itself."""
        return self.scale / self.factor

    @property
    def deviation(self) -> float:
        """The standard deviation, of steps, rounding to steps included."""
        scale = float(self.steps)
        if self.gaussian:
            return math.hypot(scale, math.sqrt(1 / 12))
        return math.sqrt(2) * math.exp(-0.5 / scale) / -math.expm1(-1 / scale)


@dataclass(frozen=True, slots=True)
class Chosen:
    """How private groups are chosen, and how noisy the number of units is that comes with it.

    `tau` and `noise` are set for Gaussian thresholds; `bit` says that nobody is told the number of units, so groups are
    kept by the probabilities of `dpsql.noise.keeping`; else it is the truncated geometric form of `event`.
    """

    event: Event
    groups: int
    min_units: int
    noise: Noise
    tau: int | None = None
    bit: bool = False

    def shown(self, units: Sequence[int]) -> list[int | None]:
        """For each group's exact number of units the noisy number (0 of a `bit`), or None when it is not shown."""
        if self.bit:
            return [0 if kept else None for kept in keeping.kept(units, *self._asked)]
        if self.tau is None:
            return selection.select(units, *self._asked)
        factor = self.noise.factor
        found = threshold.shown(units, int(self.noise.scale), factor, self.tau, self.min_units)
        return [None if value is None else nearest(value, factor) for value in found]

    def visible(self, probability: float = 0.5) -> int:
        """The smallest number of units at which a group is shown with at least `probability`."""
        if self.tau is None:
            visible = keeping.visible if self.bit else selection.expected_visible
            return visible(*self._asked, probability=probability)
        return threshold.visible(int(self.noise.scale), self.noise.factor, self.tau, self.min_units, probability)


    @property
    def _asked(self) -> tuple[Fraction, Fraction, int, int]:
        return self.event.epsilon, self.event.delta, self.groups, self.min_units


@dataclass(frozen=True, slots=True)
class Scheme:
    """The noise of every cell, in order, the choice of groups (None: public groups, or none), and what they cost."""

    noises: tuple[Noise, ...]
    chosen: Chosen | None
    events: tuple[Event, ...]

    @property
    def gaussian(self) -> bool:
        """Whether its noise is Gaussian."""
        return any(noise.gaussian for noise in self.noises) or (self.chosen is not None and self.chosen.noise.gaussian)

    def error(self, cells: Sequence[Cell]) -> float:
        """What mechanisms are compared by: half-widths over what one unit adds, weighted, and the least visible."""
        total = sum(
            float(cell.worth) * (noise.reach() or float(noise.steps)) / cell.linf
            for cell, noise in zip(cells, self.noises, strict=True)
        )
        return total + (self.chosen.visible(USUAL) if self.chosen is not None else 0)


def scheme(
    cells: Sequence[Cell], groups: int, epsilon: Fraction, delta: Fraction, min_units: int | None = None,
    prefer: str | None = None, counted: bool = True,
) -> Scheme:
    """The better of Laplace and Gaussian for a question of (epsilon, delta); `min_units` is None without selection.

    `counted` says that the number of units in a group may be told. `prefer` is "laplace" or "gaussian" to have that.
    ValueError when neither can be had for so little.
    """
    found: list[Scheme] = []
    for name, make in (("laplace", laplace_scheme), ("gaussian", gaussian_scheme)):
        if prefer in (None, name) and (delta > 0 or name == "laplace"):
            try:
                found.append(make(cells, groups, epsilon, delta, min_units))
            except ValueError:
                continue
    if not found:
        raise ValueError(f"no noise for epsilon {epsilon} and delta {delta}")
    best = min(found, key=lambda each: each.error(cells) / (CLEARLY if each.gaussian else 1))
    return best if counted else _by_bits(best)


def _by_bits(made: Scheme) -> Scheme:
    """The same, but for a choice by keep-probabilities where that is by truncated noise: it shows a unit earlier.

    Theorem: it has the events of `made`, which cover it.
    Proof: `keeping_event` for the epsilon and delta of the event that `made` has for its choice; nothing else changes.
    Needs: `keeping_event`; numbers of units are not used.
    Source: design.md, section 5, Selection.
    """
    chosen = made.chosen
    if chosen is None or chosen.tau is not None or chosen.visible() > FAR:
        return made
    bits = replace(chosen, bit=True)
    try:
        bits.visible()              # what has no table is known before the charge
    except ValueError:
        return made
    return replace(made, chosen=bits)


def promised(
    cells: Sequence[Cell], epsilon: Fraction, delta: Fraction, min_units: int | None, prefer: str | None,
) -> tuple[Event, ...]:
    """Events that cost no less than those of `scheme` with the same worths, whatever cells and groups turn out to be.

    Theorem: each of epsilon, delta, rho and slack, summed, is at least what it is for `scheme` with `prefer`; where
    that is None, for either mechanism (`Event.either`).
    Proof: Laplace noise is drawn for the same shares of epsilon, scales rounded up, and pure(e) >= C pure(e/C) since
    pure(x)/x never falls; so for the selection, and its delta is the same. Of Gaussian noise epsilon, delta and the
    chance of a miss are the same, and rho is at most 1 / (2 r^2) for the `multiplier` r, which is least for one cell.
    Needs: `prefer` names the mechanism that is used, if it is known.
    Source: `dpsql.budget.events`.
    """
    if prefer is None:
        return (Event.either([promised(cells, epsilon, delta, min_units, name) for name in ("laplace", "gaussian")]),)
    selecting = min_units is not None
    if prefer == "gaussian":
        miss = delta * MISS if selecting else Fraction(0)
        variance = gaussian.multiplier(epsilon - 2 * miss, delta - miss, 1) ** 2
        if selecting:
            return (Event.threshold(1, variance, epsilon, delta, miss),)
        return (Event.gaussian(1, variance, epsilon, delta),)
    portions = [epsilon * part for part in shares(_worths(cells, selecting), 1 / 3)]
    events = [Event.laplace(1, 1 / part) for part in portions[: len(cells)]]
    return (Event.selection(1, 1 / portions[-1], delta), *events) if selecting else tuple(events)


def laplace_scheme(
    cells: Sequence[Cell], groups: int, epsilon: Fraction, delta: Fraction, min_units: int | None,
) -> Scheme:
    """Laplace noise; shares of epsilon minimise the weighted sum of variances.

    Theorem: its events together are (epsilon, delta)-differentially private.
    Proof: shares add up to 1 (`shares`), each cell's event has sensitivity groups * linf and its share of epsilon
    (`laplace_event`), the selection its share and delta (`selection_event`); basic composition.
    Needs: one unit changes a cell by at most linf in at most `groups` groups.
    Source: the least of sum(w_i / e_i^2) for a given sum(e_i) has e_i proportional to w_i^(1/3) (Lagrange).
    """
    selecting = min_units is not None
    portions = [epsilon * part for part in shares(_worths(cells, selecting), 1 / 3)]
    events = [
        laplace_event(groups * cell.linf, part, groups) for cell, part in zip(cells, portions, strict=False)
    ]
    noises = tuple(Noise(False, event.scale) for event in events)
    if min_units is None:
        return Scheme(noises, None, tuple(events))
    chosen = selection.selection_event(portions[-1], delta, groups)
    return Scheme(noises, Chosen(chosen, groups, min_units, Noise(False, chosen.scale)), (chosen, *events))


def gaussian_scheme(
    cells: Sequence[Cell], groups: int, epsilon: Fraction, delta: Fraction, min_units: int | None,
) -> Scheme:
    """Gaussian noise over the joint L2 sensitivity of all cells; shares of 1/variance minimise the sum of variances.

    Theorem: its one event is (epsilon, delta)-differentially private.
    Proof: cell i has sigma_i >= r sqrt(groups / p_i) linf_i factor_i, the p_i summing to 1 and r being `multiplier`,
    so the changes of one unit, each over its sigma_i, have squared sum at most sum(p_i) / r^2 = 1 / r^2, in at most
    groups * (number of cells) cells. Without selection that is `multiplier`'s theorem; with it, MISS of delta is the
    chance that a group of one unit shows, epsilon - 2 miss calibrates, and the theorem of `threshold.bar` applies.
    Needs: one unit changes a cell by at most linf in at most `groups` groups; totals of groups not shown stay hidden.
    Source: design.md, section 5; the least of sum(w_i / p_i) for a given sum(p_i) has p_i proportional to w_i^(1/2).
    """
    miss = delta * MISS if min_units is not None else Fraction(0)
    every = [*cells, Cell(1)] if min_units is not None else list(cells)
    parts = shares(_worths(cells, min_units is not None), 1 / 2)
    ratio = gaussian.multiplier(epsilon - 2 * miss, delta - miss, groups * len(every))
    noises = tuple(_gaussian(cell.linf, groups, part, ratio) for cell, part in zip(every, parts, strict=True))
    inverse = upwards(sum(      # or the price of many totals would have too many digits for a ledger
        (Fraction(groups * (cell.linf * noise.factor) ** 2) / noise.scale**2
         for cell, noise in zip(every, noises, strict=True)), Fraction(0),
    ))
    if min_units is None:
        return Scheme(noises, None, (Event.gaussian(1, 1 / inverse, epsilon, delta),))
    units = noises[-1]
    tau = threshold.bar(int(units.scale), units.factor, groups, miss)
    event = Event.threshold(1, 1 / inverse, epsilon, delta, miss)
    return Scheme(noises[:-1], Chosen(event, groups, min_units, units, tau), (event,))


def _worths(cells: Sequence[Cell], selecting: bool) -> list[Fraction]:
    return [cell.worth for cell in cells] + [Fraction(1)] * selecting


def shares(worths: Sequence[Fraction], power: float) -> tuple[Fraction, ...]:
    """Parts proportional to worth^power that add up to exactly 1; none is 0."""
    raw = [float(worth) ** power for worth in worths]
    places = [max(1, math.floor(PORTIONS * value / sum(raw))) for value in raw]
    return tuple(Fraction(place, sum(places)) for place in places)


def nearest(value: int, factor: int) -> int:
    """value / factor, rounded to the nearest integer."""
    return (2 * value + factor) // (2 * factor)


def _gaussian(linf: int, groups: int, part: Fraction, ratio: Fraction) -> Noise:
    """The smallest admissible sigma for its part, on totals multiplied up until it is fine enough."""
    squared = Fraction(groups * linf * linf) / part
    rough = math.isqrt(math.floor(squared * ratio**2 * 4**32))      # with 32 bits behind the point
    factor = 1 << max(0, gaussian.FINE + 33 - rough.bit_length())
    sigma = gaussian.scaled(math.ceil(squared * factor**2), ratio)
    assert sigma >= 1 << gaussian.FINE, "the noise is not fine enough"
    return Noise(True, Fraction(sigma), factor)
