-- The clinic of every page: small, deterministic, and within the caps of policy.toml.
CREATE TABLE wards (ward VARCHAR, floor INTEGER, specialty VARCHAR, beds INTEGER);
INSERT INTO wards VALUES
  ('A1', 1, 'surgery', 20), ('A2', 1, 'surgery', 12), ('B1', 2, 'medicine', 30),
  ('B2', 2, 'children', 16), ('C1', 3, 'medicine', 24), ('C2', 3, 'closed', 0);

CREATE TABLE drugs (drug INTEGER, label VARCHAR, family VARCHAR, list_price DECIMAL(7, 2));
INSERT INTO drugs VALUES
  (1, 'amoxicillin', 'antibiotic', 4.10), (2, 'ibuprofen', 'painkiller', 1.95), (3, 'insulin', 'hormone', 38.00),
  (4, 'paracetamol', 'painkiller', 0.95), (5, 'penicillin', 'antibiotic', 6.40), (6, 'thalidomide', NULL, NULL);

-- 120 people; one weight is NaN, some are NULL. Only one person lives in Atlantis.
CREATE TABLE patients AS
SELECT
  p::INTEGER AS pid,
  'patient ' || p AS name,
  ['f', 'm', 'x'][1 + (p * 7 % 11) % 3] AS sex,
  DATE '1935-03-01' + (p * 251 % 29000)::INTEGER AS born,
  CASE WHEN p % 9 > 0 THEN p % 4 = 1 END AS smoker,
  CASE WHEN p = 13 THEN 'nan'::DOUBLE WHEN p % 10 > 0 THEN 48 + (p * 37 % 61) + (p % 4) * 0.25 END AS weight,
  (p * 7919 % 150000)::DECIMAL(10, 2) + 0.25 AS income,
  (p * 5 % 7 % 4)::INTEGER AS children,
  (150 + p * 13 % 50)::SMALLINT AS height,
  CASE WHEN p = 77 THEN 'Atlantis' ELSE ['Ayr', 'Bern', 'Como', 'Dijon'][1 + p % 4] END AS city
FROM range(1, 121) t(p);

-- 0 to 3 visits a person, two visits of nobody.
CREATE TABLE visits AS
SELECT
  v::INTEGER AS vid,
  p::INTEGER AS pid,
  CASE WHEN v % 12 > 0 THEN ['A1', 'A2', 'B1', 'B2', 'C1'][1 + (v // 10 + v) % 5] END AS ward,
  TIMESTAMP '2025-01-01 08:30:00' + to_hours((v * 47 % 8700)::INTEGER) AS admitted,
  (v * 11 % 23)::INTEGER AS days,
  (v * 523 % 18000)::DECIMAL(9, 2) + 0.75 AS cost,
  CASE WHEN v % 8 > 0 THEN 36 + (v * 3 % 17) / 4.0 END AS temperature,
  v % 3 = 0 AS emergency,
  (1 + v // 7 % 5)::INTEGER AS triage
FROM (SELECT p, p * 10 + i AS v FROM range(1, 121) t(p), range(3) u(i) WHERE i < p % 4);
INSERT INTO visits SELECT vid + 5000, NULL, * EXCLUDE (vid, pid) FROM visits WHERE vid IN (10, 20);

-- 0 to 2 prescriptions a visit; one is of a visit that is not there.
CREATE TABLE prescriptions AS
SELECT
  (v.vid * 10 + i)::INTEGER AS rid,
  v.vid,
  (1 + (v.vid + i) % 5)::INTEGER AS drug,
  (1 + (v.vid * 7 + i) % 29)::INTEGER AS doses,
  ((v.vid * 31 + i * 17) % 480)::DECIMAL(7, 2) + 0.10 AS price,
  [0.1, 0.25, 0.5][1 + v.vid % 3]::DOUBLE AS strength
FROM visits v, range(2) u(i) WHERE i < (v.vid // 10 + v.vid) % 3;
INSERT INTO prescriptions SELECT 99999, 77777, * EXCLUDE (rid, vid) FROM prescriptions LIMIT 1;

-- What people paid; this table has no key, and holds NULLs.
CREATE TABLE payments AS
SELECT p::INTEGER AS pid, DATE '2025-02-01' + (p * 3)::INTEGER AS paid_on,
  CASE WHEN p % 6 > 0 THEN (p * 37 % 900)::DECIMAL(9, 2) - 0.50 END AS amount
FROM range(1, 121) t(p), range(2) u(i) WHERE (p + i) % 3 > 0;

-- What people wear: types that dpsql reads as another, and one that it does not read.
CREATE TYPE modes AS ENUM ('off', 'night', 'day');
CREATE TABLE trackers AS
SELECT p::INTEGER AS pid, ('00000000-0000-4000-8000-' || lpad(p::VARCHAR, 12, '0'))::UUID AS serial,
  TIMESTAMPTZ '2025-03-01 06:00:00+00' + to_hours((p * 29 % 200)::INTEGER) AS worn,
  CASE WHEN p % 7 > 0 THEN TIME '05:30:00' + to_minutes((p * 13 % 240)::INTEGER) END AS wakes,
  (60 + p % 37 / 10)::FLOAT AS pulse, (p * 997 % 20000)::UINTEGER AS steps,
  (['off', 'night', 'day'][1 + p % 3])::modes AS mode, encode('v' || p % 2) AS firmware,
  {'floor': p % 4, 'bed': {'label': chr((65 + p % 3)::INTEGER)}} AS place
FROM range(1, 121) t(p);

-- What people told: lists, some of them empty or NULL.
CREATE TABLE surveys AS
SELECT (1000 + p)::INTEGER AS sid, p::INTEGER AS pid,
  CASE WHEN p % 11 > 0 THEN list_filter(['pain', 'sleep', 'mood'], lambda x, i: (p + i) % 3 > 0 AND p % 5 > 0) END AS topics,
  [p % 6, (p * 7) % 6] AS marks, (p * 13 % 40)::INTEGER AS minutes
FROM range(1, 121) t(p) WHERE p % 4 > 0;

-- What the policy does not name does not exist.
CREATE TABLE staff AS SELECT 1 AS badge, 'dr. who' AS name;
