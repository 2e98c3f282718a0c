"""The protocol, message by message, over a bare socket."""

from __future__ import annotations

import struct
import time

import pytest

from tests.serve.hosting import PASSWORDS, Served
from tests.serve.raw import SYNC, Message, Raw, bind, describe, execute, message, parse, startup


def kinds(found: list[Message]) -> str:
    return "".join(each.kind for each in found)


def unwarned(found: list[Message]) -> list[Message]:
    """Without the warnings, such as of a limit on rows."""
    return [each for each in found if each.kind != "N" or each.fields["S"] == "NOTICE"]


def error(found: list[Message]) -> dict[str, str]:
    (one,) = [each.fields for each in found if each.kind == "E"]
    return one


def test_a_simple_query_is_described_answered_and_billed(served: Served) -> None:
    with served.raw() as raw:
        found = unwarned(raw.query("SELECT ward, COUNT(*) AS n FROM visits WHERE cost < 501 GROUP BY ward"))
        assert kinds(found) == "NTDDCZ"
        assert "epsilon 1 spent" in found[0].fields["M"] and found[0].fields["S"] == "NOTICE"
        assert found[1].columns == [("ward", 25, 0), ("n", 20, 0)]
        assert {each.row[0] for each in found[2:4]} == {b"cardiology", b"surgery"}
        assert found[4].body == b"SELECT 2\0" and found[5].body == b"I"
        again = unwarned(raw.query("SELECT ward, COUNT(*) AS n FROM visits WHERE cost < 501 GROUP BY ward"))
        assert kinds(again) == "TDDCZ", "a replay is free, and says nothing"
        assert [each.body for each in again] == [each.body for each in found[1:]]


def test_several_statements_stop_at_the_first_that_fails(served: Served) -> None:
    with served.raw() as raw:
        found = raw.query("SELECT 1 AS x; ; SELECT nope FROM patients; SELECT 2")
        assert kinds(found) == "TDCEZ"
        assert error(found)["P"] == "25" and error(found)["C"] == "42000"
        assert kinds(raw.query(" -- nothing\n;")) == "IZ"


def test_the_extended_protocol_charges_a_portal_once(served: Served) -> None:
    with served.raw() as raw:
        raw.send(parse("SELECT ward, COUNT(*) AS n FROM visits WHERE cost < $1 AND ward <> $2 GROUP BY ward"),
                 describe("S"), SYNC)
        found = raw.until()
        assert kinds(found) == "1tTZ"
        assert struct.unpack("!h2i", found[1].body) == (2, 701, 25)
        raw.send(bind(b"502", b"x", results=(0, 1), portal=""), describe(), execute(1), execute(1), execute(1), SYNC)
        found = unwarned(raw.until())
        assert kinds(found) == "2TNDsDsCZ"
        assert found[1].columns == [("ward", 25, 0), ("n", 20, 1)]
        assert len(found[3].row[1] or b"") == 8


def test_after_an_error_everything_is_skipped_until_sync(served: Served) -> None:
    with served.raw() as raw:
        raw.send(parse("SELECT nope FROM patients"), bind(), execute(), parse("SELECT 1"), bind(), execute(), SYNC)
        assert kinds(raw.until()) == "12EZ"
        raw.send(parse("SELECT 1 AS one"), bind(results=(1,)), execute(), SYNC)
        assert kinds(raw.until()) == "12DCZ"


@pytest.mark.parametrize(("sql", "state"), [
    ("SELECT 1; SELECT 2", "42601"), ("SELECT $0", "42P02"), ("FETCH", "42601"), ("LISTEN x", "0A000"),
    ("EXPLAIN ANALYZE SELECT 1", "42601"), ("COPY visits FROM STDIN", "42601"),
])
def test_what_is_not_answered_is_refused_when_it_is_parsed(served: Served, sql: str, state: str) -> None:
    with served.raw() as raw:
        raw.send(parse(sql), SYNC)
        assert error(raw.until())["C"] == state


@pytest.mark.parametrize(("messages", "state"), [
    (bind(name="nope"), "26000"), (describe("S", "nope"), "26000"), (describe("P", "nope"), "34000"),
    (execute(portal="nope"), "34000"), (parse("SELECT $1::int") + bind(), "08P01"),
    (parse("SELECT $1::int") + bind(b"x"), "22P02"), (parse("SELECT $1::int") + bind(b"1", formats=(1,)), "22P03"),
    (parse("SELECT 1") + bind(results=(0, 0)) + execute(), "08P01"),
    (parse("SELECT 1") + bind(results=(7,)) + execute(), "08P01"),
    (parse("SELECT $1", 600) + bind(b"(1,2)"), "0A000"), (parse("SELECT 'a") + bind(), "42000"),
])
def test_what_does_not_fit_is_refused_and_the_connection_goes_on(served: Served, messages: bytes, state: str) -> None:
    with served.raw() as raw:
        raw.send(messages, execute(), SYNC)
        assert error(raw.until())["C"] == state
        assert raw.rows("SELECT 1") == [[b"1"]]


