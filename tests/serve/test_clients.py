"""Real clients over TLS against TPC-H with two users: psql, psycopg, asyncpg, pg8000, SQLAlchemy with pandas, pgjdbc.

    pytest -m clients tests/serve/test_clients.py       needs psql, java and Debian's libpostgresql-jdbc-java
"""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import asyncpg
import pandas
import pg8000.dbapi
import psycopg
import pytest
import sqlalchemy

from dpsql.budget.ledger import Ledger
from dpsql.doors.serve.users import add_user
from dpsql.engines.base import open_engine
from dpsql.policy_file import load_policy
from tests.serve.hosting import PASSWORDS, ROOT, Served
from tests.serve.test_operations import certificate

pytestmark = pytest.mark.clients
HERE = Path(__file__).parent
JAR = Path("/usr/share/java/postgresql.jar")
SEGMENTS = "SELECT c_mktsegment, COUNT(*) AS n FROM customer GROUP BY c_mktsegment ORDER BY 1"
SLOW = "SELECT COUNT(*) FROM " + ", ".join(f"nation n{i}" for i in range(30))


@pytest.fixture(scope="module")
def tpch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("clients")
    make = [sys.executable, str(ROOT / "examples" / "tpch" / "make.py"), "--scale", "0.1",
            str(folder / "hospital.duckdb")]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    text = (ROOT / "examples" / "tpch" / "policy.toml").read_text()
    (folder / "policy.toml").write_text(
        text.replace("epsilon = 10.0", "epsilon = 100.0", 1) + "\n[analysts.bob]\nepsilon = 20.0\n")
    for name, password in PASSWORDS.items():
        add_user(folder / "users", name, password)
    cert, key = certificate(folder)
    server = Served(folder, "--tls-cert", cert, "--tls-key", key)
    yield server
    assert server.stop() == 0


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def charges(server: Served, analyst: str) -> int:
    """What the ledger says an analyst was charged for."""
    engine = open_engine(server.folder / "hospital.duckdb")
    try:
        policy = load_policy(server.folder / "policy.toml", engine.schema)
    finally:
        engine.close()
    with Ledger.open(server.folder / "hospital.duckdb.ledger", policy) as ledger:
        ledger.verify()
        return sum(each.analyst == analyst and each.kind in ("charge", "sight") for each in ledger.entries())


def test_psql(tpch: Served) -> None:
    if shutil.which("psql") is None:
        pytest.skip("there is no psql: apt-get install postgresql-client")
    before = charges(tpch, "bob")
    script = f"\\d\n\\d customer\n{SEGMENTS};\n{SEGMENTS};\nSELECT nope FROM customer;\nSHOW dpsql.budget;\n"
    done = subprocess.run(
        ["psql", "-X", tpch.url("bob", "sslmode=require").replace(f" password='{PASSWORDS['bob']}'", "")],
        input=script, capture_output=True, text=True, env={**os.environ, "PGPASSWORD": PASSWORDS["bob"]}, check=True)
    assert "customer" in done.stdout and "c_mktsegment" in done.stdout and done.stdout.count("BUILDING") == 2
    assert done.stderr.count("NOTICE:  epsilon 1 spent") == 1
    assert "LINE 1: SELECT nope FROM customer;\n               ^" in done.stderr
    assert charges(tpch, "bob") == before + 1


def test_psycopg(tpch: Served) -> None:
    before = charges(tpch, "bob")
    with psycopg.connect(tpch.url("bob", "sslmode=require")) as connection:
        assert connection.pgconn.ssl_in_use
        query = "SELECT COUNT(*), SUM(o_totalprice) FROM orders WHERE o_orderstatus = %s AND o_totalprice > %s"
        first = connection.execute(query, ("F", 1000)).fetchone()
        assert first is not None and isinstance(first[1], Decimal)
        assert connection.execute(query, ("F", 1000)).fetchone() == first
        with connection.cursor("pieces") as cursor:
            cursor.execute("SELECT n_name FROM nation ORDER BY 1")
            assert len(cursor.fetchmany(10)) == 10 and len(cursor.fetchall()) == 15
        timer = threading.Timer(0.5, connection.cancel)
        timer.start()
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(SLOW)
        timer.join()
        connection.rollback()
    assert charges(tpch, "bob") == before + 1


def test_asyncpg(tpch: Served) -> None:
    async def story() -> None:
        connection = await asyncpg.connect(
            host="127.0.0.1", port=tpch.port, user="bob", password=PASSWORDS["bob"], database="x", ssl=trusting())
        sql = "SELECT n_name, COUNT(*) AS n FROM customer JOIN nation ON c_nationkey = n_nationkey " \
              "WHERE n_regionkey = $1 GROUP BY n_name"
        assert len(await connection.fetch(sql, 1)) == 5
        await connection.close()

    before = charges(tpch, "bob")
    asyncio.run(story())
    assert charges(tpch, "bob") == before + 1


def test_pg8000(tpch: Served) -> None:
    before = charges(tpch, "bob")
    connection = pg8000.dbapi.connect(host="127.0.0.1", port=tpch.port, user="bob", password=PASSWORDS["bob"],
                                      database="x", ssl_context=trusting())
    cursor = connection.cursor()
    cursor.execute("SELECT COUNT(*) FROM customer WHERE c_mktsegment = %s", ("BUILDING",))
    assert cursor.fetchone()[0] > 1000
    connection.close()
    assert charges(tpch, "bob") == before + 1


def test_sqlalchemy_and_pandas(tpch: Served) -> None:
    before = charges(tpch, "bob")
    engine = sqlalchemy.create_engine(sqlalchemy.URL.create(
        "postgresql+psycopg", "bob", PASSWORDS["bob"], "127.0.0.1", tpch.port, "hospital", {"sslmode": "require"}))
    names = sqlalchemy.inspect(engine).get_table_names()
    assert {"customer", "orders", "nation"} <= set(names)
    orders = sqlalchemy.Table("orders", sqlalchemy.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        query = sqlalchemy.select(sqlalchemy.func.count().label("n")).where(orders.c.o_totalprice > 5000)
        frame = pandas.read_sql(query, connection)
    engine.dispose()
    assert frame["n"][0] > 1000
    assert charges(tpch, "bob") == before + 1


def test_pgjdbc(tpch: Served) -> None:
    if shutil.which("java") is None or not JAR.exists():
        pytest.skip("no Java: apt-get install libpostgresql-jdbc-java default-jre-headless")
    before = charges(tpch, "bob")
    password = PASSWORDS["bob"].replace(" ", "%20").replace("ü", "%C3%BC")
    url = f"jdbc:postgresql://127.0.0.1:{tpch.port}/x?user=bob&password={password}&sslmode=require"
    done = subprocess.run(["java", "-cp", str(JAR), str(HERE / "Client.java"), url], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("asked 5 true epsilon 1 spent")
    assert lines[1:7] == ["asked 5 true free"] * 6
    assert lines[7:] == ["dated true", "refused 42000", "fetched 25", "cancelled 57014"]
    assert charges(tpch, "bob") == before + 2


def test_a_user_has_a_budget_of_their_own(tpch: Served) -> None:
    with psycopg.connect(tpch.url("alice", "sslmode=require"), autocommit=True) as connection:
        for i in range(3):
            connection.execute("SELECT COUNT(*) FROM customer WHERE c_acctbal > %s", (i,))
        with pytest.raises(psycopg.Error) as refused:
            connection.execute("SELECT COUNT(*) FROM customer WHERE c_acctbal > 99")
        assert refused.value.sqlstate == "53400"
    assert charges(tpch, "alice") == 3
