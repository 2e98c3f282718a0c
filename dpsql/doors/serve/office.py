"""The office: one session, asked in the words of the wire. Everything here blocks, and runs in a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dpsql.budget.events import FREE
from dpsql.doors.serve import values as of
from dpsql.doors.serve.commands import CopyForm
from dpsql.doors.serve.memory import Memory
from dpsql.doors.serve.messages import Field
from dpsql.engines.stop import Stop
from dpsql.session import Session

KEPT = 1024     # shapes, and answers that nothing can change, that are remembered


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with its values, who asks it, and at what price; empty texts are the policy's defaults."""

    sql: str
    values: tuple[object, ...]
    user: str
    epsilon: str = ""
    delta: str = ""
    dialect: str = "postgres"
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement gave: columns (None: no rows at all), rows, the tag, what is said beside it.

    A tag ends in a space when the number of rows belongs behind it. `notices` are (severity, text); what reads no
    table is not `logged`.
    """

    fields: tuple[Field, ...] | None
    rows: Sequence[Sequence[object]]
    tag: str
    notices: tuple[tuple[str, str], ...] = ()
    form: CopyForm | None = None
    logged: bool = True


class Office:
    """A session, with what is remembered of it: the columns of queries, and answers that are always the same."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._busy, self._retired = 0, False
        self._shapes: Memory[tuple[Field, ...]] = Memory(KEPT)
        self._constants: Memory[Outcome] = Memory(KEPT)

    @contextmanager
    def used(self) -> Iterator[None]:
        """A query runs within; a retired session is closed behind the last one. All on one thread."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._close()

    def retire(self) -> None:
        """No further query will come."""
        self._retired = True
        self._close()

    def _close(self) -> None:
        if self._retired and not self._busy:
            self.session.close()

    def constant(self, asked: Asked) -> Outcome | None:
        """The answer to a query that reads no table at all, if it was asked before."""
        return self._constants.get((asked.sql, repr(asked.values), asked.dialect))

    def fields(self, asked: Asked) -> tuple[Field, ...]:
        """The columns of a query; free, and touches no data. Raises as `Session.plan`."""
        key = (asked.sql, repr(asked.values), asked.epsilon, asked.delta, asked.dialect)

        def found() -> tuple[Field, ...]:
            columns = self.session.columns(
                asked.sql, analyst=asked.user, epsilon=asked.epsilon or None, delta=asked.delta or None,
                params=list(asked.values) or None, dialect=asked.dialect)
            return tuple(of.field(name, type_) for name, type_ in columns)

        return self._shapes.found(key, found)

    def answer(self, asked: Asked, stop: Stop) -> Outcome:
        """The answer to a query, charged. Raises as `Session.query`."""
        answer = self.session.query(
            asked.sql, analyst=asked.user, epsilon=asked.epsilon or None, delta=asked.delta or None,
            params=list(asked.values) or None, fresh=asked.fresh, dialect=asked.dialect, stop=stop)
        fields = tuple(of.field(name, type_) for name, type_ in zip(answer.columns, answer.types, strict=True))
        said = [("WARNING", text) for text in answer.warnings]
        if answer.cost.epsilon > 0 or answer.cost.delta > 0:
            said.append(("NOTICE", answer.bill()))
        outcome = Outcome(fields, answer.rows, "SELECT ", tuple(said))
        plan = self.session.plan(
            asked.sql, analyst=asked.user, epsilon=asked.epsilon or None, delta=asked.delta or None,
            params=list(asked.values) or None, dialect=asked.dialect)
        if plan.cost == FREE and not plan.statements and not plan.program.public:
            self._constants.put((asked.sql, repr(asked.values), asked.dialect), replace(outcome, logged=False))
        return outcome

    def explain(self, asked: Asked) -> Outcome:
        """The explanation of a query, a row a line; free."""
        told = self.session.explain(
            asked.sql, analyst=asked.user, epsilon=asked.epsilon or None, delta=asked.delta or None,
            params=list(asked.values) or None, dialect=asked.dialect)
        return Outcome(PLAN, [(line,) for line in str(told).splitlines()], "EXPLAIN")

    def budget(self, user: str) -> Outcome:
        """What is spent and left, of the user and of the policy. BudgetError for a user the policy does not know."""
        found = {balance.analyst: balance for balance in (self.session.balance(user), self.session.balance(None))}
        rows = [
            (name or "the policy", each.epsilon_limit, each.epsilon_spent, each.epsilon_left, each.delta_limit,
             each.delta_spent, each.delta_left)
            for name, each in found.items()
        ]
        return Outcome(BUDGET, rows, "SHOW")

    def health(self) -> None:
        """Returns when the ledger can be read and the engine answers; raises what is wrong."""
        self.session.balance(None)
        self.session.columns("SELECT 1 AS one", analyst=next(iter(self.session.policy.analysts or {}), None))


PLAN = (of.typed("QUERY PLAN", of.TEXT),)
BUDGET = (of.typed("budget", of.TEXT), *(of.typed(f"{what}_{part}", of.FLOAT8) for what in ("epsilon", "delta")
                                         for part in ("limit", "spent", "left")))

