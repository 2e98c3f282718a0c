"""For every proof that dpsql demands of itself, something that must not pass it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest
from small_worlds import world
from sqlglot import exp
from test_searched import DELTA, _chosen, open_plan, open_world

from dpsql import plan as planning
from dpsql import probe, run, scalars, sensitivity
from dpsql.budget.events import Cost, Event
from dpsql.derive import derive
from dpsql.engines.scratch import Table
from dpsql.expression import BIGINT, BOOLEAN, DOUBLE, HUGEINT, INTEGER, VARCHAR, Column, Lit, Ref
from dpsql.facts.base import Facts
from dpsql.interval import between
from dpsql.pipeline import planned
from dpsql.plan import Plan
from dpsql.program import Feed
from dpsql.relation import (
    Aggregate,
    CapGroups,
    CapRows,
    Combined,
    Filter,
    Fold,
    Frame,
    Join,
    JoinKind,
    Mark,
    Over,
    Parts,
    Place,
    Places,
    Project,
    Relation,
    Scan,
    SetKind,
    Sorted,
    Values,
    Window,
)
from dpsql.render import checked
from dpsql.session import Session


def _orders(first: int) -> Scan:
    return Scan("orders", (
        Column(first, "o", BIGINT, "orders", "o"), Column(first + 1, "u", BIGINT, "orders", "u"),
        Column(first + 2, "kind", VARCHAR, "orders", "kind"), Column(first + 3, "v", INTEGER, "orders", "v"),
    ))


ORDERS, AGAIN = _orders(1), _orders(11)
ORDER, U, KIND, V = ORDERS.columns
ORDER2, U2, KIND2, _ = AGAIN.columns
X = Column(31, "x", DOUBLE, "units", "x")
UNITS = Scan("units", (Column(30, "u", BIGINT, "units", "u"), X))
PUB = Scan("pub", (Column(40, "p", INTEGER, "pub", "p"),))
NEW, TEXT, TRUTH = Column(90, "new", BIGINT), Column(91, "text", VARCHAR), Column(92, "is", BOOLEAN)
STORED = Column(93, "o", BIGINT, "orders", "o")
LETTERS = scalars.call("string_split", Ref(KIND), Lit(",", VARCHAR))


def derived(relation: Relation) -> Callable[[], object]:
    return lambda: derive(relation, world("loose").catalog)


def made(text: str) -> Plan:
    here = world("loose")
    return planned(text, here.catalog, Cost(Fraction(1), Fraction(1, 10**9)), here.public, here.typed)


def shown(*items: tuple[Column, Any]) -> Project:
    return Project(ORDERS, ((replace(U, id=95), Ref(U)), *items))


def magnitude(guarded: Callable[[Project], Relation], facts: Facts = Facts(owner=U, rows_per_unit=1)) -> object:  # noqa: B008
    question = made("SELECT SUM(v) FROM orders").statements[0].question
    assert isinstance(question.guarded, Project)
    return sensitivity.magnitudes(replace(question, guarded=guarded(question.guarded)), facts)


def unclipped(column: Column) -> Callable[[Project], Project]:
    return lambda guarded: replace(guarded, items=tuple(
        (shown, Ref(column) if shown.name.startswith("p") else value) for shown, value in guarded.items
    ))


def rows_counted() -> object:
    (side,) = made("SELECT MEDIAN(v) FROM orders").statements[0].sides
    return sensitivity.rows_counted(side.table, Facts(owner=U))


def searched_without_cap() -> object:
    question = made("SELECT SUM(v) FROM orders").statements[0].question
    return probe.groups_counted(question, (1, 2), world("loose").catalog)


def costs_more_than_promised() -> object:
    here, plan = open_world("loose", True), open_plan("SELECT SUM(v), COUNT(*) FROM orders", "loose", True)
    assert plan is not None and plan.statements[0].opening is not None
    opened = plan.statements[0]
    return _chosen(here, replace(opened, opening=replace(opened.opening, rest=Cost(Fraction(2), DELTA))), [0] * 8)


def costs_more_than_asked() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "_shares", lambda bounded, ask: [ask for _ in bounded])
        return made("SELECT (SELECT COUNT(*) FROM orders) + (SELECT COUNT(*) FROM units)")


def repeated_feed() -> object:
    """A feed that says its first column never repeats, and repeats it."""
    feed = Feed("fed_1", 0, exp.select("1"), (INTEGER, INTEGER), 1, False, ())
    scratch = SimpleNamespace(run=lambda *asked: ((), (), [(1, 2), (1, 3)]))
    return run._fed(feed, "", SimpleNamespace(statements=()), (), scratch)  # type: ignore[arg-type]


def in_a_session(attempt: Callable[[Session], object]) -> Callable[[], object]:
    def forged() -> object:
        with TemporaryDirectory() as name:
            folder = Path(name)
            with duckdb.connect(folder / "x.duckdb") as connection:
                connection.execute("CREATE TABLE t AS SELECT 1::BIGINT AS u; CREATE TABLE w AS SELECT 1::BIGINT AS a")
            (folder / "p.toml").write_text(
                'version = "1"\nunit = "t"\n[budget]\nepsilon = 5\n[tables.t]\nunit = "u"\n[tables.w]\npublic = true\n')
            with Session(folder / "x.duckdb", folder / "p.toml") as session:
                return attempt(session)

    return forged


def hidden(session: Session) -> object:
    return session._scratch._create(None, Table("w", (("a", "BIGINT"),)))  # type: ignore[arg-type,func-returns-value]


def stored_twice(session: Session) -> None:
    charge = _charge(session, Fraction(1))
    session.ledger.store(charge, "{}")
    session.ledger.store(charge, '{"other": 1}')


def undercharged(session: Session) -> object:
    return _charge(session, Fraction(1, 2))


def _charge(session: Session, cost: Fraction) -> int:
    noise = (Event.laplace(1, Fraction(1)),)
    return session.ledger.charge(
        key="k", version="1", analyst=None, cost=Cost(cost, Fraction(0)), events=noise, sql="")


def framed(
    order: tuple[Column, ...], frame: Frame, function: Place | Fold = Fold.ROWS, *args: Ref,
) -> Callable[[], object]:
    """A window over orders with this frame."""
    return derived(Window(ORDERS, ((NEW, Over(function, args, (U,), tuple(map(Sorted, order)), frame)),)))


FORGERIES: dict[str, Callable[[], object]] = {
    "derive._scan: a scan of holds what the table does not": derived(Scan("orders", (UNITS.columns[0],))),
    "derive._values: rows of the text read a column": derived(Values((NEW,), ((Ref(V),),))),
    "derive._parts: a part claims to be a stored column":
        derived(Parts(ORDERS, LETTERS, replace(STORED, type=VARCHAR))),
    "derive._parts: a part is no value of its list": derived(Parts(ORDERS, LETTERS, NEW)),
    "derive._mark: a mark claims to be a stored column": derived(Mark(ORDERS, PUB, (), STORED)),
    "derive._window: a window reads or shows a column that is not there":
        derived(Window(ORDERS, ((NEW, Over(Fold.ROWS, (), (U, X), (), None)),))),
    "derive._combined: is not what it claims to be":
        derived(Combined(ORDERS, AGAIN, SetKind.UNION_ALL, ((STORED, U, U2),))),
    "derive._project: reads a column its source does not show": derived(shown((NEW, Ref(ORDER2)))),
    "derive._project: claims to be another column than it is": derived(shown((STORED, Ref(V)))),
    "derive._project: is computed but claims to be stored": derived(shown((STORED, Lit(1, BIGINT)))),
    "derive._project: claims a range that its expression does not prove":
        derived(shown((replace(NEW, proved=between(0, 1)), Ref(V)))),
    "derive._project: a projection dropped the owner of its rows": derived(Project(ORDERS, ((NEW, Ref(V)),))),
    "derive._aggregate: rows are grouped in several ways below the noise":
        derived(Aggregate(ORDERS, (U,), (), ((U,), ()))),
    "derive._aggregate: a key is not a column of the rows it groups": derived(Aggregate(ORDERS, (U, X), ())),
    "derive._aggregate: a folded column claims a range, or to be stored":
        derived(Aggregate(ORDERS, (U,), ((replace(NEW, proved=between(0, 1)), Fold.ROWS, None),))),
    "derive._cap: groups were capped by something that is not the owner": derived(CapGroups(ORDERS, ORDER, (V,), 1)),
    "derive._cap_rows: rows were capped by something that is not the owner": derived(
        CapRows(shown((NEW, Ref(ORDER)), (TEXT, Ref(KIND))), NEW, (replace(U, id=95),), TEXT, 1)),
    "derive._cap_rows: rows were capped that differ in what did not choose among them":
        derived(CapRows(ORDERS, U, (KIND,), V, 1)),
    "facts.ownership.joined_owner: a null-extended row without an owner was about to be read":
        derived(Join(PUB, ORDERS, JoinKind.LEFT, ())),
    "facts.ownership.joined_owner: two private relations were joined without a proof that their owners are equal":
        derived(Join(ORDERS, AGAIN, JoinKind.INNER, (scalars.call("=", Ref(ORDER), Ref(ORDER2)),))),
    "facts.ownership.require_marked: a row was marked by rows that are not proved to be of the same unit":
        derived(Mark(ORDERS, AGAIN, (), TRUTH)),
    "facts.ownership.require_by_unit: units were mixed below the noise": derived(Aggregate(ORDERS, (KIND,), ())),
    "facts.ownership.combined_owner: rows of different units were about to be put together":
        derived(Combined(ORDERS, AGAIN, SetKind.UNION, ((TEXT, KIND, KIND2),))),
    "facts.order.require_exact_fold: a sum depends on the order of its rows":
        derived(Aggregate(UNITS, (UNITS.columns[0],), ((NEW, Fold.SUM, Ref(X)),))),
    "facts.order.require_order: a window depends on the order of its rows":
        derived(Window(ORDERS, ((NEW, Over(Place.ROW_NUMBER, (), (U,), (), None)),))),
    "facts.order.require_frame: a frame is empty, or leaves out peers that are told apart":
        framed((V,), Frame(Places.GROUPS, 1, 0)),
    "facts.order.require_frame: the order of peers was completed under a frame that counts them":
        framed((ORDER, KIND, V), Frame(Places.GROUPS, -1, 0), Place.FIRST_VALUE, Ref(V)),
    "facts.order.require_frame: a distance is measured in one column":
        derived(Window(UNITS, ((NEW, Over(Fold.ROWS, (), (UNITS.columns[0],), (Sorted(X), Sorted(UNITS.columns[0])),
                                          Frame(Places.RANGE, -1, 0))),))),
    "facts.order.require_frame: a distance is measured in a column that may overflow":
        framed((V,), Frame(Places.RANGE, -1, 0)),
    "sensitivity.groups_touched: rows without an owner were about to be counted":
        lambda: sensitivity.groups_touched((), None, Facts(owner=U, nullable=frozenset({U.id}))),
    "sensitivity.groups_touched: nothing bounds the groups that one unit may touch":
        lambda: sensitivity.groups_touched((KIND,), None, Facts(owner=U)),
    "sensitivity.magnitudes: a unit may have several rows in a group below the noise":
        lambda: magnitude(lambda guarded: guarded, Facts(owner=U)),
    "sensitivity.magnitudes: the partials are not computed last":
        lambda: magnitude(lambda guarded: Filter(guarded, ())),
    "sensitivity.magnitudes: a partial has no clip": lambda: magnitude(unclipped(X)),
    "sensitivity.magnitudes: a partial has no clip (2)": lambda: magnitude(unclipped(Column(50, "h", HUGEINT))),
    "sensitivity.rows_counted: nothing bounds the rows that a unit adds to a group": rows_counted,
    "probe.groups_counted: a cap is searched that is not there": searched_without_cap,
    "probe.prove_single: rows without an owner were about to be counted":
        lambda: probe.prove_single(Aggregate(ORDERS, (U,), ()), U, (), world("loose").catalog),
    "probe.prove_single: a unit may have several rows in a group below the noise":
        lambda: probe.prove_single(
            Filter(ORDERS, (scalars.call("is_not_null", Ref(U)),)), U, (KIND,), world("loose").catalog),
    "choose._closed: a statement costs more than was promised before its bounds were chosen": costs_more_than_promised,
    "plan.plan: the events of a plan cost more than was asked for": costs_more_than_asked,
    "run._fed: a feed repeats its key": repeated_feed,
    "render._said: the printed SQL does not parse": lambda: checked(exp.Select(expressions=[exp.Var(this="FROM (")])),
    "render._said: the printed SQL does not mean what was understood":
        lambda: checked(exp.Select(expressions=[exp.column(exp.Identifier(this="a OR TRUE", quoted=False))])),
    "scalars.guards._need: what": lambda: scalars.call("clip", Lit(1, BIGINT), Ref(V), Ref(V)),
    "scalars.guards._fed_takes: a released value is typed by its stage": lambda: scalars.call("fed", Lit("x", VARCHAR)),
    "engines.scratch._create: the released table would hide the public one": in_a_session(hidden),
    "budget.ledger.store: entry is no charge that waits for an answer": in_a_session(stored_twice),
    "budget.ledger._price: the mechanisms cost more than the query is charged": in_a_session(undercharged),
}
