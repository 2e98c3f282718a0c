"""The policy file: read exactly, bound to the schema, every error with file, key path and mend."""

from __future__ import annotations

import datetime
from fractions import Fraction
from pathlib import Path

import pytest

from dpsql.engines.catalog import sql_type
from dpsql.errors import OpenError, PolicyError
from dpsql.interval import between
from dpsql.policy import Budget, ColumnPolicy, Limits, OwnerPath
from dpsql.policy_file import load_policy
from dpsql.schema import ColumnSchema, Schema, TableSchema

TPCH = Path(__file__).parent.parent / "examples" / "tpch" / "policy.toml"


def table(name, /, **columns):
    path = ("db", *name.split(".")) if "." in name else ("db", "main", name)
    return TableSchema(name, path, tuple(ColumnSchema(column, sql_type(stored), stored, True)
                                         for column, stored in columns.items()))


SCHEMA = Schema((
    table("customer", c_custkey="BIGINT", c_name="VARCHAR", c_acctbal="DECIMAL(15,2)", c_mktsegment="VARCHAR",
          c_vip="BOOLEAN", c_since="DATE", c_seen="TIMESTAMP", c_rate="DOUBLE", c_photo="BLOB", c_tiny="TINYINT",
          c_mail="VARCHAR", c_email="UUID", c_tags="VARCHAR[]", c_born="TIMESTAMP_S", c_at="TIMESTAMP_NS",
          c_at_all="TIMESTAMP WITH TIME ZONE"),
    table("orders", o_orderkey="BIGINT", o_custkey="INTEGER", o_totalprice="DECIMAL(15,2)"),
    table("lineitem", l_orderkey="BIGINT", l_quantity="DECIMAL(15,2)", l_extendedprice="DECIMAL(15,2)",
          l_discount="DECIMAL(15,2)", l_tax="DECIMAL(12,2)", l_returnflag="VARCHAR", l_linestatus="VARCHAR"),
    table("nation", n_nationkey="INTEGER", n_name="VARCHAR"),
    table("region", r_regionkey="INTEGER"),
    table("supplier", s_suppkey="BIGINT"),
    table("part", p_partkey="BIGINT"),
    table("partsupp", ps_partkey="BIGINT", ps_suppkey="BIGINT"),
    table("sales.orders", id="BIGINT", cust="BIGINT", mail="UUID"),
    table("sales.odd name", **{"a.b": "BIGINT", "c d": "BIGINT"}),
))
HEAD = 'version = "1"\nunit = "customer"\n[budget]\nepsilon = 2\ndelta = 1e-6\n'
BASE = HEAD + '[tables.customer]\nunit = "c_custkey"\n'


def read(tmp_path, text):
    (tmp_path / "policy.toml").write_text(text, newline="")
    return load_policy(tmp_path / "policy.toml", SCHEMA)


def test_the_policy_of_the_example():
    policy = load_policy(TPCH, SCHEMA)
    assert (policy.version, policy.unit, policy.ledger) == ("2026-11", "customer", None)
    assert policy.budget == Budget(Fraction(10), Fraction(1, 10**6))
    assert policy.query == Budget(Fraction(1), Fraction(1, 10**8))
    assert policy.limits == Limits(10, 50, 1)
    assert policy.analysts == {"alice": Budget(Fraction(3), Fraction(1, 10**6))}
    assert [name for name, each in policy.tables.items() if each.public] == [
        "nation", "region", "supplier", "part", "partsupp"]
    assert policy.tables["customer"].unit == "c_custkey"
    assert policy.tables["customer"].columns["c_mktsegment"].values[0] == "AUTOMOBILE"
    lineitem = policy.tables["lineitem"]
    assert lineitem.owner == OwnerPath("l_orderkey", "orders", "o_orderkey")
    assert lineitem.max_rows_per_group == 200
    assert lineitem.columns["l_discount"] == ColumnPolicy(between(0, Fraction(1, 10)))
    assert policy.tables["partsupp"].keys == (("ps_partkey", "ps_suppkey"),)


