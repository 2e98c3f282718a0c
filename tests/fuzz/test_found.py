"""What random queries and texts have found, each by its smallest text; mended, and to stay so."""

from __future__ import annotations

import pytest
from small_worlds import MODES

from tests.fuzz.measured import plan_of
from tests.fuzz.query_words import Written

GROUPS = "(SELECT kind AS k, COUNT(*) AS m FROM orders GROUP BY kind)"
PUBLIC = "(SELECT cat AS k, COUNT(*) AS m FROM pub GROUP BY cat)"
ACCEPTED = {
    # a grouped block looked ahead, where a released block has no rows: IndexError
    "released groups, LEFT JOINed and grouped":
        f"SELECT o.kind, COUNT(*) FROM orders o LEFT JOIN {GROUPS} t ON t.k = o.kind GROUP BY o.kind",
    "public groups in a block per unit":
        f"SELECT AVG(c) FROM (SELECT o.u, COUNT(*) AS c FROM orders o LEFT JOIN {PUBLIC} t "
        "ON t.k = o.kind GROUP BY o.u) x",
    "a released union in brackets in a block per unit":
        f"SELECT AVG(c) FROM (SELECT o.u, t.m, COUNT(*) AS c FROM orders o JOIN ({PUBLIC} UNION ALL SELECT 'x', 2) t "
        "ON t.k = o.kind GROUP BY o.u, t.m) x",
    "NULL on both sides of FULL JOIN":
        "SELECT COUNT(z), COUNT(y) FROM (SELECT u, NULL AS z FROM orders) o "
        "FULL JOIN (SELECT u, NULL AS y FROM units) t ON t.u = o.u",
    # a NULL with a type lost it under FILTER: ValueError
    "a typed NULL with FILTER": "SELECT SUM(CAST(NULL AS INT)) FILTER (WHERE v > 1) FROM orders",
    # VALUES stood below the noise only
    "VALUES alone": "SELECT k, COUNT(*) AS n FROM (VALUES ('a', 1), ('b', 2)) AS t(k, m) GROUP BY k",
    "VALUES beside what is released":
        "SELECT t.k, n FROM (VALUES ('a'), ('b')) AS t(k) LEFT JOIN "
        "(SELECT kind, COUNT(*) AS n FROM orders GROUP BY kind) AS r ON r.kind = t.k",
    # both stopped with InternalError: an equality of another table's column, and a range with one end, were lost
    "two of one path beside an outer join":
        "SELECT COUNT(*) FROM items a JOIN items b ON a.o = b.o "
        "JOIN (orders o LEFT JOIN units t ON t.u = o.u) ON a.o = o.o",
    # of no rows it had the type of NULL, which nothing could be cast from: ScalarError
    "a subquery that may be nothing but NULL":
        "SELECT COUNT(*) FROM orders o WHERE v >= (SELECT COALESCE(MAX(size), NULL) FROM pub p WHERE p.cat = o.kind)",
    "a product of roots": "SELECT COVAR_POP(0.5, SQRT(-1.25)) FROM units",
}
REFUSED = {
    "FULL JOIN of released groups":
        f"SELECT AVG(c) FROM (SELECT o.u, COUNT(*) AS c FROM orders o FULL JOIN {GROUPS} t "
        "ON t.k = o.kind GROUP BY o.u) x",
    # it bound over empty tables, and raised when it ran: ExecutionError, charged
    "a literal that cannot be cast": "SELECT kind, CAST('a' AS DOUBLE), COUNT(*) FROM orders GROUP BY 1",
    # the refusal of a value that is no condition stood at no place of the text: ScalarError
    "COUNT_IF of a text": "SELECT COUNT_IF(kind) FROM orders",
    "COUNT_IF of a text of one person": "SELECT AVG(c) FROM (SELECT u, COUNT_IF(kind) AS c FROM orders GROUP BY u) x",
    "FILTER by a text of one person":
        "SELECT AVG(c) FROM (SELECT u, COUNT(*) FILTER (WHERE kind) AS c FROM orders GROUP BY u) x",
    "a quantile whose fraction is TRUE": "SELECT QUANTILE_CONT(v, TRUE) FROM orders",      # decimal.InvalidOperation
    "UNPIVOT INTO nothing": f"UNPIVOT {GROUPS} ON m INTO NAME NULL VALUE x",      # AttributeError
    # the rungs of twenty decimals fit no BIGINT: ScalarError
    "a sum of NULL with many decimals": "SELECT SUM(CAST(NULL AS DECIMAL(38, 20))) FROM orders",
    "VALUES of a person's row": "SELECT t.k FROM (VALUES ((SELECT u FROM orders LIMIT 1))) AS t(k)",
    "VALUES of the engine's settings": "SELECT t.k FROM (VALUES (current_setting('x'))) AS t(k)",
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str, mode: str) -> None:
    assert plan_of(Written(ACCEPTED[name], {}), mode) is not None


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    assert plan_of(Written(REFUSED[name], {}), "keyed") is None
