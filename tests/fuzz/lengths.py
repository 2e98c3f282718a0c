"""How long to search: some examples by default, 20,000 under `slow`, and as many as fit into minutes under `fuzz`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

MANY = 20_000
BATCH = 300         # examples between two looks at the clock
MINUTES = float(os.environ.get("DPSQL_MINUTES", "2"))
ATTACKS = 4         # tests under the mark `fuzz`, which share the minutes


def examples(many: int) -> settings:
    """Settings of a search of so many examples; those of a long search are new each time, and kept nowhere."""
    return settings(max_examples=many, deadline=None, suppress_health_check=list(HealthCheck))


def for_minutes(attack: Callable[[int], Callable[..., None]]) -> Callable[..., None]:
    """An attack, again and again, for its part of `MINUTES`."""
    return lambda *given: _repeated(attack(BATCH), given)


def _repeated(run: Callable[..., None], given: tuple[Any, ...]) -> None:
    end = time.monotonic() + 60 * MINUTES / ATTACKS
    while time.monotonic() < end:
        run(*given)
