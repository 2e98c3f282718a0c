"""What is audited: queries, and neighbours that differ in one unit chosen to be the worst in some way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from auditor import CONFIDENCE, Output, lower_bound

from dpsql.choose import choose
from dpsql.engines.base import Rows
from dpsql.errors import BudgetError, Error
from dpsql.release import release
from dpsql.session import Session

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
PART = 8          # of so many draws, whole answers are drawn once
DELTA = 0.01      # large, so that private groups show at all and an audit can see them
WHOLE_DELTA = 1e-4      # of whole answers, which one ledger pays for
POLICY = f"""
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 0.9
[query]
epsilon = 1
delta = {DELTA}
[limits]
max_groups = 2
max_rows_per_group = 3
[tables.people]
unit = "u"
columns.v = {{ range = [0, 10] }}
columns.n = {{ range = [0, 10] }}
[tables.visits]
owner = "u -> people.u"
columns.cost = {{ range = [0, 100] }}
[tables.stays]
owner = "u -> people.u"
"""
_LIMITS = "[limits]\nmax_groups = 2\nmax_rows_per_group = 3\n"
OPEN_POLICY = re.sub(r"columns.*\n", "", POLICY.replace(_LIMITS, ""))
_MAKE = """
CREATE TABLE people(u BIGINT, kind VARCHAR, v DOUBLE, n INTEGER, note VARCHAR);
CREATE TABLE visits(u BIGINT, kind VARCHAR, cost DECIMAL(12, 2));
CREATE TABLE stays(u BIGINT, ward VARCHAR);
INSERT INTO stays SELECT 1 + i % 60, 'w' || (i % 12) FROM range(300) AS t(i);
INSERT INTO people SELECT i, 'big', 1, i % 3, '5' FROM range(1, 9) AS t(i);
INSERT INTO people VALUES (9, 'few', 1, 2, '5');
INSERT INTO visits SELECT 1 + i % 9, ['big', 'few'][1 + i % 2], 20 FROM range(14) AS t(i);
"""
# The unit that only one side has.
WORST = {
    "extreme value": "INSERT INTO people VALUES (0, 'big', 'inf', 2147483647, '2147483647');"
                     "INSERT INTO visits VALUES (0, 'big', 9999999999.99); INSERT INTO stays VALUES (0, 'w0')",
    "many rows": "INSERT INTO people SELECT 0, ['big', 'few', 'x', 'y'][1 + i % 4], 10, 10, '9' FROM range(400) t(i);"
                 "INSERT INTO visits SELECT 0, 'k' || (i % 9), 100 FROM range(900) AS t(i);"
                 "INSERT INTO stays SELECT 0, 'w' || (i % 14) FROM range(700) AS t(i)",
    "sole member": "INSERT INTO people VALUES (0, 'solo', 10, 10, '9'); INSERT INTO visits VALUES (0, 'solo', 100)",
    "NULL key": "INSERT INTO people VALUES (0, NULL, NULL, NULL, NULL); INSERT INTO visits VALUES (0, NULL, NULL)",
    "would raise": "INSERT INTO people VALUES (0, 'few', 'nan', 0, '1e999x');"
                   "INSERT INTO visits VALUES (0, 'few', -9999999999.99)",
}
QUERIES = {
    "count": "SELECT COUNT(*) FROM people", "units": "SELECT COUNT(DISTINCT u) FROM people",
    "sum": "SELECT SUM(v) FROM people", "mean": "SELECT AVG(v) FROM people",
    "variance": "SELECT VAR_POP(n) FROM people", "several": "SELECT COUNT(*), SUM(v), AVG(n), SUM(n) FROM people",
    "decimal": "SELECT SUM(cost), COUNT(*) FROM visits",
    "private groups": "SELECT kind, COUNT(DISTINCT u) FROM people GROUP BY kind",
    "sums of private groups": "SELECT kind, SUM(cost), COUNT(*) FROM visits GROUP BY kind",
    "public groups": "SELECT kind, COUNT(*) FROM people WHERE kind IN ('big', 'few', 'solo') GROUP BY kind",
    "median": "SELECT MEDIAN(n) FROM people", "extremes": "SELECT MAX(n), MIN(n) FROM people",
    "distinct": "SELECT COUNT(DISTINCT note) FROM people",
    "bins": "SELECT HISTOGRAM(n, [0, 1, 2, 9]) FROM people",
    "casts": "SELECT SUM(LEAST(GREATEST(CAST(note AS INTEGER), 0), 9)) FROM people",
    "quotients": "SELECT SUM(LEAST(GREATEST(100 // n, 0), 9)) FROM people",
    "units by their rows": "SELECT c, COUNT(*) FROM (SELECT u, COUNT(*) AS c FROM visits GROUP BY u) t GROUP BY c",
    "marked": "SELECT COUNT(*) FROM people p WHERE EXISTS (SELECT 1 FROM visits v WHERE v.u = p.u AND v.cost > 50)",
    "places in two orders": "SELECT COUNT(*) FROM (SELECT ROW_NUMBER() OVER (PARTITION BY u ORDER BY cost) AS a, "
                            "ROW_NUMBER() OVER (PARTITION BY u ORDER BY cost DESC) AS b FROM visits) t WHERE a = b",
    "totals of groups": "SELECT kind, COUNT(*) FROM people GROUP BY ROLLUP (kind)",
}
# Asked of whole sessions: stages, a finish, errors, replays.
WHOLE = {
    "two stages": "SELECT COUNT(*) FROM people WHERE v >= (SELECT AVG(v) FROM people)",
    "rows shown": "SELECT kind FROM people WHERE kind IN ('big', 'few', 'solo') GROUP BY kind HAVING COUNT(*) > 1",
    "an error": "SELECT COUNT(*) * 9223372036854775807 FROM people",
    "ratios": "SELECT SUM(v) / COUNT(*), 1 / COUNT(*) FROM people WHERE n > 2",
    "groups": "SELECT kind, AVG(v) FROM people GROUP BY kind",
    "intervals": "SELECT AVG(v) AS a, SUM(v) AS s, VAR_POP(n) AS p, SUM(v) / COUNT(*) AS r FROM people WHERE n > 1",
    "a map": "SELECT HISTOGRAM(n, [0, 1, 2, 9]) AS h FROM people",
    "a list": "SELECT QUANTILE_DISC(n, [0.25, 0.5, 0.75]) AS q FROM people",
    "drowned": "SELECT COUNT(*) AS n, SUM(v) AS s FROM people WHERE n > 5",
    "ends of quantiles": "SELECT MEDIAN(n) AS m, MAX(n) AS x FROM people",
    "what was cut": "SELECT kind, COUNT(*) AS n, COUNT(DISTINCT cost) AS d FROM visits GROUP BY kind",
}
MEASURED = {"what was cut", "ends of quantiles"}    # asked with `quality`, whose shares stand in warnings
# Asked of whole sessions whose policy states neither limits nor ranges: what was chosen, cut and said of it.
OPEN = {
    "bounds and cuts": "SELECT COUNT(*) AS n, SUM(n) AS s, AVG(v) AS a FROM people",
    "chosen groups": "SELECT kind, COUNT(*) AS n, SUM(cost) AS s FROM visits GROUP BY kind",
    "shrunk counts": "SELECT ward, COUNT(*) AS n FROM stays GROUP BY ward",
    "quantiles at large": "SELECT MEDIAN(v) AS m, MAX(cost) AS x FROM people JOIN visits USING (u)",
}
Pair = tuple[Session, Session]


@dataclass(frozen=True)
class Audit:
    """The audit of one query on one pair: its lower bound on epsilon, and what was charged."""

    name: str
    worst: str
    bound: float
    epsilon: float


@contextmanager
def pairs(folder: Path, policy: str = POLICY) -> Iterator[dict[str, Pair]]:
    """For each worst unit the database with it and the one without."""
    (folder / "policy.toml").write_text(policy)
    opened = {}
    for place, (name, extra) in enumerate({"": "", **WORST}.items()):
        path = folder / str(place) / "people.duckdb"
        path.parent.mkdir()
        with duckdb.connect(path) as connection:
            connection.execute(_MAKE + extra)
        opened[name] = Session(path, folder / "policy.toml", path.with_name("ledger"))
    try:
        yield {name: (session, opened[""]) for name, session in opened.items() if name}
    finally:
        for session in opened.values():
            session.close()


def audit(pair: Pair, name: str, worst: str, runs: int, confidence: float = CONFIDENCE) -> Audit:
    """What the numbers, groups, intervals and row counts of one query tell of the unit, the engine's rows kept."""
    sql = QUERIES[name]
    both = [_released(session, sql, runs) for session in pair]
    cost = pair[0].plan(sql).cost
    return Audit(name, worst, lower_bound(*both, float(cost.delta), confidence), float(cost.epsilon))


