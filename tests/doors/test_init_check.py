"""`dpsql init` writes what the schema knows; `dpsql check` tells the owner what the data does."""

from __future__ import annotations

import json
import tomllib

import duckdb
import pytest

from dpsql.doors.check import HEAD, check_report
from dpsql.doors.formats import dumped
from dpsql.doors.init import init_text
from dpsql.doors.screen import Screen
from dpsql.engines.base import open_engine
from dpsql.engines.keys import verify_keys
from dpsql.errors import PolicyError
from dpsql.policy_file import load_policy


@pytest.fixture
def engine_of(tmp_path):
    engines = []

    def engine_of(*statements):
        path = tmp_path / f"{len(engines)}.duckdb"
        with duckdb.connect(str(path)) as connection:
            for statement in statements:
                connection.execute(statement)
        engines.append(open_engine(path))
        return engines[-1]

    yield engine_of
    for engine in engines:
        engine.close()


SHOP = """
CREATE TABLE region (r INTEGER PRIMARY KEY, name VARCHAR);
CREATE TABLE nation (n INTEGER PRIMARY KEY, r INTEGER REFERENCES region (r));
CREATE TABLE customer (id INTEGER PRIMARY KEY, mail VARCHAR UNIQUE, n INTEGER REFERENCES nation (n), b DECIMAL(9, 2),
    seen TIMESTAMPTZ);
CREATE TABLE supplier (id INTEGER PRIMARY KEY, n INTEGER REFERENCES nation (n));
CREATE TABLE orders ("o key" INTEGER PRIMARY KEY, cust INTEGER REFERENCES customer (id), day DATE, UNIQUE (cust, day));
CREATE TABLE lines (o INTEGER REFERENCES orders ("o key"), x DOUBLE);
CREATE TABLE messages (sender INTEGER REFERENCES customer (id), receiver INTEGER REFERENCES customer (id));
INSERT INTO region VALUES (424242, 'Atlantis');
"""


def test_init_reads_keys_and_owners_from_constraints(engine_of):
    text = init_text(engine_of(SHOP).schema)
    found = tomllib.loads(text)
    assert found["unit"] == "customer"
    assert found["tables"] == {
        "customer": {"unit": "id", "keys": ["id", "mail"]},
        "lines": {"owner": 'o -> orders."o key"'},
        "messages": {},
        "nation": {"keys": ["n"]},
        "orders": {"owner": "cust -> customer.id", "keys": ["o key", ["cust", "day"]]},
        "region": {"keys": ["r"]},
        "supplier": {"keys": ["id"]},
    }
    assert '# owner = "sender -> customer.id"\n# owner = "receiver -> customer.id"' in text
    assert "# columns.b = { range = [LOW, HIGH] }   # DECIMAL(9, 2)" in text
    assert "# columns.seen: TIMESTAMP WITH TIME ZONE" in text
    assert "424242" not in text
    assert "Atlantis" not in text


def test_init_does_not_depend_on_the_data(engine_of):
    full, empty = engine_of(SHOP), engine_of(SHOP.partition("INSERT")[0])
    assert init_text(full.schema) == init_text(empty.schema)


def test_what_init_writes_opens_once_the_owner_decided(engine_of, tmp_path):
    engine = engine_of(SHOP)
    text = init_text(engine.schema)
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(PolicyError, match=r"tables\.messages: does not say"):
        load_policy(tmp_path / "policy.toml", engine.schema)
    for name in ("nation", "region", "supplier"):
        text = text.replace(f"[tables.{name}]\n", f"[tables.{name}]\npublic = true\n")
    text = text.replace('# owner = "sender', 'owner = "sender')
    text = text.replace("# columns.b = { range = [LOW, HIGH] }", "columns.b = { range = [0, 5] }")
    (tmp_path / "policy.toml").write_text(text)
    policy = load_policy(tmp_path / "policy.toml", engine.schema)
    assert policy.tables["messages"].owner.column == "sender"
    assert verify_keys(engine, policy)["customer"] == (("id",), ("mail",))


@pytest.mark.parametrize("schema", [
    "CREATE TABLE a (x INTEGER); CREATE TABLE b (y VARCHAR)",
    "CREATE TABLE a (x INTEGER PRIMARY KEY); CREATE TABLE b (y INTEGER PRIMARY KEY)",
    "CREATE TABLE a (x INTEGER, y INTEGER, PRIMARY KEY (x, y)); "
    "CREATE TABLE b (x INTEGER, y INTEGER, FOREIGN KEY (x, y) REFERENCES a (x, y))",
    "CREATE TABLE a (x INTEGER PRIMARY KEY); CREATE TABLE b (x INTEGER REFERENCES a (x)); "
    "CREATE TABLE c (y INTEGER PRIMARY KEY); CREATE TABLE d (y INTEGER REFERENCES c (y))",
    "CREATE TABLE a (x INTEGER PRIMARY KEY, boss INTEGER REFERENCES a (x))",
])
def test_init_leaves_the_unit_open_where_constraints_do_not_tell(engine_of, schema):
    text = init_text(engine_of(schema).schema)
    found = tomllib.loads(text)
    assert "unit" not in found
    assert not any({"unit", "owner", "public"} & set(table) for table in found["tables"].values())
    assert '# unit = "TABLE"' in text