def test_defaults(tmp_path):
    policy = read(tmp_path, 'version = "1"\nunit = "customer"\nbudget.epsilon = 0.5\n'
                            '[tables.customer]\nunit = "c_custkey"\n')
    assert policy.budget == Budget(Fraction(1, 2), Fraction(0))
    assert policy.query == Budget(Fraction(1, 2), Fraction(0))
    assert policy.limits == Limits()
    assert policy.analysts is None
    assert read(tmp_path, BASE).query == Budget(Fraction(1), Fraction(0))
    assert read(tmp_path, BASE + "[analysts]\n").analysts == {}
    assert read(tmp_path, "ledger = 'id-7'\n" + BASE).ledger == "id-7"
    assert policy.refresh_days is None
    monthly = read(tmp_path, BASE.replace("1e-6\n", "1e-6\nrefresh_days = 30\n"))
    assert (monthly.refresh_days, monthly.budget) == (30, Budget(Fraction(2), Fraction(1, 10**6)))


def test_names_are_spelled_as_in_the_schema(tmp_path):
    policy = read(tmp_path, HEAD.replace('"customer"', '"CUSTOMER"') + """
        [tables.Customer]
        unit = "C_Custkey"
        keys = ["C_CUSTKEY", ["c_name", "C_VIP"], ["c_vip", "C_NAME"]]
        columns.C_ACCTBAL = { range = [0, 1] }
        [tables.Orders]
        owner = "  O_CUSTKEY->CUSTOMER.C_CustKey "
        """)
    assert policy.unit == "customer"
    assert list(policy.tables) == ["customer", "orders"]
    assert policy.tables["customer"].unit == "c_custkey"
    assert policy.tables["customer"].keys == (("c_custkey",), ("c_name", "c_vip"))
    assert list(policy.tables["customer"].columns) == ["c_acctbal"]
    assert policy.tables["orders"].owner == OwnerPath("o_custkey", "customer", "c_custkey")


@pytest.mark.parametrize("header", ['[tables."sales.orders"]', "[tables.sales.orders]", '[tables.SALES."Orders"]'])
def test_tables_of_other_schemas(tmp_path, header):
    policy = read(tmp_path, f'{BASE}{header}\nowner = "cust -> main.customer.c_custkey"\n')
    assert policy.tables["sales.orders"].owner == OwnerPath("cust", "customer", "c_custkey")


def test_owner_paths_with_odd_names(tmp_path):
    policy = read(tmp_path, BASE + """
        [tables.sales."odd name"]
        owner = '"a.b" -> customer.c_custkey'
        [tables.sales.orders]
        owner = 'id -> "sales"."odd name"."c d"'
        """)
    assert policy.tables["sales.odd name"].owner == OwnerPath("a.b", "customer", "c_custkey")
    assert policy.tables["sales.orders"].owner == OwnerPath("id", "sales.odd name", "c d")
    again = read(tmp_path, BASE + "[tables.sales.orders]\nowner = 'id -> sales.odd name.c d'\n"
                 + "[tables.sales.\"odd name\"]\nowner = '\"a.b\"->customer.c_custkey'\n")
    assert again.tables["sales.orders"] == policy.tables["sales.orders"]


VALUES = {
    'c_name = { values = ["a", ""] }': ("a", ""),
    "c_vip = { values = [true] }": (True,),
    "c_tiny = { values = [-128, 127] }": (-128, 127),
    "c_acctbal = { values = [1, 2.50, -0.01] }": (Fraction(1), Fraction(5, 2), Fraction(-1, 100)),
    "c_rate = { values = [0.1, 3] }": (Fraction(0.1), Fraction(3)),
    "c_since = { values = [2020-01-31] }": (datetime.date(2020, 1, 31),),
    "c_seen = { values = [2020-01-31T10:00:00.000001, 2020-02-01] }": (
        datetime.datetime(2020, 1, 31, 10, 0, 0, 1), datetime.datetime(2020, 2, 1)),
    'c_email = { values = ["00000000-0000-0000-0000-000000000001"] }': ("00000000-0000-0000-0000-000000000001",),
}


@pytest.mark.parametrize(("line", "values"), VALUES.items())
def test_values(tmp_path, line, values):
    found = next(iter(read(tmp_path, f"{BASE}columns.{line}\n").tables["customer"].columns.values())).values
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]