def test_a_transaction_is_pretended(served: Served) -> None:
    with served.raw() as raw:
        assert raw.query("BEGIN")[-1].body == b"T"
        assert raw.query("SELECT nope FROM patients")[-1].body == b"E"
        assert error(raw.query("SELECT 1"))["C"] == "25P02"
        assert raw.query("COMMIT")[0].body == b"ROLLBACK\0"
        raw.query("BEGIN; SAVEPOINT a; SELECT nope FROM patients")
        assert raw.query("ROLLBACK TO a")[-1].body == b"T"
        found = raw.query("SET LOCAL dpsql.epsilon = 0.5; COMMIT")
        assert [each.body for each in found] == [b"SET\0", b"COMMIT\0", b"I"]
        assert raw.rows("SHOW dpsql.epsilon") == [[b""]]
        raw.query("BEGIN; SET dpsql.epsilon = 0.5; ROLLBACK")
        assert raw.rows("SHOW dpsql.epsilon") == [[b""]]


def test_cursors_hand_out_rows_and_end_with_their_transaction(served: Served) -> None:
    with served.raw() as raw:
        assert error(raw.query("DECLARE c CURSOR FOR SELECT 1"))["C"] == "25P01"
        raw.query("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT ward, floor FROM wards ORDER BY floor")
        assert raw.rows("FETCH 1 FROM c") == [[b"surgery", b"3"]]
        assert raw.rows("FETCH ALL c") == [[b"cardiology", b"4"]]
        assert raw.rows("FETCH FIRST FROM c") == [[b"surgery", b"3"]]
        assert raw.rows("FETCH LAST FROM c") == [[b"cardiology", b"4"]]
        assert raw.rows("FETCH PRIOR FROM c") == [[b"surgery", b"3"]]
        assert raw.query("MOVE FORWARD ALL IN c")[0].body == b"MOVE 1\0"
        assert raw.rows("FETCH BACKWARD ALL IN c") == [[b"cardiology", b"4"], [b"surgery", b"3"]]
        raw.query("COMMIT")
        assert error(raw.query("FETCH c"))["C"] == "34000"
        raw.query("DECLARE h CURSOR WITH HOLD FOR SELECT 5 AS x")
        assert raw.rows("FETCH h") == [[b"5"]]
        assert raw.query("CLOSE ALL")[0].body == b"CLOSE CURSOR ALL\0"


def test_copy_writes_text_and_csv(served: Served) -> None:
    with served.raw() as raw:
        found = raw.query("COPY (SELECT ward, floor, NULL AS n FROM wards ORDER BY ward) TO STDOUT")
        assert kinds(found) == "HddcCZ" and found[1].body == b"cardiology\t4\t\\N\n" and found[4].body == b"COPY 2\0"
        found = raw.query("COPY (SELECT 'a,\"b' AS \"x y\", 'c' AS z) TO STDOUT (FORMAT csv, HEADER, DELIMITER ',')")
        assert [each.body for each in found if each.kind == "d"] == [b"x y,z\n", b'"a,""b",c\n']


def test_settings_are_told_kept_and_reset(served: Served) -> None:
    with served.raw() as raw:
        assert raw.told["server_encoding"] == "UTF8" and raw.told["TimeZone"] == "UTC"
        found = raw.query("SET application_name = 'me'")
        assert kinds(found) == "CSZ" and found[1].body == b"application_name\0me\0"
        assert raw.rows("SHOW application_name") == [[b"me"]]
        assert kinds(raw.query("DISCARD ALL")) == "CSZ"
        for sql, state in [("SET nope = 1", "42704"), ("SET server_version = '9'", "55P02"),
                           ("SET client_encoding = LATIN1", "22023"), ("SET dpsql.epsilon = -1", "22023"),
                           ("SET dpsql.epsilon = 1e99", "22023"), ("SHOW nope", "42704")]:
            assert error(raw.query(sql))["C"] == state, sql
        assert len(raw.rows("SHOW ALL")) > 30
        assert raw.rows("SHOW dpsql.health") == [[b"ok"]]
        assert [row[0] for row in raw.rows("SHOW dpsql.budget")] == [b"alice", b"the policy"]
        assert all(len(number or b"") < 14 for row in raw.rows("SHOW dpsql.budget") for number in row[1:])
        assert b"released_1" in b"".join(row[0] or b"" for row in raw.rows("EXPLAIN SELECT COUNT(*) FROM visits"))


