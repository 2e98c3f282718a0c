"""Many draws of what a session releases: the engine's rows are kept, and so is all that is a function of the bounds
chosen, so that a draw costs its randomness alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dpsql import choose as choosing
from dpsql.choose import choose
from dpsql.engines.base import Rows
from dpsql.noise import search as searching
from dpsql.probe import parameters
from dpsql.release import ReleasedTable, release
from dpsql.session import Session
from dpsql.statement import Statement

Places = tuple[int, ...]
PICKS = "search", "most_gained"     # what `choose` draws bounds by


class Draws:
    """The draws of a query of one statement: `drawn` for the statement that ran and what was released."""

    def __init__(self, session: Session, sql: str, epsilon: object = 1, delta: object = None, **given: Any) -> None:
        (self.statement,) = session.plan(sql, epsilon=epsilon, delta=delta, **given).statements
        self.claim = float(sum(event.epsilon for event in self.statement.spent()))
        self._engine, self._rows = session.engine, dict[str, Rows]()
        self._params: dict[str, object] = {"salt": "salt"}
        if self.statement.opening is not None:
            self._params |= parameters(self.statement.opening.probe)
        self._asked: dict[Places, Callable[[], int]] = {}
        self._chosen: dict[Places, tuple[Statement, Rows]] = {}

    def drawn(self) -> tuple[Statement, ReleasedTable]:
        """One draw. Bounds are drawn by the mechanism itself, from the counts that it is given where it stands."""
        places: Places = ()
        while places in self._asked:
            places += (self._asked[places](),)
        if places not in self._chosen:
            with self._replaying(places) as seen:
                found = choose(self.statement, self._run)
            places = tuple(seen)
            self._chosen[places] = found
        statement, rows = self._chosen[places]
        return statement, release(statement, rows, *(self._run(side.sql, side.params) for side in statement.sides))

    def numbers(self, of: Callable[[Statement, ReleasedTable], float], runs: int) -> list[float]:
        """One number of each of so many draws."""
        return [of(*self.drawn()) for _ in range(runs)]

    @contextmanager
    def _replaying(self, places: Places) -> Iterator[list[int]]:
        seen: list[int] = []
        true = {name: getattr(choosing, name) for name in PICKS}

        def picking(name: str) -> Callable[..., int]:
            def pick(*given: Any) -> int:
                at = tuple(seen)
                self._asked[at] = lambda: true[name](*given)
                seen.append(places[len(at)] if len(at) < len(places) else true[name](*given))
                return seen[-1]
            return pick

        for name in PICKS:
            setattr(choosing, name, picking(name))
        try:
            yield seen
        finally:
            for name in PICKS:
                setattr(choosing, name, true[name])

    def _run(self, sql: str, params: frozenset[str]) -> Rows:
        if sql not in self._rows:
            self._rows[sql] = self._engine.run(sql, {name: self._params[name] for name in params})
        return self._rows[sql]


@contextmanager
def weights_kept() -> Iterator[None]:
    """Within, the weights of a search, a function of its counts, are computed once for each of them."""
    true, kept = searching.weights, dict[object, list[int]]()

    def weights(above: Any, *rest: Any) -> list[int]:
        key = (tuple(above), *rest)
        if key not in kept:
            kept[key] = true(above, *rest)
        return kept[key]

    searching.weights = weights     # type: ignore[assignment]
    try:
        yield
    finally:
        searching.weights = true