def test_init_survives_odd_names(engine_of, tmp_path):
    engine = engine_of(
        'CREATE SCHEMA "s.x"', 'CREATE TABLE "s.x"."user" ("a ""b\x7f\n# é" INTEGER PRIMARY KEY, e ENUM(\'x\ny\'))',
        'CREATE TABLE "s.x"."t]" (p INTEGER REFERENCES "s.x"."user" ("a ""b\x7f\n# é"), s STRUCT("m\nn" INTEGER))',
    )
    text = init_text(engine.schema)
    assert tomllib.loads(text)["tables"]["s.x.user"] == {"unit": 'a "b\x7f\n# é', "keys": ['a "b\x7f\n# é']}
    (tmp_path / "policy.toml").write_text(text)
    policy = load_policy(tmp_path / "policy.toml", engine.schema)
    assert policy.tables["s.x.t]"].owner.key == 'a "b\x7f\n# é'


HOSPITAL = """
CREATE TABLE patient (id INTEGER, age INTEGER, sex VARCHAR, w DOUBLE);
INSERT INTO patient VALUES (1, 30, 'f', 60), (2, 200, 'm', 'nan'), (3, -1, 'x', 'inf'), (NULL, NULL, NULL, NULL);
CREATE TABLE visit (v INTEGER, patient INTEGER, cost DECIMAL(9, 2), ward VARCHAR);
INSERT INTO visit SELECT i, 1, i, 'ABCDEFGH'[1 + i % 8] FROM range(8) AS r(i);
INSERT INTO visit VALUES (8, 2, NULL, 'A'), (9, 77, 5.01, 'Z'), (10, NULL, 5, 'A');
CREATE TABLE line (visit INTEGER);
INSERT INTO line VALUES (0), (0), (8), (99), (NULL);
CREATE TABLE ward (name VARCHAR);
INSERT INTO ward VALUES ('A'), ('B');
"""
CLAIMS = """
version = "1"
unit = "patient"
[budget]
epsilon = 1
[limits]
max_groups = 5
max_rows_per_group = 6
[tables.patient]
unit = "id"
keys = ["id"]
columns.age = { range = [0, 120.5] }
columns.sex = { values = ["f", "m"] }
columns.w = { range = [0.1, 300] }
[tables.visit]
owner = "patient -> patient.id"
keys = ["v"]
columns.cost = { range = [1, 5] }
columns.ward = { values = ["A", "B", "C", "D", "E", "F", "G", "H"] }
[tables.line]
owner = "visit -> visit.v"
max_rows_per_group = 1
[tables.ward]
public = true
keys = ["name"]
"""


@pytest.fixture
def checked(engine_of, tmp_path):
    def checked(claims=CLAIMS, data=HOSPITAL):
        engine = engine_of(data)
        (tmp_path / "policy.toml").write_text(claims)
        return check_report(engine, load_policy(tmp_path / "policy.toml", engine.schema))

    return checked


def test_check(checked):
    report = checked()
    assert report.holds
    assert report.text(Screen()) == HEAD + """

patient: 4 rows
claim                   found
----------------------  --------------------------------------------------------------
key (id)                unique
owner NULL              1 (25.00 %); such rows never count
rows a unit             3 units: median 1, 99 % up to 1, at most 1
max_rows_per_group = 6  leaves out 0 (0 %) of one group; 0 (0 %) however grouped
age                     1 (25.00 %) NULL, 1 (25.00 %) below 0, 1 (25.00 %) above 120.5
sex                     1 (25.00 %) NULL, 1 (25.00 %) not among the values
w                       1 (25.00 %) NULL, 1 (25.00 %) NaN, 1 (25.00 %) above 300

visit: 11 rows
claim                   found
----------------------  ------------------------------------------------------------
key (v)                 unique
owner NULL              1 (9.09 %); such rows never count
owner not in patient    1 (9.09 %); still counted, each patient as a unit
rows a unit             3 units: median 1, 99 % up to 8, at most 8
max_rows_per_group = 6  leaves out 2 (20.00 %) of one group; 0 (0 %) however grouped
max_groups = 5          leaves out 3 (30.00 %) of groups by ward
cost                    1 (9.09 %) NULL, 1 (9.09 %) below 1, 3 (27.27 %) above 5
ward                    1 (9.09 %) not among the values

line: 5 rows
claim                   found
----------------------  ------------------------------------------------------------
owner NULL              1 (20.00 %); such rows never count
owner not in visit      1 (20.00 %); such rows never count
rows a unit             2 units: median 1, 99 % up to 2, at most 2
max_rows_per_group = 1  leaves out 1 (33.33 %) of one group; 0 (0 %) however grouped

ward: 2 rows, public
claim       found
----------  ------
key (name)  unique"""