def test_a_price_is_set_for_the_connection(served: Served) -> None:
    with served.raw() as raw:
        found = unwarned(raw.query("SET dpsql.epsilon = 0.25; SELECT COUNT(*) FROM visits WHERE cost < 503"))
        assert next(each.fields["M"] for each in found if each.kind == "N").startswith("epsilon 0.25 spent")


def test_how_much_was_cut_is_bought_for_the_connection(served: Served) -> None:
    sql = "SELECT SUM(cost) FROM visits WHERE cost < 701"

    def shares(raw: Raw) -> list[str]:
        said = [each.fields for each in raw.query(sql) if each.kind == "N"]
        return [each["M"] for each in said if each["S"] == "WARNING" and "% of people (" in each["M"]]

    with served.raw() as raw, served.raw() as other:
        assert shares(raw) == []
        raw.query("SET dpsql.quality = on; SET dpsql.level = 0.9")
        (bought,) = shares(raw)
        assert "have more than 10 rows, and are scaled down to that" in bought and "with 90 %" in bought
        before = raw.rows("SHOW dpsql.budget")
        assert shares(raw) == [bought] and shares(other) == []          # a replay each, and each its own
        raw.query("SET dpsql.quality = off; RESET dpsql.level")
        assert shares(raw) == [] and raw.rows("SHOW dpsql.budget") == before
        told = b"".join(row[0] or b"" for row in other.rows(f"SET dpsql.quality = on; EXPLAIN {sql}"))
        assert b"quality: shares of people changed by the scaling down of many rows (epsilon 0.1)" in told


def test_an_error_is_asked_in_place_of_a_price(served: Served) -> None:
    with served.raw() as raw:
        raw.query("SET dpsql.error = 200; SET dpsql.level = 0.99")
        told = b"".join(row[0] or b"" for row in raw.rows("EXPLAIN SELECT COUNT(*) FROM visits"))
        assert b"99 % within \xc2\xb1200" in told
        raw.send(parse("SELECT COUNT(*) FROM visits"), describe("S"), SYNC)
        assert "T" in kinds(raw.until())
        raw.query("SET dpsql.epsilon = 1")
        found = error(raw.query("SELECT COUNT(*) FROM visits"))
        assert found["C"] == "22023" and found["H"] == "RESET dpsql.epsilon, or RESET dpsql.error"
        assert raw.rows("SELECT COUNT(*) FROM pg_class") and error(raw.query("EXPLAIN SELECT COUNT(*) FROM visits"))
        raw.query("RESET dpsql.epsilon")
        assert "counts and sums alone" in error(raw.query("SELECT AVG(cost) FROM visits"))["M"]
        raw.send(parse("SELECT AVG(cost) FROM visits"), describe("S"), SYNC)
        assert "counts and sums alone" in error(raw.until())["M"]           # what is refused is refused there too


def test_versions_are_negotiated(served: Served) -> None:
    for version, told, length in [(3 << 16, None, 4), (3 << 16 | 2, None, 32), (3 << 16 | 1, 3 << 16, 4),
                                  (3 << 16 | 99, 3 << 16 | 2, 32)]:
        with Raw(served.port) as raw:
            found = raw.login("bob", PASSWORDS["bob"], version)
            negotiated = [struct.unpack("!ii", each.body) for each in found if each.kind == "v"]
            assert negotiated == ([] if told is None else [(told, 0)]) and len(raw.secret) == length
    with Raw(served.port) as raw:
        found = raw.login("bob", PASSWORDS["bob"], **{"_pq_.novelty": "on"})
        assert found[0].kind == "v" and found[0].body.endswith(b"_pq_.novelty\0")


@pytest.mark.parametrize(("data", "state"), [
    (startup(2 << 16, user="alice"), "0A000"), (startup(4 << 16, user="alice"), "0A000"),
    (startup(user=""), "28000"), (struct.pack("!i", 1 << 30), "08P01"), (struct.pack("!ii", 4, 0), "08P01"),
    (struct.pack("!ii", 9, 3 << 16) + b"x", "08P01"), (struct.pack("!iii", 12, 80877103, 0), "08P01"),
    (startup(user="alice") + message("Q", b"SELECT 1\0"), "08P01"),
    (startup(user="alice") + message("p", b"PLAIN\0\0\0\0\0"), "28000"),
    (startup(user="alice") + message("p", b"SCRAM-SHA-256\0\0\0\0\5y,,n="), "08P01"),
    (startup(user="alice") + message("p", b"SCRAM-SHA-256\0\xff\xff\xff\xff"), "08P01"),
    (startup(user="alice") + b"p" + struct.pack("!i", 1 << 30), "08P01"),
    (struct.pack("!ii", 8, 80877103) * 4, "08P01"),
])
def test_a_login_that_is_malformed_ends_cleanly(served: Served, data: bytes, state: str) -> None:
    with Raw(served.port) as raw:
        raw.send(data)
        found = raw.closed_with()
        assert found["C"] == state and found["S"] == "FATAL"


