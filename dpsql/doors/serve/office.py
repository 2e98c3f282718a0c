"""The office: one session, asked in the words of the wire. Everything here blocks, and runs in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from dpsql.doors.serve import values as of
from dpsql.doors.serve.alone import Alone
from dpsql.doors.serve.catalog.answer import Asker, Statement, catalog
from dpsql.doors.serve.commands import CopyForm
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.memory import SHORT, Memory
from dpsql.doors.serve.messages import Field
from dpsql.doors.serve.naming import named
from dpsql.doors.terms import Terms
from dpsql.engines.stop import Stop
from dpsql.plan import Plan
from dpsql.session import Session
from dpsql.trial import on_trial

T = TypeVar("T")

KEPT = 1024     # shapes and answers that are remembered
MOST_ROWS = 200     # of an answer that is remembered; longer ones come from the ledger


@dataclass(frozen=True, slots=True)
class Asked:
    """A query with its values, who asks it, at what price, and how right it is to be; empty texts are the defaults."""

    sql: str
    values: tuple[object, ...]
    user: str
    epsilon: str = ""
    delta: str = ""
    dialect: str = "postgres"
    fresh: bool = False
    error: str = ""
    level: str = ""
    quality: bool = False

    @property
    def terms(self) -> Terms:
        """What goes along with it. Failure 22023 when it has both a price and an error."""
        if self.epsilon and self.error:
            raise Failure("22023", "dpsql.epsilon and dpsql.error are both set, and a query has one or the other",
                          hint="RESET dpsql.epsilon, or RESET dpsql.error")
        return {
            "analyst": self.user, "epsilon": self.epsilon or None, "delta": self.delta or None,
            "error": self.error or None, "level": self.level or None, "quality": self.quality, "dialect": self.dialect,
        }

    @property
    def bought(self) -> tuple[object, ...]:
        """What answers share that were bought alike."""
        return self.epsilon, self.delta, self.error, self.level, self.quality

    def key(self, user: str) -> tuple[object, ...]:
        """What equal answers share; how they were bought matters to those that a user bought."""
        return self.sql, repr(self.values), self.dialect, user, self.bought if user else ()

    @property
    def short(self) -> bool:
        """Whether it is short enough to be remembered."""
        return len(self.sql) + sum(len(value) for value in self.values if isinstance(value, str)) <= SHORT


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
    """A session, with what is remembered of it: the columns of queries, and answers that come again."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._busy, self._retired = 0, False
        self._shapes: Memory[tuple[Field, ...]] = Memory(KEPT)
        self._alone = Alone(KEPT)
        self._known: Memory[Outcome] = Memory(KEPT)

    @contextmanager
    def used(self) -> Iterator[None]:
        """A query runs within; a retired session is closed behind the last one. All on one thread."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
            self._close()

    def does(self, work: Callable[[Office, Stop], T], stop: Stop) -> T:
        """What `work` returns or raises; texts are tried where they can be stopped."""
        with on_trial(self.session.court):
            return work(self, stop)

    def retire(self) -> None:
        """No further query will come."""
        self._retired = True
        self._close()

    def _close(self) -> None:
        if self._retired and not self._busy:
            self.session.close()

    def known(self, asked: Asked) -> Outcome | None:
        """The answer to a query that reads no table, or the replay of one that this user bought here."""
        return self._known.get(asked.key("")) or (None if asked.fresh else self._known.get(asked.key(asked.user)))

    def fields(self, asked: Asked) -> tuple[Field, ...]:
        """The columns of a query; free, and touches no data. Raises as `Session.plan`."""
        key = (asked.sql, repr(asked.values), asked.dialect, asked.bought)

        def found() -> tuple[Field, ...]:
            columns = self.session.columns(asked.sql, params=list(asked.values) or None, **asked.terms)
            return named([of.field(name, type_) for name, type_ in columns], asked.sql, asked.dialect)

        return self._shapes.found(key, found) if asked.short else found()

    def answer(self, asked: Asked, stop: Stop) -> Outcome:
        """The answer to a query, charged. Raises as `Session.query`."""
        key = replace(asked, user="")
        with self._alone.of(key, stop, skip=asked.fresh or not asked.short):      # else each would be charged
            answer = self.session.query(
                asked.sql, params=list(asked.values) or None, fresh=asked.fresh, stop=stop, **asked.terms)
        columns = [of.field(name, type_) for name, type_ in zip(answer.columns, answer.types, strict=True)]
        said = [("WARNING", text) for text in answer.warnings]
        if answer.cost.epsilon > 0 or answer.cost.delta > 0:
            said.append(("NOTICE", answer.bill()))
        outcome = Outcome(named(columns, asked.sql, asked.dialect), answer.rows, "SELECT ", tuple(said))
        again = replace(outcome, notices=tuple(each for each in said if each[0] != "NOTICE"), logged=False)
        self._remember(asked, again, answer.plan)
        return outcome

    def _remember(self, asked: Asked, outcome: Outcome, plan: object) -> None:
        """Keep what may be handed out again without the ledger; an answer that reads public tables alone is not."""
        if not asked.short or len(outcome.rows) > MOST_ROWS or not isinstance(plan, Plan):
            return
        if plan.statements or not plan.program.public:
            whose = asked.user if plan.statements else ""
            self._known.put(asked.key(whose), outcome)

    def statement(self, sql: str) -> Statement | None:
        """A question to the catalog, read; None when it is none. Failure for one that is not answered."""
        return catalog(self.session).statement(sql)

    def catalogued(self, statement: Statement, values: Sequence[object], asker: Asker) -> Outcome:
        """The catalog's answer, of policy and schema alone; free."""
        found = catalog(self.session).answer(statement, values, asker)
        return Outcome(shape(statement), found.rows, "SELECT ", logged=False)

    def explain(self, asked: Asked) -> Outcome:
        """The explanation of a query, a row a line; free."""
        told = self.session.explain(asked.sql, params=list(asked.values) or None, **asked.terms)
        return Outcome(PLAN, [(line,) for line in str(told).splitlines()], "EXPLAIN")

    def budget(self, user: str) -> Outcome:
        """What is spent and left, of the user and of the policy. BudgetError for a user the policy does not know."""
        found = {balance.analyst: balance for balance in (self.session.balance(user), self.session.balance(None))}
        rows = [
            (name or "the policy", *(float(f"{amount:.12g}") for amount in (      # a difference of doubles has a tail
                each.epsilon_limit, each.epsilon_spent, each.epsilon_left,
                each.delta_limit, each.delta_spent, each.delta_left)))
            for name, each in found.items()
        ]
        return Outcome(BUDGET, rows, "SHOW")

    def health(self) -> None:
        """Returns when the ledger can be read and the engine answers; raises what is wrong."""
        self.session.balance(None)
        self.session.columns("SELECT 1 AS one", analyst=next(iter(self.session.policy.analysts or {}), None))


def shape(statement: Statement) -> tuple[Field, ...]:
    """The columns of a question to the catalog."""
    return tuple(of.typed(name, oid) for name, oid in statement.columns)


PLAN = (of.typed("QUERY PLAN", of.TEXT),)
BUDGET = (of.typed("budget", of.TEXT), *(of.typed(f"{what}_{part}", of.FLOAT8) for what in ("epsilon", "delta")
                                         for part in ("limit", "spent", "left")))

