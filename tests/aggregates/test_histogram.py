"""HISTOGRAM over given bins: what counts where, what is noisy, what it costs, and how it leaves by every door."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator

import duckdb
import pyarrow
import pytest

from dpsql.answer import Answer
from dpsql.doors.formats import NAMES, formatted
from dpsql.doors.serve.values import encoder, field
from dpsql.errors import QueryError
from dpsql.session import Session

POLICY = """
version = "1"
unit = "people"
[budget]
epsilon = 1e12
delta = 1e-3
[query]
epsilon = {epsilon}
[limits]
max_rows_per_group = 3
[tables.people]
unit = "id"
[tables.visits]
owner = "id -> people.id"
"""


@pytest.fixture(params=["1e6"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("histograms")
    (folder / "policy.toml").write_text(POLICY.format(epsilon=request.param))
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE people AS SELECT i AS id, i / 10.0::DOUBLE AS x, (i % 100)::SMALLINT AS s, "
        "i::DECIMAL(9, 2) AS m, DATE '2000-01-01' + i::INTEGER AS d, "
        "TIMESTAMP '2000-01-01' + INTERVAL (i) DAY AS t, 'a' AS text "
        "FROM range(1000) t(i)"
    )
    connection.execute("INSERT INTO people VALUES (-1, 'nan', NULL, NULL, NULL, NULL, NULL), "
                       "(-2, 'inf', NULL, NULL, NULL, NULL, NULL), (-3, '-inf', -32768, -9999999.99, "
                       "'-infinity', 'infinity', NULL)")
    connection.execute("CREATE TABLE visits AS SELECT i % 10 AS id, i AS n FROM range(100) t(i)")
    with Session(connection, folder / "policy.toml", folder / "ledger") as session:
        yield session
    connection.close()


@pytest.mark.parametrize("call", [
    "HISTOGRAM(s, [0, 50])", "HISTOGRAM(s, [50, 0, 50, -1])", "HISTOGRAM(s, [32767])", "HISTOGRAM(s, [0.5, 2])",
    "HISTOGRAM(m, [0, 10.25, 999])", "HISTOGRAM(d, [DATE '2000-06-01', '2001-01-01'])", "HISTOGRAM_EXACT(s, [1, 2])",
    "HISTOGRAM(t, [TIMESTAMP '2000-06-01', DATE '2001-01-01'])", "HISTOGRAM(s // -2, [-50, -10])",
    "HISTOGRAM(s, [0, 50]) FILTER (WHERE m > 500)", "HISTOGRAM(s + 1, [2147483646])",
])
def test_as_duckdb_counts(session: Session, call: str) -> None:
    sql = f"SELECT {call} FROM people"
    (((found,),), ((exact,),)) = session.query(sql).rows, session.engine.run(sql).values
    assert isinstance(found, dict)
    beyond = dict.fromkeys(found.keys() - exact.keys(), 0)        # it shows nothing beyond where there is nothing
    assert found == exact | beyond


def test_nan_is_beyond_every_bin(session: Session) -> None:
    ((found,),) = session.query("SELECT HISTOGRAM(x, [0, 50]) FROM people").rows
    assert found == {0.0: 2, 50.0: 500, math.inf: 501}


def test_a_person_counts_no_more_rows_than_the_policy_says(session: Session) -> None:
    ((found,),) = session.query("SELECT HISTOGRAM(n, [49]) FROM visits").rows
    assert isinstance(found, dict) and sum(found.values()) == 30


@pytest.mark.parametrize("session", ["1"], indirect=True)
def test_all_bins_cost_what_one_does_and_each_is_noisy(session: Session) -> None:
    bins = ", ".join(map(str, range(1000, 1099)))
    plan = session.plan(f"SELECT HISTOGRAM(m, [{bins}]) FROM people")
    (event,) = plan.statements[0].spent()
    assert event.epsilon <= plan.cost.epsilon == 1 and event.scale == event.sensitivity == 3
    answer = session.query(f"SELECT HISTOGRAM(m, [{bins}]) FROM people")
    ((found,),), (((low, high),),) = answer.rows, answer.intervals
    assert isinstance(found, dict) and isinstance(low, dict) and isinstance(high, dict)
    assert list(found) == [*map(float, range(1000, 1099)), math.inf]
    assert sum(value != 0 for value in list(found.values())[1:]) > 40       # 83 of 99 expected
    assert all(low[key] < found[key] < high[key] for key in found)


def test_every_door(session: Session) -> None:
    sql = ("SELECT HISTOGRAM(d, [DATE '2001-01-01']) AS h, QUANTILE_CONT(LEAST(GREATEST(s, 0), 100), [0.25, 0.5]) AS q "
           "FROM people")
    answer = session.query(sql)
    assert answer.types == ("MAP(DATE, BIGINT)", "DOUBLE[]")
    again = Answer.from_json(answer.to_json())
    assert (again.rows, again.intervals) == (answer.rows, answer.intervals)
    assert session.query(sql).replayed
    ((h, q),) = answer.rows
    assert isinstance(h, dict) and isinstance(q, list)
    (row,) = pyarrow.table(answer).to_pylist()
    assert dict(row["h"]) == h and row["q"] == q
    assert pyarrow.types.is_map(answer.to_arrow(intervals=True).schema.field("h_low").type)
    assert answer.to_pandas(intervals=True)["h"][0] == h
    assert all("2001-01-01" in formatted(answer, name) for name in NAMES)
    assert "2001-01-01: 368 ± 0" in str(answer)
    sent = [encoder(field("", type_).oid, 0)(value) for type_, value in zip(answer.types, answer.rows[0], strict=True)]
    assert sent[0].startswith(b'{"2001-01-01": ') and sent[1] == b"{" + b",".join(b"%g" % v for v in q) + b"}"


def test_a_list_of_quantiles(session: Session) -> None:
    within = "LEAST(GREATEST(s, 0), 100)"
    sql = f"SELECT QUANTILE_DISC({within}, [0.9, 0.1, 0.9]) AS q, QUANTILE_DISC({within}, 0.9) AS one FROM people"
    ((q, one),) = session.query(sql).rows
    assert isinstance(q, list) and q[0] == q[2] == one and q[1] < q[0]
    assert len(session.plan(sql).statements[0].spent()) == 2        # the same fraction is bought once
    ((first,),) = session.query(f"SELECT q[2] FROM ({sql}) t").rows
    assert first == q[1]


def test_bigquery(session: Session) -> None:
    sql = "SELECT APPROX_QUANTILES(LEAST(GREATEST(s, 0), 100), 4) AS q FROM people"
    ((q,),) = session.query(sql, dialect="bigquery").rows
    assert q == [0, 24, 49, 74, 99]


@pytest.mark.parametrize(("call", "said"), [
    ("HISTOGRAM(x)", "without a list of bins"), ("HISTOGRAM(x, 5)", "without a list of bins"),
    ("HISTOGRAM(x, [x])", "written out"), ("HISTOGRAM(x, [NULL])", "written out"),
    ("HISTOGRAM(x, ['nan'::DOUBLE])", "written out"), ("HISTOGRAM(x, [])", "1 to 100"),
    ("HISTOGRAM(s, [0.1, 0.1000000000000000055])", "one number"),
    (f"HISTOGRAM(x, [{', '.join(map(str, range(101)))}])", "1 to 100"), ("HISTOGRAM(text, ['a'])", "VARCHAR"),
    ("HISTOGRAM(DISTINCT x, [1])", "without a list of bins"), ("HISTOGRAM(x, [1]) OVER ()", "several people"),
    ("QUANTILE_CONT(x, [])", "1 to 100"), ("[COUNT(*)]", "not admitted"), ("MAP([1], [COUNT(*)])", "not admitted"),
])
def test_refused(session: Session, call: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        session.plan(f"SELECT {call} FROM people")


def test_an_infinite_date_is_beyond(session: Session) -> None:
    ((found,),) = session.query("SELECT HISTOGRAM(t, [DATE '1999-01-01']) FROM people").rows
    assert found == {datetime.datetime(1999, 1, 1): 0, datetime.datetime.max: 1001}
