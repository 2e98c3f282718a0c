"""The table of guards: what stands between the data and the analyst, the mutant an operator makes of it, and the check
that kills it. Proofs that raise InternalError are found in the source (`operators.sites`), as is what refuses a
policy (`operators.policy_sites`); the others stand here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import checks
import forgeries
import test_mutants
import test_owned_mutants
import test_table_mutants
import test_tally_mutants
from operators import Mutate, answered, asked, both, dropped, policy_sites, replaced, scaled, sites, skipped

from dpsql.errors import InternalError

HALF = Fraction(1, 2)
EVERY = frozenset(range(5000))


@dataclass(frozen=True)
class Mutant:
    """A guard without its effect. `check` passes on dpsql, and fails on this."""

    name: str
    mutate: Mutate
    check: Callable[[], object]

    @property
    def killer(self) -> str:
        return f"{self.check.__module__}.{self.check.__name__}"


def stops(forgery: Callable[[], object]) -> None:
    """A forgery is refused, by the very proof that it must not pass."""
    try:
        forgery()
    except InternalError:
        return
    raise AssertionError("a forgery passed")


def _proofs() -> list[Mutant]:
    found = []
    for site in sites():
        def forged(forgery: Callable[[], object] = forgeries.FORGERIES[site.name]) -> None:
            stops(forgery)
        forged.__module__, forged.__name__ = "forgeries", f"FORGERIES[{site.module}.{site.function}]"
        found.append(Mutant(f"drop: {site.name}", dropped(site), forged))
    return found


def _policies() -> list[Mutant]:
    return [Mutant(f"drop: {site.name}", dropped(site), checks.check_wrong_policies) for site in policy_sites()]


def _written() -> list[Mutant]:
    return [
        Mutant(mutate.__name__.replace("_", " "), mutate, check)
        for table in (test_mutants.MUTANTS, test_owned_mutants.MUTANTS, test_table_mutants.MUTANTS,
                      test_tally_mutants.MUTANTS)
        for mutate, check in table
    ]


_DISTANCES, _TABLES = test_mutants.check_distances, test_table_mutants.check_tables

GUARDS: tuple[tuple[str, Mutate, Callable[[], object]], ...] = (
    # what bounds one unit
    ("skip: the cap on groups", replaced("guard:CapGroups", checks.capped_rows), _DISTANCES),
    ("skip: the cap on groups, and believe 2", both(
        replaced("guard:CapGroups", checks.capped_rows), answered("sensitivity:groups_per_unit", 2)), _DISTANCES),
    ("skip: the cap on groups in tables of rows", skipped("tabulate:capped"), _TABLES),
    ("skip: the cap on rows in tables of rows", skipped("tabulate:CapRows"), _TABLES),
    ("skip: the cap on rows, and believe 2", both(
        skipped("tabulate:CapRows"), answered("sensitivity:rows_per_group", 2)), _TABLES),
    ("skip: the plain form of keys", skipped("guard:plain"), checks.check_plain_keys),
    ("skip: the plain form of folded values", both(
        skipped("lower.folds:plain"), skipped("lower.perunit:plain")), checks.check_plain_folds),
    ("forget: the clock of UTC", replaced("schema:ColumnSchema.read", checks.cast_instants), checks.check_instants),
    ("skip: the years of a moment that is moved to a place", skipped("scalars.zones:moment"), checks.check_instants),
    ("skip: the plain form of windows", skipped("lower.windows:plain"), checks.check_plain_folds),
    ("skip: the plain form of sets", skipped("lower.combined:plain"), checks.check_plain_folds),
    # what is known of one unit
    ("believe: one row per unit in every join", answered("derive:joined_rows", 1), checks.check_facts),
    ("believe: one row per unit behind every filter", answered("derive:fixed_rows", 1), checks.check_facts),
    ("believe: one row per unit in every set", answered("derive:combined_rows", 1), checks.check_facts),
    ("believe: every side is covered", answered("facts.keys:covers", True), checks.check_facts),
    ("believe: every column has one value", answered("derive:equated", EVERY), checks.check_facts),
    ("believe: nothing is NULL behind a filter", answered("derive:never_null", EVERY),
     checks.check_nobody_behind_a_filter),
    ("believe: one row per group", both(
        answered("guard:one_row_per_group", True), answered("sensitivity:one_row_per_group", True)), _DISTANCES),
    ("believe: one group per unit", answered("sensitivity:groups_per_unit", 1), _DISTANCES),
    ("believe: one group in every question", answered("statement:groups_touched", 1), _DISTANCES),
    ("believe: one group of those listed", both(
        answered("guard:listed_groups", 1), answered("sensitivity:listed_groups", 1)), _DISTANCES),
    ("believe: one row in every table of rows", answered("side:rows_counted", 1), _TABLES),
    ("believe: one group in every table of rows", answered("side:groups_touched", 1), _TABLES),
    ("halve: the sensitivity of partials", scaled("statement:magnitudes", HALF), _DISTANCES),
    ("halve: the clip of partials that is believed", both(
        skipped("bound:_clip"), scaled("statement:magnitudes", HALF)), _DISTANCES),
    # mechanisms
    ("drop: all noise", skipped("noise.scheme:Noise.added", 1), checks.check_scale),
    ("halve: the scale of Laplace noise", asked("noise.laplace:sample", HALF), checks.check_scale),
    ("halve: sigma of Gaussian noise", asked("noise.gaussian:sample", HALF), checks.check_sigma),
    ("halve: the calibration of sigma", scaled("noise.gaussian:multiplier", HALF), checks.check_multiplier),
    ("halve: the threshold of groups", scaled("noise.selection:threshold", HALF), checks.check_selection),
    ("halve: the Gaussian bar of groups", scaled("noise.threshold:bar", HALF), checks.check_bar),
    ("raise: the rate of a search", asked("noise.search:_decimal", Fraction(1001, 1000)), checks.check_search_odds),
    ("forget: that a limit's gain moves both ways", replaced("noise.gain:weights", checks.hasty_weights),
     checks.check_gain_odds),
    ("forget: the groups of a limit on rows", answered("choose:groups_touched", 1), checks.check_limit_groups),
    ("drop: the draw of a search", replaced("noise.search:weighted", checks.largest), checks.check_search_draws),
    ("forget: the share of a question", answered("plan:_shares", [test_mutants.Cost(Fraction(1), HALF)] * 2),
     checks.check_one_price),
    ("forget: the share of a lookup", answered("statement:_parts", (Fraction(1), Fraction(1))), checks.check_one_price),
    ("skip: the listed groups of a search", skipped("choose:inside", 1), checks.check_listed_groups),
    ("skip: the total form of a finish", skipped("lower:total"), checks.check_paid_finish),
    ("skip: the widest bounds that may be chosen", answered("statement:_most_groups", 1), checks.check_widest),
    ("run: what is no SELECT", replaced("engines.duckdb:selected", checks.anything), checks.check_one_select),
    ("skip: the order of groups", answered("release:_order", lambda pair: 0), checks.check_key_order),
    # around the answer
    ("drop: the secret of the salt", answered("run:salt", "0" * 32), checks.check_fresh_salt),
    ("drop: the limit of the budget", answered("budget.ledger:admits", True), checks.check_limit),
    ("drop: what tells replays apart", answered("session:Session._replay_key", "same"), checks.check_replays),
    ("drop: the charge", answered("budget.ledger:Ledger.charge", 1), checks.check_first_charge),
)

PROOFS, POLICIES = tuple(_proofs()), tuple(_policies())
MUTANTS: tuple[Mutant, ...] = (*PROOFS, *POLICIES, *(Mutant(*each) for each in GUARDS), *_written())
