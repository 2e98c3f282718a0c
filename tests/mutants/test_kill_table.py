"""The kill table: no proof is left without a forgery, every check passes on dpsql, every mutant is killed.

`python -m tests.mutants` prints it, with the mutants of the other files here.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from forgeries import FORGERIES
from guards import GUARDS, POLICIES, PROOFS, Mutant, stops
from operators import sites

KILLED = (*PROOFS, *POLICIES, *(Mutant(*each) for each in GUARDS))


def test_every_proof_has_a_forgery() -> None:
    names = [site.name for site in sites()]
    assert len(names) == len(set(names)) and set(names) == set(FORGERIES)


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_stopped(name: str) -> None:
    stops(FORGERIES[name])


@pytest.mark.parametrize("check", dict.fromkeys(check for _, _, check in GUARDS), ids=lambda check: check.__name__)
def test_dpsql_passes(check: Callable[[], object]) -> None:
    check()


@pytest.mark.parametrize("mutant", KILLED, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.mutate(monkeypatch)
    with pytest.raises((Exception, pytest.fail.Exception)):
        mutant.check()
