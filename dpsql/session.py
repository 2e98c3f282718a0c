"""session: the one stateful object. It opens a database under a policy, and takes each query through the pipeline."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dpsql.answer import Answer, AnswerCost, Balance
from dpsql.budget.events import FREE, Cost
from dpsql.budget.ledger import Ledger
from dpsql.budget.record import Stored
from dpsql.catalog import Catalog
from dpsql.dictionary import TableInfo, dictionary, entry
from dpsql.engines.catalog import sql_type
from dpsql.engines.keys import verify_keys
from dpsql.engines.resources import Resources
from dpsql.engines.scratch import BindError, Table
from dpsql.engines.stop import Stop, Watch, padded, stopped
from dpsql.errors import BudgetError, ExecutionError, InterfaceError, LedgerError, OpenError, QueryError
from dpsql.explain import Explanation, explain
from dpsql.expression import NULL, SqlType
from dpsql.finish import finish, tables
from dpsql.misfit import misfit, placed
from dpsql.noise.entropy import salt
from dpsql.noise.scheme import USUAL
from dpsql.noise.spread import SUREST
from dpsql.parse import Params
from dpsql.pipeline import ONE_PRICE, planned
from dpsql.plan import Plan
from dpsql.policy_file import load_policy
from dpsql.run import run
from dpsql.trial import on_trial
from dpsql.warn import notice

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Amount = int | float | Decimal | Fraction | str | None

MAX_DIGITS = 60     # of an epsilon or delta given as text: "1e9999999" would fill the memory
UNSUREST = 1e-9     # the least confidence of an interval, as SUREST the most: beyond, doubles do not tell
NOT_KEPT = "the ledger failed after the charge: this answer may not come again as a replay; tell the data owner"
PLANS_KEPT = 256    # plans remembered per session, by text and cost


class Session:
    """A database opened under its policy, with its ledger. Safe to use from several threads.

    `database` is a DuckDB file, a folder of Parquet or CSV files, or an open connection of the owner's; `policy` a TOML
    file; `ledger` the budget's file, by default beside the database.

    `isolated` runs every statement in a child process with so many bytes of `memory` (default 4 GiB), killed when a
    query passes its `deadline` in seconds (default: none, 60 when isolated). `pad` holds what a charged query answers,
    errors too, until a whole multiple of so many seconds after the charge. Raises OpenError, PolicyError or
    LedgerError for what the owner must mend.
    """

    def __init__(
        self, database: str | Path | DuckDBPyConnection, policy: str | Path, ledger: str | Path | None = None, *,
        isolated: bool = False, deadline: float | None = None, memory: int | None = None, pad: float | None = None,
    ) -> None:
        resources = Resources(isolated, deadline, memory, pad)
        if not isinstance(policy, (str, os.PathLike)):
            raise OpenError(f"a policy is the path of a TOML file, not {type(policy).__name__}")
        self.engine, self._closed = resources.engine(database), False
        try:
            self.policy = load_policy(Path(policy), self.engine.schema)
            self.schema = self.engine.schema
            self.catalog = Catalog(self.policy, self.schema, verify_keys(self.engine, self.policy))
            public = [self.catalog.table(name) for name, rules in self.policy.tables.items() if rules.public]
            self._scratch = resources.scratch(self.engine, public)
            self.ledger = Ledger.open(self._ledger_path(ledger), self.policy)
        except BaseException:
            self.engine.close()
            raise
        self._watch, self._pad, self.court = Watch(resources.seconds), resources.pad, resources.court()
        self._plans: OrderedDict[tuple[object, ...], Plan] = OrderedDict()
        self._public_rows: dict[tuple[str, int], Sequence[tuple[object, ...]]] = {}
        self._lock = threading.Lock()
        self._described = lru_cache(maxsize=PLANS_KEPT)(self._describe)
        place = self.engine.default_ledger
        self._place = os.fsencode(place) if place is not None else salt().encode()

    def _ledger_path(self, ledger: str | Path | None) -> Path:
        path = Path(ledger) if ledger is not None else self.engine.default_ledger
        if path is None:
            raise OpenError("an open connection has no place for a ledger: pass ledger=..., or set DPSQL_LEDGER")
        return path

    def query(
        self, sql: str, *, analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
        params: Params = None, fresh: bool = False, dialect: str = "duckdb", stop: Stop | None = None,
        error: Amount = None, level: Amount = USUAL, quality: bool = False,
    ) -> Answer:
        """The answer to one query: noisy rows with intervals and cost, charged before anything private is read.

        `epsilon` and `delta` default to the policy's `[query]`. The same plan asked again is a replay, free, unless
        `fresh`. `stop.now()`, from another thread, ends it; the charge stays. Raises QueryError or BudgetError before
        any charge, ExecutionError after one. With `error`, instead of an epsilon, it costs the least that gives counts
        and sums intervals within +-error. `level` is the confidence of intervals, 0.95 by default. With `quality` a
        tenth of the epsilon buys `Answer.clipped`, the noisy shares of what bounds cut, and half of what each quantile,
        MIN and MAX costs buys its interval.
        """
        with self._watch.over(stop):
            plan = self.plan(
                sql, analyst=analyst, epsilon=epsilon, delta=delta, params=params, dialect=dialect, error=error,
                level=level, quality=quality,
            )
            return self._charged(plan, sql, analyst, fresh)

    def _charged(self, plan: Plan, sql: str, analyst: str | None, fresh: bool) -> Answer:
        if plan.cost == FREE:       # public tables alone, or groups that everybody may know
            return self._answered(plan, None)
        key = self._replay_key(plan)
        if not fresh:
            stored = self.ledger.replay(key=key, version=self.policy.version, analyst=analyst)
            if stored is not None:
                return self._replayed(stored, plan, analyst)
        if stopped():
            raise QueryError("the query was cancelled before it ran; nothing was charged")
        charge = self.ledger.charge(
            key=key, version=self.policy.version, analyst=analyst, cost=plan.cost,
            events=plan.events, sql=sql,
        )
        with padded(self._pad):
            return self._kept(self._answered(plan, charge), analyst, charge)

    def plan(
        self, sql: str, *, analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
        params: Params = None, dialect: str = "duckdb", error: Amount = None,
        level: Amount = USUAL, quality: bool = False,
    ) -> Plan:
        """What would happen, without touching private data or the budget. Raises QueryError, BudgetError."""
        if self._closed:
            raise InterfaceError("the session is closed")
        if error is not None and epsilon is not None:
            raise QueryError(ONE_PRICE)
        self._require_analyst(analyst)
        ask = Cost(
            _amount("epsilon", epsilon, self.policy.query.epsilon), _amount("delta", delta, self.policy.query.delta)
        )
        if ask.epsilon == 0:
            raise QueryError("epsilon must be greater than 0")
        passed = (epsilon is not None, delta is not None)
        within = None if error is None else _amount("error", error, ask.epsilon)
        if within == 0:
            raise QueryError("error must be greater than 0: only noise hides anybody")
        sure = float(_amount("level", level, Fraction(USUAL)))
        if not UNSUREST <= sure <= SUREST:
            raise QueryError("level is the confidence of intervals, between 1e-9 and 1 - 1e-9: 0.99 for 99 %")
        if quality not in (True, False):        # a text, even "no", would count as true, and be paid
            raise QueryError("quality is True or False")
        key = (sql, repr(params), ask, dialect, passed, within, sure, quality)
        with self._lock:
            known = self._plans.get(key)
            if known is not None:
                self._plans.move_to_end(key)
                return known
        made = self._planned(sql, ask, params, dialect, passed, within, sure, quality)
        with self._lock:
            self._plans[key] = made
            while len(self._plans) > PLANS_KEPT:
                self._plans.popitem(last=False)
        return made

    def explain(
        self, sql: str, *, analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
        params: Params = None, dialect: str = "duckdb", error: Amount = None, level: Amount = USUAL,
        quality: bool = False,
    ) -> Explanation:
        """The plan of a query for people: questions, bounds, rewritten SQL, noise, expected error and cost."""
        return explain(self.plan(
            sql, analyst=analyst, epsilon=epsilon, delta=delta, params=params, dialect=dialect, error=error,
            level=level, quality=quality,
        ))

    def columns(
        self, sql: str, *, analyst: str | None = None, epsilon: Amount = None, delta: Amount = None,
        params: Params = None, dialect: str = "duckdb", error: Amount = None, level: Amount = USUAL,
        quality: bool = False,
    ) -> tuple[tuple[str, str], ...]:
        """Names and SQL types of what a query would answer; touches no data and is free. Raises as `plan` does."""
        plan = self.plan(
            sql, analyst=analyst, epsilon=epsilon, delta=delta, params=params, dialect=dialect, error=error,
            level=level, quality=quality,
        )
        return tuple((name, type_.strip('"')) for name, type_ in self._scratch.describe(plan.finish, tables(plan)))

    def tables(self) -> tuple[TableInfo, ...]:
        """The tables that may be asked about, with their columns, as the policy and the schema tell of them. Free."""
        return dictionary(self.policy, self.schema)

    def describe(self, table: str) -> TableInfo:
        """One of `tables()`, letter case ignored. ProgrammingError when the policy does not name it."""
        return entry(self.policy, self.schema, table)

    def balance(self, analyst: str | None = None) -> Balance:
        """What was spent and is left, of an analyst's budget or (None) of the policy's."""
        return self.ledger.balance(analyst)

    def interrupt(self) -> None:
        """Stops the queries that run at this moment, in whatever thread; each is an ExecutionError, charged."""
        self._watch.interrupt()

    def close(self) -> None:
        """Closes the engine and the ledger. Safe to call twice."""
        self._closed = True
        self._scratch.close()
        self.engine.close()
        self.ledger.close()
        if self.court is not None:
            self.court.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
    ) -> None:
        self.close()

    def _planned(
        self, sql: str, ask: Cost, params: Params, dialect: str, passed: tuple[bool, bool], error: Fraction | None,
        level: float, quality: bool,
    ) -> Plan:
        """A plan made. QueryError when the public tables it reads take too long: nothing was charged yet."""
        with self._watch.over(), on_trial(self.court):
            try:
                made = planned(
                    sql, self.catalog, ask, self._read_public, self._typed, params, dialect, passed, error,
                    level, quality,
                )
                self._require_bound(made)
            except ExecutionError:
                pass
            except QueryError as refused:
                raise placed(refused, sql) from None
            else:
                return made
        raise QueryError("the public tables of this query could not be read in time; nothing was charged")

    def _replay_key(self, plan: Plan) -> str:
        """What a replay must share: the plan and the database's place, for several may charge one ledger.

        A connection handed over has no place, and what it holds may change: it replays within the session.
        """
        return hashlib.sha256(plan.key.encode() + self._place).hexdigest()

    def _require_analyst(self, analyst: str | None) -> None:
        known = self.policy.analysts
        if known is None:
            return
        if analyst is None:
            raise BudgetError("the policy gives each analyst a budget: say who asks "
                              "(analyst=..., --analyst or DPSQL_ANALYST)")
        if analyst not in known:
            raise BudgetError(f"the policy names no analyst {analyst}: the data owner adds them under [analysts]")

    def _read_public(self, sql: str, tables: tuple[str, ...], most: int) -> Sequence[tuple[object, ...]]:
        """Rows of public tables, remembered for the session."""
        key = (sql, most)
        if key not in self._public_rows:
            _, _, rows = self._scratch.run(f"SELECT * FROM ({sql}) LIMIT {int(most)}", (), tables)
            self._public_rows[key] = rows
        return self._public_rows[key]

    def _require_bound(self, plan: Plan) -> None:
        """Feeds and finish must bind over empty tables before anything is charged; no data is there to tell about."""
        for sql in (*plan.feeds, plan.finish):
            self._described(sql, tables(plan))

    def _describe(self, sql: str, over: tuple[Table, ...]) -> tuple[tuple[str, str], ...]:
        """The columns of SQL over empty tables; queries that differ below the noise alone ask it once."""
        try:
            return self._scratch.describe(sql, over)
        except BindError as error:
            raise misfit(str(error)) from None

    def _typed(
        self, sql: str, over: Sequence[tuple[str, tuple[tuple[str, str], ...]]],
    ) -> Sequence[tuple[str, SqlType | None]]:
        """The columns of SQL over empty tables, with the types dpsql computes with."""
        found = self._described(sql, tuple(Table(*each) for each in over))
        return [(name, NULL if stored == '"NULL"' else sql_type(stored)) for name, stored in found]

    def _answered(self, plan: Plan, charge: int | None) -> Answer:
        """Runs a charged (or public) plan. Whatever fails from here on is one constant error."""
        failed = False
        try:
            released = run(plan, self.engine, self._scratch)
            finished = finish(plan, released, self._scratch)
        except Exception:
            failed = True
        if failed:
            raise ExecutionError() if charge is not None else QueryError("the query failed on the public tables")
        spent = AnswerCost(float(plan.cost.epsilon), float(plan.cost.delta))
        noticed = notice(finished.columns, finished.rows, finished.intervals)
        return Answer(
            finished.columns, finished.types, finished.rows, finished.intervals, finished.noisy, spent,
            (*plan.warnings, *(note for table in released for note in table.notes), *noticed), False, plan,
            clipped=tuple(each for table in released for each in table.clipped),
        )

    def _kept(self, answer: Answer, analyst: str | None, charge: int) -> Answer:
        """A paid answer, stored for replays, with its balance. A ledger that fails only now must not lose it."""
        try:
            self.ledger.store(charge, answer.to_json())
            return replace(answer, balance=self.balance(analyst))
        except LedgerError:
            return replace(answer, warnings=(*answer.warnings, NOT_KEPT))

    def _replayed(self, stored: Stored, plan: Plan, analyst: str | None) -> Answer:
        """A stored answer again: free, or at its price for an analyst who sees another's for the first time."""
        cost = AnswerCost(float(stored.paid.epsilon), float(stored.paid.delta))
        try:
            answer = Answer.from_json(stored.answer)
        except (ValueError, KeyError, TypeError):
            raise LedgerError(f"the answer that the ledger keeps of entry {stored.charge} cannot be read; restore a "
                              "backup, or buy a new answer (fresh)") from None
        said = tuple(dict.fromkeys((*answer.warnings, *plan.warnings)))      # another dialect's text may warn of more
        return replace(
            answer, cost=cost, replayed=True, plan=plan, balance=self.balance(analyst), warnings=said)


def _amount(name: str, value: Amount, default: Fraction) -> Fraction:
    """An exact amount; a float counts as the decimal it prints as."""
    if value is None:
        return default
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        if isinstance(value, str | Decimal) and abs(Decimal(value).adjusted()) > MAX_DIGITS:
            raise ValueError
        exact = Fraction(str(value)) if isinstance(value, float | str) else Fraction(value)
        exact = Fraction(int(exact.numerator), int(exact.denominator))      # numpy's integers stay in it, and overflow
    except (ValueError, TypeError, ArithmeticError):
        raise QueryError(f"{name} must be a number of reasonable size, and {str(value)[:40]!r} is none") from None
    if exact < 0 or (name == "delta" and exact >= 1):
        raise QueryError(f"{name} must be {'at least 0 and below 1' if name == 'delta' else 'greater than 0'}")
    return exact
