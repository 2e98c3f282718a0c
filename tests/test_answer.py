"""Answers: what they print, and what they turn into."""

from __future__ import annotations

import datetime
import json
import math
import sys
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from xml.etree import ElementTree

import polars
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.answer import Answer, AnswerCost, Balance, Clipped

COST = AnswerCost(1.0, 1e-8)
ANSWER = Answer(
    ("day", "n", "big", "cost", "share", "at", "ok"),
    ("DATE", "BIGINT", "HUGEINT", "DECIMAL(9, 2)", "DOUBLE", "TIMESTAMP", "BOOLEAN"),
    ((datetime.date(2025, 1, 2), 12, 10**38, Decimal("1.50"), 0.1, datetime.datetime(2025, 1, 2, 3, 4, 5, 6), True),
     (None,) * 7),
    ((None, (10, 14), (10**38 - 1, 10**38 + 1), (Decimal("1.00"), Decimal("2.00")), (-math.inf, 0.2), None, None),
     (None,) * 7),
    (False, True, True, True, True, False, False),
    COST,
    ("a warning",),
    balance=Balance("alice", 3.0, 1.0, 5e-7, 1e-8),
)


def test_the_last_line_says_cost_spent_and_left() -> None:
    assert str(ANSWER).splitlines()[-2:] == [
        "warning: a warning", "epsilon 1, delta 1e-08 spent · 1 of 3 used, 2 left (alice)"]
    assert replace(ANSWER, cost=AnswerCost(0.5, 0), balance=Balance(None, 10, 0.5, 0, 0)).bill() == (
        "epsilon 0.5 spent · 0.5 of 10 used, 9.5 left (the policy)")


def test_free_answers_say_so() -> None:
    free = AnswerCost(0.0, 0.0)
    assert replace(ANSWER, replayed=True, cost=free).bill() == "replay, free · 1 of 3 used, 2 left (alice)"
    assert replace(ANSWER, replayed=True).bill().startswith("replay, epsilon 1, delta 1e-08 spent · ")
    public = Answer(("x",), ("INTEGER",), ((1,),), ((None,),), (False,), free)
    assert str(public) == "x\n-\n1\nexact: public tables only, free"


def test_noise_without_an_interval_is_said() -> None:
    bare = Answer(("k", "share"), ("VARCHAR", "DOUBLE"), (("a", 0.5),), ((None, None),), (False, True), COST)
    assert "\nnote: numbers without ± are noisy too: " in str(bare)
    for quiet in (replace(bare, noisy=(False, False)), replace(bare, intervals=((None, (0.4, 0.6)),)),
                  replace(bare, rows=(("a", None),)), replace(bare, rows=(), intervals=())):
        assert "note:" not in str(quiet)


def test_repr_is_short() -> None:
    assert repr(ANSWER) == "<Answer: 2 rows of day, n, big, cost, share, at, ok; epsilon 1>"


def test_long_answers_print_their_beginning() -> None:
    rows = tuple((i,) for i in range(1000))
    long = Answer(("x",), ("INTEGER",), rows, ((None,),) * 1000, (False,), COST)
    assert "... 800 more of 1000 rows" in str(long) and "999" in long.show()


def test_json_is_exact() -> None:
    back = Answer.from_json(ANSWER.to_json())
    assert back == replace(ANSWER, balance=None)
    assert Answer.from_json(replace(ANSWER, replayed=True).to_json()).replayed
    assert [type(value) for value in back.rows[0]] == [type(value) for value in ANSWER.rows[0]]


def test_the_form_of_json_is_stable() -> None:
    """Ledgers and other programs hold this text: a change of it needs another name in "format"."""
    assert json.loads(ANSWER.to_json()) == {
        "format": "dpsql.answer/1",
        "columns": ["day", "n", "big", "cost", "share", "at", "ok"],
        "types": ["DATE", "BIGINT", "HUGEINT", "DECIMAL(9, 2)", "DOUBLE", "TIMESTAMP", "BOOLEAN"],
        "rows": [[{"date": "2025-01-02"}, 12, 10**38, {"decimal": "1.50"}, 0.1,
                  {"timestamp": "2025-01-02T03:04:05.000006"}, True], [None] * 7],
        "intervals": [[None, [10, 14], [10**38 - 1, 10**38 + 1], [{"decimal": "1.00"}, {"decimal": "2.00"}],
                       [{"float": "-inf"}, 0.2], None, None], [None] * 7],
        "noisy": [False, True, True, True, True, False, False],
        "cost": [1.0, 1e-8], "warnings": ["a warning"], "replayed": False,
    }
    old = json.loads(ANSWER.to_json())
    del old["format"], old["replayed"]
    assert Answer.from_json(json.dumps(old)) == replace(ANSWER, balance=None)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.dates(),
    st.datetimes().map(lambda at: at.replace(fold=0)),
    st.times().map(lambda at: at.replace(fold=0)), st.timedeltas(),
    st.decimals(allow_nan=False, allow_infinity=False))


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=5))
def test_json_keeps_every_value(rows: list[tuple[object, ...]]) -> None:
    intervals = tuple((None, (row[0], row[1]), None) for row in rows)
    answer = Answer(("a", "b", "c"), ("X",) * 3, tuple(rows), intervals, (False, True, False), COST)
    assert repr(Answer.from_json(answer.to_json()).rows) == repr(answer.rows)
    assert repr(Answer.from_json(answer.to_json()).intervals) == repr(answer.intervals)


