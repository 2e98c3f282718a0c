"""How long to search: 20,000 examples under `slow`, as many as fit into `DPSQL_MINUTES` (2) under `fuzz`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

MANY = 20_000
PARTS = 8           # of the many, for as many processes as there are
BATCH = 50          # examples between two looks at the clock
MINUTES = float(os.environ.get("DPSQL_MINUTES", "2"))
ATTACKS = 5         # tests under the mark `fuzz`, which share the minutes


def examples(many: int, *, new: bool = False) -> settings:
    """Settings of a search of so many examples; `new` ones each time, in CI too."""
    repeated = bool(settings.default and settings.default.derandomize) and not new
    return settings(
        max_examples=many, deadline=None, suppress_health_check=list(HealthCheck), derandomize=repeated, database=None,
    )


def for_minutes(attack: Callable[[settings], Callable[..., None]]) -> Callable[..., None]:
    """An attack, again and again, for its part of `MINUTES`."""
    return lambda *given: _repeated(attack(examples(BATCH, new=True)), given)


def _repeated(run: Callable[..., None], given: tuple[Any, ...]) -> None:
    end = time.monotonic() + 60 * MINUTES / ATTACKS
    while time.monotonic() < end:
        run(*given)
