"""Intervals of moments hold the truth as often as said, over fresh noise; each is judged by a binomial bound."""

from __future__ import annotations

import pytest

from tests.bench.simulated import ALONE, PAIRS, Regime, simulated
from tests.noise.conftest import plausible as plausible

DRAWS = 4000
CLEAR = (
    Regime(20_000, 0.5, 0.2, 0.5, 1, False), Regime(20_000, 0.5, 0.2, 0.5, 1, True),
    Regime(1_000_000, 0.1, 0.05, 0.9, 0.2, False), Regime(3000, 0.3, 0.2, -0.9, 2, True),
)
DROWNED = (
    Regime(30, 0.5, 0.2, 0.5, 0.5, False), Regime(300, 0.1, 0.05, 0.0, 0.2, True), Regime(5, 0.9, 0.2, 0.5, 5, False),
    Regime(80, 0.5, 0.5, 1.0, 1, False, 1), Regime(60, 0.5, 0.6, 0.5, 0.5, True, 1),
    Regime(1000, 0.5, 0.0, 0.0, 1, False),
)


@pytest.mark.parametrize("family", [*ALONE, *PAIRS])
def test_held_as_often_as_said_where_noise_is_well_below_the_value(family, plausible):
    for regime in CLEAR:
        found = simulated(family, regime, DRAWS)
        assert found is not None and found.given == DRAWS
        if found.narrow:
            held = found.held / DRAWS
            assert held >= 0.94 or plausible(found.held, DRAWS, 0.94), (regime, held)
            assert held <= 0.965 or plausible(found.held, DRAWS, 0.965), (regime, held)
    assert any(simulated(family, regime, 200).narrow for regime in CLEAR), "noise is below some value"


@pytest.mark.parametrize("family", [*ALONE, *PAIRS])
def test_held_no_less_often_where_noise_dominates(family, plausible):
    seen = 0
    for regime in DROWNED:
        found = simulated(family, regime, DRAWS)
        if found is not None and found.given:
            seen += 1
            assert found.held / found.given >= 0.935 or plausible(found.held, found.given, 0.935), (regime, found)
    assert seen


@pytest.mark.parametrize("level", [0.5, 0.8, 0.99, 0.999])
@pytest.mark.parametrize("family", ["avg", "stddev_samp", "corr", "regr_intercept"])
def test_other_levels(family, level, plausible):
    for regime in CLEAR[:2]:
        found = simulated(family, regime, DRAWS, level)
        assert found is not None
        held, slack = found.held / DRAWS, min(0.02, (1 - level) / 4)
        assert held >= level - slack or plausible(found.held, DRAWS, level - slack), (regime, held)
        assert held <= level + slack or plausible(found.held, DRAWS, level + slack), (regime, held)