def test_ranges_are_exact(tmp_path):
    claims = read(tmp_path, BASE + "columns.c_rate = { range = [-1e-3, 0.1] }\n"
                  "columns.c_tiny = { range = [0, 0.5], values = [0] }\n").tables["customer"].columns
    assert claims["c_rate"].range == between(Fraction(-1, 1000), Fraction(1, 10))
    assert claims["c_tiny"] == ColumnPolicy(between(0, Fraction(1, 2)), (0,))


WRONG = {  # text -> (key path, words of the message)
    # the whole file
    "": ("version", "missing"),
    "version = 1\n" + HEAD.partition("\n")[2] + "[tables.customer]\nunit='c_custkey'": ("version", "text in quotes"),
    'version = "1"\n[budget]\nepsilon=1': ("unit", "missing"),
    'version = "1"\nunit = "customer"\n': ("budget", "missing"),
    HEAD: ("tables", "names no table"),
    "versoin = 2\n" + BASE: ("versoin", "did you mean version?"),
    BASE.replace('"1"', '" "'): ("version", "empty"),
    "ledger = 7\n" + BASE: ("ledger", "text in quotes"),
    'tables = 7\nversion="1"\nunit="customer"\nbudget.epsilon=1': ("tables", "must be a table"),
    # budgets
    BASE.replace("epsilon = 2\n", ""): ("budget", "epsilon is missing"),
    BASE.replace("= 2\n", "= 0\n"): ("budget.epsilon", "above 0"),
    BASE.replace("= 2\n", "= -1.5\n"): ("budget.epsilon", "above 0"),
    BASE.replace("= 2\n", "= inf\n"): ("budget.epsilon", "finite"),
    BASE.replace("= 2\n", "= nan\n"): ("budget.epsilon", "finite"),
    BASE.replace("= 2\n", "= true\n"): ("budget.epsilon", "must be a number, not true or false"),
    BASE.replace("= 2\n", "= '2'\n"): ("budget.epsilon", "not a text"),
    BASE.replace("= 2\n", "= 1e99999\n"): ("budget.epsilon", "beyond"),
    BASE.replace("1e-6", "1"): ("budget.delta", "below 1"),
    BASE.replace("1e-6", "-1e-9"): ("budget.delta", "at least 0"),
    BASE.replace("delta", "detla"): ("budget.detla", "did you mean delta?"),
    BASE.replace("delta = 1e-6", "refresh_days = 0"): ("budget.refresh_days", "from 1 to 36525"),
    BASE.replace("delta = 1e-6", "refresh_days = 1.5"): ("budget.refresh_days", "whole number"),
    BASE + "[query]\nrefresh_days = 3\n": ("query.refresh_days", "is not a setting here"),
    BASE + "[query]\nepsilon = 3\n": ("query.epsilon", "more than the whole budget"),
    BASE + "[query]\ndelta = 1e-6\n": ("query.delta", "half"),
    BASE + "[analysts.bob]\ndelta = 0\n": ("analysts.bob", "epsilon is missing"),
    BASE + "[analysts]\nbob = 3\n": ("analysts.bob", "must be a table"),
    BASE + '[analysts.""]\nepsilon = 3\n': ('analysts.""', "needs a name"),
    # limits
    BASE + "[limits]\nmax_groups = 0\n": ("limits.max_groups", "from 1 to"),
    BASE + "[limits]\nmax_groups = 3000000000\n": ("limits.max_groups", "from 1 to 2147483648"),
    BASE + "[limits]\nmax_rows_per_group = 1.5\n": ("limits.max_rows_per_group", "whole number, not 1.5"),
    BASE + "[limits]\nmin_units = 0\n": ("limits.min_units", "from 1"),
    BASE + "[limits]\nmax_group = 1\n": ("limits.max_group", "did you mean max_groups?"),
    BASE + "max_rows_per_group = true\n": ("tables.customer.max_rows_per_group", "whole number"),
    # tables and units
    BASE + "[tables.costumer]\npublic = true\n": ("tables.costumer", "no such table; did you mean customer?"),
    BASE + "[tables.sales.order]\npublic = true\n": ("tables.sales.order", "did you mean sales.orders?"),
    BASE + "[tables.CUSTOMER]\npublic = true\n": ("tables.CUSTOMER", "stands here already"),
    BASE + "[tables.main.customer]\npublic = true\n": ("tables.main.customer", "stands here already"),
    BASE + "[tables.sales]\norders = 7\n": ("tables.sales.orders", "must be a table"),
    BASE + "[tables.nation]\n": ("tables.nation", "`public = true`", "`unit = \"column\"`", "`owner ="),
    BASE + "[tables.nation]\npublic = false\n": ("tables.nation", "does not say"),
    BASE + "[tables.nation]\npublic = 1\n": ("tables.nation.public", "true or false"),
    BASE + "[tables.nation]\nkyes = []\npublic = true\n": ("tables.nation.kyes", "did you mean keys?"),
    BASE + "[tables.nation]\npublic = true\nunit = 'n_name'\n": ("tables.nation.unit", "public table"),
    BASE + "[tables.nation]\npublic = true\nowner = 'a -> b.c'\n": ("tables.nation.owner", "public table"),
    BASE + "[tables.nation]\npublic = true\nmax_rows_per_group = 3\n": (
        "tables.nation.max_rows_per_group", "public table"),
    BASE + "owner = 'c_custkey -> orders.o_custkey'\n": ("tables.customer", "both `unit` and `owner`"),
    BASE + "[tables.orders]\nunit = 'o_custkey'\n": ("unit", "one kind of unit", "customer and orders", "owner ="),
    BASE.replace("c_custkey", "c_custky"): ("tables.customer.unit", "no column c_custky; did you mean c_custkey?"),
    BASE.replace("c_custkey", "c_photo"): ("tables.customer.unit", "BLOB"),
    BASE.replace('unit = "customer"', 'unit = "custommer"'): ("unit", "did you mean customer?"),
    BASE.replace('unit = "customer"', 'unit = "orders"'): ("unit", "not among"),
    HEAD + "[tables.orders]\nowner = 'o_custkey -> customer.c_custkey'\n": (
        "tables.orders.owner", "customer is not in the policy", "[tables.customer]"),
    HEAD.replace('"customer"', '"nation"') + "[tables.nation]\npublic = true\n": ("unit", "which column is the unit"),
    # owners
    BASE + "[tables.orders]\nowner = 'o_custkey'\n": ("tables.orders.owner", "column -> table.key"),
    BASE + "[tables.orders]\nowner = 'o_custkey -> customer'\n": ("tables.orders.owner", "column -> table.key"),
    BASE + "[tables.orders]\nowner = 'o_custky -> customer.c_custkey'\n": (
        "tables.orders.owner", "did you mean o_custkey?"),
    BASE + "[tables.orders]\nowner = 'o_custkey -> custmer.c_custkey'\n": (
        "tables.orders.owner", "did you mean customer?"),
    BASE + "[tables.orders]\nowner = 'o_custkey -> customer.custkey'\n": (
        "tables.orders.owner", "did you mean c_custkey?"),
    BASE + "[tables.orders]\nowner = 'o_custkey -> customer.c_name'\n": (
        "tables.orders.owner", "INTEGER", "VARCHAR", "cannot be equal"),
    BASE + "[tables.nation]\npublic = true\n[tables.orders]\nowner = 'o_custkey -> nation.n_nationkey'\n": (
        "tables.orders.owner", "nation is public"),
    BASE + "[tables.orders]\nowner = 'o_custkey -> orders.o_orderkey'\n": ("tables.orders.owner", "circle"),
    BASE + "[tables.orders]\nowner = 'o_orderkey -> lineitem.l_orderkey'\n[tables.lineitem]\n"
           "owner = 'l_orderkey -> orders.o_orderkey'\n": (
        "tables.orders.owner", "circle: orders -> lineitem -> orders"),
    # people of whom one has several spellings, or two have one
    BASE.replace("c_custkey", "c_rate"): ("tables.customer.unit", "DOUBLE", "surely equal"),
    BASE.replace("c_custkey", "c_tags"): ("tables.customer.unit", "VARCHAR[]", "surely equal"),
    BASE.replace("c_custkey", "c_born"): ("tables.customer.unit", "TIMESTAMP_S", "does not compute"),
    BASE.replace("c_custkey", "c_at"): ("tables.customer.unit", "TIMESTAMP_NS", "two people"),
    BASE.replace("c_custkey", "c_email") + "[tables.nation]\nowner = 'n_name -> customer.c_email'\n": (
        "tables.nation.owner", "VARCHAR", "UUID", "several ways"),
    BASE.replace("c_custkey", "c_name") + "[tables.sales.orders]\nowner = 'mail -> customer.c_name'\n": (
        "tables.sales.orders.owner", "VARCHAR", "UUID", "several ways"),
    BASE.replace("c_custkey", "c_acctbal") + "[tables.lineitem]\nowner = 'l_tax -> customer.c_acctbal'\n": (
        "tables.lineitem.owner", "DECIMAL(12,2)", "DECIMAL(15,2)", "several ways"),
    # keys
    BASE + "keys = 'c_custkey'\n": ("tables.customer.keys", "list in brackets"),
    BASE + "keys = ['c_custky']\n": ("tables.customer.keys.1", "did you mean c_custkey?"),
    BASE + "keys = ['c_custkey', ['c_name', 'x']]\n": ("tables.customer.keys.2.2", "no column x"),
    BASE + "keys = [[]]\n": ("tables.customer.keys.1", "a key is a column"),
    BASE + "keys = [['c_name', 'C_NAME']]\n": ("tables.customer.keys.1", "different columns"),
    BASE + "keys = [7]\n": ("tables.customer.keys.1", "text in quotes"),
    # columns
    BASE + "columns.c_acctbl = { range = [0, 1] }\n": ("tables.customer.columns.c_acctbl", "did you mean c_acctbal?"),
    BASE + "columns.c_photo = { values = ['a'] }\n": ("tables.customer.columns.c_photo", "BLOB"),
    BASE + "columns.c_rate = {}\n": ("tables.customer.columns.c_rate", "declares nothing"),
    BASE + "columns.c_rate = [0, 1]\n": ("tables.customer.columns.c_rate", "must be a table of settings, not a list"),
    BASE + "columns.c_rate = { rnge = [0, 1] }\n": ("tables.customer.columns.c_rate.rnge", "did you mean range?"),
    BASE + "columns.c_rate = { range = [0, 1] }\ncolumns.C_RATE = { range = [0, 1] }\n": (
        "tables.customer.columns.C_RATE", "stands here already"),
    BASE + "columns.c_name = { range = [0, 1] }\n": ("tables.customer.columns.c_name.range", "VARCHAR", "`values`"),
    BASE + "columns.c_vip = { range = [0, 1] }\n": ("tables.customer.columns.c_vip.range", "BOOLEAN"),
    BASE + "columns.c_since = { range = [0, 1] }\n": ("tables.customer.columns.c_since.range.1", "DATE"),
    BASE + "columns.c_rate = { range = [1] }\n": ("tables.customer.columns.c_rate.range", "two numbers"),
    BASE + "columns.c_rate = { range = 1 }\n": ("tables.customer.columns.c_rate.range", "list in brackets"),
    BASE + "columns.c_rate = { range = [1, 0] }\n": ("tables.customer.columns.c_rate.range", "reversed"),
    BASE + "columns.c_rate = { range = [0, inf] }\n": ("tables.customer.columns.c_rate.range.2", "finite"),
    BASE + "columns.c_rate = { range = [nan, 1] }\n": ("tables.customer.columns.c_rate.range.1", "finite"),
    BASE + "columns.c_rate = { range = [0, 1e-99999] }\n": ("tables.customer.columns.c_rate.range.2", "beyond"),
    BASE + "columns.c_rate = { range = ['0', 1] }\n": ("tables.customer.columns.c_rate.range.1", "number, not a text"),
    BASE + "columns.c_name = { values = [] }\n": ("tables.customer.columns.c_name.values", "empty"),
    BASE + "columns.c_name = { values = ['a', 'a'] }\n": ("tables.customer.columns.c_name.values.2", "twice"),
    BASE + "columns.c_name = { values = [1] }\n": (
        "tables.customer.columns.c_name.values.1", "the column is VARCHAR, this is a whole number"),
    BASE + "columns.c_vip = { values = [1] }\n": ("tables.customer.columns.c_vip.values.1", "BOOLEAN"),
    BASE + "columns.c_tiny = { values = [true] }\n": ("tables.customer.columns.c_tiny.values.1", "TINYINT"),
    BASE + "columns.c_tiny = { values = [128] }\n": ("tables.customer.columns.c_tiny.values.1", "no value of a column"),
    BASE + "columns.c_tiny = { values = [1.5] }\n": ("tables.customer.columns.c_tiny.values.1", "no value of a column"),
    BASE + "columns.c_acctbal = { values = [1.005] }\n": (
        "tables.customer.columns.c_acctbal.values.1", "DECIMAL(15, 2)"),
    BASE + "columns.c_rate = { values = [1e399] }\n": (
        "tables.customer.columns.c_rate.values.1", "beyond every DOUBLE"),
    BASE + "columns.c_since = { values = [2020-01-01T00:00:00] }\n": (
        "tables.customer.columns.c_since.values.1", "the column is DATE, this is a date or time"),
    BASE + "columns.c_seen = { values = [2020-01-01T00:00:00Z] }\n": (
        "tables.customer.columns.c_seen.values.1", "time zone"),
    # one value that is written in two ways
    BASE + "columns.c_rate = { values = [0.0, -0.0] }\n": ("tables.customer.columns.c_rate.values.2", "twice"),
    BASE + "columns.c_rate = { values = [1, 1.00000000000000001] }\n": (
        "tables.customer.columns.c_rate.values.2", "twice"),
    BASE + "columns.c_acctbal = { values = [1, 1.00] }\n": ("tables.customer.columns.c_acctbal.values.2", "twice"),
    BASE + "columns.c_seen = { values = [2020-02-01, 2020-02-01T00:00:00] }\n": (
        "tables.customer.columns.c_seen.values.2", "twice"),
    BASE + "columns.c_at_all = { values = [2020-01-01T00:00:00+00:00, 2020-01-01T01:00:00+01:00] }\n": (
        "tables.customer.columns.c_at_all.values.2", "twice"),
    BASE + "columns.c_tiny = { range = [0, 5], values = [1, 6] }\n": (
        "tables.customer.columns.c_tiny.values.2", "outside the range [0, 5]"),
    # syntax
    BASE + "x = \n": (None, "line 8", "Invalid value"),
    BASE + "unit = 'again'\n": (None, "line 8", "Cannot overwrite"),
    BASE + "x = [": (None, "line 8"),
    BASE + "keys = " + "[" * 5000: (None, "nesting too large"),
    BASE + "x = " + "9" * 5000 + "\n": (None, "too large"),
}