def test_json_keeps_what_was_cut() -> None:
    clipped = Clipped("people", "are in more than 3 groups", 0.2, 0.1, 0.3, 0.9)
    answer = replace(ANSWER, balance=None, clipped=(clipped,))
    assert Answer.from_json(answer.to_json()) == answer
    assert answer.to_dict()["clipped"][0]["low"] == 0.1 and "clipped" not in ANSWER.to_dict()
    assert str(answer.clipped[0]) == "20 % of people (10 % to 30 %, with 90 %) are in more than 3 groups"


def test_json_keeps_nan() -> None:
    answer = Answer(("a",), ("DOUBLE",), ((math.nan,), (-math.inf,), (-0.0,)), ((None,),) * 3, (True,), COST)
    assert repr(Answer.from_json(answer.to_json()).rows) == "((nan,), (-inf,), (-0.0,))"


@pytest.mark.parametrize("text", [
    "", "[]", "{}", '{"columns": 3}', '{"format": "dpsql.answer/2"}', ANSWER.to_json().replace("decimal", "cimal")])
def test_what_is_no_answer_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Answer.from_json(text)


def test_json_never_fails_on_a_paid_answer() -> None:
    answer = replace(ANSWER, rows=((b"x", {1}, 1, 1, 1, 1, 1),))
    assert Answer.from_json(answer.to_json()).rows[0][:2] == ("b'x'", "{1}")


def test_arrow() -> None:
    table = ANSWER.to_arrow()
    assert table.to_pylist()[0] == {
        "day": datetime.date(2025, 1, 2), "n": 12, "big": Decimal(10**38), "cost": Decimal("1.50"), "share": 0.1,
        "at": datetime.datetime(2025, 1, 2, 3, 4, 5, 6), "ok": True}
    assert table.schema.types == [
        pa.date32(), pa.int64(), pa.decimal256(39, 0), pa.decimal128(9, 2), pa.float64(), pa.timestamp("us"),
        pa.bool_()]
    assert set(table.to_pylist()[1].values()) == {None}


def test_a_hugeint_is_as_narrow_as_it_can_be() -> None:
    """polars reads no decimal256."""
    row = ANSWER.rows[0]
    fits = replace(ANSWER, rows=((*row[:2], -(10**38) + 1, *row[3:]),), intervals=())
    assert fits.to_arrow().schema.field("big").type == pa.decimal128(38, 0)
    assert int(polars.DataFrame(fits)["big"][0]) == -(10**38) + 1


def test_whoever_takes_arrow_takes_an_answer() -> None:
    assert pa.table(ANSWER).equals(ANSWER.to_arrow())
    empty = polars.DataFrame(replace(ANSWER, rows=(), intervals=()))
    assert empty.shape == (0, 7) and empty.schema["cost"] == polars.Decimal(9, 2)


@pytest.mark.parametrize(("type_", "value", "arrow"), [
    ("FLOAT", 1.5, pa.float32()), ("TIME", datetime.time(1, 2), pa.time64("us")), ("NULL", None, pa.null()),
    ("INTERVAL", datetime.timedelta(1), pa.duration("us")), ("VARCHAR", "x", pa.string()),
])
def test_arrow_types_do_not_wait_for_rows(type_: str, value: object, arrow: pa.DataType) -> None:
    answer = Answer(("x",), (type_,), ((value,),), ((None,),), (False,), COST)
    assert answer.to_arrow().to_pydict() == {"x": [value]}
    for each in (answer, replace(answer, rows=(), intervals=())):
        assert each.to_arrow().schema.types == [arrow]
    assert answer.to_pandas()["x"][0] == value or value is None


def test_notebooks_show_a_table() -> None:
    page = ANSWER._repr_html_()
    assert ElementTree.fromstring(f"<div>{page}</div>").find(".//tbody/tr[1]/td[2]/small").text == "± 2"
    for text in ("12", "1.50", "<div>warning: a warning</div>", "<div>epsilon 1, delta 1e-08 spent · 1 of 3 used"):
        assert text in page
    printed: list[str] = []
    ANSWER._repr_pretty_(SimpleNamespace(text=printed.append), False)
    assert printed == [str(ANSWER)]


def test_intervals_become_columns() -> None:
    row = ANSWER.to_arrow(intervals=True).to_pylist()[0]
    assert (row["n_low"], row["n_high"], row["share_low"]) == (10.0, 14.0, -math.inf)
    assert "day_low" not in row


def test_pandas() -> None:
    frame = ANSWER.to_pandas()
    assert list(frame["n"][:1]) == [12] and str(frame["n"].dtype) == "Int64" and frame["big"][0] == 10**38
    assert frame.isna().iloc[1].all()
    assert replace(ANSWER, rows=(), intervals=()).to_pandas().shape == (0, 7)
    assert list(ANSWER.to_pandas(intervals=True).columns[:4]) == ["day", "n", "n_low", "n_high"]


@pytest.mark.parametrize(("library", "extra"), [("pyarrow", "arrow"), ("pandas", "pandas")])
def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch, library: str, extra: str) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"pip install 'dpsql\[{extra}\]'"):
        _ = ANSWER.to_arrow() if extra == "arrow" else ANSWER.to_pandas()


def test_dict_has_everything_but_the_plan() -> None:
    assert ANSWER.to_dict()["rows"][0][1] == 12
    assert set(ANSWER.to_dict()) == {
        "columns", "types", "rows", "intervals", "cost", "warnings", "replayed", "balance"}
    assert replace(ANSWER, balance=None).to_dict()["balance"] is None