@pytest.mark.parametrize("data", [
    b"Q" + struct.pack("!i", 1 << 30), b"Q" + struct.pack("!i", 3), b"Q" + struct.pack("!i", -1), b"\0\0\0\0\4",
    message("Z"), message("Q", b"SELECT 1"), message("Q", b"SELECT 1\0more"), message("P", b"\0"),
    message("P", b"\0SELECT 1\0\0\7"), message("B", b"\0\0\0\7\0\0"), message("B", b"\0\0\xff\xff\0\0"),
    message("D", b"X\0"), message("D", b""), message("E", b"\0"), message("C", b"Q\0"), message("p", b"x"),
    message("F", struct.pack("!i", 1)) + message("X") + b"",
])
def test_a_message_that_is_malformed_ends_that_connection_alone(served: Served, data: bytes) -> None:
    with served.raw() as raw, served.raw("bob") as other:
        raw.send(parse("SELECT 1"), data)
        assert raw.closed()
        assert other.rows("SELECT 1") == [[b"1"]]


def test_text_that_is_no_utf8_is_an_error_and_no_more(served: Served) -> None:
    with served.raw() as raw:
        raw.send(message("Q", b"SELECT '\xff'\0"))
        assert error(raw.until())["C"] == "22021"
        raw.send(parse("SELECT $1::text"), bind(b"\xff\0"), SYNC)
        assert error(raw.until())["C"] == "22021"


def test_only_who_knows_the_secret_cancels(served: Served) -> None:
    slow = "SELECT COUNT(*) FROM " + ", ".join(f"wards w{i}" for i in range(45))
    with served.raw() as raw:
        raw.send(message("Q", slow.encode() + b"\0"))
        time.sleep(0.3)
        for secret in (b"\0\0\0\0", b"", raw.secret):
            with Raw(served.port) as other:
                other.send(struct.pack("!iii", 12 + len(secret), 80877102, raw.number) + secret)
                assert other.closed()
        began = time.monotonic()
        assert error(raw.until())["C"] == "57014"
        assert time.monotonic() - began < 15
        assert raw.rows("SELECT 1") == [[b"1"]]


def test_a_statement_timeout_ends_a_query(served: Served) -> None:
    slow = "SELECT COUNT(*) FROM " + ", ".join(f"wards w{i}" for i in range(45))
    with served.raw() as raw:
        assert error(raw.query("SET statement_timeout = 'soon'"))["C"] == "22023"
        raw.query("SET statement_timeout = '500ms'")
        began = time.monotonic()
        assert "E" in kinds(raw.query(slow))
        assert time.monotonic() - began < 15
        assert raw.rows("SELECT 1") == [[b"1"]]


def test_a_wrong_password_and_an_unknown_user_look_alike(served: Served) -> None:
    seen = []
    for user in ("alice", "nobody"):
        with Raw(served.port) as raw, pytest.raises(PermissionError) as refused:
            raw.login(user, "wrong")
        seen.append((refused.value.args[0], refused.value.args[1].replace(user, "X")))
    assert seen[0] == seen[1] and seen[0][0] == "28P01"


def test_the_log_holds_no_literals_and_no_values(served: Served) -> None:
    with served.raw() as raw:
        raw.query("SELECT COUNT(*) AS n FROM visits WHERE ward = 'secret ward' AND cost < 987654")
        raw.send(parse("SELECT COUNT(*) FROM visits WHERE ward = $1"), bind(b"hidden"), execute(), SYNC)
        raw.until()
    text = served.log.read_text()
    assert "ward = ?" in text
    assert not [word for word in ("secret ward", "987654", "hidden", *PASSWORDS.values()) if word in text]


def test_columns_are_named_as_postgresql_names_them(served: Served) -> None:
    with served.raw() as raw:
        found = raw.query('SELECT COUNT(*), MAX(floor) AS Top, 1, floor::BIGINT, lower(ward), floor AS "F" '
                          "FROM wards GROUP BY ward, floor")
        assert [name for name, _, _ in found[0].columns] == ["count", "top", "?column?", "floor", "lower", "F"]
        assert [name for name, _, _ in raw.query("SELECT * FROM wards")[0].columns] == ["ward", "floor"]
        found = raw.query("SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY cost) FROM visits")
        assert next(each for each in found if each.kind == "T").columns[0][0] == "percentile_cont"
        found = raw.query("SELECT COUNT(*), COUNT(DISTINCT patient_id) FROM visits UNION ALL SELECT 1, 2")
        assert [name for name, _, _ in next(each for each in found if each.kind == "T").columns] == ["count", "count"]
