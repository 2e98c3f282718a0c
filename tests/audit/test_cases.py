"""Every query on every pair: no lower bound on epsilon passes what was charged. A quick part runs by default."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from cases import OPEN, OPEN_POLICY, QUERIES, WHOLE, WORST, Audit, Pair, audit, audit_whole, pairs

from dpsql.noise import scheme, selection

RUNS, WHOLE_RUNS = 2_000, 250
QUICK, SURE = 300, 1 - 1e-8     # of the default run: never a false alarm
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    with pairs(tmp_path_factory.mktemp("cases")) as found:
        yield found


@pytest.fixture(scope="module")
def unstated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pair]]:
    with pairs(tmp_path_factory.mktemp("open"), OPEN_POLICY) as found:
        yield found


def test_there_are_sixty_and_more() -> None:
    assert (len(QUERIES) + len(WHOLE) + len(OPEN)) * len(WORST) >= 60


def _within(found: Audit) -> None:
    print(f"{found.name}, {found.worst}: epsilon at least {found.bound:.3f} of {found.epsilon:g}")
    assert found.bound <= found.epsilon


@pytest.mark.parametrize(("name", "worst"), [
    ("several", "extreme value"), ("sums of private groups", "many rows"), ("private groups", "sole member"),
    ("public groups", "NULL key"), ("quotients", "would raise"), ("median", "extreme value"),
])
def test_quickly(opened: dict[str, Pair], name: str, worst: str) -> None:
    _within(audit(opened[worst], name, worst, QUICK, SURE))


@pytest.mark.parametrize(("name", "worst"), [
    ("intervals", "extreme value"), ("a map", "many rows"), ("ends of quantiles", "many rows"),
])
def test_what_is_beside_the_numbers_quickly(opened: dict[str, Pair], name: str, worst: str) -> None:
    _within(audit_whole(opened[worst], name, worst, QUICK // 5, SURE))


@pytest.mark.parametrize(("name", "worst"), [
    ("bounds and cuts", "many rows"), ("shrunk counts", "many rows"),
])
def test_what_was_chosen_quickly(unstated: dict[str, Pair], name: str, worst: str) -> None:
    _within(audit_whole(unstated[worst], name, worst, QUICK // 5, SURE))


def _no_noise(patch: Patch) -> None:
    patch.setattr(scheme.Noise, "added", lambda self, exact: list(exact))


def _every_group(patch: Patch) -> None:
    patch.setattr(selection, "select", lambda units, *rest: list(units))


@pytest.mark.parametrize(("mutant", "name", "worst"), [
    (_no_noise, "count", "extreme value"), (_no_noise, "sum", "extreme value"),
    (_every_group, "private groups", "sole member"), (_every_group, "private groups", "NULL key"),
])
def test_a_mutant_shows(
    opened: dict[str, Pair], mutant: Callable[[Patch], None], name: str, worst: str, monkeypatch: Patch,
) -> None:
    mutant(monkeypatch)
    assert audit(opened[worst], name, worst, QUICK, SURE).bound > 1


@pytest.mark.audit
@pytest.mark.parametrize("worst", WORST)
@pytest.mark.parametrize("name", QUERIES)
def test_released(opened: dict[str, Pair], name: str, worst: str) -> None:
    _within(audit(opened[worst], name, worst, RUNS))


@pytest.mark.audit
@pytest.mark.parametrize("worst", WORST)
@pytest.mark.parametrize("name", WHOLE)
def test_whole_answers(opened: dict[str, Pair], name: str, worst: str) -> None:
    _within(audit_whole(opened[worst], name, worst, WHOLE_RUNS))


@pytest.mark.audit
@pytest.mark.parametrize("worst", WORST)
@pytest.mark.parametrize("name", OPEN)
def test_whole_answers_without_limits(unstated: dict[str, Pair], name: str, worst: str) -> None:
    _within(audit_whole(unstated[worst], name, worst, WHOLE_RUNS))
