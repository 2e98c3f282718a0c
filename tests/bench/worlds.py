"""Six worlds that nobody tuned dpsql for, beside TPC-H, and queries to ask of them: data of `tests.bench.peers`."""

from __future__ import annotations

from dataclasses import dataclass

_HEAD = 'version = "1"\nunit = "{}"\n[budget]\nepsilon = 1e8\ndelta = 0.9\n[query]\nepsilon = 1.0\ndelta = 1e-6\n'
_RANDOM = "SELECT setseed(.5);\n"       # a world is the same every time

# what random() r gives: (1 - r)^(-1/a) has the tail of Pareto, ln(1 - r) that of exponentials
MAKE = {
    "hospital": _RANDOM + """
CREATE TABLE patients AS SELECT i AS pid, CAST(18 + 70 * sqrt(random()) AS INTEGER) AS age,
    CAST(random() < .02 AS INTEGER) AS rare, CAST(random() < .3 AS INTEGER) AS smoker,
    'd' || (i % 12) AS district FROM range(20000) AS t(i);
CREATE TABLE visits AS SELECT i AS pid, 'w' || CAST(floor(8 * random() * random()) AS INTEGER) AS ward,
    CAST(100 * pow(1 - random(), -.7) AS DECIMAL(12, 2)) AS cost, -20 * ln(1 - random()) AS hours,
    DATE '2024-01-01' + CAST(floor(random() * 365) AS INTEGER) AS day
    FROM range(20000) AS t(i), range(40) AS s(j) WHERE j < 1 - 3 * ln(1 - hash(i) / 18446744073709551616.0);
""",
    "bank": _RANDOM + """
CREATE TABLE accounts AS SELECT i AS aid, ['north', 'south', 'east', 'west'][1 + i % 4] AS branch,
    CAST(30000 * pow(1 - random(), -.4) AS INTEGER) AS salary FROM range(30000) AS t(i);
CREATE TABLE moves AS SELECT CAST(floor(30000 * random() * random()) AS BIGINT) AS aid,
    CAST((random() - .45) * 40 * pow(1 - random(), -.6) AS DECIMAL(14, 2)) AS amount,
    ['card', 'cash', 'wire'][1 + CAST(floor(random() * 2.99) AS INTEGER)] AS kind FROM range(300000);
""",
    "web": _RANDOM + """
CREATE TABLE users AS SELECT i AS uid, i % 3 AS plan FROM range(10000) AS t(i);
CREATE TABLE clicks AS SELECT uid, 'p' || CAST(floor(pow(600, random())) AS INTEGER) AS page, random() * 90 AS dwell,
    CAST(random() < .004 AS INTEGER) AS bought FROM (
    SELECT CAST(floor(10000 * random()) AS BIGINT) AS uid FROM range(80000) UNION ALL SELECT 77 FROM range(10000));
""",
    "survey": _RANDOM + """
CREATE TABLE people AS SELECT i AS pid, CAST(18 + floor(60 * random()) AS INTEGER) AS age,
    CAST(30000 * pow(1 - random(), -.35) AS INTEGER) AS income, CAST(random() < .4 AS INTEGER) AS yes,
    ['a', 'b', 'c', 'd', 'e'][1 + i % 5] AS region, CAST(floor(11 * random()) AS INTEGER) AS score
    FROM range(300) AS t(i);
""",
    "flags": _RANDOM + """
CREATE TABLE people AS SELECT i AS pid, CAST(i % 1000 = 7 AS INTEGER) AS f50, CAST(i % 100 = 7 AS INTEGER) AS f500,
    CAST(i % 10 = 7 AS INTEGER) AS f5000, CAST(i % 100 = 7 AS DECIMAL(9, 2)) AS d500,
    CAST(i % 100 = 7 AS DOUBLE) AS x500, random() AS share, 'g' || (i % 40) AS g FROM range(50000) AS t(i);
""",
}
_HOSPITAL = '[tables.patients]\nunit = "pid"\nkeys = ["pid"]\n{}\n[tables.visits]\nowner = "pid -> patients.pid"\n{}\n'
_BANK = '[tables.accounts]\nunit = "aid"\nkeys = ["aid"]\n{}\n[tables.moves]\nowner = "aid -> accounts.aid"\n{}\n'
_PEOPLE = '[tables.people]\nunit = "pid"\nkeys = ["pid"]\n{}\n'


def _values(column: str, *values: str) -> str:
    return f"columns.{column} = {{ values = [{', '.join(f'{chr(34)}{value}{chr(34)}' for value in values)}] }}\n"


