"""A small grammar of queries over the small worlds: joins, filters, keys and aggregates, right and wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import cache

from hypothesis import strategies as st
from small_worlds import world

from dpsql.budget.events import Cost
from dpsql.errors import QueryError
from dpsql.pipeline import planned
from dpsql.plan import Plan
from dpsql.relation import Relation, sources_of

# a FROM, with the columns it shows: (numbers to add up, keys, conditions)
_U = (("n", "x", "n * 2 + home", "COALESCE(n, 1)", "CASE WHEN n > 0 THEN n END"), ("grp", "home", "day", "u + 0", "x"),
      ("n > 0", "grp = 'a'", "x <> 1", "home IS NOT NULL"))
_O = (("v", "d", "v * d", "LEAST(GREATEST(o.ref, -1), 3)"), ("kind", "v", "p", "(o)", "ref", "d", "ref IS NULL", "1"),
      ("v < 4", "(v < 1 OR v = 3 AND d > 0)", "kind IN ('a', 'b')", "ref = 1", "d BETWEEN -1 AND 1", "ref = o.u"))
_I = (("q", "w", "q * w", "CASE WHEN ok THEN q ELSE 0 END"), ("i.p", "ok", "w", "(i)", "q"),
      ("q > -2", "ok", "w < 0.5", "i.p = 1"))
_P = (("pub.size * 1 + 0 * LEAST(GREATEST(size, 0), 3)",), ("cat", "size", "cat || 'x'", "cat IS NULL"),
      ("size = 1", "cat <> 'b'"))


def _join(*parts: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(item for part in parts for item in part[place]) for place in range(3))


FROMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "units": _U,
    "orders o": _O,
    "items i": _I,
    "units JOIN orders o ON units.u = o.u": _join(_U, _O),
    "units JOIN orders o USING (u)": _join(_U, (_O[0], _O[1], _O[2][:4])),
    "units, orders o WHERE o.u = units.u": _join(_U, _O),
    "units LEFT JOIN orders o ON units.u = o.u": _join(_U, _O),
    "units LEFT JOIN orders o ON units.u = o.u AND o.v > 1": _join(_U, _O),
    "orders o JOIN items i ON i.o = o.o": _join(_O, _I),
    "orders o LEFT JOIN items i ON i.o = o.o": _join(_O, _I),
    "items i LEFT JOIN orders o ON i.o = o.o": _join(_O, _I),
    "items i LEFT JOIN units ON i.i = units.u": _join(_U, _I),
    "units JOIN orders o ON units.u = o.u JOIN items i ON i.o = o.o": _join(_U, _O, _I),
    "units LEFT JOIN orders o ON units.u = o.u LEFT JOIN items i ON i.o = o.o": _join(_U, _O, _I),
    "orders o JOIN pub ON o.p = pub.p": _join(_O, _P),
    "orders o LEFT JOIN pub ON o.p = pub.p": _join(_O, _P),
    "items i JOIN pub USING (p)": _join((_I[0], _I[1][1:], _I[2][:3]), _P),
    "items i JOIN orders o ON i.o = o.o LEFT JOIN pub ON pub.p = i.p AND pub.size = 1": _join(_O, _I, _P),
    "units JOIN pub ON home = pub.p": _join(_U, _P),
    "units LEFT JOIN pub ON home = pub.p AND units.u = pub.size": _join(_U, _P),
    "units, pub": _join(_U, _P),
    "pub JOIN pub AS two ON pub.size = two.size JOIN orders o ON o.p = two.p":
        _join((_O[0], _O[1][:2], _O[2]), (("pub.size * 0 + v",), ("pub.cat", "two.size"), ("pub.size = 1",))),
    "orders o JOIN orders b ON o.u = b.u": (("o.v", "b.d"), ("o.kind", "b.v", "(b.o)"), ("o.o <> b.o", "b.v < 3")),
    "orders o JOIN orders b ON o.u = b.u AND o.o = b.o": (("o.v",), ("o.kind", "b.kind", "(b.o)"), ("o.v > b.v",)),
    "orders o LEFT JOIN orders b ON o.u = b.u AND o.v < b.v": (("b.v", "o.d"), ("b.kind", "b.v IS NULL"), ("o.v > 0",)),
    "items i JOIN items j ON i.o = j.o": (("i.q", "j.w"), ("i.p", "(j.i)"), ("i.i < j.i",)),
    "units a JOIN units b ON a.u = b.u": (("a.n", "b.x"), ("a.grp", "b.home"), ("a.n <> b.n",)),
    "orders o JOIN units ON o.ref = units.u": _join(_U, _O),
    "orders o JOIN units ON o.ref = units.u AND o.u = units.u": _join(_U, _O),
    "items i JOIN units ON i.i = units.u": _join(_U, _I),
    "(SELECT u AS u, kind, v * 2 AS v, o FROM orders WHERE v > 0) o": (("v",), ("kind", "(o)", "v"), ("v < 7",)),
    "(SELECT kind, v, o FROM orders) o JOIN items i ON i.o = o.o": (("v", "q"), ("kind", "ok"), ("v < 3",)),
    "units LEFT JOIN (SELECT u, COALESCE(v, 1) AS v, kind FROM orders) AS o ON o.u = units.u":
        (("v", "n"), ("kind", "grp", "v"), ("v > 0",)),
    "(SELECT o.u AS boss, o.ref AS u, o.kind AS kind FROM orders o) AS s JOIN units ON s.u = units.u":
        (("n",), ("kind", "grp"), ("n > 1",)),
    "(SELECT * FROM orders) AS s(a, b, c) JOIN units ON s.b = units.u": (("v", "n"), ("c", "(a)"), ("n > 0",)),
    "units NATURAL JOIN orders": (("v", "n"), ("kind", "grp"), ("v > 0",)),
}


@st.composite
def texts(draw: st.DrawFn, sources: dict[str, tuple[tuple[str, ...], ...]] | None = None) -> str:
    """The text of one query over one of the sources; dpsql may refuse it, but never with another error."""
    known = FROMS if sources is None else sources
    source = draw(st.sampled_from(sorted(known)))
    numbers, keys, conditions = known[source]
    by = draw(st.lists(st.sampled_from(keys), max_size=2, unique=True))
    value, tested = draw(st.sampled_from(numbers)), draw(st.sampled_from(conditions))
    unit = next((name for name in ("units.u", "o.u", "a.u") if source.startswith(name[:-2])), "1")
    menu = ["COUNT(*)", f"COUNT({value})", f"SUM({value})", f"AVG({value})", f"SUM({value}) FILTER (WHERE {tested})",
            f"COUNT(DISTINCT {unit})", f"COUNT(*) FILTER (WHERE {tested})", f"VAR_SAMP({value})",
            f"CORR({value}, {numbers[0]})", f"COUNT(DISTINCT {by[0] if by else value})", f"MEDIAN({value})",
            f"HISTOGRAM({value}, [0, 2])",
            f"MAX({value}) FILTER (WHERE {tested})", f"MIN({value})"]
    asked = draw(st.lists(st.sampled_from(menu), min_size=1, max_size=3, unique=True))
    where = draw(st.lists(st.sampled_from(conditions), max_size=2, unique=True))
    text = f"SELECT {', '.join([*by, *asked])} FROM {source}"
    if where:
        text += (" AND " if " WHERE o.u" in source else " WHERE ") + " AND ".join(where)
    return text + (f" GROUP BY {', '.join(by)}" if by else "")


@cache
def plan_of(text: str, mode: str) -> Plan | None:
    """The plan of a query in a world; None when it is refused. Any other error is a failure."""
    here = world(mode)
    try:
        return planned(text, here.catalog, Cost(Fraction(1), Fraction(1, 100)), here.public, here.typed)
    except QueryError:
        return None


def relations(relation: Relation) -> Iterator[Relation]:
    """A relation and every relation below it."""
    yield relation
    for source in sources_of(relation):
        yield from relations(source)
