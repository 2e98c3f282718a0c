"""What is told apart here and taken for one elsewhere: names by letter case, dates beyond Python's, other databases."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dpsql import release
from dpsql.domain import combinations
from dpsql.errors import PolicyError
from dpsql.facts.public import Listed
from dpsql.probe import parameters
from dpsql.session import Session

_POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e9
delta = 0.5
[query]
epsilon = 1e6
[limits]
max_rows_per_group = 2
[tables.people]
unit = "u"
keys = ["u"]
columns.C1 = { range = [0, 10] }
columns.x = { range = [0, 10] }
columns.d = { range = [50, 90] }
[tables.visits]
owner = "u -> people.u"
[tables.days]
public = true
"""
_MAKE = """
CREATE TABLE people(u BIGINT, C1 BIGINT, x DOUBLE, d DECIMAL(4, 2), i INTEGER);
CREATE TABLE visits(u BIGINT, i INTEGER);
CREATE TABLE days(i INTEGER, day DATE, moment TIMESTAMP, "U" BIGINT);
INSERT INTO people SELECT n, 0, 5, 60, n % 3 FROM range(1, 10) AS t(n);
INSERT INTO days VALUES (0, 'infinity', 'infinity', 1), (1, '9999-12-31', '9999-12-31 23:59:59.999999', 1),
    (2, '-infinity', '-infinity', 1), (2, '0001-01-01', '0001-01-01', 1);
INSERT INTO visits SELECT n, 0 FROM range(1, 10) AS t(n);
"""
_WORST = "INSERT INTO people VALUES (0, 9223372036854775807, 5, 60, 1)"


def opened(folder: Path, extra: str = "", ledger: Path | None = None) -> Session:
    folder.mkdir()
    (folder / "policy.toml").write_text(_POLICY)
    with duckdb.connect(folder / "people.duckdb") as connection:
        connection.execute(_MAKE + extra)
    return Session(folder / "people.duckdb", folder / "policy.toml", ledger or folder / "ledger")


def totals(session: Session, sql: str) -> tuple[list[int], tuple[int, ...]]:
    """The exact totals of a question without groups, and their sensitivities."""
    (statement,) = session.plan(sql).statements
    rows = session.engine.run(statement.sql, dict.fromkeys(statement.params, "salt"))
    return [total for (total,) in release._totals(statement, rows.values)], statement.sensitivities


def test_a_clamped_column_is_not_the_raw_one_of_its_name(tmp_path: Path) -> None:
    """DuckDB takes C1 and c1 for one name; a shared clamp is called c1."""
    sql = "SELECT SUM(x), AVG(x) FILTER (WHERE C1 >= 0), SUM(x) FILTER (WHERE C1 >= 0), SUM(C1), AVG(C1) FROM people"
    grouped = "SELECT CASE WHEN C1 > 5 THEN 'a' ELSE 'b' END, SUM(x), AVG(x) FROM people GROUP BY 1"
    with opened(tmp_path / "with", _WORST) as one, opened(tmp_path / "without") as other:
        (with_unit, sensitivities), (without, _) = totals(one, sql), totals(other, sql)
        assert all(abs(a - b) <= s for a, b, s in zip(with_unit, without, sensitivities, strict=True))
        assert [round(float(row[1]), 2) for row in one.query(grouped).rows] == [5, 45]  # type: ignore[arg-type]


def test_an_owner_is_not_a_public_column_of_its_name(tmp_path: Path) -> None:
    """Every visit shows as unit 1's when the public U stands for the owner u."""
    sql = ('SELECT COUNT(v.u) AS n FROM people p LEFT JOIN (days w JOIN visits v ON w.i = v.i) '
           'ON p.u = v.u AND w."U" = 1')
    with opened(tmp_path / "db") as session:
        assert session.query(sql).rows == ((9,),)