def _range(column: str, low: float, high: float) -> str:
    return f"columns.{column} = {{ range = [{low}, {high}] }}\n"


_DISTRICTS, _WARDS = _values("district", *(f"d{i}" for i in range(12))), _values("ward", *(f"w{i}" for i in range(8)))
_DATED = _WARDS + 'columns.day = { range = [2024-01-01, 2024-12-30] }\n'
POLICIES = {
    "hospital": ("hospital", _HEAD.format("patients") + _HOSPITAL.format("", "")),
    "hospital+": ("hospital", _HEAD.format("patients") + _HOSPITAL.format(
        _range("age", 0, 110) + _DISTRICTS, _DATED + _range("cost", 0, 300000) + _range("hours", 0, 240))),
    "bank": ("bank", _HEAD.format("accounts") + _BANK.format("", "")),
    "bank+": ("bank", _HEAD.format("accounts") + _BANK.format(
        _values("branch", "north", "south", "east", "west") + _range("salary", 0, 1000000),
        _values("kind", "card", "cash", "wire"))),
    "web": ("web", _HEAD.format("users") + '[tables.users]\nunit = "uid"\nkeys = ["uid"]\n'
            '[tables.clicks]\nowner = "uid -> users.uid"\n'),
    "survey": ("survey", _HEAD.format("people") + _PEOPLE.format("")),
    "survey+": ("survey", _HEAD.format("people") + _PEOPLE.format(
        _range("age", 18, 100) + _range("income", 0, 500000) + _range("score", 0, 10) + _range("yes", 0, 1)
        + _values("region", *"abcde"))),
    "flags": ("flags", _HEAD.format("people") + _PEOPLE.format("")),
}


@dataclass(frozen=True, slots=True)
class Case:
    """SELECT `by`, `what` FROM `rows` GROUP BY `by`, or `sql`, which then has these for a reference. Aggregates of
    `what` are COUNT, SUM, AVG and VARIANCE, with FILTER or not, divided by no comma but `; `."""

    world: str
    what: str
    rows: str
    unit: str = "pid"
    by: str = ""
    epsilon: float = 1
    sql: str = ""