def audit_whole(pair: Pair, name: str, worst: str, runs: int, confidence: float = CONFIDENCE) -> Audit:
    """What answers tell: rows, intervals, warnings, errors, costs; and their replays, which must be they again."""
    sql = (WHOLE | OPEN)[name]
    cost = pair[0].plan(sql, delta=WHOLE_DELTA).cost
    both = [[_answered(session, sql, name in MEASURED) for _ in range(runs)] for session in pair]
    return Audit(name, worst, lower_bound(*both, float(cost.delta), confidence), float(cost.epsilon))


def audited(worst: str, runs: int) -> tuple[int, int]:
    """Print the rows of one unit; how many they are, and how many are above their charge."""
    wrong = found = 0
    with TemporaryDirectory() as one, TemporaryDirectory() as other, \
            pairs(Path(one)) as stated, pairs(Path(other), OPEN_POLICY) as opened:
        for made in chain(
            (audit(stated[worst], name, worst, runs) for name in QUERIES),
            (audit_whole(stated[worst], name, worst, runs // PART) for name in WHOLE),
            (audit_whole(opened[worst], name, worst, runs // PART) for name in OPEN),
        ):
            above = made.bound > made.epsilon
            found, wrong = found + 1, wrong + above
            print(f"{made.name:24} {made.worst:14} charged {made.epsilon:g}  proved {made.bound:.3f}"
                  f"{'  ABOVE ITS CLAIM' if above else ''}", flush=True)
    return found, wrong


def _released(session: Session, sql: str, runs: int) -> list[Output]:
    kept: dict[str, Rows] = {}

    def run(sql: str, params: frozenset[str]) -> Rows:
        if sql not in kept:
            kept[sql] = session.engine.run(sql, dict.fromkeys(params, "salt"))
        return kept[sql]

    found = []
    for _ in range(runs):
        output: Output = {}
        for statement in session.plan(sql).statements:
            chosen, rows = choose(statement, run)
            table = release(chosen, rows, *(run(side.sql, side.params) for side in chosen.sides))
            output[f"rows of {table.name}"] = len(table.rows)
            keys, names = len(statement.question.keys), [f"{table.name}.{name}" for name, _ in table.columns]
            for row in table.rows:
                output |= _numbers(str(row[:keys]), zip(names[keys:], row[keys:], strict=True))
        found.append(output)
    return found


def _answered(session: Session, sql: str, quality: bool) -> Output:
    try:
        answer = session.query(sql, fresh=True, delta=WHOLE_DELTA, quality=quality)
    except BudgetError:
        raise                   # the audit's own budget, which is public
    except Error as error:
        return {f"{type(error).__name__}: {error}": 1.0}
    again = session.query(sql, delta=WHOLE_DELTA, quality=quality)
    assert again.replayed and repr((again.rows, again.intervals)) == repr((answer.rows, answer.intervals))
    output: Output = {"rows": len(answer.rows), "cost": answer.cost.epsilon}
    for warning in answer.warnings:         # what it says, and its numbers
        said = _NUMBER.sub("#", warning)
        output |= {said: 1.0, **{f"{said} {i}": float(found) for i, found in enumerate(_NUMBER.findall(warning))}}
    for row, ends in zip(answer.rows, answer.intervals, strict=True):
        cells = list(zip(answer.columns, row, answer.noisy, strict=True))
        key = str([value for _, value, noisy in cells if not noisy])
        output |= _numbers(key, ((name, value) for name, value, noisy in cells if noisy))
        for name, pair in zip(answer.columns, ends, strict=True):
            if isinstance(pair, tuple):
                output |= _numbers(key, iter([(f"{name} from", pair[0]), (f"{name} to", pair[1])]))
                if not isinstance(pair[0], dict | list):
                    output[f"{key} {name} wide"] = float(pair[1]) - float(pair[0])
    return output


def _numbers(key: str, cells: Iterator[tuple[str, object]]) -> Output:
    """The numbers of a row by name, those of a map or a list by their place; a NULL has a name of its own."""
    found: Output = {}
    for name, value in cells:
        if isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            found |= _numbers(key, iter([(f"{name}[{place}]", each) for place, each in items]))
            found[f"{key} {name} has"] = len(value)
        else:
            found[f"{key} {name}" if value is not None else f"{key} {name} is NULL"] = float(value or 0)  # type: ignore[arg-type]
    return found
