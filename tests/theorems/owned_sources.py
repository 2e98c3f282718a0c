"""Sources of rows that stay owned: semi joins, blocks per unit, windows, set operations, outer joins, lists."""

from __future__ import annotations

Shown = tuple[tuple[str, ...], ...]

_O: Shown = (("v", "d"), ("kind", "v", "p"), ("v < 4", "kind = 'a'", "d > 0"))
_U: Shown = (("n", "x"), ("grp", "home"), ("n > 0", "x < 1"))
_I: Shown = (("q", "w"), ("i.p", "ok"), ("q > 0", "ok"))
_S: Shown = (("CAST(s AS INTEGER)", "LEAST(GREATEST(c, 0), 9)"), ("c", "k", "s"), ("c > 1", "k = 'a'", "s < 3"))


def _with(shown: Shown, *conditions: str) -> Shown:
    return (shown[0], shown[1], (*shown[2], *conditions))


OWNED: dict[str, Shown] = {
    # whether other rows match
    "units": _with(
        _U, "EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u AND o.v > units.n)",
        "NOT EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u)", "u NOT IN (SELECT u FROM orders WHERE kind = 'a')",
        "home IN (SELECT p FROM pub WHERE size = 1)", "home NOT IN (SELECT p FROM pub)",
        "(n > 1 OR EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u AND o.ref = units.home))",
        "NOT (x > 0 AND n IN (SELECT v FROM orders o WHERE o.u = units.u))",
        "EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u AND EXISTS (SELECT 1 FROM items i WHERE i.o = o.o "
        "AND i.q > units.n))",
        "NOT EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u AND NOT EXISTS (SELECT 1 FROM items i WHERE "
        "i.o = o.o AND (i.q < units.n OR units.x IS NULL)))",
        "EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u AND o.v IN (SELECT i.q FROM items i WHERE i.o = o.o "
        "AND i.w <> units.x))",
        "n < (SELECT COUNT(*) + 1 FROM orders o WHERE o.u = units.u AND o.v <= units.n)",
        "(SELECT o.kind FROM orders o WHERE o.u = units.u ORDER BY o.v DESC LIMIT 1) = 'a'",
        "EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u HAVING COUNT(*) <> 1)",
        "EXISTS (SELECT 1 FROM items i WHERE i.i = units.u)", "EXISTS (SELECT 1 FROM pub WHERE cat = grp OR size > n)",
    ),
    "orders o": _with(
        _O, "EXISTS (SELECT 1 FROM items i WHERE i.o = o.o AND i.q > o.v)",
        "o IN (SELECT o FROM items GROUP BY o HAVING COUNT(*) > 1)", "o.o IN (SELECT b.o FROM orders b WHERE b.v > 1)",
        "NOT EXISTS (SELECT 1 FROM orders b WHERE b.u = o.u AND b.v > o.v)", "v IN (SELECT n FROM units WHERE x > 0)",
        "EXISTS (SELECT 1 FROM units WHERE units.u = o.u AND units.x > 0)", "u IN (SELECT u FROM units WHERE n > 0)",
        "EXISTS (SELECT 1 FROM items i JOIN pub ON i.p = pub.p WHERE i.o = o.o)",
        "EXISTS (SELECT 1 FROM units WHERE units.u = o.ref)",
        "v >= (SELECT AVG(b.v) FROM orders b WHERE b.u = o.u AND b.o <> o.o)",
        "(SELECT x FROM units WHERE units.u = o.u) > v", "v >= ALL (SELECT b.v FROM orders b WHERE b.u = o.u)",
        "d < ANY (SELECT i.q FROM items i WHERE i.o = o.o AND i.q <> o.v)",
    ),
    "items i": _with(
        _I, "EXISTS (SELECT 1 FROM items j WHERE j.o = i.o AND j.i <> i.i)",
        "NOT EXISTS (SELECT 1 FROM items j WHERE j.o = i.o AND j.p = i.p AND j.q > i.q)",
        "i.o IN (SELECT o FROM orders WHERE v > 0)",
    ),
    "(SELECT u, EXISTS (SELECT 1 FROM orders o WHERE o.u = units.u) AS e, n FROM units) t":
        (("n", "CASE WHEN e THEN n END"), ("e", "n"), ("e", "NOT e", "n > 0")),
    "units SEMI JOIN orders o ON o.u = units.u AND o.v > units.n": _U,
    "items i ANTI JOIN items j ON j.o = i.o AND j.p = i.p AND j.q > i.q": _I,
    # one row a unit and key
    "(SELECT u, COUNT(*) AS c, SUM(v) AS s, MAX(kind) AS k FROM orders GROUP BY u) t": _S,
    "(SELECT o, COUNT(DISTINCT p) AS c, AVG(w) AS s, MIN(CASE WHEN ok THEN 'a' END) AS k FROM items GROUP BY o) t": _S,
    "(SELECT u, kind AS k, COUNT(v) AS c, STDDEV_POP(v) AS s FROM orders GROUP BY ALL HAVING COUNT(*) > 1) t": _S,
    "(SELECT u, x AS s, MEDIAN(n) AS c, QUANTILE_DISC(grp, 0.5) AS k FROM units GROUP BY u, x) t": _S,
    "(SELECT units.u, COUNT(o.o) AS c, SUM(d) AS s, grp AS k FROM units LEFT JOIN orders o ON units.u = o.u "
    "GROUP BY units.u, grp) t": _S,
    "(SELECT DISTINCT u, kind AS k, v AS c, p AS s FROM orders) t": _S,
    "(SELECT c, k, COUNT(*) AS s FROM (SELECT u, kind AS k, COUNT(*) AS c FROM orders GROUP BY u, kind) a "
    "GROUP BY u, c, k) t": _S,
    "(SELECT u, COUNT(*) AS c, SUM(v) AS s, MAX(kind) AS k FROM orders GROUP BY u) t JOIN units USING (u)":
        (("n", "CAST(c AS INTEGER)"), ("c", "grp"), ("c > n", "grp = 'a'")),
    "(SELECT u, n, (SELECT COUNT(*) FROM orders o WHERE o.u = units.u) AS c, (SELECT MAX(v) FROM orders o "
    "WHERE o.u = units.u) AS s, grp AS k FROM units) t": _S,
    # windows
    "(SELECT u, kind AS k, v AS s, ROW_NUMBER() OVER (PARTITION BY u ORDER BY v DESC) AS c FROM orders) t":
        _with(_S, "c = 1", "c = s"),
    "(SELECT u, kind AS k, LAG(v, 1, 0) OVER (PARTITION BY u ORDER BY o) AS s, COUNT(*) OVER (PARTITION BY u) AS c "
    "FROM orders) t": _S,
    "(SELECT o, ok AS k, SUM(w) OVER (PARTITION BY o ORDER BY p ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s, "
    "RANK() OVER (PARTITION BY o ORDER BY q) AS c FROM items) t": (_S[0], ("c", "s"), ("c = 1", "s < 3")),
    "(SELECT u, kind AS k, v AS s, p AS c FROM orders QUALIFY ROW_NUMBER() OVER (PARTITION BY u ORDER BY v) = 1) t": _S,
    "(SELECT u, kind AS k, COUNT(*) AS s, RANK() OVER (PARTITION BY u ORDER BY COUNT(*) DESC) AS c FROM orders "
    "GROUP BY u, kind) t": _with(_S, "c = 1"),
    "(SELECT u, kind AS k, ROW_NUMBER() OVER (PARTITION BY u ORDER BY v) AS s, ROW_NUMBER() OVER (PARTITION BY u "
    "ORDER BY v DESC) AS c FROM orders) t": _with(_S, "c = s", "c < s"),
    "(SELECT u, kind AS k, LEAD(v) OVER (PARTITION BY u ORDER BY o) AS s, NTILE(2) OVER (PARTITION BY u ORDER BY v) "
    "AS c FROM orders) t": _with(_S, "c < s"),
    "(SELECT u, kind AS k, FIRST_VALUE(v) OVER (PARTITION BY u ORDER BY kind) AS s, CAST(DENSE_RANK() OVER "
    "(PARTITION BY u ORDER BY v) + 2 * PERCENT_RANK() OVER (PARTITION BY u ORDER BY v) + 2 * CUME_DIST() OVER "
    "(PARTITION BY u ORDER BY v) AS INTEGER) AS c FROM orders) t": _with(_S, "c > s"),
    "(SELECT u, LAST_VALUE(kind) OVER (PARTITION BY u ORDER BY v ROWS BETWEEN UNBOUNDED PRECEDING AND 1 FOLLOWING) "
    "AS k, MEDIAN(v) OVER (PARTITION BY u) AS s, COUNT(DISTINCT kind) OVER (PARTITION BY u) AS c FROM orders) t": _S,
    "(SELECT o, MAX(CASE WHEN ok THEN 'a' END) OVER (PARTITION BY o) AS k, QUANTILE_DISC(q, 0.25) OVER "
    "(PARTITION BY o) AS s, MIN(q) OVER (PARTITION BY o ORDER BY p ROWS 1 PRECEDING) + COUNT(w) OVER (PARTITION BY o) "
    "AS c FROM items) t":
        _S,
    "(SELECT u, kind AS k, SUM(v) OVER (PARTITION BY u ORDER BY v GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE "
    "TIES) AS s, COUNT(*) OVER (PARTITION BY u ORDER BY v RANGE BETWEEN 2 PRECEDING AND 1 FOLLOWING EXCLUDE GROUP) "
    "AS c FROM orders) t": _S,
    "(SELECT u, kind AS k, MAX(v) OVER (PARTITION BY u ORDER BY d RANGE BETWEEN 1.5 PRECEDING AND CURRENT ROW) AS s, "
    "COUNT(*) OVER (PARTITION BY u ORDER BY kind ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE "
    "CURRENT ROW) AS c FROM orders) t": _S,
    # two lists of rows
    "(SELECT u, kind AS k, v AS s, p AS c FROM orders INTERSECT ALL SELECT u, grp, n, home FROM units) t": _S,
    "(SELECT u, kind AS k, v AS s, p AS c FROM orders EXCEPT ALL SELECT u, kind, v, p FROM orders WHERE d > 0) t": _S,
    "(SELECT u, v AS s, p AS c, kind AS k FROM orders EXCEPT ALL SELECT size, size, p, cat FROM pub) t": _S,
    "(SELECT u, kind AS k, v AS s, p AS c FROM orders UNION ALL SELECT u, grp, n, home FROM units) t": _S,
    "(SELECT u, kind AS k, v AS s, p AS c FROM orders UNION SELECT u, grp, n, home FROM units) t": _S,
    "(SELECT kind AS k, v AS s, p AS c FROM orders UNION ALL SELECT grp, n, home FROM units) t": _S,
    "(SELECT o, v AS s, p AS c, kind AS k FROM orders EXCEPT SELECT o, 1, p, 'a' FROM items) t": _S,
    "(SELECT u, v AS s, p AS c, kind AS k FROM orders INTERSECT SELECT u, n, home, grp FROM units) t": _S,
    "(SELECT u, v AS s, p AS c, kind AS k FROM orders EXCEPT SELECT size, size, p, cat FROM pub) t": _S,
    "(SELECT u FROM units EXCEPT SELECT u FROM orders) t JOIN units USING (u)": _U,
    # the other outer joins, and lists
    "orders o RIGHT JOIN units ON units.u = o.u AND v > n": (("v", "n"), ("kind", "grp"), ("v > 0", "n > 0")),
    "orders o FULL JOIN units ON units.u = o.u AND v > n":
        (("v", "n"), ("kind", "grp"), ("v > 0", "n > 0", "v IS NULL")),
    "items i FULL JOIN orders o ON i.o = o.o": (("v", "q"), ("kind", "ok"), ("v > 0", "q IS NULL")),
    "orders o JOIN (VALUES ('a', 1), ('b', 2), (NULL, 3)) t(k, m) ON o.kind = t.k OR o.v = t.m":
        (("v", "m"), ("k", "m"), ("m > 1", "v < 3")),
    "units, LATERAL (SELECT n + 1 AS m, o.kind FROM orders o WHERE o.u = units.u AND o.v < n) t":
        (("m", "x"), ("kind", "grp"), ("m > 0",)),
    "units LEFT JOIN LATERAL (SELECT o.v, o.kind FROM orders o WHERE o.u = units.u) t ON TRUE":
        (("v", "n"), ("kind", "grp"), ("v > 0",)),
    "units, LATERAL (SELECT o.kind, o.v FROM orders o WHERE o.u = units.u ORDER BY o.v DESC LIMIT 1) t":
        (("v", "n"), ("kind", "grp"), ("v > 0",)),
    "orders o LEFT JOIN LATERAL (SELECT b.v AS m FROM orders b WHERE b.u = o.u AND b.v < o.v ORDER BY b.v LIMIT 2) t "
    "ON TRUE": (("v", "m"), ("kind", "m"), ("v > 0", "m IS NULL")),
    "units, LATERAL (SELECT COUNT(*) AS c, MAX(v) AS m FROM orders o WHERE o.u = units.u AND o.v <= units.n) t":
        (("m", "n"), ("c", "grp"), ("c > 0", "m IS NULL")),
    "units LEFT JOIN LATERAL (SELECT kind, COUNT(*) AS c FROM orders o WHERE o.u = units.u GROUP BY kind) t ON TRUE":
        (("n", "x"), ("c", "kind"), ("c > 1",)),
    "units, LATERAL (VALUES ('a', n), ('b', home), (grp, 7)) t(what, m)": (("m", "n"), ("what", "m"), ("m > 1",)),
    "(SELECT u, n, home FROM units) UNPIVOT (m FOR what IN (n, home))": (("m", "u"), ("what", "m"), ("m > 1",)),
    "units LEFT JOIN orders o ON o.u = units.u AND EXISTS (SELECT 1 FROM items i WHERE i.o = o.o AND i.q > 1)":
        (("v", "n"), ("kind", "grp"), ("v > 0",)),
    "(SELECT u, COUNT(*) AS c, SUM(v) AS s, MAX(kind) AS k FROM orders GROUP BY u HAVING EXISTS (SELECT 1 FROM units "
    "WHERE units.u = orders.u AND units.n > 1) OR COUNT(*) > (SELECT COUNT(*) FROM items i WHERE i.i = orders.u)) t":
        _S,
    "items i, UNNEST(i.tags) AS t(tag)": (("tag", "q"), ("tag", "ok"), ("tag > 1", "list_contains(i.tags, 1)")),
    "(SELECT o, q, UNNEST(tags) AS tag FROM items) t JOIN orders o USING (o)":
        (("tag", "v"), ("tag", "kind"), ("tag < 3", "v > 0")),
    "(SELECT o, COUNT(tag) AS c, SUM(tag) AS s, MAX(CASE WHEN ok THEN 'a' END) AS k FROM items i, UNNEST(i.tags) "
    "AS t(tag) GROUP BY o) t": _S,
    "orders o, UNNEST(string_split(o.kind, 'z')) AS t(part)": (("v",), ("part", "kind"), ("part <> ''", "v > 0")),
}