def test_no_public_group_is_released_twice(tmp_path: Path) -> None:
    """Python holds no infinite date, so it fetches the last one, which may be there too."""
    with opened(tmp_path / "db") as session:
        for column in ("day", "moment"):
            (statement,) = session.plan(
                f"SELECT w.{column}, COUNT(*) FROM people JOIN days w USING (i) GROUP BY 1").statements
            assert statement.domain is not None and len(statement.domain) == len(set(statement.domain)) == 3
        twice = combinations((Listed(0, ("a", "b", "a"), True),), 1, session.catalog, session._read_public)
        assert twice == (("a",), ("b",))


def test_the_middle_of_a_range_may_have_more_digits_than_the_column(tmp_path: Path) -> None:
    """50 + 90 is no DECIMAL(4, 2)."""
    with opened(tmp_path / "db") as session:
        ((mean,),) = session.query("SELECT AVG(d) FROM people").rows
        assert mean == pytest.approx(60, abs=0.01)


def test_an_answer_is_not_another_databases(tmp_path: Path) -> None:
    """Two files of one name under one ledger: each pays for its own answers, and gets them again."""
    ledger, sql = tmp_path / "ledger", "SELECT COUNT(*) FROM people"
    with opened(tmp_path / "one", ledger=ledger) as one, opened(tmp_path / "two", _WORST, ledger) as two:
        answers = [each.query(sql) for each in (one, two, one, two)]
    assert [answer.replayed for answer in answers] == [False, False, True, True]
    assert [answer.rows[0][0] for answer in answers] == [9, 10, 9, 10]


@pytest.mark.parametrize(("unit", "owner"), [("moment", "pid -> people.pid"), ("pid", "moment -> people.moment")])
def test_moments_a_nanosecond_apart_name_nobody(tmp_path: Path, unit: str, owner: str) -> None:
    """Read as one, two people would be one unit, and each would be protected half."""
    with duckdb.connect(tmp_path / "people.duckdb") as connection:
        connection.execute("CREATE TABLE people(pid BIGINT, moment TIMESTAMP_NS);"
                           "CREATE TABLE visits(pid BIGINT, moment TIMESTAMP_NS)")
    (tmp_path / "policy.toml").write_text(
        'version = "1"\nunit = "people"\n[budget]\nepsilon = 1\ndelta = 0.1\n'
        f'[tables.people]\nunit = "{unit}"\n[tables.visits]\nowner = "{owner}"\n')
    with pytest.raises(PolicyError, match="two people could be taken for one"):
        Session(tmp_path / "people.duckdb", tmp_path / "policy.toml")


def test_other_numbers_of_the_same_totals_are_no_replay(tmp_path: Path) -> None:
    """A variance and its root are bought alike; the one is not the answer to the other."""
    with opened(tmp_path / "db") as session:
        found = [session.query(f"SELECT {name}(x) AS y FROM people") for name in ("VAR_POP", "STDDEV_POP", "VAR_SAMP")]
        pairs = [session.query(f"SELECT {name}(x, d) AS y FROM people") for name in ("REGR_SLOPE", "REGR_R2", "CORR")]
    assert not any(answer.replayed for answer in (*found, *pairs))


def test_groups_that_are_not_listed_choose_no_bound(tmp_path: Path) -> None:
    """A person in a thousand groups outside the public ones adds nothing to what a bound is searched among."""
    policy = _POLICY.replace("max_rows_per_group = 2", "").replace(
        '[tables.visits]', '[tables.visits]\ncolumns.i = { values = [0, 1] }')
    seen = []
    for place, extra in enumerate(("", "INSERT INTO visits SELECT 1, n FROM range(2, 1002) AS t(n)")):
        folder = tmp_path / str(place)
        opened(folder, extra).close()
        (folder / "policy.toml").write_text(policy)
        with Session(folder / "people.duckdb", folder / "policy.toml", folder / "other") as session:
            (statement,) = session.plan("SELECT i, COUNT(*) FROM visits GROUP BY i").statements
            assert statement.opening is not None and statement.opening.probe.keyed
            values = {**parameters(statement.opening.probe), "salt": "salt"}
            rows = session.engine.run(
                statement.opening.sql, {name: values[name] for name in statement.opening.params}).values
            seen.append((len(rows), sorted(map(repr, release.inside(statement, rows)))))
    assert seen[0][0] < seen[1][0] and seen[0][1] == seen[1][1]
