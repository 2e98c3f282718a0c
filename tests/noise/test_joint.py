"""How far sums of noises reach."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from dpsql.noise import gaussian, laplace
from dpsql.noise.joint import joint_reach, own_reach
from dpsql.noise.normal import normal_reach
from dpsql.noise.ratio import sum_quantile

LEVELS = (0.5, 0.8, 0.95, 0.99, 0.999)
DRAWS = 40_000


@pytest.mark.parametrize("level", LEVELS)
def test_exact_where_it_is_said_to_be(level: float) -> None:
    """One noise, several normal ones, and two Laplace noises of one size, whatever their size."""
    one = -math.log(1 - level) / math.sqrt(2)
    assert own_reach(True, level) == pytest.approx(one)
    for size in (1e-200, 3.0, 1e200):
        assert joint_reach([size, 0.0], True, level) == pytest.approx(size * one)
        normal = normal_reach((1 - level) / 2)
        assert joint_reach([3 * size, 4 * size], False, level) == pytest.approx(5 * size * normal)
        two = float(sum_quantile(size, size, level))
        assert joint_reach([math.sqrt(2) * size] * 2, True, level) == pytest.approx(two)


def test_nothing_and_no_end() -> None:
    assert joint_reach([[0.0, math.inf, 1.0], [0.0, 1.0, math.inf]], True, 0.95).tolist() == [0, math.inf, math.inf]
    with pytest.raises(ValueError, match="confidence"):
        joint_reach([1.0], True, 1.0)


# sizes of Laplace and of normal noises
MIXED = [((5, 3, 1), ()), ((1, 1, 1, 1, 1, 1), ()), ((9, 1), ()), ((3, 1), (2,)), ((2,), (6, 1)), ((7, 5, 3, 2, 1), ())]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", MIXED, ids=str)
def test_sums_of_drawn_noise_pass_it_as_often_as_said(case, level, plausible):
    """Of fine exact noise: within 1.5 points of a miss of 50 %, a fifth of a small one."""
    fine = 1 << 12
    drawn = [np.array(laplace.sample(Fraction(scale * fine), DRAWS)) for scale in case[0]]
    drawn += [np.array(gaussian.sample(scale * fine, DRAWS)) for scale in case[1]]
    sizes = [math.sqrt(2) * scale * fine for scale in case[0]] + [scale * fine for scale in case[1]]
    reach = float(joint_reach(sizes, [True] * len(case[0]) + [False] * len(case[1]), level))
    passed, miss = int(np.sum(np.abs(sum(drawn)) > reach)), 1 - level
    slack = min(0.015, miss / 5)
    assert passed / DRAWS >= miss - slack or plausible(passed, DRAWS, miss - slack)
    assert passed / DRAWS <= miss + slack or plausible(passed, DRAWS, miss + slack)


@pytest.mark.parametrize("mutant", [0.9, 1.1])
def test_a_tenth_more_or_less_would_be_noticed(mutant, plausible):
    drawn = sum(np.array(laplace.sample(Fraction(5000), DRAWS)) for _ in range(3))
    reach = mutant * float(joint_reach([5000 * math.sqrt(2)] * 3, True, 0.95))
    passed = int(np.sum(np.abs(drawn) > reach))
    assert not plausible(passed, DRAWS, 0.05)
