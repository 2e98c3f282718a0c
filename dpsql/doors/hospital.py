"""The demo's made-up hospital: a database of patients, their visits and the wards, and the owner's policy for it."""

from __future__ import annotations

from pathlib import Path

POLICY = """\
version = "2026-11"
unit = "patients"                  # who is protected: every answer hides each single patient

[budget]                           # for ever, all analysts together
epsilon = 10.0
delta = 1e-6

[query]                            # what one query costs when it does not say
epsilon = 1.0
delta = 1e-8

[limits]                           # what one patient may add to one query
max_groups = 3
max_rows_per_group = 12

[analysts.ada]
epsilon = 5.0

[tables.patients]
unit = "patient_id"
keys = ["patient_id"]
columns.age = { range = [0, 100] }

[tables.visits]
owner = "patient_id -> patients.patient_id"
columns.nights = { range = [0, 14] }
columns.cost = { range = [0, 3000] }
columns.diagnosis.values = ["asthma", "diabetes", "fracture", "heart", "flu", "migraine"]

[tables.wards]
public = true
keys = ["ward"]
"""

PATIENTS, LONELY = 40_000, 17     # LONELY: the only patient who lives in Gull Rock

# `chance(i, k)` is the k-th of many even numbers in [0, 1) that belong to i: varied, and the same every time.
_STATEMENTS = (
    "CREATE TEMP MACRO chance(i, k) AS (hash(i * 64 + k) >> 11) / 9007199254740992.0",
    """
    CREATE TABLE wards (ward VARCHAR PRIMARY KEY, speciality VARCHAR NOT NULL, floor INTEGER NOT NULL)
    """,
    """
    INSERT INTO wards VALUES ('A1', 'medicine', 1), ('A2', 'medicine', 2), ('B1', 'surgery', 1),
        ('B2', 'surgery', 2), ('C1', 'cardiology', 3), ('D1', 'neurology', 4)
    """,
    """
    CREATE TABLE patients (
        patient_id INTEGER NOT NULL, age INTEGER NOT NULL, sex VARCHAR NOT NULL, district VARCHAR NOT NULL)
    """,
    f"""
    INSERT INTO patients
    SELECT i,
        CAST(floor(100 * (chance(i, 1) + chance(i, 2) + greatest(chance(i, 3), chance(i, 4))) / 3) AS INTEGER),
        CASE WHEN chance(i, 5) < 0.52 THEN 'female' ELSE 'male' END,
        CASE WHEN i = {LONELY} THEN 'Gull Rock' ELSE
            ['Old Town', 'Harbour', 'Northgate', 'Mill Hill', 'Eastfield', 'Riverside', 'Castle', 'Kingsway',
             'Westmoor', 'Orchard', 'Station', 'Meadow', 'Abbey', 'Parkside', 'Quarry', 'Lakeview', 'Southend',
             'Forest', 'Bridge', 'Fairview'][1 + CAST(floor(20 * pow(chance(i, 6), 2)) AS INTEGER)] END
    FROM range(1, {PATIENTS + 1}) AS r(i)
    """,
    """
    CREATE TABLE visits (
        visit_id INTEGER NOT NULL, patient_id INTEGER NOT NULL, ward VARCHAR NOT NULL, day DATE NOT NULL,
        diagnosis VARCHAR NOT NULL, nights INTEGER NOT NULL, cost DECIMAL(9, 2) NOT NULL)
    """,
    # everybody has at most three diagnoses and comes 1 to 12 times, but for a few who come 30 times
    f"""
    INSERT INTO visits
    WITH plan AS (
        SELECT i, CASE WHEN chance(i, 7) < 0.001 THEN 30 ELSE 1 + CAST(floor(11.5 * chance(i, 8)) AS INTEGER) END AS n
        FROM range(1, {PATIENTS + 1}) AS r(i)
    ), visit AS (
        SELECT i, i * 64 + j AS v, CAST(floor(3 * pow(chance(i * 64 + j, 9), 1.5)) AS INTEGER) AS which
        FROM plan, range(30) AS s(j) WHERE j < n
    ), ill AS (
        SELECT i, v, 1 + CAST(floor(6 * pow(chance(i, 10 + which), 1.4)) AS INTEGER) AS d FROM visit
    ), stay AS (
        SELECT i, v, d, CAST(floor(least(14, -ln(1 - chance(v, 13)) * (0.6 + d * 0.35))) AS INTEGER) AS nights FROM ill
    )
    SELECT row_number() OVER (ORDER BY v), i,
        ['A1', 'A2', 'B1', 'C1', 'A1', 'D1'][d],
        DATE '2025-01-01' + CAST(floor(365 * chance(v, 14)) AS INTEGER),
        ['flu', 'asthma', 'fracture', 'heart', 'diabetes', 'migraine'][d],
        nights,
        round(40 + 150 * nights + d * 60 * chance(v, 15), 2)
    FROM stay
    """,
)


def hospital(folder: Path) -> tuple[Path, Path]:
    """Writes hospital.duckdb and policy.toml into `folder`; returns both paths. Takes about a second."""
    import duckdb

    database, policy = folder / "hospital.duckdb", folder / "policy.toml"
    with duckdb.connect(str(database)) as connection:
        for statement in _STATEMENTS:
            connection.execute(statement)
    policy.write_text(POLICY)
    return database, policy