_LINES = "lineitem JOIN orders ON l_orderkey = o_orderkey"
_NATIONS = "customer JOIN nation ON c_nationkey = n_nationkey"
CASES = (
    Case("customer", "COUNT(*)", f"{_LINES} WHERE l_shipmode = 'AIR'", "o_custkey"),
    Case("customer", "SUM(l_extendedprice)", f"{_LINES} WHERE l_discount = .1", "o_custkey"),
    Case("customer", "SUM(o_totalprice)", "orders WHERE o_orderpriority = '1-URGENT'", "o_custkey", epsilon=.1),
    Case("customer", "AVG(o_totalprice)", "orders", "o_custkey"),
    Case("customer", "AVG(l_quantity); AVG(l_discount); COUNT(*)", _LINES, "o_custkey"),
    Case("customer", "SUM(c_acctbal)", "customer", "c_custkey"),
    Case("customer", "SUM(c_acctbal); COUNT(*)", _NATIONS, "c_custkey", "n_name"),
    Case("customer", "COUNT(*)", f"orders JOIN {_NATIONS} ON o_custkey = c_custkey", "o_custkey", "n_name"),
    Case("customer", "COUNT(*)", "orders", "o_custkey", "o_orderpriority"),
    Case("customer", "SUM(l_quantity)", _LINES, "o_custkey", "l_shipmode"),
    Case("customer", "COUNT(*)", "orders", "o_custkey", "year(o_orderdate)"),
    Case("customer", "SUM(o_totalprice)", "orders", "o_custkey", "o_orderdate"),
    Case("customer", "COUNT(*) FILTER (WHERE o_orderstatus = 'F'); COUNT(*)", "orders", "o_custkey"),
    Case("supplier", "SUM(ps_supplycost * ps_availqty)", "partsupp", "ps_suppkey"),
    Case("supplier", "AVG(ps_supplycost)", "partsupp", "ps_suppkey"),
    Case("supplier", "COUNT(*)", "lineitem", "l_suppkey", "l_shipmode"),
    Case("orders", "COUNT(*)", "lineitem", "l_orderkey", epsilon=.1),
    Case("orders", "SUM(l_quantity)", "lineitem", "l_orderkey", "l_shipmode"),
    Case("orders", "COUNT(*)", "lineitem", "l_orderkey", "l_shipdate"),
    Case("orders", "AVG(o_totalprice)", "orders", "o_orderkey"),
    Case("hospital", "COUNT(*)", "visits"),
    Case("hospital", "COUNT(*)", "visits", epsilon=.1),
    Case("hospital", "SUM(cost)", "visits"),
    Case("hospital", "AVG(cost)", "visits"),
    Case("hospital", "SUM(hours)", "visits"),
    Case("hospital", "AVG(hours)", "visits"),
    Case("hospital", "AVG(age)", "patients"),
    Case("hospital", "SUM(rare)", "patients"),
    Case("hospital", "AVG(smoker)", "patients"),
    Case("hospital", "COUNT(*)", "visits", by="ward"),
    Case("hospital", "COUNT(*); SUM(cost); AVG(hours)", "visits", by="ward"),
    Case("hospital", "COUNT(*)", "visits", by="day"),
    Case("hospital", "VARIANCE(age)", "patients"),
    Case("hospital+", "VARIANCE(age)", "patients"),
    Case("hospital+", "AVG(age); COUNT(*)", "patients", by="district"),
    Case("hospital+", "AVG(cost)", "visits"),
    Case("hospital+", "SUM(cost)", "visits"),
    Case("hospital+", "COUNT(*); SUM(cost); AVG(hours)", "visits", by="ward"),
    Case("hospital+", "COUNT(*)", "visits", by="ward", epsilon=.1),
    Case("hospital+", "COUNT(*)", "visits", by="day"),
    Case("hospital+", "SUM(hours) FILTER (WHERE ward = 'w7'); SUM(hours)", "visits"),
    Case("bank", "SUM(amount)", "moves", "aid"),
    Case("bank", "SUM(abs(amount))", "moves", "aid"),
    Case("bank", "COUNT(*)", "moves", "aid", "kind"),
    Case("bank", "SUM(amount)", "moves", "aid", "kind"),
    Case("bank", "AVG(salary)", "accounts", "aid"),
    Case("bank+", "AVG(salary)", "accounts", "aid", "branch"),
    Case("bank+", "COUNT(*); SUM(amount)", "moves", "aid", "kind"),
    Case("web", "COUNT(*)", "clicks", "uid"),
    Case("web", "SUM(dwell)", "clicks", "uid"),
    Case("web", "SUM(bought)", "clicks", "uid"),
    Case("web", "COUNT(*)", "clicks", "uid", "page"),
    Case("web", "AVG(dwell)", "clicks", "uid", "page"),
    Case("survey", "COUNT(*)", "people WHERE yes = 1"),
    Case("survey", "AVG(age)", "people"),
    Case("survey", "AVG(income)", "people"),
    Case("survey+", "AVG(age); AVG(income); AVG(score); AVG(yes)", "people"),
    Case("survey+", "AVG(score); COUNT(*)", "people", by="region"),
    Case("survey+", "AVG(age)", "people", epsilon=.1),
    Case("survey+", "SUM(yes)", "people", epsilon=.05),
    Case("flags", "SUM(f50)", "people"),
    Case("flags", "SUM(f500)", "people"),
    Case("flags", "SUM(f5000)", "people"),
    Case("flags", "SUM(d500)", "people"),
    Case("flags", "SUM(x500)", "people"),
    Case("flags", "SUM(share)", "people"),
    Case("flags", "SUM(f500); COUNT(*)", "people", by="g"),
    Case("flags", "AVG(share)", "people", by="g"),
    # programs: the reference knows for nothing what all but the last question answers
    Case("customer", "COUNT(*)", "orders WHERE o_totalprice > 151219.5", "o_custkey", sql="SELECT COUNT(*) FROM orders "
         "WHERE o_totalprice > (SELECT AVG(o_totalprice) FROM orders)"),
    Case("hospital+", "COUNT(*)", "visits", by="ward",
         sql="SELECT ward, COUNT(*) FROM visits GROUP BY ward HAVING COUNT(*) > (SELECT COUNT(*) / 20 FROM patients)"),
    Case("hospital+", "COUNT(*)", "patients", by="district",
         sql="SELECT district, COUNT(*) FROM patients WHERE age > (SELECT AVG(age) - 100 FROM patients) GROUP BY 1"),
    Case("bank", "SUM(n)", "(SELECT aid, COUNT(*) AS n FROM moves GROUP BY aid) WHERE n >= 10", "aid",
         sql="SELECT SUM(n) FROM (SELECT aid, COUNT(*) AS n FROM moves GROUP BY aid HAVING COUNT(*) >= 10)"),
    Case("bank", "COUNT(*)", "accounts WHERE aid IN (SELECT aid FROM moves WHERE amount > 1000)", "aid"),
    Case("web", "COUNT(*)", "(SELECT uid, COUNT(*) AS n FROM clicks GROUP BY uid) WHERE n > 5", "uid"),
)
