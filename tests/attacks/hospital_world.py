"""A small hospital whose patients are hostile rows, and its neighbours, each without one of them.

Patient 7 holds every value that could trip a query; 8 has many rows; 9 is the only member of its groups; 10 has NULLs;
11 has extreme but ordinary numbers. A row with no patient and orphans of every kind belong to nobody.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

WORST = (7, 8, 9, 10, 11)
POLICY = """
version = "1"
unit = "patients"
[budget]
epsilon = 1e9
delta = 0.5
[query]
epsilon = 1.0
delta = 1e-6
[limits]
max_groups = 4
max_rows_per_group = 10
[tables.patients]
unit = "pid"
keys = ["pid"]
columns.age = { range = [0, 110] }
columns.weight = { range = [0, 200] }
columns.sex = { values = ["f", "m"] }
[tables.visits]
owner = "pid -> patients.pid"
keys = ["vid"]
columns.cost = { range = [0, 5000] }
columns.minutes = { range = [0, 600] }
columns.ward = { values = ["A", "B", "C"] }
[tables.labs]
owner = "vid -> visits.vid"
columns.value = { range = [-10, 10] }
[tables.wards]
public = true
keys = ["ward"]
[tables.days]
public = true
"""
_MAKE = """
CREATE TABLE patients(
    pid BIGINT, name VARCHAR, age INTEGER, weight DOUBLE, sex VARCHAR, born DATE, big HUGEINT, note VARCHAR);
CREATE TABLE visits(
    vid BIGINT, pid BIGINT, ward VARCHAR, cost DECIMAL(12, 2), minutes INTEGER, moment TIMESTAMP, referrer BIGINT);
CREATE TABLE labs(lid BIGINT, vid BIGINT, kind VARCHAR, value DOUBLE, ok BOOLEAN);
CREATE TABLE wards(ward VARCHAR, floor INTEGER, beds INTEGER);
CREATE TABLE days(day DATE, holiday BOOLEAN);
CREATE TABLE hidden(pid BIGINT, secret VARCHAR);
INSERT INTO wards VALUES ('A', 1, 10), ('B', 1, 20), ('C', 2, 30), ('D', 3, 0), (NULL, 4, 5);
INSERT INTO days SELECT DATE '2024-01-01' + CAST(i AS INTEGER), i % 7 = 0 FROM range(30) AS t(i);
INSERT INTO hidden VALUES (1, 'x');
INSERT INTO patients SELECT i, 'p' || i, 20 + i % 60, 50.5 + i % 40, ['f', 'm'][1 + i % 2],
    DATE '1950-01-01' + CAST(i * 100 AS INTEGER), i, CAST(i AS VARCHAR) FROM range(12, 212) AS t(i);
INSERT INTO visits SELECT i, 12 + i % 200, ['A', 'B', 'C'][1 + i % 3], 10.25 * (i % 50), i % 90,
    TIMESTAMP '2024-01-01 08:00:00' + to_hours(i), 12 + i % 7 FROM range(1000, 1800) AS t(i);
INSERT INTO labs
    SELECT i, 1000 + i % 800, ['na', 'k'][1 + i % 2], (i % 20) - 9.5, i % 3 = 0 FROM range(2000) AS t(i);
INSERT INTO patients VALUES
    (7, 'Robert''); DROP TABLE patients;--', 2147483647, 'nan', 'x', 'infinity',
        -170141183460469231731687303715884105728, '12x'),
    (8, 'many', 40, 60, 'f', '1984-04-04', 8, '8'),
    (9, 'only', 109, 199, 'hermit', '5877642-06-25 (BC)', 9, ''),
    (10, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (11, 'extreme', -2147483648, '-inf', 'm', '5881580-07-10', 170141183460469231731687303715884105727, '1e999'),
    (NULL, 'nobody', 5, 5, 'f', '2000-01-01', 5, '5'), (NULL, 'nobody', 5, 5, 'f', '2000-01-01', 5, '5');
INSERT INTO visits VALUES
    (1, 7, 'Z', 9999999999.99, 0, 'infinity', 9), (2, 7, NULL, -9999999999.99, 2147483647, '290309-12-22 (BC)', 7),
    (NULL, 7, 'A', 1, -2147483648, '294247-01-10 04:00:54', NULL), (NULL, 7, 'A', 1, 1, NULL, NULL),
    (3, 9, 'attic', 77.77, 1, '1900-01-01', 8), (4, 10, NULL, NULL, NULL, NULL, NULL),
    (5, 11, 'B', 0, 0, '9999-12-31 23:59:59.999999', 11), (6, NULL, 'A', 5, 5, '2024-01-01', 12),
    (9, 999999, 'A', 5, 5, '2024-01-01', 12);
INSERT INTO visits SELECT 10000 + i, 8, ['A', 'B', 'C', 'D', 'E'][1 + i % 5], 5000, 600,
    TIMESTAMP '2024-01-01' + to_days(CAST(i AS INTEGER)), 8 FROM range(300) AS t(i);
INSERT INTO labs VALUES
    (1, 1, 'nan', 'nan', NULL), (2, 1, 'inf', 'inf', true), (3, 2, NULL, '-inf', false), (NULL, 2, '', -0.0, NULL),
    (5, 3, 'rare', 1e308, true), (6, 4, NULL, NULL, NULL), (7, 5, 'tiny', 5e-324, true), (8, 424242, 'lost', 1, true),
    (9, NULL, 'lost', 1, true);
INSERT INTO labs SELECT 50000 + i, 10000 + i % 300, 'na', 10, true FROM range(900) AS t(i);
"""


def build(folder: Path, unit: int | None = None) -> Path:
    """A database file in `folder`, without the rows of `unit` if one is named. Every file has the same name."""
    folder.mkdir()
    path = folder / "hospital.duckdb"
    with duckdb.connect(path) as connection:
        connection.execute(_MAKE)
        if unit is not None:
            connection.execute(f"DELETE FROM labs WHERE vid IN (SELECT vid FROM visits WHERE pid = {unit})")
            connection.execute(f"DELETE FROM visits WHERE pid = {unit}")
            connection.execute(f"DELETE FROM patients WHERE pid = {unit}")
    (folder / "policy.toml").write_text(POLICY)
    return path