@pytest.mark.parametrize("text", WRONG, ids=[f"{index}-{place[0]}" for index, place in enumerate(WRONG.values())])
def test_errors_name_the_place_and_the_mend(tmp_path, text):
    place, *words = WRONG[text]
    with pytest.raises(PolicyError) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith("policy.toml: " if place is None else f"policy.toml: {place}: "), message
    for word in words:
        assert word in message


def test_no_file(tmp_path):
    with pytest.raises(OpenError, match="dpsql init"):
        load_policy(tmp_path / "none.toml", SCHEMA)
    with pytest.raises(OpenError, match="dpsql init"):
        load_policy(tmp_path, SCHEMA)


def test_no_text(tmp_path):
    (tmp_path / "policy.toml").write_bytes(b"version = '\xff'")
    with pytest.raises(PolicyError, match="UTF-8"):
        load_policy(tmp_path / "policy.toml", SCHEMA)


def test_windows_line_ends_and_mark(tmp_path):
    assert read(tmp_path, BASE.replace("\n", "\r\n")).unit == "customer"


def test_a_range_of_dates_is_kept_in_days(tmp_path):
    text = BASE + "columns.c_since = { range = [1970-01-02, 2000-01-01] }\n"
    claims = read(tmp_path, text).tables["customer"].columns
    assert claims["c_since"].range == between(1, 10_957)
