"""What a connection understands besides queries, and what it leaves alone inside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpsql.doors.serve.commands import Close, Copy, Declare, Done, Explain, Fetch, Query, Set, Show, Transaction
from dpsql.doors.serve.failure import Failure
from dpsql.doors.serve.read import read
from dpsql.errors import QueryError


@pytest.mark.parametrize(("text", "command"), [
    ("select 1", Query("select 1")), ("/* a; */ -- b;\n select 1", Query("select 1", 16)),
    ("SET x.y = 'a''b'", Set("x.y", "a'b")), ("set session DateStyle to iso, mdy", Set("datestyle", "iso, mdy")),
    ("SET LOCAL a TO DEFAULT", Set("a", None, True)), ("SET TIME ZONE 'UTC'", Set("timezone", "UTC")),
    ("SET NAMES 'utf8'", Set("client_encoding", "utf8")), ("set dpsql.epsilon = .5", Set("dpsql.epsilon", ".5")),
    ("SET TRANSACTION READ ONLY", Done("SET")), ("RESET ALL", Done("RESET", "settings")), ("reset x", Set("x", None)),
    ("SHOW transaction isolation level", Show("transaction_isolation")), ("Show All", Show("all")),
    ("BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY", Transaction("BEGIN")),
    ("START TRANSACTION", Transaction("BEGIN")),
    ("COMMIT AND CHAIN", Transaction("COMMIT", chain=True)), ("END", Transaction("COMMIT")),
    ("ABORT WORK", Transaction("ROLLBACK")), ('ROLLBACK TO SAVEPOINT "A"', Transaction("ROLLBACK TO", "A")),
    ("RELEASE s", Transaction("RELEASE", "s")), ("FETCH c", Fetch("c")), ("FETCH ALL FROM c", Fetch("c", count=None)),
    ("FETCH BACKWARD 3 IN c", Fetch("c", count=3, back=True)), ("FETCH -2 c", Fetch("c", count=2, back=True)),
    ("FETCH ABSOLUTE -1 c", Fetch("c", "absolute", -1)), ("FETCH RELATIVE 0 c", Fetch("c", "step", 0)),
    ("MOVE FORWARD ALL c", Fetch("c", count=None, moves=True)), ("CLOSE ALL", Close(None)), ("CLOSE c", Close("c")),
    ("DECLARE c NO SCROLL CURSOR WITH HOLD FOR select 1", Declare("c", Query("select 1", 41), False, True)),
    ("EXPLAIN (COSTS off) select 1", Explain(Query("select 1", 20))),
    ("EXPLAIN (select 1)", Explain(Query("(select 1)", 8))),
    ("DISCARD ALL", Done("DISCARD ALL", "all")), ("DEALLOCATE x", Done("DEALLOCATE", "=x")),
    ("UNLISTEN *", Done("UNLISTEN")),
])
def test_statements_are_read(text: str, command: object) -> None:
    assert read(text) == (command,)


def test_copy_takes_a_query_with_brackets_of_its_own() -> None:
    (found,) = read("copy (select ')' as \")\", (1) /* ) */) to stdout (format csv, header true, null 'x')")
    assert isinstance(found, Copy) and found.query == Query("select ')' as \")\", (1) /* ) */", 6)
    assert found.form.csv and found.form.header and found.form.null == "x" and found.form.delimiter == ","


def test_parameters_become_marks_and_places_stay() -> None:
    text = "SELECT $1, '$2', \"$3\", $10::int, a$4 FROM t -- $5\nWHERE x IN ($2,$1) AND y = $q$ $7 $q$"
    (found,) = read(text)
    assert isinstance(found, Query) and found.holes == (1, 10, 2, 1) and len(found.sql) == len(text)
    assert found.sql == text.replace("SELECT $1", "SELECT ? ").replace("$10", "?  ").replace("($2,$1)", "(? ,? )")


def test_semicolons_in_quotes_and_comments_end_nothing() -> None:
    text = "select ';' ; select \";\" /* ; /* ; */ ; */ ; select $$ ; $$ ; select E'\\';' -- ;\n;;"
    found = [each.sql[:8] for each in read(text) if isinstance(each, Query)]
    assert found == ["select '", 'select "', "select $", "select E"]


@pytest.mark.parametrize(("text", "state"), [
    ("SET x 3", "42601"), ("SET x =", "42601"), ("SHOW", "42601"), ("FETCH ABSOLUTE c", "42601"), ("CLOSE", "42601"),
    ("COPY t (a) TO STDOUT", "42601"), ("COPY (select 1) TO '/etc/passwd'", "42601"), ("COPY (select 1", "42601"),
    ("COPY t TO PROGRAM 'x'", "42601"), ("COPY t TO STDOUT (DELIMITER 'ab')", "42601"), ("BEGIN nonsense", "42601"),
    ("COPY t TO STDOUT (FORMAT binary)", "42601"), ("EXPLAIN (ANALYZE) select 1", "42601"),
    ("DECLARE c FOR x", "42601"),
    ("PREPARE x AS select 1", "0A000"), ("NOTIFY x", "0A000"), ("SELECT $1001", "42P02"), ("DISCARD", "42601"),
])
def test_what_cannot_be_read_points_at_its_place(text: str, state: str) -> None:
    with pytest.raises(Failure) as refused:
        read(text)
    assert refused.value.sqlstate == state
    assert refused.value.position is None or 1 <= refused.value.position <= len(text) + 1


def test_the_hint_is_about_what_was_asked() -> None:
    for text, hint in (("EXECUTE x", "through the driver"), ("LISTEN x", "sends no notifications")):
        with pytest.raises(Failure) as refused:
            read(text)
        assert refused.value.hint is not None and hint in refused.value.hint


def test_a_text_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(QueryError, match="characters"):
        read("x" * 200_000)


@given(st.text(st.sampled_from("abeE'\"$1;-/* \n()=,"), max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read(text)
    except Failure as refused:
        assert refused.sqlstate in ("42601", "42P02", "0A000")
    else:
        assert all(text[each.offset :][: len(each.sql)].count(";") >= 0 for each in found if isinstance(each, Query))