def test_check_for_programs(checked):
    found = json.loads(dumped(checked().to_dict()))
    assert found["holds"] is True and [table["rows"] for table in found["tables"]] == [4, 11, 5, 2]
    assert found["tables"][0]["findings"][4] == {
        "claim": "age", "holds": True, "counts": {"NULL": 1, "below 0": 1, "above 120.5": 1},
        "found": "1 (25.00 %) NULL, 1 (25.00 %) below 0, 1 (25.00 %) above 120.5"}


def test_check_tells_where_it_is(engine_of, tmp_path):
    engine, said = engine_of(HOSPITAL), []
    (tmp_path / "policy.toml").write_text(CLAIMS)
    check_report(engine, load_policy(tmp_path / "policy.toml", engine.schema), said.append)
    assert said[0] == "checking patient, table 1 of 4" and said[-1] == "checking ward, table 4 of 4: key (name) done"


@pytest.mark.parametrize("insert", ["INSERT INTO patient VALUES (1, 30, 'f', 1)", "INSERT INTO ward VALUES ('A')"])
def test_a_key_that_fails(checked, insert):
    report = checked(data=HOSPITAL + insert)
    assert not report.holds
    assert report.text(Screen()).count("NOT a key") == 1
    assert "mend this: the policy does not open" in report.text(Screen())


def test_a_key_of_a_folder_bars_nothing(tmp_path):
    (tmp_path / "patient.csv").write_text("id,age\n1,30\n1,40\n")
    (tmp_path / "policy.toml").write_text(CLAIMS[: CLAIMS.index("columns.sex")])
    engine = open_engine(tmp_path)
    try:
        policy = load_policy(tmp_path / "policy.toml", engine.schema)
        report = check_report(engine, policy)
        assert verify_keys(engine, policy) == {"patient": ()}
    finally:
        engine.close()
    assert not report.holds and "NOT a key" in report.text(Screen())
    text = report.text(Screen())
    assert "mend this: such a key counts for nothing here" in text and "does not open" not in text


def test_rows_of_several_owners(checked):
    claims = CLAIMS.replace('visit -> visit.v"', 'visit -> visit.v"\nkeys = []').replace('keys = ["v"]\n', "")
    report = checked(claims, HOSPITAL + "INSERT INTO visit VALUES (0, 2, 1, 'A')")
    assert report.holds
    assert "several owners" not in report.text(Screen())
    report = checked(claims, HOSPITAL + "INSERT INTO visit VALUES (0, 2, 1, 'A'), (0, 3, 1, 'A')")
    assert "several owners          7 owned rows from 5; each counts once per owner" in report.text(Screen())


def test_empty_tables(checked):
    report = checked(data="".join(line for line in HOSPITAL.splitlines(True) if not line.startswith("INSERT")))
    assert report.holds
    assert "key (id)  unique\n\nvisit: 0 rows" in report.text(Screen())


def test_owned_by_nobody(checked):
    report = checked(data=HOSPITAL + "UPDATE visit SET patient = NULL")
    assert "owner NULL            11 (100 %)" in report.text(Screen())
    assert "no unit owns a row" in report.text(Screen())


def test_a_table_that_cannot_be_read(checked):
    data = HOSPITAL.replace("CREATE TABLE ward (name VARCHAR);\nINSERT INTO ward VALUES ('A'), ('B');",
                            "CREATE VIEW ward AS SELECT CAST(error('boom') AS VARCHAR) AS name FROM line;")
    report = checked(data=data)
    assert not report.holds
    assert "ward could not be read" in report.text(Screen())
    assert "boom" not in report.text(Screen())


def test_keys_written_in_other_types(checked):
    data = HOSPITAL.replace("patient INTEGER", "patient BIGINT")
    data += "UPDATE visit SET patient = 5000000000 WHERE patient = 2"
    report = checked(data=data)
    assert "owner not in patient    2 (18.18 %)" in report.text(Screen())


def test_what_is_claimed_of_lists(checked):
    data = HOSPITAL + """
    ALTER TABLE visit ADD COLUMN marks INTEGER[];
    UPDATE visit SET marks = CASE v WHEN 0 THEN [1, 9] WHEN 1 THEN [NULL, 2] WHEN 2 THEN [] WHEN 3 THEN [-1]
    ELSE [3] END"""
    claims = CLAIMS.replace("columns.ward =", "columns.marks = { range = [0, 5] }\ncolumns.ward =")
    shown = checked(claims, data).text(Screen())
    assert "1 (9.09 %) below 0" in shown and "1 (9.09 %) above 5" in shown
    wider = claims.replace("marks = { range = [0, 5]", "marks = { range = [0, 9]")
    assert "1 (9.09 %) above" not in checked(wider, data).text(Screen())
