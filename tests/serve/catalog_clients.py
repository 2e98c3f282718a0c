"""What real clients do that makes them ask the catalog. Each is a function of host, port, user and database."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
JAR = Path("/usr/share/java/postgresql.jar")

PSQL = r"""
\d
\dt
\dt+
\d visits
\d+ visits
\d patients
\d wards
\d public.pay*
\dt public.*
\dt nowhere
\d nowhere
\dv
\dv+
\di
\di+
\dm
\ds
\dn
\dn+
\l
\l+
\du
\du+
\dg alice
\df
\df+
\da
\dT
\dT+
\dD
\dO
\dx
\db
\dp
\dp visits
\z
\dd
\do
\dc
\dC
\dy
\des
\dew
\det
\dF
\dL
\dRp
\dconfig
\dconfig search_path
\sv nowhere
\sf nowhere
SELECT version();
SELECT current_user, session_user, current_schema(), current_database();
SELECT pg_catalog.pg_backend_pid() > 0;
SELECT current_setting('server_version_num');
SELECT 'visits'::regclass;
SELECT to_regclass('visits'), to_regclass('nowhere');
SELECT has_table_privilege('visits', 'SELECT'), has_schema_privilege('public', 'USAGE');
SELECT table_schema, table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1, 2;
SELECT column_name, data_type, is_nullable, numeric_precision
FROM information_schema.columns WHERE table_name = 'visits' ORDER BY ordinal_position;
"""


def psql(host: str, port: int, user: str, database: str) -> None:
    """The backslash commands of psql, and its completions."""
    link = ["psql", "-X", "-h", host, "-p", str(port), "-U", user, "-d", database]
    subprocess.run(link, input=PSQL, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def psql_tab(host: str, port: int, user: str, database: str) -> None:
    """What psql asks when Tab is pressed."""
    import pexpect

    os.environ["PAGER"] = "cat"
    shell = pexpect.spawn("psql", ["-X", "-h", host, "-p", str(port), "-U", user, "-d", database], timeout=10)
    shell.expect("=> ")
    for typed in (
        "SELECT * FROM ", "SELECT * FROM vi", "SELECT * FROM public.", "SELECT count(*) FROM visits WHERE ",
        "\\d ", "\\dt pa", "\\dn ", "\\du ", "SET ", "SHOW ", "\\df ", "SELECT cur", "\\c ", "TABLE ",
        "SELECT ward FROM visits GROUP BY ", "\\dT ", "EXPLAIN SELECT * FROM p", "SELECT * FROM visits ORDER BY d",
    ):
        shell.send(typed + "\t\t")
        shell.expect([pexpect.TIMEOUT], timeout=0.4)
        shell.send("n\x15")              # "n" to "Display all possibilities?"; Ctrl-U clears the line
        shell.expect([pexpect.TIMEOUT], timeout=0.1)
    shell.sendline("\\q")
    shell.close()


def sqlalchemy(host: str, port: int, user: str, database: str) -> None:
    """Everything SQLAlchemy's inspector can be asked, by psycopg."""
    import sqlalchemy as sa

    engine = sa.create_engine(f"postgresql+psycopg://{user}@{host}:{port}/{database}")
    seen = sa.inspect(engine)
    seen.get_schema_names()
    for schema in (None, "public", "pg_catalog"):
        seen.get_table_names(schema)
        seen.get_view_names(schema)
        seen.get_materialized_view_names(schema)
    seen.get_sequence_names()
    seen.get_temp_table_names()
    seen.get_enums()
    seen.get_domains()
    seen.get_foreign_table_names()
    for name in ("visits", "patients", "wards"):
        for schema in (None, "public"):
            seen.has_table(name, schema=schema)
            seen.get_columns(name, schema=schema)
            seen.get_pk_constraint(name, schema=schema)
            seen.get_foreign_keys(name, schema=schema)
            seen.get_indexes(name, schema=schema)
            seen.get_unique_constraints(name, schema=schema)
            seen.get_check_constraints(name, schema=schema)
            seen.get_table_comment(name, schema=schema)
            seen.get_table_options(name, schema=schema)
    seen.has_table("nowhere")
    sa.MetaData().reflect(engine)
    sa.MetaData(schema="public").reflect(engine, views=True)
    engine.dispose()


def asyncpg(host: str, port: int, user: str, database: str) -> None:
    """asyncpg's questions about types, and its pool's reset."""
    import asyncpg

    async def work() -> None:
        link = await asyncpg.connect(host=host, port=port, user=user, database=database)
        with_all = "SELECT NULL::information_schema.sql_identifier, NULL::patients, NULL::int4range[], NULL::regclass"
        await link.fetch(with_all)
        await link.fetchval("SELECT version()")
        await link.fetch("SELECT oid, relname, relkind FROM pg_class WHERE relname = $1", "visits")
        await link.fetch("SELECT typname FROM pg_type WHERE oid = any($1::oid[]) ORDER BY oid", [23, 25])
        await link.set_type_codec("json", encoder=str, decoder=str, schema="pg_catalog")
        await link.reset()
        await link.close()

    asyncio.run(work())


def pg8000(host: str, port: int, user: str, database: str) -> None:
    """pg8000, by hand and by SQLAlchemy."""
    import pg8000.dbapi
    import sqlalchemy as sa

    link = pg8000.dbapi.connect(user, host=host, port=port, database=database)
    cursor = link.cursor()
    cursor.execute("SELECT relname, reltuples FROM pg_class WHERE relkind = %s AND relname LIKE %s", ("r", "p%"))
    cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", ("public",))
    link.close()
    engine = sa.create_engine(f"postgresql+pg8000://{user}@{host}:{port}/{database}")
    sa.MetaData().reflect(engine)
    engine.dispose()


def psycopg(host: str, port: int, user: str, database: str) -> None:
    """psycopg's questions about types, and those of its types' modules."""
    import psycopg
    from psycopg.types import TypeInfo
    from psycopg.types.composite import CompositeInfo
    from psycopg.types.enum import EnumInfo
    from psycopg.types.range import RangeInfo

    with psycopg.connect(host=host, port=port, user=user, dbname=database) as link:
        TypeInfo.fetch(link, "text")
        TypeInfo.fetch(link, "nothing")
        CompositeInfo.fetch(link, "nothing")
        EnumInfo.fetch(link, "nothing")
        RangeInfo.fetch(link, "nothing")


def pgjdbc(host: str, port: int, user: str, database: str) -> None:
    """DatabaseMetaData of pgjdbc (Debian's libpostgresql-jdbc-java)."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"jdbc:postgresql://{host}:{port}/{database}?user={user}&sslmode=disable&gssEncMode=disable"
        subprocess.run(["java", "-cp", str(JAR), str(HERE / "CatalogCalls.java"), url], check=True, cwd=folder)


CLIENTS: dict[str, Callable[[str, int, str, str], None]] = {
    "psql": psql, "psql_tab": psql_tab, "sqlalchemy": sqlalchemy, "asyncpg": asyncpg, "pg8000": pg8000,
    "psycopg": psycopg, "pgjdbc": pgjdbc,
}
